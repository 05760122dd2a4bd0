"""Sum of the monetary values that outcomes carry."""

from __future__ import annotations

from math import inf

from driftline_processor.core.metrics.families.cost_and_value import EVERY_TASK, value_of_outcomes

from .metric import Metric

_VALUE, _INTERVAL = value_of_outcomes(total=True)

METRIC = Metric(
    name="value",
    title="value",
    tasks=EVERY_TASK,
    direction=1,
    unit="value",
    least=-inf,
    source="the weighted sum of values",
    value=_VALUE,
    interval=_INTERVAL,
    usual=lambda _task: ("value",),
    of_all_rows=True,
    rank=420,
)
