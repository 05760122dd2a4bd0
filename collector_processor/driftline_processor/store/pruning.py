"""Pruning: conditions on time and UUIDv7 ids with which DuckDB reads few blocks.

DuckDB skips blocks by the minimum and maximum of each column. One range around all values would be widened by a single
old row, so distant values get ranges of their own.

A UUIDv7 begins with its time, so rows that arrived in order have ordered ids, and most blocks lie outside the ranges
of the ids. Its row cannot have arrived long before the id was created.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
from driftline.tables.ids import id_text
from driftline.tables.table import I64
from numpy.typing import NDArray

from driftline_processor.core.lazy_modules import pc
from driftline_processor.core.windows.window import DAY

from .arrow_tables import bytes_of, numbers_of_ids
from .database import Connection, read

_MOST = 16
"""Maximum number of ranges per search; each is compared with every row of the blocks that are read."""

_Bound = TypeVar("_Bound", int, str)

ROWS_APART = 500_000
"""Gap of sequence numbers from which ranges are separate: a few blocks of 122,880 rows."""

TIME_APART = 3_600 * 10**9
"""The same gap for times, in nanoseconds."""


class Condition(NamedTuple):
    """Part of a WHERE clause, and its parameters."""

    sql: str
    parameters: tuple[int | str, ...]

    def also(self, condition: Condition) -> Condition:
        """Return the conjunction of both."""
        return Condition(f"{self.sql} AND {condition.sql}", self.parameters + condition.parameters)


def days_of(connection: Connection, series: int, since: int, until: int) -> list[tuple[int, int]]:
    """Return the days (UTC) of ``[since, until)`` with predictions, as (start, end): the units of reading."""
    query = f"SELECT DISTINCT time - time % {DAY} AS day FROM predictions WHERE series = ? AND time >= ? AND time < ?"
    days = sorted(row["day"] for row in read(connection, query, series, since, until).to_pylist())
    return [(max(day, since), min(day + DAY, until)) for day in days]


def lies_within(column: str, stretches: Sequence[tuple[_Bound, _Bound]]) -> Condition:
    """Return the condition that a column lies in one of the ranges, ends included."""
    if not stretches:
        return Condition("false", ())
    sql = " OR ".join([f"{column} BETWEEN ? AND ?"] * len(stretches))
    return Condition(f"({sql})", tuple(end for stretch in stretches for end in stretch))


def lies_near(column: str, values: I64, gap: int) -> Condition:
    """Return the condition that a column lies near one of the values, see :func:`stretches`."""
    return lies_within(column, stretches(values, gap))


def stretches(values: I64, gap: int, limit: int = _MOST) -> list[tuple[int, int]]:
    """Return the fewest ranges that contain all values: cut at the ``limit`` widest gaps of at least ``gap``.

    >>> stretches(np.array([1, 2, 50, 51, 400]), 30, limit=2)
    [(1, 51), (400, 400)]
    """
    if not len(values):
        return []
    ordered = np.sort(values)
    first, last = group_intervals(ordered, ordered, gap, limit)
    return list(zip(ordered[first].tolist(), ordered[last].tolist(), strict=True))


def group_intervals(start: I64, end: I64, gap: int, limit: int = _MOST) -> tuple[I64, I64]:
    """Group ordered nonempty intervals; return the positions of the first and the last one of each group."""
    gaps = start[1:] - end[:-1]
    widest = np.argsort(-gaps, kind="stable")[: limit - 1]
    cuts = np.sort(widest[gaps[widest] >= gap])
    return np.concatenate([[0], cuts + 1]).astype(np.int64), np.append(cuts, len(start) - 1).astype(np.int64)


_SKEW = 7 * 86_400 * 10**9
"""Nanoseconds by which the clock of an id's creator may be ahead."""

_HOUR = 3_600_000
"""Milliseconds of creation time by which ids are grouped."""

MOMENT = 2 * 10**9
"""Resolution in nanoseconds of the prediction time in an outcome, for predictions with equal ids."""

_DIGITS: Final = 8
"""Hexadecimal digits of the time at the start of a UUIDv7; four more follow after a hyphen."""

_REST: Final = 65_536
"""Milliseconds in these four digits."""

_HEX: Final = np.full(256, -1, np.int64)
_HEX[list(b"0123456789abcdef")] = np.arange(16)
_HEX[list(b"ABCDEF")] = np.arange(10, 16)

_MARKS: Final = {8: b"-", 13: b"-", 14: b"7", 18: b"-", 19: b"89abAB"}
"""Positions of the hyphens and version marks in a UUIDv7."""

_LAST: Final = "~"
"""Text that is greater than every id of hexadecimal digits."""


class _Kind(NamedTuple):
    """Some of the ids: earliest arrival of their rows, range of their texts, and number of hours."""

    positions: I64
    since: Condition
    spans: Condition
    hours: int


def ids_of_text(text: str) -> pa.Array:
    """Return the ids that a text from an address or a command may mean.

    A text has no type, so a text like 17.0, as frames write integers, also means the id 17, which is the id of the
    number 17.0.

    >>> ids_of_text(" A-1 ").to_pylist(), ids_of_text("17.0").to_pylist()
    (['A-1'], ['17.0', '17'])
    """
    id = id_text(text)
    whole = id.removesuffix(".0")
    return pa.array([id, whole] if whole != id and whole.removeprefix("-").isdecimal() else [id])


class IdLookup:
    """Ids to look up.

    Args:
        ids: Distinct texts; ``which`` numbers them from 0.
    """

    def __init__(self, connection: Connection, ids: pa.Array) -> None:
        self._connection, self._ids = connection, ids
        times, begins = _id_times(ids)
        timed, untimed = np.flatnonzero(times >= 0), np.flatnonzero(times < 0)
        anywhere = Condition("true", ())
        self._kinds: list[_Kind] = []
        if len(timed):
            self._kinds.append(_kind(timed, times[timed], begins[timed]))
        if len(untimed):
            self._kinds.append(_Kind(untimed, anywhere, anywhere, 0))

    def read(self, select: str, source: str, condition: Condition) -> pa.Table:
        """Return columns of the rows of a table with one of the ids.

        ``source``: a table, named ``t`` in ``select`` and ``condition``, with ``id`` and ``received``. The ids are
        ``s``, with their number ``which``.
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
            # 4: texts of ids are compared too if the ids are of at most a quarter of all hours, because decompressing
            # the texts of one hour costs as much as the numbers of four
            if of_hours * 4 <= hours:
                where = where.also(spans)
            lookup_rows = pa.table({"which": rows, "request": numbers_of_ids(self._ids.take(pa.array(rows)))})
            tables.append(read_by_request(self._connection, lookup_rows, self._ids, where))
        return pa.concat_tables(tables)


def read_by_request(connection: Connection, table: pa.Table, ids: pa.Array, condition: Condition) -> pa.Table:
    """Return the predictions of ids: columns ``prediction``, ``series``, ``time`` and ``which``.

    ``table``: ``which`` of ``ids``, their ``request`` (:func:`.arrow_tables.numbers_of_ids`), and columns that must be
    equal, possibly the ``moment`` of their time in units of ``MOMENT``. So the store compares columns of numbers,
    skips most blocks, and reads the texts of ids only for the remaining rows. Rows whose ids only share the number are
    removed here.
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
    """Return the place of ids created at a time. ``begins``: the digits of that time."""
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


def _id_times(ids: pa.Array) -> tuple[I64, NDArray[np.uint64]]:
    """Return the time in ids: the number at the start of a UUIDv7, -1 for others, and its form."""
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
