"""`driftline ... | head`: who reads only the first lines still gets the exit code of the conditions."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.paths import ROOT

COMMAND = [
    *(sys.executable, "-m", "driftline_processor", "evaluate", "examples/two_files/lastweek.parquet"),
    *("--baseline", "examples/two_files/reference.parquet", "--task", "binary", "--actual", "late"),
    *("--fail-on", "drift.fraction > 0.3"),
]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_reader_that_leaves_does_not_change_the_exit_code(options: list[str]) -> None:
    with subprocess.Popen(
        [*COMMAND, *options], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 3, said
    assert "--fail-on 'drift.fraction > 0.3': true in 1 of 1 window" in said
    assert "Traceback" not in said
