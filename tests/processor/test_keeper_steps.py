"""When the keeper runs its steps: again at once while work waits, otherwise for a limited part of a core."""

from __future__ import annotations

import threading
import time
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

from driftline_processor.deadline import Deadline
from driftline_processor.state.keeper import Keeper, Step


def test_a_step_with_more_work_runs_again_at_once_and_a_slow_one_rests_for_a_multiple_of_its_time() -> None:
    store: Any = SimpleNamespace(outage=None, watched=nullcontext)
    runs, done = {"more": 0, "slow": 0, "quick": 0}, threading.Event()

    def more() -> bool:
        runs["more"] += 1
        return runs["more"] < 4

    def slow() -> None:
        runs["slow"] += 1
        time.sleep(0.01)

    def quick() -> None:
        runs["quick"] += 1
        if runs["quick"] == 20:
            done.set()

    steps = [Step(more, 3_600.0), Step(slow, 0.0, share=360_000), Step(quick, 0.001)]
    keeper = Keeper(store, lambda: False, lambda: True, steps)
    keeper.start()
    assert done.wait(60)
    keeper.stopping.set()
    keeper.join(Deadline.after(60))
    assert (runs["more"], runs["slow"]) == (4, 1)
