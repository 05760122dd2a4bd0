"""A state in a process of its own, made to be killed: reads request numbers, writes ``ack N`` when N is on disk.

python -m tests.end_to_end.faults.killed_state DIRECTORY
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import numpy as np
from driftline_processor.ingest.deduplication import digest_of
from driftline_processor.ingest.transaction import Request
from driftline_processor.receipts import Receipt
from driftline_processor.state import State

from tests.support.state_rows import HOUR, NOON, Clock, config, outcomes, predictions

ROWS = 60
"""Rows of every request."""

FAILED = 3
"""Rows of every request whose call failed."""

SECOND = 10**9


def request(number: int) -> Request:
    """Return one request, the same for the same number: columnar, plain and outcomes in turn.

    The outcomes of request 3k + 2 are of the predictions of 3k + 3 and 3k + 1: one half comes before its predictions.
    """
    rng = np.random.default_rng(number)
    digest = digest_of(b"request %d" % number)
    if number % 3 == 2:
        half = ROWS // 2
        ids = [*ids_of(number + 1)[:half], *ids_of(number - 1)[half:]]
        return Request(digest, outcomes=[outcomes(ids, rng.integers(0, 2, ROWS).tolist(), NOON + HOUR)])
    times = [NOON - HOUR + number * ROWS * SECOND + i * SECOND for i in range(ROWS)]
    features = {"x": rng.normal(size=ROWS).tolist(), "plan": ["a", "b"] * (ROWS // 2)}
    keyed = number % 3 == 1
    errors = ["TimeoutError" if i < FAILED else None for i in range(ROWS)]
    table = predictions(
        *(ids_of(number), times, rng.random(ROWS).tolist()),
        features=features, keyed=keyed, duration=[0.02] * ROWS, errors=errors,
    )  # fmt: skip
    return Request(digest, [table], ["" if keyed else f"batch {number}"])


def ids_of(number: int) -> list[str]:
    return [f"{number}-{i}" for i in range(ROWS)]


def serve(state: State, request: Callable[[int], Request], done: Callable[[], object] = lambda: None) -> None:
    """Take in the requests whose numbers come in, and say which are on disk; ``done``: is told of each."""
    print("ready", flush=True)
    lock = threading.Lock()

    def acknowledge(number: int, taken: Future[Receipt]) -> None:
        done()
        with lock:
            print(f"ack {number} {taken.result().accepted}", flush=True)

    for line in sys.stdin:
        number = int(line)
        state.offer(request(number)).add_done_callback(partial(acknowledge, number))


def main(directory: Path) -> None:
    state = State(config(directory), clock=Clock())
    state.start()
    serve(state, request)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
