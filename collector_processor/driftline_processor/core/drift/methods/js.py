"""The Jensen-Shannon distance, on coarse bins."""

from __future__ import annotations

import math

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.special_functions import rel_entr

from .method import Counts, Measured, Method


def js(reference: F64, current: F64) -> F64:
    """Return the Jensen-Shannon distance, the root of the divergence to base 2, so between 0 and 1: float64 (...).

    Equal to ``scipy.spatial.distance.jensenshannon(p, q, base=2)``. NannyML uses the same base, on equal widths by
    Doane's rule; Evidently uses the natural logarithm, which is smaller by the factor sqrt(ln 2) = 0.833, on equal
    widths by Sturges' rule.

    Args:
        reference: Counts over the same bins, float64 (..., bins), without missing and invalid; the same coarse bins as
            PSI, nothing added to empty ones.
        current: Counts of the window, in the same form.

    Source: Lin, "Divergence measures based on the Shannon entropy" (1991); Endres and Schindelin (2003) for the root.

    >>> float(js(np.array([1.0, 0.0]), np.array([0.0, 1.0])))
    1.0
    """
    p = reference / reference.sum(axis=-1, keepdims=True)
    q = current / current.sum(axis=-1, keepdims=True)
    middle = (p + q) / 2
    divergence = (rel_entr(p, middle) + rel_entr(q, middle)).sum(axis=-1) / 2 / math.log(2)
    distance: F64 = np.sqrt(np.clip(divergence, 0.0, 1.0))
    return distance


def from_counts(counts: Counts) -> Measured:
    """Measure k columns over their coarse bins."""
    return Measured(js(counts.coarse.reference, counts.coarse.current))


METHOD = Method(
    name="js",
    title="Jensen-Shannon",
    symbol="JS",
    kinds=frozenset({"number", "category", "boolean"}),
    least=0.0,
    greatest=1.0,
    unit="root of bits",
    source="Lin (1991); Endres and Schindelin (2003)",
    counts=from_counts,
)
