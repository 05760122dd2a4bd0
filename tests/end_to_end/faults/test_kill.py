"""kill -9 at any moment loses nothing that was acknowledged and counts nothing twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from driftline.tables.table import Text
from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.state import State

from tests.support.killed_processes import killed, shuffled
from tests.support.paths import ROOT
from tests.support.privacy_markers import found_on_disk
from tests.support.state_rows import Clock, Opened, config

from .killed_erase import MARK, OTHERS, STEPS
from .killed_state import FAILED, ROWS, request

REQUESTS = 90


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_kill_9_loses_nothing_acknowledged_and_counts_nothing_twice(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    order = shuffled(REQUESTS, chance)

    def look(acknowledged: set[int]) -> None:
        state = State(config(tmp_path), clock=Clock())
        check(Opened(state), acknowledged)
        state.stop()

    killed(tmp_path, order, chance, 25, check=look)

    state = State(config(tmp_path), clock=Clock())
    state.start()
    for number in order:
        assert state.offer(request(number)).result(60).accepted == ROWS
    check(Opened(state), set(range(REQUESTS)), complete=True)
    state.stop()


def check(state: Opened, acknowledged: set[int], complete: bool = False) -> None:
    """Every acknowledged row is there once, sums equal rows, and every outcome with a prediction is joined."""
    predicted = {id for number in acknowledged for table in request(number).predictions for id in _ids(table.id)}
    known = {id for number in acknowledged for table in request(number).outcomes for id in _ids(table.id)}
    kept = [str(row[0]) for row in state.rows("SELECT id FROM predictions")]
    told = [str(row[0]) for row in state.rows("SELECT id FROM outcomes")]
    assert len(kept) == len(set(kept))
    assert len(told) == len(set(told))
    assert predicted <= set(kept)
    assert known <= set(told)
    if complete:
        assert (predicted, known) == (set(kept), set(told))

    state.state.settle()
    joined = [str(row[0]) for row in state.rows("SELECT id FROM joined JOIN predictions p ON p.seq = prediction")]
    assert sorted(joined) == sorted(set(kept) & set(told))
    total = "SELECT coalesce(sum(value), 0) FROM sums WHERE part = '{}' AND idx = 0"
    assert state.rows(total.format("rows")) == [(len(kept),)]
    assert state.rows(total.format("outcomes")) == [(len(joined),)]
    failed = len(kept) * FAILED // ROWS
    assert state.rows(total.format("calls")) == [(len(kept),)]
    assert state.rows(total.format("failed:TimeoutError")) == state.rows(total.format("unanswered")) == [(failed,)]
    returned = "SELECT coalesce(sum(value), 0) FROM sums WHERE part = 'latency'"
    assert state.rows(returned) == [(len(kept) - failed,)]
    counted = state.rows("SELECT coalesce(sum(value), 0) FROM sums WHERE part = 'feature:x'")
    learning = state.rows("SELECT coalesce(sum(rows), 0) FROM learning WHERE name = 'time'")
    assert counted == [(max(0, len(kept) - 1_000),)]
    assert learning == [(len(kept) if len(kept) < 1_000 else 0,)]
    if kept:
        (view,) = state.state.publish().models
        assert (view.rows, view.outcomes, view.pending) == (len(kept), len(joined), len(set(told) - set(kept)))
        assert sum(one.rows for one in view.windows["1h"]) == len(kept)
        assert sum(one.outcome_rows for one in view.windows["1h"]) == len(joined)
        check_concept(state, view.concept, len(joined))


def check_concept(state: Opened, concept: ConceptDrift | None, joined: int) -> None:
    """Every joined outcome was fed once, and with the error it has; both classes are as likely, so nothing drifts."""
    assert concept is not None
    assert (concept.outcomes, concept.corrected, concept.changes) == (joined, 0, ())
    ((wrong,),) = state.rows("SELECT coalesce(sum(value), 0) FROM sums WHERE part = 'confusion' AND idx IN (1, 2)")
    if joined:
        assert concept.after == wrong / joined  # type: ignore[operator]


def _ids(text: Text) -> list[str]:
    return [text.data[first:last].decode() for first, last in pairwise(text.offsets.tolist())]


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
            "driftline.audit.key",
            "driftline.duckdb",
            "driftline.duckdb.wal",
            "log",
        }
    finally:
        state.state.stop()
    assert found_on_disk(tmp_path, MARK) == []
