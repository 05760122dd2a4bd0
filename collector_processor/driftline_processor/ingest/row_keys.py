"""Detect rows that may be stored already, from keys of stored rows by series and hour of event time.

A row without a stored key is new, which holds for nearly all. Only the others are looked up in the store, which
separates rows with equal keys.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from driftline.tables.table import I64
from numpy.typing import NDArray

from driftline_processor.core.stable_hash import U64, hash_bits
from driftline_processor.store.arrow_tables import integers_of
from driftline_processor.store.database import Connection, read

Mask = NDArray[np.bool_]

MOST_BYTES = 64 << 20
"""Maximum bytes of keys in memory, for eight million rows; least recently used hours are dropped first."""

_HOUR = 3_600 * 10**9
"""Nanoseconds of a segment: 29 MB at a thousand rows per second."""

_MOST_HOURS = 64
"""Maximum number of hours per table; rows over more hours are looked up in the store."""

_KEY_BYTES = 8

_SEGMENT_BYTES = 512
"""Bytes of overhead per segment: a list, an array and the place in the dictionary."""


def keys_of(times: I64, numbers: U64) -> U64:
    """Return a 64-bit key of the time and the id of each row: uint64 (n,).

    Args:
        times: int64 (n,), unix nanoseconds.
        numbers: uint64 (n,), of the ids, see :func:`~driftline_processor.store.arrow_tables.numbers_of_ids`.
    """
    return hash_bits(numbers ^ times.astype(np.uint64))


class RowKeys:
    """The keys of stored rows, for the most recently used hours. Not thread-safe.

    A segment contains every row of its hour with an id. An hour is read from the store before its first use; an hour
    after the newest row of its series is empty without a read. Rows of the current transaction are not in the store
    yet, so no hour of their series is read during it.

    Args:
        connection: Connection to the store.
        most: Maximum bytes.
    """

    def __init__(self, connection: Connection, most: int = MOST_BYTES) -> None:
        self._connection, self._max_bytes = connection, most
        self._segments: dict[tuple[int, int], _Segment] = {}
        self._lacking: set[int] = set()
        self._bytes = 0

    @property
    def size(self) -> int:
        """Return the bytes in use."""
        return self._bytes

    def suspects(self, series: int, times: I64, keys: U64, newest: int) -> I64:
        """Return the positions of rows that may be stored, or repeat an earlier one of these: int64 (m,), ascending.

        Args:
            series: Number of the series.
            times: int64 (n,), unix nanoseconds.
            keys: uint64 (n,), of rows with an id, see :func:`keys_of`.
            newest: The greatest time of a row of the series so far; 0 without any.
        """
        order = np.argsort(keys)
        ordered, hours = keys[order], _hours(times)[order]
        different = np.unique(hours).tolist()
        if len(different) > _MOST_HOURS:
            return np.arange(len(keys))
        repeated = np.flatnonzero(ordered[1:] == ordered[:-1])
        suspect = np.zeros(len(keys), np.bool_)
        suspect[repeated] = suspect[repeated + 1] = True
        self._read(series, [hour for hour in different if (series, hour) not in self._segments], newest)
        for hour, rows in _by_hour(hours, different):
            segment = self._segments.get((series, hour))
            suspect[rows] |= True if segment is None else segment.holds(ordered[rows])
        return np.sort(order[suspect])

    def add(self, series: int, times: I64, keys: U64) -> None:
        """Add rows of the current transaction to the hours in memory."""
        hours = _hours(times)
        different = np.unique(hours).tolist()
        if len(different) > _MOST_HOURS:
            for hour in different:
                self._forget((series, hour))
            self._lacking.add(series)
            return
        for hour, rows in _by_hour(hours, different):
            segment = self._segments.pop((series, hour), None)
            if segment is None:
                self._lacking.add(series)
            else:
                self._bytes += segment.add(np.sort(keys[rows]))
                self._segments[series, hour] = segment  # moves it to the end, as the most recently used
        while self._bytes > self._max_bytes:
            self._forget(next(iter(self._segments)))

    def knows(self, series: int, times: I64) -> bool:
        """Return True if the hour of any of these rows is in memory; otherwise they need not be added."""
        if any((series, hour) in self._segments for hour in np.unique(_hours(times)).tolist()):
            return True
        self._lacking.add(series)
        return False

    def settle(self) -> None:
        """Note that the transaction was committed."""
        self._lacking.clear()

    def _read(self, series: int, hours: list[int], newest: int) -> None:
        """Read the keys of missing hours, unless they would need half of the memory."""
        keys_by_hour: dict[int, U64] = {hour: np.empty(0, np.uint64) for hour in hours if hour > newest}
        stored = [hour for hour in hours if hour <= newest]
        if stored and series not in self._lacking:
            limit = self._max_bytes // _KEY_BYTES // 2
            within = " OR ".join(["time >= ? AND time < ?"] * len(stored))
            rows = read(
                self._connection,
                f"SELECT time, request FROM predictions WHERE series = ? AND ({within}) AND id <> '' LIMIT ?",
                *(series, *(end for hour in stored for end in (hour, hour + _HOUR)), limit + 1),
            )
            if len(rows) <= limit:
                times, numbers = integers_of(rows, "time"), rows.column("request").to_numpy()
                keys, hours_of_keys = keys_of(times, numbers), _hours(times)
                keys_by_hour |= {hour: np.sort(keys[hours_of_keys == hour]) for hour in stored}
        for hour, keys in keys_by_hour.items():
            self._segments[series, hour] = _Segment(keys)
            self._bytes += _SEGMENT_BYTES + _KEY_BYTES * len(keys)

    def _forget(self, place: tuple[int, int]) -> None:
        segment = self._segments.pop(place, None)
        if segment is not None:
            self._lacking.add(place[0])
            self._bytes -= _SEGMENT_BYTES + _KEY_BYTES * sum(map(len, segment.runs))


class _Segment:
    """The keys of one hour as a few sorted arrays, each more than twice as long as the next."""

    def __init__(self, keys: U64) -> None:
        self.runs = [keys] if len(keys) else []

    def holds(self, keys: U64) -> Mask:
        """Return which ``keys``, ascending, it contains."""
        is_found = np.zeros(len(keys), np.bool_)
        for run in self.runs:
            position = np.minimum(np.searchsorted(run, keys), len(run) - 1)
            is_found |= run[position] == keys
        return is_found

    def add(self, keys: U64) -> int:
        """Add ascending keys; return their bytes."""
        self.runs.append(keys)
        while len(self.runs) > 1 and len(self.runs[-2]) <= 2 * len(self.runs[-1]):
            last = self.runs.pop()
            self.runs[-1] = np.sort(np.concatenate([self.runs[-1], last]), kind="stable")
        return _KEY_BYTES * len(keys)


def _hours(times: I64) -> I64:
    return times - times % _HOUR


def _by_hour(hours: I64, different: list[int]) -> Iterator[tuple[int, slice | Mask]]:
    if len(different) == 1:
        yield different[0], slice(None)
        return
    for hour in different:
        yield hour, hours == hour
