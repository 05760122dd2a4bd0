"""kill -9 at any moment loses nothing that was acknowledged and counts nothing twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from driftline.tables.table import Text
from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.state import State

from tests.support.paths import ROOT
from tests.support.state_rows import Clock, Opened, config

from .killed_state import ROWS, request

REQUESTS = 90


class Victim:
    """The process that will be killed."""

    def __init__(self, directory: Path, module: str = "killed_state") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"tests.end_to_end.faults.{module}", str(directory)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._read() == ["ready"]

    def send(self, numbers: list[int]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("".join(f"{number}\n" for number in numbers))
        self._process.stdin.flush()

    def acknowledged(self, wanted: int) -> set[int]:
        """Wait until so many requests are acknowledged, and say which."""
        found: set[int] = set()
        while len(found) < wanted:
            word, number, rows = self._read()
            assert (word, int(rows)) == ("ack", ROWS)
            found.add(int(number))
        return found

    def kill(self) -> set[int]:
        """Kill it, and return what it had acknowledged that nobody had read yet."""
        self._process.send_signal(signal.SIGKILL)
        out, _ = self._process.communicate()
        return {int(line.split()[1]) for line in out.splitlines() if line.count(" ") == 2}

    def _read(self) -> list[str]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the process ended by itself with {self._process.wait()}"
        return line.split()


def killed(
    directory: Path,
    order: list[int],
    chance: random.Random,
    most: int,
    module: str = "killed_state",
    check: Callable[[set[int]], object] = lambda _: None,
) -> None:
    """Send requests to processes that are killed after up to ``most`` acknowledgements, until two thirds are.

    ``check`` is given what is acknowledged, after each.
    """
    acknowledged: set[int] = set()
    while len(acknowledged) < len(order) * 2 // 3:
        victim = Victim(directory, module)
        again = chance.sample(sorted(acknowledged), len(acknowledged) // 2)
        victim.send([*again, *(number for number in order if number not in acknowledged)])
        acknowledged |= victim.acknowledged(len(again) + chance.randrange(1, most))
        acknowledged |= victim.kill()
        check(acknowledged)


def shuffled(count: int, chance: random.Random) -> list[int]:
    """Return the numbers of the requests in an order of chance."""
    return chance.sample(range(count), count)


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
    total = "SELECT coalesce(sum(value), 0) FROM panes WHERE part = '{}' AND idx = 0"
    assert state.rows(total.format("rows")) == [(len(kept),)]
    assert state.rows(total.format("outcomes")) == [(len(joined),)]
    counted = state.rows("SELECT coalesce(sum(value), 0) FROM panes WHERE part = 'feature:x'")
    learning = state.rows("SELECT coalesce(sum(rows), 0) FROM learning WHERE name = 'time'")
    assert counted == [(max(0, len(kept) - 1_000),)]
    assert learning == [(len(kept) if len(kept) < 1_000 else 0,)]
    if kept:
        (view,) = state.state.view.models()
        assert (view.rows, view.outcomes, view.pending) == (len(kept), len(joined), len(set(told) - set(kept)))
        assert sum(one.rows for one in view.windows["1h"]) == len(kept)
        assert sum(one.outcome_rows for one in view.windows["1h"]) == len(joined)
        check_concept(state, view.concept, len(joined))


def check_concept(state: Opened, concept: ConceptDrift | None, joined: int) -> None:
    """Every joined outcome was fed once, and with the error it has; both classes are as likely, so nothing drifts."""
    assert concept is not None
    assert (concept.outcomes, concept.corrected, concept.changes) == (joined, 0, ())
    ((wrong,),) = state.rows("SELECT coalesce(sum(value), 0) FROM panes WHERE part = 'confusion' AND idx IN (1, 2)")
    if joined:
        assert concept.after == wrong / joined  # type: ignore[operator]


def _ids(text: Text) -> list[str]:
    return [text.data[first:last].decode() for first, last in pairwise(text.offsets.tolist())]
