"""The interval of a mean cost: from the exact limits of how many rows have each cost.

A fraud that was let through costs 500 and is one row in two hundred: of a day without one, a mean and its variance say
that nothing ever costs anything. The exact limit of a share that was never seen says how many of them there may be.

Source: Zou, Huang and Zhang, "A note on confidence interval estimation for a linear function of binomial proportions"
(2009), with the correlation of shares of the same rows.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import numpy as np
from driftline.tables import F64

from .intervals import Interval, Summed
from .linear import Table

Exact = Callable[[Summed, Summed], Interval]
"""What counts for a share, and against it → its limits."""


def mean_cost(table: Table, costs: F64, exact: Exact) -> tuple[float, float]:
    """Return the ends of the interval of the mean cost of a row; ``costs``: float64 (k, k), of each cell of the table.

    Of costs that no row had, the one that could matter most is reckoned with: they are few together, too.

    >>> from .intervals import clopper_pearson
    >>> cells, nothing = np.array([[180.0, 12], [0, 8]]), np.empty((0, 2, 2))
    >>> costs = np.array([[0.0, 20], [500, 0]])
    >>> low, high = mean_cost(Table(cells, cells, nothing, nothing), costs, lambda a, b: clopper_pearson(a, b, 0.95))
    >>> round(low, 2), round(high, 2)
    (0.63, 10.36)
    """
    every, place = np.unique(costs, return_inverse=True)
    place = place.reshape(costs.shape)
    ratios = [table.ratio(own, 1 - own) for own in ((place == at).astype(np.float64) for at in range(len(every)))]
    limits = [exact(one.hits, one.misses) for one in ratios]
    share = np.array([one.value or 0.0 for one in ratios])
    apart = every - share @ every
    below = np.array([at - (one.low or 0.0) for at, one in zip(share, limits, strict=True)])
    above = np.array([(1.0 if one.high is None else one.high) - at for at, one in zip(share, limits, strict=True)])
    alike = _correlation(
        share, np.bincount(place.ravel(), table.squares.ravel(), minlength=len(every)).astype(np.float64)
    )
    lower = _reach(apart * np.where(apart > 0, below, above), share, alike, -1)
    upper = _reach(apart * np.where(apart > 0, above, below), share, alike, 1)
    mean = float(share @ every)
    return mean - lower, mean + upper


def _reach(moved: F64, share: F64, alike: F64, side: int) -> float:
    """How far all move the mean, and the one that moves it most to this side of those that were never seen."""
    unseen = max(0.0, float((side * moved[share == 0]).max(initial=0.0)))
    told = np.where(share > 0, moved, 0.0)
    return sqrt(max(0.0, float(told @ alike @ told)) + unseen**2)


def _correlation(share: F64, squares: F64) -> F64:
    """How shares of the same rows go together; ``squares``: float64 (g,), Σw² of each. 0 of those never seen."""
    covariance = np.diag(squares) - np.outer(share, squares) - np.outer(squares, share)
    covariance += np.outer(share, share) * squares.sum()
    deviation = np.sqrt(np.maximum(covariance.diagonal(), 0.0))
    scale = np.outer(deviation, deviation)
    found: F64 = np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 0)
    return found
