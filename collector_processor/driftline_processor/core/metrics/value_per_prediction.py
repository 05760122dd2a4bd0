"""Mean of the monetary values that outcomes carry."""

from __future__ import annotations

from math import inf

from driftline_processor.core.metrics.families.cost_and_value import EVERY_TASK, value_of_outcomes

from .metric import Metric

_VALUE, _INTERVAL = value_of_outcomes(total=False)

METRIC = Metric(
    name="value_per_prediction",
    title="value per prediction",
    tasks=EVERY_TASK,
    direction=1,
    unit="value",
    least=-inf,
    source="the weighted mean of values",
    value=_VALUE,
    interval=_INTERVAL,
    usual=lambda _task: ("value_per_prediction",),
    rank=430,
)
