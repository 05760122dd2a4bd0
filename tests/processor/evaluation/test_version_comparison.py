"""Which rows of two versions count is fixed by when they predicted, and not by how their panes are stored."""

from __future__ import annotations

import json

import numpy as np
import pytest
from driftline.tables.table import ModelKey
from driftline_processor.config.model import Model
from driftline_processor.core.versions.side_by_side import SideBySide
from driftline_processor.present.evaluation_json import json_of

from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, MINUTE, NOON, Clock, Opened, outcomes, predictions

CANARY = Model.model_validate({"windows": ["1d"], "versions": {"champion": "1", "canary": "2"}})


def serve(state: Opened, version: str, since: int, until: int, wrong: float) -> None:
    """Predictions every ten minutes whose outcomes are known at once."""
    rng = np.random.default_rng(int(version))
    times = list(range(since, until, 10 * MINUTE))
    ids = [f"{version}-{time}" for time in times]
    truth = rng.integers(0, 2, len(times))
    scores = np.where((rng.random(len(times)) < wrong) ^ (truth == 1), 0.8, 0.1)
    state.send(predictions(ids, times, scores.tolist(), version=version))
    state.send(outcomes(ids, truth.tolist(), [time + MINUTE for time in times]))


def compared(state: Opened) -> SideBySide:
    state.state.join_now()
    state.state.parts.versions.step()
    (found,) = state.state.parts.versions.of(ModelKey("churn", "1"))
    return found


def told(found: SideBySide) -> object:
    """All that is said of it; sums of sums are the same to the last digits."""
    return json.loads(json.dumps(json_of(found)), parse_float=lambda text: round(float(text), 9))


def tidied(state: Opened, clock: Clock, days: int) -> set[object]:
    """Let so many days pass, in which nobody predicts, and tidy up; return how long panes are by then, hours."""
    clock.now += days * DAY
    state.state.tidy_now()
    return {row[0] for row in state.rows(f"SELECT DISTINCT (span // {HOUR})::INTEGER FROM panes")}


@pytest.mark.slow
def test_rolling_up_changes_no_verdict(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=CANARY)
    serve(state, "1", NOON - 30 * HOUR, NOON + 40 * HOUR, 0.2)
    serve(state, "2", NOON - 20 * HOUR + 25 * MINUTE, NOON + 30 * HOUR + 35 * MINUTE, 0.6)
    clock.now = NOON + 41 * HOUR
    before = compared(state)
    assert (before.verdict, before.start, before.end) == (
        "worse",
        NOON - 20 * HOUR + 25 * MINUTE,
        NOON + 30 * HOUR + 30 * MINUTE,
    )
    assert 24 not in tidied(state, clock, 20)
    state = open_state(churn=CANARY)
    assert told(compared(state)) == told(before)
    assert tidied(state, clock, 100) == {0, 1, 3, 5, 10}  # where both predict, panes stay hours
    state = open_state(churn=CANARY)
    assert told(compared(state)) == told(before)


@pytest.mark.slow
def test_a_version_whose_rows_come_late_is_compared_from_the_next_whole_pane_on(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=CANARY)
    serve(state, "1", NOON - 30 * HOUR, NOON + 40 * HOUR, 0.2)
    clock.now = NOON + 41 * HOUR
    state.state.settle()  # panes of windows that wait to be judged stay short
    tidied(state, clock, 20)
    serve(state, "2", NOON - 20 * HOUR + 25 * MINUTE, NOON + 30 * HOUR + 35 * MINUTE, 0.6)
    serve(state, "1", NOON - 20 * HOUR + 30 * MINUTE + 1, NOON - 20 * HOUR + 40 * MINUTE, 0.2)
    before = compared(state)
    assert (before.start, before.end) == (NOON - 19 * HOUR, NOON + 31 * HOUR)
    for days in (0, 90):
        tidied(state, clock, days)
        assert told(compared(state)) == told(before)
