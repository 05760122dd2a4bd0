"""Matthews' correlation coefficient of decisions and outcomes, for two or more classes."""

from __future__ import annotations

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.metrics.families.confusion import CLASSES, value_of_cells

from .metric import Metric


def mcc(cells: F64) -> float | None:
    """Return the correlation from a confusion matrix, float64 (k, k); None for a single class or decision.

    Source: Gorodkin, Comparing two K-category assignments by a K-category correlation coefficient (2004), equation 8.

    >>> round(mcc(np.array([[6.0, 1], [1, 2]])), 6), mcc(np.array([[6.0, 0], [1, 0]]))
    (0.52381, None)
    """
    total, actual, decided = cells.sum(), cells.sum(axis=1), cells.sum(axis=0)
    variance_product = (total**2 - decided @ decided) * (total**2 - actual @ actual)
    return (
        float((cells.trace() * total - actual @ decided) / np.sqrt(variance_product)) if variance_product > 0 else None
    )


def gradient(cells: F64) -> F64:
    """Return the derivative of the coefficient by each cell: float64 (k, k).

    >>> gradient(np.array([[6.0, 1], [1, 2]])).round(4).tolist()
    [[0.0204, -0.1723], [-0.1723, 0.1111]]
    """
    total, actual, decided = cells.sum(), cells.sum(axis=1), cells.sum(axis=0)
    by_decided, by_actual = total**2 - decided @ decided, total**2 - actual @ actual
    covariance = cells.trace() * total - actual @ decided
    raised = np.eye(len(cells)) * total + cells.trace() - actual[np.newaxis] - decided[:, np.newaxis]
    relative_gradient = (total - decided)[np.newaxis] / by_decided + (total - actual)[:, np.newaxis] / by_actual
    slopes: F64 = (raised - covariance * relative_gradient) / np.sqrt(by_decided * by_actual)
    return slopes


METRIC = Metric(
    name="mcc",
    title="Matthews' correlation",
    tasks=CLASSES,
    direction=1,
    unit="score",
    least=-1.0,
    greatest=1.0,
    source="scikit-learn, matthews_corrcoef; Matthews (1975); Gorodkin (2004)",
    value=value_of_cells(mcc),
    gradient=gradient,
)
