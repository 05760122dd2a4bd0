"""Run one SELECT on a foreign database: read only, with limits on time, rows and bytes.

SQLite is read by the standard library, every other database by SQLAlchemy. Error messages of a database are
passed on without the password and the options of its address.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from sys import getsizeof
from typing import Any, Final, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from driftline_processor.present.wording import printable

from driftline_extensions.business_sql.keys import SINCE, SINCE_UNIX, SqlQuery, escaped, parameters_of, secrets_of

MOST_ROWS: Final = 50_000
"""Upper limit of rows per query."""

MOST_BYTES: Final = 1 << 20
"""Upper limit of bytes per value or row of SQLite; larger ones fail the query."""

MOST_MEMORY: Final = 64 << 20
"""Upper limit of bytes of the rows of one query; larger results fail."""

LOCKED: Final = 5.0
"""Upper limit of the wait for a lock on a SQLite file, seconds."""

LONGEST: Final = 300
"""Upper limit of characters of a database's error message."""

_TOGETHER: Final = 100
"""Rows per fetch of SQLAlchemy, which are in memory before their bytes are counted."""

_SHORT_SECRET: Final = 4
"""Minimum length of a password to be masked; an error message that contains a shorter one is dropped."""

_SESSION: Final = {
    "sqlite": ("PRAGMA query_only = ON",),
    "postgresql": (
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        "SET TIME ZONE '{timezone}'",
        "SET statement_timeout = {milliseconds}",
    ),
    "mysql": ("SET SESSION TRANSACTION READ ONLY", "SET SESSION max_execution_time = {milliseconds}"),
    "mariadb": ("SET SESSION TRANSACTION READ ONLY", "SET SESSION max_statement_time = {seconds}"),
}
"""Kind of a database → statements that make a session read only and set a timeout on its server."""

_ZONED: Final = ("postgresql",)
"""Kinds of database that use the session's time zone to compare times with and without a zone."""


class SqlError(Exception):
    """A query failed; the message is fit for people and contains no password."""


class SqlResult(NamedTuple):
    """The rows of a query.

    Attributes:
        columns: Their names.
        rows: The rows, up to the requested number.
        cut: Whether there are more.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    cut: bool


class SqlDatabase(Protocol):
    """A database. One thread reads; any other may cancel."""

    def read(self, query: SqlQuery, since: int, most: int) -> SqlResult:
        """Run a query.

        Args:
            query: Its keys.
            since: Begin of the requested rows, unix nanoseconds.
            most: Upper limit of rows.

        Raises:
            SqlError: The database cannot be reached, or the query fails.
        """

    def cancel(self) -> None:
        """Cancel the running query if its driver can."""


def open_database(url: str) -> SqlDatabase:
    """Return the database of an address, without connecting to it."""
    return SqliteDatabase(url) if url.startswith("sqlite://") else AnyDatabase(url)


def wall_time(since: int, timezone: ZoneInfo) -> str:
    """Return whole seconds in SQLite's format; midnight as a date only, which sorts before all its other forms.

    >>> wall_time(1_795_161_600 * 10**9, ZoneInfo("UTC")), wall_time(1_795_132_800 * 10**9, ZoneInfo("UTC"))
    ('2026-11-20 08:00:00', '2026-11-20')
    """
    text = f"{datetime.fromtimestamp(since // 10**9, UTC).astimezone(timezone):%Y-%m-%d %H:%M:%S}"
    return text.removesuffix(" 00:00:00")


def said_by(error: BaseException, url: str) -> str:
    """Return a driver's error message on one line without the secrets of the address.

    >>> said_by(ValueError("no user 'me' with 'hunter22' at db"), "mysql://me:hunter22@db/shop")
    "no user 'me' with '***' at db"
    """
    error = getattr(error, "orig", None) or error
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    for secret in secrets_of(url):
        if len(secret) < _SHORT_SECRET and secret in text:
            return type(error).__name__
        text = text.replace(secret, "***").replace(repr(secret)[1:-1], "***")
    return printable(text[:LONGEST])


def _fetch(rows: Iterable[Sequence[object]], limit: int) -> list[Sequence[object]]:
    """Return the first rows.

    Raises:
        SqlError: They exceed the memory limit.
    """
    rows_read: list[Sequence[object]] = []
    size = 0
    for row in islice(rows, limit):
        size += sum(map(getsizeof, row))
        if size > MOST_MEMORY:
            raise SqlError(
                f"its rows need more than {MOST_MEMORY >> 20} MiB; select only time, value, weight, and the columns "
                "that distinguish rows with the same time"
            )
        rows_read.append(row)
    return rows_read


class SqliteDatabase:
    """A SQLite file, opened read only for each query; only reading statements are allowed.

    Args:
        url: ``sqlite:///`` and a path.
    """

    def __init__(self, url: str) -> None:
        self._url, self._path = url, Path(url.removeprefix("sqlite:///")).absolute()
        self._connection: sqlite3.Connection | None = None

    def read(self, query: SqlQuery, since: int, most: int) -> SqlResult:
        """Run a query, see :class:`SqlDatabase`."""
        values = {SINCE: wall_time(since, ZoneInfo(query.timezone)), SINCE_UNIX: since // 10**9}
        wait = min(LOCKED, query.timeout.total_seconds())
        try:
            place = f"{self._path.as_uri()}?mode=ro"
            with closing(sqlite3.connect(place, timeout=wait, uri=True, check_same_thread=False)) as connection:
                connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_BYTES)
                connection.set_authorizer(_allow_reading)
                connection.text_factory = partial(str, encoding="utf-8", errors="replace")
                self._connection = connection
                try:
                    cursor = connection.execute(query.query, values)
                    columns = [column[0] for column in cursor.description or ()]
                    rows = _fetch(cursor, most + 1)
                finally:
                    self._connection = None
        except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
            if not self._path.exists():
                raise SqlError(f"there is no file '{printable(self._path.name)}'") from None
            raise SqlError(said_by(error, self._url)) from None
        return SqlResult(columns, rows[:most], len(rows) > most)

    def cancel(self) -> None:
        """Interrupt the running query."""
        connection = self._connection
        if connection is not None:
            with suppress(sqlite3.Error):  # it has ended meanwhile
                connection.interrupt()


_READING = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})


def _allow_reading(action: int, *_: object) -> int:
    """Allow a SELECT and its parts; ATTACH could open another file for writing, and PRAGMA change settings."""
    return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY


class AnyDatabase:
    """A database that SQLAlchemy supports; each query has its own connection and is rolled back.

    Args:
        url: In SQLAlchemy's syntax.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine: Any = None
        self._connection: Any = None

    def read(self, query: SqlQuery, since: int, most: int) -> SqlResult:
        """Run a query, see :class:`SqlDatabase`."""
        from sqlalchemy import DateTime, Integer, bindparam, create_engine, text
        from sqlalchemy.pool import NullPool

        try:
            if self._engine is None:
                # Its logger would show parameters; its errors are reported without them.
                self._engine = create_engine(self._url, poolclass=NullPool, hide_parameters=True)
            kind = self._engine.dialect.name
            since_time = datetime.fromtimestamp(since // 10**9, UTC).astimezone(ZoneInfo(query.timezone))
            values: dict[str, Any] = {
                SINCE: since_time if kind in _ZONED else since_time.replace(tzinfo=None),
                SINCE_UNIX: since // 10**9,
            }
            if kind == "sqlite":
                values[SINCE] = wall_time(since, ZoneInfo(query.timezone))
            kinds: dict[str, Any] = {SINCE: DateTime(timezone=kind in _ZONED), SINCE_UNIX: Integer()}
            parameters = dict.fromkeys(parameters_of(query.query))
            bound = [bindparam(name, values[name], None if kind == "sqlite" else kinds[name]) for name in parameters]
            with self._engine.connect() as connection:
                self._connection = connection.connection.dbapi_connection
                try:
                    self._prepare(connection, kind, query)
                    result = connection.execution_options(stream_results=True, max_row_buffer=_TOGETHER).execute(
                        text(escaped(query.query)).bindparams(*bound)
                    )
                    columns = list(result.keys()) if result.returns_rows else []
                    rows = _fetch(map(tuple, result), most + 1) if columns else []
                    result.close()
                finally:
                    self._connection = None
                    connection.rollback()
        except SqlError:
            raise
        except Exception as error:
            raise SqlError(said_by(error, self._url)) from None
        return SqlResult(columns, rows[:most], len(rows) > most)

    def _prepare(self, connection: Any, kind: str, query: SqlQuery) -> None:
        """Make the session read only if its kind supports it."""
        seconds = query.timeout.total_seconds()
        is_mariadb = kind == "mysql" and getattr(self._engine.dialect, "is_mariadb", False)
        for statement in _SESSION.get("mariadb" if is_mariadb else kind, ()):
            command = statement.format(timezone=query.timezone, milliseconds=int(seconds * 1000), seconds=seconds)
            connection.exec_driver_sql(command)
        connection.commit()  # the setting applies from the next transaction on

    def cancel(self) -> None:
        """Request the driver to cancel the running query if it can."""
        cancel = getattr(self._connection, "cancel", None)
        if cancel is not None:
            with suppress(Exception):  # it has ended meanwhile
                cancel()
