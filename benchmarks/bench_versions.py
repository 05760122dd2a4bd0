"""What it costs to compare versions: joining outcomes with their pairs beside joining the same ones without.

    python -m benchmarks.bench_versions [MILLIONS]

A champion and a shadow score the same requests; the reference is the same join without pairs, in the same run.

No promise: a figure beside the reference.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np
from driftline_processor.join.version_pairs import Pairs
from driftline_processor.state import State

from tests.support.state_rows import NOON, Clock, Opened, config, outcomes, predictions

REQUEST = 100_000
EVERY = 10**7
"""Nanoseconds between two requests."""


def main(millions: float) -> None:
    directories = [Path(tempfile.mkdtemp(prefix="driftline-bench-")) for _ in range(2)]
    states = [State(config(directory), clock=Clock(NOON)) for directory in directories]
    spent = []
    for state in states:
        state.start_storing()
    for begin in range(0, round(millions * 10**6), REQUEST):
        with_pairs = joined(states[0], begin)
        with mock.patch.object(Pairs, "touching", return_value=None):
            without = joined(states[1], begin)
        spent.append((with_pairs, without))
        rows = begin + REQUEST
        print(
            f"{rows:>12,} requests stored: {REQUEST / with_pairs:>9,.0f} outcomes to two versions per CPU-second,"
            f" {with_pairs / without:.2f} times what it costs without pairs"
        )
    total = np.sum(spent, axis=0)
    print(f"all: {total[0] / total[1]:.2f} times what it costs without pairs")
    began = time.process_time()
    states[0].evaluate_now()
    states[0].parts.versions._last_state = ()
    began = time.process_time()
    states[0].parts.versions.step()
    print(f"a comparison of two versions over all of it: {(time.process_time() - began) * 1e3:.0f} ms")
    for state, directory in zip(states, directories, strict=True):
        state._queue.stop()
        shutil.rmtree(directory)


def joined(state: State, begin: int) -> float:
    """Join the outcomes of 100,000 requests; return the CPU seconds it took."""
    rng = np.random.default_rng(begin)
    ids = [f"{row:012d}" for row in range(begin, begin + REQUEST)]
    times = [NOON + row * EVERY for row in range(begin, begin + REQUEST)]
    told = rng.integers(0, 2, REQUEST).tolist()
    for version in ("1", "2"):
        Opened(state).send(predictions(ids, times, rng.random(REQUEST).tolist(), version=version))
    Opened(state).send(outcomes(ids, told, NOON + begin * EVERY + 10**12))
    start = time.process_time()
    state.join_now()
    return time.process_time() - start


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
