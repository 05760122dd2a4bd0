"""Panes as rows of bytes: what is written is read again, and older states are written anew."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from driftline_processor.store import database
from driftline_processor.store.database import Connection, Store, insert, mark, read, set_mark, transaction
from driftline_processor.store.pane_rows import COLUMNS, StoredPanes, encode_panes, encode_sums
from hypothesis import given
from hypothesis import strategies as st

from tests.support.state_rows import DAY, HOUR, NOON
from tests.support.stored_sums import read_of_sums

PANE = HOUR // 12
PARTS = ("rows", 'feature:"a, b"', "feature:ä\n☃", "class")
FOLDS = [(1, ""), (1, "f"), (2, ""), (2, "f|region=north")]
OLD = "series INTEGER, fold VARCHAR, pane BIGINT, span BIGINT, part VARCHAR, idx INTEGER, value DOUBLE"
BY_SUM = "SELECT series, fold, pane, span, part, idx, sum(value) AS value FROM {} GROUP BY ALL ORDER BY ALL"

Sum = tuple[int, int, int, int, float]
SUMS = st.tuples(
    st.integers(0, len(FOLDS) - 1),
    st.integers(0, 4),
    st.integers(0, len(PARTS) - 1),
    st.integers(0, 4_097),
    st.floats(allow_nan=False, width=64),
)


def encoded(sums: list[Sum]) -> pa.Table:
    fold, pane, part, index, value = (np.array(column) for column in zip(*sums, strict=True))
    starts = NOON + np.arange(5) * PANE
    return encode_panes(FOLDS, fold, starts, pane, PANE, PARTS, part, index, value.astype(np.float64))


@given(st.lists(SUMS, min_size=1, max_size=60))
def test_what_is_written_is_read_again(sums: list[Sum]) -> None:
    rows = encoded(sums)
    assert len(rows) == len({(fold, pane) for fold, pane, *_ in sums})
    table = StoredPanes.of(rows.select(COLUMNS.split(", "))).table()
    found = [tuple(row.values()) for row in table.to_pylist()]
    assert sorted(found) == sorted(
        (*FOLDS[fold], NOON + pane * PANE, PANE, PARTS[part], index, value) for fold, pane, part, index, value in sums
    )


@given(st.lists(SUMS, min_size=1, max_size=60), st.integers(0, 2**20 - 1))
def test_some_rows_and_some_parts_are_those_of_all(sums: list[Sum], drawn: int) -> None:
    stored = StoredPanes.of(encoded(sums).select(COLUMNS.split(", ")))
    own = np.array([row for row in range(len(stored)) if drawn >> row & 1], np.int64)
    if len(own):
        chosen = [row for at in own.tolist() for row in stored.some(np.array([at])).table().to_pylist()]
        assert stored.some(own).table().to_pylist() == chosen
    wanted = [row for row in stored.table().to_pylist() if row["fold"] == "" and row["part"] == "rows"]
    assert stored.table(lambda fold, part: not fold and part == "rows").to_pylist() == wanted


def test_sums_of_panes_of_several_lengths_are_rows_of_each(tmp_path: Path) -> None:
    connection = Store(tmp_path).connect()
    sums = pa.table(
        {
            "fold": ["f", "f", ""],
            "pane": [NOON, NOON + HOUR, NOON],
            "span": [HOUR, PANE, PANE],
            "part": ["rows", "rows", "class"],
            "idx": pa.array([0, 2, 1], pa.int32()),
            "value": [1.5, 2.0, -3.0],
        }
    )
    for rows in encode_sums(7, sums):
        insert(connection, "panes", rows)
    found = [tuple(row.values()) for row in read_of_sums(connection, BY_SUM.format("sums")).to_pylist()]
    assert found == [
        (7, "", NOON, PANE, "class", 1, -3.0),
        (7, "f", NOON, HOUR, "rows", 0, 1.5),
        (7, "f", NOON + HOUR, PANE, "rows", 2, 2.0),
    ]
    connection.close()


def older(directory: Path) -> dict[str, list[tuple[object, ...]]]:
    """Write a state of the release before; return the sums by table."""
    store, rng = Store(directory), np.random.default_rng(1)
    connection = store.connect()
    with transaction(connection):
        for table in ("panes", "slice_panes"):
            connection.execute(f"DROP TABLE {table}")
            connection.execute(f"CREATE TABLE {table} ({OLD})")
            n = 5_000
            rows = {
                "series": pa.array(rng.integers(1, 4, n), pa.int32()),
                "fold": rng.choice(["", "f", "task:x"], n),
                "pane": NOON + rng.integers(0, 40, n) * DAY,
                "span": rng.choice([PANE, HOUR, DAY], n),
                "part": rng.choice(PARTS, n),
                "idx": pa.array(rng.integers(0, 50, n), pa.int32()),
                "value": rng.integers(-5, 50, n) * 0.25,
            }
            insert(connection, table, pa.table(rows))
        set_mark(connection, "schema", 1)
    found = {table: rows_of(connection, BY_SUM.format(table)) for table in ("panes", "slice_panes")}
    connection.close()
    store.close()
    return found


def rows_of(connection: Connection, query: str) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in read_of_sums(connection, query).to_pylist()]


def assert_migrated(directory: Path, sums: dict[str, list[tuple[object, ...]]]) -> None:
    store = Store(directory)
    with store.reading() as connection:
        for table, name in (("panes", "sums"), ("slice_panes", "slice_sums")):
            found = rows_of(connection, BY_SUM.format(name))
            assert found == sums[table]
        assert mark(connection, "schema") == 2
        tables = read(connection, "SELECT table_name FROM duckdb_tables() WHERE table_name LIKE '%panes%'")
        assert sorted(tables.column(0).to_pylist()) == ["panes", "slice_panes"]
    store.close()


@pytest.mark.parametrize("at_once", [100, 1_000_000])
def test_panes_of_an_older_state_are_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(database, "_MIGRATED", at_once)
    sums = older(tmp_path)
    for _ in range(2):
        assert_migrated(tmp_path, sums)


def test_a_process_that_is_killed_while_panes_are_written_anew_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sums, written = older(tmp_path / "state"), 0

    def fail(connection: Connection, table: str, rows: pa.Table) -> None:
        nonlocal written
        written += 1
        if written == 2:
            shutil.copytree(tmp_path / "state", tmp_path / "killed")
            raise RuntimeError
        insert(connection, table, rows)

    with monkeypatch.context() as patched:
        patched.setattr(database, "_MIGRATED", 1_000)
        patched.setattr(database, "insert", fail)
        with pytest.raises(RuntimeError):
            Store(tmp_path / "state")
    for left in ("state", "killed"):
        assert_migrated(tmp_path / left, sums)


def test_a_process_that_is_killed_right_after_panes_were_written_anew_has_them(tmp_path: Path) -> None:
    sums = older(tmp_path / "state")
    store = Store(tmp_path / "state")
    shutil.copytree(tmp_path / "state", tmp_path / "killed")  # with the log that the file has not taken yet
    store.close()
    assert_migrated(tmp_path / "killed", sums)
