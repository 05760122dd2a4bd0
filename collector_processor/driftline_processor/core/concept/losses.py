"""The loss of each prediction, from its latest outcome: error, absolute error, probability of the actual class.

A detector processes one number per outcome, greater for a worse prediction. The probability of the actual class is the
basis of log losses and Brier scores of rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.tables.classes import class_codes
from driftline.tables.performance_columns import GREATEST, actual_numbers, decide
from driftline.tables.table import F64, I32, Column, length
from driftline.tables.task import PerKind, Task

from driftline_processor.core.outcomes.sums import losses

Kind = Literal["error", "loss"]
"""Input of the detector: 0 or 1 for correct and incorrect, or a standardised loss within ``-CLIP`` and ``CLIP``."""

CLIP = 4.0
"""Standard deviations: an outlier of 1e9 counts as 4, and bounds of detectors that require a range have one."""

LEAST_REFERENCE = 100
"""Minimum losses for a mean and a standard deviation, whose standard errors are then a tenth of a deviation."""


def kind_of(task: Task) -> Kind | None:
    """Return the kind of a task's errors; None without errors (rankings, unknown tasks)."""
    return _ROW_LOSSES.of(task).kind


def losses_of_rows(task: Task, scores: F64 | None, predicted: Column | None, actual: Column) -> F64:
    """Return an error per row, NaN if it is unknown: float64 (n,).

    Classes: 0 if the decided class is the actual one, else 1; NaN if either is not one of the model's classes.
    Regression: the absolute error. The arguments are those of :func:`~driftline.panes.outcome_sums.fold_outcomes`.

    >>> task = Task("binary", ("0", "1"), "1")
    >>> losses_of_rows(task, np.array([[0.8], [0.4]]), None, Column(numbers=np.array([1.0, 1.0])))
    array([0., 1.])
    """
    return _ROW_LOSSES.of(task).find(task, scores, predicted, actual)


class _RowLoss(NamedTuple):
    """The kind of a task's errors, and the function that computes them."""

    kind: Kind | None
    find: Callable[[Task, F64 | None, Column | None, Column], F64]


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


_ROW_LOSSES = PerKind(
    binary=_RowLoss("error", _class_errors),
    multiclass=_RowLoss("error", _class_errors),
    regression=_RowLoss("loss", _absolute_errors),
    ranking=_RowLoss(None, _no_errors),
    unknown=_RowLoss(None, _no_errors),
)


def reference_loss(baseline: Baseline | None) -> tuple[float, float] | None:
    """Return mean and standard deviation of the absolute error in a baseline; None without outcomes."""
    if baseline is None or not baseline.task.predicts_number:
        return None
    sums = losses(baseline.pane, baseline.task)
    if sums is None or sums["weight"] < LEAST_REFERENCE:
        return None
    mean = sums["absolute_error"] / sums["weight"]
    return mean, float(np.sqrt(max(0.0, sums["squared_error"] / sums["weight"] - mean**2)))


def standardised(values: F64, scale: tuple[float, float]) -> F64:
    """Return losses less their mean in standard deviations, within ``-CLIP`` and ``CLIP``.

    >>> standardised(np.array([2.0, 3.0, 1e9]), (2.0, 0.5))
    array([0., 2., 4.])
    """
    mean, deviation = scale
    # if the reference has a single loss value, every other value is at the limit
    shifted = (values - mean) / deviation if deviation > 0 else np.sign(values - mean) * CLIP
    clipped: F64 = np.clip(shifted, -CLIP, CLIP)
    return clipped


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
