"""The two-sample Anderson-Darling test, on the baseline's fine bins."""

from __future__ import annotations

import math

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.drift.p_values import anderson_darling_tail
from driftline_processor.core.special_functions import digamma

from .brownian_bridge import bridge_p_values
from .method import Counts, Measured, Method


def anderson_darling(reference: F64, current: F64) -> F64:
    """Return A² = nm / N² Σ (F - G)² / (H (1 - H)), over N = n + m rows, H of both samples together: float64 (...).

    The form for ties (A²akN, mid-ranks), where rows of a bin are tied: ``scipy.stats.anderson_ksamp`` of the bins,
    before it subtracts 1 and divides by the standard deviation.

    The ends of the range have the same weight as its middle, so it detects drift of the tails that Kolmogorov-Smirnov
    does not. Evidently has scipy's, whose p-values end at 0.001 and at 0.25. NannyML has none.

    Args:
        reference: Counts over the same ordered bins, float64 (..., bins), without missing and invalid.
        current: Counts of the window, in the same form.

    Source: Scholz and Stephens, "K-sample Anderson-Darling tests" (1987), equation 7.

    >>> float(anderson_darling(np.array([8.0, 1.0, 1.0]), np.array([5.0, 1.0, 4.0])).round(4))
    2.0225
    """
    n, m = reference.sum(axis=-1, keepdims=True), current.sum(axis=-1, keepdims=True)
    rows, total = reference + current, n + m
    below, inside = _inside(rows, total)
    statistic = np.zeros(rows.shape[:-1])
    for sample, size in ((reference, n), (current, m)):
        middle = np.cumsum(sample, axis=-1) - sample / 2
        squared = rows / total * (total * middle - below * size) ** 2
        part = np.divide(squared, inside, out=np.zeros_like(rows), where=(rows > 0) & (inside > 1e-12 * total**2))
        statistic = statistic + part.sum(axis=-1) / size[..., 0]
    whole: F64 = statistic * (total[..., 0] - 1) / total[..., 0]
    return whole


def anderson_darling_p_value(statistic: F64, n: F64, m: F64) -> F64:
    """Return the asymptotic probability of a statistic this large without drift, matched to its variance at n, m.

    ``anderson_ksamp`` interpolates between seven critical values of the same law.

    Args:
        statistic: float64 (k,), A² of :func:`anderson_darling`.
        n: float64 (k,), effective rows of the reference.
        m: float64 (k,), effective rows of the window.

    >>> anderson_darling_p_value(np.array([3.857]), np.array([1e9]), np.array([1e9])).round(4).tolist()
    [0.0102]
    """
    return anderson_darling_tail(1 + (statistic - 1) * np.sqrt(_LIMIT / np.maximum(_variance(n, m), 1e-9)))


_LIMIT = 2 * (math.pi**2 - 9) / 3
"""Variance of the limit law."""


def _variance(n: F64, m: F64) -> F64:
    """Return the variance of A² without drift, by Scholz and Stephens' equation 4, for two samples."""
    total = np.maximum(n + m, 4.0)
    harmonic = digamma(total) + np.euler_gamma  # 1 + 1/2 + ... + 1 / (N - 1)
    # Σ 1 / ((N - i) j) over 0 < i < j < N, within 0.5 % from 10 rows on
    g = math.pi**2 / 6 - (2 * np.log(total) + 2 * np.euler_gamma + 1) / total
    h = 1 / n + 1 / m
    a = (4 * g - 6) + (10 - 6 * g) * h
    b = (2 * g - 4) * 4 + 8 * harmonic * 2 + (2 * g - 14 * harmonic - 4) * h - 8 * harmonic + 4 * g - 6
    c = (6 * harmonic + 2 * g - 2) * 4 + (4 * harmonic - 4 * g + 6) * 2 + (2 * harmonic - 6) * h + 4 * harmonic
    d = (2 * harmonic + 6) * 4 - 4 * harmonic * 2
    variance: F64 = (a * total**3 + b * total**2 + c * total + d) / ((total - 1) * (total - 2) * (total - 3))
    return variance


def _inside(rows: F64, total: F64) -> tuple[F64, F64]:
    """Return the rows below the middle of each bin, and the divisor of the squared difference there."""
    below: F64 = np.cumsum(rows, axis=-1) - rows / 2
    return below, below * (total - below) - total * rows / 4


def p_value(counts: Counts) -> F64:
    """Return the p-values of the limit law, or those given the ties if these are frequent."""
    statistic = anderson_darling(counts.reference, counts.current)
    given = bridge_p_values(statistic, np.ones_like(statistic), counts, _form)
    return anderson_darling_p_value(statistic, counts.n, counts.m) if given is None else given


def _form(both: F64, n: float, m: float) -> F64:
    """Return the statistic as a quadratic form of the window's rows, float64 (bins, bins)."""
    total = n + m
    _, inside = _inside(both, np.asarray(total))
    counted = (both > 0) & (inside > 1e-12 * total**2)
    weight = np.divide(both * total, inside, out=np.zeros_like(both), where=counted) * (1 / n + 1 / m)
    below = np.tril(np.ones((len(both), len(both))), -1) + np.eye(len(both)) / 2
    form: F64 = below.T @ (weight[:, np.newaxis] * below) * ((total - 1) / total)
    return form


def from_counts(counts: Counts) -> Measured:
    """Measure k numbers over their fine bins.

    The effect is the root of the mean of (F - G)² / (H (1 - H)), less its expectation without drift.
    """
    n, m = counts.n, counts.m
    statistic = anderson_darling(counts.reference, counts.current)
    effect = np.sqrt(np.maximum(0.0, (statistic - 1) * (1 / n + 1 / m)))
    return Measured(statistic, effect=effect)


METHODS = (
    Method(
        name="anderson_darling",
        title="Anderson-Darling",
        symbol="AD",
        kinds=frozenset({"number"}),
        minimum=0.0,
        maximum=math.inf,
        unit="A²",
        source="Scholz and Stephens (1987)",
        counts=from_counts,
        p_value=p_value,
        min_effect=0.07,
        scaling="grows",
        rows=True,
    ),
)
