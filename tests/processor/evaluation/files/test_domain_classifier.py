"""`driftline evaluate --classifier`: rows of the window against rows of the reference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.support.churn_files import Run


def joint(run: Run, *arguments: object) -> dict[str, Any]:
    result = run("evaluate", *arguments, "--json", "--classifier")
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)["windows"][0]["drift"]["multivariate"]
    return found


@pytest.fixture
def turned(tmp_path: Path, reference: pd.DataFrame) -> Path:
    """The rows of the reference, half of them, with ages and points against each other."""
    every = reference.assign(points=reference["score"])
    rows = every.iloc[::2].copy()
    rows["age"] = np.round(2 * rows["age"].mean()) - rows["age"]
    rows.to_parquet(tmp_path / "turned.parquet")
    every.iloc[1::2].to_parquet(tmp_path / "other.parquet")
    return tmp_path


@pytest.mark.parametrize("built", [False, True])
def test_a_classifier_tells_turned_rows_from_the_reference_and_names_the_features(
    run: Run, turned: Path, built: bool
) -> None:
    reference = turned / "other.parquet"
    features = ("--features", "age,region,vip,income,points")
    if built:
        options = ("--model", "churn", "--task", "binary", "--score", "score", "--keep-rows", "--version", "1")
        reference = turned / "churn.json"
        result = run("baseline", "build", turned / "other.parquet", *options, *features, "-o", reference)
        assert result.exit_code == 0, result.stderr
    found = joint(run, turned / "turned.parquet", "--baseline", reference, *features)
    one = found["domain_classifier"]
    assert one["state"] == "drift"
    assert one["value"] > 0.7
    assert {told["features"][0] for told in one["contributors"][:2]} == {"age", "points"}
    assert found["correlation"]["contributors"][0]["features"] == ["age", "points"]
    assert found["pca"]["state"] == "drift"


def test_rows_of_one_distribution_are_not_told_apart(run: Run, turned: Path, reference: pd.DataFrame) -> None:
    reference.assign(points=reference["score"]).iloc[::2].to_parquet(turned / "same.parquet")
    one = joint(run, turned / "same.parquet", "--baseline", turned / "other.parquet")["domain_classifier"]
    assert one["state"] == "ok"
    assert one["value"] == pytest.approx(0.5, abs=0.03)


def test_a_file_evaluated_twice_has_one_answer(run: Run, turned: Path) -> None:
    arguments = (turned / "turned.parquet", "--baseline", turned / "other.parquet")
    assert joint(run, *arguments) == joint(run, *arguments)


@pytest.mark.slow
def test_every_window_has_its_own_rows(run: Run, files: Path) -> None:
    options = ("--baseline", files / "reference.parquet", "--window", "1d", "--classifier", "--json")
    result = run("evaluate", files / "week.parquet", *options)
    windows = json.loads(result.stdout)["windows"]
    assert len(windows) == 7
    for window in windows:
        one = window["drift"]["multivariate"]["domain_classifier"]
        assert one["state"] == "drift"
        worth = max(column["design_effect"] for column in window["drift"]["features"].values())
        assert one["rows"] == pytest.approx(window["rows"] / worth, abs=1)


def test_without_rows_of_the_reference_there_is_no_classifier(run: Run, files: Path) -> None:
    options = ("--model", "churn", "--task", "binary", "--version", "1", "-o", files / "churn.json")
    assert run("baseline", "build", files / "reference.parquet", *options).exit_code == 0
    result = run("evaluate", files / "week.parquet", "--baseline", files / "churn.json", "--classifier")
    assert result.exit_code == 2
    assert "--classifier: " in result.stderr
    assert "churn.rows.parquet" in result.stderr


def test_a_baseline_without_a_space_has_no_classifier_and_says_so(run: Run, files: Path) -> None:
    pd.DataFrame({"age": range(300)}).to_parquet(files / "few.parquet")
    result = run("evaluate", files / "few.parquet", "--baseline", files / "few.parquet", "--classifier", "--json")
    assert result.exit_code == 0
    assert "--classifier: skipped" in result.stderr
    assert json.loads(result.stdout)["windows"][0]["drift"]["multivariate"] == {}


def test_a_condition_may_be_on_the_features_together(run: Run, turned: Path) -> None:
    arguments = ("evaluate", turned / "turned.parquet", "--baseline", turned / "other.parquet")
    assert run(*arguments, "--fail-on", "drift.multivariate.pca.value > 0.1").exit_code == 3
    assert run(*arguments, "--fail-on", "drift.multivariate.pca.p_value > 0.1").exit_code == 0
    wrong = run(*arguments, "--fail-on", "drift.multivariate.pcs.value > 0.1")
    assert "no method 'pcs'; did you mean 'pca'?" in wrong.stderr
    assert run(*arguments, "--fail-on", "drift.multivariate.pca.state > 0.1").exit_code == 2
