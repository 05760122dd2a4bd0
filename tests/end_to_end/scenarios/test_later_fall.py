"""Scenario 8's policy where tastes shift for good, and the clicks fall on that day or later; from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from driftline_processor.config.schema import load
from driftline_processor.core.policy.rule import WindowHistory
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs

from tests.support.paths import ROOT

from .stage import command

START = pd.Timestamp("2026-01-01T00:00:00Z")
ROWS, SHIFT = 500, 20
EXAMPLE = ROOT / "examples" / "08-drift-and-click-rate" / "driftline.yaml"


def lists(rng: np.random.Generator, day: int, click_rate: float, age: float) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": [f"{day}-{row}" for row in range(ROWS)],
            "time": START + pd.Timedelta(days=1) * (day + (np.arange(ROWS) + 0.5) / ROWS),
            "age": rng.normal(age, 10, ROWS),
            "minutes": rng.normal(20, 5, ROWS),
            "items": ['["p1","p2"]'] * ROWS,
            "clicked": rng.random(ROWS) < click_rate,
        }
    )


@pytest.mark.parametrize("lag", [0, 1, 2, 3, 7])
def test_the_policy_fires_if_the_clicks_fall_days_after_the_tastes_shift(
    lag: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng, fall = np.random.default_rng([8, lag]), SHIFT + lag
    days = [lists(rng, day, 0.3 if day >= fall else 0.5, 50 if day >= SHIFT else 40) for day in range(fall + 2)]
    rows = pd.concat(days)
    clicks = rows[rows["clicked"]].assign(item="p1", actual=1.0, time=lambda them: them["time"] + pd.Timedelta("1min"))
    clicks[["id", "item", "actual", "time"]].to_parquet("clicks.parquet")
    rows.drop(columns="clicked").to_parquet("rows.parquet")
    pd.concat(days[:14]).drop(columns="clicked").to_parquet("launch.parquet")
    command(
        "baseline", "build", "launch.parquet", "--model", "feed", "--version", "1", "--task", "ranking", "-o", "b.json"
    )
    inputs = EvaluationInputs([Path("rows.parquet")], Path("b.json"), outcomes=Path("clicks.parquet"))
    found = evaluate_files(inputs, EvaluationOptions(config=EXAMPLE), lambda _: None)
    rule = load(EXAMPLE).policies["tastes-shift"].rule
    firings = rule.firings(WindowHistory({"1d": found.evaluations}), None, 0)
    assert [firing.since for firing in firings] == [(START + pd.Timedelta(days=fall)).value]
