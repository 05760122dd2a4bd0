"""Total cost of all decisions."""

from __future__ import annotations

from math import inf

from driftline_processor.core.metrics.families.cost_and_value import EVERY_TASK, cost_of_decisions

from .metric import Metric

_VALUE, _INTERVAL = cost_of_decisions(total=True)

METRIC = Metric(
    name="cost",
    title="cost",
    tasks=EVERY_TASK,
    direction=-1,
    unit="cost",
    least=-inf,
    source="Elkan, The foundations of cost-sensitive learning (2001)",
    value=_VALUE,
    interval=_INTERVAL,
    usual=lambda _task: ("cost",),
    of_all_rows=True,
    rank=400,
)
