"""A model whose windows are compared with its own last days: late rows, restarts, and what is too little."""

from __future__ import annotations

import numpy as np
from driftline.baseline import Baseline
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.runtime.config import Model, Reference

from .conftest import Open
from .state_rows import DAY, NOON, Clock, Opened, baseline, predictions

MIDNIGHT = NOON - NOON % DAY
ROLLING = Model(windows=("1d",), reference=Reference(last="10d", without="24h"))


def known() -> Baseline:
    rng = np.random.default_rng(0)
    return baseline(rng.random(2_000).tolist(), {"x": rng.normal(size=2_000).tolist()}, version="1")


def send_day(state: Opened, day: int, n: int = 150, moved: float = 0.0, seed: int = 0) -> None:
    rng = np.random.default_rng([day, seed])
    times = MIDNIGHT + day * DAY + np.sort(rng.integers(0, DAY, n))
    ids = [f"{day} {seed} {at}" for at in range(n)]
    features = {"x": rng.normal(moved, 1, n).tolist()}
    state.send(predictions(ids, times.tolist(), rng.random(n).tolist(), features=features))


def newest(state: Opened) -> Evaluation:
    return state.view().windows["1d"][-1]


def test_a_shift_that_lasts_is_news_until_the_last_days_have_it(open_state: Open, clock: Clock) -> None:
    clock.now = MIDNIGHT + 20 * DAY
    state = open_state(churn=ROLLING)
    state.send(baselines=[known().to_json()])
    for day in range(10):
        send_day(state, day)
    for day in range(10, 21):
        send_day(state, day, moved=1.0)
    evaluations = state.view().windows["1d"]
    states = [one.features["x"].state for one in evaluations]
    assert states[:10] == ["ok"] * 10
    assert (states[10], states[20]) == ("drift", "ok")
    assert evaluations[0].compared == "the baseline, since its own last 10d without 24h has only 0 rows in 0 of 10 days"
    assert evaluations[10].compared == "its own last 10d without 24h, 1,500 rows"
    moved = evaluations[10].features["x"]
    assert moved.missing_was == 0


def test_late_rows_change_what_later_windows_are_compared_with_also_after_a_restart(
    open_state: Open, clock: Clock
) -> None:
    clock.now = MIDNIGHT + 20 * DAY
    state = open_state(churn=ROLLING)
    state.send(baselines=[known().to_json()])
    for day in range(11):
        send_day(state, day)
    assert newest(state).compared.endswith("1,500 rows")
    send_day(state, 3, 100, seed=1)
    assert newest(state).compared.endswith("1,600 rows")
    send_day(state, 0, 100, seed=1)
    state.state._evaluator.step = lambda **_: False  # type: ignore[method-assign]  # a crash before the next step
    again = open_state(churn=ROLLING)
    assert newest(again).compared.endswith("1,700 rows")
    send_day(again, 10, 100, seed=1)
    assert newest(again).compared.endswith("1,700 rows")
    assert newest(again).rows == 250
