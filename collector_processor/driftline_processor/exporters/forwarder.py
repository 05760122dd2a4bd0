"""Passing on what was accepted, as it came: a bounded queue and a thread for each destination.

A request is offered to the destinations when its rows are on disk, so that what was refused, and will come again, is
not forwarded twice; see ``docs/decisions/0005-forwarding.md``.

One destination: a queue bounded in bytes, and a thread that empties it. At least once, in the order of arrival.

Whatever the destination does, the way in never waits for it: when the queue is full, the oldest requests go and are
counted. What nobody answers is tried again for as long as it takes; what the destination itself puts off is tried for
five minutes, so that one request that it cannot digest does not stop all others.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import xxhash
from driftline.export.backoff import doubling_pauses
from driftline.semconv import attributes, metrics

from driftline_processor.config.schema import Config
from driftline_processor.health import Counters
from driftline_processor.otlp.envelope import drop_groups, keep_logs, split_request
from driftline_processor.receipts import Signal

from .exporter import CLOSED, Exporter, ExportResult, exporter_for

QUEUE_BYTES = 64 * 2**20
MAX_REQUEST = 4 * 2**20
"""Bytes of a request that a gRPC server takes by default."""

_SHORTEST_DELAY, _FIRST_DELAY, _LONGEST_DELAY, _PATIENCE = 0.1, 0.5, 30.0, 300.0
"""Seconds."""


Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Waiting:
    number: int
    body: bytes


class Destination:
    """One destination of requests.

    Args:
        forward: What of the received ones (traces, metrics, logs, records).
        forward_headers: Names of the headers that travel.
        queue_bytes: What may wait.
        max_request: Bytes above which a request is cut between its records.
        on_sent: Called with every body that was delivered.
        clock: Seconds.
        pause: Waits so many seconds or until the event is set, and says which.
    """

    def __init__(
        self,
        name: str,
        exporter: Exporter,
        counters: Counters,
        forward: Iterable[str] = (),
        forward_headers: Iterable[str] = (),
        *,
        queue_bytes: int = QUEUE_BYTES,
        max_request: int = MAX_REQUEST,
        on_sent: Callable[[bytes], object] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        self.name = name
        self.forward = frozenset(forward)
        self._forward_headers = frozenset(header.lower() for header in forward_headers)
        self._exporter, self._counters = exporter, counters
        self._queue_bytes, self._max_request = queue_bytes, max_request
        self._on_sent, self._clock, self._pause = on_sent, clock, pause
        self._waiting: dict[tuple[Signal, Headers], deque[_Waiting]] = {}
        self._bytes = self._under_way = self._number = self._undelivered = 0
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._said: set[str] = set()
        self._thread = threading.Thread(target=self._run, name=f"driftline-{name}", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def forwards(self, signal: Signal) -> bool:
        """Return True where received requests of this signal go here, in part at least."""
        return signal in self.forward or (signal == "logs" and "records" in self.forward)

    def offer(self, signal: Signal, body: bytes, headers: Mapping[str, str]) -> None:
        """Queue a request; returns at once, and drops the oldest when there is no room."""
        travelling = tuple(sorted((key, value) for key, value in headers.items() if key in self._forward_headers))
        with self._changed:
            if self._stopping.is_set() or len(body) > self._queue_bytes:
                self._count(metrics.DRIFTLINE_FORWARD_DROPPED, signal)
                return
            while self._bytes + len(body) > self._queue_bytes:
                self._drop_oldest()
                self._say(
                    "queue", f"the queue is full ({self._queue_bytes // 2**20} MiB); dropping the oldest requests"
                )
            self._number += 1
            self._waiting.setdefault((signal, travelling), deque()).append(_Waiting(self._number, body))
            self._grow(len(body))
            self._changed.notify()

    def stop(self, grace: float) -> None:
        """Send what waits, each once, for at most ``grace`` seconds; what is left is counted as dropped."""
        with self._changed:
            self._stopping.set()
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(grace)
        self._exporter.close()
        if self._thread.is_alive():
            self._thread.join(1.0)
        with self._changed:
            lost = self._undelivered + sum(map(len, self._waiting.values()))
            while self._waiting:
                self._drop_oldest()
        if lost:
            _log.warning("%s: %d requests could not be delivered before the end", self.name, lost)

    # -- the queue ----------------------------------------------------------------------------------------------------

    def _oldest(self) -> tuple[Signal, Headers]:
        return min(self._waiting, key=lambda key: self._waiting[key][0].number)

    def _drop_oldest(self) -> None:
        key = self._oldest()
        self._take_one(key)
        self._count(metrics.DRIFTLINE_FORWARD_DROPPED, key[0])

    def _take_one(self, key: tuple[Signal, Headers]) -> bytes:
        waiting = self._waiting[key]
        body = waiting.popleft().body
        if not waiting:
            del self._waiting[key]
        self._grow(-len(body))
        return body

    def _grow(self, size: int) -> None:
        self._bytes += size
        self._measure()

    def _measure(self) -> None:
        labels = {attributes.DRIFTLINE_DESTINATION: self.name}
        self._counters.set(metrics.DRIFTLINE_FORWARD_QUEUE_SIZE, self._bytes + self._under_way, labels)

    def _take(self) -> tuple[Signal, Headers, list[bytes]] | None:
        """Wait for the oldest request, and take with it what may travel in one request; None at the end."""
        with self._changed:
            self._under_way = 0
            self._measure()
            while not self._waiting:
                if self._stopping.is_set():
                    return None
                self._changed.wait()
            key = self._oldest()
            bodies = [self._take_one(key)]
            self._under_way = len(bodies[0])
            while key in self._waiting and self._under_way + len(self._waiting[key][0].body) <= self._max_request:
                bodies.append(self._take_one(key))
                self._under_way += len(bodies[-1])
            self._measure()
            return (*key, bodies)

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (taken := self._take()) is not None:
            signal, headers, bodies = taken
            try:
                self._deliver(signal, dict(headers), [kept for body in bodies if (kept := self._wanted(signal, body))])
            except Exception:
                _log.exception("%s: a %s request could not be sent", self.name, signal)
                self._count(metrics.DRIFTLINE_FORWARD_FAILED, signal)

    def _wanted(self, signal: Signal, body: bytes) -> bytes:
        logs, records = "logs" in self.forward, "records" in self.forward
        return body if signal != "logs" or logs == records else keep_logs(body, ours=records)

    def _deliver(self, signal: Signal, headers: Mapping[str, str], bodies: list[bytes]) -> None:
        if not bodies:
            return
        for piece in split_request(b"".join(bodies), self._max_request):
            answer = self._send(signal, headers, piece)
            if answer.result == "permanent" and len(bodies) > 1:
                # One of the merged requests may be to blame; the others should not suffer for it.
                for body in bodies:
                    self._deliver(signal, headers, [body])
                return
            if answer.result == "success":
                self._on_sent(piece)
                self._count(metrics.DRIFTLINE_FORWARD_SENT, signal)
            else:
                self._count(metrics.DRIFTLINE_FORWARD_FAILED, signal)
            if answer.result == "retryable" and self._stopping.is_set():
                self._undelivered += 1
            elif answer.kind:
                self._say(answer.kind, f"{answer.kind}: {answer.message} ({signal}); said once, counted from now on")

    def _send(self, signal: Signal, headers: Mapping[str, str], body: bytes) -> ExportResult:
        """Send until it is sent or refused, or there is no more point."""
        pauses, put_off_since = doubling_pauses(_FIRST_DELAY, _LONGEST_DELAY), None
        while True:
            answer = self._exporter.export(signal, body, headers)
            if answer.result != "retryable":
                if answer.result == "success" and "unreachable" in self._said:
                    self._said.discard("unreachable")
                    _log.info("%s: reachable again", self.name)
                return answer
            if answer.kind == CLOSED:
                return answer
            if answer.unreachable:
                why = answer.message or answer.kind
                self._say("unreachable", f"not reachable ({why}); keeping what fits, and trying again")
                put_off_since = None
            elif put_off_since is None:
                put_off_since = self._clock()
                why = f"{answer.kind}: {answer.message}" if answer.message else answer.kind
                self._say("put off", f"puts requests off ({why}); keeping what fits, and trying again; said once")
            elif self._clock() - put_off_since > _PATIENCE:
                return answer
            if answer.retry_after is None:
                wait = next(pauses) * random.uniform(0.5, 1.0)
            else:
                wait = min(max(answer.retry_after, _SHORTEST_DELAY), _PATIENCE)
            if self._pause(self._stopping, wait):
                return answer

    def _count(self, name: str, signal: Signal) -> None:
        labels = {attributes.DRIFTLINE_DESTINATION: self.name, attributes.DRIFTLINE_SIGNAL: signal}
        self._counters.add(name, 1, labels)

    def _say(self, kind: str, message: str) -> None:
        if kind not in self._said:
            self._said.add(kind)
            _log.warning("%s: %s", self.name, message)


_log = logging.getLogger("driftline")

_REMEMBERED_SECONDS = 15 * 60.0
_REMEMBERED = 200_000


class RecentRequests:
    """Requests of the last 15 minutes, to recognise resends and loops.

    Known again are the groups of a request, each of one resource, by their bytes: a Collector that sends back to us
    makes new requests of the old groups.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: OrderedDict[bytes, float] = OrderedDict()
        self._lock = threading.Lock()

    def new(self, body: bytes) -> bytes:
        """Remember a request, and return what of it was not known; the same bytes where nothing was."""
        met: list[bytes] = []

        def known(group: bytes) -> bool:
            met.append(xxhash.xxh3_128_digest(group))
            return met[-1] in self._times

        now = self._clock()
        with self._lock:
            self._forget(now)
            new = drop_groups(body, known)
            for digest in met:
                self._times.setdefault(digest, now)
            return new

    def _forget(self, now: float) -> None:
        while self._times:
            oldest, when = next(iter(self._times.items()))
            if now - when <= _REMEMBERED_SECONDS and len(self._times) < _REMEMBERED:
                break
            del self._times[oldest]


class Forwarder:
    """All destinations. :meth:`offer` never blocks, and never fails the receiver."""

    def __init__(self, config: Config, counters: Counters) -> None:
        self._passed = RecentRequests()
        self._said_again = False
        self.destinations = {
            name: Destination(
                name,
                exporter_for(exporter),
                counters,
                exporter.forward,
                exporter.forward_headers,
                on_sent=self._passed.new,
            )
            for name, exporter in config.exporters.items()
        }

    def start(self) -> None:
        """Begin to send."""
        for destination in self.destinations.values():
            destination.start()

    def stop(self, grace: float) -> None:
        """Deliver what waits, for at most ``grace`` seconds over all destinations."""
        end = time.monotonic() + grace
        for destination in self.destinations.values():
            destination.stop(max(0.1, end - time.monotonic()))

    def send(self, name: str, signal: Signal, body: bytes) -> None:
        """Queue something of our own making for one destination."""
        self.destinations[name].offer(signal, body, {})

    def offer(self, signal: Signal, body: bytes, headers: Mapping[str, str]) -> None:
        """Queue an accepted request for every destination that wants it, without what passed here before."""
        wanting = [destination for destination in self.destinations.values() if destination.forwards(signal)]
        if not wanting:
            return
        new = self._passed.new(body)
        if new != body and not self._said_again:
            self._said_again = True
            _log.info(
                "a request came again that was forwarded before, and is not forwarded again; a sender repeats "
                "itself when an acknowledgement was lost, or a destination sends back to driftline"
            )
        if not new:
            return
        for destination in wanting:
            destination.offer(signal, new, headers)


def described(config: Config) -> list[str]:
    """Say in plain lines where things are forwarded.

    >>> described(Config())
    ['forwarding nowhere: traces end here; add --forward URL']
    """
    lines = []
    for name, exporter in config.exporters.items():
        sent = []
        if exporter.forward:
            sent.append(f"forwarding {', '.join(exporter.forward)}")
        if exporter.derived:
            sent.append(f"sending derived {', '.join(exporter.derived)}")
        lines.append(f"{' and '.join(sent)} to {exporter.destination} ({name})")
    if not any(exporter.forward for exporter in config.exporters.values()):
        lines.append("forwarding nowhere: traces end here; add --forward URL")
    return lines
