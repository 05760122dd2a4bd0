"""Counters of the process, and its current problems.

``/healthz`` answers 503 when a thread has ended by an error, because only a restart helps, else 200. ``/readyz``
answers 200 while data are accepted, else 503. Both bodies list every problem by name.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from msgspec import Struct
from msgspec.structs import asdict

Labels = tuple[tuple[str, str], ...]


class Counters:
    """Counters and gauges by metric name and labels. Thread-safe.

    >>> from driftline.semconv import attributes, metrics
    >>> counters = Counters()
    >>> counters.add(metrics.DRIFTLINE_FORWARD_SENT_REQUESTS, 2, {attributes.DRIFTLINE_DESTINATION: "otlp/jaeger"})
    >>> counters.snapshot()
    {('driftline.forward.sent.requests', (('driftline.destination', 'otlp/jaeger'),)): 2.0}
    """

    def __init__(self) -> None:
        self._values: defaultdict[tuple[str, Labels], float] = defaultdict(float)
        self._lock = threading.Lock()

    def add(self, name: str, value: float = 1, labels: dict[str, str] | None = None) -> None:
        """Add to a counter."""
        with self._lock:
            self._values[name, _sorted(labels)] += value

    def set(self, name: str, value: float, labels: dict[str, str] | None = None) -> None:
        """Set a gauge."""
        with self._lock:
            self._values[name, _sorted(labels)] = value

    def snapshot(self) -> dict[tuple[str, Labels], float]:
        """Return a copy of all values, by metric name and sorted labels."""
        with self._lock:
            return dict(self._values)


class Problem(Struct, frozen=True):
    """A current problem. ``name``: stable, for programs. ``message``: a sentence for users.

    ``ready``: True if the processor accepts data nevertheless.
    """

    name: str
    message: str
    ready: bool = False


class SendingReport(Struct, frozen=True):
    """How a destination or a channel fares.

    Attributes:
        name: Its name.
        waiting: Number of messages that wait, or of bytes in the log.
        succeeded: When it last accepted something, unix nanoseconds; None if it never did.
        failed: When it last failed, likewise.
        error: Why; "" if it never failed.
    """

    name: str
    waiting: int
    succeeded: int | None = None
    failed: int | None = None
    error: str = ""

    @property
    def is_failing(self) -> bool:
        """Whether it accepted nothing since it failed."""
        return self.failed is not None and (self.succeeded is None or self.succeeded < self.failed)


class Health:
    """Current problems of the process, for ``/readyz`` and ``/healthz``. Thread-safe.

    A part reports and clears its problem, or registers a check that runs on each request, see :meth:`watch`.

    Attributes:
        counters: Counters of the process.
        ended_thread: Sentence about a thread that ended by an error, None without one.

    >>> health = Health()
    >>> health.report("storage", "the disk is full")
    >>> health.watch("windows", lambda: "12 windows wait to be evaluated", ready=True)
    >>> health.ready, [problem.name for problem in health.problems()]
    (False, ['storage', 'windows'])
    >>> health.gauges()[m.DRIFTLINE_READY, ()]
    0.0
    >>> health.clear("storage")
    >>> health.ready
    True
    """

    def __init__(self) -> None:
        self.counters = Counters()
        self.ended_thread: str | None = None
        self._reported: dict[str, Problem] = {}
        self._watched: dict[str, tuple[Callable[[], str | None], bool]] = {}
        self._lock = threading.Lock()

    def report(self, name: str, message: str, *, ready: bool = False) -> None:
        """Report a problem until :meth:`clear`; a second report of a name replaces the first.

        ``ready``: True if the processor accepts data nevertheless; otherwise ``/readyz`` answers 503.
        """
        with self._lock:
            self._reported[name] = Problem(name, message, ready)

    def clear(self, name: str) -> None:
        """Clear the problem of this name."""
        with self._lock:
            self._reported.pop(name, None)

    def watch(self, name: str, check: Callable[[], str | None], *, ready: bool = False) -> None:
        """Register a check that runs on each request and returns a message, or None without a problem.

        Any thread calls ``check``, so it must be fast and not hold a lock for long.
        """
        with self._lock:
            self._watched[name] = check, ready

    @contextmanager
    def watched_threads(self) -> Iterator[None]:
        """Note a thread that ends by an error within a ``with`` block, which requires a restart."""
        before = threading.excepthook

        def ended(args: threading.ExceptHookArgs) -> None:
            name = "a thread" if args.thread is None else f"the thread {args.thread.name}"
            why = f"{args.exc_type.__name__}: {args.exc_value}"
            self.ended_thread = f"{name} ended with an error ({why}); restart driftline"
            before(args)

        threading.excepthook = ended
        try:
            yield
        finally:
            threading.excepthook = before

    @property
    def alive(self) -> bool:
        """Return False if only a restart helps."""
        return self.ended_thread is None

    def problems(self) -> list[Problem]:
        """Return all current problems."""
        with self._lock:
            problems, watched = list(self._reported.values()), list(self._watched.items())
        for name, (check, ready) in watched:
            message = check()
            if message is not None:
                problems.append(Problem(name, message, ready))
        return problems

    @property
    def ready(self) -> bool:
        """Return True if data are accepted."""
        return all(problem.ready for problem in self.problems())

    def gauges(self) -> dict[tuple[str, Labels], float]:
        """Return (metric name, labels) → value: whether data are accepted, and 1 for each current problem."""
        problems = self.problems()
        found: dict[tuple[str, Labels], float] = {(m.DRIFTLINE_READY, ()): float(all(one.ready for one in problems))}
        return found | {(m.DRIFTLINE_PROBLEMS, ((a.DRIFTLINE_PROBLEM, problem.name),)): 1.0 for problem in problems}

    def body(self) -> dict[str, object]:
        """Return the JSON body of ``/readyz`` and ``/healthz``."""
        problems = self.problems()
        return {
            "ready": all(problem.ready for problem in problems),
            "problems": [asdict(problem) for problem in problems],
        }


def _sorted(labels: dict[str, str] | None) -> Labels:
    return tuple(sorted(labels.items())) if labels else ()
