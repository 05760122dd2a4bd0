"""`driftline retrain-check` of rows in files."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driftline_processor.cli.commands import app as commands
from typer.testing import CliRunner

from tests.support.facts import Facts, lacking

COLUMNS = ["--task", "binary", "--score", "score", "--actual", "actual", "--id", "id"]


def write_rows(path: Path, rows: int, wrong: float, seed: int) -> Path:
    """Write predictions with their outcomes, of which a share is wrong."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, rows)
    score = np.where((rng.random(rows) < wrong) ^ (truth == 1), 0.9, 0.1)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "age", "score", "actual"])
        writer.writerows(zip(range(rows), rng.integers(20, 60, rows), score, truth, strict=True))
    return path


def check(tmp_path: Path, wrong: float, *more: str) -> tuple[int, dict[str, Any]]:
    was, now = write_rows(tmp_path / "was.csv", 3000, 0.1, 1), write_rows(tmp_path / "now.csv", 2000, wrong, 2)
    command = ["retrain-check", str(now), "--baseline", str(was), *COLUMNS, "--predictions", "10000", "--json", *more]
    done = CliRunner().invoke(commands, command)
    return done.exit_code, json.loads(done.stdout) if done.exit_code != 2 else {"error": done.stderr}


@pytest.mark.parametrize(
    ("wrong", "cost", "code"), [(0.3, "100", 0), (0.3, "5000", 10), (0.1, "500", 10), (0.1, "20", 11)]
)
def test_files_are_weighed_as_a_processor_weighs(tmp_path: Path, wrong: float, cost: str, code: int) -> None:
    found, answer = check(tmp_path, wrong, "--value", "1", "--cost", cost)

    assert found == code, answer["sentence"]
    assert answer["gain"]["value"] == pytest.approx(answer["loss"]["degradation"] * 10_000 * 0.5)
    assert (answer["outcomes_needed"] is not None) == (code == 11)


@pytest.mark.parametrize(
    ("options", "facts"),
    [
        (["--metric", "roc_auc"], ("--metric", "roc_auc", "cost_per_prediction")),
        (["--horizon", "soon"], ("--horizon", "30d")),
        (["--url", "http://127.0.0.1:1"], ("--url",)),
        (["--cost", "1", "--price-sheet", "p.json"], ("--cost", "--price-sheet")),
    ],
)
def test_options_that_contradict_are_named(tmp_path: Path, options: list[str], facts: Facts) -> None:
    code, answer = check(tmp_path, 0.1, *options)

    assert code == 2
    assert lacking(answer["error"], *facts) == []


def test_a_baseline_belongs_to_files_and_a_model_to_a_processor() -> None:
    of_files = CliRunner().invoke(commands, ["retrain-check", "--model", "churn", "--baseline", "was.csv"])
    nameless = CliRunner().invoke(commands, ["retrain-check"])

    assert (of_files.exit_code, nameless.exit_code) == (2, 2)
    assert lacking(of_files.output, "--baseline", "--outcomes", "--config") == []
    assert "--model is missing" in nameless.output
