"""How far a binary model's scores lie above what happens, beside how far they do in its baseline.

The mean score less the actual rate, on the same rows: a day with more positives that the model foresaw moves neither.
What a day adds unseen differs from day to day; the baseline's days say how much, and widen the interval.
"""

from __future__ import annotations

from math import hypot
from typing import NamedTuple
from weakref import WeakKeyDictionary

from driftline.baseline.baseline import Baseline

from driftline_processor.core.evaluation import MetricChange
from driftline_processor.core.intervals.confidence import FEWEST_TELLING, student
from driftline_processor.core.intervals.day_spread import FEWEST_LENDING, DaySpread, day_spread
from driftline_processor.core.intervals.gradients import LossMean
from driftline_processor.core.metrics.performance_sums import PerformanceSums
from driftline_processor.core.windows.window import DAY

from .changes import MATTERS
from .metric_intervals import performance_sums
from .reference import blocks_of_baseline
from .settings import PerformanceSettings

OFF = 1.5
"""How many half lengths of 95 % intervals what a model says lies from what happens: 3 standard errors, by chance in
0.3 % of windows."""


def gap(sums: PerformanceSums) -> LossMean | None:
    """Return the mean score less the actual rate; None where scores are no probabilities, or nothing is known."""
    if not {"score", "positive", "brier"} <= set(sums.task.losses):
        return None
    score, came, squared = (sums.loss_mean(name) for name in ("score", "positive", "brier"))
    if score is None or came is None or squared is None:
        return None
    value = score.value - came.value
    alone = came.value * (1 - came.value)
    if alone <= 0 or came.telling < FEWEST_TELLING:
        return None
    times = max(squared.value - value**2, 0.0) / alone  # the variance of a row's gap, in that of its outcome
    moved = came.moved._replace(
        variance=came.moved.variance * times,
        influence=score.moved.influence - came.moved.influence,
        expected=came.moved.expected * times,
    )
    return came._replace(value=value, moved=moved)


class _OfBaseline(NamedTuple):
    """The gap of a baseline, half of its interval, and how days differ in it; None where too few days tell."""

    value: float
    half: float
    lent: DaySpread | None


_KNOWN: WeakKeyDictionary[Baseline, _OfBaseline | None] = WeakKeyDictionary()


def level_change(
    sums: PerformanceSums, settings: PerformanceSettings, baseline: Baseline, *, final: bool, lends: bool
) -> MetricChange | None:
    """Return the gap of a window less that of its baseline; the smaller of both changes where the window's is smaller.

    ``worse`` where it is off by a quarter of the actual rate and by three standard errors, and further than before.

    Args:
        sums: Sums of the window.
        settings: Confidence.
        baseline: The baseline whose outcomes are the usual ones.
        final: Whether the outcomes have had their time.
        lends: Whether days of the baseline say how this window's day differs.
    """
    own, usual = gap(sums), _of_baseline(baseline, settings)
    if own is None or usual is None:
        return None
    sums.confidence, sums.lent = settings.confidence, (usual.lent,) if lends else ()
    sums.asked.clear()
    half = _half(sums, own)
    if half is None:
        return None
    since = own.value - usual.value
    off = min(own.value, since, key=abs) if own.value * since > 0 else 0.0
    half = hypot(half, usual.half) if abs(since) <= abs(own.value) else half
    came = float(sums.pane.parts["losses"][sums.task.losses.index("positive")] / sums.pane.parts["losses"][0])
    worse = final and off != 0 and abs(off) >= max(MATTERS * came, OFF * half)
    return MetricChange("worse" if worse else "inconclusive", off, off - half, off + half)


def _of_baseline(baseline: Baseline, settings: PerformanceSettings) -> _OfBaseline | None:
    if baseline not in _KNOWN:
        _KNOWN[baseline] = _measured(baseline, settings)
    return _KNOWN[baseline]


def _measured(baseline: Baseline, settings: PerformanceSettings) -> _OfBaseline | None:
    blocks, length = blocks_of_baseline(baseline)
    days = length >= DAY
    sums = performance_sums(baseline.pane, blocks, baseline.task, settings, None, days=days)
    sums.tested = False
    found = gap(sums)
    half = None if found is None else _half(sums, found)
    if found is None or half is None:
        return None
    spread = day_spread(found.moved.influence, found.moved.expected, found.rows) if days else None
    told = spread is not None and spread.freedom >= FEWEST_LENDING - 1
    return _OfBaseline(found.value, half, spread.of_days(length / DAY) if told and spread is not None else None)


def _half(sums: PerformanceSums, loss_mean: LossMean) -> float | None:
    (low, high, _), _ = sums.interval_by_gradient(loss_mean.value, loss_mean.moved, student, loss_mean.rows)
    return None if low is None or high is None else float(high - low) / 2
