"""The thread that keeps the state: each step when it is due, and the storage opened again after an outage."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from msgspec import Struct

from driftline_processor.deadline import Deadline
from driftline_processor.evaluation.keeper_turn import KeeperTurn
from driftline_processor.receipts import StorageOutage
from driftline_processor.store.database import Store

_log = logging.getLogger(__name__)

REOPEN_AFTER = 1.0, 10.0
"""Seconds from an outage of the storage to the first attempt to open it again, and at most from one to the next."""


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
                    _log.exception("the keeper could not do its work; it will try again")
                due[position] = began + max(step.every, step.share * (time.monotonic() - began))
                if step.share == 1 and more:
                    due[position] = 0.0
                self.turn.end()
            self.stopping.wait(max(0.0, min(due) - time.monotonic()))
