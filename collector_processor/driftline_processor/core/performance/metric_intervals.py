"""The interval of every metric of a window, from the metric itself.

What has no interval has none (docs/explanation/intervals.md says which); ``MetricValue.interval`` is "" then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from driftline.panes.pane import Pane
from driftline.tables.table import F64
from driftline.tables.task import Task

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.intervals.confidence import UNREVIEWED
from driftline_processor.core.intervals.day_spread import FEWEST_LENDING, DaySpread, day_spread
from driftline_processor.core.intervals.time_blocks import FEWEST, FEWEST_DAYS
from driftline_processor.core.metrics import Metric, metric_of
from driftline_processor.core.metrics.families.confusion import class_of, interval_from_gradient
from driftline_processor.core.metrics.names import Name, parse_name
from driftline_processor.core.metrics.performance_sums import PerformanceSums
from driftline_processor.core.outcomes.review import UnseenDecisions, cells_of_decisions

from .settings import PerformanceSettings

DaySpreads = Mapping[str, Sequence[DaySpread | None]]
"""Metric → how days of a baseline differ in it, in the order in which its interval asks."""


def with_intervals(
    found: Mapping[str, MetricValue],
    pane: Pane,
    blocks: Sequence[Pane],
    task: Task,
    settings: PerformanceSettings,
    unseen: UnseenDecisions | None = None,
    *,
    days: bool = False,
    lent: DaySpreads | None = None,
    tested: bool = True,
) -> dict[str, MetricValue]:
    """Return the metrics of a pane with their intervals.

    Args:
        found: Metrics by name. What is no metric of the task stays as it is.
        pane: Sums of the window.
        blocks: Performance parts by block of time, in order. Without blocks, rows count as independent.
        task: Task of the model.
        settings: Confidence, method of shares and costs.
        unseen: Decisions without an outcome. Default: every decision has outcomes.
        days: Blocks are days, not parts of a day, so few blocks are enough.
        lent: How days of the baseline differ. Default: the window's own blocks alone tell.
        tested: Whether seven days and more have to differ by more than chance to count; else they differ as they do.

    >>> import numpy as np
    >>> from driftline.panes.outcome_sums import fold_outcomes
    >>> from driftline.tables.table import Column
    >>> task = Task("binary", ("0", "1"), "1")
    >>> pane = fold_outcomes(task, np.full((20, 1), 0.8), None, Column(numbers=np.repeat([1.0, 0.0], [19, 1])))
    >>> metrics = {"precision": MetricValue(0.95, 20, "panes")}
    >>> found = with_intervals(metrics, pane, (), task, PerformanceSettings())["precision"]
    >>> round(found.low, 3), round(found.high, 3), found.interval, found.effective_rows
    (0.751, 0.999, 'clopper_pearson', 20.0)
    """
    sums = performance_sums(pane, blocks, task, settings, unseen, days=days)
    sums.tested = tested
    return intervals_at(settings.confidence, found, sums, lent or {})


def intervals_at(
    confidence: float, found: Mapping[str, MetricValue], sums: PerformanceSums, lent: DaySpreads
) -> dict[str, MetricValue]:
    """Return metrics with intervals of a confidence; what all confidences need is worked out once and kept.

    Args:
        confidence: How often an interval holds the true value.
        found: Metrics by name.
        sums: Sums that the metrics are made from.
        lent: How days of the baseline differ.
    """
    sums.confidence, bounded = confidence, {}
    for name, metric in found.items():
        sums.lent = lent.get(name, ())
        bounded[name] = _with_interval(sums, name, metric)
    return bounded


def day_spreads(
    found: Mapping[str, MetricValue],
    pane: Pane,
    blocks: Sequence[Pane],
    task: Task,
    settings: PerformanceSettings,
) -> DaySpreads:
    """Return how far days differ in each metric, {} of fewer than seven.

    Args:
        found: Metrics by name.
        pane: Sums of all blocks.
        blocks: Performance parts by stretch of time, in order.
        task: Task of the model.
        settings: Method of shares and costs.
    """
    if len(blocks) < FEWEST_LENDING:
        return {}
    sums, spreads = performance_sums(pane, blocks, task, settings, None, days=True), {}
    for name, metric in found.items():
        _with_interval(sums, name, metric)
        every = [day_spread(moved.influence, moved.expected, rows) for moved, rows in sums.asked]
        known = [None if one is None or one.freedom < FEWEST_LENDING - 1 else one for one in every]
        if any(one is not None for one in known):
            spreads[name] = known
    return spreads


def performance_sums(
    pane: Pane,
    blocks: Sequence[Pane],
    task: Task,
    settings: PerformanceSettings,
    unseen: UnseenDecisions | None,
    *,
    days: bool,
) -> PerformanceSums:
    """Return what metrics and their intervals are made from; the arguments are those of :func:`with_intervals`."""
    return PerformanceSums(
        pane,
        task,
        settings.costs,
        blocks=blocks,
        unseen=unseen,
        fewest=FEWEST_DAYS if days else FEWEST,
        confidence=settings.confidence,
        shares=settings.shares,
        days=days,
    )


def _with_interval(sums: PerformanceSums, text: str, value: MetricValue) -> MetricValue:
    sums.asked.clear()
    name = parse_name(text)
    metric = None if name is None else metric_of(name.base)
    if value.value is None or name is None or metric is None or name.base not in metric.bases_for(sums.task.kind):
        return value
    if metric.interval is not None:
        found = metric.interval(sums, name, value.value)
    else:
        found = interval_from_gradient(metric, sums, value.value)
    if found is None:
        return value
    lacking = sums.table is not None and sums.table.lacks_decisions
    if sums.table is not None and lacking and not sums.table.knows(_needed_cells(sums, metric, name)):
        found = UNREVIEWED, sums.rows
    (low, high, method), rows = found
    low, high = (None if end is None else float(end) for end in (low, high))  # numpy's are none of JSON's
    return MetricValue(
        value=value.value,
        rows=value.rows,
        source=value.source,
        bound=value.bound,
        low=low,
        high=high,
        interval=method,
        effective_rows=rows,
    )


def _needed_cells(sums: PerformanceSums, metric: Metric, name: Name) -> F64:
    """Return the cells that a metric needs outcomes of: float64 (k, k), those of all decisions or of its own."""
    code = class_of(sums, name) if metric.own_decision and name.base == metric.name else None
    return cells_of_decisions(sums.task, None if code is None else sums.task.classes[code])
