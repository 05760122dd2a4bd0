"""The analysis reads the log: it decodes what is new in blocks, and commits each block with its cursor.

The cursor is written in the transaction of the rows, so after a crash the analysis goes on behind the last row that
counted: each request counts once, however often the process is killed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from driftline.semconv import attributes as a
from driftline.semconv import metrics as m

from driftline_processor.deadline import NEVER, Deadline
from driftline_processor.health import Counters
from driftline_processor.log.entry_format import FOR_ANALYSIS, Entry, Stored
from driftline_processor.log.request_log import Reader, RequestLog
from driftline_processor.receipts import StorageOutage

from .decoding import Decoding
from .deduplication import digest_of
from .request_queue import RequestQueue
from .transaction import Request

_log = logging.getLogger(__name__)

BLOCK_BYTES, BLOCK_SECONDS = 12 << 20, 1.0
"""A block is so many bytes (at least 10,000 spans of 20 features), or what has come within so many seconds."""

SHARE, LONGEST_BLOCK = 0.1, 4.0
"""Share of a core that blocks with few rows of many models may take, and seconds that they grow to for it at most.

A model costs some 5 ms a block, of ten rows as of a hundred: with 70 models each second would be a third of a core.
"""

_MOST_BYTES = 16 << 20
"""Bytes that are decoded together at most, of requests that waited."""

_AGAIN = 1.0
"""Seconds from a storage that failed to the next attempt."""


def block_seconds(took: float) -> float:
    """Return for how long the next block is gathered after one that took so many seconds of CPU time.

    >>> block_seconds(0.02), block_seconds(0.25), block_seconds(3.0)
    (1.0, 2.5, 4.0)
    """
    return min(max(BLOCK_SECONDS, took / SHARE), LONGEST_BLOCK)


class Analysis:
    """Stores what the log holds; :meth:`start` before requests are awaited, :meth:`stop` after the last.

    Args:
        log: Of all requests.
        reader: Its cursor there.
        decoding: Makes rows of requests.
        queue: Writes the rows, one transaction at a time.
        counters: Count what cannot be used.
    """

    def __init__(
        self, log: RequestLog, reader: Reader, decoding: Decoding, queue: RequestQueue, counters: Counters
    ) -> None:
        self._request_log, self._reader, self._decoding = log, reader, decoding
        self._queue, self._counters = queue, counters
        self._stepping = threading.RLock()
        self._seconds = BLOCK_SECONDS
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="driftline-analysis", daemon=True)

    @property
    def alive(self) -> bool:
        """Return True where it works."""
        return self._thread.is_alive()

    @property
    def behind(self) -> bool:
        """Return True where more than a block waits to be stored."""
        return self._reader.behind > BLOCK_BYTES

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, deadline: Deadline = NEVER) -> None:
        """Store what waits, as far as the time allows; the next start goes on from there."""
        self._stopping.set()
        self._request_log.wake()
        if self._thread.ident is not None:
            self._thread.join(deadline.timeout)
        if not self._thread.is_alive():
            try:
                self.catch_up(deadline)
            except StorageOutage:
                return

    def join(self, timeout: float) -> None:
        """Wait until the block under way has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def catch_up(self, deadline: Deadline = NEVER) -> None:
        """Store all that was accepted before now, as far as the time allows.

        Raises:
            StorageOutage: Nothing can be stored for now.
        """
        end = self._request_log.end
        while self._reader.position < end and not deadline.passed:
            self._step()

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Keep the analysis from reading and storing, within a ``with`` block; what is accepted waits in the log."""
        with self._stepping, self._queue.resting():
            yield

    def _run(self) -> None:
        stopping = self._stopping.is_set
        while not stopping():
            try:
                self._request_log.wait_for(self._reader.position, unless=stopping)
                self._request_log.wait_for(self._reader.position + BLOCK_BYTES, self._seconds, stopping)
                if not stopping():
                    began = time.thread_time()
                    self._step()
                    self._seconds = block_seconds(time.thread_time() - began)
            except StorageOutage:  # that was said once; the requests stay in the log
                self._stopping.wait(_AGAIN)
            except Exception:
                _log.exception("accepted requests could not be analysed; driftline will retry")
                self._stopping.wait(_AGAIN)

    def _step(self) -> None:
        """Store one block."""
        with self._stepping:
            stored_requests = self._request_log.read(self._reader.position, _MOST_BYTES)
            needed = [stored for stored in stored_requests.stored if stored.entry.readers & FOR_ANALYSIS]
            following = stored_requests.following
            for index, stored in enumerate(needed):
                # 60 * 10**9: nanoseconds between the first and the last request of a block: all of it counts as
                # received at its end
                if abs(stored.entry.received - needed[0].entry.received) > 60 * 10**9:
                    needed, following = needed[:index], stored.position
                    break
            if needed:
                self._store(needed, following)
            self._reader.move(following)

    def _store(self, block: list[Stored], following: int) -> None:
        """Store a block in one transaction; where that fails each alone, so that one never fails its neighbours."""
        requests = self._decoded(block)
        if not requests:
            return
        try:
            self._queue.write(requests, following, block[-1].entry.received)
        except StorageOutage:
            raise
        except Exception:
            if len(block) > 1:
                for stored in block:
                    self._store([stored], stored.following)
                return
            _log.exception("a request could not be stored; it is skipped")
            self._reject("not_stored", requests[0].rows)

    def _decoded(self, block: list[Stored]) -> list[Request]:
        """Decode a block: new requests of traces at once, all others one by one."""
        new = self._new_traces([stored.entry for stored in block if stored.entry.signal == "traces"])
        requests: list[Request] = []
        decoded = set[int]()
        if len(new) > 1:
            bodies, last = (
                {digest: decoded_request.body for digest, decoded_request in new.items()},
                [*new.values()][-1],
            )
            try:
                requests.append(self._decoding.traces(bodies, last.received))
                decoded = {id(entry) for entry in new.values()}
            except Exception:
                _log.exception("requests could not be decoded together; each one is decoded separately")
        decoded_alone = (self._decoded_alone(stored.entry) for stored in block if id(stored.entry) not in decoded)
        return [*requests, *(decoded_request for decoded_request in decoded_alone if decoded_request is not None)]

    def _new_traces(self, traces: list[Entry]) -> dict[bytes, Entry]:
        """Return the requests that were not stored before by their digests, the first of those that are the same."""
        digests = [digest_of(entry.body) for entry in traces]
        new: dict[bytes, Entry] = {}
        for digest, entry, is_seen in zip(digests, traces, self._queue.seen(digests), strict=True):
            if not is_seen:
                new.setdefault(digest, entry)
        return new

    def _decoded_alone(self, entry: Entry) -> Request | None:
        try:
            return self._decoding.request(entry.signal, entry.body, entry.received)
        except Exception:
            _log.exception("a request could not be decoded; it is skipped")
            self._reject("not_decoded", 1)
            return None

    def _reject(self, reason: str, rows: int) -> None:
        self._counters.add(m.DRIFTLINE_REJECTED_ROWS, rows, {a.DRIFTLINE_REASON: reason})
