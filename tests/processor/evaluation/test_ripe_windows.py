"""Windows that time alone touches are found once, and without a walk through all evaluations."""

from __future__ import annotations

import pytest
from driftline_processor.config.model import Model
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.labels.delay import OutcomeDelay
from driftline_processor.evaluation.evaluation_store import EvaluationStore
from driftline_processor.evaluation.evaluator import RipeWindows, changed_by_delay
from msgspec import structs

from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, MINUTE, NOON, Clock, outcomes, predictions


@pytest.fixture
def closed(open_state: Open, clock: Clock) -> Evaluation:
    state = open_state(churn=Model(windows=("1h",)))
    state.send(predictions(["a"], NOON))
    clock.now += 3 * HOUR
    state.state.settle()
    (evaluation,) = state.view().windows["1h"]
    assert evaluation.closed
    return evaluation


def test_a_young_window_is_ripe_once_when_its_outcomes_had_their_time(closed: Evaluation) -> None:
    ripe, delay, end = RipeWindows(), OutcomeDelay(DAY, "configured"), closed.window.end
    ripe.note(structs.replace(closed, young=True))
    assert list(ripe.mature(end + DAY - 1, delay)) == []
    assert list(ripe.mature(end + DAY, delay)) == [closed.window]
    assert list(ripe.mature(end + 2 * DAY, delay)) == []


def test_a_window_that_was_judged_again_meanwhile_is_not_ripe(closed: Evaluation) -> None:
    ripe, end = RipeWindows(), closed.window.end
    ripe.note(structs.replace(closed, closed=False))
    ripe.note(structs.replace(closed, young=True))
    assert list(ripe.closing(end + DAY)) == []
    ripe.note(structs.replace(closed, young=False))
    assert list(ripe.mature(end + DAY, OutcomeDelay())) == []


def test_another_delay_is_seen_once_and_says_which_windows_it_changes(closed: Evaluation) -> None:
    ripe, delay = RipeWindows(), OutcomeDelay(DAY, "learned", 100)
    assert ripe.is_new(delay)
    assert ripe.is_new(delay)  # nobody has seen all windows yet
    ripe.note_delay(delay)
    assert not ripe.is_new(delay._replace(outcomes=200))
    assert ripe.is_new(delay._replace(nanoseconds=2 * DAY))
    young, old = structs.replace(closed, young=True, coverage=0.0), structs.replace(closed, young=False, coverage=0.0)
    end = closed.window.end
    assert list(changed_by_delay([young, old], end + HOUR, delay)) == [old.window]
    assert list(changed_by_delay([young, old], end + DAY, delay)) == [young.window]


def test_a_quiet_processor_asks_for_no_evaluation_twice(
    open_state: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = open_state(churn=Model(windows=("1h",)))
    for hour in range(5):
        state.send(predictions([f"p{hour}"], NOON + hour * HOUR), outcomes([f"p{hour}"], [1]))
    clock.now += 5 * HOUR
    state.state.settle()

    def walked(*_: object) -> list[Evaluation]:
        raise AssertionError("all evaluations were walked through")

    monkeypatch.setattr(EvaluationStore, "closed", walked)
    monkeypatch.setattr(EvaluationStore, "open", walked)
    for _ in range(3):
        clock.now += 5 * MINUTE
        state.state.evaluate_now()
    assert all(one.closed for one in state.view().windows["1h"])
