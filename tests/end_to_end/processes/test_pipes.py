"""`driftline ... | head`: who reads only the first lines still gets the exit code of the conditions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

EVALUATE = [
    *("evaluate", "examples/two_files/lastweek.parquet", "--baseline", "examples/two_files/reference.parquet"),
    *("--task", "binary", "--actual", "late", "--fail-on", "drift.fraction > 0.3"),
]


def run_with_a_reader_that_leaves(command: list[str]) -> tuple[int, str]:
    """Return the exit code and the errors of a command whose output nobody reads."""
    with subprocess.Popen(
        [sys.executable, "-m", "driftline_processor", *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read()
    return process.returncode, errors


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_an_evaluation_keeps_its_exit_code(options: list[str]) -> None:
    code, errors = run_with_a_reader_that_leaves([*EVALUATE, *options])
    assert code == 3, errors
    assert "--fail-on 'drift.fraction > 0.3': true in 1 of 1 window" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_comparison_of_features_keeps_its_exit_code(options: list[str], tmp_path: Path) -> None:
    online, offline = tmp_path / "online.csv", tmp_path / "offline.csv"
    online.write_text("id,age\na,31\nb,32\n")
    offline.write_text("id,age\na,31\nb,33\n")
    command = ["skew", str(online), str(offline), "--fail-on", "any feature.differs > 1 %", *options]
    code, errors = run_with_a_reader_that_leaves(command)
    assert code == 3, errors
    assert "age is 50" in errors
    assert "Traceback" not in errors
