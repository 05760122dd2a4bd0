"""KS: the greatest distance between the distributions of the scores of positives and of negatives."""

from __future__ import annotations

from .confusion import BINARY
from .metric import Metric, usual_for
from .score_metrics import value_of_order
from .score_order import ScoreOrder

METRIC = Metric(
    name="ks",
    title="KS",
    tasks=BINARY,
    direction=1,
    unit="share",
    greatest=1.0,
    source="the two-sample statistic of Kolmogorov and Smirnov, of scores",
    value=value_of_order(ScoreOrder.ks),
    usual=usual_for("binary", names=("ks",)),
    rank=120,
)
