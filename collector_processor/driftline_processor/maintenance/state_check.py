"""Checks a stored state without changing it: the database with each of its blocks, and the log of requests."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from driftline_processor.ingest.transaction import log_position
from driftline_processor.log.acknowledged import COPY_NAME, last_received
from driftline_processor.log.check import LogReport, check_log
from driftline_processor.log.segments import NO_FOLDER, UnknownFormat
from driftline_processor.present.numbers import many
from driftline_processor.store.archive import DATABASE
from driftline_processor.store.audit_log import read_audit_key
from driftline_processor.store.database import (
    ACKNOWLEDGED,
    AUDIT_KEY,
    Connection,
    DatabaseError,
    StorageError,
    acknowledged_time,
    gap_only_here_sentence,
    gap_sentence,
    has_tables,
    lacking_tables,
    mark,
    only_here_time,
    reading_only,
)
from driftline_processor.store.migrations import SCHEMA_VERSION
from driftline_processor.store.salvage import damage_sentence


class StateReport(Struct):
    """The result of a check.

    Attributes:
        schema: Version of the tables; 0 if it cannot be read.
        rows: Number of rows by table.
        log: The log of requests.
        damages: A sentence per damage, with the fix.
        notes: A sentence for what is not a damage.
    """

    schema: int = 0
    rows: dict[str, int] = {}
    log: LogReport | None = None
    damages: list[str] = []
    notes: list[str] = []


class _DatabaseReading(Struct):
    """What a database shows about the log of requests.

    Attributes:
        is_missing: Whether there is no database.
        stored: Position in the log up to which it has the requests.
        acknowledged: Acknowledged end of the log when they were stored.
        gap: A sentence about acknowledged requests that it lacks; None if it has all.
        gap_only_here: A sentence about data that it lacks and the log never had; None if it has all.
    """

    is_missing: bool = False
    stored: int = 0
    acknowledged: int = 0
    gap: str | None = None
    gap_only_here: str | None = None


class NotAState(Exception):  # noqa: N818 - the input is wrong, not the program
    """There is no state, or it cannot be checked now; the message has the rule and the fix."""


def check_state(directory: Path) -> StateReport:
    """Read everything in the directory of a state that no process uses.

    Raises:
        NotAState: There is no state in the directory, a process uses it, or a newer version wrote it.
    """
    report = StateReport()
    database = _read_database(directory, report)
    if report.schema > SCHEMA_VERSION:
        raise NotAState(
            f"{directory}: was written by a newer version of Driftline (schema {report.schema}; this version reads "
            f"{SCHEMA_VERSION}); use that version"
        )
    if 0 < report.schema < SCHEMA_VERSION:
        report.notes.append(f"the next start makes a backup and upgrades the state to schema {SCHEMA_VERSION}")
    log = directory / "log"
    if log.exists() and not log.is_dir():
        report.damages.append(f"{log}: {NO_FOLDER}")
        return report
    try:
        report.log = check_log(log, database.stored, database.acknowledged, directory / COPY_NAME)
    except UnknownFormat as error:
        raise NotAState(f"{directory}/log: {error}; use the version of Driftline that wrote it") from error
    _compare_with_log(database, report.log, report)
    try:
        read_audit_key(directory / AUDIT_KEY)
    except FileNotFoundError:
        pass  # the next start creates it
    except StorageError as error:
        report.damages.append(str(error))
    report.damages += report.log.damages
    report.notes += report.log.notes
    if (sentence := damage_sentence(directory)) is not None:
        report.notes.append(sentence)
    return report


def _read_database(directory: Path, report: StateReport) -> _DatabaseReading:
    """Read all tables of the database, if there is one, and what it shows about the log of requests."""
    file, reading = directory / DATABASE, _DatabaseReading()
    if not file.exists():
        if not any((directory / name).exists() for name in (AUDIT_KEY, ACKNOWLEDGED, COPY_NAME, "log")):
            raise NotAState(f"{directory}: contains no {DATABASE}; use the directory of storage.directory, or a backup")
        reading.is_missing = True
        reading.gap = gap_sentence(directory, 0, last_received(directory), is_missing=True)
        reading.gap_only_here = gap_only_here_sentence(directory, 0, is_missing=True)
        return reading
    try:
        with reading_only(file) as connection:
            times: tuple[int, int] | None = 0, 0
            if has_tables(connection):
                reading.stored, reading.acknowledged = log_position(connection)
                _check_tables(connection, report)
                is_readable = "acknowledged" in report.rows
                times = (acknowledged_time(connection), only_here_time(connection)) if is_readable else None
            if times is not None:
                reading.gap = gap_sentence(directory, times[0], 0, is_missing=False)
                reading.gap_only_here = gap_only_here_sentence(directory, times[1], is_missing=False)
    except DatabaseError as error:
        reason = str(error).splitlines()[0]
        if "Could not set lock on file" in reason:
            raise NotAState(
                f"{directory}: is in use by a running process; make a backup with 'driftline state backup FILE', and "
                "check the file"
            ) from error
        report.damages.append(
            f"{DATABASE} cannot be opened ({reason[:200]}); restore a backup, or start driftline, which sets the file "
            "aside and reads the log again"
        )
    return reading


def _compare_with_log(database: _DatabaseReading, log: LogReport, report: StateReport) -> None:
    """Add what the database has lost: a note if the log still has it, else a damage."""
    is_in_log = log.size > 0 and log.first <= database.stored
    if database.is_missing and is_in_log:
        report.notes.append(f"{DATABASE} is missing; the next start reads all requests from the log again")
    elif database.gap is not None and is_in_log:
        report.notes.append(f"the write-ahead log of {DATABASE} was lost; the next start reads its requests again")
    lost = database.gap_only_here if is_in_log else database.gap or database.gap_only_here
    if lost is not None:
        report.damages.append(f"{lost}; or restore a backup")
    elif database.is_missing and not is_in_log:
        report.damages.append(f"{DATABASE} is missing; restore a backup")


def _check_tables(connection: Connection, report: StateReport) -> None:
    """Count and read all rows, which compares the checksum of each block."""
    report.schema = mark(connection, "schema")
    if report.schema == SCHEMA_VERSION and (lacking := lacking_tables(connection)):
        report.damages.append(f"{DATABASE}: {lacking}; restore a backup, or start driftline, which keeps the others")
    names = connection.execute("SELECT table_name FROM duckdb_tables() WHERE NOT internal ORDER BY 1").fetchall()
    for (table,) in names:
        try:
            query = f'SELECT count(*), sum(hash(t)::HUGEINT) FROM "{table}" t'
            report.rows[table] = int(connection.execute(query).fetchall()[0][0])
        except DatabaseError as error:
            reason = str(error).splitlines()[0]
            report.damages.append(
                f"the table {table} is damaged ({reason[:200]}); restore a backup, or start driftline, which sets "
                "the file aside and keeps the readable rows"
            )


def lines(report: StateReport) -> list[str]:
    """Return the report as lines of text."""
    filled = {table: rows for table, rows in report.rows.items() if rows}
    width = max(map(len, filled), default=0)
    texts = [f"schema {report.schema or 'unknown'} (this version reads {SCHEMA_VERSION})"]
    texts += [f"  {table:<{width}}  {rows:>12,} rows" for table, rows in filled.items()]
    if report.log is not None:
        files, requests = many(report.log.files, "file"), many(report.log.requests, "request")
        texts.append(f"log: {files}, {requests}, {many(report.log.size, 'byte')}")
    texts += [f"note: {note}" for note in report.notes]
    texts += [f"damaged: {damage}" for damage in report.damages]
    return [*texts, f"{many(len(report.damages), 'damage')} found" if report.damages else "no damage found"]
