"""The programs of examples/other-languages, run as their page says: each row arrives with its score."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from driftline.baseline.baseline import Baseline

from tests.support.paths import ROOT

from .peers import Driftline, eventually, get

pytestmark = pytest.mark.interop

EXAMPLES = ROOT / "examples/other-languages"
MODULES = Path(os.environ.get("DRIFTLINE_TEST_JS", ROOT / ".peers/js")) / "node_modules"
PAGE = (EXAMPLES / "README.md").read_text(encoding="utf-8")
PROGRAMS = dict(re.findall(r"^\| \[([\w/.]+)\].*`([^`]+)` \|$", PAGE, re.MULTILINE))
"""Path of the program → the last command of its line."""

BUILDING = 540
"""Seconds in which a compiler, with the downloads of an empty cache, is slow and not stuck."""

ROWS = np.arange(1_000)
SCORES = 1 / (1 + np.exp(0.4 * (ROWS % 8) - 1.2 * (ROWS % 3)))


def run(program: str, folder: Path, endpoint: str) -> None:
    """Run a program in a copy of its folder, with the variables of the page; skip the test without its language."""
    command = shlex.split(PROGRAMS[program])
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    copy = folder / "program"
    shutil.copytree((EXAMPLES / program).parent, copy)
    if command[0] == "node":
        if not (MODULES / "@opentelemetry/sdk-node").exists():
            pytest.skip(
                "OpenTelemetry's SDK for JavaScript is not installed; `make interop` does it where there is npm"
            )
        (copy / "node_modules").symlink_to(MODULES)
    exported = dict(pair.split("=", 1) for line in re.findall(r"^export (.+)$", PAGE, re.M) for pair in line.split())
    variables = {**os.environ, **exported, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
    subprocess.run(command, cwd=copy, env=variables, check=True, timeout=BUILDING)


def model_of(driftline: Driftline, name: str) -> dict[str, Any]:
    models = get(f"{driftline.web}/api/v1/models")["models"]
    return next((model for model in models if model["model"] == name), {})


@pytest.mark.parametrize(
    ("program", "prefix"),
    [
        pytest.param("go/main.go", "go", marks=pytest.mark.slow),  # compiles OpenTelemetry's SDK: a minute of CPU
        pytest.param("java/Predict.java", "java", marks=pytest.mark.slow),
        ("javascript/predict.mjs", "js"),
    ],
)
def test_each_row_arrives_with_its_score_and_its_outcome(tmp_path: Path, program: str, prefix: str) -> None:
    driftline, name = Driftline(), f"churn-{prefix}"
    with driftline.up(tmp_path):
        run(program, tmp_path, driftline.http)
        model = eventually(lambda: model_of(driftline, name), lambda model: model.get("outcomes") == 500)
    assert (model["rows"], model["task"], model["pending"], model["distributed"]) == (1_000, "binary", 0, 0)
    assert model["baseline"]["features"] == ["logins", "tickets"]
    with duckdb.connect(str(tmp_path / "driftline-data/driftline.duckdb"), read_only=True) as store:
        stored = dict(store.sql("SELECT id, score FROM predictions").fetchall())
    assert stored == pytest.approx({f"{prefix}-{row}": score for row, score in enumerate(SCORES.tolist())})


def test_batches_that_are_sent_as_metrics_only_are_compared_with_the_baseline(tmp_path: Path) -> None:
    rows = np.arange(4_000) % 100
    scores = 1 / (1 + np.exp(0.4 * (rows % 8) - 1.2 * (rows % 3)))
    known = Baseline.from_frame(
        {"logins": (rows % 8).astype(float)}, score=scores, model="churn-js-metrics", task="binary"
    )
    known.save(tmp_path / "baseline.json")
    driftline = Driftline()
    models = {"churn-js-metrics": {"baseline": str(tmp_path / "baseline.json"), "windows": ["1mo"]}}
    with driftline.up(tmp_path, models=models):
        run("javascript/metrics.mjs", tmp_path, driftline.http)
        answer = eventually(
            lambda: get(f"{driftline.web}/api/v1/models/churn-js-metrics/evaluations?window=1mo"),
            lambda answer: answer["windows"] and answer["windows"][-1]["rows"] == 2_000,
        )
        model = model_of(driftline, "churn-js-metrics")
    window = answer["windows"][-1]
    assert (model["rows"], model["distributed"], window["service"]["calls"]) == (0, 2_000, 20)
    drift = window["drift"]
    assert drift["features"]["logins"]["state"] == "ok"
    assert drift["features"]["logins"]["methods"]["ks"]["value"] == pytest.approx(0, abs=1e-9)
