"""kill -9 while outcomes are joined, corrected and taken back: what is joined is what a join of everything would be."""

from __future__ import annotations

import random
from pathlib import Path

from driftline_processor.state import State

from tests.support.join_histories import SLICED, check
from tests.support.killed_processes import killed, shuffled
from tests.support.state_rows import DAY, NOON, Clock, Opened, config

from .killed_join import MODEL, events, request

REQUESTS = 12


def test_kill_9_in_the_middle_of_the_join_changes_nothing(tmp_path: Path) -> None:
    chance = random.Random(1)
    order = shuffled(REQUESTS, chance)
    killed(tmp_path, order, chance, 5, "killed_join")

    state = State(config(tmp_path, model=SLICED), clock=Clock(NOON + 10 * DAY))
    state.start_storing()
    for number in order:
        state.offer(request(number)).result(60)
    state.join_now()
    check(Opened(state), MODEL, [event for number in order for event in events(number)])
    state.stop()
