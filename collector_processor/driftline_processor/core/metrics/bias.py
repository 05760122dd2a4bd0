"""Bias: the mean of predicted minus actual."""

from __future__ import annotations

from math import inf

from driftline_processor.core.intervals.confidence import student
from driftline_processor.core.metrics.families.losses import mean_of_loss

from .metric import Metric, usual_for

_VALUE, _INTERVAL = mean_of_loss("error", student)

METRIC = Metric(
    name="bias",
    title="bias",
    tasks=frozenset({"regression"}),
    direction=0,
    unit="target",
    least=-inf,
    source="the weighted mean of errors",
    value=_VALUE,
    interval=_INTERVAL,
    usual=usual_for("regression", names=("bias",)),
    rank=240,
)
