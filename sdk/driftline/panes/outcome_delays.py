"""Count the delay of outcomes: the part ``delay`` of a pane.

The delay of an outcome is the time of the outcome less the time of its prediction.
"""

from __future__ import annotations

import numpy as np

from driftline.tables.table import I64

from .sparse_sums import Sparse, cells

PART = "delay"
"""Name of the part of a pane with the rows by delay of their outcome, over :data:`BOUNDS` and beyond."""

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
"""Seconds."""

BOUNDS: tuple[int, ...] = (
    *(0, 1, 2, 5, 10, 20, 30),
    *(n * _MINUTE for n in (1, 2, 5, 10, 15, 20, 30, 45)),
    *(n * _HOUR for n in (1, 2, 3, 4, 6, 8, 12, 18)),
    *(n * _DAY for n in (1, 2, 3, 4, 5, 6, 7, 10, 14, 21, 28, 30, 35, 45, 60, 75, 90, 120, 150, 180, 270, 365, 730)),
)
"""Seconds, upper ends, included. Outcomes before their prediction count as a delay of 0."""

WIDTH = len(BOUNDS) + 1


def fold_delays(time: I64, outcome_time: I64, group: I64, groups: int) -> Sparse:
    """Count delays by group. ``time``, ``outcome_time``: int64 (n,), unix nanoseconds; ``group``: int64, ascending.

    Outcomes without a time (0) are excluded.

    >>> second = 10**9
    >>> fold_delays(np.array([5, 5]) * second, np.array([5, 8]) * second, np.array([0, 0]), 1).index.tolist()
    [0, 3]
    """
    known = np.flatnonzero(outcome_time > 0)
    return cells(group[known], place_of(time[known], outcome_time[known]), None, groups, WIDTH)


def place_of(time: I64, outcome_time: I64) -> I64:
    """Return the cell of each delay, 0 to ``WIDTH - 1``; times are int64 (n,), unix nanoseconds."""
    delay = np.maximum(outcome_time - time, 0)
    place = np.searchsorted(np.array(BOUNDS, np.int64) * 10**9, delay, side="left")
    return np.asarray(place, dtype=np.int64)
