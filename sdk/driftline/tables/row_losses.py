"""The loss of each prediction, from its latest outcome: error, absolute error, log loss.

The probability of the actual class is the basis of log losses and Brier scores of rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from .classes import class_codes
from .performance_columns import EPSILON, GREATEST, actual_numbers, decide
from .table import F64, I32, Column, length
from .task import PerKind, Task

RowLoss = Literal["error", "log_loss", "absolute_error"]
"""The loss of one row: wrong decision or log loss of a classifier, absolute error of a regression."""


def losses_of(task: Task, scores: F64 | None, predicted: Column | None, actual: Column) -> dict[RowLoss, F64]:
    """Return each loss of the rows: float64 (n,), NaN if unknown; {} for a ranking.

    A classifier has its errors, 0 or 1, and the log loss if it returns probabilities; a regression the absolute error.
    The arguments are those of :func:`~driftline.panes.outcome_sums.fold_outcomes`.

    >>> task = Task("binary", ("0", "1"), "1")
    >>> losses_of(task, np.array([[0.8], [0.4]]), None, Column(numbers=np.array([1.0, 1.0])))["error"].tolist()
    [0.0, 1.0]
    """
    if not task.losses:
        return {}
    errors = losses_of_rows(task, scores, predicted, actual)
    if task.predicts_number:
        return {"absolute_error": errors}
    losses: dict[RowLoss, F64] = {"error": errors}
    codes = class_codes(actual, task.classes)
    if codes is not None and np.isfinite(chance := probability_of_outcome(task, scores, codes)).any():
        losses["log_loss"] = -np.log(np.clip(chance, EPSILON, 1 - EPSILON))
    return losses


def losses_of_rows(task: Task, scores: F64 | None, predicted: Column | None, actual: Column) -> F64:
    """Return an error per row, NaN if it is unknown: float64 (n,).

    Classes: 0 if the decided class is the actual one, else 1; NaN if either is not one of the model's classes.
    Regression: the absolute error. The arguments are those of :func:`~driftline.panes.outcome_sums.fold_outcomes`.

    >>> task = Task("binary", ("0", "1"), "1")
    >>> losses_of_rows(task, np.array([[0.8], [0.4]]), None, Column(numbers=np.array([1.0, 1.0])))
    array([0., 1.])
    """
    return _ERRORS.of(task)(task, scores, predicted, actual)


def _absolute_errors(task: Task, scores: F64 | None, _predicted: Column | None, actual: Column) -> F64:
    truth = actual_numbers(actual)
    if scores is None or not len(scores):
        return np.full(len(truth), np.nan)
    predictions = task.monitored_score(scores)
    with np.errstate(invalid="ignore", over="ignore"):
        usable = (np.abs(truth) <= GREATEST) & (np.abs(predictions) <= GREATEST)
        return np.where(usable, np.abs(predictions - truth), np.nan)


def _class_errors(task: Task, scores: F64 | None, predicted: Column | None, actual: Column) -> F64:
    codes, n = class_codes(actual, task.classes), length(actual)
    decided = decide(task, scores, predicted)
    if codes is None or len(decided) != n:
        return np.full(n, np.nan)
    classes = len(task.classes)
    usable = (codes >= 0) & (codes < classes) & (decided >= 0) & (decided < classes)
    return np.where(usable, (codes != decided).astype(np.float64), np.nan)


def _no_errors(_task: Task, _scores: F64 | None, _predicted: Column | None, actual: Column) -> F64:
    return np.full(length(actual), np.nan)


_ERRORS: PerKind[Callable[[Task, F64 | None, Column | None, Column], F64]] = PerKind(
    binary=_class_errors,
    multiclass=_class_errors,
    regression=_absolute_errors,
    ranking=_no_errors,
    unknown=_no_errors,
)


def probability_of_outcome(task: Task, scores: F64 | None, happened: I32) -> F64:
    """Return the probability that the scores of each row gave to its class: float64 (n,).

    NaN if scores are not probabilities, by the rules of :func:`~driftline.panes.outcome_sums.fold_outcomes`, or if the
    class is not one of the model's. ``scores``: float64 (n, k); ``happened``: int32 (n,), codes into ``task.classes``.

    >>> scores, happened = np.array([[0.8], [0.4], [7.0]]), np.array([1, 0, 1], np.int32)
    >>> probability_of_outcome(Task("binary", ("0", "1"), "1"), scores, happened)
    array([0.8, 0.6, nan])
    """
    probabilities = None if scores is None or not len(scores) else task.score_of_classes(scores, happened)
    if scores is None or probabilities is None:
        return np.full(len(happened), np.nan)
    usable = (happened >= 0) & (happened < len(task.classes)) & task.are_probabilities(scores)
    return np.where(usable, probabilities, np.nan)
