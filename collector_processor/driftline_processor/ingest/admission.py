"""Accept requests when their bytes are valid and on disk; their rows are analysed later."""

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

from driftline_processor.access.principal import UNRESTRICTED, Sending
from driftline_processor.expected_wait import refuse_late
from driftline_processor.health import Counters
from driftline_processor.log.entry_format import FOR_ANALYSIS, FOR_DESTINATIONS, Entry, Headers
from driftline_processor.log.request_log import RequestLog, travelling
from driftline_processor.memory_ceiling import PROTOBUF, MemoryCeiling
from driftline_processor.receipts import NO_HEADERS, PartialSuccess, Receipt, Signal, StorageOutage

from .decoding import Decoding
from .deduplication import digest_of
from .queue_offsets import Offset
from .request_queue import RequestQueue

_Key = tuple[Signal, bytes, Headers, str]
"""Signal, digest and forwarded headers of a request, and what its sender may send."""


class Passage(NamedTuple):
    """The part of a request that is forwarded to destinations.

    Attributes:
        body: The request, b"" for nothing.
        groups: Digests of its groups, by which the forwarder recognises them.
    """

    body: bytes
    groups: Sequence[bytes] = ()


NO_PASSAGE = Passage(b"")
"""Nothing of a request is forwarded."""


class Passing(Protocol):
    """The part of the forwarder that selects requests."""

    @property
    def headers(self) -> frozenset[str]:
        """Return the names of forwarded headers, in lower case."""

    def passage(self, signal: Signal, body: bytes) -> Passage:
        """Return the part of a request that any destination wants."""

    def passed(self, passage: Passage) -> None:
        """Remember a request that is being forwarded."""


class _Nowhere:
    headers: frozenset[str] = frozenset()

    def passage(self, signal: Signal, body: bytes) -> Passage:
        del signal, body
        return NO_PASSAGE

    def passed(self, passage: Passage) -> None:
        del passage


class _Unanswered(Struct):
    """A request that is being written.

    Attributes:
        since: When the last of its senders started to wait, on the monotonic clock.
        partial_success: What of it cannot be used.
    """

    answer: Future[Receipt]
    since: float
    partial_success: PartialSuccess | None = None


class Admission:
    """Checks requests and appends them to the log. Thread-safe.

    Attributes:
        passing: Selects what is forwarded.

    Args:
        log: The log of accepted requests.
        decoding: Checks the bytes.
        queue: Stores requests with offsets of a queue, which need no log.
        counters: Counters of requests.
        clock: Unix nanoseconds.
        ceiling: Memory limit of the process.
        monotonic: Monotonic seconds.
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
        self._unanswered: dict[_Key, _Unanswered] = {}
        self._registering = threading.Lock()
        self.passing: Passing = _Nowhere()

    def submit(
        self,
        signal: Signal,
        body: bytes,
        headers: Mapping[str, str] = NO_HEADERS,
        offsets: Sequence[Offset] = (),
        waited: float = 0.0,
        sending: Sending = UNRESTRICTED,
    ) -> Future[Receipt]:
        """Accept a request; the future resolves when it is on disk.

        Its rows are decoded later; unusable ones are counted by reason. The receipt names those whose time is too far
        ahead. A request that nothing reads (ordinary
        telemetry without forwarding) is accepted immediately. A repeated request that is still being written gets the
        future of the first one and is stored once; it is rejected as late only if it is late for all of its senders.

        Args:
            signal: The OTLP signal.
            body: The protobuf message.
            headers: Headers of the request.
            offsets: Positions in a queue after this request. Such a request is decoded and stored before the future
                resolves, because the queue continues from its offsets.
            waited: Seconds that its sender has waited already, for a thread for instance.
            sending: What its sender may send.

        Raises:
            Malformed: Protobuf would reject the body.
            Overloaded: Too much is waiting, or the acknowledgement would be too late.
            StorageOutage: The disk cannot be written.
        """
        refuse_late(waited)
        if offsets:
            return self._submit_queued(signal, body, headers, offsets)
        travels = travelling(headers, self.passing.headers)
        key = signal, digest_of(body), travels, repr(sending.rules)
        answer: Future[Receipt] = Future()
        answer.set_running_or_notify_cancel()  # a client that goes away must not cancel what is being written
        since = self._monotonic() - waited
        with self._registering:
            request = self._unanswered.setdefault(key, _Unanswered(answer, since))
            request.since = max(request.since, since)
        if request.answer is not answer:
            return request.answer
        try:
            storing = self._keep(signal, body, travels, request, sending)
        except BaseException as error:
            self._resolve(key, answer, error)
            raise
        storing.add_done_callback(lambda future: self._resolve(key, answer, future.exception()))
        return answer

    def _resolve(self, key: _Key, answer: Future[Receipt], error: BaseException | None) -> None:
        with self._registering:
            request = self._unanswered.pop(key)
        if error is None:
            answer.set_result(Receipt(partial_success=request.partial_success))
        else:
            answer.set_exception(error)

    def _keep(
        self, signal: Signal, body: bytes, travels: Headers, request: _Unanswered, sending: Sending
    ) -> Future[int]:
        """Check a request and append it for its readers; the future resolves when it is on disk."""
        with self._checking(body):
            began = self._monotonic()
            analysed = self._decoding.holds_ours(signal, body)
            request.partial_success = self._decoding.check(signal, body, self._clock() if analysed else None)
            with self._registering:  # the time for its own bytes is not waiting time
                request.since += self._monotonic() - began
        passage = self.passing.passage(signal, body) if sending.forwards else NO_PASSAGE
        if analysed and (outage := self._queue.outage) is not None:
            raise StorageOutage(outage)  # the log is on the same disk, and would not be read
        if not analysed and not passage.body:
            storing = _done(0)
        elif passage.body and passage.body != body and analysed:
            part = self._append(signal, passage.body, FOR_DESTINATIONS, travels, request.since)
            storing = _both(part, self._append(signal, body, FOR_ANALYSIS, travels, request.since, sending))
        else:
            readers = (FOR_ANALYSIS if analysed else 0) | (FOR_DESTINATIONS if passage.body else 0)
            storing = self._append(signal, body if analysed else passage.body, readers, travels, request.since, sending)
        storing.add_done_callback(lambda future: self._count(signal, passage, future))
        return storing

    def _checking(self, body: bytes) -> AbstractContextManager[None]:
        return self._ceiling.working(min(PROTOBUF * len(body), self._ceiling.work))

    def _append(
        self,
        signal: Signal,
        body: bytes,
        readers: int,
        travels: Headers,
        since: float,
        sending: Sending = UNRESTRICTED,
    ) -> Future[int]:
        travels = travels if readers & FOR_DESTINATIONS else ()
        sending = sending if readers & FOR_ANALYSIS else UNRESTRICTED
        entry = Entry(signal, body, self._clock(), travels, readers, sending=sending)
        return self._log.append(entry, self._monotonic() - since)

    def _submit_queued(
        self, signal: Signal, body: bytes, headers: Mapping[str, str], offsets: Sequence[Offset]
    ) -> Future[Receipt]:
        with self._checking(body):
            self._decoding.check(signal, body, None)
        passage = self.passing.passage(signal, body)
        if passage.body:
            travels = travelling(headers, self.passing.headers)
            self._append(signal, passage.body, FOR_DESTINATIONS, travels, self._monotonic()).result()
        with self._checking(body):
            request = self._decoding.request(signal, body, self._clock(), offsets)
        future = self._queue.offer(request, len(body))
        future.add_done_callback(lambda future_done: self._count(signal, passage, future_done))
        return future

    def _count(self, signal: Signal, passage: Passage, future: Future[Any]) -> None:
        """Count an accepted request, before its sender is answered."""
        if future.exception() is not None:
            return
        self._counters.add(m.DRIFTLINE_RECEIVED_REQUESTS, 1, {a.DRIFTLINE_SIGNAL: signal})
        if passage.body:
            self.passing.passed(passage)


def _both(part: Future[int], whole: Future[int]) -> Future[int]:
    """Return a future of two entries: the second one's position when both are on disk, or the error of either."""
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
