"""Background threads with an empty context, and with a bounded shutdown.

The first prediction starts these threads, in the middle of a request. OpenTelemetry's instrumentation of ``threading``,
gevent, and Python itself under ``sys.flags.thread_inherit_context`` pass the context of that request to new threads.
All later exemplars, log lines and spans of the thread would then belong to the trace of the first request.
"""

from __future__ import annotations

import contextvars
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from driftline.faults import FAULTS, logger

T = TypeVar("T")

ENDING_SECONDS = 5.0
"""Seconds that a fork waits for an idle thread to end; the thread only needs CPU time."""
_TURN_SECONDS = 0.05


def start_thread(name: str, run: Callable[..., None], *args: Any) -> threading.Thread:
    """Start a daemon thread in an empty context, and return it. Raises ``RuntimeError`` if no thread can be opened.

    >>> start_thread("driftline-example", print, "apart").join()
    apart
    """
    if sys.is_finalizing():  # the thread would never start, and Python 3.11 would wait for it for ever
        raise RuntimeError("the interpreter ends")
    thread = threading.Thread(target=run, args=args, name=name, daemon=True)
    contextvars.Context().run(thread.start)
    return thread


def try_thread(name: str, run: Callable[..., None], *args: Any) -> threading.Thread | None:
    """Start a daemon thread as :func:`start_thread` does; None, after one log line, if no thread can be opened."""
    try:
        return start_thread(name, run, *args)
    except RuntimeError as error:  # the limit of the system, or the end of the interpreter
        if FAULTS.once("thread"):
            logger.warning(
                "driftline: no thread can be opened (%s): rows wait in memory until one can, or until "
                "driftline.flush() or the end of the process sends them", error,
            )  # fmt: skip
        return None


def call_within(
    timeout: float,
    name: str,
    call: Callable[[], T],
    default: T,
    start: Callable[[str, Callable[[], None]], object] = start_thread,
) -> T:
    """Return the result of a call, or ``default`` after ``timeout`` seconds; the call then ends in its own thread.

    The timeout of a socket begins late: the resolution of a name, the look-up of a proxy or a file on a network can
    take any time before it. If no thread can be opened, the calling thread makes the call.

    Raises what ``call`` raises within ``timeout``. ``start``: runs a function in another thread.

    >>> call_within(60.0, "driftline-example", lambda: 1 + 1, 0)
    2
    """
    results: list[T] = []
    errors: list[BaseException] = []
    ended = threading.Event()

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)
        finally:
            ended.set()

    try:
        start(name, run)
    except RuntimeError:
        return call()
    ended.wait(max(0.0, timeout))
    if errors:
        raise errors[0]
    return results[0] if results else default


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


def begin_flush(name: str, flush: Callable[[], object]) -> threading.Event | None:
    """Call the ``force_flush`` of a provider in the background; the event is set when it has returned.

    Returns None if no thread can be opened: a provider limits the time of its flush in no other way.
    """
    sent = threading.Event()

    def run() -> None:
        try:
            flush()
        except Exception as error:
            FAULTS.swallow("flush", error)
        finally:
            sent.set()

    return None if try_thread(f"driftline-flush-{name}", run) is None else sent


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
        self._sent: threading.Event | None = None
        self._resting = False
        self._thread = try_thread(f"driftline-end-{self._name}", self._run)

    def rest(self) -> None:
        """End the thread without closing the provider, until :meth:`go_on`; has no effect once closing has begun."""
        if not self._start_event.is_set():
            self._resting = True
            self._start_event.set()
            if self._thread is not None:
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
        return self._sent is not None and self._sent.wait(max(0.0, timeout))

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
