"""Metrics of the baseline's own outcomes, with intervals from its blocks of time.

The reference's days vary as those of a window. If its rows counted as independent, a model as good as its baseline
would be called worse in 5 % of windows of a month.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from weakref import WeakKeyDictionary

from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.time_blocks import EXPECTED
from driftline.panes.pane import Pane, merge
from driftline.tables.task import Task
from msgspec import Struct, field, structs
from msgspec.structs import replace

from driftline_processor.core import facts
from driftline_processor.core.concept.baseline_level import TOO_LOW, BaselineLevel
from driftline_processor.core.concept.losses import CLIP, LEAST_REFERENCE, reference_loss
from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.fact import Fact
from driftline_processor.core.metrics.name_grammar import parse_name
from driftline_processor.core.outcomes.review import find_unseen_decisions
from driftline_processor.core.windows.window import DAY

from .margin import constants, deciding_order, margins, skill
from .metric_intervals import ROW_BLOCKS, DaySpreads, day_spreads, with_intervals
from .realized import realized
from .settings import STANDARD, PerformanceSettings

OF_ORDER = frozenset({"roc_auc", "roc_auc_ovr", "average_precision", "ks", "lift", "gain"})
"""Metrics of the order of scores. Their value of several days is no mean of the days' values."""


class _ReferenceMetrics(Struct):
    """Cached metrics of a baseline for the last settings, per confidence.

    Attributes:
        settings: The settings, with the standard confidence.
        metrics: Confidence → metrics.
        spreads: The variance between the baseline's days.
        margins: The margin of each metric that has one.
    """

    settings: PerformanceSettings
    metrics: dict[float, dict[str, MetricValue]] = field(default_factory=dict)
    spreads: DaySpreads | None = None
    margins: dict[str, float] | None = None


_CACHE: WeakKeyDictionary[Baseline, _ReferenceMetrics] = WeakKeyDictionary()
_OFFSETS: WeakKeyDictionary[Baseline, dict[int, dict[str, float]]] = WeakKeyDictionary()
"""Baseline → blocks of a period → offset of each metric."""


def _cached_metrics(baseline: Baseline, settings: PerformanceSettings) -> _ReferenceMetrics:
    standard = replace(settings, confidence=STANDARD.confidence)
    known = _CACHE.get(baseline)
    if known is None or known.settings != standard:
        known = _CACHE[baseline] = _ReferenceMetrics(standard)
    return known


def reference_of(baseline: Baseline, settings: PerformanceSettings, length: int = 0) -> dict[str, MetricValue]:
    """Return the metrics of a baseline's outcomes, cached for the last settings.

    Args:
        baseline: The baseline.
        settings: Confidence, costs and method for fractions.
        length: Nanoseconds of the window that is compared with them, see :func:`period_offsets`; 0: the metrics of all
            outcomes together.
    """
    known = _cached_metrics(baseline, settings)
    if settings.confidence not in known.metrics:
        known.metrics[settings.confidence] = _measured(baseline, settings)
    whole = known.metrics[settings.confidence]
    offsets = period_offsets(baseline, length)
    return whole | {name: _moved(whole[name], offset) for name, offset in offsets.items() if name in whole}


def period_offsets(baseline: Baseline, length: int) -> Mapping[str, float]:
    """Return the mean of each metric of :data:`OF_ORDER` over periods of the baseline, less its value of all together.

    If the rate of positives differs between days, the scores of all days together are ordered better than those of any
    day. So a window is compared with periods of its length. Cached; {} if the baseline has no two such periods.

    Args:
        baseline: The baseline.
        length: Nanoseconds of a period, rounded to whole blocks of the baseline; 0 = all outcomes.
    """
    estimation = baseline.extras.estimation
    if length <= 0 or estimation is None or estimation.blocks is None or not estimation.blocks.panes:
        return {}
    each = max(1, round(length / estimation.blocks.length))
    if len(estimation.blocks.panes) < 2 * each:
        return {}
    cached = _OFFSETS.setdefault(baseline, {})
    if each not in cached:
        cached[each] = _offsets(blocks_of_baseline(baseline)[0], each, baseline.task)
    return cached[each]


def _offsets(blocks: Sequence[Pane], each: int, task: Task) -> dict[str, float]:
    together, offsets = realized(merge(blocks), task), dict[str, float]()
    ordered = [name for name in together if (parsed := parse_name(name)) is not None and parsed.base in OF_ORDER]
    starts = range(0, len(blocks) - each + 1, each) if ordered else ()
    periods = [realized(merge(blocks[at : at + each]), task) for at in starts]
    for name in ordered:
        known = [one[name] for one in periods if name in one and one[name].value is not None]
        rows, value = sum(one.rows for one in known), together[name].value
        if len(known) >= 2 and rows and value is not None:
            offsets[name] = sum((one.value or 0.0) * one.rows for one in known) / rows - value
    return offsets


def _moved(metric: MetricValue, offset: float) -> MetricValue:
    value, low, high = (None if one is None else one + offset for one in (metric.value, metric.low, metric.high))
    return structs.replace(metric, value=value, low=low, high=high)


def margins_of(baseline: Baseline, settings: PerformanceSettings) -> dict[str, float]:
    """Return the margin of each metric of a baseline's outcomes that has one."""
    known = _cached_metrics(baseline, settings)
    if known.margins is None:
        reference = reference_of(baseline, settings)
        known.margins = margins(reference, _constants(baseline, reference), settings.margin)
    return known.margins


def _constants(baseline: Baseline, reference: Mapping[str, MetricValue]) -> dict[str, float]:
    return constants(reference, baseline.pane, baseline.task, baseline.extras.outcome_spread)


def beside_constant(baseline: Baseline, settings: PerformanceSettings) -> dict[str, tuple[float, float]]:
    """Return the value of each metric of a baseline, and that of the best constant prediction on its outcomes."""
    reference = reference_of(baseline, settings)
    known = {name: one.value for name, one in reference.items() if one.value is not None}
    constant = _constants(baseline, reference)
    return {name: (known[name], constant[name]) for name in known if name in constant}


def find_missing_skill(baseline: Baseline) -> Fact | None:
    """Return the fact that a baseline is no better than a constant prediction; None if it is better, or unknown."""
    reference = reference_of(baseline, STANDARD)
    constant = _constants(baseline, reference)
    name = next((name for name in deciding_order(reference, reference) if name in constant), None)
    value = None if name is None else reference[name].value
    if name is None or value is None or skill(name, value, constant[name]) > 0:
        return None
    return facts.BaselineWithoutSkill(metric=name, value=value, constant=constant[name])


def lent_days(baseline: Baseline, settings: PerformanceSettings) -> DaySpreads:
    """Return the variance between days of a baseline per metric; {} with fewer than seven days."""
    known = _cached_metrics(baseline, settings)
    if known.spreads is None:
        (blocks, length), task = blocks_of_baseline(baseline), baseline.task
        rows = merge(blocks)
        spreads = day_spreads(realized(rows, task, settings), rows, blocks, task, settings) if length >= DAY else {}
        known.spreads = {name: [one and one.of_days(length / DAY) for one in every] for name, every in spreads.items()}
    return known.spreads


def level_of_errors(baseline: Baseline | None) -> BaselineLevel | None:
    """Return the baseline's level of errors; None with too few outcomes.

    In the unit of the detectors' input: wrong decisions are 1, absolute errors are standardised.
    """
    if baseline is None:
        return None
    settings = replace(STANDARD, confidence=1 - 2 * TOO_LOW)
    name = "mae" if baseline.task.predicts_number else "accuracy"
    found, spread = reference_of(baseline, settings).get(name), lent_days(baseline, settings).get(name, (None,))[0]
    if found is None or found.value is None or found.rows < LEAST_REFERENCE or found.low is None or found.high is None:
        return None
    days = 0.0 if spread is None else spread.between
    if not baseline.task.predicts_number:
        return BaselineLevel(1 - found.value, 1 - found.low, days=days)
    scale = reference_loss(baseline)
    if scale is None or scale[1] <= 0:
        return None
    mean, deviation = scale
    return BaselineLevel(0.0, (found.high - found.value) / deviation, max(-CLIP, -mean / deviation), days)


def reference_in(baseline: Baseline, name: str, settings: PerformanceSettings) -> dict[str, MetricValue]:
    """Return the metrics of a slice of a baseline, ``key=value``; {} if its outcomes are unknown."""
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
    blocks, length = blocks_of_baseline(baseline)
    if not blocks or not found:
        return whole
    rows = merge(blocks)
    in_time = with_intervals(
        realized(rows, task, settings),
        rows,
        blocks,
        task,
        settings,
        unseen,
        days=length >= DAY,
        tested=False,
        of_rows=not length,
    )
    return {name: _as_sure(metric, in_time.get(name)) for name, metric in whole.items()}


def blocks_of_baseline(baseline: Baseline) -> tuple[list[Pane], int]:
    """Return the outcomes of a baseline by block of time, and the length of a block in nanoseconds.

    Blocks of consecutive rows have the length 0; [] and 0 if unknown.
    """
    estimation, ordered = baseline.extras.estimation, baseline.extras.row_blocks
    if estimation is not None and estimation.blocks is not None:
        return list(_in_proportion(estimation.blocks.panes, baseline.pane)), estimation.blocks.length
    return [] if ordered is None else list(_in_proportion(ordered.outcomes.panes, baseline.pane)), 0


def _in_proportion(blocks: Iterable[Pane], pane: Pane) -> Iterator[Pane]:
    """Yield the blocks, each with the variance per row over all blocks, since blocks store means only."""
    spread, losses = pane.parts.get("spread"), pane.parts.get("losses")
    for block in blocks:
        parts = {name: sums for name, sums in block.parts.items() if name != EXPECTED}
        if spread is not None and losses is not None and losses[0] > 0 and "losses" in parts:
            parts["spread"] = spread * (parts["losses"][0] / losses[0])
        yield Pane(parts)


def _as_sure(metric: MetricValue, in_time: MetricValue | None) -> MetricValue:
    """Return a metric with the interval from blocks of time or of rows, shifted to its value, if there is one."""
    if metric.value is None or in_time is None or in_time.value is None:
        return metric
    if in_time.interval not in ("blocks", ROW_BLOCKS):
        return metric
    low, high = in_time.low, in_time.high
    if low is None or high is None:
        return metric
    offset = metric.value - in_time.value
    return structs.replace(metric, low=low + offset, high=high + offset, interval=in_time.interval)
