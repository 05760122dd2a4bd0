"""Processes that judge, which a test waits for."""

from __future__ import annotations

import pytest
from driftline_processor.evaluation.processes import pool
from driftline_processor.evaluation.processes.pool import JudgingProcesses

from .state_rows import Opened


def start_judging(state: Opened, monkeypatch: pytest.MonkeyPatch) -> JudgingProcesses:
    """Let a state have all processes that it may, for the least window, and wait until each is ready."""
    judging = state.state._judging
    monkeypatch.setattr(pool, "WORTH", 0.0)
    ready(judging)
    return judging


def ready(judging: JudgingProcesses) -> None:
    """Wait until all processes are ready."""
    judging.prepare(1)
    while starting := [one for one in judging._processes if not one.ready]:
        judging._wait_for(starting, 60.0)
        judging.prepare(1)
    assert judging.running == judging._most
