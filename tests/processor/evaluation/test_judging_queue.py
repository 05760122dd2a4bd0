"""More windows than a step evaluates: each gets its turn, the longest waiting for its length first, and it is said."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest
from driftline.semconv import metrics as m
from driftline_processor.config.model import Model
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.windows.window import Window
from driftline_processor.evaluation import evaluator as evaluate
from driftline_processor.evaluation.evaluator import AT_ONCE, Evaluator
from driftline_processor.evaluation.judging_queue import WaitingWindows
from driftline_processor.ingest.changes import PaneProgress
from driftline_processor.store.series import Series

from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, MINUTE, NOON, Clock, predictions

SECOND = 10**9
LENGTHS = {"1h": HOUR, "1d": DAY, "1w": 7 * DAY, "1mo": 30 * DAY}
MODELS = [f"m{number}" for number in range(90)]


@pytest.mark.slow
def test_under_steady_traffic_no_window_of_several_hundred_starves(
    open_state: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """90 models of four lengths are 360 windows, touched anew before every step, and a step evaluates 200."""
    evaluated: defaultdict[tuple[str, str], list[int]] = defaultdict(list)

    def count(_: Evaluator, series: Series, window: Window) -> Evaluation | None:
        evaluated[window.name, series.key.model].append(clock.now)
        return None

    monkeypatch.setattr(Evaluator, "_of", count)
    state = open_state(**{name: Model(windows=tuple(LENGTHS)) for name in MODELS})
    state.send(*(predictions(["a"], model=name) for name in MODELS))
    for _ in range(300):
        state.state._touched.touch([(series.number, np.array([NOON])) for series in state.state.series()])
        state.state._evaluator.step()
        clock.now += 2 * SECOND
    assert len(evaluated) == len(MODELS) * len(LENGTHS) > AT_ONCE
    longest: Counter[str] = Counter()
    for (name, _), times in evaluated.items():
        waits = [later - earlier for earlier, later in pairwise([NOON, *times, clock.now])]
        longest[name] = max(longest[name], *waits)
    assert longest["1h"] <= 4 * SECOND
    assert longest["1d"] <= MINUTE
    assert longest["1w"] <= 3 * MINUTE
    assert longest["1mo"] <= 8 * MINUTE


def test_how_many_windows_wait_and_since_when_is_a_metric_a_problem_and_a_hint(
    open_state: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "AT_ONCE", 1)
    state = open_state(churn=Model(windows=("1h", "1d", "1w")))
    state.send(predictions(["a"]))
    state.state._evaluator.step()

    def waiting() -> tuple[float, float]:
        counters = state.state.view.counters()
        return counters[m.DRIFTLINE_WINDOWS_PENDING, ()], counters[m.DRIFTLINE_WINDOWS_PENDING_AGE, ()]

    assert waiting() == (2, 0)
    assert state.state.view.models()[0].waiting == 2
    assert state.state.health.problems() == []
    assert "wait to be evaluated" not in str(state.state.view.models()[0].hints)
    clock.now += 5 * MINUTE
    assert waiting() == (2, 300)
    said = "2 windows wait to be evaluated, the longest for 5m: what is shown of them is older than their rows"
    (problem,) = state.state.health.problems()
    assert (problem.name, problem.message, problem.ready) == ("windows", said, True)
    assert state.state.health.ready
    assert state.state.view.models()[0].hints[0] == f"Of churn, {said}."
    state.state.settle()
    assert waiting() == (0, 0)
    assert state.state.health.problems() == []


@pytest.mark.slow
def test_what_waited_at_a_crash_is_evaluated_after_it_and_what_did_not_is_not(
    open_state: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While windows always wait, progress is written down all the same: as far as nothing waits."""
    monkeypatch.setattr(evaluate, "AT_ONCE", 2)
    state = open_state(churn=Model(windows=("1h", "1d")))
    evaluator = state.state._evaluator
    state.send(predictions(["a"], NOON))
    evaluator.step()
    state.send(predictions(["b"], NOON + HOUR), predictions(["c"], NOON + 2 * HOUR))  # two hours and their day
    evaluator.step()
    assert state.rows("SELECT value FROM meta WHERE name = 'evaluated_predictions'") == [(1,)]
    monkeypatch.setattr(Evaluator, "step", lambda *_, **__: False)  # the crash
    state = open_state(churn=Model(windows=("1h", "1d")))
    monkeypatch.undo()
    state.state.settle()
    assert [one.rows for one in state.view().windows["1d"]] == [3]
    assert [one.rows for one in state.view().windows["1h"]] == [1, 1, 1]


def test_of_a_backlog_the_windows_of_now_come_before_those_of_long_ago() -> None:
    waiting = WaitingWindows()
    for hours_ago in range(2_000):
        end = NOON - hours_ago * HOUR
        waiting.add(1, Window("1h", end - HOUR, end), NOON)
    found = waiting.next(AT_ONCE, NOON + SECOND, lambda _: NOON)
    assert [(NOON - window.end) // HOUR for _, window in found] == list(range(AT_ONCE))
    for which, window in found:
        waiting.remove(which, window)
    waiting.add(1, Window("1h", NOON - HOUR, NOON), NOON + SECOND)  # touched again
    first = waiting.next(1, NOON + 2 * SECOND, lambda _: NOON)
    assert first == [(1, Window("1h", NOON - HOUR, NOON))]


def test_progress_is_told_up_to_the_oldest_round_of_which_something_waits() -> None:
    waiting = WaitingWindows()
    hour, day = Window("1h", 0, HOUR), Window("1d", 0, DAY)
    waiting.begin_round(PaneProgress(10, 0, 0))
    waiting.add(1, hour, 0)
    waiting.add(1, day, 0)
    waiting.begin_round(PaneProgress(20, 0, 0))
    waiting.add(1, hour, 1)  # waits already, since the round before
    waiting.remove(1, hour)
    assert waiting.finished() is None
    waiting.remove(1, day)
    assert waiting.finished() == PaneProgress(20, 0, 0)
    assert waiting.finished() is None


def test_rounds_in_which_nothing_waits_are_not_kept() -> None:
    waiting = WaitingWindows()
    for predictions_seen in range(1_000):
        waiting.begin_round(PaneProgress(predictions_seen, 0, 0))
    assert len(waiting._reached) == 1
    assert waiting.finished() == PaneProgress(999, 0, 0)
