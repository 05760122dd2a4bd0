"""Threads of Driftline's own, which inherit nothing of whoever starts them.

The first prediction starts them, so in the middle of somebody's request. OpenTelemetry's instrumentation of
``threading``, gevent, and Python itself where ``sys.flags.thread_inherit_context`` is set hand the context of that
request on, and the thread would keep it for as long as the process lives: exemplars of every later count would name
the trace of the first request, and so would log lines and spans of resource detectors.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

ENDING_SECONDS = 5.0
"""How long a fork waits for a thread that is at nothing and was told to end: long, for all it needs is a processor."""
_TURN_SECONDS = 0.05


def start(name: str, run: Callable[..., None], *args: Any) -> threading.Thread:
    """Start a daemon thread in an empty context, and return it.

    >>> start("driftline-example", print, "apart").join()
    apart
    """
    thread = threading.Thread(target=run, args=args, name=name, daemon=True)
    contextvars.Context().run(thread.start)
    return thread


class Lock(Protocol):
    """A lock that is waited for only so long."""

    def acquire(self, blocking: bool = ..., timeout: float = ...) -> bool:
        """Take the lock; say whether that succeeded."""
        ...

    def release(self) -> None:
        """Let go of the lock."""
        ...


@contextmanager
def turn(lock: Lock, must_end: Callable[[], bool]) -> Iterator[bool]:
    """Hold a lock, and say so; or say that the thread must end first: whoever holds the lock may wait for that.

    >>> with turn(threading.Lock(), lambda: False) as mine, turn(threading.Lock(), lambda: True) as theirs:
    ...     mine, theirs
    (True, False)
    """
    mine = False
    while not (mine or must_end()):
        mine = lock.acquire(timeout=_TURN_SECONDS)
    try:
        yield mine
    finally:
        if mine:
            lock.release()
