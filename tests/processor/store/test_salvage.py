"""After a salvage, for every set of lost tables: no row counts twice or for another model, and the loss is reported."""

from __future__ import annotations

import random
from collections.abc import Collection
from pathlib import Path

import duckdb
import pytest
from driftline_processor.cli.commands import app
from driftline_processor.state import State
from driftline_processor.store import salvage
from driftline_processor.store.database import TABLES
from driftline_processor.store.salvage import DEPENDENT, INDEPENDENT, KEYS, SEEN
from typer.testing import CliRunner

from tests.support.processes import prediction
from tests.support.state_rows import NOON, Clock, config

MODELS = ("churn", "fraud")
SENT = 3
"""Rows per model, one of them without an id."""


def opened(directory: Path) -> State:
    state = State(config(directory), clock=Clock(NOON))
    state.start_storing()
    return state


def send(state: State, first: int = 0) -> None:
    for model in MODELS:
        for number in range(first, first + SENT):
            body = prediction(model, f"{number}" if number % SENT else "")
            state.submit("logs", body + b"\x0a\x00" * number).result(60)  # an equal body would be a retry
    state.settle()


def counts(state: State) -> tuple[dict[str, int], dict[str, int]]:
    """Return the rows in the windows of each model, and its stored rows."""
    windows = {model.key.model: sum(one.rows for one in model.windows["1d"]) for model in state.publish().models}
    query = "SELECT model, count(*) AS rows FROM predictions JOIN models USING (series) GROUP BY model"
    stored = state.read(query).to_pydict()
    return windows, dict(zip(stored["model"], stored["rows"], strict=True))


def lose(monkeypatch: pytest.MonkeyPatch, directory: Path, lost: Collection[str]) -> None:
    """Let the next start find damaged blocks in these tables."""
    copy = salvage._copy

    def copy_others(connection: object, table: str, result: salvage.Salvage) -> None:
        if table in lost:
            result.lost[table] = -1
        else:
            copy(connection, table, result)

    monkeypatch.setattr(salvage, "_copy", copy_others)
    (directory / "driftline.damaged").write_text("checksum")


def subsets() -> list[tuple[str, ...]]:
    """Return tables that requests write, alone and in pairs, and eight seeded sets of all tables."""
    alone = ("acknowledged", "kept_columns", "meta", "panes", "predictions", "requests", "series", "streams")
    generator, names = random.Random(59), sorted(TABLES)
    drawn = [tuple(sorted(generator.sample(names, generator.randint(2, 30)))) for _ in range(8)]
    return [*((name,) for name in alone), ("panes", "predictions"), ("meta", "predictions"), *drawn]


@pytest.mark.heavy
@pytest.mark.parametrize("is_restarted", [False, True], ids=["log complete", "log without stored requests"])
def test_no_row_counts_twice_whichever_tables_are_lost(
    tmp_path: Path, is_restarted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, lost in enumerate(subsets()):
        directory = tmp_path / f"{number}"
        state = opened(directory)
        send(state)
        if is_restarted:
            state.log.let_go()
        state.stop()
        with monkeypatch.context() as patch:
            lose(patch, directory, lost)
            state = opened(directory)
        state.settle()
        windows, stored = counts(state)
        everything = dict.fromkeys(MODELS, SENT)
        needed = {"predictions", "panes", *KEYS}
        if KEYS.isdisjoint(lost):
            assert windows == (dict.fromkeys(MODELS, 0) if "panes" in lost else everything), (lost, windows)
            assert stored == ({} if "predictions" in lost else everything), (lost, stored)
        else:
            assert (windows, stored) == (({}, {}) if is_restarted else (everything, everything)), lost
        if not needed.isdisjoint(lost):
            damage = state._store.damage or ""
            assert all(name in damage for name in lost), (lost, damage)
            assert [problem.name for problem in state.health.problems()][-1:] == ["storage_damaged"]
            assert "rows that were stored are not read again" in damage or not KEYS.isdisjoint(lost)
        send(state, SENT)
        more = counts(state)
        for before, after in zip((windows, stored), more, strict=True):
            assert after == {model: before.get(model, 0) + SENT for model in MODELS}, (lost, before, after)
        state.stop()
        state = opened(directory)
        state.settle()
        assert counts(state) == more, lost
        assert state._store.gap is None
        state.stop()
        checked = CliRunner().invoke(app, ["state", "check", str(directory)])
        assert checked.exit_code == 0, checked.output
        assert all(name in checked.output for name in lost), checked.output


@pytest.mark.slow
@pytest.mark.parametrize("table", ["meta", "panes", "predictions", "series", "audit", "acknowledged"])
def test_a_table_that_the_file_lacks_is_a_damage_that_the_check_and_the_start_report(
    tmp_path: Path, table: str
) -> None:
    state = opened(tmp_path)
    send(state)
    state.stop()
    with duckdb.connect(str(tmp_path / "driftline.duckdb")) as connection:
        connection.execute(f"DROP TABLE {table}")
    checked = CliRunner().invoke(app, ["state", "check", str(tmp_path)])
    assert checked.exit_code == 1
    assert ("Table with name meta does not exist" if table == "meta" else f"it has no table {table}") in checked.output
    assert "start driftline, which" in checked.output
    state = opened(tmp_path)
    assert table in (state._store.damage or "")
    windows, stored = counts(state)
    assert max(windows.values(), default=0) <= SENT
    assert max(stored.values(), default=0) <= SENT
    state.stop()


def test_lists_of_tables_name_tables() -> None:
    assert (KEYS | INDEPENDENT | SEEN | DEPENDENT.keys() | set(DEPENDENT.values())) - TABLES.keys() == set()


@pytest.mark.parametrize(
    ("lost", "expected"),
    [
        (
            "predictions",
            "rows that were stored are not read again from the log, so that kept tables count each row once",
        ),
        ("meta", "the requests that are still in the log are stored again"),
        ("series", "the requests that are still in the log are stored again"),
        (
            "streams",
            "rows that were stored are not read again from the log, so that kept tables count each row once; data that "
            "senders send again can count twice, because rows of streams are lost",
        ),
    ],
)
def test_the_reason_contains_what_happens_to_stored_rows(lost: str, expected: str) -> None:
    result = salvage.Salvage()
    result.rows["audit"] = 1
    result.lost[lost] = 1
    assert result.effect() == expected
