"""Baselines from and to MLflow runs: artifacts, tables and data sets, by their addresses."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline import Baseline
from driftline_processor.cli.commands import app
from typer.testing import CliRunner

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow's own, at its import
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed: make frameworks")

from driftline_integrations.mlflow import log_baseline

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore")]  # MLflow's own warnings are many

OPTIONS = ("--model", "churn", "--task", "binary", "-o")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables: to make them takes all of its migrations, some seconds."""
    folder = tmp_path_factory.mktemp("tracking")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)  # where the artifacts will be
        mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db").search_experiments()
    return folder / "mlflow.db"


@pytest.fixture(autouse=True)
def _tracking(empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(empty, tmp_path / "mlflow.db")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")


def rows(n: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    return pd.DataFrame({"age": rng.normal(size=n), "plan": rng.choice(["a", "b"], n), "score": rng.random(n)})


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def built(address: str, folder: Path) -> Baseline:
    result = run("baseline", "build", address, *OPTIONS, folder / "b.json")
    assert result.exit_code == 0, result.stderr
    return Baseline.load(folder / "b.json")


def test_a_file_of_a_run_is_a_reference(tmp_path: Path) -> None:
    rows().to_parquet(tmp_path / "reference.parquet")
    with mlflow.start_run() as active:
        mlflow.log_artifact(tmp_path / "reference.parquet")
    baseline = built(f"runs:/{active.info.run_id}/reference.parquet", tmp_path)
    assert baseline.pane.rows == 200
    assert baseline.to_json() == built(str(tmp_path / "reference.parquet"), tmp_path).to_json()


def test_so_is_a_logged_table(tmp_path: Path) -> None:
    with mlflow.start_run() as active:
        mlflow.log_table(rows(), "reference.json")
    baseline = built(f"runs:/{active.info.run_id}/reference.json", tmp_path)
    assert list(baseline.bins.features) == ["age", "plan"]
    assert baseline.pane.rows == 200


def test_so_is_the_data_set_that_a_run_was_evaluated_on(tmp_path: Path) -> None:
    rows().to_csv(tmp_path / "held_out.csv", index=False)
    rows(90).to_csv(tmp_path / "train.csv", index=False)
    with mlflow.start_run() as active:
        for name, context in (("train.csv", "training"), ("held_out.csv", "evaluation")):
            data = mlflow.data.from_pandas(pd.read_csv(tmp_path / name), source=str(tmp_path / name))
            mlflow.log_input(data, context=context)
    assert built(f"runs:/{active.info.run_id}", tmp_path).pane.rows == 200


def test_a_logged_baseline_is_read_by_its_address(tmp_path: Path) -> None:
    frame = rows()
    baseline = Baseline.from_frame(frame, score="score", model="churn", task="binary")
    with mlflow.start_run() as active:
        address = log_baseline(baseline)
    assert address == f"runs:/{active.info.run_id}/driftline.baseline.json"
    assert log_baseline(baseline, "b.json", active.info.run_id) == f"runs:/{active.info.run_id}/b.json"
    frame.to_csv(tmp_path / "week.csv", index=False)
    shown = run("baseline", "show", address)
    assert baseline.digest in shown.stdout
    result = run("evaluate", tmp_path / "week.csv", "--baseline", address)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("no drift") == 4, "two features, the score and the predicted class"
    with pytest.raises(ValueError, match=r"mlflow\.start_run"):
        log_baseline(baseline)


def test_what_is_not_there_is_said_in_a_sentence(tmp_path: Path) -> None:
    with mlflow.start_run() as active:
        mlflow.log_text("a,b\n1,2\n", "data/one.csv")
    name = f"runs:/{active.info.run_id}"
    for address, sentence in (
        (f"{name}/none.parquet", f"driftline: {name}/none.parquet: MLflow cannot read it: "),
        (f"{name}/data", f"driftline: {name}/data: is a folder; use one of its files: one.csv"),
        (name, f"driftline: {name}: no data set was logged to the run as evaluation, validation, test (logged: none)"),
    ):
        result = run("baseline", "build", address, *OPTIONS, tmp_path / "b.json")
        assert result.exit_code == 2
        assert result.stderr.startswith(sentence), result.stderr
