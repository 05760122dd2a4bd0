"""Counts with a bin around each distinct value: the same methods, and no binning left in them."""

from __future__ import annotations

import numpy as np
from driftline.bins import NumberBins
from driftline.tables import F64

from .fences import fences
from .method import Counts


def counts_of_rows(reference: F64, current: F64, bins: NumberBins) -> Counts:
    """Return the counts of rows of one number, float64 (n,) and (m,), none of them empty; NaN and infinities left out.

    ``bins``: of the baseline, whose fences hold here as they do for counts over these bins.

    >>> from .ks import METHOD
    >>> counts = counts_of_rows(np.array([1.0, 2.0, 3.0]), np.array([2.0, 5.0]), NumberBins(np.array([0.0, 9.0])))
    >>> METHOD.counts(counts).value.tolist()
    [0.5]
    """
    reference, current = reference[np.isfinite(reference)], current[np.isfinite(current)]
    values, at = np.unique(np.concatenate([reference, current]), return_inverse=True)
    edges = np.empty((1, 2 * len(values)))
    edges[0, ::2], edges[0, 1::2] = values, np.nextafter(values, np.inf)
    size = 2 * len(values) + 1
    was, now = (
        np.bincount(2 * part + 1, minlength=size).astype(np.float64)[np.newaxis]
        for part in (at[: len(reference)], at[len(reference) :])
    )
    counts = np.bincount(np.searchsorted(bins.edges, reference, side="right"), minlength=bins.size)
    outer = fences(counts[np.newaxis].astype(np.float64), bins.edges[np.newaxis]) if len(bins.edges) else None
    return Counts(was, now, edges, outer)
