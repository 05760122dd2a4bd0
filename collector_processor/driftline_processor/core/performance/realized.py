"""Realized metrics, from a pane or from joined rows."""

from __future__ import annotations

from collections.abc import Callable

from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import Pane
from driftline.panes.relevance import Relevance
from driftline.tables.performance_columns import usable_weight
from driftline.tables.table import F64, Column
from driftline.tables.task import Task
from msgspec.structs import replace

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.metrics import Metric, metric_of, metrics_of_task
from driftline_processor.core.metrics.name_grammar import parse_name
from driftline_processor.core.metrics.performance_sums import PerformanceSums
from driftline_processor.core.metrics.r2 import r2_from_rows
from driftline_processor.core.metrics.score_order import ClassOrder, ScoreOrder, class_order_of_rows, order_of_rows

from .settings import STANDARD, PerformanceSettings


def realized(
    pane: Pane, task: Task, settings: PerformanceSettings = STANDARD, only: str = ""
) -> dict[str, MetricValue]:
    """Return the metrics of a task from the sums of a pane; {} without outcomes.

    The default ones, and those of ``settings``, or ``only`` one of them. Metrics of the score order are known up to
    ``MetricValue.bound``, all others are exact. An undefined value (no positives, a single class) is None, never 0. A
    metric whose sums are missing (no scores, no decisions, an old pane) is left out.

    >>> from driftline.panes.outcome_sums import fold_outcomes
    >>> import numpy as np
    >>> task = Task("binary", ("0", "1"), "1")
    >>> pane = fold_outcomes(task, np.array([[0.8], [0.4]]), None, Column(numbers=np.array([1.0, 0.0])))
    >>> accuracy = realized(pane, task)["accuracy"]
    >>> accuracy.value, accuracy.rows, accuracy.source
    (1.0, 2, 'panes')
    """
    return _measured(pane, task, settings, only=only)


def realized_from_panes_alone(pane: Pane, task: Task, settings: PerformanceSettings) -> dict[str, MetricValue]:
    """Return the metrics that :func:`from_rows` lacks, since they need all sums of a window."""
    return _measured(pane, task, settings, lambda metric: metric.of_pane)


def _measured(
    pane: Pane,
    task: Task,
    performance_settings: PerformanceSettings,
    wanted: Callable[[Metric], bool] = lambda _: True,
    score_order: ScoreOrder | None = None,
    class_order: ClassOrder | None = None,
    only: str = "",
) -> dict[str, MetricValue]:
    """Return the wanted metrics from sums; the orders are those of the scores of rows, if rows are available."""
    known = pane.parts.get("outcomes")
    if known is None or known[0] == 0:
        return {}
    sums = PerformanceSums(pane, task, performance_settings.costs, score_order, class_order)
    found: dict[str, MetricValue] = {}
    for name in dict.fromkeys((*sums.lists, *metrics_of_task(task, performance_settings.metrics))):
        which = parse_name(name) if name == only or not only else None
        metric = None if which is None else metric_of(which.base)
        if which is None or metric is None or which.base not in metric.bases_for(task.kind) or not wanted(metric):
            continue
        if which.of is None or (metric.of_class and task.has_class_scores):
            value = metric.value(sums, which)
            if value is not None:
                found[name] = value
    return found


def from_rows(
    task: Task,
    scores: F64 | None,
    predicted: Column | None,
    actual: Column,
    weight: F64 | None = None,
    relevance: Relevance | None = None,
    value: F64 | None = None,
    performance_settings: PerformanceSettings = STANDARD,
    pane: Pane | None = None,
) -> dict[str, MetricValue]:
    """Return the metrics of joined rows, equal to those of scikit-learn with ``sample_weight``.

    The arguments are those of :func:`~driftline.panes.outcome_sums.fold_outcomes`, and ``pane`` its result; None = fold
    them now. Metrics from sums equal those of a pane; metrics of the score order use all scores, R² uses deviations.
    """
    if pane is None:
        pane = fold_outcomes(
            task=task,
            scores=scores,
            predicted=predicted,
            actual=actual,
            weight=weight,
            relevance=relevance,
            value=value,
        )
    there = scores is not None and len(scores) > 0
    usable = None if weight is None else usable_weight(weight)
    ranked, order = None, None
    if scores is not None and there and task.has_threshold:
        ranked = order_of_rows(task, scores, actual, usable)
    elif scores is not None and there and task.has_class_scores:
        order = class_order_of_rows(task, scores, actual, usable)
    summed = _measured(pane, task, performance_settings, lambda metric: not metric.of_pane, ranked, order)
    metrics = {name: replace(metric, source="rows", bound=0.0) for name, metric in summed.items()}
    if scores is not None and there and "r2" in metrics:
        values = scores[:, task.value_column(scores.shape[1])]
        metrics["r2"] = replace(metrics["r2"], value=r2_from_rows(values, actual, usable))
    return metrics
