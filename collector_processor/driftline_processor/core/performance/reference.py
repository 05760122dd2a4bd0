"""The metrics of the baseline's own outcomes, with intervals from its stretches of time.

Days of the reference differ as those of a window do. Taken for independent rows they make it too sure of what a window
is compared with: a model that is as good as its baseline would be called worse in 5 of 100 windows of a month.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from weakref import WeakKeyDictionary

from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.time_blocks import EXPECTED
from driftline.panes.pane import Pane, merge

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.outcomes.review import find_unseen_decisions
from driftline_processor.core.windows.window import DAY

from .metric_intervals import with_intervals
from .realized import realized
from .settings import PerformanceSettings

_CACHE: WeakKeyDictionary[Baseline, tuple[PerformanceSettings, dict[str, MetricValue]]] = WeakKeyDictionary()


def reference_of(baseline: Baseline, settings: PerformanceSettings) -> dict[str, MetricValue]:
    """Return the metrics of a baseline's outcomes; what was asked last is kept as long as it lives."""
    cached = _CACHE.get(baseline)
    if cached is None or cached[0] != settings:
        cached = _CACHE[baseline] = (settings, _measured(baseline, settings))
    return dict(cached[1])


def reference_in(baseline: Baseline, name: str, settings: PerformanceSettings) -> dict[str, MetricValue]:
    """Return the metrics of a slice of a baseline, ``key=value``; none where its outcomes are not known."""
    outcomes, task = baseline.extras.slice_outcomes, baseline.task
    if outcomes is None:
        return {}
    pane = outcomes.pane(name)
    blocks = list(_in_proportion(outcomes.blocks(name), pane))
    return with_intervals(realized(pane, task, settings), pane, blocks, task, settings, days=outcomes.length >= DAY)


def _measured(baseline: Baseline, settings: PerformanceSettings) -> dict[str, MetricValue]:
    pane, task = baseline.pane, baseline.task
    found = realized(pane, task, settings)
    unseen = find_unseen_decisions(pane, task, baseline)
    whole = with_intervals(found, pane, (), task, settings, unseen)
    estimation = baseline.extras.estimation
    if estimation is None or estimation.blocks is None or not found:
        return whole
    blocks = list(_in_proportion(estimation.blocks.panes, pane))
    rows = merge(blocks)
    days = estimation.blocks.length >= DAY
    in_time = with_intervals(realized(rows, task, settings), rows, blocks, task, settings, unseen, days=days)
    return {name: _as_sure(metric, in_time.get(name)) for name, metric in whole.items()}


def _in_proportion(blocks: Iterable[Pane], pane: Pane) -> Iterator[Pane]:
    """Yield the blocks, each with the variance of a row among all of them: blocks keep means alone."""
    spread, losses = pane.parts.get("spread"), pane.parts.get("losses")
    for block in blocks:
        parts = {name: sums for name, sums in block.parts.items() if name != EXPECTED}
        if spread is not None and losses is not None and losses[0] > 0 and "losses" in parts:
            parts["spread"] = spread * (parts["losses"][0] / losses[0])
        yield Pane(parts)


def _as_sure(metric: MetricValue, in_time: MetricValue | None) -> MetricValue:
    """Return a metric with the half width of the interval from rows in blocks, where there is one."""
    if metric.value is None or in_time is None or in_time.interval != "blocks" or in_time.value is None:
        return metric
    low, high = in_time.low, in_time.high
    if low is None or high is None:
        return metric
    apart = metric.value - in_time.value
    return replace(metric, low=low + apart, high=high + apart, interval="blocks")
