"""What of a row says how wrong the model was."""

from __future__ import annotations

import numpy as np
from driftline.classes import class_codes
from driftline.fold import EPSILON
from driftline.tables import F64, Column, Task

from driftline_processor.core.concept.errors import errors_of
from driftline_processor.core.performance.chance import chance_of

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
    if codes is not None and np.isfinite(chance := chance_of(task, scores, codes)).any():
        found["log_loss"] = -np.log(np.clip(chance, EPSILON, 1 - EPSILON))
    return found
