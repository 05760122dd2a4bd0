"""Money lost per day: the additional cost per prediction since the baseline, times the predictions per day.

Costs and values come from outcomes. Predictions without an outcome count like the others; ``coverage`` shows how many
there are. The interval is that of the difference of window and baseline, both uncertain, so an interval that contains 0
may be no loss.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Final

from msgspec import Struct

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.intervals.confidence import Interval, difference
from driftline_processor.core.metrics import direction
from driftline_processor.core.windows.window import DAY

METRICS: Final = ("cost_per_prediction", "value_per_prediction")
"""The metrics in money: the declared cost before the value that comes with outcomes."""


class DailyLoss(Struct, frozen=True):
    """Money that a model loses per day compared with its baseline, in the currency of the configuration.

    Attributes:
        metric: One of :data:`METRICS`; "" for several models together.
        amount: Money per day; negative for a gain.
        low: Lower end of the interval, None if unknown.
        high: Upper end of the same interval.
        predictions: Predictions per day.
        coverage: Fraction of the predictions with a known outcome; None if unknown.
        start: Start of the first window, unix nanoseconds.
        end: End of the last window.
    """

    metric: str
    amount: float
    low: float | None
    high: float | None
    predictions: float
    coverage: float | None
    start: int
    end: int

    @property
    def certain(self) -> bool:
        """True if the loss is significant: the whole interval lies above 0."""
        return self.low is not None and self.low > 0


def daily_loss(evaluation: Evaluation) -> DailyLoss | None:
    """Return the money lost per day in a window; None if costs are unknown or outcomes may still arrive.

    Args:
        evaluation: A closed window.
    """
    window = evaluation.window
    if evaluation.maturity != "mature" or not evaluation.closed or window.end <= window.start:
        return None
    for metric in METRICS:
        now, was = evaluation.realized.get(metric), evaluation.reference.get(metric)
        if now is None or was is None or now.value is None or was.value is None:
            continue
        if not (isfinite(now.value) and isfinite(was.value)):
            continue
        ends = Interval(now.low, now.high, now.interval)
        low, high, _ = difference(now.value, ends, was.value, Interval(was.low, was.high, was.interval))
        a_day = evaluation.rows * DAY / (window.end - window.start)
        worse = -direction(metric)
        ends_of_loss = sorted(worse * a_day * end for end in (low, high) if end is not None and isfinite(end))
        known = ends_of_loss if len(ends_of_loss) == 2 else [None, None]
        amount = worse * (now.value - was.value) * a_day
        return DailyLoss(
            metric=metric,
            amount=amount,
            low=known[0],
            high=known[1],
            predictions=a_day,
            coverage=evaluation.coverage,
            start=window.start,
            end=window.end,
        )
    return None


def add_losses(losses: Iterable[DailyLoss]) -> DailyLoss | None:
    """Return the total of several losses; None without any.

    They may share a baseline, so their intervals are added end by end, which is never too short.

    >>> one = DailyLoss("cost_per_prediction", 10.0, 4.0, 16.0, 100.0, 0.5, 0, 1)
    >>> two = DailyLoss("value_per_prediction", 5.0, -1.0, 11.0, 300.0, 1.0, 0, 2)
    >>> add_losses([one, two])
    DailyLoss(metric='', amount=15.0, low=3.0, high=27.0, predictions=400.0, coverage=0.875, start=0, end=2)
    """
    known = list(losses)
    if len(known) < 2:
        return known[0] if known else None
    lows, highs = [one.low for one in known], [one.high for one in known]
    predictions = sum(one.predictions for one in known)
    shares = [one.coverage for one in known]
    covered = None
    if predictions and None not in shares:
        covered = sum((one.coverage or 0.0) * one.predictions for one in known) / predictions
    metrics = {one.metric for one in known}
    return DailyLoss(
        metric=metrics.pop() if len(metrics) == 1 else "",
        amount=sum(one.amount for one in known),
        low=None if None in lows else sum(low for low in lows if low is not None),
        high=None if None in highs else sum(high for high in highs if high is not None),
        predictions=predictions,
        coverage=covered,
        start=min(one.start for one in known),
        end=max(one.end for one in known),
    )
