"""The verdict of a running model: silent by its own pace, behind while windows wait, kept over restarts and kill -9."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline.tables.table import ModelKey
from driftline_processor.config.model import Model
from driftline_processor.evaluation.window_queue import LONG
from driftline_processor.exporters.derived_metrics import points
from driftline_processor.maintenance.erasure import ErasureOrder
from driftline_processor.present.sentences.verdict import verdict_sentence
from driftline_processor.queries import interruptions
from driftline_processor.queries.incidents import incidents_of
from driftline_processor.queries.verdicts import VerdictChange
from driftline_processor.state import State
from msgspec.structs import replace

from tests.support.paths import ROOT
from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, MINUTE, NOON, Clock, Opened, config, predictions, send_hourly
from tests.support.unwrap import unwrap


def states(view: Opened) -> dict[str, float]:
    view.state.publish()
    return {
        dict(one.attributes)[a.DRIFTLINE_STATE]: one.value
        for one in points(view.state)
        if one.metric == m.DRIFTLINE_MODEL_STATUS
    }


@pytest.fixture(name="state")
def hourly_state(open_state: Open) -> Opened:
    return open_state(churn=Model(windows=("1h",)))


@pytest.mark.slow
def test_a_model_is_silent_once_its_own_pace_says_that_a_row_is_overdue_and_no_more_when_one_comes(
    state: Opened, clock: Clock
) -> None:
    send_hourly(state, clock, 30)
    clock.now += HOUR
    verdict = unwrap(state.view().verdict)
    assert verdict.state == "unknown"
    clock.now += HOUR
    verdict = unwrap(state.view().verdict)
    assert (verdict.state, verdict.since) == ("no_data", NOON + 29 * HOUR)
    assert [reason.kind for reason in verdict.reasons] == ["no_prediction"]
    assert "5 October 2024, 17:00" in verdict_sentence(verdict)
    assert states(state) == {"no_data": 1.0}
    state.send(predictions(["late"], clock.now))
    assert states(state) == {"unknown": 1.0}


def test_before_a_day_of_traffic_nothing_is_silent(state: Opened, clock: Clock) -> None:
    send_hourly(state, clock, 20)
    clock.now += 3 * HOUR
    assert states(state) == {} or state.view().verdict is not None
    assert "no_data" not in states(state)


@pytest.mark.slow
def test_versions_of_a_model_are_silent_together_and_one_that_was_replaced_has_no_state(
    state: Opened, clock: Clock
) -> None:
    send_hourly(state, clock, 30)
    send_hourly(state, clock, 6, version="2", first=30)
    old, new = state.view(), state.view(version="2")
    assert (old.in_use, new.in_use) == (False, True)
    assert unwrap(old.verdict).state == "unknown"
    named = [
        dict(one.attributes)[a.ML_MODEL_VERSION]
        for one in points(state.state)
        if one.metric == m.DRIFTLINE_MODEL_STATUS
    ]
    assert named == ["2"]
    clock.now += 3 * HOUR
    assert state.view(version="2").verdict.state == "no_data"  # type: ignore[union-attr]


def test_a_shadow_does_not_count(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=Model.model_validate({"windows": ["1h"], "versions": {"shadow": ["2"]}}))
    for version in ("1", "2"):
        state.send(predictions(["a"], clock.now, version=version))
    assert state.view().in_use
    assert not state.view(version="2").in_use


def test_windows_that_wait_for_long_make_it_behind(state: Opened, clock: Clock) -> None:
    state.send(predictions(["a"], clock.now))
    state.view()
    waiting, (series,) = state.state.parts.evaluator.waiting, list(state.state.parts.intake.series)
    window = next(iter(state.view().windows["1h"])).window
    waiting.add(series.number, window, clock.now, closing=True)
    waiting.publish(clock.now)
    clock.now += LONG
    assert states(state) == {"unknown": 1.0}
    clock.now += 1
    assert states(state) == {"lagging": 1.0}
    state.state.evaluate_now()
    assert states(state) == {"unknown": 1.0}


@pytest.mark.slow
def test_a_restart_keeps_a_silence_and_counts_no_time_in_which_nobody_listened(
    open_state: Open, clock: Clock, state: Opened
) -> None:
    send_hourly(state, clock, 30)
    state.state.tidy_now()
    state = open_state(away=10 * HOUR, churn=Model(windows=("1h",)))
    assert "no_data" not in states(state), "it was the processor that was away"
    clock.now += 2 * HOUR
    assert "no_data" in states(state)
    state.state.tidy_now()
    clock.now += 10 * HOUR
    assert "no_data" in states(open_state(churn=Model(windows=("1h",))))


def test_a_change_of_state_is_told_once_also_over_a_restart(open_state: Open, clock: Clock) -> None:
    told: list[VerdictChange] = []
    state = open_state(churn=Model(windows=("1h",)))
    state.state.on_verdict(told.append)
    send_hourly(state, clock, 30)
    state.state.settle()
    assert told == [], "a model that was never judged is unknown"
    clock.now += 2 * HOUR
    state.state.settle()
    state.state.settle()
    assert [(one.key, one.before, one.verdict.state, one.time) for one in told] == [
        (ModelKey("churn", "1"), "unknown", "no_data", clock.now)
    ]
    state.state.tidy_now()
    state = open_state(churn=Model(windows=("1h",)))
    state.state.on_verdict(told.append)
    state.state.settle()
    assert len(told) == 1
    state.send(predictions(["late"], clock.now))
    state.state.settle()
    assert [(one.before, one.verdict.state) for one in told[1:]] == [("no_data", "unknown")]


def test_the_same_verdict_is_there_until_something_changes(state: Opened, clock: Clock) -> None:
    send_hourly(state, clock, 4)
    first = state.view().verdict
    clock.now += MINUTE
    assert state.state.publish().models[0].verdict is first
    send_hourly(state, clock, 2, first=4)
    assert state.view().verdict is not first


def kept(state: Opened) -> list[tuple[str, float, float | None]]:
    """Return the interruptions of the model: kind, beginning and end in hours after noon."""
    return [
        (one.kind, (one.since - NOON) / HOUR, None if one.until is None else (one.until - NOON) / HOUR)
        for one in state.view().interruptions
    ]


@pytest.mark.slow
def test_a_past_silence_ends_with_the_first_row_after_it_and_is_known_after_a_restart(
    open_state: Open, clock: Clock, state: Opened
) -> None:
    send_hourly(state, clock, 30)
    clock.now += 2 * HOUR
    state.state.settle()
    assert kept(state) == [("no_data", 29, None)]
    clock.now += HOUR
    first = clock.now
    state.send(predictions(["first"], clock.now))
    clock.now += MINUTE
    state.send(predictions(["second"], clock.now))
    state.state.settle()
    told = [("no_data", 29, (first - NOON) / HOUR)]
    assert kept(state) == told
    state = open_state(churn=Model(windows=("1h",)))
    assert kept(state) == told
    (incident,) = [one for one in incidents_of(state.view()) if one.subject == "no_data"]
    assert (incident.since, incident.until, incident.open) == (NOON + 29 * HOUR, first, False)
    assert incident.ended == "Predictions arrived again."


@pytest.mark.slow
def test_a_silence_goes_on_over_a_restart_when_its_pace_is_not_known_any_more(
    open_state: Open, clock: Clock, state: Opened
) -> None:
    send_hourly(state, clock, 30)
    clock.now += 2 * HOUR
    state.state.settle()
    state = open_state(away=40 * DAY, churn=Model(windows=("1h",)))  # arrivals of before are not kept for so long
    verdict = unwrap(state.view().verdict)
    assert (verdict.state, verdict.since, kept(state)) == ("no_data", NOON + 29 * HOUR, [("no_data", 29, None)])
    state.send(predictions(["late"], clock.now))
    state.state.settle()
    assert kept(state) == [("no_data", 29, (clock.now - NOON) / HOUR)]


def test_a_silence_is_noted_while_the_model_is_wrong(state: Opened, clock: Clock) -> None:
    send_hourly(state, clock, 30)
    clock.now += 2 * HOUR
    state.state.join_now()
    while state.state.parts.evaluator.step(patient=False):
        pass
    state.state.publish()
    ((number, (key, verdict)),) = state.state.parts.snapshots.verdicts_in_use().items()
    state.state.parts.verdicts.write({number: (key, replace(verdict, state="degraded"))})
    assert kept(state) == [("no_data", 29, None)]


@pytest.mark.slow
def test_a_backlog_of_the_past_is_known_after_a_restart(open_state: Open, clock: Clock, state: Opened) -> None:
    state.send(predictions(["a"], clock.now))
    state.view()
    waiting, (series,) = state.state.parts.evaluator.waiting, list(state.state.parts.intake.series)
    window = next(iter(state.view().windows["1h"])).window
    waiting.add(series.number, window, clock.now, closing=True)
    waiting.publish(clock.now)
    clock.now += HOUR
    state.state._follow_verdicts()
    lasting = state.state.publish().models[0].interruptions
    assert [(one.kind, one.since, one.until) for one in lasting] == [("lagging", NOON, None)]
    clock.now += HOUR
    state.state.evaluate_now()
    assert kept(state) == [("lagging", 0, 2)]
    assert kept(open_state(churn=Model(windows=("1h",)))) == [("lagging", 0, 2)]


@pytest.mark.slow
def test_an_interruption_is_stored_with_the_state_or_not_at_all(
    state: Opened, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    send_hourly(state, clock, 30)
    clock.now += 2 * HOUR

    def fail(*_: object) -> None:
        raise RuntimeError("no room")

    with monkeypatch.context() as broken:
        broken.setattr(interruptions, "insert", fail)
        with pytest.raises(RuntimeError, match="no room"):
            state.state.settle()
    assert (state.rows("SELECT kind FROM interruptions"), state.rows("SELECT state FROM verdicts")) == ([], [])
    state.state.settle()
    assert state.rows("SELECT kind, until FROM interruptions") == [("no_data", None)]
    assert state.rows("SELECT state FROM verdicts") == [("no_data",)]


@pytest.mark.slow
def test_an_interruption_that_cannot_be_read_costs_itself_alone(open_state: Open, clock: Clock, state: Opened) -> None:
    send_hourly(state, clock, 30)
    clock.now += 2 * HOUR
    state.state.settle()
    with state.state._store.reading() as connection:
        connection.execute("INSERT INTO interruptions VALUES (0, 'odd', 1, 2, 3), (0, 'no_data', NULL, 2, 3)")
    assert kept(open_state(churn=Model(windows=("1h",)))) == [("no_data", 29, None)]


def test_a_model_that_is_forgotten_leaves_no_state(state: Opened, clock: Clock) -> None:
    state.send(predictions(["a"], clock.now))
    state.view()
    assert state.rows("SELECT state FROM verdicts") == [("unknown",)]
    (series,) = state.state.parts.intake.series
    with state.state._store.reading() as connection:
        connection.execute("INSERT INTO interruptions VALUES (?, 'no_data', 1, 2, 3)", [series.number])
    state.state.erase(ErasureOrder("churn", "model"))
    assert state.rows("SELECT state FROM verdicts") == []
    assert state.rows("SELECT kind FROM interruptions") == []


_DIES = """
import sys
from pathlib import Path
from driftline_processor.config.model import Model
from driftline_processor.state import State
from tests.support.state_rows import HOUR, Clock, Opened, config, send_hourly
clock = Clock()
state = State(config(Path(sys.argv[1]), churn=Model(windows=("1h",))), clock=clock)
state.start_storing()
opened = Opened(state)
send_hourly(opened, clock, 30)
clock.now += 2 * HOUR
state.tidy_now()
print(opened.view().verdict.state, flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_kill_9_amid_a_silence_leaves_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _DIES, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert unwrap(process.stdout).readline() == "no_data\n"
        process.send_signal(signal.SIGKILL)
    clock = Clock(NOON + 32 * HOUR)
    state = State(config(tmp_path, churn=Model(windows=("1h",))), clock=clock)
    told: list[VerdictChange] = []
    state.on_verdict(told.append)
    state.start_storing()
    verdict = unwrap(Opened(state).view().verdict)
    assert (verdict.state, verdict.since) == ("no_data", NOON + 29 * HOUR)
    assert told == []
    state.stop()
