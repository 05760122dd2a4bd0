"""The mean cost of a decision."""

from __future__ import annotations

from math import inf

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.metrics.families.cost_and_value import EVERY_TASK, cost_interval, total_cost_and_weight
from driftline_processor.core.outcomes.sums import ratio

from .metric import Metric
from .names import Name
from .performance_sums import PerformanceSums


def value(sums: PerformanceSums, _name: Name) -> MetricValue | None:
    """Return the mean cost of the rows with a decision; exact."""
    found = total_cost_and_weight(sums)
    return None if found is None else sums.value_of(ratio(*found), found[1], "confusion")


METRIC = Metric(
    name="cost_per_prediction",
    title="cost per prediction",
    tasks=EVERY_TASK,
    direction=-1,
    unit="cost",
    least=-inf,
    source="Elkan, The foundations of cost-sensitive learning (2001)",
    value=value,
    interval=lambda sums, _name, _value: cost_interval(sums, total=False),
    usual=lambda _task: ("cost_per_prediction",),
    rank=410,
)
