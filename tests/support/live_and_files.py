"""One week evaluated live, by the state, and from a file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline_processor.core.evaluation import ColumnDrift, Evaluation
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs

from tests.support.service import Service
from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, Clock, Opened


def of_file(folder: Path, frame: pd.DataFrame, baseline: Baseline) -> Evaluation:
    """Return the evaluation of the same rows in a file."""
    frame.to_parquet(folder / "week.parquet")
    baseline.save(folder / "baseline.json")
    files = [folder / "week.parquet"], folder / "baseline.json"
    [evaluation] = evaluate_files(EvaluationInputs(*files), EvaluationOptions(), print).evaluations
    return evaluation


def live(open_state: Open, clock: Clock, frame: pd.DataFrame, baseline: Baseline) -> Evaluation:
    """Return the day of these predictions as a new state evaluates them."""
    clock.now = time.time_ns()
    return evaluate_live(open_state(), clock, frame, baseline)


def drift_summary(column: ColumnDrift) -> Any:
    """Return what both ways must say alike of one feature."""
    values = {name: (one.value, one.p_value) for name, one in column.methods.items()}
    return column.state, column.size, column.effect, column.rows, column.missing_now, values


def evaluate_live(state: Opened, clock: Clock, rows: pd.DataFrame, baseline: Baseline) -> Evaluation:
    """Predict these rows, send them to a state, and return the evaluation of their day."""
    service = Service()
    model = service.model(version="1", baseline=baseline)

    @model.predict
    def score(batch: pd.DataFrame) -> Any:
        return rows["score"][batch.index].to_numpy()

    for start in range(0, len(rows), 1_000):
        score(rows.iloc[start : start + 1_000].drop(columns="score"))
    service.flush()
    for body in service.channel.bodies:
        state.state.submit("logs", body).result(60)
    clock.now += 2 * DAY
    windows = [window for window in state.view(version="1", environment="test").windows["1d"] if window.rows]
    if len(windows) > 1:
        pytest.skip("a window ended in between")
    assert windows[0].closed
    return windows[0]


def agree(one: object, other: object, where: str = "") -> None:
    """Assert that two answers are the same, numbers to 1e-9."""
    if isinstance(one, dict) and isinstance(other, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            agree(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list) and isinstance(other, list):
        assert len(one) == len(other), where
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            agree(left, right, f"{where}[{index}]")
    elif isinstance(one, float) and isinstance(other, float):
        assert other == pytest.approx(one, rel=1e-9, abs=1e-9), where
    else:
        assert one == other, f"{where}: {one!r} {other!r}"
