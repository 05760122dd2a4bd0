"""Upgrades of the tables of earlier versions.

A change of the tables raises ``SCHEMA_VERSION`` and adds a function to :data:`MIGRATIONS`, which changes the content of
the version before. New tables and columns need no function: :func:`upgrade` adds what the schema has and the file
lacks. A state of each version is stored in ``tests/processor/store/states``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from .pane_rows import encode_sums

Connection = Any

SCHEMA_VERSION = 5
"""Version of the tables. Files of earlier versions are upgraded, files of later ones rejected."""

_log = logging.getLogger("driftline")

_RENAMED = {
    ("learning_points", "label"): "category",
    ("balance", "made"): "rows",
    ("alerts", "seen"): "first_seen",
    ("alerts", "over"): "resolved",
    ("alerts", "told"): "notified",
    ("alerts", "said"): "notified_state",
    ("messages", "made"): "created",
    ("messages", "held"): "held_until",
}

_STATES = {"right": "healthy", "wrong": "degraded", "silent": "no_data", "behind": "lagging"}

_SUMS_AT_ONCE = 1_000_000


def upgrade(connection: Connection, version: int, schema: str) -> None:
    """Upgrade the tables inside the caller's transaction.

    Args:
        connection: A connection to the file.
        version: Version of its tables.
        schema: Statements that create the current tables.
    """
    for earlier in range(version, SCHEMA_VERSION):
        MIGRATIONS.get(earlier, lambda _: None)(connection)
    _add_missing(connection, schema)


def _add_missing(connection: Connection, schema: str) -> None:
    """Create the missing tables, and add the missing columns."""
    with duckdb.connect(":memory:") as current:
        current.execute(schema)
        statements = dict(current.execute("SELECT table_name, sql FROM duckdb_tables()").fetchall())
        views = dict(current.execute("SELECT view_name, sql FROM duckdb_views() WHERE NOT internal").fetchall())
        columns = _columns(current)
    present = _columns(connection)
    for table, statement in statements.items():
        if table not in present:
            connection.execute(statement)
            continue
        for column, kind in columns[table].items():
            if column not in present[table]:
                connection.execute(f'ALTER TABLE {table} ADD COLUMN "{column}" {kind}')
    for statement in views.values():
        connection.execute(statement.replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1))


def _columns(connection: Connection) -> dict[str, dict[str, str]]:
    query = (
        "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE database_name = current_database() "
        "AND NOT internal AND table_name IN (SELECT table_name FROM duckdb_tables())"
    )
    columns: dict[str, dict[str, str]] = {}
    for table, column, kind in connection.execute(query).fetchall():
        columns.setdefault(table, {})[column] = kind
    return columns


def _unify_early_tables(connection: Connection) -> None:
    """Change the tables of versions 1 and 2, which had several forms, to those of version 3.

    Evaluations in an earlier encoding are deleted; their windows are evaluated again as far as their rows and panes
    are stored.
    """
    present = _columns(connection)
    for (table, before), name in _RENAMED.items():
        if before in present.get(table, ()):
            connection.execute(f'ALTER TABLE {table} RENAME "{before}" TO "{name}"')
    for table in ("panes", "slice_panes"):
        if "idx" in present[table]:
            _encode_panes(connection, table)
    if "blob" not in present["evaluations"]:
        _delete_evaluations(connection)
    for table in ("days", "uploads", "drawings"):
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    for table, column in (("verdicts", "state"), ("interruptions", "kind"), ("alerts", "state")):
        for before, state in _STATES.items() if table in present else ():
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", [state, before])
    if "messages" in present:
        connection.execute("UPDATE messages SET kind = 'resolved' WHERE kind = 'over'")


def _encode_panes(connection: Connection, table: str) -> None:
    """Replace a table with a row per sum by a table with a row per fold."""
    connection.execute(f"ALTER TABLE {table} RENAME TO {table}_of_sums")
    connection.execute(
        f"CREATE TABLE {table} (series INTEGER, fold VARCHAR, pane BIGINT, span BIGINT, parts VARCHAR, counts BLOB, "
        "places BLOB, sums BLOB)"
    )
    query = f"SELECT series, pane, count(*) AS n FROM {table}_of_sums GROUP BY ALL ORDER BY series, pane"
    known = connection.sql(query).to_arrow_table()
    series, panes, sums = (known.column(name).to_numpy() for name in ("series", "pane", "n"))
    block = np.cumsum(sums) // _SUMS_AT_ONCE
    first_rows = np.flatnonzero((np.diff(series, prepend=-1) != 0) | (np.diff(block, prepend=-1) != 0))
    for first, end in zip(first_rows.tolist(), [*first_rows[1:].tolist(), len(panes)], strict=True):
        of_some = f"SELECT * FROM {table}_of_sums WHERE series = ? AND pane BETWEEN ? AND ?"
        number = int(series[first])
        rows = connection.sql(of_some, params=[number, int(panes[first]), int(panes[end - 1])]).to_arrow_table()
        for encoded in encode_sums(number, rows):
            _insert(connection, table, encoded)
    connection.execute(f"DROP TABLE {table}_of_sums")


def _insert(connection: Connection, table: str, rows: pa.Table) -> None:
    connection.register("encoded_rows", rows)
    try:
        connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM encoded_rows")
    finally:
        connection.unregister("encoded_rows")


def _delete_evaluations(connection: Connection) -> None:
    deleted = connection.execute("SELECT count(*) FROM evaluations").fetchall()[0][0]
    connection.execute("DROP TABLE evaluations")
    if deleted:
        _log.warning(
            "driftline: storage.directory: %s evaluations of an earlier encoding are deleted; their windows are "
            "evaluated again as far as their rows and panes are stored",
            f"{deleted:,}",
        )


MIGRATIONS: dict[int, Callable[[Connection], None]] = {2: _unify_early_tables}
"""For each version, the change of its tables to the next version."""
