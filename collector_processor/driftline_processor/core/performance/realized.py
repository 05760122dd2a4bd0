"""Finalise performance from a pane, or compute it from joined rows."""

from __future__ import annotations

from driftline.fold import fold_outcomes, usable_weight
from driftline.pane import Pane
from driftline.relevance import Relevance
from driftline.tables import F64, Column, Task

from driftline_processor.core.evaluation import Metric

from . import binary, multiclass, ranking, regression


def realized(pane: Pane, task: Task) -> dict[str, Metric]:
    """Return the metrics of a task from the sums of a pane, {} while no outcome is known.

    Everything but the area under the ROC curve is exact from the sums; its bound is in ``Metric.bound``. A value that
    is not defined (no positives, one class only) is None, never 0.

    >>> from driftline.fold import fold_outcomes
    >>> import numpy as np
    >>> task = Task("binary", ("0", "1"), "1")
    >>> pane = fold_outcomes(task, np.array([[0.8], [0.4]]), None, Column(numbers=np.array([1.0, 0.0])))
    >>> accuracy = realized(pane, task)["accuracy"]
    >>> accuracy.value, accuracy.rows, accuracy.source
    (1.0, 2, 'panes')
    """
    known = pane.parts.get("outcomes")
    if known is None or known[0] == 0:
        return {}
    if task.kind == "binary":
        return binary.from_pane(pane, task)
    if task.kind == "multiclass":
        return multiclass.from_pane(pane, task)
    return ranking.from_pane(pane) if task.kind == "ranking" else regression.from_pane(pane)


def from_rows(
    task: Task,
    scores: F64 | None,
    predicted: Column | None,
    actual: Column,
    weight: F64 | None = None,
    relevance: Relevance | None = None,
) -> dict[str, Metric]:
    """Return the metrics of joined rows, to the last digits those of scikit-learn with ``sample_weight``.

    The arguments are those of :func:`driftline.fold.fold_outcomes`. What comes from sums is the same as from a pane;
    the area under the ROC curve is from ranks, R² from deviations.
    """
    pane = fold_outcomes(task, scores, predicted, actual, weight, relevance)
    metrics = {name: Metric(metric.value, metric.rows, "rows") for name, metric in realized(pane, task).items()}
    if not metrics or scores is None or len(scores) == 0:
        return metrics
    usable = None if weight is None else usable_weight(weight)
    exact: dict[str, float | None] = {}
    if task.kind == "binary":
        exact["roc_auc"] = binary.area_from_rows(task, scores, actual, usable)
    elif task.kind == "regression":
        exact["r2"] = regression.r2_from_rows(scores[:, 0], actual, usable)
    return metrics | {
        name: Metric(value, metrics[name].rows, "rows") for name, value in exact.items() if name in metrics
    }
