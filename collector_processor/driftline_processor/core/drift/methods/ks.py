"""The two-sample Kolmogorov-Smirnov test, on the baseline's fine bins."""

from __future__ import annotations

import math

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.drift.p_values import ks_p_values

from .method import Counts, Measured, Method


def ks(reference: F64, current: F64) -> F64:
    """Return the greatest distance between the two distribution functions at the bin edges: float64 (...).

    With a bin per distinct value this is the two-sample statistic of ``scipy.stats.ks_2samp``. Over quantile bins it is
    smaller by at most the greater fraction, of either sample, in one bin. Evidently uses raw rows. With 10,000
    reference rows or more, NannyML uses 10,000 equal widths between their extremes, so that one outlier of 1e9 puts all
    other values into one bin.

    Args:
        reference: Counts over the same ordered bins, float64 (..., bins), without missing and invalid; not empty.
        current: Counts of the window, in the same form.

    Source: Smirnov (1939); Hodges, "The significance probability of the Smirnov two-sample test" (1958).

    >>> float(ks(np.array([5.0, 5.0]), np.array([2.0, 8.0])))
    0.3
    """
    was = np.cumsum(reference, axis=-1) / reference.sum(axis=-1, keepdims=True)
    now = np.cumsum(current, axis=-1) / current.sum(axis=-1, keepdims=True)
    distance: F64 = np.abs(was - now).max(axis=-1)
    return distance


def ks_effect(distance: F64 | float, n: F64 | float, m: F64 | float) -> F64:
    """Return the distance less its sampling error: sqrt(max(0, D² - (π² / 12)(1/n + 1/m))).

    π² / 12 is the mean of the squared Kolmogorov distribution, so without drift the expression under the root is 0 on
    average, for any sample size.

    Args:
        distance: float64 (...), distance of :func:`ks`.
        n: float64 (...), effective rows of the reference.
        m: float64 (...), effective rows of the window.

    >>> float(ks_effect(0.05, 100_000, 1_000).round(4))
    0.0409
    """
    effect: F64 = np.sqrt(np.maximum(0.0, distance**2 - math.pi**2 / 12 * (1 / n + 1 / m)))
    return effect


def from_counts(counts: Counts) -> Measured:
    """Measure k numbers over their fine bins, with exact p-values.

    See :func:`~driftline_processor.core.drift.p_values.ks_p_values`.
    """
    distance = ks(counts.reference, counts.current)
    p = ks_p_values(distance, counts.reference, counts.current, counts.certain)
    return Measured(distance, p, ks_effect(distance, counts.n, counts.m))


def bound(counts: Counts) -> F64:
    """Return the greatest excess of the distance of rows: within a bin, one sample may rise before the other."""
    p, q = counts.reference / counts.n[:, np.newaxis], counts.current / counts.m[:, np.newaxis]
    left = np.cumsum(p - q, axis=-1) - (p - q)
    greatest: F64 = np.maximum(np.abs(left + p), np.abs(left - q)).max(axis=-1)
    return greatest - ks(counts.reference, counts.current)


METHODS = (
    Method(
        name="ks",
        title="Kolmogorov-Smirnov",
        symbol="KS",
        kinds=frozenset({"number"}),
        minimum=0.0,
        maximum=1.0,
        unit="fraction of rows",
        source="Smirnov (1939); Hodges (1958)",
        counts=from_counts,
        min_effect=0.04,
        rows=True,
        bound=bound,
    ),
)
