"""The L-infinity distance: the greatest change of a category's fraction."""

from __future__ import annotations

import numpy as np
from driftline.tables.table import F64

from .method import Counts, Measured, Method


def l_infinity(reference: F64, current: F64) -> F64:
    """Return max |p - q|, the greatest change of any category's fraction: between 0 and 1, float64 (...).

    A drift spread over many categories hardly affects it; total variation is more sensitive then. NannyML has the same
    (``l_infinity``), with categories as they are; both agree unless a rare category changed most.

    Args:
        reference: Counts over the same bins, float64 (..., bins), without missing and invalid; rare categories pooled
            as for the chi-square test.
        current: Counts of the window, in the same form.

    Source: Deza and Deza, "Encyclopedia of Distances" (2009), the Chebyshev distance of two distributions.

    >>> float(l_infinity(np.array([50.0, 30.0, 20.0]), np.array([20.0, 30.0, 50.0])).round(4))
    0.3
    """
    p = reference / reference.sum(axis=-1, keepdims=True)
    q = current / current.sum(axis=-1, keepdims=True)
    distance: F64 = np.abs(p - q).max(axis=-1)
    return distance


def from_counts(counts: Counts) -> Measured:
    """Measure k categories, rare categories pooled."""
    return Measured(l_infinity(counts.coarse.reference, counts.coarse.current))


METHOD = Method(
    name="l_infinity",
    title="L-infinity",
    symbol="Linf",
    kinds=frozenset({"category", "boolean"}),
    least=0.0,
    greatest=1.0,
    unit="share of rows",
    source="Deza and Deza (2009)",
    counts=from_counts,
)
