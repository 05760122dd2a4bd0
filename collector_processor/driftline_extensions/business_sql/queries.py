"""Read business series from databases: every query again and again, what is new of it into the state, with how far.

Each database has a thread of its own, so that no other one and nothing that receives waits for it; its series are read
one after another. A query runs in one more thread, which is left behind when it hangs: neither the end of the process
nor the next series waits for it. How far a query has been read is stored in the transaction of its points, so that
`kill -9` neither doubles nor loses any.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from os import urandom
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from driftline.export.backoff import doubling_pauses
from driftline_processor.core.business import BusinessPoint, BusinessReading
from driftline_processor.ingest.transaction import Request
from driftline_processor.present.wording import duration, printable
from driftline_processor.receipts import Overloaded, Receipt, StorageOutage
from msgspec import Struct, field

from driftline_extensions.business_sql.business_rows import BusinessRows, RefusedRow, business_rows, query_digest
from driftline_extensions.business_sql.keys import SqlQuery

from .database import MOST_ROWS, SqlDatabase, SqlError, SqlResult, open_database

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
"""Seconds from a failure to the next attempt, and at most from one to the next."""

MOST_HUNG: Final = 3
"""Queries of one database that may hang; until one of them ends, no other is begun."""

TOGETHER: Final = 5_000
"""Points that are stored at a time: what others send waits for so many, and not for a whole history."""

MOST_REMEMBERED: Final = 10_000
"""Refused rows of a series that are known again, so that each is counted once however often it is read."""

ENDING: Final = 0.5
"""Seconds that a query which is cancelled has to end, before its thread is left behind."""

_log = logging.getLogger("driftline")


class KnownPoints(Protocol):
    """The points that are stored, and how far queries have been read."""

    def reading(self, name: str) -> BusinessReading | None:
        """Return how far the query of a series has been read, None where it never was."""

    def spacing(self, name: str) -> int:
        """Return the usual time between two points of a series, nanoseconds; 0 of fewer than two."""

    def changed(self, points: Sequence[BusinessPoint]) -> list[BusinessPoint]:
        """Return the points that are not stored as they are."""


class SeriesIntake(Protocol):
    """The side of the state that takes points in."""

    def points(self) -> KnownPoints:
        """Return what is stored."""

    def offer(self, request: Request) -> Future[Receipt]:
        """Take points in; the future resolves when they are on disk."""


class _Series(Struct):
    """One series of a database.

    Attributes:
        due: When it is read next, seconds of the monotonic clock.
        fault: Why it cannot be read; None while it can.
        notice: What is wrong with what was read; None where nothing is.
        pauses: From one attempt to the next, while there is a fault.
        known: Digests of refused rows.
        at_once: Whether more rows wait than one reading brings: they come next, without looking back.
    """

    name: str
    query: SqlQuery
    digest: bytes
    due: float = 0.0
    fault: str | None = None
    notice: str | None = None
    pauses: Iterator[float] | None = None
    known: set[bytes] = field(default_factory=set)
    at_once: bool = False

    @property
    def key(self) -> str:
        """Where it stands in the file."""
        return f"business.{self.name}.sql"


class BusinessQueries:
    """Reads all series that name a query.

    Args:
        declared: The queries of the file, by the name of their series.
        retention: Nanoseconds that rows are kept; what is older is not read.
        clock: Unix nanoseconds.
        monotonic: Seconds.
        connect: Makes a database of its address; tests give their own.
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
        """Begin to read; no database needs to be there yet."""
        for database in self._databases:
            database.start(intake)

    def stop(self, grace: float) -> None:
        """End within so many seconds, also where queries hang; what was read and not stored is read again."""
        for database in self._databases:
            database.end()
        until = time.monotonic() + grace
        for database in self._databases:
            database.join(max(0.0, until - time.monotonic()))

    @property
    def lines(self) -> list[str]:
        """Lines about what is read, for people."""
        series = [business_series for database in self._databases for business_series in database.series]
        return [
            f"business series {business_series.name} from {printable(business_series.query.place)}"
            for business_series in series
        ]

    def sentence(self) -> str | None:
        """Say what cannot be read, for the health of the process; None while everything can."""
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
        """Read a series, and say when it is read next; only the end of the process is raised."""
        try:
            self._read(series)
        except _Ended:
            raise
        except SqlError as error:
            self._failed(series, str(error))
        except (StorageOutage, Overloaded):  # which is said by itself
            self._pause(series)
        except Exception:
            _log.exception("%s: the points could not be stored; Driftline will retry", series.key)
            self._pause(series)

    def _read(self, series: _Series) -> None:
        """Read a series once, and store what is new of it."""
        now, query, points = self._clock(), series.query, self._intake.points()
        before = points.reading(series.name)
        until = before.until if before is not None and before.query == series.digest else 0
        oldest = max(0, now - self._retention)
        look_back = 0 if series.at_once else int(query.look_back.total_seconds() * 10**9)
        result = self._query(series, max(oldest, until - look_back))
        try:
            rows = business_rows(
                *(series.name, series.digest, result.columns, result.rows, ZoneInfo(query.timezone), now, oldest),
                None if query.period is None else int(query.period.total_seconds() * 10**9),
                points.spacing(series.name),
            )
        except ValueError as error:
            raise SqlError(str(error)) from None
        reached = max(until, rows.until) if rows.ordered or not result.cut else until
        self._store(series, rows, BusinessReading(series.name, series.digest, reached), before)
        self._succeeded(series, result, reached > until, rows.ordered)

    def _query(self, series: _Series, since: int) -> SqlResult:
        """Run a query in a thread that is left behind when it does not end."""
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
        """Wait until a future is done, the process stops, or so many seconds are over."""
        wait([future, self._ended], timeout, FIRST_COMPLETED)

    def _store(
        self, series: _Series, rows: BusinessRows, reading: BusinessReading, before: BusinessReading | None
    ) -> None:
        """Store what is new, and wait until it is on disk."""
        refused = self._newly_refused(series, rows.refused)
        points = self._intake.points().changed(rows.points)
        if not points and not refused and reading == before:
            return
        rejected = Counter(refusal.reason for refusal in refused)
        while len(points) > TOGETHER:  # how far comes with the last ones: until then all are read again
            self._offer(Request(urandom(16), business=points[:TOGETHER]))
            points = points[TOGETHER:]
        self._offer(Request(urandom(16), business=points, rejected=rejected, readings=[reading]))
        if refused:
            more = f", and {len(refused) - 1} more" if len(refused) > 1 else ""
            _log.warning("%s: ignored: %s%s", series.key, refused[0].words, more)
            series.known |= {refusal.digest for refusal in refused}

    def _offer(self, request: Request) -> None:
        """Store points, and wait until they are on disk."""
        stored = self._intake.offer(request)
        self._wait_for(stored)
        if not stored.done():
            raise _Ended
        stored.result()

    def _newly_refused(self, series: _Series, refused: Sequence[RefusedRow]) -> list[RefusedRow]:
        """Return the rows that no earlier reading refused."""
        if len(series.known) > MOST_REMEMBERED:
            series.known = {refusal.digest for refusal in refused} & series.known
        return [
            refusal for refusal in {row.digest: row for row in refused}.values() if refusal.digest not in series.known
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
    """The process stops; what was not stored is read again at the next start."""
