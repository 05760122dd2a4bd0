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


PATIENCE = 180.0
"""Seconds until what does not come true is a failure: a machine under load is slow, not wrong."""


def wait_until(true: Callable[[], bool]) -> None:
    """Wait until a condition holds; fail when patience ends.

    To look takes at most a tenth of the time: what is waited for needs the rest of a machine that is busy.
    """
    end = time.monotonic() + PATIENCE
    while True:
        began = time.monotonic()
        if true():
            return
        now = time.monotonic()
        assert now < end, "it did not become true"
        time.sleep(min(0.5, max(0.005, 10 * (now - began))))
