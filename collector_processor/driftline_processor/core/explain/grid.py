"""A dozen cells of a target, by which windows and stretches of time are compared to find when it changed."""

from __future__ import annotations

import numpy as np
from driftline.bins import Bins, CategoryBins
from driftline.tables import F64, I64

from driftline_processor.core.drift.methods.coarse import parts

LABELS = 10
"""The most frequent labels have a cell each; the rest shares one."""


def grid(bins: Bins, reference: F64) -> I64:
    """Return the cell of each bin, then of missing and of invalid values: int64 (size + 2,).

    Numbers: the deciles of the reference, and what lies beyond its outer edges on either side. Categories: ten labels,
    the others that are known, those that are not. Missing and invalid values share the last cell.

    >>> from driftline.bins import CategoryBins
    >>> grid(CategoryBins(("a", "b")), np.array([9.0, 1.0, 0.0, 0.0, 0.0])).tolist()
    [0, 1, 2, 3, 3]
    """
    usable = reference[: bins.size]
    if isinstance(bins, CategoryBins):
        known = np.minimum(np.arange(bins.size - 1), LABELS)
        cells = np.append(known, known[-1] + 1 if len(known) else 0)
    elif not usable.any():
        cells = np.zeros(bins.size, np.int64)
    else:
        cells = parts(usable) + 1
        cells[0], cells[-1] = 0, cells.max() + 1
    _, dense = np.unique(cells, return_inverse=True)
    last = int(dense.max(initial=-1)) + 1
    return np.concatenate([dense, [last, last]]).astype(np.int64)


def coarsen(counts: F64, cells: I64) -> F64:
    """Add up the bins of each cell: float64 (..., bins) → float64 (..., cells)."""
    flat = counts.reshape(-1, counts.shape[-1])
    width = int(cells.max()) + 1
    at = (cells + np.arange(len(flat))[:, np.newaxis] * width).ravel()
    summed = np.bincount(at, flat.ravel(), minlength=len(flat) * width).astype(np.float64, copy=False)
    return summed.reshape(*counts.shape[:-1], width)
