"""How likely a classifier took what happened to be: what log losses and Brier scores of rows are made of."""

from __future__ import annotations

import numpy as np
from driftline.fold import SUM_TOLERANCE
from driftline.tables import F64, I32, Task


def chance_of(task: Task, scores: F64 | None, happened: I32) -> F64:
    """Return the probability that the scores of each row gave to its class: float64 (n,).

    NaN where scores are no probabilities, by the rules of :func:`driftline.fold.fold_outcomes`, or the class is none of
    the model's. ``scores``: float64 (n, k); ``happened``: int32 (n,), codes into ``task.classes``.

    >>> chance_of(Task("binary", ("0", "1"), "1"), np.array([[0.8], [0.4], [7.0]]), np.array([1, 0, 1], np.int32))
    array([0.8, 0.6, nan])
    """
    classes = len(task.classes)
    columns = classes if task.kind == "multiclass" else int(task.positive_class in task.classes)
    if scores is None or not len(scores) or not columns or scores.shape[1] != columns:
        return np.full(len(happened), np.nan)
    with np.errstate(invalid="ignore"):
        known = (happened >= 0) & (happened < classes) & ((scores >= 0) & (scores <= 1)).all(axis=1)
        if task.kind == "multiclass":
            known &= np.abs(scores.sum(axis=1) - 1) <= SUM_TOLERANCE
    if task.kind == "multiclass":
        given = scores[np.arange(len(scores)), np.where(known, happened, 0)]
    else:
        given = np.where(happened == task.classes.index(task.positive_class), scores[:, 0], 1 - scores[:, 0])
    return np.where(known, given, np.nan)
