"""KS: the maximum distance between the score distributions of positives and negatives."""

from __future__ import annotations

from driftline_processor.core.metrics.families.confusion import BINARY
from driftline_processor.core.metrics.families.score_metrics import value_of_order

from .metric import Metric, usual_for
from .score_order import ScoreOrder

METRIC = Metric(
    name="ks",
    title="KS",
    tasks=BINARY,
    direction=1,
    unit="fraction",
    greatest=1.0,
    source="the two-sample statistic of Kolmogorov and Smirnov, of scores",
    value=value_of_order(ScoreOrder.ks),
    usual=usual_for("binary", names=("ks",)),
    rank=120,
)
