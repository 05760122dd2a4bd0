"""Balanced accuracy: the unweighted mean of the recall per class."""

from __future__ import annotations

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.metrics.families.confusion import (
    CLASSES,
    RECALL,
    macro_interval,
    mean_of_shares,
    mean_over_classes,
    share_by_gradient,
)

from .metric import Estimation, Metric, usual_for
from .names import Name
from .performance_sums import IntervalAndRows, PerformanceSums


def slopes(cells: F64) -> tuple[float | None, F64]:
    """Return the balanced accuracy of a confusion matrix, float64 (2, 2), and its gradient; None if a class is empty.

    >>> slopes(np.array([[6.0, 2], [1, 1]]))[0]
    0.625
    """
    (specificity, of_negative), (recall, of_positive) = (
        share_by_gradient(*RECALL.cells(2, code), cells) for code in range(2)
    )
    value = None if recall is None or specificity is None else (recall + specificity) / 2
    return value, (of_positive + of_negative) / 2


def value(sums: PerformanceSums, _name: Name) -> MetricValue | None:
    """Return the mean recall: for two classes only if both have rows, for more over the classes with rows."""
    cells = sums.confusion
    if cells is None or (sums.task.has_threshold and sums.positive is None):
        return None
    if sums.task.has_threshold:
        accuracy = slopes(cells)[0]
    else:
        accuracy = mean_over_classes(*RECALL.above_and_below(cells), np.ones(len(cells)))
    return sums.value_of(accuracy, float(cells.sum()), "confusion")


def interval(sums: PerformanceSums, _name: Name, _value: float) -> IntervalAndRows | None:
    """Return the interval, combined from the intervals of the recall per class."""
    if sums.table is None:
        return None
    if not sums.task.has_threshold:
        return macro_interval(sums, RECALL)
    if sums.positive is None:
        return None
    every = [sums.ratio(*RECALL.cells(2, code)) for code in (sums.positive, 1 - sums.positive)]
    ratios = [ratio for ratio in every if ratio is not None and ratio.value is not None]
    return mean_of_shares(sums, ratios) if len(ratios) == len(every) else None


METRIC = Metric(
    name="balanced_accuracy",
    title="balanced accuracy",
    tasks=CLASSES,
    direction=1,
    unit="score",
    greatest=1.0,
    source="scikit-learn, balanced_accuracy_score; Brodersen et al. (2010)",
    value=value,
    interval=interval,
    estimate=Estimation(slopes, decisions=(0, 1)),
    usual=usual_for("binary", names=("balanced_accuracy",)),
    rank=80,
)
