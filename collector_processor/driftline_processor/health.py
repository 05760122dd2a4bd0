"""Counters of the process, and its current faults.

``/healthz`` answers 200 as long as a restart would mend nothing, and 503 once a thread has ended by an error.
``/readyz`` answers 200 while data are taken, else 503. Both answer the same body, with every problem by name.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from msgspec import Struct
from msgspec.structs import asdict

Labels = tuple[tuple[str, str], ...]


class Counters:
    """Monotonic counters and gauges by metric name and labels, for many threads.

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
    """Something that is wrong. ``name``: stays the same, for programs. ``message``: a sentence for people.

    ``ready``: whether the processor takes data all the same.
    """

    name: str
    message: str
    ready: bool = False


class Health:
    """Current faults of the process, for ``/readyz`` and ``/healthz``. Any thread may report and read.

    A part either reports its problem and clears it, or is asked whenever somebody looks, see :meth:`watch`.

    Attributes:
        counters: Of the process.
        ended_thread: Sentence about a thread that has ended by an error, None where none has.

    >>> health = Health()
    >>> health.report("storage", "the disk is full")
    >>> health.watch("windows", lambda: "12 windows wait to be evaluated", ready=True)
    >>> health.ready, [problem.name for problem in health.problems()]
    (False, ['storage', 'windows'])
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
        """Say what is wrong until :meth:`clear`; a second report of a name replaces the first.

        ``ready``: whether the processor takes data all the same; if not, ``/readyz`` answers 503.
        """
        with self._lock:
            self._reported[name] = Problem(name, message, ready)

    def clear(self, name: str) -> None:
        """Say that the problem of this name is over."""
        with self._lock:
            self._reported.pop(name, None)

    def watch(self, name: str, check: Callable[[], str | None], *, ready: bool = False) -> None:
        """Ask ``check`` whenever somebody looks: it returns what is wrong, None when nothing is.

        Any thread calls ``check``, so that it must be quick and take no lock for long.
        """
        with self._lock:
            self._watched[name] = check, ready

    @contextmanager
    def watched_threads(self) -> Iterator[None]:
        """Note the thread of the process that ends by an error, within a ``with`` block: a restart mends that."""
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
        """Return False where only a restart mends what is wrong."""
        return self.ended_thread is None

    def problems(self) -> list[Problem]:
        """Return all that is wrong; empty when nothing is."""
        with self._lock:
            problems, watched = list(self._reported.values()), list(self._watched.items())
        for name, (check, ready) in watched:
            message = check()
            if message is not None:
                problems.append(Problem(name, message, ready))
        return problems

    @property
    def ready(self) -> bool:
        """Return True where data are taken."""
        return all(problem.ready for problem in self.problems())

    def body(self) -> dict[str, object]:
        """Return what ``/readyz`` and ``/healthz`` answer, as JSON."""
        problems = self.problems()
        return {
            "ready": all(problem.ready for problem in problems),
            "problems": [asdict(problem) for problem in problems],
        }


def _sorted(labels: dict[str, str] | None) -> Labels:
    return tuple(sorted(labels.items())) if labels else ()
