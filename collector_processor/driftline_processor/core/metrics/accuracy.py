"""Accuracy: the fraction of correct decisions."""

from __future__ import annotations

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.metrics.families.confusion import (
    CLASSES,
    accuracy_interval,
    share_by_gradient,
    share_of_cells,
)
from driftline_processor.core.metrics.families.losses import NOT_RARE

from .metric import Estimation, Metric, usual_for
from .names import Name
from .performance_sums import PerformanceSums


def slopes(cells: F64) -> tuple[float | None, F64]:
    """Return the accuracy of a confusion matrix, float64 (k, k), and its gradient.

    >>> slopes(np.array([[6.0, 1], [1, 2]]))[0]
    0.8
    """
    right = np.eye(len(cells))
    return share_by_gradient(right, 1 - right, cells)


def value(sums: PerformanceSums, name: Name) -> MetricValue | None:
    """Return the fraction of rows with a correct decision; None for a single class."""
    if name.of is not None or (sums.task.has_threshold and sums.positive is None):
        return None
    right = np.eye(len(sums.task.classes))
    return share_of_cells(sums, right, 1 - right)


METRIC = Metric(
    name="accuracy",
    title="accuracy",
    tasks=CLASSES,
    direction=1,
    unit="fraction",
    greatest=1.0,
    source="scikit-learn, accuracy_score",
    value=value,
    interval=accuracy_interval,
    gradient=lambda cells: slopes(cells)[1],
    estimate=Estimation(slopes, fewest=NOT_RARE),
    share_of_rows=True,
    usual=usual_for("binary", "multiclass", names=("accuracy",)),
    rank=30,
)
