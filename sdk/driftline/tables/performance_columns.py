"""The decided class, score, actual value and weight of each row, which performance is computed from.

What a row says for performance: its decided class, its watched score, its actual value, a weight that adds up.

Scores as a table holds them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .classes import class_codes
from .table import CLASSLESS, F64, I32, Column, Task, numbers_of

EPSILON = float(np.finfo(np.float64).eps)
"""Probabilities are clipped to [EPSILON, 1 - EPSILON] before the logarithm, as ``sklearn.metrics.log_loss`` does."""

GREATEST = 1e60
"""Values of a regression beyond it are unusable: the square of a squared error would turn a pane infinite for good."""

LEAST_WEIGHT, GREATEST_WEIGHT = 1e-12, 1e12
"""Weights outside are no 1 / probability: their squares would be 0, or leave nothing of the others in a sum."""

WEIGHTS = "a number from 1e-12 to 1e12, 1 / the probability of review"
"""What a weight is, for whoever sends another."""


def decide(task: Task, scores: F64 | None, predicted: Column | None) -> I32:
    """Return the decided class of each row: int32 (n,) codes into ``task.classes``.

    The service's own decision where it was sent; else, per row, binary: the positive class when score >= threshold;
    multiclass: the greatest score. ``len(task.classes)`` is a class that is not among them, -1 unknown. Regression and
    ranking decide nothing: all -1.

    >>> decide(Task("binary", ("no", "yes"), "yes", 0.3), np.array([[0.3], [0.2], [np.nan]]), None).tolist()
    [1, 0, -1]
    """
    sent = None if predicted is None or task.kind in CLASSLESS else class_codes(predicted, task.classes)
    if scores is None:
        return np.empty(0, dtype=np.int32) if sent is None else sent
    derived = np.full(len(scores), -1, dtype=np.int32)
    if task.kind == "binary" and task.positive_class in task.classes and scores.shape[1] == 1:
        positive = task.classes.index(task.positive_class)
        score = scores[:, 0]
        derived = np.where(score >= task.threshold, positive, 1 - positive).astype(np.int32)
        derived[np.isnan(score)] = -1
    elif task.kind == "multiclass" and 0 < scores.shape[1] == len(task.classes):
        derived = scores.argmax(axis=1).astype(np.int32)
        derived[np.isnan(scores).any(axis=1)] = -1
    return derived if sent is None else np.where(sent >= 0, sent, derived)


def target_score(task: Task, scores: F64) -> F64:
    """Return the one number per row whose distribution is watched: float64 (n,).

    Binary: the score of the positive class; multiclass: the greatest score (confidence); regression: the value, see
    :func:`value_column`; ranking: the score of the first item.
    """
    if task.kind == "multiclass" and scores.shape[1] > 1:
        return np.asarray(scores.max(axis=1), dtype=np.float64)
    return scores[:, value_column(task, scores.shape[1])]


def value_column(task: Task, columns: int) -> int:
    """Return which of the columns of a regression is the value: the level 0.5 of its quantiles, else the middle one.

    >>> value_column(Task("regression", quantiles=(0.1, 0.5, 0.9)), 3), value_column(Task("regression"), 1)
    (1, 0)
    """
    if task.kind != "regression" or columns < 2 or columns != len(task.quantiles):
        return 0
    return task.quantiles.index(0.5) if 0.5 in task.quantiles else (columns - 1) // 2


def score_columns(task: Task) -> int:
    """Return how many scores a row of several has: one per class, or per declared quantile.

    >>> score_columns(Task("multiclass", ("a", "b", "c"))), score_columns(Task("regression", quantiles=(0.1, 0.9)))
    (3, 2)
    """
    return len(task.quantiles) if task.kind == "regression" else len(task.classes)


def actual_numbers(actual: Column) -> F64:
    """Return actual values of a regression: float64 (n,), numbers in text included, NaN where there is none."""
    values = numbers_of(actual)
    if actual.codes is None:
        return values
    parsed = np.array([*(_float(label) for label in actual.labels), np.nan])
    return np.where(np.isnan(values), parsed[actual.codes], values)


def usable_weight(weight: F64) -> F64:
    """Return weights that can be summed: NaN means not given and is 1; what can be none (:func:`no_weight`) is 0."""
    ok = _is_weight(weight)
    return weight if ok.all() else np.where(np.isnan(weight), 1.0, np.where(ok, weight, 0.0))


def no_weight(weight: F64) -> NDArray[np.bool_]:
    """Return which weights were given and can be none: bool (n,), beyond [1e-12, 1e12].

    >>> no_weight(np.array([1.0, 0.0, -1.0, np.inf, 1e-200, np.nan])).tolist()
    [False, True, True, True, True, False]
    """
    return ~(np.isnan(weight) | _is_weight(weight))


def _is_weight(weight: F64) -> NDArray[np.bool_]:
    return (weight >= LEAST_WEIGHT) & (weight <= GREATEST_WEIGHT)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def scores_for(task: Task, scores: F64) -> F64:
    """Return scores as a table holds them, from (n, k) in the order of ``task.classes``.

    Binary (n, 2) becomes (n, 1), the positive class; of a ranking's k items the first counts; a regression has one per
    declared quantile, or one. Raises ``ValueError`` when the number of columns does not fit.

    >>> import numpy as np
    >>> scores_for(Task("binary", ("0", "1"), "1"), np.array([[0.9, 0.1]]))
    array([[0.1]])
    """
    k = scores.shape[1]
    if task.kind == "ranking":
        return scores[:, :1]
    if task.kind == "binary" and k == 2:
        at = task.classes.index(task.positive_class)
        return scores[:, at : at + 1]
    wanted = len(task.classes) if task.kind == "multiclass" else len(task.quantiles) or 1
    if k != wanted:
        raise ValueError(f"there are {k} score columns; a {task.kind} model has {wanted}")
    return scores
