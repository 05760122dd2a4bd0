"""Objectives over a rolling hour are looked at every minute, and notified at the first stretch that is below."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driftline.tables.ranked_items import items_of
from driftline.tables.task import Task
from driftline_processor.config.schema import Config
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.model_settings import ModelSettings
from driftline_processor.core.performance.objective import read_objective
from driftline_processor.core.performance.settings import PerformanceSettings
from driftline_processor.core.windows.window import Window
from driftline_processor.evaluation.judge import Say, judge_together
from driftline_processor.evaluation.rolling_looks import windows_to_look_at
from driftline_processor.evaluation.window_source import WindowSource
from driftline_processor.policy.alerts import Alert
from driftline_processor.state import State

from tests.support.state_rows import DAY, HOUR, MINUTE, NOON, Clock, Opened, outcomes, predictions, text

RULE = "precision >= 0.95 over rolling 1h"
POLICIES: dict[str, Any] = {"precision": {"when": f"objective '{RULE}' broken", "severity": "critical"}}


@contextmanager
def fraud(folder: Path, clock: Clock, objective: str = RULE, policies: Any = POLICIES, **keys: Any) -> Iterator[Opened]:
    """Open a processor of a fraud model with an objective, whose keeper works when the test says so."""
    model = {"windows": ["1h"], "outcome_delay": "10m", "performance": {"objectives": [objective]}, **keys}
    config = {"storage": {"directory": folder}, "models": {"fraud": model}, "policies": policies}
    state = State(Config.model_validate({**config, "notify": "json://127.0.0.1:1/"}), clock=clock)
    state.start_storing()
    state.settle()
    opened = Opened(state)
    try:
        yield opened
    finally:
        opened.leave()


class Traffic:
    """Flagged payments, evenly over each minute, and what their reviews say."""

    def __init__(self, state: Opened, clock: Clock, per_minute: int = 11) -> None:
        self.state, self.clock, self.per_minute = state, clock, per_minute
        self._rng, self._sent, self.waiting = np.random.default_rng(8), 0, list[tuple[str, int]]()

    def minutes(self, minutes: int, precision: float, *, reviewed: bool = True) -> None:
        """Let minutes pass, with their payments; their reviews come at the end, or later."""
        n = self.per_minute * minutes
        ids = [f"p{self._sent + row}" for row in range(n)]
        times = [self.clock.now + row * MINUTE // self.per_minute for row in range(n)]
        self._sent += n
        self.clock.now += minutes * MINUTE
        self.state.send(predictions(ids, times, [0.9] * n, model="fraud"))
        self.waiting += [(one, int(self._rng.random() < precision)) for one in ids]
        if reviewed:
            self.review()

    def review(self, weight: float | None = None) -> None:
        """Send the reviews that wait."""
        ids, actual = [one for one, _ in self.waiting], [right for _, right in self.waiting]
        self.waiting = []
        weights = None if weight is None else [weight] * len(ids)
        self.state.send(outcomes(ids, actual, self.clock.now, model="fraud", weight=weights))


def keep(state: Opened) -> dict[str, Alert]:
    """Run each task of the keeper once; return the alerts by policy."""
    state.state.join_now()
    with state.state._writing():
        for step in state.state._steps():
            step.run()
    return {alert.policy: alert for alert in state.state.alerts.alerts.values()}


@pytest.mark.slow
def test_45_minutes_below_are_notified_within_minutes_of_their_first_reviews(tmp_path: Path, clock: Clock) -> None:
    with fraud(tmp_path, clock) as state:
        traffic = Traffic(state, clock)
        traffic.minutes(75, 0.98)
        assert keep(state) == {}
        began = clock.now
        for _ in range(45):
            traffic.minutes(1, 0.6)
            if found := keep(state):
                break
    assert set(found) == {"precision", "health"}
    assert clock.now - began <= 8 * MINUTE
    assert found["precision"].fired <= clock.now
    assert began - 5 * MINUTE <= (found["precision"].since or 0) <= began + 5 * MINUTE


def test_reviews_that_come_together_are_notified_at_the_next_look(tmp_path: Path, clock: Clock) -> None:
    """500 reviews of 45 minutes, half an hour after the last of these; before, nothing is known of them."""
    with fraud(tmp_path, clock) as state:
        traffic = Traffic(state, clock)
        traffic.minutes(75, 0.98)
        traffic.minutes(45, 0.6, reviewed=False)
        traffic.minutes(30, 0.98, reviewed=False)
        assert keep(state) == {}
        traffic.review()
        clock.now += MINUTE
        assert set(keep(state)) == {"precision", "health"}


@pytest.mark.slow
def test_any_objective_also_means_those_of_the_shortest_windows(tmp_path: Path, clock: Clock) -> None:
    policies = {"health": {"enabled": False}, "any": {"when": "objective broken"}}
    with fraud(tmp_path, clock, policies=policies, windows=["1h", "1d"]) as state:
        traffic = Traffic(state, clock)
        traffic.minutes(30, 0.5)
        clock.now += MINUTE
        assert set(keep(state)) == {"any"}


@pytest.mark.slow
def test_early_outcomes_that_are_the_bad_ones_break_nothing_before_the_others_had_their_time(
    tmp_path: Path, clock: Clock
) -> None:
    """Complaints come at once, and confirmations after an hour: nine of ten payments are right."""
    rule = "precision >= 0.8 over rolling 1h"
    policies = {"health": {"enabled": False}, "precision": {"when": f"objective '{rule}' broken"}}
    with fraud(tmp_path, clock, rule, policies=policies, outcome_delay="2h") as state:
        traffic = Traffic(state, clock)
        traffic.minutes(60, 0.9, reviewed=False)
        everything = traffic.waiting
        traffic.waiting = [review for review in everything if not review[1]]
        traffic.review()
        clock.now += MINUTE
        assert keep(state) == {}
        traffic.waiting = [review for review in everything if review[1]]
        traffic.review()
        clock.now += 3 * HOUR
        assert keep(state) == {}
        newest = state.view("fraud").windows["1h"][0].objectives[0]
        assert (newest.state, newest.rows) == ("met", 275)


@pytest.mark.slow
def test_lists_without_clicks_break_an_objective_at_the_next_look(tmp_path: Path, clock: Clock) -> None:
    rule = "ctr >= 0.3 over rolling 1h"
    policies = {"health": {"enabled": False}, "clicks": {"when": f"objective '{rule}' broken"}}
    performance = {"objectives": [rule], "outcomes": "implicit"}
    with fraud(tmp_path, clock, policies=policies, performance=performance, task="ranking") as state:
        for minute in range(60):
            ids = [f"{minute}-{row}" for row in range(12)]
            times = [clock.now + row * MINUTE // 12 for row in range(12)]
            lists = predictions(ids, times, [0.5] * 12, model="fraud", task=Task("ranking"))
            clock.now += MINUTE
            state.send(replace(lists, items=items_of([(("x", "y"), None)] * 12)))
            if minute < 30:
                clicks = outcomes(ids[:6], [1.0] * 6, clock.now, model="fraud")
                state.send(replace(clicks, item=text(["x"] * 6)))
        clock.now += 20 * MINUTE
        assert set(keep(state)) == {"clicks"}


@pytest.mark.slow
def test_a_window_with_too_few_outcomes_is_evaluated_once(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated: list[Window] = []

    def counted(sources: Sequence[tuple[WindowSource, ModelSettings]], say: Say) -> list[Evaluation]:
        evaluated.extend(source.window for source, _ in sources if source.closed)
        return judge_together(sources, say)

    monkeypatch.setattr("driftline_processor.evaluation.evaluator.judge_together", counted)
    performance = {"objectives": [RULE], "min_coverage": 0.9}
    with fraud(tmp_path, clock, performance=performance) as state:
        traffic = Traffic(state, clock)
        traffic.minutes(60, 0.6, reviewed=False)
        reviews, traffic.waiting = traffic.waiting, []
        traffic.minutes(40, 0.98, reviewed=False)
        counts = []
        for first in range(0, 600, 60):
            traffic.waiting = reviews[first : first + 60]
            traffic.review()
            clock.now += MINUTE
            keep(state)
            counts.append(len(evaluated))
    assert counts == [1] * 9 + [2]  # once more with 600 of 660 outcomes


def test_only_periods_that_end_within_two_hours_are_looked_at() -> None:
    objective = read_objective("precision >= 0.95 over rolling 7d")
    settings = ModelSettings(windows=("1h",), performance=PerformanceSettings(objectives=(objective,)))
    parts = windows_to_look_at(settings, [NOON - 6 * DAY, NOON - MINUTE * 5], NOON)
    assert [(part.start, part.end) for part in parts] == [(NOON - 2 * HOUR, NOON - HOUR), (NOON - HOUR, NOON)]
    assert windows_to_look_at(settings, [NOON - 8 * DAY], NOON) == []


def test_a_step_that_has_ended_leaves_the_remaining_series_to_the_next(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []

    def counted(settings: ModelSettings, panes: Iterable[int], reached: int) -> list[Window]:
        looks.append(reached)
        return windows_to_look_at(settings, panes, reached)

    monkeypatch.setattr("driftline_processor.evaluation.evaluator.windows_to_look_at", counted)
    with fraud(tmp_path, clock) as state:
        for version in ("1", "2"):
            state.send(predictions(["a"], clock.now, model="fraud", version=version))
        state.state.join_now()
        counts = []
        for _ in range(3):
            with state.state._writing():
                state.state.parts.evaluator.step(ended=lambda: True)
            counts.append(len(looks))
    assert counts == [1, 2, 2]


@pytest.mark.slow
def test_reviews_that_are_a_sample_count_at_once(tmp_path: Path, clock: Clock) -> None:
    performance = {"objectives": [RULE], "outcomes": "sampled"}
    with fraud(tmp_path, clock, performance=performance, outcome_delay="1d") as state:
        traffic = Traffic(state, clock, per_minute=60)
        traffic.minutes(60, 0.6, reviewed=False)
        traffic.waiting = traffic.waiting[::20]
        traffic.review(weight=20.0)
        clock.now += MINUTE
        assert "precision" in keep(state)
