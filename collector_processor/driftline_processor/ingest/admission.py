"""Requests are accepted when their bytes are checked and on disk; what they hold is looked at later."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from msgspec import Struct

from driftline_processor.expected_wait import refuse_late
from driftline_processor.health import Counters
from driftline_processor.log.entry_format import FOR_ANALYSIS, FOR_DESTINATIONS, Entry, Headers
from driftline_processor.log.request_log import RequestLog, travelling
from driftline_processor.memory_ceiling import PROTOBUF, MemoryCeiling
from driftline_processor.receipts import NO_HEADERS, Receipt, Signal, StorageOutage

from .decoding import Decoding
from .deduplication import digest_of
from .queue_offsets import Offset
from .request_queue import RequestQueue


class Passage(NamedTuple):
    """The part of a request that goes on to destinations.

    Attributes:
        body: The request, b"" for nothing.
        groups: Digests of its groups, by which the forwarder knows them again.
    """

    body: bytes
    groups: Sequence[bytes] = ()


NO_PASSAGE = Passage(b"")
"""Nothing of a request goes to any destination."""


class Passing(Protocol):
    """The side of the forwarder that decides which requests go on to destinations."""

    @property
    def headers(self) -> frozenset[str]:
        """Return the names of headers that travel, in small letters."""

    def wanted(self, signal: Signal, body: bytes) -> Passage:
        """Return what of a request goes to any destination."""

    def passed(self, passage: Passage) -> None:
        """Remember a request that is on its way."""


class _Nowhere:
    headers: frozenset[str] = frozenset()

    def wanted(self, signal: Signal, body: bytes) -> Passage:
        del signal, body
        return NO_PASSAGE

    def passed(self, passage: Passage) -> None:
        del passage


class _Unanswered(Struct):
    """A request that is being written.

    Attributes:
        since: When the last of its senders began to wait, on the clock that only grows.
    """

    answer: Future[Receipt]
    since: float


class Admission:
    """Checks requests and appends them to the log; any thread may use it.

    Attributes:
        passing: Says what goes on to destinations.

    Args:
        log: Keeps what is accepted.
        decoding: Checks the bytes.
        queue: Stores what comes with offsets of a queue, which need no log.
        counters: Count requests.
        clock: Unix nanoseconds.
        ceiling: Of the memory of the process.
        monotonic: Seconds that only grow.
    """

    def __init__(
        self,
        log: RequestLog,
        decoding: Decoding,
        queue: RequestQueue,
        counters: Counters,
        clock: Callable[[], int],
        ceiling: MemoryCeiling | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._log, self._decoding, self._queue, self._counters, self._clock = log, decoding, queue, counters, clock
        self._ceiling = ceiling or MemoryCeiling()
        self._unanswered: dict[tuple[Signal, bytes, Headers], _Unanswered] = {}
        self._registering = threading.Lock()
        self.passing: Passing = _Nowhere()

    def submit(
        self,
        signal: Signal,
        body: bytes,
        headers: Mapping[str, str] = NO_HEADERS,
        offsets: Sequence[Offset] = (),
        waited: float = 0.0,
    ) -> Future[Receipt]:
        """Accept a request; the future resolves when it is on disk.

        What its rows are is not known by then: those that cannot be used are counted by their reason. A request that
        nobody reads (ordinary telemetry, where nothing is forwarded) is accepted at once. One that is sent again while
        it is still being written has the future of the first, and is kept once. It is refused for being late only
        where it would be late for all of its senders.

        Args:
            signal: Which of the OTLP requests it is.
            body: The protobuf message.
            headers: Those it came with.
            offsets: How far a queue has been read with it. Such a request is decoded and stored before the future
                resolves, since a queue goes on from its offsets.
            waited: Seconds that its sender has waited here before, such as for a thread.

        Raises:
            Malformed: Protobuf would refuse the body.
            Overloaded: Too much waits already, or the acknowledgement would come too late.
            StorageOutage: The disk cannot be written.
        """
        refuse_late(waited)
        if offsets:
            return self._submit_queued(signal, body, headers, offsets)
        travels = travelling(headers, self.passing.headers)
        key = signal, digest_of(body), travels
        answer: Future[Receipt] = Future()
        answer.set_running_or_notify_cancel()  # a client that goes away must not cancel what is being written
        since = self._monotonic() - waited
        with self._registering:
            request = self._unanswered.setdefault(key, _Unanswered(answer, since))
            request.since = max(request.since, since)
        if request.answer is not answer:
            return request.answer
        try:
            storing = self._keep(signal, body, travels, request)
        except BaseException as error:
            self._resolve(key, answer, error)
            raise
        storing.add_done_callback(lambda future: self._resolve(key, answer, future.exception()))
        return answer

    def _resolve(
        self, key: tuple[Signal, bytes, Headers], answer: Future[Receipt], error: BaseException | None
    ) -> None:
        """Answer all who wait for a request."""
        with self._registering:
            del self._unanswered[key]
        if error is None:
            answer.set_result(Receipt())
        else:
            answer.set_exception(error)

    def _keep(self, signal: Signal, body: bytes, travels: Headers, request: _Unanswered) -> Future[int]:
        """Check a request and append it for those who read it; the future resolves when it is on disk."""
        with self._checking(body):
            began = self._monotonic()
            self._decoding.check(signal, body)
            with self._registering:  # what its own bytes cost says nothing about others
                request.since += self._monotonic() - began
        passage = self.passing.wanted(signal, body)
        analysed = self._decoding.holds_ours(signal, body)
        if analysed and (outage := self._queue.outage) is not None:
            raise StorageOutage(outage)  # the same disk, which has no room for a log that nobody reads
        if not analysed and not passage.body:
            storing = _done(0)
        elif passage.body and passage.body != body and analysed:
            part = self._append(signal, passage.body, FOR_DESTINATIONS, travels, request.since)
            storing = _both(part, self._append(signal, body, FOR_ANALYSIS, travels, request.since))
        else:
            readers = (FOR_ANALYSIS if analysed else 0) | (FOR_DESTINATIONS if passage.body else 0)
            storing = self._append(signal, body if analysed else passage.body, readers, travels, request.since)
        storing.add_done_callback(lambda future: self._count(signal, passage, future))
        return storing

    def _checking(self, body: bytes) -> AbstractContextManager[None]:
        return self._ceiling.working(min(PROTOBUF * len(body), self._ceiling.work))

    def _append(self, signal: Signal, body: bytes, readers: int, travels: Headers, since: float) -> Future[int]:
        travels = travels if readers & FOR_DESTINATIONS else ()
        return self._log.append(Entry(signal, body, self._clock(), travels, readers), self._monotonic() - since)

    def _submit_queued(
        self, signal: Signal, body: bytes, headers: Mapping[str, str], offsets: Sequence[Offset]
    ) -> Future[Receipt]:
        with self._checking(body):
            self._decoding.check(signal, body)
        passage = self.passing.wanted(signal, body)
        if passage.body:
            travels = travelling(headers, self.passing.headers)
            self._append(signal, passage.body, FOR_DESTINATIONS, travels, self._monotonic()).result()
        with self._checking(body):
            request = self._decoding.request(signal, body, self._clock(), offsets)
        future = self._queue.offer(request, len(body))
        future.add_done_callback(lambda future_done: self._count(signal, passage, future_done))
        return future

    def _count(self, signal: Signal, passage: Passage, future: Future[Any]) -> None:
        """Count a request that was accepted, before its sender is told."""
        if future.exception() is not None:
            return
        self._counters.add(m.DRIFTLINE_RECEIVED_REQUESTS, 1, {a.DRIFTLINE_SIGNAL: signal})
        if passage.body:
            self.passing.passed(passage)


def _both(part: Future[int], whole: Future[int]) -> Future[int]:
    """Return a future of two entries: the position of the second once both are on disk, or the error of either."""
    combined: Future[int] = Future()

    def answer(_: Future[int]) -> None:
        error = part.exception() or whole.exception()
        if error is None:
            combined.set_result(whole.result())
        else:
            combined.set_exception(error)

    part.add_done_callback(lambda _: whole.add_done_callback(answer))
    return combined


def _done(position: int) -> Future[int]:
    future: Future[int] = Future()
    future.set_result(position)
    return future
