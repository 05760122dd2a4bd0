"""Values and intervals of metrics of the score order: areas under curves, gain, lift."""

from __future__ import annotations

from collections.abc import Callable

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.intervals import score_curves
from driftline_processor.core.intervals.confidence import (
    FEWEST_OF_A_CLASS,
    FEWEST_ROWS,
    TOO_FEW,
    Interval,
    interval_of_pairs,
)
from driftline_processor.core.metrics.metric import Argument, Value
from driftline_processor.core.metrics.names import Name
from driftline_processor.core.metrics.performance_sums import IntervalAndRows, PerformanceSums
from driftline_processor.core.metrics.score_order import BoundedValue, ScoreOrder

SHARE_OF_ROWS = Argument("a share of the rows", 0.1, lambda at: 0 < at <= 1)


def value_of_order(function: Callable[[ScoreOrder], BoundedValue]) -> Value:
    """Return the value function for a function of the score order, with its error bound."""

    def value(sums: PerformanceSums, _name: Name) -> MetricValue | None:
        if sums.order is None:
            return None
        number = function(sums.order)
        return sums.value_of(number.value, sums.order.weight, "losses", number.bound)

    return value


def value_of_gain(sums: PerformanceSums, name: Name, times: float) -> MetricValue | None:
    """Return ``times`` the fraction of positives in the top ``name.at`` of the rows by score."""
    if name.at is None or not 0 < name.at <= 1 or sums.order is None:
        return None
    gain = sums.order.gain(name.at)
    value = None if gain.value is None else gain.value * times
    return sums.value_of(value, sums.order.weight, "losses", gain.bound * times)


def interval_of_gain(sums: PerformanceSums, at: float | None, times: float) -> IntervalAndRows | None:
    """Return the interval of :func:`value_of_gain`; None at ``at`` = 1, all rows."""
    curve = sums.curve()
    if curve is None or at is None or at >= 1:
        return None
    rows, positives = sum(side.rows for side in curve), curve.positive.with_one_more(sums.one_more)
    ratio, fewer = sums.once(("gain", at), lambda: score_curves.gain_ratio(curve, at, sums.one_more))
    if positives < FEWEST_OF_A_CLASS or fewer < FEWEST_ROWS:
        return TOO_FEW, rows
    share_interval = sums.share_interval(ratio)
    if share_interval is None:
        return None
    (low, high, method), _ = share_interval
    return Interval(None if low is None else low * times, None if high is None else high * times, method), rows


def interval_of_area(sums: PerformanceSums, value: float, *, of_precision: bool) -> IntervalAndRows | None:
    """Return the interval of the area under the ROC curve, or under the precision-recall curve (``of_precision``)."""
    curve = sums.curve()
    if curve is None:
        return None
    rows, sides = sum(side.rows for side in curve), [side.with_one_more(sums.one_more) for side in curve]
    if min(sides[1:] if of_precision else sides) < FEWEST_OF_A_CLASS:
        return TOO_FEW, rows
    area = score_curves.average_precision if of_precision else score_curves.area
    moved = sums.once(("area", of_precision), lambda: area(curve)[1])
    variance_of_row = value * (1 - value)
    # 1.0: standard error of a logit above which its interval is nearly [0, 1]: an area of 0.99999 from 50 rows
    if variance_of_row > 0 and 0 < moved.variance <= (1.0 * variance_of_row) ** 2:
        form = score_curves.with_one_more([curve], sums.one_more)
        return sums.interval_by_gradient(value, moved, form, rows)
    if of_precision:
        return TOO_FEW, rows
    return interval_of_pairs(value, min(sides), sums.confidence), rows
