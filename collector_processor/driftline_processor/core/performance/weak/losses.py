"""What of a row says how wrong the model was."""

from __future__ import annotations

import numpy as np
from driftline.classes import class_codes
from driftline.fold import EPSILON
from driftline.tables import F64, Column, Task

from driftline_processor.core.concept.errors import errors_of

from .found import By


def losses_of(task: Task, scores: F64 | None, predicted: Column | None, actual: Column) -> dict[By, F64]:
    """Return each loss of the rows: float64 (n,), NaN where it is not known; {} of a ranking.

    A classifier has its errors, 0 or 1, and where it gives probabilities the log loss; a regression the absolute error.
    The arguments are those of :func:`driftline.fold.fold_outcomes`.

    >>> task = Task("binary", ("0", "1"), "1")
    >>> losses_of(task, np.array([[0.8], [0.4]]), None, Column(numbers=np.array([1.0, 1.0])))["error"].tolist()
    [0.0, 1.0]
    """
    if task.kind not in ("binary", "multiclass", "regression"):
        return {}
    errors = errors_of(task, scores, predicted, actual)
    if task.kind == "regression":
        return {"absolute_error": errors}
    found: dict[By, F64] = {"error": errors}
    codes = class_codes(actual, task.classes)
    chance = None if codes is None or scores is None or not len(scores) else _chance(task, scores, codes)
    if chance is not None:
        found["log_loss"] = -np.log(np.clip(chance, EPSILON, 1 - EPSILON))
    return found


def _chance(task: Task, scores: F64, codes: np.ndarray[tuple[int], np.dtype[np.int32]]) -> F64 | None:
    """The probability that the model gave to what happened; NaN where the scores are no probabilities."""
    classes = len(task.classes)
    known = (codes >= 0) & (codes < classes)
    with np.errstate(invalid="ignore"):
        known &= ((scores >= 0) & (scores <= 1)).all(axis=1)
    if task.kind == "multiclass":
        if scores.shape[1] != classes:
            return None
        chosen: F64 = scores[np.arange(len(scores)), np.where(known, codes, 0)]
        return np.where(known, chosen, np.nan)
    if scores.shape[1] != 1 or task.positive_class not in task.classes:
        return None
    positive = codes == task.classes.index(task.positive_class)
    return np.where(known, np.where(positive, scores[:, 0], 1 - scores[:, 0]), np.nan)
