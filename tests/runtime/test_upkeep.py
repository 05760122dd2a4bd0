"""The file stays small, and what it shows stays the same."""

from __future__ import annotations

from datetime import timedelta

from driftline_processor.runtime.config import Model

from .conftest import Open
from .state_rows import DAY, HOUR, NOON, Clock, outcomes, predictions

DAILY = Model(windows=("1d",))


def test_rows_expire_after_their_retention_and_their_sums_stay(open_state: Open, clock: Clock) -> None:
    state = open_state(retention=timedelta(days=30), churn=DAILY)
    state.send(predictions(["a", "b"], NOON), outcomes(["a", "nobody"], [1, 1]))
    before = state.view()
    clock.now += 20 * DAY
    state.send(predictions(["c"], NOON + 20 * DAY), outcomes(["c"], [0], NOON + 20 * DAY))
    state.state.settle()
    clock.now += 11 * DAY
    state.state.tidy_now()
    for _ in range(2):
        after = state.view()
        assert (after.rows, after.outcomes, after.pending) == (1, 1, 0)
        assert state.rows("SELECT id FROM predictions UNION ALL SELECT id FROM outcomes") == [("c",), ("c",)]
        assert after.windows["1d"][0].realized == before.windows["1d"][0].realized
        assert after.windows["1d"][0].rows == 2
        state = open_state(retention=timedelta(days=30), churn=DAILY)


def test_numbers_go_on_after_everything_has_expired(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=DAILY)
    state.send(predictions(["a"], NOON), outcomes(["a"], [1]))
    state.state.settle()
    clock.now += 91 * DAY
    state.state.tidy_now()
    state = open_state(churn=DAILY)
    state.send(predictions(["b"], NOON + 91 * DAY), outcomes(["b"], [1], NOON + 91 * DAY))
    assert state.rows("SELECT seq FROM predictions UNION ALL SELECT seq FROM outcomes") == [(2,), (2,)]
    assert state.view().outcomes == 1


def test_tidying_changes_no_window(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=DAILY)
    for hour in range(30):
        state.send(predictions([str(hour)], NOON + hour * HOUR), outcomes([str(hour)], [hour % 2], NOON + hour * HOUR))
    clock.now = NOON + 2 * DAY
    before = state.view()
    state.state.tidy_now()
    state.send(predictions(["late"], NOON), predictions(["late"], NOON + 29 * HOUR))
    after = state.view()
    assert [one.rows for one in after.windows["1d"]] == [one.rows + 1 for one in before.windows["1d"]]
    assert [one.realized for one in after.windows["1d"]] == [one.realized for one in before.windows["1d"]]


def test_digests_and_watermarks_are_forgotten(open_state: Open, clock: Clock) -> None:
    state = open_state()
    state.send(predictions(["a"], NOON, keyed=False), batch="1")
    clock.now += HOUR
    state.send(predictions(["b"], NOON + HOUR, keyed=False), batch="2")
    state.state.tidy_now()
    counts = "SELECT (SELECT count(*) FROM requests), (SELECT count(*) FROM batches), (SELECT count(*) FROM watermarks)"
    assert state.rows(counts) == [(1, 2, 1)]
