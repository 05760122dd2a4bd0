"""A deletion that is killed at any step is finished at the next start, and takes nothing else with it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from driftline_processor.state import State

from tests.support.paths import ROOT
from tests.support.privacy_markers import found_on_disk
from tests.support.state_rows import Clock, Opened, config

from .killed_erase import MARK, OTHERS, STEPS


@pytest.mark.parametrize("step", STEPS)
def test_a_deletion_that_was_killed_is_finished_at_the_next_start(tmp_path: Path, step: str) -> None:
    command = [sys.executable, "-m", "tests.end_to_end.faults.killed_erase", str(tmp_path), step]
    assert subprocess.run(command, cwd=ROOT).returncode == -signal.SIGKILL
    assert "erase.json" in found_on_disk(tmp_path, MARK)

    state = Opened(State(config(tmp_path), clock=Clock()))
    state.state.start_storing()
    try:
        assert found_on_disk(tmp_path, MARK) == []
        assert (state.view().rows, state.view().outcomes) == (OTHERS, OTHERS)
        assert [found.coverage for windows in state.view().windows.values() for found in windows] == [1.0] * 2
        assert {path.name for path in tmp_path.iterdir()} <= {
            "driftline.acknowledged",
            "driftline.duckdb",
            "driftline.duckdb.wal",
            "log",
        }
    finally:
        state.state.stop()
    assert found_on_disk(tmp_path, MARK) == []
