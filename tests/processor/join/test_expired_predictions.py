"""What was said of a prediction that has expired is said of no later one of the same id."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, MINUTE, NOON, Clock, Opened, outcomes, predictions

RETENTION = timedelta(days=10)
SECOND = NOON + 5 * DAY
JOINED = (
    f"SELECT p.id, (p.time - {NOON}) // {HOUR} AS hours, j.number::INTEGER AS actual FROM joined j JOIN predictions"
)
JOINED += " p ON p.seq = j.prediction ORDER BY ALL"


def joined(state: Opened) -> list[tuple[object, ...]]:
    state.state.settle()
    return state.rows(JOINED)


@pytest.fixture
def state(open_state: Open, clock: Clock) -> Opened:
    """A customer who was scored on two days, of which the first has expired, and one who was scored on the second."""
    state = open_state(retention=RETENTION)
    state.send(predictions(["customer"], NOON))
    state.state.settle()
    clock.now = SECOND + HOUR
    state.send(outcomes(["customer"], [1], SECOND - HOUR), predictions(["customer", "new"], SECOND))
    assert joined(state) == [("customer", 0, 1)]
    clock.now += 6 * DAY
    state.state.tidy_now()
    assert joined(state) == []
    return state


@pytest.mark.slow
def test_a_late_word_on_the_expired_one_is_refused_and_counted(state: Opened, open_state: Open) -> None:
    state.send(outcomes(["customer", "new"], [0, 0], SECOND - 30 * MINUTE))
    assert joined(state) == [("new", 120, 0)]
    assert (state.counted("expired"), state.view().pending) == (1, 0)
    state = open_state(retention=RETENTION)
    state.send(outcomes(["customer"], [0], SECOND - 20 * MINUTE))
    assert joined(state) == [("new", 120, 0)]
    assert (state.counted("expired"), state.view().pending) == (1, 0)


@pytest.mark.slow
def test_what_was_said_of_it_before_moves_to_none_when_all_words_of_the_id_are_judged(state: Opened) -> None:
    state.send(outcomes(["customer"], [0], SECOND + HOUR, weight=[2.0]))
    assert joined(state) == [("customer", 120, 0)]
    state.send(outcomes(["customer"], [None], SECOND + 2 * HOUR, retracted=True), outcomes(["customer"], [1], SECOND))
    assert joined(state) == []
    assert [len(one.belongs_to) for one in state.state.queries.history.outcomes("churn", "customer")] == [0, 1, 1, 1]
    assert state.counted("expired") == 0


@pytest.mark.slow
def test_what_another_version_or_environment_predicted_is_no_earlier_prediction(open_state: Open, clock: Clock) -> None:
    state = open_state(retention=RETENTION)
    state.send(predictions(["a"], NOON, environment="live"), predictions(["b"], NOON, version="1"))
    clock.now = SECOND + HOUR
    state.send(predictions(["a"], SECOND, environment="test"), predictions(["b"], SECOND, version="2"))
    clock.now += 6 * DAY
    state.state.tidy_now()
    early = SECOND - MINUTE
    state.send(outcomes(["b"], [1], early), outcomes(["a"], [1], early, environment="test"))
    assert joined(state) == [("a", 120, 1), ("b", 120, 1)]
    state.send(outcomes(["a"], [0], early + 1))  # of any environment: it was said of that in the other one
    assert joined(state) == [("a", 120, 1), ("b", 120, 1)]
    assert state.counted("expired") == 1


@pytest.mark.slow
def test_the_next_one_succeeds_when_that_has_expired_too(state: Opened, clock: Clock) -> None:
    state.send(predictions(["customer"], SECOND + 6 * DAY))
    clock.now += 6 * DAY
    state.state.tidy_now()
    assert state.rows("SELECT p.id FROM successors s JOIN predictions p ON p.seq = s.prediction") == [("customer",)]
    state.send(outcomes(["customer"], [0], SECOND + 6 * DAY - HOUR))
    assert joined(state) == []
    assert state.counted("expired") == 1
