"""Requests are accepted when their bytes are checked and on disk; what they hold is looked at later."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from driftline.semconv import attributes as a
from driftline.semconv import metrics as m

from driftline_processor.health import Counters
from driftline_processor.log.entry_format import FOR_ANALYSIS, FOR_DESTINATIONS, Entry
from driftline_processor.log.request_log import RequestLog, travelling
from driftline_processor.receipts import NO_HEADERS, Receipt, Signal, StorageOutage

from .decoding import Decoding
from .queue_offsets import Offset
from .request_queue import RequestQueue

_LARGE, _TOGETHER = 1 << 20, 2
"""Bytes of a large request, and how many such are checked together: protobuf makes up to fifty bytes of one."""


class Passing(Protocol):
    """The side of the forwarder that decides which requests go on to destinations."""

    @property
    def headers(self) -> frozenset[str]:
        """Return the names of headers that travel, in small letters."""

    def wanted(self, signal: Signal, body: bytes) -> bytes:
        """Return what of a request goes to any destination, b"" for nothing."""

    def passed(self, body: bytes) -> None:
        """Remember a request that is on its way."""


class _Nowhere:
    headers: frozenset[str] = frozenset()

    def wanted(self, signal: Signal, body: bytes) -> bytes:
        del signal, body
        return b""

    def passed(self, body: bytes) -> None:
        del body


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
    """

    def __init__(
        self, log: RequestLog, decoding: Decoding, queue: RequestQueue, counters: Counters, clock: Callable[[], int]
    ) -> None:
        self._log, self._decoding, self._queue, self._counters, self._clock = log, decoding, queue, counters, clock
        self._large = threading.BoundedSemaphore(_TOGETHER)
        self.passing: Passing = _Nowhere()

    def submit(
        self, signal: Signal, body: bytes, headers: Mapping[str, str] = NO_HEADERS, offsets: Sequence[Offset] = ()
    ) -> Future[Receipt]:
        """Accept a request; the future resolves when it is on disk.

        What its rows are is not known by then: those that cannot be used are counted by their reason. A request that
        nobody reads (ordinary telemetry, where nothing is forwarded) is accepted at once.

        Args:
            signal: Which of the OTLP requests it is.
            body: The protobuf message.
            headers: Those it came with.
            offsets: How far a queue has been read with it. Such a request is decoded and stored before the future
                resolves, since a queue goes on from its offsets.

        Raises:
            Malformed: Protobuf would refuse the body.
            Overloaded: Too much waits already.
            StorageOutage: The disk cannot be written.
        """
        with self._checking(body):
            self._decoding.check(signal, body)
        passing = self.passing.wanted(signal, body)
        if offsets:
            return self._submit_queued(signal, body, passing, headers, offsets)
        analysed = self._decoding.holds_ours(signal, body)
        if analysed and (outage := self._queue.outage) is not None:
            raise StorageOutage(outage)  # the same disk, which has no room for a log that nobody reads
        if not analysed and not passing:
            return self._accepted(signal, b"", _done(0))
        if passing and passing != body and analysed:
            self._append(signal, passing, FOR_DESTINATIONS, headers)
            return self._accepted(signal, passing, self._append(signal, body, FOR_ANALYSIS, headers))
        readers = (FOR_ANALYSIS if analysed else 0) | (FOR_DESTINATIONS if passing else 0)
        kept = body if analysed else passing
        return self._accepted(signal, passing, self._append(signal, kept, readers, headers))

    def _checking(self, body: bytes) -> AbstractContextManager[object]:
        return self._large if len(body) > _LARGE else nullcontext()

    def _append(self, signal: Signal, body: bytes, readers: int, headers: Mapping[str, str]) -> Future[int]:
        travels = travelling(headers, self.passing.headers) if readers & FOR_DESTINATIONS else ()
        return self._log.append(Entry(signal, body, self._clock(), travels, readers))

    def _submit_queued(
        self, signal: Signal, body: bytes, passing: bytes, headers: Mapping[str, str], offsets: Sequence[Offset]
    ) -> Future[Receipt]:
        if passing:
            self._append(signal, passing, FOR_DESTINATIONS, headers).result()
        with self._checking(body):
            request = self._decoding.request(signal, body, self._clock(), offsets)
        future = self._queue.offer(request, len(body))

        def count(done: Future[Receipt]) -> None:
            if done.exception() is None:
                self._count(signal, passing)

        future.add_done_callback(count)
        return future

    def _accepted(self, signal: Signal, passing: bytes, kept: Future[int]) -> Future[Receipt]:
        """Return the receipt of a request, once it is on disk."""
        future: Future[Receipt] = Future()
        future.set_running_or_notify_cancel()  # a client that goes away must not cancel what is being written

        def tell(done: Future[int]) -> None:
            if (error := done.exception()) is not None:
                future.set_exception(error)
                return
            self._count(signal, passing)
            future.set_result(Receipt())

        kept.add_done_callback(tell)
        return future

    def _count(self, signal: Signal, passing: bytes) -> None:
        self._counters.add(m.DRIFTLINE_RECEIVED_REQUESTS, 1, {a.DRIFTLINE_SIGNAL: signal})
        if passing:
            self.passing.passed(passing)


def _done(position: int) -> Future[int]:
    future: Future[int] = Future()
    future.set_result(position)
    return future
