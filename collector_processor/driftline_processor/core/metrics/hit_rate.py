"""Hit rate: the fraction of lists with a relevant item among the first K."""

from __future__ import annotations

from driftline_processor.core.metrics.families.ranking import RANKING, share_interval_of_lists, value_over_lists

from .metric import Metric

METRIC = Metric(
    name="hit_rate",
    title="hit rate",
    tasks=RANKING,
    direction=1,
    unit="fraction",
    greatest=1.0,
    source="the weighted share of lists",
    value=value_over_lists,
    interval=share_interval_of_lists,
    share_of_rows=True,
    rank=310,
)
