"""The cost of all decisions."""

from __future__ import annotations

from math import inf

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.metrics.families.cost_and_value import EVERY_TASK, cost_interval, total_cost_and_weight

from .metric import Metric
from .names import Name
from .performance_sums import PerformanceSums


def value(sums: PerformanceSums, _name: Name) -> MetricValue | None:
    """Return Σ weight × cost of the rows with a decision; exact."""
    found = total_cost_and_weight(sums)
    return None if found is None else sums.value_of(found[0], found[1], "confusion")


METRIC = Metric(
    name="cost",
    title="cost",
    tasks=EVERY_TASK,
    direction=-1,
    unit="cost",
    least=-inf,
    source="Elkan, The foundations of cost-sensitive learning (2001)",
    value=value,
    interval=lambda sums, _name, _value: cost_interval(sums, total=True),
    usual=lambda _task: ("cost",),
    rank=400,
)
