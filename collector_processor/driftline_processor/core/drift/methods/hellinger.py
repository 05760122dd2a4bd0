"""The Hellinger distance, on coarse bins."""

from __future__ import annotations

import numpy as np
from driftline.tables.table import F64

from .method import Counts, Measured, Method


def hellinger(reference: F64, current: F64) -> F64:
    """Return sqrt(1 - Σ sqrt(p q)), between 0 and 1: float64 (...).

    It is 1 if the samples share no bin, and sqrt(PSI / 8) for a small drift. With a mean without drift of about
    ``sqrt((bins - 1)(1/n + 1/m) / 8)``, a threshold of 0.1 alarms in most windows of 100 rows over ten bins.

    NannyML uses the same formula over equal widths of the reference by Doane's rule and categories as they are,
    Evidently over equal widths by Sturges' rule of the distinct values of both samples, and whylogs over bins of its
    sketches.

    Args:
        reference: Counts over the same bins, float64 (..., bins), without missing and invalid; the same coarse bins as
            PSI, nothing added to empty ones.
        current: Counts of the window, in the same form.

    Source: Hellinger (1909); Cha, "Comprehensive survey on distance measures between probability density functions"
    (2007).

    >>> float(hellinger(np.array([1.0, 1.0]), np.array([1.0, 0.0])).round(4))
    0.5412
    """
    p = reference / reference.sum(axis=-1, keepdims=True)
    q = current / current.sum(axis=-1, keepdims=True)
    # half the sum of squared differences is exactly 0 for equal samples; 1 - Σ sqrt(p q) would leave 1e-16
    distance: F64 = np.sqrt(np.minimum(1.0, ((np.sqrt(p) - np.sqrt(q)) ** 2).sum(axis=-1) / 2))
    return distance


def from_counts(counts: Counts) -> Measured:
    """Measure k columns over their coarse bins."""
    return Measured(hellinger(counts.coarse.reference, counts.coarse.current))


METHOD = Method(
    name="hellinger",
    title="Hellinger",
    symbol="Hellinger",
    kinds=frozenset({"number", "category", "boolean"}),
    least=0.0,
    greatest=1.0,
    unit="1",
    source="Hellinger (1909)",
    counts=from_counts,
)
