"""MAP: the mean over lists of the average precision of the first K items."""

from __future__ import annotations

from driftline_processor.core.metrics.families.ranking import RANKING, interval_over_lists, value_over_lists

from .metric import Metric

METRIC = Metric(
    name="map",
    title="MAP",
    tasks=RANKING,
    direction=1,
    unit="score",
    greatest=1.0,
    source="Manning, Raghavan and Schütze, Introduction to Information Retrieval (2008), section 8.4",
    value=value_over_lists,
    interval=interval_over_lists,
    rank=360,
)
