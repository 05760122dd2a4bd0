"""Background threads with an empty context, and with a bounded shutdown.

The first prediction starts these threads, in the middle of a request. OpenTelemetry's instrumentation of ``threading``,
gevent, and Python itself under ``sys.flags.thread_inherit_context`` pass the context of that request to new threads.
All later exemplars, log lines and spans of the thread would then belong to the trace of the first request.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from driftline.faults import FAULTS

ENDING_SECONDS = 5.0
"""Seconds that a fork waits for an idle thread to end; the thread only needs CPU time."""
_TURN_SECONDS = 0.05


def start_thread(name: str, run: Callable[..., None], *args: Any) -> threading.Thread:
    """Start a daemon thread in an empty context, and return it.

    >>> start_thread("driftline-example", print, "apart").join()
    apart
    """
    thread = threading.Thread(target=run, args=args, name=name, daemon=True)
    contextvars.Context().run(thread.start)
    return thread


@contextmanager
def hold_lock(lock: threading.RLock, must_end: Callable[[], bool]) -> Iterator[bool]:
    """Hold a lock and yield True; yield False if the thread must end first, which the lock's owner may wait for.

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


def begin_flush(name: str, flush: Callable[[], object]) -> threading.Event:
    """Call the ``force_flush`` of a provider in the background; the event is set when it has returned."""
    sent = threading.Event()

    def run() -> None:
        try:
            flush()
        except Exception as error:
            FAULTS.swallow("flush", error)
        finally:
            sent.set()

    start_thread(f"driftline-flush-{name}", run)
    return sent


class BoundedClose:
    """Closes a provider within a bounded time, in a thread that starts now: at exit, Python may refuse threads.

    OpenTelemetry's providers end when their exporters stop retrying, and for traces no argument limits that time. So
    the exit waits for the thread with a timeout, and the end of the process ends the thread.

    >>> closing = BoundedClose("traces", lambda: None, lambda: None)
    >>> closing.begin()
    >>> closing.wait(5.0)
    True
    """

    def __init__(
        self, name: str, close: Callable[[], object], flush: Callable[[], object], *, after_records: bool = False
    ) -> None:
        self.after_records = after_records
        """True if the provider stays open until the records are sent, because sending counts them."""
        self._name = name
        self._close = close
        self._flush = flush
        self.start()

    def start(self) -> None:
        """Start the thread; also in a child process, which does not have its parent's thread."""
        self._start_event = threading.Event()
        self._end_event = threading.Event()
        self._sent = threading.Event()
        self._resting = False
        self._thread = start_thread(f"driftline-end-{self._name}", self._run)

    def rest(self) -> None:
        """End the thread without closing the provider, until :meth:`go_on`; has no effect once closing has begun."""
        if not self._start_event.is_set():
            self._resting = True
            self._start_event.set()
            self._thread.join()

    def go_on(self) -> None:
        """Start the thread again after :meth:`rest`."""
        if self._resting:
            self.start()

    def begin_flush(self) -> None:
        """Flush the provider in the background."""
        self._sent = begin_flush(self._name, self._flush)

    def flushes_by(self, flush: Callable[[], object]) -> bool:
        """Return True if this is the provider of a ``force_flush``."""
        return self._flush == flush

    def flushed(self, timeout: float) -> bool:
        """Return True if the provider was flushed within ``timeout`` seconds."""
        return self._sent.wait(max(0.0, timeout))

    def begin(self) -> None:
        """Close the provider in the background."""
        self._start_event.set()

    def wait(self, timeout: float) -> bool:
        """Return True if the provider is closed within ``timeout`` seconds."""
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
