"""Which prediction an outcome belongs to, among those of its id: found for all outcomes at once.

An outcome that names the time of its prediction belongs to the one of that time. Any other belongs to the latest at or
before it; where there is none, to the earliest up to a day after it, because clocks differ and some labels are dated by
the day. So every outcome has at most one prediction in each group, whatever came first.
"""

from __future__ import annotations

import numpy as np
from driftline.tables import I64
from numpy.typing import NDArray

EARLY = 86_400 * 10**9
"""How much older than its prediction an outcome may say it is, nanoseconds."""


def distinct(values: I64) -> I64:
    """Return the different values, sorted: numpy's ``unique``, by sorting, which is quicker for many that differ."""
    ordered = np.sort(values)
    once: I64 = ordered[np.diff(ordered, prepend=ordered[:1] - 1) != 0]
    return once


def belongs_to(group: I64, time: I64, asked: I64, at: I64, named: I64) -> NDArray[np.intp]:
    """Return the position of the prediction of each outcome, -1 where it has none.

    ``group``, ``time``: int64 (n,), of predictions: which id (and version, ...), and event time in unix nanoseconds.
    ``asked``, ``at``, ``named``: int64 (m,), of outcomes: the group in which to look, when the truth was known, and the
    time of the prediction, 0 where nobody said. Of predictions of one group and time the last one is meant.

    >>> group, time = np.array([7, 7, 8]), np.array([10, 20, 30])
    >>> belongs_to(group, time, np.array([7, 7, 7, 8]), np.array([25, 5, 25, 1]), np.array([0, 0, 10, 31]))
    array([ 1,  0,  0, -1])
    """
    order = np.lexsort((time, group))  # stable
    if not len(order):
        return np.full(len(asked), -1, np.intp)
    instants, groups = distinct(time), distinct(group)
    span = len(instants) + 1
    keys = np.searchsorted(groups, group[order]) * span + np.searchsorted(instants, time[order])
    which = np.minimum(np.searchsorted(groups, asked), len(groups) - 1)
    known = groups[which] == asked

    until = np.where(named > 0, named, at)
    before = np.searchsorted(keys, which * span + np.searchsorted(instants, until, "right")) - 1
    first = np.searchsorted(keys, which * span)
    last = np.searchsorted(keys, (which + 1) * span) - 1
    has = before >= first
    after = np.minimum(before + 1, last)  # where nothing was before: the first of its group and time ...
    after = np.where(known & ~has, np.searchsorted(keys, keys[after], "right") - 1, after)  # ... as it came last
    found = np.where(has, before, after)
    there = time[order[found]]
    fits = np.where(named > 0, there == named, has | (there - at <= EARLY))
    return np.where(known & fits, order[found], -1)
