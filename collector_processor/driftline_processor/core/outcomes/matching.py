"""Match each outcome to a prediction of its id.

An outcome with a prediction time belongs to the nearest prediction within the precision of that time: services record
nanoseconds, tables of labels microseconds, or less (:func:`outcome_precision`). Any other outcome belongs to the latest
prediction at or before it; without one, to the earliest up to a day after it, since clocks differ and some labels are
dated by the day. So every outcome has at most one prediction in each group, whatever the order of arrival.
"""

from __future__ import annotations

import numpy as np
from driftline.tables.distinct import sorted_distinct
from driftline.tables.table import I64
from numpy.typing import NDArray

EARLY = 86_400 * 10**9
"""Maximum nanoseconds of an outcome before its prediction."""

_DOUBLE = 256
"""Difference between consecutive doubles at today's unix time in nanoseconds."""

COARSEST = 10**9
"""Maximum difference between a prediction's time and the prediction time of its outcome, nanoseconds."""


def outcome_precision(named: I64) -> I64:
    """Return the precision of prediction times in outcomes: int64 (n,), nanoseconds.

    A second or millisecond if they are whole, else a microsecond, the precision of databases. A number in JSON, or a
    pandas column with missing values, is a double, with a precision of 256 nanoseconds today.

    >>> outcome_precision(np.array([5 * 10**9 + 192, 5_000_000, 5_001_000, 5_001_501])).tolist()
    [1000000000, 1000000, 1512, 1512]
    """
    return np.where(_is_whole(named, COARSEST), COARSEST, np.where(_is_whole(named, 10**6), 10**6, 1_000 + 2 * _DOUBLE))


def _is_whole(named: I64, unit: int) -> NDArray[np.bool_]:
    beyond = named % unit
    return np.minimum(beyond, unit - beyond) <= _DOUBLE


def positions_in(known: I64, values: I64) -> NDArray[np.intp]:
    """Return the index of each value in sorted, distinct numbers; an arbitrary index if it is missing.

    Uses a table if the numbers are dense, which is faster than a search.

    >>> positions_in(np.array([3, 5, 9]), np.array([9, 3, 5])).tolist()
    [2, 0, 1]
    """
    if not len(known):
        return np.zeros(len(values), np.intp)
    first, last = int(known[0]), int(known[-1])
    # 8: maximum entries of a table per number in it
    if last - first > 8 * len(known):
        return np.minimum(np.searchsorted(known, values), len(known) - 1)
    table = np.zeros(last - first + 1, np.intp)
    table[known - first] = np.arange(len(known))
    return np.asarray(table[np.clip(values, first, last) - first])


def match_outcomes(group: I64, time: I64, asked: I64, at: I64, named: I64) -> NDArray[np.intp]:
    """Return the position of the prediction of each outcome, -1 without one.

    ``group``, ``time``: int64 (n,), of predictions: group by id (and version, ...), and event time in unix nanoseconds.
    ``asked``, ``at``, ``named``: int64 (m,), of outcomes: the group to search, the time of the outcome, and the
    prediction time, 0 = unknown. Of predictions with equal group and time the last one matches, of two equally near to
    the prediction time the earlier one.

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
    after = np.minimum(before + 1, last)  # without an earlier one: the first of its group and time ...
    open_to = known & (~has | (named > 0))
    after = np.where(open_to, np.searchsorted(keys, keys[after], "right") - 1, after)  # ... in its last version
    nearer = (named > 0) & (time[order[after]] - named < named - time[order[before]])
    found = np.where(has & ~nearer, before, after)
    there = time[order[found]]
    fits = np.where(named > 0, np.abs(there - named) < outcome_precision(named), has | (there - at <= EARLY))
    return np.where(known & fits, order[found], -1)
