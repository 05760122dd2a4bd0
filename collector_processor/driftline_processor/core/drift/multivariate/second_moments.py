"""Second moments of pairs of features, from the parts ``pairs`` and ``unpaired`` of a pane."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64


def imputed(pane: Pane, features: int) -> F64 | None:
    """Return Σ w z z' / Σ w with missing values at 0, float64 (d, d) in thousandths; None where a pane has no pairs.

    >>> imputed(Pane({"pairs": np.array([2.0, 2.0, 1.0, 1.0, 5.0, 4.0, 5.0])}), 2).tolist()
    [[2.5, 2.0], [2.0, 2.5]]
    """
    part = pane.parts.get("pairs")
    if part is None or part[0] <= 0:
        return None
    mean: F64 = square(part[2 + features :], features) / part[0]
    return mean


@lru_cache(maxsize=64)
def _upper(features: int, above: int) -> tuple[I64, I64]:
    first, second = np.triu_indices(features, above)
    first.flags.writeable = second.flags.writeable = False
    return first, second


def pairs_of(features: int) -> tuple[I64, I64]:
    """Return first and second feature of each pair, upper triangle by rows: int64 (d (d - 1) / 2,) each."""
    return _upper(features, 1)


def square(triangle: F64, features: int) -> F64:
    """Return the symmetric matrix of an upper triangle by rows: float64 (d, d).

    >>> square(np.array([1.0, 2.0, 3.0]), 2).tolist()
    [[1.0, 2.0], [2.0, 3.0]]
    """
    matrix = np.zeros((features, features))
    upper = _upper(features, 0)
    matrix[upper] = triangle
    matrix.T[upper] = triangle
    return matrix


class Correlations(NamedTuple):
    """Pearson's ``r`` of the coordinates of all pairs, upper triangle by rows, NaN for a constant; and rows per pair.

    Attributes:
        r: float64 (d (d - 1) / 2,); rows are (effective) ones that have both features.
        rows: As ``r``.
    """

    r: F64
    rows: F64


def correlations(pane: Pane, features: int) -> Correlations | None:
    """Return the correlation of every pair over the rows that have both; None where a pane has no pairs.

    >>> both = Pane({"pairs": np.array([3.0, 3.0, 6.0, 6.0, 14.0, 13.0, 14.0])})  # (1, 2), (2, 1), (3, 3)
    >>> correlations(both, 2).r.round(9).tolist()
    [0.5]
    """
    part = pane.parts.get("pairs")
    if part is None or part[0] <= 0:
        return None
    d = features
    products = square(part[2 + d :], d)
    lacking = pane.parts.get("unpaired", np.zeros(3 * d * d)).reshape(3, d, d)
    # of a (row) over the rows that have b (column), too
    weight = part[0] - lacking[0]
    usable = np.maximum(weight, 1e-12)
    mean = (part[2 : 2 + d, np.newaxis] - lacking[1]) / usable
    squares = (np.diagonal(products)[:, np.newaxis] - lacking[2]) / usable
    variance = squares - mean**2
    spread = variance * variance.T
    known = (weight > 0) & (variance > 1e-9 * squares) & (variance.T > 1e-9 * squares.T)
    covariance = products / usable - mean * mean.T
    r = np.divide(
        covariance, np.sqrt(spread, where=known, out=np.ones((d, d))), where=known, out=np.full((d, d), np.nan)
    )
    upper = pairs_of(d)
    return Correlations(np.clip(r[upper], -1.0, 1.0), weight[upper] * float(part[0] / part[1]))
