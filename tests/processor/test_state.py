"""Started, the state keeps itself: joined, evaluated and stored without anybody asking."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline_processor.config.model import Model
from driftline_processor.config.schema import Config, Storage
from driftline_processor.state import State
from driftline_processor.state import state as state_module
from driftline_processor.store import memory_folder
from driftline_processor.store.database import StorageError

from tests.support.state_rows import NOON, Clock, Opened, config, outcomes, predictions


def until(state: State, outcomes: int) -> None:
    """Wait until so many outcomes are to be seen in a window."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        models = state.publish().models
        if models and models[0].windows["1d"] and models[0].windows["1d"][-1].outcome_rows == outcomes:
            return
        time.sleep(0.05)
    raise AssertionError("the keeper did not do its work")


@pytest.mark.slow
def test_the_keeper_joins_and_evaluates_by_itself(tmp_path: Path) -> None:
    state = State(config(tmp_path), clock=Clock())
    state.start()
    opened = Opened(state)
    opened.send(predictions(["a", "b"]))
    opened.send(outcomes(["a"], [1]))
    until(state, 1)
    opened.send(outcomes(["b"], [1]))
    until(state, 2)
    assert state.counters() == {
        (m.DRIFTLINE_RECEIVED_ROWS, ()): 4.0,
        (m.DRIFTLINE_JOINED_OUTCOMES, ()): 2.0,
        (m.DRIFTLINE_PENDING_OUTCOMES, ()): 0.0,
        (m.DRIFTLINE_PENDING_OUTCOME_AGE, ()): 0.0,
        (m.DRIFTLINE_PENDING_WINDOWS, ()): 0.0,
        (m.DRIFTLINE_PENDING_WINDOW_AGE, ()): 0.0,
        (m.DRIFTLINE_EVALUATION_LAG, ((a.DRIFTLINE_WINDOW, "1h"),)): 0.0,
        (m.DRIFTLINE_EVALUATION_LAG, ((a.DRIFTLINE_WINDOW, "1d"),)): 0.0,
        (m.DRIFTLINE_LOG_SIZE, ()): 0.0,
        (m.DRIFTLINE_ANALYSIS_QUEUE_SIZE, ()): 0.0,
        (m.DRIFTLINE_READY, ()): 1.0,
    }
    state.stop()


@pytest.mark.slow
def test_a_failing_step_is_logged_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    state = State(config(tmp_path), clock=Clock())
    steps = state.parts.join.step
    failures = iter([OSError("disk full")])

    def step() -> bool:
        for failure in failures:
            raise failure
        return steps()

    monkeypatch.setattr(state.parts.join, "step", step)
    state.start()
    Opened(state).send(predictions(["a"]), outcomes(["a"], [1]))
    until(state, 1)
    assert "background maintenance failed; driftline will retry" in caplog.text
    state.stop()


def test_what_came_since_the_start_is_joined_before_policies_look(tmp_path: Path) -> None:
    """Also while the join pauses."""
    state = State(config(tmp_path), clock=Clock())
    state.start_storing()
    Opened(state).send(predictions(["a"]), outcomes(["a"], [1]))
    state.catch_up()
    state._look_at_policies()
    assert state.read("SELECT count(*) AS n FROM joined").to_pylist() == [{"n": 1}]
    state.stop()


def test_the_join_pauses_longer_the_longer_it_takes(tmp_path: Path) -> None:
    state = State(config(tmp_path), clock=Clock())
    (join,) = (step for step in state._steps() if step.run == state._join)
    assert (join.pause, join.longest_pause) == (state_module.PAUSE, state_module.LONGEST_JOIN_PAUSE)
    state.stop()


def test_a_state_that_was_never_started_can_be_stopped(tmp_path: Path) -> None:
    State(config(tmp_path), clock=Clock()).stop()


def test_a_baseline_that_cannot_be_read_is_named_before_anything_is_opened(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"absent\.json: no such file"):
        State(config(tmp_path / "state", churn=Model(baseline=tmp_path / "absent.json")))
    assert not (tmp_path / "state").exists()


def test_stopping_joins_and_evaluates_what_was_acknowledged(tmp_path: Path) -> None:
    state = State(config(tmp_path), clock=Clock(NOON))
    state.start_storing()
    Opened(state).send(predictions(["a"], NOON - 10**15), outcomes(["a"], [1]))
    state.stop()
    again = State(config(tmp_path), clock=Clock(NOON))
    assert again.read("SELECT count(*) AS n FROM joined").to_pylist() == [{"n": 1}]
    again.stop()


def test_a_start_that_fails_leaves_nothing_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_folder, "BASE", tmp_path)
    in_memory = Config(storage=Storage(in_memory=True))

    def full(*_: object, **__: object) -> None:
        raise StorageError("no room")

    for part in ("RequestLog", "Store"):
        with monkeypatch.context() as failing:
            failing.setattr(state_module, part, full)
            with pytest.raises(StorageError, match="no room"):
                State(in_memory)
        assert list(tmp_path.iterdir()) == []
