"""The file stays small, and what it shows stays the same."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from driftline.semconv import metrics as m
from driftline_processor.config.model import Model
from driftline_processor.maintenance.retention import Sizing

from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, MINUTE, NOON, Clock, Opened, outcomes, predictions

DAILY = Model(windows=("1d",))


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_digests_and_watermarks_are_forgotten(state: Opened, clock: Clock) -> None:
    state.send(predictions(["a"], NOON, keyed=False), batch="1")
    clock.now += HOUR
    state.send(predictions(["b"], NOON + HOUR, keyed=False), batch="2")
    state.state.tidy_now()
    counts = "SELECT (SELECT count(*) FROM requests), (SELECT count(*) FROM batches), (SELECT count(*) FROM watermarks)"
    assert state.rows(counts) == [(1, 2, 1)]


@pytest.mark.slow
def test_the_oldest_rows_expire_until_the_file_fits_and_their_sums_stay(
    open_state: Open, clock: Clock, tmp_path: Path
) -> None:
    most = 8 * 2**20
    rng = np.random.default_rng(1)
    state = open_state(max_size=most, churn=DAILY)
    rows, requests = 10_000, 30
    for number in range(requests):
        clock.now = NOON + number * HOUR
        ids = [f"{number}-{value:016x}" for value in rng.integers(0, 2**63, rows)]
        state.send(predictions(ids, NOON + number * HOUR, rng.random(rows).tolist()), outcomes(ids[:10], [1] * 10))
    before = state.view()
    assert used(state) > most

    state.state.tidy_now()

    after = state.view()
    assert 0.5 * most < used(state) <= most
    assert (tmp_path / "state" / "driftline.duckdb").stat().st_size <= most + 2**20
    kept = [int(str(first)) for (first,) in state.rows("SELECT DISTINCT split_part(id, '-', 1) FROM predictions")]
    assert sorted(kept) == list(range(requests - len(kept), requests))
    assert 5 < len(kept) < requests
    assert after.rows == len(kept) * rows
    assert [one.rows for one in after.windows["1d"]] == [one.rows for one in before.windows["1d"]]
    state.send(predictions(["next"], clock.now))
    assert state.view().rows == after.rows + 1


def used(state: Opened) -> int:
    sizing = Sizing(state.state.parts.connection, 0, state.state._queue.resting, state.state._store.rewrite)
    return sizing.measured()[0]


def test_where_sums_alone_are_too_large_they_stay_and_a_line_says_so(
    open_state: Open, caplog: pytest.LogCaptureFixture
) -> None:
    state = open_state(max_size=1, churn=DAILY)
    state.send(predictions(["a"], NOON))
    for _ in range(2):
        state.state.tidy_now()
    assert state.rows("SELECT count(*)::INT AS n FROM predictions") == [(0,)]
    assert state.view().windows["1d"][0].rows == 1
    assert sum("are never deleted; use a larger value" in message for message in caplog.messages) == 1


def test_outcomes_that_wait_are_counted_with_the_oldest_and_expire(open_state: Open, clock: Clock) -> None:
    state = open_state(retention=timedelta(days=30), churn=DAILY)
    state.send(predictions(["a"], NOON))
    state.send(outcomes(["x"], [1]), outcomes(["y"], [1], model="stranger"))
    clock.now += DAY
    state.send(outcomes(["z"], [1], NOON + DAY))
    view = state.view()
    assert (view.pending, view.pending_since) == (2, NOON)
    counters = state.state.counters()
    assert counters[(m.DRIFTLINE_PENDING_OUTCOMES, ())] == 3
    assert counters[(m.DRIFTLINE_PENDING_OUTCOME_AGE, ())] == 86_400
    clock.now = NOON + 30 * DAY + 1
    state.state.tidy_now()
    view = state.view()
    assert (view.pending, view.pending_since, state.counted("expired")) == (1, NOON + DAY, 2)


@pytest.mark.slow
def test_a_late_row_counts_once_after_tidying_has_failed_halfway(
    open_state: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hourly = Model(windows=("1h",))
    state = open_state(churn=hourly, other=hourly)
    clock.now += 20 * MINUTE
    for pane in range(3):
        for model in ("churn", "other"):
            rows = [f"{pane} {number}" for number in range(10)]
            state.send(predictions(rows, NOON + pane * 5 * MINUTE, model=model))
    state.view()
    clock.now = NOON + 15 * DAY
    for model in ("churn", "other"):
        state.send(predictions(["n"] * 300, clock.now - MINUTE, keyed=False, model=model))
    state.view()
    upkeep, rolled = state.state.parts.upkeep, list[object]()
    roll_up = upkeep._roll_up

    def failing(*which: object) -> object:
        if rolled:
            raise OSError("no room")
        rolled.append(which)
        return roll_up(*which)  # type: ignore[arg-type]

    monkeypatch.setattr(upkeep, "_roll_up", failing)
    with pytest.raises(OSError, match="no room"):
        state.state.tidy_now()
    for model in ("churn", "other"):
        state.send(predictions(["late"], NOON + 6 * MINUTE, model=model))
        assert state.view(model).windows["1h"][0].rows == 31
