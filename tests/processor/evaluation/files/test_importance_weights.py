"""Importance-weighted estimates of files: right under a covariate shift, and silent where nothing is like a window."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline_processor.core.drift.multivariate.classifier import Points
from driftline_processor.core.estimate.importance_weighting import ratios
from sklearn.metrics import accuracy_score, roc_auc_score
from typer.testing import Result

from tests.support.churn_files import Run


def rows(n: int, seed: int, shift: float) -> pd.DataFrame:
    """The model is good where ``a`` is high; a shift takes it there, and its scores say nothing of that."""
    rng = np.random.default_rng(seed)
    a, b, c = rng.normal(shift, 1, n), rng.normal(0, 1, n), rng.normal(0, 1, n)
    p = 1 / (1 + np.exp(-2 * b))
    sure = 1 / (1 + np.exp(-2 * a))
    actual = np.where(rng.random(n) < sure, p >= 0.5, rng.random(n) < 0.5)
    return pd.DataFrame({"a": a, "b": b, "c": c, "score": p, "actual": actual.astype(int)})


def window(run: Run, *arguments: object) -> dict[str, Any]:
    done: Result = run("evaluate", *arguments, "--task", "binary", "--json")
    assert done.exit_code == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["windows"][0]
    return found


@pytest.fixture
def files(tmp_path: Path) -> Path:
    rows(8_000, 1, 0.0).to_parquet(tmp_path / "reference.parquet")
    rows(5_000, 2, 1.0).drop(columns="actual").to_parquet(tmp_path / "shifted.parquet")
    rows(5_000, 3, 30.0).drop(columns="actual").to_parquet(tmp_path / "elsewhere.parquet")
    return tmp_path


def test_weights_see_a_shift_that_the_scores_do_not(run: Run, files: Path) -> None:
    truth = rows(5_000, 2, 1.0)
    reference = files / "reference.parquet"
    found = window(run, files / "shifted.parquet", "--baseline", reference, "--importance-weighted")["performance"]
    weighted, by_scores = found["importance_weighted"], found["estimated"]
    real = {
        "accuracy": accuracy_score(truth["actual"], truth["score"] >= 0.5),
        "roc_auc": roc_auc_score(truth["actual"], truth["score"]),
    }
    for name, value in real.items():
        one = weighted[name]
        assert one["low"] <= value <= one["high"], name
        assert abs(one["value"] - value) < 0.03 < abs(by_scores[name]["value"] - value), name
        assert (one["method"], one["source"], one["assumes"]) == ("importance_weighted", "rows", "P(y|x) unchanged")


@pytest.mark.slow
def test_kept_rows_beside_a_baseline_are_enough(run: Run, files: Path) -> None:
    built = run(
        "baseline", "build", files / "reference.parquet", "--model", "m", "--task", "binary", "--score", "score",
        "--actual", "actual", "--keep-rows", "-o", files / "m.baseline.json",
    )  # fmt: skip
    assert built.exit_code == 0, built.stderr
    found = window(run, files / "shifted.parquet", "--baseline", files / "m.baseline.json", "--importance-weighted")
    assert found["performance"]["importance_weighted"]["accuracy"]["value"] == pytest.approx(0.9, abs=0.05)


def test_nothing_is_told_where_no_labelled_row_is_like_the_window(run: Run, files: Path) -> None:
    reference = files / "reference.parquet"
    done = run("evaluate", files / "elsewhere.parquet", "--baseline", reference, "--task", "binary",
               "--importance-weighted", "--json")  # fmt: skip
    assert json.loads(done.stdout)["windows"][0]["performance"]["importance_weighted"] == {}
    assert "too few labelled rows are similar to those of a window" in done.stderr


def test_weights_that_few_rows_of_a_window_taught_are_not_held_back_by_the_many_of_the_reference() -> None:
    rng = np.random.default_rng(5)
    was, now = rng.normal(0, 1, (6_000, 2)), rng.normal(0, 1, (200, 2)) + np.array([1.0, 0.0])
    reference, window = (Points(("a", "b"), z, np.zeros(z.shape, bool)) for z in (was, now))
    held = ratios(reference, window, rng)
    assert held is not None
    assert held.without.shape == (20, 6_000)
    assert float(held.reference_ratios @ was[:, 0]) / 6_000 == pytest.approx(now[:, 0].mean(), abs=0.1)
