"""When the keeper runs its steps: again at once while work waits, otherwise after a pause."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

from driftline_processor.deadline import Deadline
from driftline_processor.state.keeper import Keeper, Step

STEPS = 20
"""Runs of the quick step; the others are counted until then."""


def run(**steps: tuple[Callable[[int], bool | None], float, int, float]) -> Counter[str]:
    """Run steps beside a quick one; each gets the number of its run. Return how often each ran."""
    runs, done = Counter[str](), threading.Event()

    def numbered(name: str, job: Callable[[int], bool | None]) -> Callable[[], bool | None]:
        def run_once() -> bool | None:
            runs[name] += 1
            return job(runs[name])

        return run_once

    def quick(number: int) -> None:
        if number == STEPS:
            done.set()

    store: Any = SimpleNamespace(outage=None, watched=nullcontext)
    all_steps = {**steps, "quick": (quick, 0.001, 0, math.inf)}
    listed = [
        Step(numbered(name, job), interval, pause, longest)
        for name, (job, interval, pause, longest) in all_steps.items()
    ]
    keeper = Keeper(store, lambda: False, lambda: True, listed)
    keeper.start()
    assert done.wait(60)
    keeper.stopping.set()
    keeper.join(Deadline.after(60))
    return runs


def slow(_: int) -> None:
    time.sleep(0.02)


def test_a_step_with_more_work_runs_again_at_once_whatever_its_pause() -> None:
    def more(number: int) -> bool:
        time.sleep(0.005)
        return number < 4

    assert run(more=(more, 3_600.0, 10, math.inf))["more"] == 4
    assert run(more=(more, 0.0, 10_000, math.inf))["more"] == 4


def test_a_slow_step_pauses_for_a_multiple_of_its_time_up_to_a_limit() -> None:
    assert run(slow=(slow, 0.0, 1_000, math.inf))["slow"] == 1
    assert run(slow=(slow, 0.0, 1_000, 0.0))["slow"] >= STEPS - 1
    assert run(slow=(slow, 0.0, 0, math.inf))["slow"] >= STEPS - 1


def test_a_step_that_fails_is_tried_again_after_its_interval() -> None:
    def failing(_: int) -> None:
        time.sleep(0.02)
        raise OSError("disk full")

    assert run(failing=(failing, 0.0, 1_000, math.inf))["failing"] >= STEPS - 1
