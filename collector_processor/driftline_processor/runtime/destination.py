"""One destination: a queue bounded in bytes, and a thread that empties it. At least once, in the order of arrival.

Whatever the destination does, the way in never waits for it: when the queue is full, the oldest requests go and are
counted. What nobody answers is tried again for as long as it takes; what the destination itself puts off is tried for
five minutes, so that one request that it cannot digest does not stop all others.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from driftline.semconv import attributes, metrics

from .envelope import cut, keep_logs
from .health import Counters
from .signals import Signal
from .transport import CLOSED, Answer, Transport

QUEUE_BYTES = 64 * 2**20
MAX_REQUEST = 4 * 2**20
"""What a gRPC server takes unless told otherwise."""

_SHORTEST_DELAY, _FIRST_DELAY, _LONGEST_DELAY, _PATIENCE = 0.1, 0.5, 30.0, 300.0
"""Seconds."""

_log = logging.getLogger("driftline")

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Waiting:
    number: int
    body: bytes


class Destination:
    """Where requests go. ``forward``: what of the received ones (traces, metrics, logs, records).

    ``forward_headers``: names of the headers that travel. ``queue_bytes``: what may wait. ``max_request``: bytes above
    which a request is cut between its records. ``on_sent``: called with every body that was delivered.
    ``clock``: seconds; ``pause``: waits so many seconds or until the event is set, and says which.
    """

    def __init__(
        self,
        name: str,
        transport: Transport,
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
        self._transport, self._counters = transport, counters
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
        """Say whether received requests of this signal go here, in part at least."""
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
        self._transport.close()
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
        for piece in cut(b"".join(bodies), self._max_request):
            answer = self._send(signal, headers, piece)
            if answer.result == "refused" and len(bodies) > 1:
                # One of the merged requests may be to blame; the others should not suffer for it.
                for body in bodies:
                    self._deliver(signal, headers, [body])
                return
            if answer.result == "sent":
                self._on_sent(piece)
                self._count(metrics.DRIFTLINE_FORWARD_SENT, signal)
            else:
                self._count(metrics.DRIFTLINE_FORWARD_FAILED, signal)
            if answer.result == "retry" and self._stopping.is_set():
                self._undelivered += 1
            elif answer.kind:
                self._say(answer.kind, f"{answer.kind}: {answer.message} ({signal}); said once, counted from now on")

    def _send(self, signal: Signal, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send until it is sent or refused, or there is no more point."""
        delay, put_off_since = _FIRST_DELAY, None
        while True:
            answer = self._transport.send(signal, body, headers)
            if answer.result != "retry":
                if answer.result == "sent" and "unreachable" in self._said:
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
                wait, delay = delay * random.uniform(0.5, 1.0), min(2 * delay, _LONGEST_DELAY)
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
