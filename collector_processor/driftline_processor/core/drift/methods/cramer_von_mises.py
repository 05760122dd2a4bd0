"""The two-sample Cramér-von Mises test, on the baseline's fine bins."""

from __future__ import annotations

import math

import numpy as np
from driftline.tables import F64

from .limits import cramer_von_mises_tail
from .method import Counts, Measured, Method


def cramer_von_mises(reference: F64, current: F64) -> F64:
    """Return T = nm / N² Σ (F - G)², over all N = n + m rows of both samples: float64 (...).

    ``reference``, ``current``: counts over the same ordered bins, float64 (..., bins), missing and invalid left out.
    The rows of a bin are taken to come evenly mixed. With a bin per distinct value, where none occurs twice, it is
    the statistic of ``scipy.stats.cramervonmises_2samp``; scipy gives tied rows their mean rank instead.

    It sees what Kolmogorov-Smirnov does, and drift that is spread over the whole range a little better, since it adds
    up what the other looks for once. Evidently has a copy of scipy's. NannyML has none.

    Source: Anderson, "On the distribution of the two-sample Cramér-von Mises criterion" (1962).

    >>> float(cramer_von_mises(np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.0, 1.0, 0.0, 1.0])))
    0.125
    """
    n, m = reference.sum(axis=-1), current.sum(axis=-1)
    step = reference / n[..., np.newaxis] - current / m[..., np.newaxis]
    right = np.cumsum(step, axis=-1)
    left = right - step
    rows = reference + current
    # the mean of (left + step i / rows)² over i = 1 .. rows, times rows
    squares = rows * left**2 + left * step * (rows + 1)
    squares += np.divide(step**2 * (rows + 1) * (2 * rows + 1), 6 * rows, out=np.zeros_like(rows), where=rows > 0)
    statistic: F64 = np.maximum(0.0, n * m / (n + m) ** 2 * squares.sum(axis=-1))
    return statistic


def cramer_von_mises_p_value(statistic: F64, n: F64, m: F64) -> F64:
    """Return the asymptotic probability of a statistic this large without drift, matched to mean and variance at n, m.

    The same as ``scipy.stats.cramervonmises_2samp(method="asymptotic")``, and right in the tail beyond 1e-8.

    >>> cramer_von_mises_p_value(np.array([0.8]), np.array([100_000.0]), np.array([1_000.0])).round(5).tolist()
    [0.00731]
    """
    total = n + m
    mean = (1 + 1 / total) / 6
    variance = (total + 1) * (4 * m * n * total - 3 * (m**2 + n**2) - 2 * m * n) / (45 * total**2 * 4 * m * n)
    scaled = np.divide(
        statistic - mean, np.sqrt(np.maximum(45 * variance, 0.0)), out=np.zeros_like(mean), where=variance > 0
    )
    return np.where(variance > 0, cramer_von_mises_tail(1 / 6 + scaled), 1.0)


def from_counts(counts: Counts) -> Measured:
    """Measure k numbers over their fine bins.

    The effect is the root of the mean of (F - G)², less its expectation without drift.
    """
    n, m = counts.n, counts.m
    statistic = cramer_von_mises(counts.reference, counts.current)
    effect = np.sqrt(np.maximum(0.0, (statistic - (1 + 1 / (n + m)) / 6) * (1 / n + 1 / m)))
    return Measured(statistic, cramer_von_mises_p_value(statistic, n, m), effect)


def bound(counts: Counts) -> F64:
    """Return how far the statistic of the rows can be: within a bin either sample may rise before the other."""
    p, q = counts.reference / counts.n[:, np.newaxis], counts.current / counts.m[:, np.newaxis]
    left = np.cumsum(p - q, axis=-1) - (p - q)
    most = np.maximum(np.abs(left + p), np.abs(left - q)) ** 2
    rows = counts.reference + counts.current
    scale = counts.n * counts.m / (counts.n + counts.m) ** 2
    greatest: F64 = scale * (rows * most).sum(axis=-1)
    fewest = np.where((left + p >= 0) & (left - q <= 0), 0.0, np.minimum(np.abs(left + p), np.abs(left - q))) ** 2
    least = scale * (rows * fewest).sum(axis=-1)
    statistic = cramer_von_mises(counts.reference, counts.current)
    bound: F64 = np.maximum(greatest - statistic, statistic - least)
    return bound


METHOD = Method(
    name="cramer_von_mises",
    title="Cramér-von Mises",
    symbol="CvM",
    kinds=frozenset({"number"}),
    least=0.0,
    greatest=math.inf,
    unit="T",
    source="Anderson (1962)",
    counts=from_counts,
    min_effect=0.03,
    scaling="grows",
    rows=True,
    bound=bound,
)
