"""The processor ends in time whatever it has to do, and goes on from there when it starts again."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from driftline_processor.config.model import Model
from driftline_processor.config.schema import validate_file
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.deadline import Deadline
from driftline_processor.evaluation import evaluator
from driftline_processor.evaluation.evaluator import Evaluator, SeriesWindow
from driftline_processor.receipts import Overloaded
from driftline_processor.service import EVALUATING, FORWARDING, RECEIVING, Service
from driftline_processor.state import State

from tests.support.facts import lacking
from tests.support.running_service import service_config
from tests.support.state_fixtures import Open
from tests.support.state_rows import HOUR, NOON, Clock, Opened, config, predictions

HOURS = 40
MODEL = Model(windows=("1h",))


class Seconds:
    """A clock that goes on by a second each time a window is evaluated."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.slow
def test_evaluation_stops_when_the_time_is_over_and_goes_on_after_the_next_start(
    open_state: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    state, seconds = open_state(churn=MODEL), Seconds()
    evaluate = Evaluator._judge

    def slowly(self: Evaluator, windows: Sequence[SeriesWindow]) -> list[Evaluation | None]:
        seconds.now += len(windows)
        return evaluate(self, windows)

    monkeypatch.setattr(Evaluator, "_judge", slowly)
    monkeypatch.setattr(evaluator, "TOGETHER", 1)
    state.send(*(predictions([str(hour)], NOON + hour * HOUR) for hour in range(-HOURS, 0)))
    state.state.finish(Deadline.after(12.0, seconds))
    assert seconds.now == 112.0
    assert len(state.state.publish().models[0].windows["1h"]) == 12
    assert len(caplog.messages) == 1
    assert lacking(caplog.messages[0], "shutdown.timeout", "expired", f"{HOURS - 12}") == []
    state.state.close()
    monkeypatch.undo()
    monkeypatch.setattr(State, "stop", lambda _: None)  # it is
    state = open_state(churn=MODEL)
    monkeypatch.undo()
    assert [one.rows for one in state.view().windows["1h"]] == [1] * HOURS


@pytest.mark.slow
def test_a_request_that_is_not_written_in_time_is_refused_and_one_that_is_written_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State(config(tmp_path), clock=Clock())
    opened = Opened(state)
    state.start()
    opened.send(predictions(["kept"]))
    take, busy, go_on = state.parts.intake.take, threading.Event(), threading.Event()

    def slowly(*requests: Any) -> Any:
        busy.set()
        assert go_on.wait(60)
        return take(*requests)

    monkeypatch.setattr(state.parts.intake, "take", slowly)
    under_way = state.offer(opened.request(predictions(["under way"])))
    assert busy.wait(60)
    waiting = state.offer(opened.request(predictions(["waiting"])))
    finishing = threading.Thread(target=state.finish, args=[Deadline(0.0, 0.0, lambda: 0.0)])
    finishing.start()
    with pytest.raises(Overloaded):
        waiting.result(60)
    go_on.set()
    assert under_way.result(60).accepted == 1
    finishing.join(60)
    state.close()
    again = State(config(tmp_path), clock=Clock())
    assert again.read("SELECT id FROM predictions ORDER BY id").column(0).to_pylist() == ["kept", "under way"]
    again.stop()


@pytest.mark.slow
@pytest.mark.parametrize("part", ["keeper", "settling"])
def test_a_statement_that_would_run_for_hours_is_interrupted(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    state = State(config(tmp_path), clock=Clock())
    endless = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range + b.range = 1"
    busy, step = threading.Event(), state.parts.join.step

    def run_for_hours() -> bool:
        busy.set()
        state.parts.connection.execute(endless)
        return step()

    monkeypatch.setattr(state.parts.join, "step", run_for_hours)
    state.start_storing()
    Opened(state).send(predictions(["a"]))
    if part == "keeper":
        state._keeper.start()
        assert busy.wait(60)
    finishing = threading.Thread(target=state.finish, args=[Deadline.after(0.5)])
    finishing.start()
    finishing.join(60)
    assert not finishing.is_alive()
    assert not state._keeper.alive
    state.close()
    assert "Traceback" not in caplog.text
    again = State(config(tmp_path), clock=Clock())
    assert again.read("SELECT id FROM predictions").column(0).to_pylist() == ["a"]
    again.stop()


@pytest.mark.slow
@pytest.mark.parametrize("part", ["keeper", "settling"])
def test_a_window_whose_evaluation_is_interrupted_is_evaluated_after_the_next_start(
    part: str, open_state: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    opened = open_state(churn=MODEL)
    endless = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range + b.range = 1"
    busy, evaluate = threading.Event(), Evaluator._judge

    def run_for_hours(self: Evaluator, windows: Sequence[SeriesWindow]) -> list[Evaluation | None]:
        busy.set()
        self._connection.execute(endless)
        return evaluate(self, windows)

    monkeypatch.setattr(Evaluator, "_judge", run_for_hours)
    opened.send(predictions(["a"], NOON - 3 * HOUR), predictions(["b"], NOON))
    if part == "keeper":
        opened.state._keeper.start()
        assert busy.wait(60)
    finishing = threading.Thread(target=opened.state.finish, args=[Deadline.after(0.5)])
    finishing.start()
    finishing.join(60)
    assert not finishing.is_alive()
    opened.state.close()
    assert "Traceback" not in caplog.text
    monkeypatch.undo()
    monkeypatch.setattr(State, "stop", lambda _: None)  # it is
    again = open_state(churn=MODEL)
    monkeypatch.undo()
    again.state.settle()
    assert [one.rows for one in again.view().windows["1h"]] == [1, 1]


def test_all_parts_of_the_end_share_one_timeout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Receivers take all the time that they may, so that what follows has less of it."""
    now, given = [1000.0], {}
    service = Service(service_config(tmp_path, shutdown={"timeout": "20s"}), monotonic=lambda: now[0])
    service.start()
    receiver = service._receivers[0]
    assert service._state is not None
    assert service._forwarder is not None
    stop, finish, close = receiver.stop, service._state.finish, service._state.close

    def receiver_stops(grace: float) -> None:
        given["receiver"] = grace
        stop(grace)
        now[0] += 5.0

    def state_finishes(deadline: Deadline) -> None:
        given["state"] = deadline.left
        finish(deadline)
        now[0] += 7.0

    def forwarder_stops(grace: float) -> None:
        given["forwarder"] = grace
        now[0] += 6.0

    monkeypatch.setattr(receiver, "stop", receiver_stops)
    monkeypatch.setattr(service._state, "finish", state_finishes)
    monkeypatch.setattr(service._forwarder, "stop", forwarder_stops)
    monkeypatch.setattr(service._state, "close", lambda: (given.update(close=1020.0 - now[0]), close()))
    service.stop()
    assert (RECEIVING, EVALUATING, FORWARDING) == (0.25, 0.6, 0.9)
    assert given == {"receiver": 5.0, "state": 7.0, "forwarder": 6.0, "close": 2.0}


def test_a_timeout_in_which_nothing_can_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "driftline.yaml"
    path.write_text("shutdown: {timeout: 0s}\n")
    assert [*map(str, validate_file(path))] == [
        "shutdown.timeout: is less than a second, which is too short to deliver anything; use more, such as '20s'"
    ]
