"""Read the log, decode new requests in blocks, and commit each block with the cursor.

Because rows and cursor share a transaction, each request counts once, however often the process is killed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import compress

import numpy as np
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from numpy.typing import NDArray

from driftline_processor.core.decode.requests import LimitsExceeded
from driftline_processor.deadline import NEVER, Deadline
from driftline_processor.health import Counters
from driftline_processor.log.block_attempts import MOST_ENDS, BlockAttempts
from driftline_processor.log.entry_format import FOR_ANALYSIS, Entry, Stored
from driftline_processor.log.request_log import Reader, RequestLog
from driftline_processor.receipts import StorageOutage

from .decoding import NOT_DECODED, Decoding
from .deduplication import digest_of
from .fault_isolation import NOT_STORED, find_faulty, row_count
from .feature_names import MOST_CELLS
from .permissions import permitted
from .request_queue import RequestQueue
from .transaction import LogPosition, Request

_log = logging.getLogger(__name__)

BLOCK_BYTES, BLOCK_SECONDS = 12 << 20, 1.0
"""A block has this many bytes (at least 10,000 spans of 20 features) or the requests of this many seconds."""

SHARE, LONGEST_BLOCK = 0.1, 4.0
"""Fraction of a core for small blocks of many models, and maximum seconds per block to stay below it.

A model costs 5 ms per block, with ten rows or a hundred: 70 models would need a third of a core at one block per
second.
"""

_MOST_BYTES = 16 << 20
"""Maximum bytes of waiting requests that are decoded together."""

MOST_ROWS = 1_000_000
"""Rows after which a part of a block is stored in a transaction of its own, because a byte may be a row.

The same holds for :data:`~.feature_names.MOST_CELLS`, because each row may have other features.
"""

_AGAIN = 1.0
"""Seconds between attempts after a storage error."""


def block_seconds(took: float) -> float:
    """Return the seconds to collect the next block, after one that used this much CPU time.

    >>> block_seconds(0.02), block_seconds(0.25), block_seconds(3.0)
    (1.0, 2.5, 4.0)
    """
    return min(max(BLOCK_SECONDS, took / SHARE), LONGEST_BLOCK)


class Analysis:
    """Stores the requests of the log; call :meth:`start` before requests arrive, :meth:`stop` after the last.

    Args:
        log: The log of requests.
        reader: The cursor of the analysis.
        decoding: Decodes requests to rows.
        queue: Writes the rows, one transaction at a time.
        counters: Counters of unusable rows.
        attempts: Ends of the process while it stored a block.
    """

    def __init__(
        self,
        log: RequestLog,
        reader: Reader,
        decoding: Decoding,
        queue: RequestQueue,
        counters: Counters,
        attempts: BlockAttempts,
    ) -> None:
        self._request_log, self._reader, self._decoding = log, reader, decoding
        self._queue, self._counters, self._attempts = queue, counters, attempts
        self._stepping = threading.RLock()
        self._seconds = BLOCK_SECONDS
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="driftline-analysis", daemon=True)

    @property
    def alive(self) -> bool:
        """Return True if the thread runs."""
        return self._thread.is_alive()

    @property
    def is_behind(self) -> bool:
        """Return True if more than a block waits."""
        return self._reader.unread_bytes > BLOCK_BYTES

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, deadline: Deadline = NEVER) -> None:
        """Store waiting requests until the deadline; the next start continues from there."""
        self._stopping.set()
        self._request_log.wake()
        if self._thread.ident is not None:
            self._thread.join(deadline.timeout)
        if not self._thread.is_alive():
            with suppress(StorageOutage):
                self.catch_up(deadline)
            self._attempts.close()

    def join(self, timeout: float) -> None:
        """Wait until the current block has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def catch_up(self, deadline: Deadline = NEVER) -> None:
        """Store all requests accepted before now, until the deadline.

        Raises:
            StorageOutage: Nothing can be stored for now.
        """
        end = self._request_log.end
        while self._reader.position < end and not deadline.passed:
            self._step()

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Pause the analysis within a ``with`` block; accepted requests wait in the log."""
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
            except StorageOutage:  # already logged; the requests stay in the log
                self._stopping.wait(_AGAIN)
            except Exception:
                _log.exception("accepted requests could not be analysed; driftline will retry")
                self._stopping.wait(_AGAIN)

    def _step(self) -> None:
        with self._stepping:
            position = self._reader.position
            most = self._attempts.most_bytes(position, _MOST_BYTES)
            stored_requests = self._request_log.read(position, most)
            needed = [stored for stored in stored_requests.stored if stored.entry.readers & FOR_ANALYSIS]
            following = stored_requests.following
            for index, stored in enumerate(needed):
                # 60 * 10**9: maximum nanoseconds within a block, whose requests all count as received at its end
                if abs(stored.entry.received - needed[0].entry.received) > 60 * 10**9:
                    needed, following = needed[:index], stored.position
                    break
            if needed and self._attempts.are_used_up:
                needed, following = needed[:1], needed[0].following
            if needed:
                with self._attempts.storing(position, following):
                    if self._attempts.are_used_up:
                        self._leave_out(needed[0])
                    else:
                        self._store(needed, following)
            self._reader.move(following)

    def _leave_out(self, stored: Stored) -> None:
        _log.error(
            "driftline ended %d times while it stored one request of %s bytes; the request is left out. If the process "
            "was killed for its memory, raise the limit of the container or lower limits.memory",
            *(MOST_ENDS, f"{len(stored.entry.body):,}"),
        )
        self._reject(NOT_STORED, 1)

    def _store(self, block: list[Stored], following: int) -> None:
        """Store a block in one transaction, without rows that cannot be stored.

        A block of very many rows is stored in several ones; only the last advances the position, because requests that
        are read again are recognised.
        """
        for requests, stored_until in self._parts(block, following):
            try:
                position = LogPosition(stored_until, self._request_log.end)
                self._queue.write(requests, position, block[-1].entry.received)
            except StorageOutage:
                raise
            except Exception:
                _log.exception("requests could not be stored; they are skipped")
                self._reject(NOT_STORED, row_count(requests))

    def _parts(self, block: list[Stored], following: int) -> Iterator[tuple[list[Request], int]]:
        """Yield the requests of each transaction, and the position of the log that is stored with them."""
        requests: list[Request] = []
        rows = cells = 0
        for request in self._decoded(block):
            if requests and (rows + request.rows > MOST_ROWS or cells + request.cells > MOST_CELLS):
                yield requests, block[0].position
                requests, rows, cells = [], 0, 0
            requests.append(request)
            rows, cells = rows + request.rows, cells + request.cells
        if requests:
            yield requests, following

    def _decoded(self, block: list[Stored]) -> Iterator[Request]:
        """Decode a block: new requests of traces together, all others one by one."""
        together = [stored.entry for stored in block if stored.entry.signal == "traces"]
        new = self._new_traces([entry for entry in together if entry.sending.rules is None])
        decoded, request = self._decoded_together(new)
        if request is not None:
            yield request
        for stored in block:
            alone = None if id(stored.entry) in decoded else self._decoded_alone(stored.entry)
            if alone is not None:
                yield alone

    def _decoded_together(self, new: dict[bytes, Entry]) -> tuple[set[int], Request | None]:
        """Decode requests of traces together, without those that must be decoded alone: entries by identity."""
        entries = [*new.items()]
        if len(entries) < 2:
            return set(), None

        def decode(some: list[tuple[bytes, Entry]]) -> Request | None:
            if not some:
                return None
            return self._decoding.traces({digest: entry.body for digest, entry in some}, entries[-1][1].received)

        def works(some: NDArray[np.bool_]) -> bool:
            try:
                decode([*compress(entries, some)])
            except Exception:
                return False
            return True

        try:
            return {id(entry) for entry in new.values()}, decode(entries)
        except LimitsExceeded:
            return set(), None
        except Exception:
            _log.exception("requests could not be decoded together; those with a fault are decoded separately")
        healthy = [*compress(entries, ~find_faulty(len(entries), works))]
        try:
            return {id(entry) for _, entry in healthy}, decode(healthy)
        except Exception:  # the search ended at its limits
            return set(), None

    def _new_traces(self, traces: list[Entry]) -> dict[bytes, Entry]:
        """Return requests that were not stored before by digest, without repetitions."""
        digests = [digest_of(entry.body) for entry in traces]
        new: dict[bytes, Entry] = {}
        for digest, entry, is_seen in zip(digests, traces, self._queue.are_stored(digests), strict=True):
            if not is_seen:
                new.setdefault(digest, entry)
        return new

    def _decoded_alone(self, entry: Entry) -> Request | None:
        try:
            return permitted(self._decoding.request(entry.signal, entry.body, entry.received), entry.sending)
        except Exception:
            _log.exception("a request could not be decoded; it is skipped")
            self._reject(NOT_DECODED, 1)
            return None

    def _reject(self, reason: str, rows: int) -> None:
        self._counters.add(m.DRIFTLINE_REJECTED_ROWS, rows, {a.DRIFTLINE_REASON: reason})
