"""kill -9 of whoever sends a file of outcomes, and of the processor that takes it: every row counts once."""

from __future__ import annotations

import signal
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest
from driftline_processor.cli.connection import Connection
from driftline_processor.cli.outcome_upload import OutcomeColumns, UploadTarget, upload_outcomes
from driftline_processor.config.schema import load
from driftline_processor.readers.errors import BadInput
from driftline_processor.state import State

from tests.support.paths import ROOT
from tests.support.processes import addresses, process
from tests.support.state_rows import Opened

from .killed_push import ROWS

PARTS = 24


def test_a_file_is_taken_once_though_client_and_processor_are_killed(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("id,actual,time\n" + "".join(f"A-{i},{i % 2},1728000000\n" for i in range(ROWS * PARTS)))
    with process(tmp_path) as first:
        _, url = addresses(first)
        command = [sys.executable, "-m", "tests.end_to_end.faults.killed_push", str(file), url, "7"]
        assert subprocess.run(command, cwd=ROOT).returncode == -signal.SIGKILL

        seen = count(1)

        def sent(_: int) -> None:
            if next(seen) == 15:
                first.send_signal(signal.SIGKILL)

        target = UploadTarget(Connection(url), "churn", timeout=1.0)
        with pytest.raises(BadInput, match="run the command again"):
            upload_outcomes(file, target, OutcomeColumns({}), print, sent, ROWS)
    with process(tmp_path) as second:
        _, url = addresses(second)
        pushed = upload_outcomes(
            file, UploadTarget(Connection(url), "churn"), OutcomeColumns({}), print, lambda _: None, ROWS
        )
        assert (pushed.accepted, pushed.rejected) == (ROWS * PARTS, 0)
    state = State(load(tmp_path / "driftline.yaml"))
    try:
        counted = "SELECT count(*)::INT AS rows, count(DISTINCT id)::INT AS ids FROM outcomes"
        assert Opened(state).rows(counted) == [(ROWS * PARTS, ROWS * PARTS)]
    finally:
        state.stop()
