"""A model that nobody gave a baseline: compared with what it did so far, cautiously at first, in text and JSON."""

from __future__ import annotations

import numpy as np
import pytest
from driftline_processor.config.model import Model
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.facts import fact
from driftline_processor.present.evaluation_json import to_json
from driftline_processor.present.sentences.references import compared_words

from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, NOON, Clock, Opened, predictions

MIDNIGHT = NOON - NOON % DAY


def send(state: Opened, hour: int, n: int, moved: float = 0.0) -> None:
    rng = np.random.default_rng([hour, 7])
    times = MIDNIGHT + hour * HOUR + np.sort(rng.integers(0, HOUR, n))
    level = 0.5 * np.cos(2 * np.pi * hour / 24)
    features = {"x": (level + moved + rng.normal(size=n)).tolist()}
    state.send(
        predictions([f"{hour} {at}" for at in range(n)], times.tolist(), rng.random(n).tolist(), features=features)
    )


def window(state: Opened, hour: int) -> Evaluation:
    found = {one.window.start: one for one in state.view().windows["1h"]}
    return found[MIDNIGHT + hour * HOUR]


@pytest.mark.slow
def test_a_fresh_model_is_compared_with_all_it_did_and_a_break_on_the_first_day_is_found(
    open_state: Open, clock: Clock
) -> None:
    clock.now = MIDNIGHT + DAY
    state = open_state(churn=Model(windows=("1h",)))
    for hour in range(10):
        send(state, hour, 1_000 if hour == 0 else 150)
    for hour in range(10, 13):
        send(state, hour, 150, moved=-2.0)
    states = [window(state, hour).features["x"].state for hour in range(1, 13)]
    assert set(states[:9]) <= {"ok", "inconclusive"}  # a cycle whose end nobody has seen yet
    assert states[:2] == ["ok"] * 2
    assert states[9:] == ["drift"] * 3
    first, late = window(state, 1), window(state, 9)
    until = MIDNIGHT + 224 * HOUR
    assert first.compared == (fact("own_first_rows", covered=HOUR - 1, rows=1_000, until=until, shift=1.25),)
    (note,) = late.compared
    assert (note.value("covered") / HOUR, note.value("rows")) == (pytest.approx(6.7, abs=0.05), 1_850)
    assert to_json(late)["baseline"]["compared"] == compared_words(late.compared)


@pytest.mark.slow
def test_the_reference_stops_growing_after_a_week(open_state: Open, clock: Clock) -> None:
    clock.now = MIDNIGHT + 11 * DAY
    state = open_state(churn=Model(windows=("1h",)))
    send(state, 0, 1_000)
    for hour in range(6, 10 * 24 + 1, 6):
        send(state, hour, 60)
    settled = [window(state, day * 24).compared for day in (9, 10)]
    assert [notes[0].kind for notes in settled] == ["own_first_rows", "own_first_week"]
