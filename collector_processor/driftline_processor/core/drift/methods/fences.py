"""How far out a value may lie before only its being far out counts: what keeps a sentinel from being a distance."""

from __future__ import annotations

import numpy as np
from driftline.tables import F64

REACH = 10.0
"""Widths of the middle half beyond it. A normal distribution ends long before (its 0.1 % quantiles are 1.8 out), a
log-normal one of sigma 0.8 just inside; a sentinel of 1e9, frequent enough for an edge of its own, lies beyond."""

ATOM = 0.05
"""A bin with so many of the rows is one value that comes again and again, by the baseline's hundred bins: zeros of an
inflated feature, a sentinel, a default. The middle half is that of the other rows, or it would be such a value."""

OTHERS = 0.1
"""If there are so many; of a feature with few distinct values it is the middle half of all."""


def fences(reference: F64, edges: F64) -> F64:
    """Return least and greatest value, float64 (k, 2): the outer edges, or 10 widths of the middle half from it.

    ``reference``: counts float64 (k, bins), ``edges``: float64 (k, bins - 1), at least one. The middle half is that of
    the rows in no :data:`ATOM`, where they are a tenth of all. Of a reference whose middle half is one value, the outer
    edges.

    >>> edges = np.array([[0.0, 1.0, 2.0, 3.0, 4.0, 1e9]])
    >>> fences(np.array([[1.0, 25.0, 25.0, 25.0, 25.0, 2.0, 3.0]]), edges).tolist()
    [[0.0, 34.0]]
    """
    total = reference.sum(axis=1, keepdims=True)
    others = np.where(reference > ATOM * total, 0.0, reference)
    of_all = others.sum(axis=1, keepdims=True) < OTHERS * total
    middle = np.where(of_all, reference, others)
    shares = np.cumsum(middle, axis=1)[:, :-1] / middle.sum(axis=1, keepdims=True)
    last = edges.shape[1] - 1
    lower = np.clip(np.count_nonzero(shares <= 0.25, axis=1, keepdims=True) - 1, 0, last)
    upper = np.clip(np.count_nonzero(shares < 0.75, axis=1, keepdims=True), 0, last)
    low, high = np.take_along_axis(edges, lower, axis=1), np.take_along_axis(edges, upper, axis=1)
    width = high - low
    # around one value the bin is 2^-22 of it wide, and around zero 5e-324, of which a millionth would be 0
    spread = (width > 1e-6 * np.maximum(np.abs(low), np.abs(high))) & (width > np.finfo(np.float64).tiny)
    least = np.where(spread, np.maximum(low - REACH * width, edges[:, :1]), edges[:, :1])
    greatest = np.where(spread, np.minimum(high + REACH * width, edges[:, -1:]), edges[:, -1:])
    return np.hstack([least, greatest])
