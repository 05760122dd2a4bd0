"""Compute the metrics of a pane, or of joined rows."""

from __future__ import annotations

from dataclasses import replace

from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import Pane
from driftline.panes.relevance import Relevance
from driftline.tables.decisions import usable_weight, value_column
from driftline.tables.table import F64, Column, Task

from driftline_processor.core.evaluation import Metric
from driftline_processor.core.metrics import binary, cost_and_value, multiclass, ranking, regression
from driftline_processor.core.metrics.names import metrics_of_task
from driftline_processor.core.metrics.score_order import ScoreOrder

from .settings import STANDARD, PerformanceSettings


def realized(pane: Pane, task: Task, asked: PerformanceSettings = STANDARD) -> dict[str, Metric]:
    """Return the metrics of a task from the sums of a pane, {} while no outcome is known.

    The usual ones, and those that are ``asked`` for by name. What depends on the order of scores is known up to
    ``Metric.bound``, all else is exact. A value that is not defined (no positives, one class only) is None, never 0; a
    metric whose sums are not there (no scores, no decisions, a pane from before they were kept) is left out.

    >>> from driftline.panes.fold import fold_outcomes
    >>> import numpy as np
    >>> task = Task("binary", ("0", "1"), "1")
    >>> pane = fold_outcomes(task, np.array([[0.8], [0.4]]), None, Column(numbers=np.array([1.0, 0.0])))
    >>> accuracy = realized(pane, task)["accuracy"]
    >>> accuracy.value, accuracy.rows, accuracy.source
    (1.0, 2, 'panes')
    """
    return _measured(pane, task, asked, None, None)


def _measured(
    pane: Pane, task: Task, asked: PerformanceSettings, ranked: ScoreOrder | None, order: multiclass.Order | None
) -> dict[str, Metric]:
    """The metrics of sums; ``ranked``, ``order``: the scores of the rows, where they are at hand."""
    known = pane.parts.get("outcomes")
    if known is None or known[0] == 0:
        return {}
    names = metrics_of_task(task, asked.metrics)
    if task.kind == "binary":
        found = binary.from_pane(pane, task, names, ranked)
    elif task.kind == "multiclass":
        found = multiclass.from_pane(pane, task, names, order)
    else:
        found = ranking.from_pane(pane) if task.kind == "ranking" else regression.from_pane(pane, task, names)
    return found | cost_and_value.from_pane(pane, task, asked.costs)


def from_rows(
    task: Task,
    scores: F64 | None,
    predicted: Column | None,
    actual: Column,
    weight: F64 | None = None,
    relevance: Relevance | None = None,
    value: F64 | None = None,
    asked: PerformanceSettings = STANDARD,
) -> dict[str, Metric]:
    """Return the metrics of joined rows, to the last digits those of scikit-learn with ``sample_weight``.

    The arguments are those of :func:`driftline.panes.fold.fold_outcomes`. What comes from sums is the same as from a
    pane;
    what depends on the order of scores is from all of them, R² from deviations.
    """
    pane = fold_outcomes(task, scores, predicted, actual, weight, relevance, value)
    there = scores is not None and len(scores) > 0
    usable = None if weight is None else usable_weight(weight)
    ranked, order = None, None
    if scores is not None and there and task.kind == "binary":
        ranked = binary.ranked_rows(task, scores, actual, usable)
    elif scores is not None and there and task.kind == "multiclass":
        order = multiclass.ranked_rows(task, scores, actual, usable)
    summed = _measured(pane, task, asked, ranked, order)
    metrics = {name: replace(metric, source="rows", bound=0.0) for name, metric in summed.items()}
    if scores is not None and there and "r2" in metrics:
        values = scores[:, value_column(task, scores.shape[1])]
        metrics["r2"] = replace(metrics["r2"], value=regression.r2_from_rows(values, actual, usable))
    return metrics
