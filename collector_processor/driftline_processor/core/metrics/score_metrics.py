"""Values and intervals of metrics of the score order: areas under curves, gain, lift."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.intervals import score_curves
from driftline_processor.core.intervals.confidence import (
    FEWEST_OF_A_CLASS,
    FEWEST_ROWS,
    TOO_FEW,
    Interval,
    interval_of_pairs,
)

from .metric import BINARY, CLASSES, Argument, Estimation, Metric, Slopes, Value, usual_for
from .name_grammar import Name
from .performance_sums import IntervalAndRows, PerformanceSums
from .score_order import BoundedValue, ScoreOrder

SHARE_OF_ROWS = Argument("a share of the rows", 0.1, lambda at: 0 < at <= 1)


def value_of_order(function: Callable[[ScoreOrder], BoundedValue]) -> Value:
    """Return the value function for a function of the score order, with its error bound."""

    def value(sums: PerformanceSums, _name: Name) -> MetricValue | None:
        if sums.order is None:
            return None
        number = function(sums.order)
        return sums.value_of(number.value, sums.order.weight, "losses", number.bound)

    return value


def value_of_gain(sums: PerformanceSums, name: Name, times: float) -> MetricValue | None:
    """Return ``times`` the fraction of positives in the top ``name.at`` of the rows by score."""
    if name.at is None or not 0 < name.at <= 1 or sums.order is None:
        return None
    gain = sums.order.gain(name.at)
    value = None if gain.value is None else gain.value * times
    return sums.value_of(value, sums.order.weight, "losses", gain.bound * times)


def interval_of_gain(sums: PerformanceSums, at: float | None, times: float) -> IntervalAndRows | None:
    """Return the interval of :func:`value_of_gain`; None at ``at`` = 1, all rows."""
    curve = sums.curve()
    if curve is None or at is None or at >= 1:
        return None
    rows, positives = sum(side.rows for side in curve), curve.positive.with_one_more(sums.one_more)
    ratio, fewer = sums.cached(("gain", at), lambda: score_curves.gain_ratio(curve, at, sums.one_more))
    if positives < FEWEST_OF_A_CLASS or fewer < FEWEST_ROWS:
        return TOO_FEW, rows
    share_interval = sums.share_interval(ratio)
    if share_interval is None:
        return None
    (low, high, method), _ = share_interval
    if low is None or high is None or math.isnan(low):  # all scores are equal
        return TOO_FEW, rows
    return Interval(low * times, high * times, method), rows


def interval_of_area(sums: PerformanceSums, value: float, *, of_precision: bool) -> IntervalAndRows | None:
    """Return the interval of the area under the ROC curve, or under the precision-recall curve (``of_precision``)."""
    curve = sums.curve()
    if curve is None:
        return None
    rows, sides = sums.cached("rows of areas", lambda: _rows_of_areas(curve, sums.one_more))
    if min(sides[1:] if of_precision else sides) < FEWEST_OF_A_CLASS:
        return TOO_FEW, rows
    area = score_curves.average_precision if of_precision else score_curves.area
    moved = sums.cached(("area", of_precision), lambda: area(curve)[1])
    variance_of_row = value * (1 - value)
    # 1.0: standard error of a logit above which its interval is nearly [0, 1]: an area of 0.99999 from 50 rows
    if variance_of_row > 0 and 0 < moved.variance <= (1.0 * variance_of_row) ** 2:
        form = sums.cached("form of areas", lambda: score_curves.with_one_more([curve], sums.one_more))
        return sums.interval_by_gradient(value, moved, form, rows)
    if of_precision:
        return TOO_FEW, rows
    return interval_of_pairs(value, min(sides), sums.confidence), rows


def _rows_of_areas(curve: score_curves.ScoreCurve, more: float) -> tuple[float, list[float]]:
    """Return the effective rows, and those of each class with one more row."""
    return sum(side.rows for side in curve), [side.with_one_more(more) for side in curve]


def roc_auc_value(sums: PerformanceSums, name: Name) -> MetricValue | None:
    """Return the area for the positive class, or for a named class against all others."""
    if sums.task.has_threshold:
        return value_of_order(ScoreOrder.area)(sums, name)
    if sums.losses is None or name.of not in sums.task.classes:
        return None
    area = sums.area_of_classes[sums.task.classes.index(name.of)]
    return None if area is None else sums.value_of(area.value, sums.losses["weight"], "losses", area.bound)


def roc_auc_slopes(positives: F64, negatives: F64, _score: F64) -> Slopes | None:
    """Return the area from weights per score bin, float64 (bins,) each, ties count half; None if a class is missing.

    >>> roc_auc_slopes(np.array([0.0, 2.0]), np.array([1.0, 1.0]), np.zeros(2)).value
    0.75
    """
    p, n = float(positives.sum()), float(negatives.sum())
    if p <= 0 or n <= 0:
        return None
    below = np.cumsum(negatives) - negatives / 2
    above = p - np.cumsum(positives) + positives / 2
    area, pairs = float(positives @ below) / (p * n), p * n
    return Slopes(area, (below - area * n) / pairs, (above - area * p) / pairs)


def average_precision_slopes(positives: F64, negatives: F64, _score: F64) -> Slopes | None:
    """Return Σ precision × added recall over the score bins, highest first; float64 (bins,) each.

    None without positives.

    >>> average_precision_slopes(np.array([0.0, 2.0]), np.array([1.0, 2.0]), np.zeros(2)).value
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


METRICS = (
    # Area under the ROC curve: the probability that a positive scores above a negative.
    Metric(
        name="roc_auc",
        title="ROC AUC",
        tasks=CLASSES,
        direction=1,
        unit="score",
        maximum=1.0,
        source="scikit-learn, roc_auc_score; Fawcett, An introduction to ROC analysis (2006), section 7",
        value=roc_auc_value,
        interval=lambda sums, _name, value: interval_of_area(sums, value, of_precision=False),
        estimate=Estimation(of_scores=roc_auc_slopes),
        of_class=True,
        usual=usual_for("binary", names=("roc_auc",)),
        constant=0.5,
        rank=10,
    ),
    # Average precision: the area under the precision-recall curve.
    Metric(
        name="average_precision",
        title="average precision",
        tasks=BINARY,
        direction=1,
        unit="score",
        maximum=1.0,
        source="scikit-learn, average_precision_score; Davis and Goadrich (2006)",
        value=value_of_order(ScoreOrder.average_precision),
        interval=lambda sums, _name, value: interval_of_area(sums, value, of_precision=True),
        estimate=Estimation(of_scores=average_precision_slopes, min_rows=(50.0, 100.0)),
        usual=usual_for("binary", names=("average_precision",)),
        depends_on_rate=True,
        rank=20,
    ),
    # KS: the maximum distance between the score distributions of positives and negatives.
    Metric(
        name="ks",
        title="KS",
        tasks=BINARY,
        direction=1,
        unit="fraction",
        maximum=1.0,
        source="the two-sample statistic of Kolmogorov and Smirnov, of scores",
        value=value_of_order(ScoreOrder.ks),
        usual=usual_for("binary", names=("ks",)),
        rank=120,
    ),
    # Lift: the fraction of positives among the rows with the highest scores, relative to all rows.
    Metric(
        name="lift",
        title="lift",
        tasks=BINARY,
        direction=1,
        unit="ratio",
        source="Ling and Li, Data mining for direct marketing (1998)",
        value=lambda sums, name: value_of_gain(sums, name, 1 / name.at if name.at else 1.0),
        interval=lambda sums, name, _value: interval_of_gain(sums, name.at, 1 / name.at if name.at else 1.0),
        argument=SHARE_OF_ROWS,
        usual=usual_for("binary", names=("lift@0.1",)),
        rank=130,
    ),
    # Gain: the fraction of all positives among the rows with the highest scores.
    Metric(
        name="gain",
        title="gain",
        tasks=BINARY,
        direction=1,
        unit="fraction",
        maximum=1.0,
        source="Ling and Li, Data mining for direct marketing (1998)",
        value=lambda sums, name: value_of_gain(sums, name, 1.0),
        interval=lambda sums, name, _value: interval_of_gain(sums, name.at, 1.0),
        argument=SHARE_OF_ROWS,
        usual=usual_for("binary", names=("gain@0.1",)),
        rank=140,
    ),
)
