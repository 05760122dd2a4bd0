"""Find the prediction that each outcome belongs to, among those of its id.

An outcome that names the time of its prediction belongs to the nearest one that may be meant: services know
nanoseconds, tables of labels microseconds, or less (:func:`outcome_precision`). Any other belongs to the latest at or
before it;
where there is none, to the earliest up to a day after it, because clocks differ and some labels are dated by the day.
So every outcome has at most one prediction in each group, whatever came first.
"""

from __future__ import annotations

import numpy as np
from driftline.tables.distinct import sorted_distinct
from driftline.tables.table import I64
from numpy.typing import NDArray

EARLY = 86_400 * 10**9
"""Nanoseconds by which an outcome may claim to be older than its prediction."""

_DOUBLE = 256
"""Nanoseconds from one double to the next, of today's unix time."""

COARSEST = 10**9
"""Greatest difference between a prediction's time and the prediction time of its outcome, nanoseconds."""


def outcome_precision(named: I64) -> I64:
    """Return to what times that outcomes name are exact: int64 (n,), nanoseconds.

    To the second or millisecond where they are whole ones, else to the microsecond: databases keep no more. A number in
    JSON, or a column of pandas with a gap, is a double, which knows today's nanoseconds to 256.

    >>> outcome_precision(np.array([5 * 10**9 + 192, 5_000_000, 5_001_000, 5_001_501])).tolist()
    [1000000000, 1000000, 1512, 1512]
    """
    return np.where(_is_whole(named, COARSEST), COARSEST, np.where(_is_whole(named, 10**6), 10**6, 1_000 + 2 * _DOUBLE))


def _is_whole(named: I64, unit: int) -> NDArray[np.bool_]:
    beyond = named % unit
    return np.minimum(beyond, unit - beyond) <= _DOUBLE


def positions_in(known: I64, values: I64) -> NDArray[np.intp]:
    """Return the place of each value in sorted, different numbers; some place where they lack it.

    By a table where they lie close together, which is quicker than to search.

    >>> positions_in(np.array([3, 5, 9]), np.array([9, 3, 5])).tolist()
    [2, 0, 1]
    """
    if not len(known):
        return np.zeros(len(values), np.intp)
    first, last = int(known[0]), int(known[-1])
    # 8: entries of a table for each number in it
    if last - first > 8 * len(known):
        return np.minimum(np.searchsorted(known, values), len(known) - 1)
    table = np.zeros(last - first + 1, np.intp)
    table[known - first] = np.arange(len(known))
    return np.asarray(table[np.clip(values, first, last) - first])


def match_outcomes(group: I64, time: I64, asked: I64, at: I64, named: I64) -> NDArray[np.intp]:
    """Return the position of the prediction of each outcome, -1 where it has none.

    ``group``, ``time``: int64 (n,), of predictions: which id (and version, ...), and event time in unix nanoseconds.
    ``asked``, ``at``, ``named``: int64 (m,), of outcomes: the group in which to look, when the truth was known, and the
    time of the prediction, 0 where nobody said. Of predictions of one group and time the last one is meant, of those as
    near to the time that is named the one before it.

    >>> group, time = np.array([7, 7, 8]), np.array([10, 20, 30])
    >>> match_outcomes(group, time, np.array([7, 7, 7, 8]), np.array([25, 5, 25, 1]), np.array([0, 0, 10, 2031]))
    array([ 1,  0,  0, -1])
    """
    if not len(group):
        return np.full(len(asked), -1, np.intp)
    groups = sorted_distinct(group)
    which = positions_in(groups, asked)
    known = groups[which] == asked
    if len(groups) == len(group):
        only = np.empty(len(group), np.intp)
        only[positions_in(groups, group)] = np.arange(len(group))
        found = only[which]
        fits = np.where(named > 0, np.abs(time[found] - named) < outcome_precision(named), time[found] - at <= EARLY)
        return np.where(known & fits, found, -1)
    order = np.lexsort((time, group))  # stable
    instants = sorted_distinct(time)
    span = len(instants) + 1
    keys = np.searchsorted(groups, group[order]) * span + np.searchsorted(instants, time[order])

    until = np.where(named > 0, named, at)
    before = np.searchsorted(keys, which * span + np.searchsorted(instants, until, "right")) - 1
    first = np.searchsorted(keys, which * span)
    last = np.searchsorted(keys, (which + 1) * span) - 1
    has = before >= first
    after = np.minimum(before + 1, last)  # where nothing was before: the first of its group and time ...
    open_to = known & (~has | (named > 0))
    after = np.where(open_to, np.searchsorted(keys, keys[after], "right") - 1, after)  # ... as it came last
    nearer = (named > 0) & (time[order[after]] - named < named - time[order[before]])
    found = np.where(has & ~nearer, before, after)
    there = time[order[found]]
    fits = np.where(named > 0, np.abs(there - named) < outcome_precision(named), has | (there - at <= EARLY))
    return np.where(known & fits, order[found], -1)
