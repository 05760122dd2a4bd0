"""Second moments of pairs of features, from the parts ``pairs`` and ``unpaired`` of a pane."""

from __future__ import annotations

import numpy as np
from driftline.pane import Pane
from driftline.tables import F64


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


def square(triangle: F64, features: int) -> F64:
    """Return the symmetric matrix of an upper triangle by rows: float64 (d, d).

    >>> square(np.array([1.0, 2.0, 3.0]), 2).tolist()
    [[1.0, 2.0], [2.0, 3.0]]
    """
    matrix = np.zeros((features, features))
    upper = np.triu_indices(features)
    matrix[upper] = triangle
    matrix.T[upper] = triangle
    return matrix
