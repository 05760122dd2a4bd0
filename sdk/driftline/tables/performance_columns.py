"""Predicted class, actual value and weight of each row, from which performance is computed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .classes import class_codes
from .table import F64, I32, Column, numbers_of
from .task import Task

EPSILON = float(np.finfo(np.float64).eps)
"""Probabilities are clipped to [EPSILON, 1 - EPSILON] before the logarithm, as ``sklearn.metrics.log_loss`` does."""

GREATEST = 1e60
"""Maximum magnitude of regression values: the square of a squared error of larger values would be infinite in a pane.
"""

LEAST_WEIGHT, GREATEST_WEIGHT = 1e-12, 1e12
"""Range of valid weights: squares of smaller weights would be 0, and larger weights would cancel all others in a sum.
"""

WEIGHTS = "a number from 1e-12 to 1e12 (1 / the probability of review)"
"""Description of a valid weight, for error messages."""


def decide(task: Task, scores: F64 | None, predicted: Column | None) -> I32:
    """Return the predicted class of each row: int32 (n,) codes into ``task.classes``.

    The service's own decision if it was sent; otherwise, per row, binary: the positive class if score >= threshold;
    multiclass: the class with the greatest score. ``len(task.classes)`` is a class that is not in the task, -1 is
    unknown. For regression and ranking, all are -1.

    >>> decide(Task("binary", ("no", "yes"), "yes", 0.3), np.array([[0.3], [0.2], [np.nan]]), None).tolist()
    [1, 0, -1]
    """
    sent = class_codes(predicted, task.classes) if predicted is not None and task.may_have_classes else None
    if scores is None:
        return np.empty(0, dtype=np.int32) if sent is None else sent
    derived = task.derive_classes(scores)
    return derived if sent is None else np.where(sent >= 0, sent, derived)


def actual_numbers(actual: Column) -> F64:
    """Return actual values of a regression: float64 (n,), including numbers in text, NaN if missing."""
    values = numbers_of(actual)
    if actual.codes is None:
        return values
    parsed = np.array([*(_float(category) for category in actual.categories), np.nan])
    return np.where(np.isnan(values), parsed[actual.codes], values)


def usable_weight(weight: F64) -> F64:
    """Return weights that can be summed: NaN (not given) becomes 1, invalid weights (:func:`no_weight`) become 0."""
    ok = _is_weight(weight)
    return weight if ok.all() else np.where(np.isnan(weight), 1.0, np.where(ok, weight, 0.0))


def no_weight(weight: F64) -> NDArray[np.bool_]:
    """Return True for invalid weights, outside [1e-12, 1e12]: bool (n,). NaN means not given.

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
