"""The two-sample Cramér-von Mises test, on the baseline's fine bins."""

from __future__ import annotations

import math

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.drift.p_values import cramer_von_mises_tail

from .brownian_bridge import bridge_p_values
from .method import Counts, Measured, Method


def cramer_von_mises(reference: F64, current: F64) -> F64:
    """Return T = nm / N² Σ (F - G)², over all N = n + m rows of both samples: float64 (...).

    The rows of a bin are assumed to be evenly mixed. With a bin per distinct value and no ties it is the statistic of
    ``scipy.stats.cramervonmises_2samp``; with ties, scipy uses mean ranks instead.

    It detects the same drift as Kolmogorov-Smirnov, and drift spread over the whole range slightly better, since it
    adds up all distances. Evidently has a copy of scipy's. NannyML has none.

    Args:
        reference: Counts over the same ordered bins, float64 (..., bins), without missing and invalid.
        current: Counts of the window, in the same form.

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
    squares = rows * left**2 + left * step * (rows + 1) + step**2 * _mixed(rows)
    statistic: F64 = np.maximum(0.0, n * m / (n + m) ** 2 * squares.sum(axis=-1))
    return statistic


def cramer_von_mises_p_value(statistic: F64, n: F64, m: F64) -> F64:
    """Return the asymptotic probability of a statistic this large without drift, matched to mean and variance at n, m.

    The same as ``scipy.stats.cramervonmises_2samp(method="asymptotic")``, and accurate in the tail beyond 1e-8.

    Args:
        statistic: float64 (k,), T of :func:`cramer_von_mises`.
        n: float64 (k,), effective rows of the reference.
        m: float64 (k,), effective rows of the window.

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


def _mixed(rows: F64) -> F64:
    """Return the squared difference within a bin of evenly mixed rows: the mean of (i / rows)² over i = 1 .. rows."""
    return np.divide((rows + 1) * (2 * rows + 1), 6 * rows, out=np.zeros_like(rows), where=rows > 0)


def p_value(counts: Counts) -> F64:
    """Return the p-values of the limit law, or those given the ties if these are frequent."""
    statistic = cramer_von_mises(counts.reference, counts.current)
    given = bridge_p_values(statistic, _expected(counts), counts, _form)
    return cramer_von_mises_p_value(statistic, counts.n, counts.m) if given is None else given


def _form(both: F64, n: float, m: float) -> F64:
    """Return the statistic as a quadratic form of the window's rows, float64 (bins, bins)."""
    left = np.tril(np.ones((len(both), len(both))), -1)
    across = left * ((both + 1) / 2)[:, np.newaxis]
    form: F64 = left.T @ (both[:, np.newaxis] * left) + across + across.T + np.diag(_mixed(both))
    return form / (n * m)


def _expected(counts: Counts) -> F64:
    """Return the mean of the statistic without drift, float64 (k,), given the rows of both samples in each bin.

    Without ties it is (1 + 1 / N) / 6.
    """
    rows, total = counts.reference + counts.current, (counts.n + counts.m)[:, np.newaxis]
    left = np.cumsum(rows, axis=-1) - rows
    squares = rows * left * (total - left) - (rows + 1) * left * rows + _mixed(rows) * rows * (total - rows)
    mean: F64 = (squares / (total**2 * np.maximum(total - 1, 1.0))).sum(axis=-1)
    return mean


def from_counts(counts: Counts) -> Measured:
    """Measure k numbers over their fine bins.

    The effect is the root of the mean of (F - G)², less its expectation without drift.
    """
    n, m = counts.n, counts.m
    statistic = cramer_von_mises(counts.reference, counts.current)
    return Measured(statistic, effect=np.sqrt(np.maximum(0.0, (statistic - _expected(counts)) * (1 / n + 1 / m))))


def bound(counts: Counts) -> F64:
    """Return the greatest difference from the statistic of rows: within a bin, either sample may rise first."""
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


METHODS = (
    Method(
        name="cramer_von_mises",
        title="Cramér-von Mises",
        symbol="CvM",
        kinds=frozenset({"number"}),
        minimum=0.0,
        maximum=math.inf,
        unit="T",
        source="Anderson (1962)",
        counts=from_counts,
        p_value=p_value,
        min_effect=0.03,
        scaling="grows",
        rows=True,
        bound=bound,
    ),
)
