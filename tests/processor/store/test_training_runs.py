"""Training runs are kept once, over restarts and resends, and leave with their model."""

from __future__ import annotations

from typing import Any

import pytest
from driftline_processor.config.schema import Limits
from driftline_processor.maintenance.erasure import ErasureOrder
from driftline_processor.store import training_runs

from tests.support.otlp_requests import logs, record, span, traces
from tests.support.state_fixtures import Open
from tests.support.state_rows import NOON, Opened, predictions


def send(opened: Opened, *ids: str, model: str = "churn", end: int = NOON, **more: Any) -> None:
    """Send the records of training runs in one request."""
    values = {"ml.model.name": model, "ml.model.version": "1", "driftline.training.duration": 60.0, **more}
    body = logs(
        [
            record("driftline.training.run", {**values, "driftline.training.run.id": id}, time_unix_nano=end)
            for id in ids
        ]
    )
    opened.state.submit("logs", body).result(60)
    opened.state.catch_up()


def kept(opened: Opened) -> list[str]:
    return [run.id for run in opened.view().training_runs]


@pytest.mark.slow
def test_a_run_is_kept_once_by_record_and_span_and_over_a_restart(open_state: Open) -> None:
    opened = open_state()
    opened.send(predictions(["a"]))
    send(opened, "r1", "r1", end=NOON - 10)
    send(opened, "r0", end=NOON - 20)
    values = {"ml.model.name": "churn", "driftline.training.run.id": "r1", "ml.operation.name": "train"}
    body = traces([span(values, start_time_unix_nano=NOON - 20, end_time_unix_nano=NOON - 10)])
    opened.state.submit("traces", body).result(60)

    assert opened.counted("training_run_seen") == 2
    assert kept(opened) == ["r0", "r1"]
    opened = open_state()
    send(opened, "r1", end=NOON - 9)
    assert kept(opened) == ["r0", "r1"]


def test_what_is_out_of_time_or_beyond_a_limit_is_not_kept(open_state: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_runs, "MOST_RUNS", 2)
    opened = open_state(limits=Limits(models=1))
    opened.send(predictions(["a"]))
    send(opened, "late", end=NOON + 400 * 86_400 * 10**9)
    send(opened, "r1", "r2")
    send(opened, "r0", end=NOON - 1)
    send(opened, "r1", model="fraud")

    assert kept(opened) == ["r1", "r2"]
    reasons = ("time_out_of_range", "too_many_training_runs", "model_limit")
    assert [opened.counted(reason) for reason in reasons] == [1, 1, 1]


def test_of_too_many_runs_the_newest_stay_over_a_restart(open_state: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_runs, "MOST_RUNS", 2)
    opened = open_state()
    opened.send(predictions(["a"]))
    for number in range(3):
        send(opened, f"made-up-{number}", end=NOON - 10 + number)
    send(opened, "real", end=NOON)

    assert kept(opened) == ["made-up-2", "real"]
    opened = open_state()
    send(opened, "made-up-0", end=NOON - 9)
    assert kept(opened) == ["made-up-2", "real"]
    assert opened.counted("too_many_training_runs") == 1
    assert opened.rows("SELECT id FROM training_runs ORDER BY id") == [("made-up-2",), ("real",)]


def test_a_run_that_came_and_went_in_one_request_is_not_stored(
    open_state: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_runs, "MOST_RUNS", 1)
    opened = open_state()
    opened.send(predictions(["a"]))
    send(opened, "r1", "r2", "r3")

    assert kept(opened) == ["r3"]
    assert opened.rows("SELECT id FROM training_runs") == [("r3",)]


def test_a_name_from_elsewhere_is_stored_as_it_is(open_state: Open) -> None:
    opened = open_state()
    opened.send(predictions(["a"]))
    hostile: dict[str, Any] = {"driftline.training.result.value.<script>": 0.5}
    send(opened, "'); DROP TABLE training_runs; --", **hostile)

    assert kept(open_state()) == ["'); DROP TABLE training_runs; --"]


def test_runs_leave_with_their_model(open_state: Open) -> None:
    opened = open_state()
    opened.send(predictions(["a"]))
    send(opened, "r1")
    opened.state.erase(ErasureOrder("churn", "model"))

    assert opened.rows("SELECT count(*) AS n FROM training_runs") == [(0,)]
    opened.send(predictions(["b"]))
    assert kept(opened) == []
