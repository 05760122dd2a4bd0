"""kill -9 while outcomes are joined, corrected and taken back: what is joined is what a join of everything would be."""

from __future__ import annotations

import random
from pathlib import Path

from driftline_processor.runtime.state import State

from tests.runtime.state_rows import DAY, NOON, Clock, Opened, config
from tests.runtime.test_join_anything import SLICED, check

from .killed_join import MODEL, events, request
from .test_kill import Victim

REQUESTS = 12


def test_kill_9_in_the_middle_of_the_join_changes_nothing(tmp_path: Path) -> None:
    chance = random.Random(1)
    order = list(range(REQUESTS))
    chance.shuffle(order)
    acknowledged: set[int] = set()
    while len(acknowledged) < REQUESTS * 2 // 3:
        victim = Victim(tmp_path, "killed_join")
        again = chance.sample(sorted(acknowledged), len(acknowledged) // 2)
        victim.send([*again, *(number for number in order if number not in acknowledged)])
        acknowledged |= victim.acknowledged(len(again) + chance.randrange(1, 5))
        acknowledged |= victim.kill()

    state = State(config(tmp_path, model=SLICED), clock=Clock(NOON + 10 * DAY))
    state._ingest.start()
    for number in order:
        state.offer(request(number)).result(30)
    state.join_now()
    check(Opened(state), MODEL, [event for number in order for event in events(number)])
    state.stop()
