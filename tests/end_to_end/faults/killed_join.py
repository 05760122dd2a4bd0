"""A state that joins without a pause, made to be killed: reads numbers of requests, says which are on disk.

python -m tests.end_to_end.faults.killed_join DIRECTORY
"""

from __future__ import annotations

import random
import sys
import threading
from pathlib import Path

from driftline_processor.ingest.deduplication import digest_of
from driftline_processor.ingest.transaction import Request
from driftline_processor.state import State

from tests.support.join_histories import NAN, SLICED, OutcomeEvent, PredictionEvent
from tests.support.state_rows import DAY, NOON, Clock, config

from .killed_state import ROWS, serve

MODEL = "model"


def events(number: int) -> list[PredictionEvent | OutcomeEvent]:
    """Return what one request says, the same for the same number; no two outcomes are of one minute.

    Few ids, two versions: most predictions have several outcomes, and a fifth of these take back what was said.
    """
    chance = random.Random(number)
    minutes = chance.sample(range(60), ROWS)
    said: list[PredictionEvent | OutcomeEvent] = []
    for row in range(ROWS):
        id, at = f"id {chance.randrange(60)}", chance.randrange(600)
        if row % 3 == 0:
            said.append(PredictionEvent(id, at, at % 10 / 10, chance.choice("12"), ""))
            continue
        of = at if chance.random() < 0.1 else None
        actual = chance.choice([0, 0, 1, 1, None])
        said.append(
            OutcomeEvent(
                id,
                number * ROWS + minutes[row],
                actual,
                of,
                chance.choice([None, ""]),
                1.0,
                chance.choice(["", "f", "m"]),
                chance.choice([NAN, NAN, 2.0]),
            )
        )
    return said


def request(number: int) -> Request:
    said = events(number)
    made = [event.table(MODEL) for event in said if isinstance(event, PredictionEvent)]
    known = [event.table(MODEL) for event in said if isinstance(event, OutcomeEvent)]
    return Request(digest_of(b"request %d" % number), made, [""] * len(made), known)


def main(directory: Path) -> None:
    state = State(config(directory, model=SLICED), clock=Clock(NOON + 10 * DAY))
    state.start_storing()
    more = threading.Event()

    def join() -> None:
        while more.wait():
            more.clear()
            state.join_now()

    threading.Thread(target=join, daemon=True).start()
    serve(state, request, more.set)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
