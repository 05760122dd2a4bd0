"""Unweighted mean of the areas under the ROC curve of each class against all others."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from driftline.panes.outcome_sums import class_scores

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.intervals import score_curves
from driftline_processor.core.intervals.confidence import FEWEST_OF_A_CLASS, TOO_FEW
from driftline_processor.core.intervals.gradients import Influence

from .metric import Estimation, Metric, usual_for
from .name_grammar import Name
from .performance_sums import IntervalAndRows, PerformanceSums


def value(sums: PerformanceSums, _name: Name) -> MetricValue | None:
    """Return the mean over the classes whose area is defined; None if the scores of a class are unknown."""
    areas = [area_of_class for area_of_class in sums.area_of_classes if area_of_class is not None]
    if sums.losses is None or not areas or len(areas) < len(sums.task.classes):
        return None
    defined = [area for area in areas if area.value is not None]
    total = sum(area.value for area in defined if area.value is not None)
    mean_area = total / len(defined) if defined else None
    bound = sum(area.bound for area in defined) / len(defined) if defined else 0.0
    return sums.value_of(mean_area, sums.losses["weight"], "losses", bound)


def interval(sums: PerformanceSums, _name: Name, value: float) -> IntervalAndRows | None:
    """Return the interval as if the errors of all classes were fully correlated, since they share rows."""
    curves = [sums.curve(*class_scores(code)) for code in range(len(sums.task.classes))]
    known_curves = [curve for curve in curves if curve is not None]
    if len(known_curves) < len(curves):
        return None
    if min(side.with_one_more(sums.one_more) for curve in known_curves for side in curve) < FEWEST_OF_A_CLASS:
        return TOO_FEW, sums.rows
    form = score_curves.with_one_more(known_curves, sums.one_more)
    return sums.interval_by_gradient(
        value, sums.cached("areas", lambda: _mean_influence(known_curves)), form, sums.rows
    )


def _mean_influence(curves: Sequence[score_curves.ScoreCurve]) -> Influence:
    """Return the influence on the mean of the areas, with fully correlated errors."""
    moved = [score_curves.area(curve)[1] for curve in curves]
    k = len(moved)
    varies = (sum(sqrt(one.variance) for one in moved) / k) ** 2
    influence = np.sum([one.influence for one in moved], axis=0) / k
    expected = np.sum([one.expected for one in moved], axis=0)
    expected *= varies / max(float(expected.sum()), 1e-300)
    return Influence(varies, influence, expected)


METRICS = (
    Metric(
        name="roc_auc_ovr",
        title="ROC AUC, one against the rest",
        tasks=frozenset({"multiclass"}),
        direction=1,
        unit="score",
        maximum=1.0,
        source="Hand and Till, A simple generalisation of the area under the ROC curve (2001), section 2, "
        "without weights",
        value=value,
        interval=interval,
        estimate=Estimation(),
        usual=usual_for("multiclass", names=("roc_auc_ovr",)),
        constant=0.5,
        rank=85,
    ),
)
