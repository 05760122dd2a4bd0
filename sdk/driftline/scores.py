"""Scores as a table holds them."""

from __future__ import annotations

from .tables import F64, Task


def scores_for(task: Task, scores: F64) -> F64:
    """Return scores as a table holds them, from (n, k) in the order of ``task.classes``.

    Binary (n, 2) becomes (n, 1), the positive class; of a ranking's k items the first counts; a regression has one
    per declared quantile, or one. Raises ``ValueError``
    when the number of columns does not fit.

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
