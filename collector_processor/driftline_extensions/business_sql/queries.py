"""Read business series from databases: run each query periodically and store new points with the query's progress.

Each database has its own thread, so that it does not delay other databases or receivers; its series are read
one after another. A query runs in a further thread, which is abandoned if it hangs, so that it delays neither
the end of the process nor the next series. The progress of a query is stored in the transaction of its points,
so that `kill -9` neither duplicates nor loses points.

A row becomes a point of a business series: a time, a value, and columns that distinguish rows of the same time.
"""

from __future__ import annotations

import hashlib
import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from os import urandom
from typing import Any, Final, NamedTuple, Protocol
from zoneinfo import ZoneInfo

import numpy as np
from driftline.export.backoff import doubling_pauses
from driftline.tables.timestamps import instant
from driftline_processor.core.business import BusinessPoint, BusinessReading
from driftline_processor.core.decode.metric_points import MOST_COUNTED
from driftline_processor.ingest.transaction import Request
from driftline_processor.present.wording import duration, printable
from driftline_processor.receipts import Overloaded, Receipt, StorageOutage
from msgspec import Struct, field

from .database import MOST_ROWS, SqlDatabase, SqlError, SqlResult, open_database
from .keys import SqlQuery

TIME, VALUE, WEIGHT = "time", "value", "weight"
"""Columns with a meaning; all others distinguish rows of the same time."""

PREFIX_BYTES: Final = 8
"""Bytes of a stream that identify the query, and bytes that identify the row."""

MOST_DIGITS: Final = 30
"""Upper limit of digits of a numeric time; nanoseconds have 19."""

SHOWN: Final = 60
"""Upper limit of characters of a value in a sentence."""


class RefusedRow(NamedTuple):
    """An invalid row.

    Attributes:
        reason: Reason in the counter.
        words: Reason for people.
        digest: 16 bytes, the same whenever the row is read again.
    """

    reason: str
    words: str
    digest: bytes


class BusinessRows(NamedTuple):
    """The content of a result.

    Attributes:
        points: One per valid row, in the order of the rows.
        refused: The invalid rows.
        until: Latest time of a point, unix nanoseconds; 0 without points.
        ordered: Whether the times of the rows ascend.
    """

    points: list[BusinessPoint]
    refused: list[RefusedRow]
    until: int
    ordered: bool


def query_digest(query: str) -> bytes:
    """Return 8 bytes that identify a query.

    >>> query_digest("SELECT 1") == query_digest("SELECT 1"), len(query_digest("SELECT 2"))
    (True, 8)
    """
    return hashlib.blake2b(query.encode(), digest_size=PREFIX_BYTES).digest()


def check_columns(columns: Sequence[str]) -> list[str]:
    """Return the names of columns in lower case.

    Raises:
        ValueError: Time or value is missing, or two columns have the same name.
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
    """Return the points of a result; invalid rows are skipped.

    A row whose period is not over is left for a later query, and a row before ``oldest`` is ignored; neither counts
    as invalid.

    Args:
        name: Name of the series.
        query: Digest of the query, 8 bytes.
        columns: Names, in any case.
        rows: Rows of the result, each with a value per column.
        timezone: Time zone of dates and of times without one.
        now: Unix nanoseconds.
        oldest: Begin of the retention, unix nanoseconds.
        period: Length of a row's period in nanoseconds; None: the usual distance of rows.
        spacing: Usual distance of the series' points in nanoseconds; 0: computed from the result.

    Raises:
        ValueError: A column is missing or duplicated.

    >>> rows = [("2026-11-01", 120.0), ("2026-11-02", None), ("2026-11-03", 80)]
    >>> found = business_rows("revenue", bytes(8), ("time", "value"), rows, ZoneInfo("UTC"), 2 * 10**18)
    >>> [point.value for point in found.points], [row.words for row in found.refused]
    ([120.0, 80.0], ["value is NULL (time '2026-11-02')"])
    """
    names = check_columns(columns)
    at_time, at_value = names.index(TIME), names.index(VALUE)
    at_weight = names.index(WEIGHT) if WEIGHT in names else None
    key_columns = [(at, column) for at, column in sorted(enumerate(names), key=lambda one: one[1])]
    key_columns = [(at, column) for at, column in key_columns if column not in (TIME, VALUE, WEIGHT)]
    points_by_key: dict[tuple[bytes, int], BusinessPoint] = {}
    refused: list[RefusedRow] = []
    times: list[int] = []

    def refuse(reason: str, words: str, row: Sequence[object]) -> None:
        digest = hashlib.blake2b(reason.encode(), digest_size=16)
        for row_field in row:
            digest.update(_bytes_of(row_field))
        refused.append(RefusedRow(reason, words, digest.digest()))

    for row in rows:
        at = f" (time {_field_text(row[at_time])})"
        try:
            time = _time(row[at_time], timezone)
        except (ValueError, ArithmeticError, OSError):
            refuse("bad_time", f"time is {_field_text(row[at_time])}", row)
            continue
        if not 0 < time <= now:
            refuse("time_out_of_range", f"time is {'in the future' if time > now else 'before 1970'}{at}", row)
            continue
        value, weight = _number(row[at_value]), 1.0 if at_weight is None else _number(row[at_weight])
        if value is None:
            refuse("bad_point", f"value is {_field_text(row[at_value])}{at}", row)
            continue
        if weight is None or not 0 < weight <= MOST_COUNTED:
            assert at_weight is not None
            refuse("bad_point", f"weight is {_field_text(row[at_weight])}{at}", row)
            continue
        times.append(time)
        if time < oldest:
            continue
        stream = hashlib.blake2b(digest_size=16 - PREFIX_BYTES)
        for place, column in key_columns:
            stream.update(column.encode() + b"\0" + _bytes_of(row[place]))
        point = BusinessPoint(name, query + stream.digest(), time, value, weight)
        before = points_by_key.get((point.stream, time))
        if before is not None:
            words = f"another row has the same time and the same values{at}; add a column that differs, such as an id"
            refuse("repeated_row", words, row)
        points_by_key[point.stream, time] = point
    lasts = period if period is not None else spacing or _spacing(times)
    points = [one for one in points_by_key.values() if one.time + lasts <= now]
    ordered = all(before <= after for before, after in pairwise(times))
    return BusinessRows(points, refused, max((point.time for point in points), default=0), ordered)


def _spacing(times: Sequence[int]) -> int:
    steps = np.diff(np.unique(np.array(times, np.int64)))
    return int(np.median(steps)) if len(steps) else 0


def _time(written: object, timezone: ZoneInfo) -> int:
    """Return unix nanoseconds. Raises ValueError for an invalid time."""
    if isinstance(written, str):
        written = datetime.fromisoformat(written.strip())
    if isinstance(written, Decimal):
        if written.adjusted() > MOST_DIGITS:  # converting an integer of a million digits takes a minute
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
    """Return a number; None for other values, such as NULL, text, true, NaN and numbers beyond float64."""
    if isinstance(written, bool) or not isinstance(written, int | float | Decimal):
        return None
    try:
        number = float(written)
    except (OverflowError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _bytes_of(field: object) -> bytes:
    encoded = (
        bytes(field) if isinstance(field, bytes | bytearray | memoryview) else repr(field).encode("utf-8", "replace")
    )
    return len(encoded).to_bytes(8, "big") + encoded


def _field_text(field: object) -> str:
    """Return a value for a sentence without terminal control characters."""
    if field is None:
        return "NULL"
    text = field[: SHOWN + 1] if isinstance(field, str) else repr(field)[: SHOWN + 1]
    text = text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
    return f"'{printable(text)}'"


FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
"""First and longest pause in seconds between a failure and the next attempt."""

MOST_HUNG: Final = 3
"""Upper limit of hanging queries per database; no further query starts before one ends."""

TOGETHER: Final = 5_000
"""Points per transaction, so that a long history does not block other data."""

MOST_REMEMBERED: Final = 10_000
"""Upper limit of remembered invalid rows per series, so that each is counted only once."""

ENDING: Final = 0.5
"""Seconds that a cancelled query has to end before its thread is abandoned."""

_log = logging.getLogger("driftline")


class KnownPoints(Protocol):
    """Access to the stored points and the progress of queries."""

    def reading(self, name: str) -> BusinessReading | None:
        """Return the progress of the query of a series, None if it never ran."""

    def spacing(self, name: str) -> int:
        """Return the usual distance of a series' points, nanoseconds; 0 for fewer than two points."""

    def changed(self, points: Sequence[BusinessPoint]) -> list[BusinessPoint]:
        """Return the points that differ from the stored ones."""


class SeriesIntake(Protocol):
    """The part of the state that accepts points."""

    def points(self) -> KnownPoints:
        """Return the stored points."""

    def offer(self, request: Request) -> Future[Receipt]:
        """Submit points; the future resolves when they are on disk."""


class _Series(Struct):
    """One series of a database.

    Attributes:
        due: Time of the next query, monotonic seconds.
        fault: Why it cannot be read; None if it can.
        notice: Problem of the data; None if there is none.
        pauses: Pauses between attempts while there is a fault.
        invalid_digests: Digests of invalid rows.
        at_once: Whether there are more rows than one query returns; the next query starts at once, without overlap.
    """

    name: str
    query: SqlQuery
    digest: bytes
    due: float = 0.0
    fault: str | None = None
    notice: str | None = None
    pauses: Iterator[float] | None = None
    invalid_digests: set[bytes] = field(default_factory=set)
    at_once: bool = False

    @property
    def key(self) -> str:
        """Its configuration key."""
        return f"business.{self.name}.sql"


class BusinessQueries:
    """Read all series with a query.

    Args:
        declared: The configured queries by the name of their series.
        retention: Retention of rows in nanoseconds; older data is not read.
        clock: Returns unix nanoseconds.
        monotonic: Returns seconds.
        connect: Creates a database from its address; replaceable in tests.
    """

    def __init__(
        self,
        declared: Mapping[str, SqlQuery],
        retention: int,
        clock: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
        connect: Callable[[str], SqlDatabase] = open_database,
    ) -> None:
        by_url: dict[str, list[_Series]] = {}
        for name, query in declared.items():
            series = _Series(name, query, query_digest(query.query))
            by_url.setdefault(query.url.get_secret_value(), []).append(series)
        self._databases = [
            _DatabaseReader(connect(url), series, retention, clock, monotonic) for url, series in by_url.items()
        ]

    def start(self, intake: SeriesIntake) -> None:
        """Start to read; databases may be unavailable at first."""
        for database in self._databases:
            database.start(intake)

    def stop(self, grace: float) -> None:
        """Stop within ``grace`` seconds, even if queries hang; data that was read but not stored is read again."""
        for database in self._databases:
            database.end()
        until = time.monotonic() + grace
        for database in self._databases:
            database.join(max(0.0, until - time.monotonic()))

    @property
    def lines(self) -> list[str]:
        """Return lines for people about the queries."""
        series = [business_series for database in self._databases for business_series in database.series]
        return [
            f"business series {business_series.name} from {printable(business_series.query.place)}"
            for business_series in series
        ]

    def sentence(self) -> str | None:
        """Return what cannot be read, for the health of the process; None if everything can."""
        sentences = [sentence for database in self._databases for sentence in database.sentences()]
        more = f"; and {len(sentences) - 1} more" if len(sentences) > 1 else ""
        return f"{sentences[0]}{more}" if sentences else None


class _DatabaseReader:
    """Reads the series of one database, one after another."""

    def __init__(
        self,
        database: SqlDatabase,
        series: Sequence[_Series],
        retention: int,
        clock: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        self._database, self.series, self._retention = database, series, retention
        self._clock, self._monotonic = clock, monotonic
        self._intake: SeriesIntake
        self._ended: Future[Any] = Future()
        self._stopping = threading.Event()
        self._hung: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._run, name=f"driftline-sql-{series[0].name}", daemon=True)

    def start(self, intake: SeriesIntake) -> None:
        self._intake = intake
        self._thread.start()

    def end(self) -> None:
        if not self._stopping.is_set():
            self._stopping.set()
            self._ended.set_result(None)

    def join(self, grace: float) -> None:
        if self._thread.ident is not None:
            self._thread.join(grace)

    def sentences(self) -> Iterator[str]:
        for business_series in self.series:
            if (problem := business_series.fault or business_series.notice) is not None:
                yield f"{business_series.key}: {problem}"

    def _run(self) -> None:
        while not self._stopping.is_set():
            following = min(self.series, key=lambda business_series: business_series.due)
            if self._stopping.wait(max(0.0, following.due - self._monotonic())):
                return
            with suppress(_Ended):
                self._turn(following)

    def _turn(self, series: _Series) -> None:
        """Read a series and schedule its next query; only the end of the process is raised."""
        try:
            self._read(series)
        except _Ended:
            raise
        except SqlError as error:
            self._failed(series, str(error))
        except (StorageOutage, Overloaded):  # it is reported separately
            self._pause(series)
        except Exception:
            _log.exception("%s: the points could not be stored; Driftline will retry", series.key)
            self._pause(series)

    def _read(self, series: _Series) -> None:
        """Read a series once and store its new points."""
        now, query, points = self._clock(), series.query, self._intake.points()
        before = points.reading(series.name)
        until = before.until if before is not None and before.query == series.digest else 0
        oldest = max(0, now - self._retention)
        look_back = 0 if series.at_once else int(query.look_back.total_seconds() * 10**9)
        result = self._query(series, max(oldest, until - look_back))
        try:
            rows = business_rows(
                name=series.name,
                query=series.digest,
                columns=result.columns,
                rows=result.rows,
                timezone=ZoneInfo(query.timezone),
                now=now,
                oldest=oldest,
                period=None if query.period is None else int(query.period.total_seconds() * 10**9),
                spacing=points.spacing(series.name),
            )
        except ValueError as error:
            raise SqlError(str(error)) from None
        reached = max(until, rows.until) if rows.ordered or not result.cut else until
        self._store(series, rows, BusinessReading(series.name, series.digest, reached), before)
        self._succeeded(series, result, reached > until, rows.ordered)

    def _query(self, series: _Series, since: int) -> SqlResult:
        """Run a query in a thread that is abandoned if it does not end."""
        self._hung = [thread for thread in self._hung if thread.is_alive()]
        if len(self._hung) >= MOST_HUNG:
            raise SqlError(
                f"{len(self._hung)} database queries have not ended; the next query starts when one of them ends"
            )
        answer: Future[SqlResult] = Future()

        def run() -> None:
            try:
                answer.set_result(self._database.read(series.query, since, MOST_ROWS))
            except SqlError as fault:
                answer.set_exception(fault)
            except BaseException as error:  # its text may hold anything
                answer.set_exception(SqlError(type(error).__name__))

        thread = threading.Thread(target=run, name=f"{self._thread.name}-query", daemon=True)
        thread.start()
        timeout = series.query.timeout.total_seconds()
        self._wait_for(answer, timeout)
        if answer.done() and not self._stopping.is_set():
            return answer.result()
        self._database.cancel()
        if self._stopping.is_set():
            raise _Ended
        self._wait_for(answer, ENDING)
        if thread.is_alive():
            self._hung.append(thread)
        raise SqlError(f"the query did not end within {duration(int(timeout * 10**9))}")

    def _wait_for(self, future: Future[Any], timeout: float | None = None) -> None:
        """Wait until a future is done, the process stops, or the timeout is over."""
        wait([future, self._ended], timeout, FIRST_COMPLETED)

    def _store(
        self, series: _Series, rows: BusinessRows, reading: BusinessReading, before: BusinessReading | None
    ) -> None:
        """Store new points and wait until they are on disk."""
        refused = self._newly_refused(series, rows.refused)
        points = self._intake.points().changed(rows.points)
        if not points and not refused and reading == before:
            return
        rejected = Counter(refusal.reason for refusal in refused)
        while len(points) > TOGETHER:  # the progress is stored with the last points: until then all are read again
            self._offer(Request(urandom(16), business=points[:TOGETHER]))
            points = points[TOGETHER:]
        self._offer(Request(urandom(16), business=points, rejected=rejected, readings=[reading]))
        if refused:
            more = f", and {len(refused) - 1} more" if len(refused) > 1 else ""
            _log.warning("%s: ignored: %s%s", series.key, refused[0].words, more)
            series.invalid_digests |= {refusal.digest for refusal in refused}

    def _offer(self, request: Request) -> None:
        """Store points, and wait until they are on disk."""
        stored = self._intake.offer(request)
        self._wait_for(stored)
        if not stored.done():
            raise _Ended
        stored.result()

    def _newly_refused(self, series: _Series, refused: Sequence[RefusedRow]) -> list[RefusedRow]:
        """Return the invalid rows that were not invalid in an earlier query."""
        if len(series.invalid_digests) > MOST_REMEMBERED:
            series.invalid_digests = {refusal.digest for refusal in refused} & series.invalid_digests
        return [
            refusal
            for refusal in {row.digest: row for row in refused}.values()
            if refusal.digest not in series.invalid_digests
        ]

    def _succeeded(self, series: _Series, result: SqlResult, moved: bool, ordered: bool) -> None:
        if series.fault is not None:
            _log.info("%s: the query works again", series.key)
        series.fault = series.pauses = None
        series.at_once = result.cut and moved
        series.due = self._monotonic() + (0.0 if series.at_once else series.query.every.total_seconds())
        if not result.cut:
            series.notice = None
            return
        fix = "the rest is read at once" if series.at_once else "add 'ORDER BY time', and select only 'time >= :since'"
        if ordered and not moved:
            fix = "none of them is newer than the rows before; select only 'time >= :since', or fewer rows per time"
        notice = f"the query returns more than {MOST_ROWS:,} rows, but only the first are used; {fix}"
        if series.notice is None:
            _log.warning("%s: %s", series.key, notice)
        series.notice = notice

    def _failed(self, series: _Series, why: str) -> None:
        if series.fault is None:
            _log.warning("%s: %s cannot be read: %s; Driftline will retry", series.key, series.query.place, why)
        series.fault = f"{series.query.place} cannot be read: {why}"
        self._pause(series)

    def _pause(self, series: _Series) -> None:
        series.pauses = series.pauses or doubling_pauses(FIRST_PAUSE, LONGEST_PAUSE)
        series.due = self._monotonic() + next(series.pauses)


class _Ended(Exception):  # noqa: N818 - no fault
    """The process stops; data that was not stored is read again after the next start."""
