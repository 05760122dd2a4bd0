"""Recall: the fraction of rows of a class that are predicted as it; for rankings, of the relevant items."""

from __future__ import annotations

from driftline_processor.core.metrics.families.confusion import CLASSES, RECALL, class_share, estimated_share
from driftline_processor.core.metrics.families.ranking import RANKING, for_rankings_too

from .metric import Metric, usual_for

_VALUE, _INTERVAL = for_rankings_too(class_share(lambda _name: RECALL))

METRIC = Metric(
    name="recall",
    title="recall",
    tasks=CLASSES | RANKING,
    direction=1,
    unit="fraction",
    greatest=1.0,
    source="scikit-learn, recall_score, with zero_division=np.nan",
    value=_VALUE,
    interval=_INTERVAL,
    estimate=estimated_share(RECALL, (0, 1)),
    of_class=True,
    averages=("micro", "weighted"),
    share_of_rows=True,
    usual=usual_for("binary", "multiclass", names=("recall",)),
    rank=50,
)
