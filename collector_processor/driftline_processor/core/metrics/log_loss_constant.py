"""Log loss of a constant prediction, the baseline's rate of positives: the minimum that a useful model must beat."""

from __future__ import annotations

from collections.abc import Mapping
from math import log

from driftline_processor.core.evaluation import MetricValue

from .metric import BINARY, Metric


def log_loss_of_constant(
    realized: Mapping[str, MetricValue], reference: Mapping[str, MetricValue]
) -> MetricValue | None:
    """Return the log loss of always predicting the baseline's rate of positives, on the rows of ``realized``.

    None if either rate is unknown, or the baseline's is 0 or 1.

    >>> constant = log_loss_of_constant(
    ...     {"actual_rate": MetricValue(0.5, 8, "rows")}, {"actual_rate": MetricValue(0.25, 100, "panes")}
    ... )
    >>> round(constant.value, 4), constant.rows
    (0.837, 8)
    """
    actual, reference_rate = realized.get("actual_rate"), reference.get("actual_rate")
    if (
        actual is None
        or reference_rate is None
        or actual.value is None
        or reference_rate.value is None
        or not 0 < reference_rate.value < 1
    ):
        return None
    value = -actual.value * log(reference_rate.value) - (1 - actual.value) * log(1 - reference_rate.value)
    return MetricValue(value, actual.rows, actual.source)


METRICS = (
    Metric(
        name="log_loss_constant",
        title="log loss of a constant",
        tasks=BINARY,
        direction=0,
        unit="nats",
        source="the entropy of the baseline's rate, as the null model of McFadden (1974)",
        value=lambda _sums, _name: None,  # not from one window: the rate is that of the baseline
        rank=95,
    ),
)
