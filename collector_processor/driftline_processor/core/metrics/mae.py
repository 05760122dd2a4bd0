"""The mean absolute error."""

from __future__ import annotations

from driftline_processor.core.metrics.families.losses import mean_of_loss

from .metric import Estimation, Metric, usual_for

_VALUE, _INTERVAL = mean_of_loss("absolute_error")

METRIC = Metric(
    name="mae",
    title="MAE",
    tasks=frozenset({"regression"}),
    direction=-1,
    unit="target",
    source="scikit-learn, mean_absolute_error",
    value=_VALUE,
    interval=_INTERVAL,
    estimate=Estimation(),
    usual=usual_for("regression", names=("mae",)),
    rank=200,
)
