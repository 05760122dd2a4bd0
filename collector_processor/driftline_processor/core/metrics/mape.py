"""Mean absolute percentage error, over the rows whose actual value is not 0."""

from __future__ import annotations

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.intervals.confidence import positive

from .metric import Estimation, Metric, usual_for
from .names import Name
from .performance_sums import PerformanceSums


def value(sums: PerformanceSums, _name: Name) -> MetricValue | None:
    """Return the mean of abs(predicted - actual) / abs(actual).

    scikit-learn divides by 2e-16 if the actual value is 0, so a single such row would determine the result.
    """
    mean = sums.means.get("percentage")
    return None if mean is None else sums.value_of(mean.value, mean.weight, "percentage")


METRIC = Metric(
    name="mape",
    title="MAPE",
    tasks=frozenset({"regression"}),
    direction=-1,
    unit="ratio",
    source="scikit-learn, mean_absolute_percentage_error, without rows whose actual value is 0",
    value=value,
    interval=lambda sums, _name, _value: sums.mean_interval(sums.part_mean("percentage", 0), positive),
    estimate=Estimation(),
    usual=usual_for("regression", names=("mape",)),
    rank=220,
)
