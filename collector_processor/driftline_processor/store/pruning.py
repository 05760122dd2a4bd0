"""Pruning: the intervals of time and UUIDv7 ids to read, so that DuckDB reads few blocks.

Where in a table to look: stretches of a column that grows, so that the store reads the blocks that may hold a row.

DuckDB skips blocks by the least and greatest of each column. One stretch around everything would let a single old row
widen the search for all others, so what lies far apart gets stretches of its own.

Ids that are looked for in a table: those that say when they were made only where they can be, the others everywhere.

A UUIDv7 begins with its time, so rows that came in order have ids in order, and whole blocks lie beside the ids that
are looked for. Neither could its row have arrived long before the id was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
from driftline.tables.table import I64
from numpy.typing import NDArray

from driftline_processor.core.lazy_modules import pc
from driftline_processor.core.windows.window import DAY

from .arrow_tables import bytes_of, numbers_of_ids
from .database import Connection, read

_MOST = 16
"""Stretches of one search: each is compared with every row of the blocks that are read."""

_Bound = TypeVar("_Bound", int, str)

ROWS_APART = 500_000
"""Sequence numbers further apart than this are searched for apart: a few blocks of 122,880 rows."""

TIME_APART = 3_600 * 10**9
"""The same for times, nanoseconds."""


class Condition(NamedTuple):
    """Part of a WHERE clause, and its parameters."""

    sql: str
    parameters: tuple[int | str, ...]

    def also(self, condition: Condition) -> Condition:
        """Return both together."""
        return Condition(f"{self.sql} AND {condition.sql}", self.parameters + condition.parameters)


def days_of(connection: Connection, series: int, since: int, until: int) -> list[tuple[int, int]]:
    """Return the days (UTC) of ``[since, until)`` that have predictions, from when until when: what is read at once."""
    query = f"SELECT DISTINCT time - time % {DAY} AS day FROM predictions WHERE series = ? AND time >= ? AND time < ?"
    days = sorted(row["day"] for row in read(connection, query, series, since, until).to_pylist())
    return [(max(day, since), min(day + DAY, until)) for day in days]


def lies_within(column: str, stretches: Sequence[tuple[_Bound, _Bound]]) -> Condition:
    """Return the condition that a column lies in one of the stretches, ends included."""
    if not stretches:
        return Condition("false", ())
    sql = " OR ".join([f"{column} BETWEEN ? AND ?"] * len(stretches))
    return Condition(f"({sql})", tuple(end for stretch in stretches for end in stretch))


def lies_near(column: str, values: I64, gap: int) -> Condition:
    """Return the condition that a column lies near one of the values, see :func:`stretches`."""
    return lies_within(column, stretches(values, gap))


def stretches(values: I64, gap: int, limit: int = _MOST) -> list[tuple[int, int]]:
    """Return the fewest stretches that hold all values: cut at the widest gaps of at least ``gap``, ``limit`` of them.

    >>> stretches(np.array([1, 2, 50, 51, 400]), 30, limit=2)
    [(1, 51), (400, 400)]
    """
    if not len(values):
        return []
    ordered = np.sort(values)
    first, last = group_intervals(ordered, ordered, gap, limit)
    return list(zip(ordered[first].tolist(), ordered[last].tolist(), strict=True))


def group_intervals(start: I64, end: I64, gap: int, limit: int = _MOST) -> tuple[I64, I64]:
    """Group intervals that lie in order, none empty: positions of the first and the last one of each group."""
    gaps = start[1:] - end[:-1]
    widest = np.argsort(-gaps, kind="stable")[: limit - 1]
    cuts = np.sort(widest[gaps[widest] >= gap])
    return np.concatenate([[0], cuts + 1]).astype(np.int64), np.append(cuts, len(start) - 1).astype(np.int64)


_SKEW = 7 * 86_400 * 10**9
"""Nanoseconds by which the clock that made an id may be ahead of ours."""

_HOUR = 3_600_000
"""Ids are put together by the hour in which they were made, milliseconds."""

MOMENT = 2 * 10**9
"""Nanoseconds by which predictions of an id are told apart where an outcome names the time of its own."""

_DIGITS: Final = 8
"""Hexadecimal digits of its time that a UUIDv7 begins with; four more follow after a hyphen."""

_REST: Final = 65_536
"""Milliseconds that those four tell apart."""

_HEX: Final = np.full(256, -1, np.int64)
_HEX[list(b"0123456789abcdef")] = np.arange(16)
_HEX[list(b"ABCDEF")] = np.arange(10, 16)

_MARKS: Final = {8: b"-", 13: b"-", 14: b"7", 18: b"-", 19: b"89abAB"}
"""Places of the marks in a UUIDv7."""

_LAST: Final = "~"
"""Greater than whatever stands in an id of hexadecimal digits."""


class _Kind(NamedTuple):
    """Some of the ids: since when their rows came, between which texts they lie, and how many hours those are of."""

    which: I64
    since: Condition
    spans: Condition
    hours: int


class IdLookup:
    """Ids that are looked for.

    Args:
        ids: Texts, none twice; ``which`` numbers them, from 0.
    """

    def __init__(self, connection: Connection, ids: pa.Array) -> None:
        self._connection, self._ids = connection, ids
        times, begins = _made(ids)
        timed, untimed = np.flatnonzero(times >= 0), np.flatnonzero(times < 0)
        anywhere = Condition("true", ())
        self._kinds: list[_Kind] = []
        if len(timed):
            self._kinds.append(_kind(timed, times[timed], begins[timed]))
        if len(untimed):
            self._kinds.append(_Kind(untimed, anywhere, anywhere, 0))

    def read(self, select: str, source: str, condition: Condition) -> pa.Table:
        """Return columns of the rows of a table whose id is sought.

        ``source``: a table, called ``t`` in ``select`` and ``condition``; it has ``id`` and ``received``. The ids that
        are sought are ``s``, with their number ``which``.
        """
        tables = []
        for rows, since, spans, _ in self._kinds:
            sql, parameters = condition.also(since).also(spans)
            lookup_rows = pa.table({"which": rows, "id": self._ids.take(pa.array(rows))})
            query = f"SELECT {select} FROM {source} t JOIN sought s ON s.id = t.id WHERE {sql}"
            tables.append(read(self._connection, query, *parameters, sought=lookup_rows))
        return pa.concat_tables(tables)

    def predictions(self, condition: Condition) -> pa.Table:
        """Return the predictions of these ids: columns ``prediction``, ``series``, ``time`` and ``which``."""
        first, last = self._connection.execute("SELECT min(received), max(received) FROM predictions").fetchall()[0]
        hours = 0 if first is None else (last - first) // (_HOUR * 10**6) + 1
        tables = []
        for rows, since, spans, of_hours in self._kinds:
            where = condition.also(since)
            # 4: ids of at most this part of all hours that are kept are looked for by their texts, too: to unpack those
            # of an hour costs as much as the numbers of four
            if of_hours * 4 <= hours:
                where = where.also(spans)
            lookup_rows = pa.table({"which": rows, "request": numbers_of_ids(self._ids.take(pa.array(rows)))})
            tables.append(read_by_request(self._connection, lookup_rows, self._ids, where))
        return pa.concat_tables(tables)


def read_by_request(connection: Connection, table: pa.Table, ids: pa.Array, condition: Condition) -> pa.Table:
    """Return the predictions of ids: columns ``prediction``, ``series``, ``time`` and ``which``.

    ``table``: ``which`` of ``ids``, their ``request`` (:func:`.arrow_tables.numbers_of_ids`), and columns that must be
    the same, too, perhaps the ``moment`` of their time, each of ``MOMENT`` nanoseconds. So the store reads columns
    of numbers, of which it skips what cannot match, and the others, the texts of ids above all, for what is left; whose
    ids only have the same number is seen here.
    """
    same = ", ".join(name for name in table.column_names if name != "which")
    moments = f"(SELECT *, time // {MOMENT} AS moment FROM predictions)" if "moment" in same else "predictions"
    rows = read(
        connection,
        f"SELECT t.seq AS prediction, t.series, t.time, s.which, t.id FROM {moments} t JOIN sought s USING ({same})"
        f" WHERE {condition.sql}",
        *condition.parameters,
        sought=table,
    )
    right = pc.equal(rows["id"], ids.take(rows["which"].combine_chunks()))
    rows = rows.drop_columns("id")
    return rows if pc.all(right).as_py() else rows.filter(right)


def _kind(places: I64, times: I64, begins: NDArray[np.uint64]) -> _Kind:
    """Return the place of ids made at a time. ``begins``: the written digits of that time."""
    order = np.argsort(times)
    hour = times[order] * _REST // _HOUR
    new = np.flatnonzero(np.diff(hour, prepend=-1))
    first, last = group_intervals(hour[new], hour[new] + 1, 1)
    starts, id_numbers = new[first], begins[order]
    smallest, greatest = np.minimum.reduceat(id_numbers, starts), np.maximum.reduceat(id_numbers, starts)
    spans = [
        (_text(first_number), _text(last_number) + _LAST)
        for first_number, last_number in zip(smallest, greatest, strict=True)
    ]
    earliest = int(times.min()) * _REST * 10**6 - _SKEW
    hours = int((hour[new[last]] - hour[starts] + 1).sum())
    return _Kind(places, Condition("t.received >= ?", (earliest,)), lies_within("t.id", spans), hours)


def _text(begin: np.uint64) -> str:
    return int(begin).to_bytes(_DIGITS).decode()


def _made(ids: pa.Array) -> tuple[I64, NDArray[np.uint64]]:
    """Return the time in ids: the number that a UUIDv7 begins with, -1 for others, and its form."""
    data, offsets = bytes_of(ids)
    times, begins = np.full(len(ids), -1, np.int64), np.zeros(len(ids), np.uint64)
    rows = np.flatnonzero(np.diff(offsets) > max(_MARKS))
    for place, marks in _MARKS.items():
        rows = rows[np.isin(data[offsets[rows] + place], list(marks))]
    if not len(rows):
        return times, begins
    digit_bytes = data[offsets[rows, np.newaxis] + np.arange(_DIGITS)]
    digits = _HEX[digit_bytes]
    number = digits @ 16 ** np.arange(_DIGITS - 1, -1, -1)
    times[rows] = np.where((digits >= 0).all(axis=1), number, -1)
    begins[rows] = digit_bytes.view(">u8")[:, 0]
    return times, begins
