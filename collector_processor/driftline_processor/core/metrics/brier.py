"""Brier score: the mean squared difference between probability and outcome."""

from __future__ import annotations

from driftline_processor.core.metrics.families.confusion import CLASSES
from driftline_processor.core.metrics.families.losses import estimated_mean, mean_of_loss

from .metric import Metric, usual_for

_VALUE, _INTERVAL = mean_of_loss("brier")

METRIC = Metric(
    name="brier",
    title="Brier score",
    tasks=CLASSES,
    direction=-1,
    unit="squared probability",
    source="scikit-learn, brier_score_loss, with scale_by_half=False; Brier (1950)",
    value=_VALUE,
    interval=_INTERVAL,
    estimate=estimated_mean(lambda score: ((1 - score) ** 2, score**2)),
    usual=usual_for("binary", "multiclass", names=("brier",)),
    rank=100,
)
