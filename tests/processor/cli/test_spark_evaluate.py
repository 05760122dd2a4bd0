"""`driftline spark evaluate`: without Spark or Java, and with input that cannot be evaluated, one line each."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline_processor.cli.commands import app
from typer.testing import CliRunner


def frame(seed: int, n: int = 2_000) -> pd.DataFrame:
    """Rows of two days."""
    random = np.random.default_rng(seed)
    score = random.random(n)
    time = pd.Timestamp("2026-03-02", tz="UTC") + pd.to_timedelta(np.sort(random.integers(0, 172_800, n)), unit="s")
    actual = (random.random(n) < score).astype(int)
    return pd.DataFrame({"age": random.normal(40, 9, n), "p": score, "y": actual, "time": time.as_unit("us")})


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    """The file of a baseline."""
    built = Baseline.from_frame(frame(1), score="p", actual="y", time="time", model="churn", task="binary")
    built.save(tmp_path / "churn.json")
    return tmp_path / "churn.json"


def run(*arguments: str) -> tuple[int, str, str]:
    """Return exit code, output and messages of the command."""
    result = CliRunner().invoke(app, ["spark", "evaluate", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_without_java_one_line_names_it(baseline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspark")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    code, _, said = run("table", "--baseline", str(baseline))
    assert (code, len(said.splitlines())) == (2, 1)
    assert "Java 17" in said


def test_bad_options_are_one_line_each(baseline: Path, tmp_path: Path) -> None:
    frame(1).to_parquet(tmp_path / "rows.parquet")
    for arguments, reason in (
        (["--baseline", str(tmp_path / "rows.parquet")], "is not a built baseline"),
        (["--baseline", str(baseline), "--window", "25"], "25"),
        (["--baseline", str(baseline), "--timezone", "Mars/Olympus"], "Mars/Olympus"),
    ):
        code, _, said = run("table", *arguments)
        assert (code, len(said.splitlines())) == (2, 1)
        assert reason in said


@pytest.mark.skipif(
    importlib.util.find_spec("pyspark") is None or not (shutil.which("java") or os.environ.get("JAVA_HOME")),
    reason="needs PySpark and Java",
)
def test_a_table_is_evaluated_as_its_file(baseline: Path, tmp_path: Path) -> None:
    frame(2).to_parquet(tmp_path / "rows.parquet")
    frame(2).rename(columns={"age": "years"}).to_parquet(tmp_path / "other.parquet")
    common = ["--baseline", str(baseline), "--json"]
    code, shown, _ = run(str(tmp_path / "rows.parquet"), *common, "--master", "local[1]", "--fail-on", "rows > 900")
    file = CliRunner().invoke(app, ["evaluate", str(tmp_path / "rows.parquet"), *common, "--window", "1d"])
    found, expected = json.loads(shown), json.loads(file.stdout)
    assert code == 3
    assert found["sample"] == {"rows": 2_000, "total": 2_000}
    for one, other in zip(expected["windows"], found["windows"], strict=True):
        assert (other["rows"], other["verdict"]["state"]) == (one["rows"], one["verdict"]["state"])
        accuracy = one["performance"]["realized"]["accuracy"]["value"]
        assert other["performance"]["realized"]["accuracy"]["value"] == pytest.approx(accuracy, rel=1e-12)
    for table, arguments, reason in (
        ("other.parquet", [], "none of the baseline's features is a column: age"),
        ("rows.parquet", ["--time", "at"], "the table has no column 'at'"),
        ("none.parquet", [], "none.parquet"),
    ):
        code, _, said = run(str(tmp_path / table), *common, *arguments)
        assert (code, len(said.splitlines())) == (2, 1), said
        assert reason in said
