"""What is damaged is set aside in a folder ``damaged-<time>``, and the readable tables are copied to a new file.

The folder has a file with the reason, which ``/readyz`` shows until the folder is deleted.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb

from driftline_processor.present.numbers import many
from driftline_processor.present.wording import iso_time

from .migrations import SCHEMA_VERSION

_log = logging.getLogger("driftline")

REASON_FILE = "reason.txt"

FOLDER = re.compile(r"damaged-[0-9TZ-]+")

KEYS = frozenset({"meta", "series"})
"""Tables that the others need: the position in the log up to which requests are stored, and the numbers of models."""

INDEPENDENT = frozenset(
    {
        *("acknowledged", "alerts", "approvals", "audit", "baselines", "decisions", "deliveries", "looks", "messages"),
        *("new_models", "policy_waits", "silences", "training_runs"),
    }
)
"""Tables that do not need :data:`KEYS`, because they have names of models and no progress in the log."""

DEPENDENT = {"kept_columns": "kept"}
"""Table → the table whose columns it names."""

SEEN = frozenset({"requests", "batches", "streams", "offsets", "pane_sources", "business_streams", "business_readings"})
"""Tables by which data that arrive a second time are recognized."""

_ROW_GROUP = 122_880
"""Rows that DuckDB stores together, which are lost together."""


class Salvage:
    """The result of a salvage.

    Attributes:
        rows: Number of copied rows by table.
        lost: Number of lost rows by table; -1 for a table whose rows cannot be counted.
    """

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.lost: dict[str, int] = {}

    def sentence(self) -> str:
        """Return what was copied and what was lost."""
        if not self.rows:
            return "no table could be read"
        copied = sum(self.rows.values())
        if not self.lost:
            return f"all {many(copied, 'row')} could be read and are kept"
        lost = ", ".join(
            f"{table} ({many(rows, 'row')})" if rows > 0 else table for table, rows in sorted(self.lost.items())
        )
        return f"{many(copied, 'row')} could be read and are kept; lost: {lost}"

    @property
    def starts_over(self) -> bool:
        """Return True if the whole log of requests must be read again; otherwise nothing of it was lost or doubled."""
        return not self.rows or not self.lost.keys().isdisjoint(KEYS)

    def effect(self) -> str:
        """Return what the next start does with requests that were stored, and with data that arrive again."""
        if self.starts_over:
            return "the requests that are still in the log are stored again"
        seen = ", ".join(sorted(self.lost.keys() & SEEN))
        twice = f"; data that senders send again can count twice, because rows of {seen} are lost" if seen else ""
        return f"rows that were stored are not read again from the log, so that kept tables count each row once{twice}"


def salvage_tables(damaged: Path, fresh: Path, schema: Mapping[str, str]) -> Salvage:
    """Copy the readable rows of a damaged file to a new file, so that its tables are consistent with each other.

    If the position in the log or the numbers of the models are lost, the tables that need them are empty in the new
    file, because their rows would count twice or belong to another model when the log is read again.

    Args:
        damaged: The damaged file, which is not changed.
        fresh: The new file.
        schema: Table → its statement, for tables that the damaged file lacks.

    Raises:
        duckdb.Error: The new file cannot be written.
    """
    salvage = Salvage()
    with duckdb.connect(str(fresh)) as connection:
        if not _attach(connection, damaged):
            return salvage
        found = connection.execute(
            "SELECT table_name, sql FROM duckdb_tables() WHERE database_name = 'damaged' AND NOT internal ORDER BY 1"
        ).fetchall()
        views = connection.execute(
            "SELECT view_name, sql FROM duckdb_views() WHERE database_name = 'damaged' AND NOT internal"
        ).fetchall()
        for table, statement in found:
            connection.execute(statement)
            _copy(connection, table, salvage)
        if found and _version(connection, salvage) == SCHEMA_VERSION:  # an upgrade creates the tables of a newer one
            for table in schema.keys() - dict(found).keys():
                connection.execute(schema[table])
                salvage.lost[table] = -1
        if salvage.rows:
            _drop_inconsistent(connection, salvage)
        for _, statement in views:
            connection.execute(statement)
        connection.execute("DETACH damaged")
        connection.execute("CHECKPOINT")
    return salvage


def _version(connection: Any, salvage: Salvage) -> int:
    """Return the version of the tables; the current one if it is lost."""
    if "meta" not in salvage.rows:
        return SCHEMA_VERSION
    query = "SELECT coalesce(max(value), ?) FROM meta WHERE name = 'schema'"
    return int(connection.execute(query, [SCHEMA_VERSION]).fetchall()[0][0])


def _drop_inconsistent(connection: Any, salvage: Salvage) -> None:
    """Empty the tables that cannot be understood without a lost table, and count their rows as lost."""
    if salvage.starts_over:
        emptied = salvage.rows.keys() - INDEPENDENT
    else:
        emptied = {other for table, other in DEPENDENT.items() if table in salvage.lost} & salvage.rows.keys()
    for table in emptied:
        schema = " WHERE name <> 'schema'" if table == "meta" else ""
        connection.execute(f"DELETE FROM {_quoted(table)}{schema}")
        if rows := salvage.rows.pop(table):
            salvage.lost[table] = rows + max(0, salvage.lost.get(table, 0))
    connection.execute("INSERT INTO acknowledged SELECT 0 WHERE NOT EXISTS (FROM acknowledged)")


def _attach(connection: Any, damaged: Path) -> bool:
    """Open the damaged file for reading, without its write-ahead log if that is damaged; False if it cannot be read."""
    alone = damaged.with_name("driftline.duckdb.alone")  # a file with another name has no log
    for file in (damaged, alone):
        try:
            if file is alone:
                alone.unlink(missing_ok=True)
                alone.hardlink_to(damaged)
            connection.execute(f"ATTACH {_text(str(file))} AS damaged (READ_ONLY)")
            connection.execute("SELECT sum(estimated_size) FROM duckdb_tables() WHERE database_name = 'damaged'")
        except (duckdb.Error, OSError):
            with suppress(duckdb.Error):
                connection.execute("DETACH damaged")
            continue
        finally:
            alone.unlink(missing_ok=True)
        return True
    return False


def _copy(connection: Any, table: str, salvage: Salvage) -> None:
    """Copy a table; if it has damaged blocks, its other groups of rows."""
    name = _quoted(table)
    try:
        connection.execute(f"INSERT INTO {name} SELECT * FROM damaged.{name}")
        salvage.rows[table] = _count(connection, name)
        return
    except duckdb.Error:
        salvage.lost[table] = -1
    with suppress(duckdb.Error):
        total = _count(connection, f"damaged.{name}")
        for first in range(0, total, _ROW_GROUP):
            with suppress(duckdb.Error):
                connection.execute(
                    f"INSERT INTO {name} SELECT * FROM damaged.{name} WHERE rowid BETWEEN ? AND ?",
                    [first, first + _ROW_GROUP - 1],
                )
        salvage.rows[table] = _count(connection, name)
        salvage.lost[table] = total - salvage.rows[table]


def _count(connection: Any, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _text(value: str) -> str:
    doubled = value.replace("'", "''")
    return f"'{doubled}'"


def set_aside(directory: Path, *files: Path) -> Path:
    """Move files to a new folder ``damaged-<time>`` in a directory, and return the folder. Raises OSError."""
    now = iso_time(time.time_ns() // 10**9 * 10**9).replace(":", "-")
    folder = directory / f"damaged-{now}"
    count = 1
    while folder.exists():
        count += 1
        folder = directory / f"damaged-{now}-{count}"
    folder.mkdir(mode=0o700)
    for file in files:
        if file.exists():
            file.rename(folder / file.name)
    return folder


def write_reason(folder: Path, sentence: str) -> None:
    """Write the reason for a folder and log it. Raises OSError."""
    (folder / REASON_FILE).write_text(sentence + "\n")
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    _log.error("driftline: %s", sentence)


def damage_sentence(directory: Path) -> str | None:
    """Return the reason of the newest folder of damaged files; None without one."""
    folders = sorted(path for path in directory.glob("damaged-*") if FOLDER.fullmatch(path.name))
    for folder in reversed(folders):
        with suppress(OSError):
            return (folder / REASON_FILE).read_text().strip()
    return None
