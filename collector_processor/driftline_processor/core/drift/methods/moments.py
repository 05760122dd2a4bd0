"""Mean and variance of counts over bins, values beyond the fences counted as lying on them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from driftline.tables import F64


class Moments(NamedTuple):
    """Of k samples, float64 (k,) each, in the feature's unit.

    ``variance``: over n, not n - 1. ``mean_bound``, ``deviation_bound``: how far mean and standard deviation of the
    clipped rows can be from those of the counts.
    """

    mean: F64
    variance: F64
    mean_bound: F64
    deviation_bound: F64


def middles(edges: F64) -> F64:
    """Return the middle of each bin, float64 (k, bins); of an outer one its edge. ``edges``: float64 (k, bins - 1).

    >>> middles(np.array([[0.0, 1.0, 3.0]])).tolist()
    [[0.0, 0.5, 2.0, 3.0]]
    """
    return np.concatenate([edges[:, :1], edges[:, :-1] + np.diff(edges) / 2, edges[:, -1:]], axis=1)


def moments(counts: F64, edges: F64) -> Moments:
    """Take every row of a bin as its middle: counts float64 (k, bins), edges float64 (k, bins - 1).

    A row is at most half a bin from the middle; so mean and, by the triangle inequality, deviation are off by at most
    the mean and the root mean square of these halves.

    >>> found = moments(np.array([[0.0, 1.0, 1.0, 0.0]]), np.array([[0.0, 1.0, 2.0]]))
    >>> found.mean.tolist(), found.variance.tolist(), found.mean_bound.tolist()
    ([1.0], [0.25], [0.5])
    """
    # centred first: of 1e9 and 1e9 + 1 the squares would leave no digit
    centre = edges[:, edges.shape[1] // 2, np.newaxis]
    middle = middles(edges - centre)
    half = np.pad(np.diff(edges) / 2, ((0, 0), (1, 1)))
    # narrower targets are padded on the right with empty bins; their edges repeat the last one
    total = counts.sum(axis=1)
    mean = (counts * middle).sum(axis=1) / total
    variance = (counts * (middle - mean[:, np.newaxis]) ** 2).sum(axis=1) / total
    mean_bound = (counts * half).sum(axis=1) / total
    return Moments(mean + centre[:, 0], variance, mean_bound, np.sqrt((counts * half**2).sum(axis=1) / total))
