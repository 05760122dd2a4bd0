"""Direct loss estimation (DLE): the expected losses of the rows of a regression."""

from __future__ import annotations

import math

import numpy as np
from driftline.baseline.sections.estimation import LOSS
from driftline.baseline.sections.loss_trees import OUTPUTS
from driftline.panes.pane import Pane
from driftline.tables.table import F64

from .point import Point

NAMES = ("mae", "rmse", "mape")
"""Metric of each of :data:`driftline.baseline.sections.loss_trees.OUTPUTS`."""


def expected(pane: Pane, spread: F64) -> dict[str, Point]:
    """Return the expected value of each metric; {} without sums. ``spread``: float64 (3,), of the trees."""
    sums = pane.parts.get(LOSS)
    return {} if sums is None else of_sums(sums, spread)


def of_sums(sums: F64, spread: F64) -> dict[str, Point]:
    """Return the metrics from the sums Σw, Σw², Σw l and Σw² l² of the expected losses.

    >>> found = of_sums(np.array([4.0, 4.0, 8.0, 64.0, 0.4, 16.0, 1024.0, 0.04]), np.ones(3))
    >>> found["mae"].value, found["mae"].chance, found["rmse"].value
    (2.0, 1.0, 4.0)
    """
    k = len(OUTPUTS)
    if len(sums) != 2 + 2 * k or sums[0] <= 0:
        return {}
    total = float(sums[0])
    means = (sums[2 : 2 + k] / total).tolist()
    squares = sums[2 + k :] / total**2
    variances = (spread * squares).tolist()
    # variance of the rows' expected losses, Σ w² (l - mean)², approximating Σ w² l by its value with equal weights
    rows = total**2 / float(sums[1])
    mixes = np.maximum(squares - np.square(means) / rows, 0.0).tolist()
    points = {
        name: Point(mean, variance, 0.0, mix)
        for name, mean, variance, mix in zip(NAMES, means, variances, mixes, strict=True)
    }
    squared = points["rmse"]
    assert squared.value is not None
    root = math.sqrt(max(squared.value, 0.0))
    scale = 1 / (4 * squared.value) if root > 0 else 0.0
    points["rmse"] = Point(root, squared.chance * scale, 0.0, squared.mix * scale)
    return points
