"""The value of an estimate with its variance, and the limits of what a metric can be."""

from __future__ import annotations

from msgspec import Struct

from driftline_processor.core.evaluation import EstimateReason
from driftline_processor.core.metrics import metric_of

DEVIATIONS = 1.959963984540054
"""The normal quantile of ``CONFIDENCE``: standard errors on either side of an estimate within which the realized
value lies in 95 of 100 windows."""

BOUND_DEVIATIONS = 3.0
"""Standard deviations of windows in which nothing changed on either side of the baseline's value: NannyML's bounds."""


class Point(Struct, frozen=True):
    """An estimated value and its variances.

    Attributes:
        value: Estimated value; None where the metric is undefined.
        chance: Variance from outcomes drawn anew for the same rows.
        learned: Variance from the reference that the estimate was learned from.
        mix: Variance from other rows of the same kind.
        bias: Squared error of an estimate of the reference's own rows, a part of ``learned``.
        reason: Reason why the true error may exceed these variances; None without one.
    """

    value: float | None
    chance: float = 0.0
    learned: float = 0.0
    mix: float = 0.0
    bias: float = 0.0
    reason: EstimateReason | None = None


def limits(metric: str) -> tuple[float, float]:
    """Return the least and the greatest value of a metric.

    >>> limits("accuracy"), limits("mae")
    ((0.0, 1.0), (0.0, inf))
    """
    found = metric_of(metric)
    return (0.0, float("inf")) if found is None else (found.least, found.greatest)
