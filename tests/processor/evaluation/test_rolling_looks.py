"""Objectives over a rolling hour are looked at every minute, and notified at the first stretch that is below."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from driftline_processor.config.schema import Config
from driftline_processor.policy.alerts import Alert
from driftline_processor.state import State

from tests.support.state_rows import MINUTE, Clock, Opened, outcomes, predictions

RULE = "precision >= 0.95 over rolling 1h"
POLICIES: dict[str, Any] = {"precision": {"when": f"objective '{RULE}' broken", "severity": "critical"}}


@contextmanager
def fraud(folder: Path, clock: Clock, objective: str = RULE, **keys: Any) -> Iterator[Opened]:
    """Open a processor of a fraud model with an objective, whose keeper works when the test says so."""
    model = {"windows": ["1h"], "outcome_delay": "10m", "performance": {"objectives": [objective]}, **keys}
    config = {"storage": {"directory": folder}, "models": {"fraud": model}, "policies": POLICIES}
    state = State(Config.model_validate({**config, "notify": "json://127.0.0.1:1/"}), clock=clock)
    state.start_storing()
    opened = Opened(state)
    try:
        yield opened
    finally:
        opened.leave()


class Traffic:
    """Flagged payments, evenly over each minute, and what their reviews say."""

    def __init__(self, state: Opened, clock: Clock, per_minute: int = 11) -> None:
        self.state, self.clock, self.per_minute = state, clock, per_minute
        self._rng, self._sent, self._reviews = np.random.default_rng(8), 0, list[tuple[str, int]]()

    def minutes(self, minutes: int, precision: float, *, reviewed: bool = True) -> None:
        """Let minutes pass, with their payments; their reviews come at the end, or later."""
        n = self.per_minute * minutes
        ids = [f"p{self._sent + row}" for row in range(n)]
        times = [self.clock.now + row * MINUTE // self.per_minute for row in range(n)]
        self._sent += n
        self.clock.now += minutes * MINUTE
        self.state.send(predictions(ids, times, [0.9] * n, model="fraud"))
        self._reviews += [(one, int(self._rng.random() < precision)) for one in ids]
        if reviewed:
            self.review()

    def review(self) -> None:
        """Send the reviews that wait."""
        ids, actual = [one for one, _ in self._reviews], [right for _, right in self._reviews]
        self._reviews = []
        self.state.send(outcomes(ids, actual, self.clock.now, model="fraud"))


def keep(state: Opened) -> dict[str, Alert]:
    """Run each task of the keeper once; return the alerts by policy."""
    state.state.join_now()
    with state.state._writing():
        for step in state.state._steps():
            step.run()
    return {alert.policy: alert for alert in state.state.alerts.alerts.values()}


def test_45_minutes_below_are_notified_within_minutes_of_their_first_reviews(tmp_path: Path, clock: Clock) -> None:
    with fraud(tmp_path, clock) as state:
        traffic = Traffic(state, clock)
        traffic.minutes(75, 0.98)
        state.state.settle()
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
        state.state.settle()
        traffic.minutes(45, 0.6, reviewed=False)
        traffic.minutes(30, 0.98, reviewed=False)
        assert keep(state) == {}
        traffic.review()
        clock.now += MINUTE
        assert set(keep(state)) == {"precision", "health"}
