"""The total variation distance, on coarse bins."""

from __future__ import annotations

import numpy as np
from driftline.tables.table import F64

from .method import Counts, Measured, Method


def total_variation(reference: F64, current: F64) -> F64:
    """Return ½ Σ |p - q|, the fraction of rows that would have to change their bin: between 0 and 1, float64 (...).

    Its mean without drift is about Σ sqrt(p (1 - p) (1/n + 1/m) / 2π): 0.12 for 100 rows over ten bins. Evidently has
    it for categories (``TVD``), unpooled, and shows a p-value of 1,000 permutations, so at least 0.001, instead of the
    distance.

    Args:
        reference: Counts over the same bins, float64 (..., bins), without missing and invalid; the same coarse bins as
            PSI.
        current: Counts of the window, in the same form.

    Source: Levin and Peres, "Markov Chains and Mixing Times" (2017), section 4.1.

    >>> float(total_variation(np.array([50.0, 30.0, 20.0]), np.array([20.0, 30.0, 50.0])))
    0.3
    """
    p = reference / reference.sum(axis=-1, keepdims=True)
    q = current / current.sum(axis=-1, keepdims=True)
    distance: F64 = np.minimum(1.0, np.abs(p - q).sum(axis=-1) / 2)
    return distance


def from_counts(counts: Counts) -> Measured:
    """Measure k columns over their coarse bins."""
    return Measured(total_variation(counts.coarse.reference, counts.coarse.current))


METHOD = Method(
    name="total_variation",
    title="total variation",
    symbol="TV",
    kinds=frozenset({"number", "category", "boolean"}),
    least=0.0,
    greatest=1.0,
    unit="share of rows",
    source="Levin and Peres (2017)",
    counts=from_counts,
)
