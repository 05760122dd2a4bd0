"""The value of an estimate with its variances, and the range of a metric."""

from __future__ import annotations

from msgspec import Struct

from driftline_processor.core.evaluation import EstimateReason
from driftline_processor.core.metrics import metric_of

DEVIATIONS = 1.959963984540054
"""The normal quantile of ``CONFIDENCE``: standard errors on either side of an estimate that contain the realized value
in 95 of 100 windows.
"""

BOUND_DEVIATIONS = 3.0
"""Standard deviations of windows without change on either side of the baseline's value, as NannyML's bounds."""


class Point(Struct, frozen=True):
    """An estimated value and its variances.

    Attributes:
        value: Estimated value; None if the metric is undefined.
        chance: Variance over outcomes of the same rows.
        learned: Variance over the reference that the estimate was learned from.
        mix: Variance over other rows of the same kind.
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
    """Return the minimum and the maximum of a metric.

    >>> limits("accuracy"), limits("mae")
    ((0.0, 1.0), (0.0, inf))
    """
    metric_definition = metric_of(metric)
    return (0.0, float("inf")) if metric_definition is None else (metric_definition.minimum, metric_definition.maximum)
