"""Compare each metric of a window with the baseline's, without an objective.

The interval of the difference decides; window and baseline are both uncertain, each with its days. *Worse*: the
difference is significant at 1 % over all metrics of the window, and at least the margin (:mod:`.margin`). *Not worse*:
the whole interval is on the good side of the margin. Otherwise the state is inconclusive.

The metrics of a window are positively correlated, so the p-values are corrected by Benjamini and Hochberg's procedure,
which keeps its level for such tests (Benjamini and Yekutieli, 2001). In windows without a worse metric the false
discovery rate is the probability of any false positive: one window in a hundred. The metrics that show a degradation by
themselves have nine tenths of that (weights of Genovese, Roeder and Wasserman, 2006, Biometrika 93), so that a dozen
metrics of one threshold do not hide them.

A p-value is found where an end of the interval reaches 0, between intervals of several confidences. The quantile
between them is interpolated linearly, which never makes p-values of Student's t too small.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from math import sqrt

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace

from driftline_processor.core.drift.p_values import benjamini_hochberg
from driftline_processor.core.evaluation import BaselineComparison, InconclusiveReason, MetricChange, MetricValue
from driftline_processor.core.intervals.confidence import CONFIDENCE, Interval, difference, normal_quantile
from driftline_processor.core.metrics import direction, metric_named
from driftline_processor.core.special_functions import ndtr

from .margin import AREAS, deciding_metric, error_of, is_of_family, is_off_centre

LEVEL = 0.01
"""Maximum fraction of windows as good as their baseline in which any metric is called worse: evidence/worse.json."""

LEAST = 0.05
"""Relative increase of the error below which a metric without a margin is not called worse, however significant."""

_TOO_FEW: tuple[InconclusiveReason, ...] = ("too_few_rows", "too_few_days")

OF_FAMILY = 0.9
"""Part of the level for the metrics that show a degradation by themselves (:func:`.margin.is_of_family`)."""

Bounded = Callable[[float], Mapping[str, MetricValue]]
"""Confidence → the metrics with their intervals."""


class Compared(Struct, frozen=True):
    """A window and its baseline.

    Attributes:
        now: The metrics of the window.
        was: The metrics of the baseline.
        confidence: Confidence of the displayed intervals.
        final: Whether the window's performance is final; else no state is decided.
        days: Metrics whose variance between days is known, None = all.
        margins: The margin of each metric that has one.
        autocorrelation: That of the baseline's days, of each metric whose days resemble their neighbours.
    """

    now: Bounded
    was: Bounded
    confidence: float = CONFIDENCE
    final: bool = True
    days: Collection[str] | None = None
    margins: Mapping[str, float] = field(default_factory=dict)
    autocorrelation: Mapping[str, float] = field(default_factory=dict)


class _Side(Struct, frozen=True):
    """Distance of a metric from no change, by confidence.

    Attributes:
        degradation: How much worse the metric is; negative if it is better.
        ends: Standard normal quantile → the end of the interval of ``degradation`` nearest to no change.
    """

    degradation: float
    ends: dict[float, float]

    def p_value(self) -> float:
        """Return the probability of such a worsening by chance."""
        before, sure = 0.0, self.degradation
        for quantile, end in sorted(self.ends.items()):
            if end <= 0 < sure:
                return float(ndtr(-(before + (quantile - before) * sure / (sure - end))))
            before, sure = quantile, end
        if self.degradation > 0:
            return float(ndtr(-before))
        quantile, end = min(self.ends.items())
        return float(ndtr(-quantile * self.degradation / (self.degradation - end))) if end < self.degradation else 1.0


def judge_changes(compared: Compared) -> dict[str, MetricChange]:
    """Compare every metric that has a direction and two intervals with the baseline's; {} without such metrics.

    >>> now = {"accuracy": MetricValue(0.87, 5_000, "panes", low=0.8607, high=0.8793)}
    >>> was = {"accuracy": MetricValue(0.90, 20_000, "panes", low=0.8958, high=0.9042)}
    >>> found = judge_changes(Compared(lambda _: now, lambda _: was, margins={"accuracy": 0.02}))["accuracy"]
    >>> found.state, round(found.change, 2), round(found.low, 4), round(found.high, 4)
    ('worse', -0.03, -0.0402, -0.0198)
    """
    now, was = compared.now(compared.confidence), compared.was(compared.confidence)
    shown = {name: limits for name in now if (limits := _difference(name, now, was)) is not None}
    too_few = _without_interval(now, was, compared) if compared.final else {}
    if not shown:
        return too_few
    levels = [compared.confidence, 1 - 2 * LEVEL / len(shown)]
    worse = {name: -direction(name) * ((now[name].value or 0.0) - (was[name].value or 0.0)) for name in shown}
    sides = {name: _Side(worse[name], {}) for name in shown}
    bounded = [(now, was), (compared.now(levels[1]), compared.was(levels[1]))]
    for level, (of, than) in zip(levels, bounded, strict=True):
        _add_ends(sides, level, of, than)
    single = normal_quantile(levels[1])
    if any(side.ends.get(single, 0.0) > 0 for side in sides.values()):
        # 1e-6: minimum reported p-value: intervals of a higher confidence depend on unobserved tails
        surest = 1 - 2 * 1e-6
        _add_ends(sides, surest, compared.now(surest), compared.was(surest))
    p_values = _corrected({name: side.p_value() for name, side in sides.items()}, was, compared.margins)
    return too_few | {
        name: _change(
            name=name,
            p=p_values[name],
            side=side,
            compared=compared,
            now=now[name],
            was=was[name],
            limits=shown[name],
        )
        for name, side in sides.items()
    }


def _corrected(
    p_values: Mapping[str, float], was: Mapping[str, MetricValue], margins: Mapping[str, float]
) -> dict[str, float]:
    """Return p-values corrected over all metrics, with the weights of :data:`OF_FAMILY`."""
    deciding = deciding_metric(p_values, was, margins)
    family = np.array([is_of_family(name, deciding) for name in p_values])
    p, inside = np.array([*p_values.values()]), np.count_nonzero(family)
    if 0 < inside < len(p):
        share = np.where(family, OF_FAMILY / inside, (1 - OF_FAMILY) / (len(p) - inside))
        p = np.minimum(p / (share * len(p)), 1.0)
    return dict(zip(p_values, benjamini_hochberg(p).tolist(), strict=True))


def made_inconclusive(
    changes: Mapping[str, MetricChange], states: Collection[str], reason: InconclusiveReason
) -> dict[str, MetricChange]:
    """Return changes of which those in some states are inconclusive, for a reason.

    >>> fine = {"accuracy": MetricChange("not_worse", 0.0)}
    >>> made_inconclusive(fine, ("not_worse",), "too_few_days")["accuracy"].reason
    'too_few_days'
    """
    return {
        name: replace(change, state="inconclusive", reason=reason) if change.state in states else change
        for name, change in changes.items()
    }


def is_significant(change: MetricChange | None) -> bool:
    """Return True if a metric of a window with all outcomes is significantly worse, whatever the size of the loss.

    >>> is_significant(MetricChange("inconclusive", -0.01, p_value=0.001, margin=0.02, reason="too_few_rows"))
    True
    """
    if change is None or change.state != "inconclusive":
        return change is not None and change.state == "worse"
    return change.reason in _TOO_FEW and change.p_value is not None and change.p_value <= LEVEL


def _change(
    name: str, p: float, side: _Side, compared: Compared, now: MetricValue, was: MetricValue, limits: Interval
) -> MetricChange:
    days = compared.days is None or name in compared.days
    margin = compared.margins.get(name)
    at_most = limits.high if direction(name) < 0 else limits.low and -limits.low
    error = None
    if days and now.low is not None and now.high is not None:
        kept = compared.autocorrelation.get(name, 0.0)
        error = (now.high - now.low) / 2 / normal_quantile(compared.confidence) * sqrt((1 + kept) / (1 - kept))
    state: BaselineComparison = "inconclusive"
    reason: InconclusiveReason = ""
    if compared.final and at_most is not None:
        least = LEAST * error_of(name, was.value or 0.0) if margin is None else margin
        if margin is not None and at_most < margin:
            state = "not_worse"
        elif p <= LEVEL and side.degradation >= least:
            state = "worse"
        if state != "not_worse" and not days:
            reason = "too_few_days"
        elif state == "inconclusive":
            reason = "too_few_days" if now.interval == "blocks" else "too_few_rows"
    return MetricChange(
        state=state,
        change=-direction(name) * side.degradation,
        low=limits.low,
        high=limits.high,
        p_value=p,
        margin=margin,
        reason=reason,
        error=error,
    )


def _difference(name: str, now: Mapping[str, MetricValue], was: Mapping[str, MetricValue]) -> Interval | None:
    """Return the interval of the change of a metric; None if the metric cannot be compared."""
    metric = metric_named(name)
    if metric is None or not metric.direction or metric.of_all_rows:
        return None
    one, other = now.get(name), was.get(name)
    if one is None or other is None or one.value is None or other.value is None or is_off_centre(name, now):
        return None
    than = Interval(other.low, other.high, other.interval)
    limits = difference(one.value, Interval(one.low, one.high, one.interval), other.value, than)
    return None if limits.low is None or limits.high is None else limits


def _without_interval(
    now: Mapping[str, MetricValue], was: Mapping[str, MetricValue], compared: Compared
) -> dict[str, MetricChange]:
    """Return the changes of areas of too few rows for an interval: several windows together may have one."""
    found = {}
    for name in AREAS & now.keys() & was.keys():
        value, before, margin = now[name].value, was[name].value, compared.margins.get(name)
        if value is not None and before is not None and margin is not None and now[name].low is None:
            found[name] = MetricChange("inconclusive", value - before, margin=margin, reason="too_few_rows")
    return found


def _add_ends(
    sides: Mapping[str, _Side], level: float, now: Mapping[str, MetricValue], was: Mapping[str, MetricValue]
) -> None:
    for name, side in sides.items():
        limits = _difference(name, now, was)
        if limits is not None and limits.low is not None and limits.high is not None:
            end = -limits.high if direction(name) > 0 else limits.low
            side.ends[normal_quantile(level)] = end
