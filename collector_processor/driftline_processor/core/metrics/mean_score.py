"""Predicted rate: the mean score of the rows with an outcome."""

from __future__ import annotations

from driftline_processor.core.intervals.confidence import logit
from driftline_processor.core.metrics.families.confusion import BINARY
from driftline_processor.core.metrics.families.losses import mean_of_loss

from .metric import Metric, usual_for

_VALUE, _INTERVAL = mean_of_loss("score", logit)

METRIC = Metric(
    name="mean_score",
    title="predicted rate",
    tasks=BINARY,
    direction=0,
    unit="fraction",
    greatest=1.0,
    source="the weighted mean of scores",
    value=_VALUE,
    interval=_INTERVAL,
    usual=usual_for("binary", names=("mean_score",)),
    rank=150,
)
