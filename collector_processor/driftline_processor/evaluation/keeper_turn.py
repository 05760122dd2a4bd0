"""How long the thread that evaluates goes on, and when it makes room for requests.

A turn lasts half a second; then outcomes are joined, and whoever deletes something has the storage for himself. While
requests wait, the thread rests after each window for as long as that took of CPU: half of it is theirs. Without
pressure it does not rest at all. Windows that are not due yet are evaluated within an allowance of CPU alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

TURN = 0.5
"""Seconds for which windows are evaluated in one go: so long outcomes wait to be joined, and deletions to begin."""

ALLOWANCE = 0.05
"""Share of a core for windows that are not due yet: 20 windows a second where one takes 2.5 ms."""

SAVED = 2.0
"""Seconds of CPU that the allowance saves up at most: the first rows of a new model are shown at once."""

LONGEST_REST = 0.25
"""Seconds of one rest at most; a window that took longer was slow for another reason than the requests."""


LEAST_REST = 0.001
"""Seconds between two turns: the lock of the storage is not fair, so who waits for it needs a moment."""


class KeeperTurn:
    """The turn of the thread that evaluates. One thread uses it.

    >>> clock = iter(range(100))
    >>> turn = KeeperTurn(pressed=lambda: False, stopping=threading.Event(), clock=lambda: next(clock))
    >>> turn.begin()
    >>> turn.over()
    True

    Args:
        pressed: Whether requests wait.
        stopping: Ends a turn and a rest.
        clock: Seconds.
        cpu: Seconds of CPU that this thread has used.
    """

    def __init__(
        self,
        pressed: Callable[[], bool],
        stopping: threading.Event,
        clock: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        self._pressed, self._stopping, self._clock, self._cpu = pressed, stopping, clock, cpu
        self._ends = self._saved_at = clock()
        self._used = cpu()
        self._saved, self._early_from = SAVED, -1.0

    def begin(self) -> None:
        """Begin a turn."""
        self._ends, self._used = self._clock() + TURN, self._cpu()

    def over(self) -> bool:
        """Return True where the turn is over, asked before each window; rest before where requests wait."""
        self._pay()
        if self._stopping.is_set():
            return True
        if self._pressed():
            self._rest()
        self._used = self._cpu()
        return self._clock() >= self._ends

    def end(self) -> None:
        """End a turn: rest where requests wait, and let others have the storage who wait for it."""
        if self._pressed():
            self._rest()
        else:
            self._stopping.wait(LEAST_REST)

    def early(self) -> bool:
        """Return True where there is CPU to spare for a window that is not due; what it takes is counted."""
        now = self._clock()
        self._saved = min(SAVED, self._saved + (now - self._saved_at) * ALLOWANCE)
        self._saved_at = now
        if self._saved <= 0 or self._pressed():
            return False
        self._early_from = self._cpu()
        return True

    def _rest(self) -> None:
        """Rest for as long as this thread has worked: the time for which it waited itself does not count."""
        self._stopping.wait(min(max(self._cpu() - self._used, LEAST_REST), LONGEST_REST))

    def _pay(self) -> None:
        """Take what the last early window has used from the allowance."""
        if self._early_from >= 0:
            self._saved -= self._cpu() - self._early_from
            self._early_from = -1.0
