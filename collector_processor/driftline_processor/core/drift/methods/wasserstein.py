"""The Wasserstein distance, in the feature's own unit."""

from __future__ import annotations

import math

import numpy as np
from driftline.tables.table import F64

from .method import Counts, Measured, Method, moments


def wasserstein(distances: F64, edges: F64) -> F64:
    """Return ∫ |F - G| dx, the mean distance that rows would have to move, in the feature's unit: float64 (...).

    Rows are spread evenly between two edges, so F - G is linear there. Values beyond the fences
    (:func:`.method.fences`) count as lying on them, so that one outlier of 1e9 changes nothing.

    With a bin around each distinct value it is ``scipy.stats.wasserstein_distance`` of the rows, clipped to the fences.
    With 10,000 rows or more, NannyML uses 10,000 equal widths between the reference's extremes, and unclipped values
    beyond: one 1e9 among 50,000 rows adds 20,000 to it. There is no p-value. A few rows that are far away have the same
    weight as many that are near.

    Args:
        distances: F - G at the edges, float64 (..., edges).
        edges: float64 (..., edges), ascending.

    Source: Vallender, "Calculation of the Wasserstein distance between probability distributions on the line" (1974).

    >>> float(wasserstein(np.array([0.0, 0.5, 0.0]), np.array([0.0, 1.0, 2.0])))
    0.5
    """
    left, right, width = distances[..., :-1], distances[..., 1:], np.diff(edges, axis=-1)
    crosses = left * right < 0
    height = np.abs(left) + np.abs(right)
    # two triangles if the line crosses zero, else a trapezium
    triangles = np.divide(left**2 + right**2, height, out=np.zeros_like(height), where=height > 0)
    distance: F64 = (np.where(crosses, triangles, height) / 2 * width).sum(axis=-1)
    return distance


def wasserstein_bound(counts: Counts) -> F64:
    """Return the greatest difference between the distance of clipped rows and that of counts: float64 (k,).

    Within a bin F and G may rise anywhere. So F - G is at least its value on the left less the bin's fraction of one
    sample, and at most that value plus the fraction of the other.

    Args:
        counts: Counts of k columns.
    """
    edges, distances = counts.places, counts.distances
    left, right = distances[..., :-1], distances[..., 1:]
    low = left - counts.current[:, 1:-1] / counts.m[:, np.newaxis]
    high = left + counts.reference[:, 1:-1] / counts.n[:, np.newaxis]
    most = np.maximum(np.abs(low), np.abs(high))
    fewest = np.where((low <= 0) & (high >= 0), 0.0, np.minimum(np.abs(low), np.abs(high)))
    height = np.abs(left) + np.abs(right)
    line = np.where(
        left * right < 0, np.divide(left**2 + right**2, height, out=np.zeros_like(height), where=height > 0), height
    )
    bound: F64 = (np.maximum(most - line / 2, line / 2 - fewest) * np.diff(edges, axis=-1)).sum(axis=-1)
    return bound


def from_counts(counts: Counts) -> Measured:
    """Measure k numbers over their fine bins."""
    return Measured(wasserstein(counts.distances, counts.places))


def wasserstein_scaled(distance: F64, deviation: F64) -> F64:
    """Return the distance divided by the reference's standard deviation, 0 if both are 0: float64 (...).

    The standard deviation is that of the values clipped to the fences, so that an outlier does not hide drift. For a
    constant it is 0, and the result is the distance itself.

    Evidently's default for numbers with more than 1,000 reference rows ("Wasserstein distance (normed)", drift from 0.1
    on) does not clip, so that one 1e9 among 50,000 rows lowers it from 1.0 to 0.005. It divides by at least 0.001, so
    that a feature with values of thousandths never drifts.

    Args:
        distance: float64 (...), distance of :func:`wasserstein`.
        deviation: float64 (...), standard deviation of the reference.

    Source: Vallender (1974), as :func:`wasserstein`.

    >>> wasserstein_scaled(np.array([0.5, 0.0]), np.array([2.0, 0.0])).tolist()
    [0.25, 0.0]
    """
    scaled: F64 = np.divide(distance, deviation, out=np.array(distance, dtype=np.float64), where=deviation > 0)
    return scaled


def scaled_from_counts(counts: Counts) -> Measured:
    """Measure k numbers over their fine bins."""
    distance = wasserstein(counts.distances, counts.places)
    return Measured(wasserstein_scaled(distance, np.sqrt(moments(counts.reference, counts.places).variance)))


def scaled_bound(counts: Counts) -> F64:
    """Return the greatest difference from the value of clipped rows, by the bounds of distance and deviation."""
    reference_moments = moments(counts.reference, counts.places)
    deviation = np.sqrt(reference_moments.variance)
    distance, slack = wasserstein(counts.distances, counts.places), wasserstein_bound(counts)
    least = np.maximum(deviation - reference_moments.deviation_bound, 0.0)
    most = np.divide(distance + slack, least, out=np.full_like(distance, np.inf), where=least > 0)
    return most - wasserstein_scaled(distance, deviation)


METHODS = (
    Method(
        name="wasserstein",
        title="Wasserstein",
        symbol="W",
        kinds=frozenset({"number"}),
        minimum=0.0,
        maximum=math.inf,
        unit="of the feature",
        source="Vallender (1974)",
        counts=from_counts,
        rows=True,
        bound=wasserstein_bound,
        symmetric=False,  # the fences are the reference's
    ),
    Method(
        name="wasserstein_scaled",
        title="Wasserstein, scaled",
        symbol="W/sd",
        kinds=frozenset({"number"}),
        minimum=0.0,
        maximum=math.inf,
        unit="standard deviations",
        source="Vallender (1974)",
        counts=scaled_from_counts,
        symmetric=False,
        rows=True,
        bound=scaled_bound,
    ),
)
