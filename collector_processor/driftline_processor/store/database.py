"""The DuckDB file with all tables: rows, outcomes, joined rows, panes and evaluations.

Two threads write, each with its own connection: ingestion (:mod:`~driftline_processor.ingest`) only *adds* rows; the
keeper (:mod:`~driftline_processor.join`, :mod:`~driftline_processor.evaluation`) adds, replaces and deletes rows of
its own. They never change the same row, so neither waits for the other. Rows travel as Arrow tables.

Append-only tables have a column ``seq``, assigned by one thread in the order of its commits, so that new rows are
``seq > mark``. DuckDB skips blocks by the minimum and maximum of ``seq`` and ``time``, so there are no indexes.

An unreadable row is left out and logged once; it never stops the processor.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import stat
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from driftline_processor.present.wording import iso_time
from driftline_processor.receipts import StorageOutage

from .archive import Member, archive_blocks, write_archive
from .migrations import SCHEMA_VERSION, upgrade
from .salvage import Salvage, damage_sentence, salvage_tables, set_aside, write_reason

T = TypeVar("T")

_TOLD = ("environment", "model", "version", "series", "slice", "name", "start", "digest", "part")
"""Columns that identify a row in a log message, as far as the table has them."""


class UnreadableRows:
    """The rows that could not be read since the file was opened. Thread-safe.

    >>> rows = UnreadableRows()
    >>> list(rows.skipped("concept", [{"series": 1, "state": "7"}], lambda row: int(row["state"])))
    [({'series': 1, 'state': '7'}, 7)]
    >>> rows.sentence() is None
    True
    """

    def __init__(self) -> None:
        self._logged: set[tuple[str, str]] = set()
        self._counted: Counter[str] = Counter()
        self._lock = threading.Lock()

    def skipped(
        self, table: str, rows: Iterable[dict[str, Any]], parse: Callable[[dict[str, Any]], T]
    ) -> Iterator[tuple[dict[str, Any], T]]:
        """Yield parsed rows of a table; leave out and note the others."""
        for row in rows:
            try:
                parsed = parse(row)
            except Exception as error:
                self.add(table, row, error)
            else:
                yield row, parsed

    def add(self, table: str, row: Mapping[str, Any], error: Exception) -> None:
        """Note an unreadable row; it is logged once."""
        row_text = ", ".join(f"{name} {row[name]}" for name in _TOLD if row.get(name) not in (None, ""))
        with self._lock:
            if (table, row_text) in self._logged:
                return
            self._logged.add((table, row_text))
            self._counted[table] += 1
            counted = self._counted[table]
        # 20: maximum number of logged rows per table; the rest are only counted
        if counted <= 20:
            reason = f"{type(error).__name__}: {error}".replace("\n", " ")[:300]
            _log.warning("storage: a row of %s (%s) cannot be read and is ignored: %s", table, row_text, reason)

    def sentence(self) -> str | None:
        """Return a sentence about the tables with unreadable rows; None without any."""
        with self._lock:
            counted = sorted(self._counted.items())
        if not counted:
            return None
        tables = ", ".join(f"{rows:,} of {table}" for table, rows in counted)
        return f"rows of the state cannot be read and are ignored: {tables}; see the log for details"


_log = logging.getLogger("driftline")

Connection = Any
"""A DuckDB connection (the package has no types that work for all of its versions)."""

DatabaseError = duckdb.Error
"""Exception of a statement; its transaction has failed."""

CHECKPOINT = "64MB"
"""Bytes of DuckDB's write-ahead log at which it is merged into the file.

At DuckDB's default of 16 MB every third block of rows waits for the merge, half of the commit time; replaying 64
MB at the next start takes a quarter of a second.
"""

_FILE = "driftline.duckdb"

ACKNOWLEDGED = "driftline.acknowledged"
"""Name of the file with the times of the last acknowledged request, and of the last data that only the database has."""

ONLY_HERE = "only_here"
"""Mark of the time of the last data that only the database has, such as outcomes by POST and decisions."""

AUDIT_KEY = "driftline.audit.key"
"""Name of the file with the key of the digests in the audit log."""

_OWN = (
    *("driftline.duckdb", "driftline.fresh.duckdb", "driftline.room", "driftline.acknowledged", "erase."),
    *("driftline.backup", "driftline.damaged", "damaged-"),
    AUDIT_KEY.removesuffix(".key"),
)
"""Prefix of the names of the state's files."""

_LOGS = (".wal", ".wal.checkpoint", ".wal.recovery")
"""Suffix of DuckDB's write-ahead logs."""

_MARGIN = 1 << 20
"""Bytes that must be free, in addition to the size of the log, before a failed file is opened again."""

_SAID_EVERY = 60.0
"""Seconds between log lines about outages, because an almost full disk fails and recovers repeatedly."""

_FAULT_OF_THE_DISK = re.compile(
    "No space left on device|Disk quota exceeded|Input/output error|Read-only file system|File too large"
)
_DAMAGE = re.compile("corrupt|checksum|could not read enough bytes", re.IGNORECASE)
_BROKEN_ENTRY = re.compile(r"entry at byte position ([0-9]+)")

_PATIENCE = 60.0
"""Seconds that readers have to finish before the file is replaced."""

_PANES = """CREATE TABLE {} (
    series INTEGER, fold VARCHAR, pane BIGINT, span BIGINT, parts VARCHAR, counts BLOB, places BLOB, sums BLOB);"""
"""A table of panes, see :mod:`.pane_rows`."""

_ALL_PANES = """CREATE VIEW all_{0} AS SELECT series, fold, pane, span, parts, counts, places, sums FROM {0} UNION ALL
    SELECT series, fold, pane, span, parts, counts, places, sums FROM written_panes WHERE slice {1} '';"""
"""The panes of rows, and those that a batch job wrote, see :mod:`.written_panes`."""

_SILENCES = """CREATE TABLE IF NOT EXISTS silences (
    id VARCHAR, model VARCHAR, environment VARCHAR, policy VARCHAR, since BIGINT, until BIGINT, "by" VARCHAR,
    why VARCHAR, ended BIGINT, ended_by VARCHAR);"""
"""A table that older files lack."""

_AUDIT = """CREATE TABLE IF NOT EXISTS audit (
    seq BIGINT, "time" BIGINT, kind VARCHAR, "by" VARCHAR, how VARCHAR, model VARCHAR, environment VARCHAR,
    subject VARCHAR, words VARCHAR, why VARCHAR, alert VARCHAR, "count" BIGINT, digests VARCHAR[], previous BLOB,
    hash BLOB);"""
"""The audit log, see :mod:`.audit_log`; older files lack it, too."""

_SCHEMA = f"""
CREATE TABLE meta (name VARCHAR, value BIGINT);
CREATE TABLE series (
    series INTEGER, change BIGINT, environment VARCHAR, model VARCHAR, version VARCHAR, task VARCHAR);
CREATE VIEW models AS SELECT series, any_value(environment) AS environment, any_value(model) AS model,
    any_value(version) AS version FROM series GROUP BY series;
CREATE TABLE predictions (
    seq BIGINT, series INTEGER, id VARCHAR, time BIGINT, score DOUBLE, scores DOUBLE[], predicted VARCHAR,
    weight DOUBLE, slices MAP(VARCHAR, VARCHAR), trace_id BLOB, span_id BLOB, received BIGINT, observed BIGINT,
    fingerprint UBIGINT, items VARCHAR[], item_scores DOUBLE[], left_out INTEGER, subject VARCHAR, request UBIGINT,
    error VARCHAR);
CREATE TABLE outcomes (
    seq BIGINT, model VARCHAR, environment VARCHAR, id VARCHAR, actual VARCHAR, number DOUBLE, time BIGINT,
    prediction_time BIGINT, weight DOUBLE, received BIGINT, item VARCHAR, value DOUBLE, retracted BOOLEAN,
    slices MAP(VARCHAR, VARCHAR), subject VARCHAR);
CREATE TABLE waiting (outcome BIGINT, model VARCHAR, id VARCHAR, received BIGINT);
CREATE TABLE joined (
    seq BIGINT, prediction BIGINT, outcome BIGINT, series INTEGER, time BIGINT, score DOUBLE, scores DOUBLE[],
    predicted VARCHAR, actual VARCHAR, number DOUBLE, weight DOUBLE, outcome_time BIGINT, request UBIGINT,
    slices MAP(VARCHAR, VARCHAR), value DOUBLE, relevance DOUBLE[], missed DOUBLE[],
    delay BIGINT);
CREATE TABLE retractions (
    prediction BIGINT, time BIGINT, outcome BIGINT, outcome_time BIGINT, fed BOOLEAN);
CREATE TABLE successors (prediction BIGINT, own BOOLEAN);
{_PANES.format("panes")}
{_PANES.format("slice_panes")}
CREATE TABLE written_panes (
    series INTEGER, fold VARCHAR, pane BIGINT, span BIGINT, parts VARCHAR, counts BLOB, places BLOB, sums BLOB,
    source VARCHAR, slice VARCHAR);
CREATE TABLE pane_sources (
    series INTEGER, source VARCHAR, slice VARCHAR, pane BIGINT, span BIGINT, epoch BIGINT, rows BIGINT,
    outcomes BIGINT, received BIGINT);
{_ALL_PANES.format("panes", "=")}
{_ALL_PANES.format("slice_panes", "<>")}
CREATE TABLE restated (series INTEGER, pane BIGINT);
CREATE TABLE slice_values (series INTEGER, key VARCHAR, value VARCHAR);
CREATE TABLE kept (
    series INTEGER, prediction BIGINT, day BIGINT, rank UBIGINT, received BIGINT, numbers DOUBLE[], texts VARCHAR[],
    vectors FLOAT[]);
CREATE TABLE kept_columns (series INTEGER, kind VARCHAR, name VARCHAR, width INTEGER);
CREATE TABLE requests (digest BLOB, received BIGINT);
CREATE TABLE batches (digest BLOB, received BIGINT);
CREATE TABLE offsets (reader VARCHAR, topic VARCHAR, part INTEGER, next BIGINT, received BIGINT);
CREATE TABLE watermarks (
    environment VARCHAR, model VARCHAR, watermark BIGINT, received BIGINT);
CREATE TABLE baselines (
    digest VARCHAR, source VARCHAR, environment VARCHAR, model VARCHAR, version VARCHAR, received BIGINT, json VARCHAR);
CREATE TABLE learning (series INTEGER, part BIGINT, rows INTEGER, name VARCHAR, data BLOB);
CREATE TABLE learning_points (
    series INTEGER, part VARCHAR, category VARCHAR, rows DOUBLE, data BLOB);
CREATE TABLE streams (
    stream BLOB, process BLOB, seq BIGINT, series INTEGER, start BIGINT, since BIGINT, stop BIGINT, received BIGINT,
    counter BOOLEAN, counts BLOB);
CREATE TABLE balance (
    series INTEGER, pane BIGINT, rows DOUBLE, counted DOUBLE, doubt DOUBLE, torn BOOLEAN);
CREATE TABLE concept (series INTEGER, slice VARCHAR, state VARCHAR);
CREATE TABLE evaluations (
    series INTEGER, name VARCHAR, start BIGINT, stop BIGINT, believed BIGINT, dictionary BLOB,
    blob BLOB);
CREATE TABLE dictionaries (series INTEGER, digest BLOB, packed BLOB);
CREATE TABLE verdicts (series INTEGER, state VARCHAR, since BIGINT, changed BIGINT);
CREATE TABLE record (series INTEGER, stop BIGINT, state VARCHAR, since BIGINT, believed BIGINT, verdict BLOB);
CREATE TABLE interruptions (
    series INTEGER, kind VARCHAR, since BIGINT, until BIGINT, pause BIGINT);
CREATE TABLE looks (policy VARCHAR, environment VARCHAR, model VARCHAR, since BIGINT);
CREATE TABLE policy_waits (environment VARCHAR, model VARCHAR, since BIGINT);
CREATE TABLE new_models (model VARCHAR, seen BIGINT, known BIGINT, announced BIGINT);
CREATE TABLE alerts (
    id VARCHAR, policy VARCHAR, model VARCHAR, environment VARCHAR, version VARCHAR, severity VARCHAR,
    owner VARCHAR, state VARCHAR, since BIGINT, fired BIGINT, until BIGINT, first_seen BIGINT, resolved BIGINT,
    notified BIGINT, "window" VARCHAR, "start" BIGINT, words VARCHAR, acknowledged BIGINT, acknowledged_by VARCHAR,
    why VARCHAR, notified_state VARCHAR, silenced BIGINT, subjects VARCHAR[], ending VARCHAR);
CREATE TABLE messages (
    id VARCHAR, alert VARCHAR, channel VARCHAR, kind VARCHAR, created BIGINT, facts VARCHAR, held_until BIGINT,
    alerts VARCHAR[], incident BIGINT, verdict VARCHAR);
CREATE TABLE deliveries (
    message VARCHAR, "time" BIGINT, result VARCHAR, detail VARCHAR, reference VARCHAR);
CREATE TABLE approvals (
    message VARCHAR, "time" BIGINT, "by" VARCHAR, why VARCHAR, digest VARCHAR, first BIGINT, first_by VARCHAR,
    first_why VARCHAR);
CREATE TABLE business (
    model VARCHAR, name VARCHAR, stream BLOB, "time" BIGINT, value DOUBLE, weight DOUBLE);
CREATE TABLE business_streams (
    model VARCHAR, name VARCHAR, process BLOB, stream BLOB, "time" BIGINT, received BIGINT, total DOUBLE,
    counted DOUBLE);
CREATE TABLE business_readings (model VARCHAR, name VARCHAR, query BLOB, until BIGINT);
CREATE TABLE decisions (
    id VARCHAR, model VARCHAR, version VARCHAR, kind VARCHAR, "by" VARCHAR, why VARCHAR, "time" BIGINT);
{_SILENCES}
{_AUDIT}
CREATE TABLE training_runs (
    id VARCHAR, environment VARCHAR, model VARCHAR, version VARCHAR, "end" BIGINT, received BIGINT, json VARCHAR);
CREATE TABLE acknowledged (time BIGINT);
INSERT INTO acknowledged VALUES (0);
"""

TABLES = {found[1]: found[0] for found in re.finditer(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+) \([^;]*;", _SCHEMA)}
"""Table → the statement that creates it."""


class StorageError(Exception):
    """The storage cannot be opened; the message has the directory, the rule and the fix."""


class Store:
    """The open DuckDB file. Each thread uses its own connection, see :meth:`connect`."""

    def __init__(self, directory: Path, *, threads: int = 2, memory: str = "1GB", received: int = 0) -> None:
        """Open or create the file in ``directory``, with recovery after a crash.

        ``threads`` and ``memory`` limit DuckDB. ``received`` is the time of the last request in the log of requests.
        Raises StorageError if the directory is not writable, another process
        has the file open, or a newer Driftline wrote it.
        """
        self.path = directory / _FILE
        self.unreadable = UnreadableRows()
        self._config: dict[str, Any] = {
            **{"threads": str(threads), "memory_limit": memory, "checkpoint_threshold": CHECKPOINT},
            **dict.fromkeys(
                ("autoload_known_extensions", "autoinstall_known_extensions", "allow_community_extensions"), "false"
            ),
        }
        self._gate = threading.Condition()
        self._handles: dict[_Handle, bool] = {}
        self._swapping = False
        self.appending = threading.RLock()
        """Held while the audit log is written, and while the file is copied, so that no entry is lost."""
        self._logged_at, self._since, self._is_logged = -_SAID_EVERY, 0.0, False
        self.outage: str | None = None
        """Reason why the file cannot be used until :meth:`reopen`; None normally."""
        self.gap: str | None = None
        """Sentence about acknowledged requests that were missing when the file was opened; None without any."""
        self.gap_only_here: str | None = None
        """The same about data that the log of requests cannot have."""
        self.starts_over = False
        """True if the file is new or lacks rows that were stored, so that the whole log of requests is stored again."""
        self.is_starting = False
        """True while a damaged file is set aside at once, so that no line asks for a restart."""
        self.damage: str | None = None
        """Sentence about files that were damaged and are set aside; None without any."""
        self._acknowledged = directory / ACKNOWLEDGED
        self._marks, self._stamp, self._received = -1, 0, received
        self._only_here = self._marked_only_here = 0
        self._marking = threading.Lock()
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            keep_private(directory)
            self._root = self._opened_or_set_aside()
        except OSError as error:
            raise StorageError(
                f"storage.directory: {directory} cannot be written ({error.strerror}); use another directory"
            ) from error
        except duckdb.Error as error:
            raise StorageError(self._unopenable(str(error)) or _damaged(self.path, _reason(str(error)))) from error
        self.damage = damage_sentence(directory)

    def _opened_or_set_aside(self) -> Connection:
        """Open the file; set damaged files aside and open the rest."""
        # 3: the log is damaged, then the file, and then the new file must open
        for _ in range(3):
            if self._damage_mark.exists():
                self._set_file_aside(self._damage_mark.read_text().strip())
            try:
                return self._opened()
            except duckdb.Error as error:
                text = str(error)
                if (why := self._unopenable(text)) is not None:
                    raise StorageError(why) from error
                if not self._set_log_aside(text):
                    self._set_file_aside(_reason(text))
        return self._opened()

    def _set_log_aside(self, text: str) -> bool:
        """Keep DuckDB's write-ahead log up to its damage, and move the original away; False if the file is damaged."""
        log = Path(f"{self.path}.wal")
        blamed = log.exists() and "WAL" in text and f'"{self.path}"' not in text
        acknowledged = self._acknowledged_in_file() if blamed else None
        if acknowledged is None:
            return False
        stop = _acknowledged_last(self.path.parent) or log.stat().st_mtime_ns
        folder = set_aside(self.path.parent, log)
        place = _BROKEN_ENTRY.search(text)
        if place is not None:
            shutil.copyfile(folder / log.name, log)
            os.truncate(log, int(place[1]))
        write_reason(
            folder,
            f"storage.directory: the write-ahead log {log} was damaged ({_reason(text)}) and is set aside in {folder}; "
            f"all data until {_when(acknowledged)} is kept, at most the data acknowledged from {_when(acknowledged)} "
            f"to {_when(stop)} is missing; {_DELETE_FOLDER}",
        )
        return True

    def _set_file_aside(self, reason: str) -> None:
        """Move the damaged file away, and copy its readable tables to a new file."""
        fresh, log = self._drop_fresh(), Path(f"{self.path}.wal")
        salvage = salvage_tables(self.path, fresh, TABLES) if self.path.exists() else Salvage()
        self.starts_over = salvage.starts_over
        folder = set_aside(self.path.parent, self.path, log)
        if fresh.exists():
            fresh.rename(self.path)
        self._damage_mark.unlink(missing_ok=True)
        self._acknowledged.unlink(missing_ok=True)  # what is missing now is the damage
        write_reason(
            folder,
            f"storage.directory: the file {self.path} was damaged ({reason}) and is set aside in {folder}; "
            f"{salvage.sentence()}; {salvage.effect()}; to have all data, "
            f"stop driftline and restore a backup with 'driftline state restore'; {_DELETE_FOLDER}",
        )

    def _unopenable(self, text: str) -> str | None:
        """Return why the file cannot be opened, from DuckDB's message, and the fix; None if it is damaged."""
        directory, reason = self.path.parent, _reason(text)
        if "Could not set lock on file" in text:
            return (
                f"storage.directory: {directory} is in use by another process; stop the other 'driftline up', "
                "or use another directory"
            )
        if (fault := _FAULT_OF_THE_DISK.search(text)) is not None:
            return _unwritable(directory, fault[0])
        if "version number" in text:
            return (
                f"storage.directory: {self.path} was written by another version of DuckDB ({reason}); "
                "install the version of duckdb that wrote the file, or use another directory"
            )
        if "Permission denied" in text:
            return (
                f"storage.directory: {self.path} cannot be opened (Permission denied); change its owner, "
                "or use another directory"
            )
        return None

    def _acknowledged_in_file(self) -> int | None:
        """Return the time of the last request in the file without its log; None if it cannot be read."""
        copy_path = self.path.with_name("driftline.duckdb.alone")  # a copy with another name has no log
        try:
            copy_path.unlink(missing_ok=True)
            copy_path.hardlink_to(self.path)
            with duckdb.connect(str(copy_path), read_only=True) as connection:
                tables = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
                if ("acknowledged",) not in tables:
                    return 0
                return acknowledged_time(connection)
        except (duckdb.Error, OSError):
            return None
        finally:
            copy_path.unlink(missing_ok=True)

    def stamp(self, connection: Connection, now: int) -> None:
        """Write the time into the caller's transaction; ``now``: unix nanoseconds."""
        self._stamp = max(now, self._stamp + 1)
        run(connection, "UPDATE acknowledged SET time = ?", self._stamp)

    def stamp_only_here(self, connection: Connection, now: int) -> int:
        """Write and return the time of data that the log of requests does not have, in the caller's transaction."""
        with self._marking:
            self._only_here = stamped = max(now, self._only_here + 1)
        run(connection, "INSERT INTO meta VALUES (?, ?)", ONLY_HERE, stamped)
        return stamped

    def acknowledge(self) -> None:
        """Write the last stamp to a separate file, so that a truncated log is detected.

        Without fsync: the stamp may lag behind the log, but never the log behind the stamp.
        """
        with suppress(OSError):
            os.pwrite(self._marks, b"%020d" % self._stamp, 0)

    def acknowledge_only_here(self, stamped: int) -> None:
        """Write a committed time of :meth:`stamp_only_here` to the same file."""
        with self._marking, suppress(OSError):
            self._marked_only_here = max(self._marked_only_here, stamped)
            os.pwrite(self._marks, b" %020d" % self._marked_only_here, 20)

    def _opened(self) -> Connection:
        """Open the file and create missing tables."""
        self._drop_fresh()
        file_exists = self.path.exists()
        is_missing = not file_exists and not self.starts_over  # a file that was set aside is a damage
        self.starts_over |= not file_exists
        root = self._open()
        try:
            if has_tables(root):
                version = mark(root, "schema", SCHEMA_VERSION)
                if version > SCHEMA_VERSION:
                    raise StorageError(
                        f"storage.directory: {self.path.parent} was written by a newer version of Driftline (schema "
                        f"{version}; this version reads {SCHEMA_VERSION}); run that version, or restore the backup "
                        "that it made before its upgrade into another directory"
                    )
                if version < SCHEMA_VERSION:
                    self._upgrade(root, version)
                if missing := lacking_tables(root):
                    raise duckdb.Error(missing)
            else:
                root.execute(f"BEGIN; {_SCHEMA} COMMIT")  # one write to the disk instead of one per table
            with transaction(root):
                set_mark(root, "schema", SCHEMA_VERSION)  # a truncated file fails at its first write
            self._stamp = acknowledged_time(root)
            self._only_here = only_here_time(root)
            self.gap = gap_sentence(self.path.parent, self._stamp, self._received, is_missing=is_missing)
            self.gap_only_here = gap_only_here_sentence(self.path.parent, self._only_here, is_missing=is_missing)
            if self._marks < 0:
                self._marks = os.open(self._acknowledged, os.O_RDWR | os.O_CREAT, 0o600)
            keep_private(self.path.parent)
        except BaseException:
            root.close()
            raise
        return root

    def _upgrade(self, root: Connection, version: int) -> None:
        """Write a backup, then upgrade the tables in one transaction."""
        directory = self.path.parent
        now = iso_time(time.time_ns() // 10**9 * 10**9).replace(":", "-")
        backup = directory / f"driftline.backup-schema-{version}-{now}.tar"
        try:
            self.backup_folder.mkdir(mode=0o700)
            try:
                copy = self._copy(root, self.backup_folder)
                write_archive(backup, archive_blocks(state_members(directory, copy), version))
            finally:
                self._drop_backup()
        except (OSError, duckdb.Error) as error:
            raise StorageError(
                f"storage.directory: {directory} cannot be upgraded from schema {version}, because its backup cannot "
                f"be written ({_reason(str(error))}); free space on its disk"
            ) from error
        with transaction(root):
            upgrade(root, version, _SCHEMA)
            set_mark(root, "schema", SCHEMA_VERSION)
        _log.warning(
            "driftline: storage.directory: the state was upgraded from schema %d to %d; the state before is in %s; to "
            "go back, run 'driftline state restore %s --into DIRECTORY' and start the earlier version with it; delete "
            "the backup when you no longer need it, because deletions of rows do not reach it",
            version,
            SCHEMA_VERSION,
            backup,
            backup,
        )

    def _copy(self, connection: Connection, folder: Path) -> Path:
        """Copy everything that is committed to a file in the folder of backups, in one transaction; return the file."""
        copy = folder / _FILE
        connection.execute(f"ATTACH {_text(str(copy))} AS backup")
        try:
            with transaction(connection):
                connection.execute(f"COPY FROM DATABASE {_quoted(self.path.stem)} TO backup")
            connection.execute("CHECKPOINT backup")
        finally:
            connection.execute("DETACH backup")
        return copy

    def copy_to(self, folder: Path) -> None:
        """Copy the state's files except the log to :attr:`backup_folder`, while other threads write.

        Raises StorageOutage, DatabaseError or OSError.
        """
        with self.watched():
            connection = self.connect()
            try:
                self._copy(connection, folder)
            finally:
                connection.close()
        for path in (self.path.with_name(AUDIT_KEY), *self.path.parent.glob("erase.*")):
            if path.exists():
                shutil.copyfile(path, folder / path.name)

    def _open(self) -> Connection:
        """Open the file; statements cannot read or write any other file, except the copy of :meth:`rewrite`."""
        root = duckdb.connect(str(self.path), config=self._config)
        try:
            files = (self._fresh, self.backup_folder / _FILE)
            copies = (f"{file}{end}" for file in files for end in ("", *_LOGS))
            copy = ", ".join(map(_text, copies))
            root.execute(f"SET allowed_paths = [{copy}]")
            root.execute("SET enable_external_access = false")
            root.execute("SET lock_configuration = true")
        except BaseException:
            root.close()
            raise
        return root

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Use the file within the block; a storage error starts an outage until :meth:`reopen`.

        Raises StorageOutage for such an error, and immediately during an outage; other errors pass through.
        """
        if self.outage is not None:
            raise StorageOutage(self.outage)
        try:
            yield
        except duckdb.Error as error:
            if self.outage is None and not _ends_use(error):
                raise
            self._lose(error)
            raise StorageOutage(self.outage or "") from error

    def _lose(self, error: Exception) -> None:
        if self.outage is not None:
            return
        if _DAMAGE.search(str(error)) is not None and _FAULT_OF_THE_DISK.search(str(error)) is None:
            with suppress(OSError):
                self._damage_mark.write_text(_reason(str(error)))
        self.outage = _outage(self.path.parent, str(error))
        self._since, self._is_logged = time.monotonic(), False
        self._tell()

    def _tell(self) -> None:
        """Log an outage once; soon after another one only if it lasts."""
        if self.is_starting and self.is_damaged:
            return
        now = time.monotonic()
        if not self._is_logged and now - self._logged_at >= _SAID_EVERY:
            self._logged_at, self._is_logged = now, True
            _log.error("driftline: %s", self.outage)

    def reopen(self) -> None:
        """Open the file again in an outage, which lasts until :meth:`recover`; old connections are invalid.

        Raises StorageError while the file cannot be opened or written.
        """
        with self._gate:
            if not self._gate.wait_for(lambda: all(self._handles.values()), _PATIENCE):
                raise StorageError(f"storage.directory: {self.path} is still being read; driftline will retry")
            for handle in self._handles:
                handle.connection.close()
            self._handles.clear()
            with suppress(duckdb.Error):  # closing merges the log if possible
                self._root.close()
        try:
            self._drop_fresh()
            self._check_room()
            self._root = self._opened()
            self._root.execute("CHECKPOINT")  # if the whole log fits, the file is writable again
        except (duckdb.Error, OSError) as error:
            self.outage = _outage(self.path.parent, str(error))
            self._tell()
            raise StorageError(self.outage) from error

    def recover(self) -> None:
        """End an outage, after all users have new connections from :meth:`reopen`."""
        self.outage = None
        if self._is_logged:
            lasted = time.monotonic() - self._since
            _log.warning(
                "driftline: storage.directory: writing to %s works again, after %.0f s", self.path.parent, lasted
            )

    def _check_room(self) -> None:
        """Write as many bytes as merging the log needs; OSError if there is no room."""
        log = self.path.with_name(f"{self.path.name}.wal")
        needed = _MARGIN + (log.stat().st_size if log.exists() else 0)
        try:
            with self._room.open("wb") as out:
                for _ in range(-(-needed // _MARGIN)):
                    out.write(bytes(_MARGIN))
                out.flush()
                os.fsync(out.fileno())
        finally:
            self._room.unlink(missing_ok=True)

    def connect(self, *, lasting: bool = False) -> Connection:
        """Return a connection for one thread; close it when the thread ends.

        Args:
            lasting: True for a thread that pauses while the file is rewritten; the connection then works with the new
                file. Others are for short use.
        """
        with self._gate:
            self._gate.wait_for(lambda: not self._swapping)
            handle = _Handle(self, self._root.cursor())
            self._handles[handle] = lasting
            return handle

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection with a consistent snapshot.

        Raises StorageOutage while the file cannot be read.
        """
        with self.watched():
            connection = self.connect()
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                connection.close()

    def interrupt(self) -> None:
        """Interrupt the running statements of all connections: each raises DatabaseError and is rolled back."""
        with self._gate:
            connections = [self._root, *(handle.connection for handle in self._handles)]
        for connection in connections:
            with suppress(duckdb.Error):  # already closed
                connection.interrupt()

    def close(self) -> None:
        """Merge the log into the file and close it; if that fails, the log remains for the next start."""
        try:
            if self.outage is None:
                self._root.execute("CHECKPOINT")
        except duckdb.Error as error:
            _log.error("driftline: %s", _outage(self.path.parent, str(error)))
        finally:
            with suppress(duckdb.Error):
                self._root.close()
            if self._marks >= 0:
                os.close(self._marks)
                self._marks = -1

    def rewrite(self) -> None:
        """Copy everything into a new file that replaces this one, so that deleted rows leave the disk.

        DuckDB only marks rows as deleted and reuses blocks without clearing them. Threads with a lasting connection
        must pause; readers continue until the files are exchanged, and then wait. A crash leaves either the old file
        or the new one.
        """
        with self.appending:
            self._rewrite()

    def _rewrite(self) -> None:
        fresh = self._drop_fresh()
        try:
            with self._attached(fresh, "fresh"):
                self._root.execute(f"COPY FROM DATABASE {_quoted(self.path.stem)} TO fresh")
                self._root.execute("CHECKPOINT fresh")
        except BaseException:
            self._drop_fresh()  # a partial copy must not fill the disk
            raise
        with self._gate:
            self._swapping = True
            idle = self._gate.wait_for(lambda: all(self._handles.values()), _PATIENCE)
        try:
            if not idle:
                raise StorageError(
                    f"storage.directory: {self.path} was in use by other queries for {_PATIENCE} s; try again"
                )
            self._exchange(fresh)
        finally:
            with self._gate:
                self._swapping = False
                self._gate.notify_all()

    def _exchange(self, fresh: Path) -> None:
        for handle in self._handles:
            handle.connection.close()
        self._root.execute("CHECKPOINT")  # after this, closing removes the log
        self._root.close()
        try:
            log = self.path.with_name(f"{self.path.name}.wal")
            if log.exists():
                raise StorageError(f"storage.directory: {log} still exists, so the database file is not replaced")
            fresh.chmod(0o600)
            os.replace(fresh, self.path)
            synced(self.path.parent)
        finally:
            self._root = self._open()
            for handle in self._handles:
                handle.connection = self._root.cursor()

    @contextmanager
    def _attached(self, file: Path, name: str) -> Iterator[None]:
        self._root.execute(f"ATTACH {_text(str(file))} AS {name}")
        try:
            yield
        finally:
            self._root.execute(f"DETACH {name}")

    def _drop_fresh(self) -> Path:
        """Remove the file of an interrupted rewrite, and return its path for the next one."""
        for left in (*(Path(f"{self._fresh}{end}") for end in ("", *_LOGS)), self._room):
            left.unlink(missing_ok=True)
        self._drop_backup()
        return self._fresh

    def _drop_backup(self) -> None:
        """Remove the folder of an interrupted backup."""
        if self.backup_folder.exists():
            shutil.rmtree(self.backup_folder)

    @property
    def backup_folder(self) -> Path:
        """The folder with the copy of the state while a backup is made."""
        return self.path.with_name("driftline.backup").absolute()

    @property
    def _damage_mark(self) -> Path:
        """A file that exists after a damaged block was read, until the next start sets the damaged file aside."""
        return self.path.with_name("driftline.damaged")

    @property
    def is_damaged(self) -> bool:
        """True if the file must be opened again, to set it aside."""
        return self._damage_mark.exists()

    @property
    def _room(self) -> Path:
        return self.path.with_name("driftline.room")

    @property
    def _fresh(self) -> Path:
        return self.path.with_name("driftline.fresh.duckdb").absolute()

    def released(self, handle: _Handle) -> None:
        """Forget a closed connection."""
        with self._gate:
            self._handles.pop(handle, None)
            self._gate.notify_all()


class _Handle:
    """A connection that stays valid when the file is replaced."""

    def __init__(self, store: Store, connection: Connection) -> None:
        self._store, self.connection = store, connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)

    @property
    def unreadable(self) -> UnreadableRows:
        """The unreadable rows of the file, for all connections."""
        return self._store.unreadable

    def reading(self) -> AbstractContextManager[Connection]:
        """Yield a connection for any thread, see :meth:`Store.reading`."""
        return self._store.reading()

    @contextmanager
    def reader(self) -> Iterator[Connection]:
        """Yield another connection for any thread, also while the file is reopened during an outage."""
        connection = self._store.connect()
        try:
            yield connection
        finally:
            connection.close()

    def close(self) -> None:
        """Close it."""
        self.connection.close()
        self._store.released(self)


def is_of_all(error: Exception) -> bool:
    """Return True for an error that is independent of the statement: a storage failure or an interrupt."""
    if isinstance(error, duckdb.Error):
        return isinstance(error, duckdb.InterruptException) or _ends_use(error)
    return isinstance(error, StorageOutage)


def is_of_memory(error: Exception) -> bool:
    """Return True if the statement ran out of memory; a later attempt may succeed."""
    return isinstance(error, duckdb.OutOfMemoryException | MemoryError)


def _ends_use(error: duckdb.Error) -> bool:
    """Return True if the file must be reopened before any further use."""
    text = str(error)
    if isinstance(error, duckdb.FatalException):
        return True
    if re.search(r'duckdb_temp|driftline\.fresh\.duckdb|driftline\.backup|database "(fresh|backup)"', text):
        return False  # a query or a copy ran out of temporary space; the file is intact
    if "has been invalidated" in text or _FAULT_OF_THE_DISK.search(text) is not None:
        return True
    # DuckDB raises its base class for a damaged block; a text of a user can be in an error of another class
    is_of_file = isinstance(error, duckdb.IOException) or type(error) is duckdb.Error
    return is_of_file and _DAMAGE.search(text) is not None


def _outage(directory: Path, text: str) -> str:
    """Return why the storage cannot be used, from the message of DuckDB or the system."""
    fault = _FAULT_OF_THE_DISK.search(text)
    if fault is not None:
        return _unwritable(directory, fault[0])
    reason = text.strip().splitlines()[-1].removeprefix("Original error: ").strip('" ')[:300]
    if _DAMAGE.search(reason):
        return _damaged(directory / _FILE, reason)
    return f"storage.directory: {directory} cannot be used ({reason}); driftline retries automatically"


def _damaged(file: Path, reason: str) -> str:
    return (
        f"storage.directory: the file {file} is damaged ({reason}); restart driftline, which sets the file aside and "
        "opens the readable tables, or restore a backup with 'driftline state restore'"
    )


def _reason(text: str) -> str:
    """Return the first line of an error, shortened."""
    return text.strip().splitlines()[0][:300] if text.strip() else "unknown error"


def state_members(directory: Path, database: Path) -> list[Member]:
    """Return the files of a state that no thread writes; ``database``: a copy of its database."""
    log = sorted(path for path in (directory / "log").rglob("*") if path.is_file())
    own = [path for path in (directory / AUDIT_KEY, *directory.glob("erase.*")) if path.exists()]
    return [
        Member("driftline.duckdb", database),
        *(Member(str(path.relative_to(directory)), path) for path in (*own, *log)),
    ]


_DELETE_FOLDER = "delete the folder when you no longer need it, because deletions of rows do not reach it"


def has_tables(connection: Connection) -> bool:
    """Return False for a new database, or one of which the write-ahead log with all tables is gone."""
    return bool(number(connection, "SELECT count(*) FROM duckdb_tables()"))


def lacking_tables(connection: Connection) -> str:
    """Return which tables a database of this version lacks; "" if it has all of them."""
    found = {table for (table,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    missing = [table for table in TABLES if table not in found]
    return f"it has no table {', '.join(missing)}" if missing else ""


def acknowledged_time(connection: Connection) -> int:
    """Return the time of the last acknowledged request in a database; 0 without any."""
    return number(connection, "SELECT max(time) FROM acknowledged") or 0


def only_here_time(connection: Connection) -> int:
    """Return the time of the last data in a database that the log of requests does not have; 0 without any."""
    return mark(connection, ONLY_HERE)


def _acknowledged_last(directory: Path, place: int = 0) -> int:
    """Return a time of the mark file: 0: of the last request, 1: of the last data only here; 0 without any."""
    try:
        return int((directory / ACKNOWLEDGED).read_bytes()[21 * place : 21 * place + 20])
    except (OSError, ValueError):
        return 0


def gap_sentence(directory: Path, stamp: int, received: int, *, is_missing: bool) -> str | None:
    """Return a sentence about acknowledged requests that a database and its log lack; None if they have all.

    Args:
        directory: The directory of the state.
        stamp: Time of the last request in the database.
        received: Time of the last request in the log of requests, which counts if there was no database.
        is_missing: True if there was no database.
    """
    last = max(_acknowledged_last(directory), received if is_missing else 0)
    if last <= stamp:
        return None
    return (
        f"{_lost(directory, stamp, last, is_missing=is_missing)}; the part that is still in the log of requests is "
        "stored again, and the senders must send the rest again if they still have it"
    )


def gap_only_here_sentence(directory: Path, stored: int, *, is_missing: bool) -> str | None:
    """Return a sentence about data that a database lacks and the log of requests never had; None without any.

    Args:
        directory: The directory of the state.
        stored: Time of the last such data in the database.
        is_missing: True if there was no database.
    """
    last = _acknowledged_last(directory, 1)
    if last <= stored:
        return None
    return (
        f"{_lost(directory, stored, last, is_missing=is_missing)}; this data did not arrive over OTLP, so the log of "
        "requests does not have it: send outcomes and panes again, and enter notes, decisions and silences again"
    )


def _lost(directory: Path, since: int, until: int, *, is_missing: bool) -> str:
    """Return which period a database lacks, and why."""
    why = "the file is missing" if is_missing else "its write-ahead log was truncated, lost or moved away"
    return (
        f"storage.directory: data acknowledged from {_when(since)} to {_when(until)} was lost in {directory / _FILE}: "
        f"{why}"
    )


def _when(time: int) -> str:
    return iso_time(time) if time else "the beginning"


def _unwritable(directory: Path, reason: str) -> str:
    fix = {
        "No space left on device": "free space on its disk",
        "Disk quota exceeded": "raise the quota",
        "Read-only file system": "mount its disk as writable",
        "File too large": "raise the limit on the size of files",
    }.get(reason, "check its disk")
    return f"storage.directory: {directory} cannot be written ({reason}); {fix}, and driftline continues by itself"


def keep_private(directory: Path) -> None:
    """Restrict the state to its owner: files become 0600, folders 0700, the directory too if it has no other files.

    If a file belongs to another user and its mode cannot be changed, this is logged.
    """
    entries = list(directory.iterdir())
    own_entries = [entry for entry in entries if entry.name.startswith(_OWN) and not entry.is_symlink()]
    for entry in [directory, *own_entries] if len(own_entries) == len(entries) else own_entries:
        with suppress(FileNotFoundError):  # DuckDB removed a log meanwhile
            mode, private = stat.S_IMODE(entry.stat().st_mode), 0o700 if entry.is_dir() else 0o600
            if mode != private:
                try:
                    entry.chmod(private)
                except PermissionError:
                    message = f"driftline: storage.directory: {entry} has mode {mode:o} and is owned by another user"
                    _log.warning("%s; change its owner to the user that runs driftline", message)


def synced(directory: Path) -> None:
    """Sync the names in a directory to disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _text(value: str) -> str:
    doubled = value.replace("'", "''")
    return f"'{doubled}'"


@contextmanager
def reading_only(file: Path) -> Iterator[Connection]:
    """Yield a connection to a file that no process uses, without changing it or its log. Raises DatabaseError."""
    with duckdb.connect(str(file), read_only=True) as connection:
        yield connection


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Commit the block with fsync, or roll it back if it raises."""
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        with suppress(duckdb.Error):  # a lost file has no transaction; the first error has the reason
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def insert(connection: Connection, table: str, rows: pa.Table) -> None:
    """Append an Arrow table by column names; missing columns become NULL.

    A large table is split in two. DuckDB reads a single table with several threads and merges their pieces, which
    costs 50 % more.
    """
    # 4_096: minimum number of rows for two tables, because the second one costs 0.2 ms
    if rows.num_rows >= 4_096 and rows.num_columns > 1:
        left, right = rows.select(rows.column_names[:-1]), rows.select(rows.column_names[-1:])
        query = "SELECT * FROM left_side POSITIONAL JOIN right_side"
        run(connection, f"INSERT INTO {table} BY NAME {query}", left_side=left, right_side=right)
    elif rows.num_rows:
        run(connection, f"INSERT INTO {table} BY NAME SELECT * FROM inserted", inserted=rows)


def read(connection: Connection, query: str, *parameters: object, **tables: pa.Table) -> pa.Table:
    """Run a query and return all rows; it may refer to the given Arrow ``tables``."""
    with _registered(connection, tables):
        return connection.sql(query, params=list(parameters)).to_arrow_table()


def read_batches(connection: Connection, query: str, rows: int, *parameters: object) -> Iterator[pa.Table]:
    """Run a query and yield batches of at most ``rows`` rows; do not use the connection meanwhile."""
    for batch in connection.sql(query, params=list(parameters)).to_arrow_reader(rows):
        yield pa.Table.from_batches([batch])


def run(connection: Connection, statement: str, *parameters: object, **tables: pa.Table) -> None:
    """Run a statement without result; it may refer to the given Arrow ``tables``."""
    with _registered(connection, tables):
        connection.execute(statement, list(parameters))


@contextmanager
def _registered(connection: Connection, tables: Mapping[str, pa.Table]) -> Iterator[None]:
    for name, table in tables.items():
        connection.register(name, table)
    try:
        yield
    finally:
        for name in tables:
            connection.unregister(name)


def number(connection: Connection, query: str, *parameters: object) -> int | None:
    """Run a query with one integer as its result, None for null."""
    value = connection.execute(query, list(parameters)).fetchall()[0][0]
    return None if value is None else int(value)


def mark(connection: Connection, name: str, default: int = 0) -> int:
    """Read a named number, such as the progress of a thread."""
    value = number(connection, "SELECT max(value) FROM meta WHERE name = ?", name)
    return default if value is None else value


def set_mark(connection: Connection, name: str, value: int) -> None:
    """Write a named number."""
    connection.execute("DELETE FROM meta WHERE name = ?", [name])
    connection.execute("INSERT INTO meta VALUES (?, ?)", [name, value])
