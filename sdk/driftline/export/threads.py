"""Background threads that inherit no context from whoever starts them, and that end within a bounded time.

The first prediction starts these threads, in the middle of somebody's request. OpenTelemetry's instrumentation of
``threading``, gevent, and Python itself under ``sys.flags.thread_inherit_context`` pass on the context of that request.
The thread would keep it for as long as the process lives: every later exemplar, log line and span of a resource
detector would name the trace of the first request.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from driftline.faults import FAULTS

ENDING_SECONDS = 5.0
"""Seconds that a fork waits for an idle thread that was told to end: long, since the thread only needs a processor."""
_TURN_SECONDS = 0.05


def start_thread(name: str, run: Callable[..., None], *args: Any) -> threading.Thread:
    """Start a daemon thread in an empty context, and return it.

    >>> start_thread("driftline-example", print, "apart").join()
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
def hold_lock(lock: Lock, must_end: Callable[[], bool]) -> Iterator[bool]:
    """Hold a lock, and say so; or say that the thread must end first: whoever holds the lock may wait for that.

    >>> with hold_lock(threading.Lock(), lambda: False) as mine, hold_lock(threading.Lock(), lambda: True) as theirs:
    ...     mine, theirs
    (True, False)
    """
    acquired = False
    while not (acquired or must_end()):
        acquired = lock.acquire(timeout=_TURN_SECONDS)
    try:
        yield acquired
    finally:
        if acquired:
            lock.release()


class BoundedClose:
    """A provider that waits for its end, in a thread that is started now: at the exit Python may refuse new ones.

    OpenTelemetry's providers end when their exporters are done with trying again, and no argument bounds that of
    traces; so nobody waits for the call, only for its thread, which the end of the process ends.

    >>> closing = BoundedClose("traces", lambda: None, lambda: None)
    >>> closing.begin()
    >>> closing.wait(5.0)
    True
    """

    def __init__(
        self, name: str, close: Callable[[], object], flush: Callable[[], object], *, after_records: bool = False
    ) -> None:
        self.after_records = after_records
        """True where the provider stays open until the records are sent, because sending counts them."""
        self._name = name
        self._close = close
        self._flush = flush
        self.start()

    def start(self) -> None:
        """Start the thread; also in a child, which has none of its parent's."""
        self._start_event = threading.Event()
        self._end_event = threading.Event()
        self._sent = threading.Event()
        self._resting = False
        self._thread = start_thread(f"driftline-end-{self._name}", self._run)

    def rest(self) -> None:
        """Let the thread end without closing anything, until :meth:`go_on`; one that has begun to close does that."""
        if not self._start_event.is_set():
            self._resting = True
            self._start_event.set()
            self._thread.join()

    def go_on(self) -> None:
        """Start again what rested."""
        if self._resting:
            self.start()

    def begin_flush(self) -> None:
        """Let the provider send what waits in it, in the background."""
        sent = self._sent = threading.Event()

        def flush() -> None:
            try:
                self._flush()
            except Exception as error:
                FAULTS.swallow("flush", error)
            finally:
                sent.set()

        start_thread(f"driftline-flush-{self._name}", flush)

    def flushed(self, timeout: float) -> bool:
        """Return True where the provider sent that, within ``timeout`` seconds."""
        return self._sent.wait(max(0.0, timeout))

    def begin(self) -> None:
        """Close it, in the background."""
        self._start_event.set()

    def wait(self, timeout: float) -> bool:
        """Return True where it is closed, within ``timeout`` seconds."""
        return self._end_event.wait(max(0.0, timeout))

    def _run(self) -> None:
        began_event, done_event = self._start_event, self._end_event
        began_event.wait()
        if self._resting:
            return
        try:
            self._close()
        except Exception as error:
            FAULTS.swallow("exit", error)
        finally:
            done_event.set()
