"""How many rows moved: one number that is comparable between features, faults and slices."""

from __future__ import annotations

import math

import numpy as np
from driftline.tables import F64


def moved(was: F64, now: F64, design_effect: float = 1.0) -> float:
    """Return the share of rows that would have to change their cell, less what chance alone makes of it.

    Total variation over the cells of :func:`.grid.grid`, so a value that is missing has moved, too. ``was``, ``now``:
    float64 (cells,), (effective) rows. ``design_effect``: how many of them count as one. 0 where a side is empty.

    >>> round(moved(np.array([5e6, 5e6]), np.array([4e6, 6e6])), 3)
    0.1
    """
    n, m = float(was.sum()), float(now.sum())
    if n <= 0 or m <= 0:
        return 0.0
    p, q, both = was / n, now / m, (was + now) / (n + m)
    chance = np.sqrt(2 / math.pi * both * (1 - both) * (1 / n + 1 / m) * design_effect).sum() / 2
    return max(0.0, float(np.abs(q - p).sum()) / 2 - float(chance))
