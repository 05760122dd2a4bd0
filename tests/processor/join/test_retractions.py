"""What was said can be taken back: the prediction is unlabelled again, as if nobody had said it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from driftline_processor.config.model import Model

from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, MINUTE, NOON, Clock, Opened, outcomes, predictions
from tests.support.unwrap import unwrap

JOINED = "SELECT p.id, j.number::INTEGER FROM joined j JOIN predictions p ON p.seq = j.prediction ORDER BY p.id"


def joined(state: Opened) -> list[tuple[object, ...]]:
    state.state.settle()
    return state.rows(JOINED)


def test_a_retraction_takes_back_what_was_said_before_it(state: Opened) -> None:
    state.send(predictions(["a", "b"], NOON, [0.9, 0.9]), outcomes(["a", "b"], [1, 0], NOON + HOUR))
    window = state.view().windows["1d"][-1]
    assert (window.outcome_rows, window.coverage, window.realized["accuracy"].value) == (2, 1.0, 0.5)
    state.send(outcomes(["b"], [None], NOON + 2 * HOUR, retracted=True))
    view = state.view()
    window = view.windows["1d"][-1]
    assert (window.outcome_rows, window.coverage) == (1, 0.5)
    assert (window.realized["accuracy"].value, window.realized["accuracy"].rows) == (1.0, 1)
    assert (view.outcomes, view.pending) == (1, 0)
    assert state.rows("SELECT count(*) FROM outcomes") == [(3,)]  # the history stays


@pytest.mark.slow
def test_a_later_outcome_says_it_again(state: Opened) -> None:
    state.send(predictions(["a"]), outcomes(["a"], [1], NOON + HOUR))
    state.send(outcomes(["a"], [None], NOON + 2 * HOUR, retracted=True))
    assert joined(state) == []
    state.send(outcomes(["a"], [0], NOON + 3 * HOUR))
    assert joined(state) == [("a", 0)]
    assert state.rows("SELECT * FROM retractions") == []


@pytest.mark.slow
def test_an_older_outcome_that_comes_after_its_retraction_stays_taken_back(open_state: Open) -> None:
    state = open_state()
    state.send(predictions(["a"]), outcomes(["a"], [None], NOON + 2 * HOUR, retracted=True))
    state.state.join_now()
    state = open_state()
    state.send(outcomes(["a"], [1], NOON + HOUR))
    assert joined(state) == []
    state.send(outcomes(["a"], [1], NOON + 2 * HOUR))  # of one time the later arrival wins
    assert joined(state) == [("a", 1)]


def test_a_retraction_may_come_before_its_prediction(state: Opened) -> None:
    state.send(predictions(["z"]), outcomes(["a"], [1]), outcomes(["a"], [None], retracted=True))
    assert joined(state) == []
    assert state.view().pending == 2
    state.send(predictions(["a"]))
    assert joined(state) == []
    assert state.view().pending == 0


@pytest.mark.slow
def test_a_retraction_of_what_another_outcome_said_later_changes_nothing(state: Opened) -> None:
    state.send(predictions(["a"]), outcomes(["a"], [1], NOON + 3 * HOUR))
    heard: list[int] = []
    state.state.on_joined(lambda rows: heard.append(len(rows)))
    state.state.settle()
    state.send(outcomes(["a"], [None], NOON + HOUR, retracted=True))
    assert joined(state) == [("a", 1)]
    assert heard == [1]


def test_an_outcome_and_its_retraction_at_once_leave_nothing(state: Opened) -> None:
    retraction = outcomes(["a"], [None], NOON + 2 * HOUR, retracted=True)
    state.send(predictions(["a", "b"]), outcomes(["a", "b"], [1, 1], NOON + HOUR), retraction)
    assert joined(state) == [("b", 1)]
    assert state.rows("SELECT sum(value) FROM sums WHERE part = 'outcomes' AND idx = 0") == [(1.0,)]


@pytest.mark.slow
def test_the_stream_of_errors_hears_each_prediction_once(state: Opened) -> None:
    state.send(predictions(["a", "b"]), outcomes(["a", "b"], [1, 1]))
    state.state.settle()
    state.send(outcomes(["a"], [None], NOON + 2 * HOUR, retracted=True))
    state.state.settle()
    state.send(outcomes(["a"], [1], NOON + 3 * HOUR))
    concept = unwrap(state.view().concept)
    assert (concept.outcomes, concept.corrected) == (2, 2)  # taken back, and said again
    state.send(predictions(["c"]), outcomes(["c"], [1]), outcomes(["c"], [None], NOON + 2 * HOUR, retracted=True))
    concept = unwrap(state.view().concept)
    assert (concept.outcomes, concept.corrected) == (3, 3)
    state.send(predictions(["d"]), outcomes(["d"], [None], NOON + 2 * HOUR, retracted=True), outcomes(["d"], [1]))
    state.send(outcomes(["d"], [0], NOON + 3 * HOUR))
    concept = unwrap(state.view().concept)
    assert (concept.outcomes, concept.corrected) == (4, 3)  # its first outcome never counted


@pytest.mark.slow
def test_a_retraction_is_refused_once_rows_of_its_pane_have_expired(open_state: Open, clock: Clock) -> None:
    state = open_state(retention=timedelta(days=90))
    state.send(predictions(["a"], NOON), outcomes(["a"], [1], NOON + HOUR))
    state.state.settle()
    clock.now += 80 * DAY
    state.send(predictions(["b"], NOON + 1), outcomes(["b"], [1], NOON + HOUR))
    state.state.settle()
    clock.now += 20 * DAY
    state.state.tidy_now()
    state.send(outcomes(["b"], [None], NOON + 2 * HOUR, retracted=True))
    assert joined(state) == [("b", 1)]
    assert state.counted("expired") == 1
    assert state.rows("SELECT * FROM retractions") == []


def test_a_retraction_expires_with_its_prediction(state: Opened, clock: Clock) -> None:
    state.send(predictions(["a"]), outcomes(["a"], [None], retracted=True))
    state.state.settle()
    assert len(state.rows("SELECT * FROM retractions")) == 1
    clock.now += 91 * DAY
    state.state.tidy_now()
    assert state.rows("SELECT * FROM retractions") == []


@pytest.mark.slow
def test_a_retraction_moves_with_its_outcomes_to_a_prediction_that_fits_better(state: Opened) -> None:
    retraction = outcomes(["a"], [None], NOON + 2 * HOUR, retracted=True)
    state.send(predictions(["a"], NOON), outcomes(["a"], [1], NOON + 10 * MINUTE), retraction)
    assert joined(state) == []
    state.send(predictions(["a"], NOON + HOUR))
    assert joined(state) == [("a", 1)]  # of the first prediction, of which nothing was taken back
    assert state.rows("SELECT time FROM joined") == [(NOON,)]


@pytest.mark.slow
def test_what_is_taken_back_of_a_rolled_up_pane_is_counted_no_more(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=Model(windows=("1h",)))
    clock.now = NOON + 20 * MINUTE
    state.send(predictions(["a", "b"], [NOON, NOON + 22 * MINUTE]), outcomes(["a"], [1], NOON + HOUR))
    state.state.settle()
    clock.now = NOON + 15 * DAY
    state.send(predictions(["n"] * 300, clock.now - MINUTE, keyed=False))
    state.view()
    state.state.tidy_now()
    said: list[int] = []
    for retracted in (False, True):
        state.send(outcomes(["b"], [1], clock.now, retracted=retracted))
        said.append(state.view().windows["1h"][0].outcome_rows)
        clock.now += MINUTE
    assert said == [2, 1]
