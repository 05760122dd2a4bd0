"""The keeper thread: runs each step when it is due, and reopens the storage after an outage."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence

from msgspec import Struct

from driftline_processor.deadline import Deadline
from driftline_processor.receipts import StorageOutage
from driftline_processor.store.database import Store

_log = logging.getLogger(__name__)

REOPEN_AFTER = 1.0, 10.0
"""Seconds until the first attempt to reopen the storage after an outage, and maximum between attempts."""

TURN = 0.5
"""Maximum seconds of evaluation in one turn, during which joins and deletions wait."""

ALLOWANCE = 0.05
"""Fraction of a core for windows that are not due: 20 windows per second at 2.5 ms each."""

SAVED = 2.0
"""Maximum seconds of CPU in the saved allowance, so that the first rows of a new model are shown immediately."""

LONGEST_REST = 0.25
"""Maximum seconds of one rest; a longer evaluation was slow for another reason than requests."""

LEAST_REST = 0.001
"""Seconds between two turns, because the lock of the storage is not fair."""


class Step(Struct, frozen=True):
    """A repeated task of the keeper.

    Attributes:
        run: Runs it; returns True if more work is waiting, and then runs again immediately.
        interval: Minimum pause after a run that leaves no work, seconds.
        pause: The same as a multiple of the duration of that run.
        longest_pause: Maximum of ``pause``, seconds.
    """

    run: Callable[[], bool | None]
    interval: float
    pause: int = 0
    longest_pause: float = math.inf


class KeeperTurn:
    """The turn of the evaluating thread. Not thread-safe.

    A turn lasts half a second; then joins and deletions may use the storage. While requests wait, the thread rests
    after each window for the CPU time of the window, so that requests get half of the CPU. Otherwise it does not rest.
    Windows that are not due are evaluated within a CPU allowance.

    >>> clock = iter(range(100))
    >>> turn = KeeperTurn(pressed=lambda: False, stopping=threading.Event(), clock=lambda: next(clock))
    >>> turn.begin()
    >>> turn.is_over()
    True

    Args:
        pressed: Returns True if requests wait.
        stopping: Ends a turn and a rest.
        clock: Seconds.
        cpu: Seconds of CPU of this thread.
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

    def is_over(self) -> bool:
        """Return True if the turn is over, called before each window; rest first if requests wait."""
        self._pay()
        if self._stopping.is_set():
            return True
        if self._pressed():
            self._rest()
        self._used = self._cpu()
        return self._clock() >= self._ends

    def end(self) -> None:
        """End a turn: rest if requests wait, and let other threads use the storage."""
        if self._pressed():
            self._rest()
        else:
            self._stopping.wait(LEAST_REST)

    def has_time(self) -> bool:
        """Return True if CPU is available for a window that is not due; its CPU time is charged."""
        now = self._clock()
        self._saved = min(SAVED, self._saved + (now - self._saved_at) * ALLOWANCE)
        self._saved_at = now
        if self._saved <= 0 or self._pressed():
            return False
        self._early_from = self._cpu()
        return True

    def _rest(self) -> None:
        """Rest for the CPU time of this thread since its last rest, without its own waits."""
        self._stopping.wait(min(max(self._cpu() - self._used, LEAST_REST), LONGEST_REST))

    def _pay(self) -> None:
        """Charge the CPU time of the last early window to the allowance."""
        if self._early_from >= 0:
            self._saved -= self._cpu() - self._early_from
            self._early_from = -1.0


class Keeper:
    """The keeper thread, and the lock for the connection of the state.

    Args:
        store: Distinguishes storage outages from other errors.
        pressed: Returns True if requests wait.
        reopen: Reopens the storage; returns False if that fails.
        steps: The repeated tasks.
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
        """True if the thread runs."""
        return self._thread.is_alive()

    def join(self, deadline: Deadline) -> None:
        """Wait until the thread has ended."""
        if self._thread.ident is not None:
            self._thread.join(deadline.timeout)

    def _run(self) -> None:
        """Run each step when it is due until the state is stopped; failed steps are retried."""
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
        """Run each step when it is due, until the state is stopped or its storage fails."""
        due = [0.0 for _ in self._steps]
        while not self.stopping.is_set() and self._store.outage is None:
            for position, step in enumerate(self._steps):
                if time.monotonic() < due[position]:
                    continue
                more: bool | None = False
                took = 0.0
                self.turn.begin()
                try:
                    with self.lock, self._store.watched():
                        began = time.monotonic()
                        more = step.run()
                        took = time.monotonic() - began
                except StorageOutage:
                    return
                except Exception:
                    if self.stopping.is_set():
                        return  # its statement was interrupted
                    _log.exception("background maintenance failed; driftline will retry")
                pause = max(step.interval, min(step.pause * took, step.longest_pause))
                due[position] = 0.0 if more else time.monotonic() + pause
                self.turn.end()
            self.stopping.wait(max(0.0, min(due) - time.monotonic()))
