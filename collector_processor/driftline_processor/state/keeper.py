"""The thread that keeps the state: each step when it is due, and the storage opened again after an outage."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from msgspec import Struct

from driftline_processor.deadline import Deadline
from driftline_processor.receipts import StorageOutage
from driftline_processor.store.database import Store

_log = logging.getLogger(__name__)

REOPEN_AFTER = 1.0, 10.0
"""Seconds from an outage of the storage to the first attempt to open it again, and at most from one to the next."""

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


class Step(Struct, frozen=True):
    """Something that the keeper does again and again.

    Attributes:
        run: Does it; returns whether more is to be done at once.
        every: Seconds from one time to the next.
        share: It takes one part in so many of a core at most; 1 = it goes on at once while more is to be done.
    """

    run: Callable[[], object]
    every: float
    share: int = 1


class KeeperTurn:
    """The turn of the thread that evaluates. One thread uses it.

    A turn lasts half a second; then outcomes are joined, and whoever deletes something has the storage for himself.
    While requests wait, the thread rests after each window for as long as that took of CPU: half of it is theirs.
    Without pressure it does not rest at all. Windows that are not due yet are evaluated within an allowance of CPU.

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


class Keeper:
    """The thread, and the lock of all who use the connection of the state.

    Args:
        store: Tells an outage of the storage from other errors.
        pressed: Returns whether requests wait.
        reopen: Opens the storage again; returns False while that is not possible.
        steps: What it does again and again.
    """

    def __init__(
        self, store: Store, pressed: Callable[[], bool], reopen: Callable[[], bool], steps: Sequence[Step]
    ) -> None:
        self.lock, self.stopping = threading.Lock(), threading.Event()
        self.turn = KeeperTurn(pressed, self.stopping)
        self._store, self._reopen, self._steps = store, reopen, steps
        self._thread = threading.Thread(target=self._run, name="driftline-keeper", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def join(self, deadline: Deadline) -> None:
        """Wait until the thread has ended."""
        if self._thread.ident is not None:
            self._thread.join(deadline.timeout)

    def _run(self) -> None:
        """Do each step when it is due, until the state is stopped; a step that fails is tried again."""
        wait = REOPEN_AFTER[0]
        while not self.stopping.is_set():
            began = time.monotonic()
            self._run_until_outage()
            if time.monotonic() - began > REOPEN_AFTER[1]:
                wait = REOPEN_AFTER[0]
            while not self.stopping.wait(wait):
                wait = min(2 * wait, REOPEN_AFTER[1])
                if self._reopen():
                    break

    def _run_until_outage(self) -> None:
        """Do each step when it is due, until the state is stopped or its storage fails."""
        due = [0.0 for _ in self._steps]
        while not self.stopping.is_set() and self._store.outage is None:
            for position, step in enumerate(self._steps):
                began = time.monotonic()
                if began < due[position]:
                    continue
                more: object = False
                self.turn.begin()
                try:
                    with self.lock, self._store.watched():
                        more = step.run()
                except StorageOutage:
                    return
                except Exception:
                    if self.stopping.is_set():
                        return  # its statement was interrupted
                    _log.exception("background maintenance failed; driftline will retry")
                due[position] = began + max(step.every, step.share * (time.monotonic() - began))
                if step.share == 1 and more:
                    due[position] = 0.0
                self.turn.end()
            self.stopping.wait(max(0.0, min(due) - time.monotonic()))
