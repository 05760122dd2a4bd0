"""Read the rows of a SQL query as points of a business series: a time, a value, and what tells rows apart."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from driftline.tables.timestamps import instant
from driftline_processor.core.business import BusinessPoint
from driftline_processor.core.decode.metric_points import MOST_COUNTED
from driftline_processor.present.wording import printable

TIME, VALUE, WEIGHT = "time", "value", "weight"
"""The columns that mean something; any other tells rows of the same time apart."""

PREFIX_BYTES: Final = 8
"""Bytes of a stream that say which query it is of; as many say which row."""

MOST_DIGITS: Final = 30
"""Digits of a time that is a number: nanoseconds have 19."""

SHOWN: Final = 60
"""Characters of a value in a sentence, at most."""


class RefusedRow(NamedTuple):
    """A row that is left out.

    Attributes:
        reason: By which it is counted.
        words: What is wrong with it.
        digest: 16 bytes, the same whenever the row is read again.
    """

    reason: str
    words: str
    digest: bytes


class BusinessRows(NamedTuple):
    """The content of a result.

    Attributes:
        points: One for each row that is used, in the order of the rows.
        refused: The rows that are not.
        until: Unix nanoseconds, the latest time of a point; 0 of none.
        ordered: Whether the times of the rows ascend.
    """

    points: list[BusinessPoint]
    refused: list[RefusedRow]
    until: int
    ordered: bool


def query_digest(query: str) -> bytes:
    """Return 8 bytes that tell a query from another one.

    >>> query_digest("SELECT 1") == query_digest("SELECT 1"), len(query_digest("SELECT 2"))
    (True, 8)
    """
    return hashlib.blake2b(query.encode(), digest_size=PREFIX_BYTES).digest()


def check_columns(columns: Sequence[str]) -> list[str]:
    """Return the names of columns in small letters.

    Raises:
        ValueError: There is no time or no value, or two columns have one name.
    """
    names = [name.lower() for name in columns]
    shown = ", ".join(printable(name)[:SHOWN] for name in names[:12]) or "none"
    for wanted in (TIME, VALUE):
        if wanted not in names:
            raise ValueError(
                f"its columns are {shown}; one of them must be named '{wanted}', as in 'SELECT ... AS {wanted}'"
            )
    if len(set(names)) < len(names):
        raise ValueError(f"its columns are {shown}; give each column a different name")
    return names


def business_rows(
    name: str,
    query: bytes,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    timezone: ZoneInfo,
    now: int,
    oldest: int = 0,
    period: int | None = None,
    spacing: int = 0,
) -> BusinessRows:
    """Return the points of a result; a row that cannot be used costs only itself.

    A row whose period is not over is left for a later reading, and so is one of before ``oldest`` for ever: neither
    is refused.

    Args:
        name: Of the series.
        query: 8 bytes, of the query.
        columns: Names, in any case.
        rows: Of the result, each with a value for each column.
        timezone: Of times that name none, and of dates.
        now: Unix nanoseconds.
        oldest: Unix nanoseconds; what is older is not kept anyway.
        period: Nanoseconds that a row lasts from its time on; None: as long as rows usually are apart.
        spacing: Nanoseconds by which points of the series are usually apart; 0: rows of the result say it.

    Raises:
        ValueError: A column is missing, or there twice.

    >>> rows = [("2026-11-01", 120.0), ("2026-11-02", None), ("2026-11-03", 80)]
    >>> found = business_rows("revenue", bytes(8), ("time", "value"), rows, ZoneInfo("UTC"), 2 * 10**18)
    >>> [point.value for point in found.points], [row.words for row in found.refused]
    ([120.0, 80.0], ["value is NULL (time '2026-11-02')"])
    """
    names = check_columns(columns)
    at_time, at_value = names.index(TIME), names.index(VALUE)
    at_weight = names.index(WEIGHT) if WEIGHT in names else None
    apart = [(at, column) for at, column in sorted(enumerate(names), key=lambda one: one[1])]
    apart = [(at, column) for at, column in apart if column not in (TIME, VALUE, WEIGHT)]
    found: dict[tuple[bytes, int], BusinessPoint] = {}
    refused: list[RefusedRow] = []
    times: list[int] = []

    def refuse(reason: str, words: str, row: Sequence[object]) -> None:
        digest = hashlib.blake2b(reason.encode(), digest_size=16)
        for field in row:
            digest.update(_bytes_of(field))
        refused.append(RefusedRow(reason, words, digest.digest()))

    for row in rows:
        at = f" (time {_shown(row[at_time])})"
        try:
            time = _time(row[at_time], timezone)
        except (ValueError, ArithmeticError, OSError):
            refuse("bad_time", f"time is {_shown(row[at_time])}", row)
            continue
        if not 0 < time <= now:
            refuse("time_out_of_range", f"time is {'in the future' if time > now else 'before 1970'}{at}", row)
            continue
        value, weight = _number(row[at_value]), 1.0 if at_weight is None else _number(row[at_weight])
        if value is None:
            refuse("bad_point", f"value is {_shown(row[at_value])}{at}", row)
            continue
        if weight is None or not 0 < weight <= MOST_COUNTED:
            assert at_weight is not None
            refuse("bad_point", f"weight is {_shown(row[at_weight])}{at}", row)
            continue
        times.append(time)
        if time < oldest:
            continue
        stream = hashlib.blake2b(digest_size=16 - PREFIX_BYTES)
        for place, column in apart:
            stream.update(column.encode() + b"\0" + _bytes_of(row[place]))
        point = BusinessPoint(name, query + stream.digest(), time, value, weight)
        before = found.get((point.stream, time))
        if before is not None:
            words = f"another row has the same time and the same values{at}; add a column that differs, such as an id"
            refuse("repeated_row", words, row)
        found[point.stream, time] = point
    lasts = period if period is not None else spacing or _spacing(times)
    points = [one for one in found.values() if one.time + lasts <= now]
    ordered = all(before <= after for before, after in pairwise(times))
    return BusinessRows(points, refused, max((point.time for point in points), default=0), ordered)


def _spacing(times: Sequence[int]) -> int:
    steps = np.diff(np.unique(np.array(times, np.int64)))
    return int(np.median(steps)) if len(steps) else 0


def _time(written: object, timezone: ZoneInfo) -> int:
    """Return unix nanoseconds. Raises ValueError for what is no time."""
    if isinstance(written, str):
        written = datetime.fromisoformat(written.strip())
    if isinstance(written, Decimal):
        if written.adjusted() > MOST_DIGITS:  # an integer of a million digits costs a minute
            raise ValueError("no time")
        written = int(written) if written == written.to_integral_value() else float(written)
    if isinstance(written, date) and not isinstance(written, datetime):
        written = datetime(written.year, written.month, written.day)
    if isinstance(written, datetime) and written.tzinfo is None:
        written = written.replace(tzinfo=timezone)
    if not isinstance(written, datetime | int | float) or written != written:
        raise ValueError("no time")
    return instant(written)


def _number(written: object) -> float | None:
    """Return a number; None for what is none, such as NULL, text, true, NaN and what is beyond a float64."""
    if isinstance(written, bool) or not isinstance(written, int | float | Decimal):
        return None
    try:
        number = float(written)
    except (OverflowError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _bytes_of(field: object) -> bytes:
    said = bytes(field) if isinstance(field, bytes | bytearray | memoryview) else repr(field).encode("utf-8", "replace")
    return len(said).to_bytes(8, "big") + said


def _shown(field: object) -> str:
    """Return a value for a sentence; nothing that it holds moves a terminal's cursor."""
    if field is None:
        return "NULL"
    text = field[: SHOWN + 1] if isinstance(field, str) else repr(field)[: SHOWN + 1]
    text = text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
    return f"'{printable(text)}'"
