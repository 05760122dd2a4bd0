"""The sum of the values that came with outcomes."""

from __future__ import annotations

from math import inf

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.metrics.families.cost_and_value import EVERY_TASK, value_interval

from .metric import Metric
from .names import Name
from .performance_sums import PerformanceSums


def value(sums: PerformanceSums, _name: Name) -> MetricValue | None:
    """Return Σ weight × value, in the unit in which values were sent."""
    mean, held = sums.means.get("value"), sums.pane.parts.get("value")
    return None if mean is None or held is None else MetricValue(mean.total, int(held[0]), "panes")


METRIC = Metric(
    name="value",
    title="value",
    tasks=EVERY_TASK,
    direction=1,
    unit="value",
    least=-inf,
    source="the weighted sum of values",
    value=value,
    interval=lambda sums, _name, _value: value_interval(sums, total=True),
    usual=lambda _task: ("value",),
    rank=420,
)
