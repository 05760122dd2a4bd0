"""Area under the ROC curve: the probability that a positive scores above a negative."""

from __future__ import annotations

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.metrics.families.confusion import CLASSES
from driftline_processor.core.metrics.families.score_metrics import interval_of_area, value_of_order

from .metric import Estimation, Metric, Slopes, usual_for
from .names import Name
from .performance_sums import PerformanceSums
from .score_order import ScoreOrder


def value(sums: PerformanceSums, name: Name) -> MetricValue | None:
    """Return the area for the positive class, or for a named class against all others."""
    if sums.task.has_threshold:
        return value_of_order(ScoreOrder.area)(sums, name)
    if sums.losses is None or name.of not in sums.task.classes:
        return None
    area = sums.area_of_classes[sums.task.classes.index(name.of)]
    return None if area is None else sums.value_of(area.value, sums.losses["weight"], "losses", area.bound)


def slopes(positives: F64, negatives: F64, _score: F64) -> Slopes | None:
    """Return the area from weights per score bin, float64 (bins,) each, ties count half; None if a class is missing.

    >>> slopes(np.array([0.0, 2.0]), np.array([1.0, 1.0]), np.zeros(2)).value
    0.75
    """
    p, n = float(positives.sum()), float(negatives.sum())
    if p <= 0 or n <= 0:
        return None
    below = np.cumsum(negatives) - negatives / 2
    above = p - np.cumsum(positives) + positives / 2
    area, pairs = float(positives @ below) / (p * n), p * n
    return Slopes(area, (below - area * n) / pairs, (above - area * p) / pairs)


METRIC = Metric(
    name="roc_auc",
    title="ROC AUC",
    tasks=CLASSES,
    direction=1,
    unit="score",
    greatest=1.0,
    source="scikit-learn, roc_auc_score; Fawcett, An introduction to ROC analysis (2006), section 7",
    value=value,
    interval=lambda sums, _name, value: interval_of_area(sums, value, of_precision=False),
    estimate=Estimation(of_scores=slopes),
    of_class=True,
    usual=usual_for("binary", names=("roc_auc",)),
    rank=10,
)
