"""NDCG: the discounted gain of the first K items divided by that of the ideal order."""

from __future__ import annotations

from driftline_processor.core.metrics.families.ranking import RANKING, interval_over_lists, value_over_lists

from .metric import Metric

METRIC = Metric(
    name="ndcg",
    title="NDCG",
    tasks=RANKING,
    direction=1,
    unit="score",
    greatest=1.0,
    source="Järvelin and Kekäläinen (2002), with linear gains, as scikit-learn, ndcg_score",
    value=value_over_lists,
    interval=interval_over_lists,
    rank=340,
)
