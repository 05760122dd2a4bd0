"""States of all earlier forms of the tables open with everything in them, and a backup is made before."""

from __future__ import annotations

import hashlib
import json
import logging
import tarfile
from pathlib import Path

import duckdb
import pytest
from driftline_processor.config.schema import load
from driftline_processor.state import State
from driftline_processor.store import database, migrations
from driftline_processor.store.archive import unpack
from driftline_processor.store.database import StorageError, Store, mark, number, set_mark
from driftline_processor.store.migrations import SCHEMA_VERSION

HERE = Path(__file__).parent
STATES = sorted(path.name.removesuffix(".tar.xz") for path in (HERE / "states").iterdir())
"""Each was written by the last version with its form of the tables: 96 predictions of 4 days, 48 with an outcome."""

HOUR = 3600 * 10**9
NOW = 20_775 * 24 * HOUR + 9 * HOUR
CONFIG = """
storage: {{directory: {}}}
models: {{churn: {{task: binary, windows: [1d]}}}}
policies: {{accurate: {{when: accuracy < 0.99, window: 1d}}}}
"""


def stored(directory: Path, name: str) -> Path:
    """Write a stored state to a directory."""
    with tarfile.open(HERE / "states" / f"{name}.tar.xz") as tar:
        tar.extractall(directory, filter="data")
    return directory


def tables_of(file: Path) -> dict[str, int]:
    with duckdb.connect(str(file), read_only=True) as connection:
        tables = connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()
        return {table: number(connection, f"SELECT count(*) FROM {table}") or 0 for (table,) in tables}


@pytest.mark.parametrize("name", STATES)
def test_a_state_of_an_earlier_schema_opens_with_its_rows_windows_and_alerts(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "driftline")
    directory = stored(tmp_path / "state", name)
    before = tables_of(directory / "driftline.duckdb")
    config = tmp_path / "driftline.yaml"
    config.write_text(CONFIG.format(directory))
    state = State(load(config), clock=lambda: NOW)
    state.start()
    state.settle()
    (joined,) = state.read("SELECT count(*) AS rows, count(DISTINCT prediction) AS predictions FROM joined").to_pylist()
    windows = state.read("SELECT DISTINCT start FROM evaluations WHERE name = '1d'").num_rows
    words = state.read("SELECT words FROM alerts WHERE policy = 'accurate'").column(0).to_pylist()
    assert state.read("SELECT * FROM predictions").num_rows == 96
    assert (joined, windows) == ({"rows": 48, "predictions": 48}, 4)
    assert [text.startswith("accuracy is 58.3 % (27.7 % to 84.8 %)") for text in words] == [True]
    assert len(state.read("SELECT * FROM decisions")) == before.get("decisions", 0)
    assert state.health.problems() == []
    state.stop()

    (backup,) = directory.glob("driftline.backup-schema-*.tar")
    assert f"the state before is in {backup}" in caplog.text
    manifest = unpack(backup, tmp_path / "restored")
    assert manifest.schema == {"2-panes-as-bytes": 2, "7-panes-of-rows": 3, "8-records": 4}.get(name, 1)
    assert tables_of(tmp_path / "restored" / "driftline.duckdb") == before


def test_an_upgraded_state_is_not_upgraded_again(tmp_path: Path) -> None:
    directory = stored(tmp_path, STATES[-1])
    for _ in range(2):
        Store(directory).close()
    assert len(list(directory.glob("driftline.backup*"))) == 1


def test_a_state_whose_backup_cannot_be_written_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = stored(tmp_path, STATES[0])
    before = tables_of(directory / "driftline.duckdb")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(database, "write_archive", full)
    with pytest.raises(StorageError, match=r"cannot be upgraded from schema 1, because its backup cannot be written"):
        Store(directory)
    assert tables_of(directory / "driftline.duckdb") == before
    assert list(directory.glob("driftline.backup*")) == []


def test_an_upgrade_that_fails_changes_nothing_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = stored(tmp_path, STATES[0])
    before = tables_of(directory / "driftline.duckdb")

    def fails(_: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setitem(migrations.MIGRATIONS, 2, fails)
        with pytest.raises(RuntimeError):
            Store(directory)
    assert tables_of(directory / "driftline.duckdb") == before
    store = Store(directory)
    assert mark(store.connect(), "schema") == SCHEMA_VERSION
    store.close()


def test_a_newer_state_is_refused_in_one_line(tmp_path: Path) -> None:
    store = Store(tmp_path)
    set_mark(store.connect(), "schema", SCHEMA_VERSION + 1)
    store.close()
    with pytest.raises(StorageError) as raised:
        Store(tmp_path)
    assert str(raised.value) == (
        f"storage.directory: {tmp_path} was written by a newer version of Driftline (schema {SCHEMA_VERSION + 1}; this "
        f"version reads {SCHEMA_VERSION}); run that version, or restore the backup that it made before its upgrade "
        "into another directory"
    )


TABLES = {3: "d5bd6170544765ff", 4: "f106d7d575f725e7", 5: "382a3227b4abc48a"}
"""Digest of the tables and columns of each version since the upgrades exist."""


def test_changed_tables_have_a_new_version() -> None:
    """If this fails, raise SCHEMA_VERSION, store a state of the version before in ``states``, and add its digest.

    If the version is not released yet, replace its digest.
    """
    with duckdb.connect(":memory:") as connection:
        connection.execute(database._SCHEMA)
        query = "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal ORDER BY ALL"
        columns = connection.execute(query).fetchall()
    digest = hashlib.sha256(json.dumps(columns).encode()).hexdigest()[:16]
    assert TABLES[SCHEMA_VERSION] == digest
