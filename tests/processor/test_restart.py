"""A restart with many models: ready before all of them are loaded, and the same afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driftline_processor.config.model import Model
from driftline_processor.config.schema import Config, Storage
from driftline_processor.core.evaluation import Verdict
from driftline_processor.deadline import Deadline
from driftline_processor.ingest import transaction
from driftline_processor.ingest.transaction import read_watermarks
from driftline_processor.policy.watch import PolicyWatch
from driftline_processor.receipts import StorageOutage
from driftline_processor.state import State
from driftline_processor.state.state import AT_ONCE
from driftline_processor.store import database

from tests.support.state_rows import DAY, HOUR, NOON, Clock, Opened, outcomes, predictions


def stored(directory: Path, models: int, now: int = NOON + 2 * DAY) -> State:
    """Return the state of a directory, without threads."""
    names = {f"m{number:02}": Model() for number in range(models)}
    return State(Config(storage=Storage(directory=directory), models=names), clock=Clock(now))


def send(state: State, models: int, rows: int = 8) -> None:
    state.start_storing()
    for number in range(models):
        ids = [f"{number}-{row}" for row in range(rows)]
        times = [NOON + row * 5 * HOUR for row in range(rows)]
        name, actual = f"m{number:02}", [row % 2 for row in range(rows)]
        Opened(state).send(predictions(ids, times, model=name), outcomes(ids, actual, times, model=name))


def sent(directory: Path, models: int) -> None:
    state = stored(directory, models)
    send(state, models)
    state.stop()


@contextmanager
def counted_queries(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Note the queries for which rows are read."""
    queries: list[str] = []
    original = database._registered

    def noted(connection: Any, tables: Any) -> Any:
        queries.append("")
        return original(connection, tables)

    with monkeypatch.context() as patch:
        patch.setattr(database, "_registered", noted)
        yield queries


def verdicts(state: State) -> dict[str, Verdict | None]:
    return {view.key.model: view.verdict for view in state.publish().models}


def shown(state: State) -> dict[str, list[tuple[str, int, int, int, bool]]]:
    """Return the evaluated windows of each model."""
    return {
        view.key.model: [
            (name, one.window.start, one.rows, one.outcome_rows, one.closed)
            for name, windows in view.windows.items()
            for one in windows
        ]
        for view in state.publish().models
    }


@pytest.mark.slow
def test_the_queries_of_a_start_do_not_grow_with_the_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    for models in (AT_ONCE + 1, AT_ONCE + 6):
        sent(tmp_path / str(models), models)
        with counted_queries(monkeypatch) as queries:
            state = stored(tmp_path / str(models), models)
        counts.append(len(queries))
        state.stop()
    assert counts[0] == counts[1]


def test_a_state_is_ready_before_all_models_are_loaded_and_the_rest_is_named(tmp_path: Path) -> None:
    models = AT_ONCE + 3
    sent(tmp_path, models)
    state = stored(tmp_path, models)
    snapshot = state.snapshot
    assert (len(snapshot.models), len(snapshot.loading)) == (AT_ONCE, 3)
    sentence = (
        "oading after the start: 10 of 13 models; pages, API and alerts do not include the others yet, and their data"
        " is received"
    )
    assert snapshot.hints[0] == f"L{sentence}."
    assert state.health.body()["problems"] == [{"name": "models", "message": f"l{sentence}", "ready": True}]
    missing = min(snapshot.loading)
    with pytest.raises(StorageOutage, match=f"^{missing} is being loaded after the start of the processor; try again"):
        snapshot.versions_of(missing)
    assert snapshot.versions_of("another") == ()

    state._keeper.turn.begin()
    assert not state._load()
    loaded = state.publish()
    assert (len(loaded.models), len(loaded.loading), loaded.versions_of(missing)[0].key.model) == (models, 0, missing)
    assert state.health.body()["problems"] == []
    state.stop()


@pytest.mark.slow
def test_nothing_differs_after_a_restart_that_was_loaded_in_steps(tmp_path: Path) -> None:
    models = AT_ONCE + 5
    state = stored(tmp_path, models)
    send(state, models)
    state.settle()
    before = verdicts(state), shown(state)
    state.stop()
    interrupted = stored(tmp_path, models)
    interrupted.start_storing()
    interrupted.finish(Deadline.after(60))  # ends while models are not loaded
    assert interrupted.snapshot.loading
    interrupted.close()
    again = stored(tmp_path, models)
    again.settle()
    assert (verdicts(again), shown(again)) == before
    assert again.read("SELECT count(*) AS n FROM joined").to_pylist() == [{"n": 8 * models}]
    again.stop()


@pytest.mark.slow
def test_a_state_has_not_caught_up_before_the_windows_of_all_models_are_known(tmp_path: Path) -> None:
    models = AT_ONCE + 2
    sent(tmp_path, models)
    later = NOON + 40 * DAY
    state = stored(tmp_path, models, later)
    state.settle()
    state.stop()
    again = stored(tmp_path, models, later)  # all windows are closed, so none waits
    evaluator = again.parts.evaluator
    while evaluator.step(patient=False):
        pass
    assert not evaluator.waiting
    assert not evaluator.idle
    again.parts.snapshots.load()
    evaluator.collect()
    assert evaluator.idle
    again.stop()


@pytest.mark.slow
def test_no_alert_begins_or_ends_before_all_models_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent(tmp_path, AT_ONCE + 1)
    state = stored(tmp_path, AT_ONCE + 1)
    looks: list[bool] = []

    def look(*_: object, caught_up: bool) -> list[object]:
        looks.append(caught_up)
        return []

    monkeypatch.setattr(PolicyWatch, "look", look)
    state.notifications.look(True)
    assert looks == []
    state.publish()
    state.notifications.look(True)
    assert looks == [True]
    state.stop()


@pytest.mark.slow
def test_models_with_a_problem_are_loaded_first(tmp_path: Path) -> None:
    models = AT_ONCE + 4
    sent(tmp_path, models)
    state = stored(tmp_path, models)
    last = max(state.snapshot.loading)
    number = next(one.number for one in state.parts.intake.series if one.key.model == last)
    connection = state.parts.connection
    connection.execute("DELETE FROM verdicts WHERE series = ?", [number])
    connection.execute("INSERT INTO verdicts VALUES (?, 'degraded', 1, 1)", [number])
    state.close()
    again = stored(tmp_path, models)
    assert [view.key.model for view in again.snapshot.versions_of(last)] == [last]
    again.close()


def test_the_watermark_of_a_model_with_little_traffic_is_of_its_own_newest_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "ROWS", 3)
    state = stored(tmp_path, 2)
    state.start_storing()
    quiet = [NOON, NOON + 3, NOON + 1, NOON + 2]
    Opened(state).send(predictions(["a", "b", "c", "d"], quiet, model="m00"))
    Opened(state).send(predictions([f"{row}" for row in range(40)], [NOON + row for row in range(40)], model="m01"))
    state.stop()
    again = stored(tmp_path, 2)
    marks = read_watermarks(again.parts.connection)
    assert {model: mark._times.tolist() for (_, model), mark in marks.items()} == {
        "m00": quiet[1:],
        "m01": [NOON + 37, NOON + 38, NOON + 39],
    }
    assert all(mark._times.dtype == np.int64 for mark in marks.values())
    again.close()
