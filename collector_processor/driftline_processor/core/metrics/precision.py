"""Precision: the fraction of rows predicted as a class that belong to it; for rankings, of the first K items."""

from __future__ import annotations

from driftline_processor.core.metrics.families.confusion import CLASSES, PRECISION, class_share, estimated_share
from driftline_processor.core.metrics.families.ranking import RANKING, for_rankings_too

from .metric import Metric, usual_for

_VALUE, _INTERVAL = for_rankings_too(class_share(lambda _name: PRECISION))

METRIC = Metric(
    name="precision",
    title="precision",
    tasks=CLASSES | RANKING,
    direction=1,
    unit="fraction",
    greatest=1.0,
    source="scikit-learn, precision_score, with zero_division=np.nan",
    value=_VALUE,
    interval=_INTERVAL,
    estimate=estimated_share(PRECISION, (1,)),
    of_class=True,
    averages=("micro", "weighted"),
    own_decision=True,
    share_of_rows=True,
    usual=usual_for("binary", "multiclass", names=("precision",)),
    rank=40,
)
