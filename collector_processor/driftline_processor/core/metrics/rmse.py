"""Root mean squared error."""

from __future__ import annotations

import math

from msgspec.structs import replace

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.intervals.confidence import root
from driftline_processor.core.metrics.families.losses import mean_of_loss

from .metric import Estimation, Metric, usual_for
from .names import Name
from .performance_sums import PerformanceSums

_MEAN_SQUARE, _INTERVAL = mean_of_loss("squared_error", root)


def value(sums: PerformanceSums, name: Name) -> MetricValue | None:
    """Return the root of the mean squared error of the rows."""
    squared = _MEAN_SQUARE(sums, name)
    if squared is None or squared.value is None:
        return squared
    return replace(squared, value=math.sqrt(squared.value))


METRIC = Metric(
    name="rmse",
    title="RMSE",
    tasks=frozenset({"regression"}),
    direction=-1,
    unit="target",
    source="scikit-learn, root_mean_squared_error",
    value=value,
    interval=_INTERVAL,
    estimate=Estimation(),
    usual=usual_for("regression", names=("rmse",)),
    rank=210,
)
