"""Where in a table to look: stretches of a column that grows, so that the store reads the blocks that may hold a row.

DuckDB skips blocks by the least and greatest of each column. One stretch around everything would let a single old row
widen the search for all others, so what lies far apart gets stretches of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from driftline.tables import I64

from driftline_processor.core.window import DAY

from .store import Connection, read

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

    def also(self, other: Condition) -> Condition:
        """Return both together."""
        return Condition(f"{self.sql} AND {other.sql}", self.parameters + other.parameters)


def days_of(connection: Connection, series: int, since: int, until: int) -> list[tuple[int, int]]:
    """Return the days (UTC) of ``[since, until)`` that have predictions, from when until when: what is read at once."""
    query = f"SELECT DISTINCT time - time % {DAY} AS day FROM predictions WHERE series = ? AND time >= ? AND time < ?"
    days = sorted(row["day"] for row in read(connection, query, series, since, until).to_pylist())
    return [(max(day, since), min(day + DAY, until)) for day in days]


def within(column: str, stretches: Sequence[tuple[_Bound, _Bound]]) -> Condition:
    """Return the condition that a column lies in one of the stretches, ends included."""
    if not stretches:
        return Condition("false", ())
    sql = " OR ".join([f"{column} BETWEEN ? AND ?"] * len(stretches))
    return Condition(f"({sql})", tuple(end for stretch in stretches for end in stretch))


def near(column: str, values: I64, apart: int) -> Condition:
    """Return the condition that a column lies near one of the values, see :func:`stretches`."""
    return within(column, stretches(values, apart))


def stretches(values: I64, apart: int, most: int = _MOST) -> list[tuple[int, int]]:
    """Return the fewest stretches that hold all values: cut at the widest gaps of at least ``apart``, ``most`` of them.

    >>> stretches(np.array([1, 2, 50, 51, 400]), 30, most=2)
    [(1, 51), (400, 400)]
    """
    if not len(values):
        return []
    ordered = np.sort(values)
    first, last = parts(ordered, ordered, apart, most)
    return list(zip(ordered[first].tolist(), ordered[last].tolist(), strict=True))


def parts(start: I64, end: I64, apart: int, most: int = _MOST) -> tuple[I64, I64]:
    """Group intervals that lie in order, none empty: positions of the first and the last one of each group."""
    gaps = start[1:] - end[:-1]
    widest = np.argsort(-gaps, kind="stable")[: most - 1]
    cuts = np.sort(widest[gaps[widest] >= apart])
    return np.concatenate([[0], cuts + 1]).astype(np.int64), np.append(cuts, len(start) - 1).astype(np.int64)
