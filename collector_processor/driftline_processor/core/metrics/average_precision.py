"""Average precision: the area under the precision-recall curve."""

from __future__ import annotations

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.metrics.families.confusion import BINARY
from driftline_processor.core.metrics.families.score_metrics import interval_of_area, value_of_order

from .metric import Estimation, Metric, Slopes, usual_for
from .score_order import ScoreOrder


def slopes(positives: F64, negatives: F64, _score: F64) -> Slopes | None:
    """Return Σ precision × added recall over the score bins, highest first; float64 (bins,) each.

    None without positives.

    >>> slopes(np.array([0.0, 2.0]), np.array([1.0, 2.0]), np.zeros(2)).value
    0.5
    """
    total, weight = float(positives.sum()), positives + negatives
    if total <= 0:
        return None
    reached, positives_reached = (np.cumsum(side[::-1])[::-1] for side in (weight, positives))
    precision = np.divide(positives_reached, reached, out=np.zeros_like(positives), where=reached > 0)
    value = float(positives @ precision) / total
    precision_sums = np.cumsum(np.divide(positives, reached, out=np.zeros_like(positives), where=reached > 0))
    lost = np.cumsum(np.divide(positives * precision, reached, out=np.zeros_like(positives), where=reached > 0))
    return Slopes(value, (precision + precision_sums - lost - value) / total, -lost / total)


METRIC = Metric(
    name="average_precision",
    title="average precision",
    tasks=BINARY,
    direction=1,
    unit="score",
    greatest=1.0,
    source="scikit-learn, average_precision_score; Davis and Goadrich (2006)",
    value=value_of_order(ScoreOrder.average_precision),
    interval=lambda sums, _name, value: interval_of_area(sums, value, of_precision=True),
    estimate=Estimation(of_scores=slopes, fewest=(50.0, 100.0)),
    usual=usual_for("binary", names=("average_precision",)),
    rank=20,
)
