"""Intervals of all metrics of a window, computed by the metric itself.

``MetricValue.interval`` is "" for metrics without an interval (docs/concepts/delayed-labels.md#intervals lists them).
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
from driftline_processor.core.metrics.confusion import class_of, interval_from_gradient
from driftline_processor.core.metrics.name_grammar import Name, parse_name
from driftline_processor.core.metrics.performance_sums import PerformanceSums
from driftline_processor.core.outcomes.review import UnseenDecisions, cells_of_decisions

from .settings import PerformanceSettings

ROW_BLOCKS = "row_blocks"
"""``MetricValue.interval`` of windows without times whose rows are autocorrelated."""

DaySpreads = Mapping[str, Sequence[DaySpread | None]]
"""Metric → the variance between days of a baseline, in the order in which its interval needs it."""


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
    of_rows: bool = False,
) -> dict[str, MetricValue]:
    """Return the metrics of a pane with their intervals.

    Args:
        found: Metrics by name. Metrics that the task lacks are not changed.
        pane: Sums of the window.
        blocks: Performance parts by block of time, in order. Without blocks, rows count as independent.
        task: Task of the model.
        settings: Confidence, costs and method for fractions.
        unseen: Decisions without an outcome. Default: every decision has outcomes.
        days: Whether blocks are days, so that few blocks are enough.
        lent: The variance between days of the baseline. Default: only the window's own blocks are used.
        tested: Whether the variance between seven or more days must be significant to be used.
        of_rows: Whether blocks are consecutive rows without times.

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
    sums.tested, sums.of_rows = tested, of_rows
    return intervals_at(settings.confidence, found, sums, lent or {})


def intervals_at(
    confidence: float, found: Mapping[str, MetricValue], sums: PerformanceSums, lent: DaySpreads
) -> dict[str, MetricValue]:
    """Return metrics with intervals at a confidence; results that do not depend on it are cached in ``sums``.

    Args:
        confidence: The confidence of the intervals.
        found: Metrics by name.
        sums: Sums that the metrics are computed from.
        lent: The variance between days of the baseline.
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
    """Return the variance between days of each metric, {} with fewer than seven days.

    Args:
        found: Metrics by name.
        pane: Sums of all blocks.
        blocks: Performance parts by period, in order.
        task: Task of the model.
        settings: Costs and method for fractions.
    """
    if len(blocks) < FEWEST_LENDING:
        return {}
    sums, spreads = performance_sums(pane, blocks, task, settings, None, days=True), {}
    for name, metric in found.items():
        _with_interval(sums, name, metric)
        every = [day_spread(moved.influence, moved.expected, rows) for moved, rows in sums.requested]
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
    """Return the sums that metrics and intervals are computed from; see :func:`with_intervals` for the arguments."""
    return PerformanceSums(
        pane,
        task,
        settings.costs,
        blocks=blocks,
        unseen=unseen,
        min_blocks=FEWEST_DAYS if days else FEWEST,
        confidence=settings.confidence,
        shares=settings.shares,
        days=days,
    )


def _with_interval(sums: PerformanceSums, text: str, value: MetricValue) -> MetricValue:
    sums.requested.clear()
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
    method = ROW_BLOCKS if sums.of_rows and method == "blocks" else method
    low, high = (None if end is None else float(end) for end in (low, high))  # JSON needs Python floats
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
    """Return the cells whose outcomes a metric needs: float64 (k, k), of all decisions or of its own."""
    code = class_of(sums, name) if metric.own_decision and name.base == metric.name else None
    return cells_of_decisions(sums.task, None if code is None else sums.task.classes[code])
