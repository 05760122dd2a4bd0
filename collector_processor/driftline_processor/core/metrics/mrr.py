"""MRR: the mean reciprocal rank of the first relevant item among the first K."""

from __future__ import annotations

from driftline_processor.core.metrics.families.ranking import RANKING, interval_over_lists, value_over_lists

from .metric import Metric

METRIC = Metric(
    name="mrr",
    title="MRR",
    tasks=RANKING,
    direction=1,
    unit="score",
    greatest=1.0,
    source="Voorhees, The TREC-8 question answering track report (1999)",
    value=value_over_lists,
    interval=interval_over_lists,
    rank=350,
)
