"""Two halves of the rows, by chance but always the same: whatever the order in which rows, or their outcomes, came."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from driftline.tables import I64
from numpy.typing import NDArray

from driftline_processor.core.mixing import U64, mix, mixed
from driftline_processor.core.window import DAY, HOUR

Mask = NDArray[np.bool_]

ENOUGH_DAYS = 5
"""Days in which a slice is put to the test, from which on they tell how far days differ. Of two or three the slice of
one bad day was confirmed in 12 to 24 % of windows; of windows of two to four days, where hours are told apart, in 60 to
96 %."""


def stretches(time: I64) -> I64 | None:
    """Return the day of each row, or its hour where all lie within four days: int64 (n,); None within four hours.

    >>> stretches(np.array([0, 3_600 * 10**9 * 5])).tolist()
    [0, 5]
    """
    span = int(time.max()) - int(time.min()) if len(time) else 0
    for unit in (DAY, HOUR):
        if span >= 4 * unit:
            return time // unit
    return None


def few_days(time: I64) -> I64 | None:
    """Return the day of each row where those in which rows are put to the test are too few to tell how days differ:
    int64 (n,); None of more, and within one day.

    ``time``: of these rows.
    """
    span = int(time.max()) - int(time.min()) if len(time) else 0
    day = time // DAY
    return day if span > DAY and len(np.unique(day)) < ENOUGH_DAYS else None


def halves(time: I64, content: Sequence[NDArray[np.generic]]) -> Mask:
    """Return which rows to search, bool (n,); the others confirm.

    Of two days, or hours, that follow each other one is searched (:func:`stretches`): what was so on that day alone is
    not confirmed by other rows of it. Rows within four hours are drawn one by one: a row is told by its time, int64
    (n,), and rows of one time by their order in ``content``, columns of 8 bytes a value. So a row keeps its half when
    others get their outcomes, and where all rows have one time the halves hold the same rows in whatever order they
    came.

    >>> time = np.array([3, 1, 2, 3])
    >>> one, other = halves(time, [np.array([1.0, 2, 3, 4])]), halves(time[::-1], [np.array([4.0, 3, 2, 1])])
    >>> bool((one == other[::-1]).all())
    True
    """
    stretch = stretches(time)
    if stretch is None:
        return _drawn(_bits(time, content))
    first: Mask = stretch % 2 == 1
    return first ^ _drawn(mixed(stretch // 2))


def _drawn(bits: U64) -> Mask:
    return (bits >> np.uint64(63)).astype(np.bool_)


def evenly(time: I64, content: Sequence[NDArray[np.generic]], most: int) -> Mask:
    """Return at most so many rows, bool (n,): all of them, or a half, a quarter ... drawn like :func:`halves`.

    >>> int(evenly(np.arange(1_000), [], 300).sum())
    241
    """
    if len(time) <= most:
        return np.ones(len(time), np.bool_)
    draws = _bits(time, content) << np.uint64(1)  # the bit above is that of the halves
    bound = np.uint64(2**64 - 1)
    while int(np.count_nonzero(draws <= bound)) > most:
        bound >>= np.uint64(1)
    return draws <= bound


def _bits(time: I64, content: Sequence[NDArray[np.generic]]) -> U64:
    """Return 64 random bits of each row: uint64 (n,)."""
    print_of_row = np.zeros(len(time), np.uint64)
    for column in content:
        print_of_row = mix(print_of_row ^ np.ascontiguousarray(column).view(np.uint64))
    order = np.lexsort((print_of_row, time))
    ordered = time[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1)) if len(ordered) else np.empty(0, np.intp)
    first = np.repeat(starts, np.diff(np.append(starts, len(ordered))))
    rank = np.empty(len(time), np.uint64)
    rank[order] = (np.arange(len(time)) - first).astype(np.uint64)
    return mix(mixed(time) ^ rank)
