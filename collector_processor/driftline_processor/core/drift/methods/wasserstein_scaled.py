"""The Wasserstein distance in standard deviations of the reference, comparable between features."""

from __future__ import annotations

import math

import numpy as np
from driftline.tables.table import F64

from .method import Counts, Measured, Method, moments
from .wasserstein import wasserstein, wasserstein_bound


def wasserstein_scaled(distance: F64, deviation: F64) -> F64:
    """Return the distance divided by the reference's standard deviation, 0 if both are 0: float64 (...).

    The standard deviation is that of the values clipped to the fences, so that an outlier does not hide drift. For a
    constant it is 0, and the result is the distance itself.

    Evidently's default for numbers with more than 1,000 reference rows ("Wasserstein distance (normed)", drift from 0.1
    on) does not clip, so that one 1e9 among 50,000 rows lowers it from 1.0 to 0.005. It divides by at least 0.001, so
    that a feature with values of thousandths never drifts.

    Args:
        distance: float64 (...), distance of :func:`.wasserstein.wasserstein`.
        deviation: float64 (...), standard deviation of the reference.

    Source: Vallender (1974), as :func:`.wasserstein.wasserstein`.

    >>> wasserstein_scaled(np.array([0.5, 0.0]), np.array([2.0, 0.0])).tolist()
    [0.25, 0.0]
    """
    scaled: F64 = np.divide(distance, deviation, out=np.array(distance, dtype=np.float64), where=deviation > 0)
    return scaled


def from_counts(counts: Counts) -> Measured:
    """Measure k numbers over their fine bins."""
    distance = wasserstein(counts.distances, counts.places)
    return Measured(wasserstein_scaled(distance, np.sqrt(moments(counts.reference, counts.places).variance)))


def bound(counts: Counts) -> F64:
    """Return the greatest difference from the value of clipped rows, by the bounds of distance and deviation."""
    reference_moments = moments(counts.reference, counts.places)
    deviation = np.sqrt(reference_moments.variance)
    distance, slack = wasserstein(counts.distances, counts.places), wasserstein_bound(counts)
    least = np.maximum(deviation - reference_moments.deviation_bound, 0.0)
    most = np.divide(distance + slack, least, out=np.full_like(distance, np.inf), where=least > 0)
    return most - wasserstein_scaled(distance, deviation)


METHOD = Method(
    name="wasserstein_scaled",
    title="Wasserstein, scaled",
    symbol="W/sd",
    kinds=frozenset({"number"}),
    least=0.0,
    greatest=math.inf,
    unit="standard deviations",
    source="Vallender (1974)",
    counts=from_counts,
    symmetric=False,
    rows=True,
    bound=bound,
)
