"""The L-infinity distance: the share that changed most."""

from __future__ import annotations

import numpy as np
from driftline.tables.table import F64

from .method import Counts, Measured, Method


def l_infinity(reference: F64, current: F64) -> F64:
    """Return max |p - q|, how much the share that changed most changed: between 0 and 1, float64 (...).

    A drift that is spread over many categories hardly shows in it: total variation says more then.

    The same in NannyML (``l_infinity``), categories as they are; the two agree unless what changed most is a rare
    category.

    Args:
        reference: Counts over the same bins, float64 (..., bins), missing and invalid left out; rare categories pooled
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
