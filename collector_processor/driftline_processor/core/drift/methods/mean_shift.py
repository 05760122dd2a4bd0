"""The shift of the mean, and Welch's t-test of it."""

from __future__ import annotations

import math

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.drift.p_values import drawn_sum_p_value
from driftline_processor.core.special_functions import stdtr

from .method import Counts, Measured, Method, Moments, middles, moments


def mean_shift(reference: Moments, current: Moments, n: F64, m: F64) -> tuple[F64, F64]:
    """Return the mean of the window less that of the reference, and Welch's p-value: float64 (...) each.

    Values beyond the fences (:func:`.method.fences`) are Winsorised, so that one outlier neither causes nor hides a
    shift. With a bin around each distinct value this is ``scipy.stats.ttest_ind(current, reference, equal_var=False)``
    of the clipped rows. The p-value of two equal constants is 1, that of different ones 0.

    Only means are compared: a distribution that only widens, or splits in two, has no shift. Evidently's ``t_test`` is
    Student's with equal variances, which is wrong if the smaller sample has the greater variance. NannyML has none.

    Args:
        reference: Moments of the reference, in the feature's unit.
        current: Moments of the window.
        n: float64 (...), effective rows of the reference.
        m: float64 (...), effective rows of the window.

    Source: Welch, "The generalization of Student's problem" (1947); Dixon and Tukey (1968) for Winsorising.

    >>> edges = np.array([[0.0, 1.0, 2.0]])
    >>> was, now = (moments(np.array([[0.0, *counts, 0.0]]), edges) for counts in ((9, 1), (5, 5)))
    >>> shift, p = mean_shift(was, now, np.array([10.0]), np.array([10.0]))
    >>> shift.round(3).tolist(), p.round(4).tolist()
    ([0.4], [0.0577])
    """
    shift = current.mean - reference.mean
    was, now = (
        np.divide(moments_of_side.variance, rows - 1, out=np.zeros_like(shift), where=rows > 1)
        for moments_of_side, rows in ((reference, n), (current, m))
    )
    squared = was + now
    # the rounded variance of a constant is at most 1e-34, and must not be a divisor
    spread = squared > 1e-30 * (reference.mean**2 + current.mean**2)
    parts = np.where(n > 1, was**2 / np.maximum(n - 1, 1e-9), 0.0) + np.where(
        m > 1, now**2 / np.maximum(m - 1, 1e-9), 0.0
    )
    freedom = np.divide(squared**2, parts, out=np.ones_like(shift), where=spread & (parts > 0))
    t = np.divide(shift, np.sqrt(squared), out=np.zeros_like(shift), where=spread)
    constant = np.where(np.isclose(shift, 0.0, atol=1e-300), 1.0, np.where((n > 1) & (m > 1), 0.0, 1.0))
    return shift, np.where(spread, np.minimum(1.0, 2 * stdtr(freedom, -np.abs(t))), constant)


def from_counts(counts: Counts) -> Measured:
    """Measure k numbers over their fine bins.

    The effect is the shift in pooled standard deviations, less its sampling error.
    """
    n, m = counts.n, counts.m
    reference, current = moments(counts.reference, counts.places), moments(counts.current, counts.places)
    shift, p = mean_shift(reference, current, n, m)
    variance = (n * reference.variance + m * current.variance) / (n + m)
    # two constants have no unit: any shift exceeds every minimum effect
    squared = np.divide(shift**2, variance, out=np.where(shift == 0, 0.0, 1e6), where=variance > 0)
    return Measured(shift, p, np.sqrt(np.maximum(0.0, np.minimum(squared, 1e6) - (1 / n + 1 / m))))


def p_value(counts: Counts) -> F64:
    """Return the greater p-value of Welch's test and of the permutation test.

    Both agree with equal spreads. The permutation test is valid for few rows of a skewed number, whose mean is not
    normal; Welch's test is valid if only the spread changes.
    """
    welch = from_counts(counts).p_value
    assert welch is not None
    both, few = (
        counts.reference + counts.current,
        np.where((counts.m < counts.n)[:, np.newaxis], counts.current, counts.reference),
    )
    drawn = [
        drawn_sum_p_value(*sample)
        for sample in zip(
            middles(counts.places),
            both,
            few.sum(axis=1).tolist(),
            (few * middles(counts.places)).sum(axis=1).tolist(),
            strict=True,
        )
    ]
    return np.maximum(welch, drawn)


def bound(counts: Counts) -> F64:
    """Return the greatest difference from the shift of clipped rows: half the widths of their bins, in both samples."""
    return moments(counts.reference, counts.places).mean_bound + moments(counts.current, counts.places).mean_bound


METHODS = (
    Method(
        name="mean_shift",
        title="mean shift",
        symbol="mean",
        kinds=frozenset({"number"}),
        minimum=-math.inf,
        maximum=math.inf,
        unit="of the feature",
        source="Welch (1947); Dixon and Tukey (1968)",
        counts=from_counts,
        p_value=p_value,
        min_effect=0.1,
        symmetric=False,
        rows=True,
        bound=bound,
    ),
)
