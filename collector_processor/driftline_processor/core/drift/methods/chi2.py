"""The chi-square test of two samples of categories, on pooled counts."""

from __future__ import annotations

import math

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.drift.p_values import Samples, sum_p_values
from driftline_processor.core.special_functions import chdtrc

from .method import Counts, Measured, Method
from .psi import psi_excess


def chi2(reference: F64, current: F64) -> tuple[F64, F64]:
    """Return the statistic and its p-value, on counts over the same bins: float64 (...) each.

    Bins that are empty in both samples are ignored; with fewer than two others the result is (0, 1). Equal to
    ``scipy.stats.chi2_contingency(correction=False)``. Evidently tests the window against the reference's fractions as
    if they were known exactly (``scipy.stats.chisquare``), which is too liberal unless the reference is much larger
    than the window; NannyML uses the contingency test, with Yates' correction for two categories. Neither pools.

    Args:
        reference: Counts, float64 (..., bins), without missing and invalid; pool them first
            (:mod:`~driftline_processor.core.drift.coarse_bins`).
        current: Counts of the window, in the same form.

    Source: Pearson (1900); Cochran, "Some methods for strengthening the common χ² tests" (1954) for the rule of 5.

    >>> statistic, p = chi2(np.array([10.0, 20.0]), np.array([20.0, 10.0]))
    >>> float(statistic.round(4)), float(p.round(4))
    (6.6667, 0.0098)
    """
    both = reference + current
    n, m = reference.sum(axis=-1, keepdims=True), current.sum(axis=-1, keepdims=True)
    statistic = np.zeros(both.shape[:-1])
    for observed, size in ((reference, n), (current, m)):
        expected = both * (size / (n + m))
        squared = (observed - expected) ** 2
        statistic = statistic + np.divide(squared, expected, out=np.zeros_like(both), where=expected > 0).sum(axis=-1)
    freedom = np.count_nonzero(both > 0, axis=-1) - 1
    there = (freedom > 0) & (n[..., 0] > 0) & (m[..., 0] > 0)
    p = chdtrc(np.maximum(freedom, 1), statistic)
    return np.where(there, statistic, 0.0), np.where(there, p, 1.0)


def chi2_terms(reference: F64, current: F64, samples: Samples) -> F64:
    """Return the term of each cell in the statistic: float64 (k,)."""
    expected = (reference + current) * (samples.m / (samples.n + samples.m))
    return (current - expected) ** 2 / expected * ((samples.n + samples.m) / samples.n)


def from_counts(counts: Counts) -> Measured:
    """Measure k categories, with rare categories pooled unless they have more rows than chance explains.

    The p-value is exact (:func:`~driftline_processor.core.drift.p_values.sum_p_values`): if cells expect 5 rows, the
    chi-square limit is too small by up to 3 times at 0.001, and by up to 7 times at 5e-5. The effect is that of PSI,
    since the statistic grows with the rows.
    """
    cells = counts.coarse
    value, _ = chi2(cells.reference, cells.current)
    was, now = cells.pooled_reference, cells.pooled_current
    p = sum_p_values(chi2(was, now)[0], chi2_terms, was, now, np.ones(len(was)), counts.certain)
    return Measured(value, np.minimum(p, cells.p_rare), psi_excess(counts))


METHODS = (
    Method(
        name="chi2",
        title="chi-square",
        symbol="χ²",
        kinds=frozenset({"category", "boolean"}),
        minimum=0.0,
        maximum=math.inf,
        unit="χ²",
        source="Pearson (1900); Cochran (1954)",
        counts=from_counts,
        min_effect=0.02,
        scaling="grows",
    ),
)
