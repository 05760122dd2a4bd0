"""Repeated rows, counted from the fingerprints of stored rows.

If there are many rows, they are sampled like :class:`driftline.baseline.sections.duplicate_rows.Counting` does. Rows
are read for several hours at once and cached while they are few, because neighbouring windows need the same ones.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from driftline.baseline.sections.duplicate_rows import MOST_KEPT, U64, Recurrence, Repeats, repeats_of
from driftline.tables.distinct import sorted_distinct
from driftline.tables.table import I64
from msgspec import Struct

from driftline_processor.core.windows.window import HOUR, Window

from .database import Connection, number, read

TOGETHER = 6 * HOUR
"""Nanoseconds of rows per read, because a backlog next needs a neighbouring hour."""

MOST_ROWS = 1 << 18
"""Maximum number of rows per read, 4 MB; larger windows are counted in the store."""

MOST_BYTES = 16 << 20
"""Maximum bytes of rows and fingerprints in memory, for all series."""


class RowSample(NamedTuple):
    """Complete stored rows of a period.

    Attributes:
        rows: Number of complete rows.
        row_count: Number of rows whose fingerprints are in the sample.
        halved: How often the bound of the sampled fingerprints was halved.
        different: uint64 (n,), distinct sampled fingerprints, ascending.
        newest: Unix nanoseconds of the newest row, complete or not; None without rows.
    """

    rows: int
    row_count: int
    halved: int
    different: U64
    newest: int | None

    @classmethod
    def of(cls, rows: int, fingerprints: U64, halved: int, newest: int | None) -> RowSample:
        """Create a sample by halving the bound until few enough ``fingerprints``, which are below it so far, remain."""
        while len(fingerprints) > MOST_KEPT:
            halved += 1
            fingerprints = fingerprints[fingerprints < _bound(halved)]
        return cls(rows, len(fingerprints), halved, sorted_distinct(fingerprints), newest)

    @property
    def repeats(self) -> Repeats | None:
        """Return how often rows repeat; None without complete rows."""
        return repeats_of(self.rows, self.row_count, len(self.different), self.halved) if self.rows else None

    def recurrence(self, earlier: RowSample) -> Recurrence | None:
        """Return the rows that recur from an earlier period; None if either is empty.

        If rows are sampled, both samples are compared.
        """
        if not self.rows or not earlier.rows:
            return None
        bound = _bound(max(self.halved, earlier.halved))
        own_fingerprints, earlier_fingerprints = (
            sample.different[: np.searchsorted(sample.different, bound)] for sample in (self, earlier)
        )
        if not len(own_fingerprints):
            return None
        position = np.searchsorted(earlier_fingerprints, own_fingerprints)
        is_inside = position < len(earlier_fingerprints)
        return Recurrence(
            len(own_fingerprints),
            int(np.count_nonzero(earlier_fingerprints[position[is_inside]] == own_fingerprints[is_inside])),
            earlier.rows,
        )


def repeats_between(connection: Connection, series: int, start: int, end: int) -> Repeats | None:
    """Return the repeats among complete stored rows of ``[start, end)``."""
    return read_sample(connection, series, start, end).repeats


def read_sample(connection: Connection, series: int, start: int, end: int) -> RowSample:
    """Read the complete rows of a period: the sampled ones, and the number of the others."""
    where = "FROM predictions WHERE series = ? AND time >= ? AND time < ? AND fingerprint"
    rows = row_count = number(connection, f"SELECT count(*) {where} IS NOT NULL", series, start, end) or 0
    halved = 0
    while row_count > MOST_KEPT:
        halved += 1
        row_count = number(connection, f"SELECT count(*) {where} < ?", series, start, end, int(_bound(halved))) or 0
    fingerprint_rows = read(
        connection, f"SELECT fingerprint {where} <= ?", series, start, end, int(_bound(halved)) - bool(halved)
    )
    newest = "SELECT max(time) FROM predictions WHERE series = ? AND time >= ? AND time < ?"
    last = number(connection, newest, series, start, end)
    return RowSample.of(rows, fingerprint_rows.column("fingerprint").to_numpy(), halved, last)


def _bound(halved: int) -> np.uint64:
    """Return the exclusive bound of sampled fingerprints; the greatest uint64 if never halved."""
    return np.uint64((1 << (64 - halved)) - (halved == 0))


class _Rows(Struct, frozen=True, eq=False):
    """Rows of a period, ordered by time; ``prints``: 0 for an incomplete row."""

    start: int
    end: int
    time: I64
    prints: U64

    @property
    def size(self) -> int:
        return self.time.nbytes + self.prints.nbytes

    @classmethod
    def of(cls, rows: pa.Table, start: int, end: int) -> _Rows:
        time, prints = (rows.column(name).to_numpy() for name in ("time", "print"))
        order = np.argsort(time, kind="stable")
        return cls(start, end, time[order], prints[order])

    def sample(self, start: int, end: int) -> RowSample:
        first, last = np.searchsorted(self.time, [start, end]).tolist()
        complete = self.prints[first:last]
        complete = complete[complete != 0]
        return RowSample.of(len(complete), complete, 0, int(self.time[last - 1]) if last > first else None)


class RowSamples:
    """Reads the complete rows of windows with a cache. Not thread-safe."""

    def __init__(self, connection: Connection, most: int = MOST_BYTES) -> None:
        """Create an empty cache; ``most``: maximum bytes."""
        self._connection, self._max_rows = connection, most
        self._samples: OrderedDict[tuple[int, int, int], RowSample] = OrderedDict()
        self._rows: OrderedDict[int, _Rows] = OrderedDict()
        self._used = 0

    def clear(self) -> None:
        """Clear the cache, after rows were deleted."""
        self._samples.clear()
        self._rows.clear()
        self._used = 0

    def forget(self, series: int, panes: Collection[int]) -> None:
        """Drop what contains panes of a series, by start, with new rows."""
        starts = np.sort(np.fromiter(panes, np.int64, len(panes)))

        def holds(start: int, end: int) -> bool:
            first, last = np.searchsorted(starts, [start, end]).tolist()
            return bool(first < last)

        for key in [key for key in self._samples if key[0] == series and holds(*key[1:])]:
            self._used -= self._samples.pop(key).different.nbytes
        rows = self._rows.get(series)
        if rows is not None and holds(rows.start, rows.end):
            del self._rows[series]

    def of(self, series: int, window: Window) -> RowSample:
        """Return the complete rows of a window."""
        key = (series, window.start, window.end)
        sample = self._samples.get(key)
        if sample is not None:
            self._samples.move_to_end(key)
            return sample
        sample = self._samples[key] = self._read(series, window)
        self._used += sample.different.nbytes
        while len(self._samples) > 1 and self._used > self._max_rows // 2:
            self._used -= self._samples.popitem(last=False)[1].different.nbytes
        return sample

    def _read(self, series: int, window: Window) -> RowSample:
        rows = self._rows.get(series)
        if rows is not None and rows.start <= window.start and window.end <= rows.end:
            return rows.sample(window.start, window.end)
        if window.end - window.start > TOGETHER:
            return read_sample(self._connection, series, window.start, window.end)
        start = window.start - window.start % TOGETHER
        end = max(start + TOGETHER, window.end)
        fingerprint_rows = read(
            self._connection,
            "SELECT time, coalesce(fingerprint, 0) AS print FROM predictions"
            f" WHERE series = ? AND time >= ? AND time < ? LIMIT {MOST_ROWS + 1}",
            *(series, start, end),
        )
        if fingerprint_rows.num_rows > MOST_ROWS:
            return read_sample(self._connection, series, window.start, window.end)
        rows = self._rows[series] = _Rows.of(fingerprint_rows, start, end)
        self._rows.move_to_end(series)
        while len(self._rows) > 1 and sum(row.size for row in self._rows.values()) > self._max_rows // 2:
            self._rows.popitem(last=False)
        return rows.sample(window.start, window.end)
