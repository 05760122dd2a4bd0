"""A churn model that grew wrong, was trained anew, and is better since: over the real state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import driftline
import numpy as np
from driftline_processor.config.model import Model
from driftline_processor.state import State
from starlette.applications import Starlette

from tests.support.fake_view import app_of
from tests.support.otlp_requests import logs, record
from tests.support.state_rows import NOON, Clock, Opened, config, outcomes, predictions

DAY = 86_400 * 10**9
MIDNIGHT = NOON - DAY // 2
ROWS = 800
"""Predictions of a day."""


@dataclass(frozen=True)
class Retrained:
    """A model of which a test may say more."""

    state: State
    app: Starlette
    clock: Clock

    def predict_day(self, day: int, version: str, wrong: float, rows: int = ROWS) -> None:
        """Send a day of predictions with their outcomes, of which a share is wrong, and judge what is over."""
        rng = np.random.default_rng(day)
        truth = rng.integers(0, 2, rows)
        score = np.where((rng.random(rows) < wrong) ^ (truth == 1), 0.9, 0.1)
        ids = [f"{day}-{row}" for row in range(rows)]
        start = MIDNIGHT + day * DAY
        times = [start + row * (DAY // rows) for row in range(rows)]
        self.clock.now = start + DAY + DAY // 2
        opened = Opened(self.state)
        opened.send(
            predictions(ids, times, score.tolist(), version=version),
            outcomes(ids, truth.tolist(), [time + 10**9 for time in times]),
        )
        self.state.settle()

    def train(self, end: float, version: str, cost: float = 40.0, **more: object) -> None:
        """Send the record of a training run that ended at a day and a part of it."""
        values = {
            "ml.model.name": "churn",
            "ml.model.version": version,
            "driftline.training.run.id": f"run-{end}",
            "driftline.training.duration": 7200.0,
            "driftline.training.cpu.time": 3600.0,
            "driftline.training.cost": cost,
            "driftline.training.currency": "EUR",
            "driftline.training.result.value.validation_loss": 0.25,
            **more,
        }
        body = logs([record("driftline.training.run", values, time_unix_nano=MIDNIGHT + int(end * DAY))], "training")
        self.state.submit("logs", body).result(60)
        self.state.settle()


@contextmanager
def retrained(directory: Path) -> Iterator[Retrained]:
    """Open a model that was wrong in 10 % of its baseline, in 40 % of two days, and in 20 % since its retraining."""
    rng = np.random.default_rng(7)
    truth = rng.integers(0, 2, 4000)
    score = np.where((rng.random(4000) < 0.1) ^ (truth == 1), 0.9, 0.1)
    columns = {"age": rng.integers(20, 60, 4000)}
    baseline = driftline.Baseline.from_frame(columns, score=score, actual=truth, model="churn", task="binary")
    path = directory / "churn.baseline.json"
    path.write_text(baseline.to_json())
    clock = Clock(MIDNIGHT)
    churn = Model.model_validate({"baseline": str(path), "windows": ["1d"], "outcome_delay": "0d"})
    state = State(config(directory / "state", churn=churn), clock=clock)
    state.start_storing()
    app = app_of(state, clock)
    model = Retrained(state, app, clock)
    try:
        model.predict_day(0, "1", 0.4)
        model.predict_day(1, "1", 0.4)
        model.train(1.9, "2")
        model.predict_day(2, "2", 0.2)
        model.predict_day(3, "2", 0.2)  # after which the day before is over
        yield model
    finally:
        state.stop()
