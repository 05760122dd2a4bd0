"""In which slice a feature drifts, where it does so in one and hardly in the rest of the rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from driftline.tables import F64, I64

from .grid import coarsen
from .moved import moved

REST = 0.25
"""The rest of the rows moved at most so many times as much as the slice did."""

LEAST = 0.05
"""A slice of which fewer rows moved is not named."""


class Sides(NamedTuple):
    """Counts of one target over its bins, missing and invalid: of the baseline's rows and of the window's."""

    was: F64
    now: F64


def concentrated(whole: Sides, slices: Mapping[str, Sides], cells: I64) -> str:
    """Return the slice in which rows moved and without which hardly any did; "" where there is none.

    Of several the one that holds most of what moved. ``slices``: name → its own rows, a part of the ``whole``.

    >>> whole = Sides(np.array([200.0, 200.0]), np.array([140.0, 260.0]))
    >>> mobile = Sides(np.array([100.0, 100.0]), np.array([40.0, 160.0]))
    >>> concentrated(whole, {"channel=mobile": mobile}, np.array([0, 1]))
    'channel=mobile'
    """
    best, held = "", 0.0
    total = coarsen(whole.was, cells), coarsen(whole.now, cells)
    for name, side in slices.items():
        was, now = coarsen(side.was, cells), coarsen(side.now, cells)
        inside = moved(was, now)
        outside = moved(np.maximum(total[0] - was, 0.0), np.maximum(total[1] - now, 0.0))
        part = inside * float(now.sum())
        if inside >= LEAST and outside <= REST * inside and part > held:
            best, held = name, part
    return best
