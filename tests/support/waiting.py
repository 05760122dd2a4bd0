"""A clock that a test moves, and waiting for another thread."""

from __future__ import annotations

import time
from collections.abc import Callable


class Seconds:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.reads = 0

    def __call__(self) -> float:
        self.reads += 1
        return self.now


def wait_until(true: Callable[[], bool]) -> None:
    """Wait until a condition holds; fail after a minute."""
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "it did not become true"
        time.sleep(0.005)
