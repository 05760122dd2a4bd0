"""`driftline spark evaluate` and `send`: without Spark or Java, and with unusable input, one line each."""

from __future__ import annotations

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


def run(*arguments: str, command: str = "evaluate") -> tuple[int, str, str]:
    """Return exit code, output and messages of the command."""
    result = CliRunner().invoke(app, ["spark", command, *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_without_java_one_line_names_it(baseline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspark")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    code, _, said = run("table", "--baseline", str(baseline))
    assert (code, len(said.splitlines())) == (2, 1)
    assert "Java 17" in said


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--span", "2h"), "--span 2h: use 1h or 5m"),
        (("--span", "5m", "--slices", "plan"), "panes of slices are of an hour"),
        (("--timezone", "Mars/Olympus"), "Mars/Olympus"),
    ],
)
def test_bad_options_of_send_are_one_line_each(baseline: Path, options: tuple[str, ...], reason: str) -> None:
    code, _, said = run("table", "--baseline", str(baseline), *options, command="send")
    assert (code, len(said.splitlines())) == (2, 1)
    assert reason in said


def test_bad_options_are_one_line_each(baseline: Path, tmp_path: Path) -> None:
    frame(1).to_parquet(tmp_path / "rows.parquet")
    for arguments, reason in (
        (["--baseline", str(tmp_path / "rows.parquet")], "is not a built baseline"),
        (["--baseline", str(baseline), "--window", "25"], "25"),
        (["--baseline", str(baseline), "--timezone", "Mars/Olympus"], "Mars/Olympus"),
        (["--baseline", str(baseline), "--threshold", "2"], "--threshold: 2 must be a number from 0 to 1"),
        (["--baseline", str(baseline), "--objectives", "recal >= 0.9"], "recal"),
        (["--baseline", str(baseline), "--method", "agee=ks"], "no feature 'agee'"),
    ):
        code, _, said = run("table", *arguments)
        assert (code, len(said.splitlines())) == (2, 1)
        assert reason in said
