"""Edges of a number's bins as numbers with few digits, so that a sentence about their rows is exact."""

from __future__ import annotations

import numpy as np
from driftline.panes.bins import TOLERANCE, between
from driftline.tables.table import F64

NEGLIGIBLE = 0.01
"""Maximum distance of a shortened edge, as a fraction of the narrower bin next to it, which has 1 % of the rows."""

ZERO = 1e-300
"""Minimum absolute value of an edge that is not 0: the number next to 0 is the edge of exact zeros."""


def edge_number(edges: F64, index: int) -> float:
    """Return an edge with as few digits as its rows allow: an edge next to one value is that value.

    >>> edges = np.array([0.123456, 1.99999976, 2.00000024, 41.238456, 97.0])
    >>> [edge_number(edges, index) for index in range(5)]
    [0.123456, 2.0, 2.0, 41.0, 97.0]
    >>> edge_number(np.nextafter(edges - edges, 1.0), 0)
    0.0
    """
    edge = float(edges[index])
    if abs(edge) < ZERO:
        return 0.0
    short = float(f"{edge:.6g}")
    if abs(short - edge) <= 2 * TOLERANCE * abs(edge):
        return short
    reach = NEGLIGIBLE * float(np.diff(edges[max(index - 1, 0) : index + 2]).min(initial=np.inf))
    for digits in range(1, 16):
        number = float(f"{edge:.{digits}g}")
        if abs(number - edge) <= reach:
            return number
    return edge


def single_value(edges: F64, place: int) -> float | None:
    """Return the only value of a bin, ``[edges[place - 1], edges[place])``; None if it contains several.

    >>> single_value(np.array([1.99999976, 2.00000024, 7.0]), 1), single_value(np.array([1.0, 2.0, 7.0]), 1)
    (2.0, None)
    """
    if not 0 < place < len(edges):
        return None
    low, high = float(edges[place - 1]), float(edges[place])
    if high - low > 1e-6 * max(abs(low), abs(high)) + 1e-300:
        return None
    return low if high - low < 1e-300 else between(low, high)
