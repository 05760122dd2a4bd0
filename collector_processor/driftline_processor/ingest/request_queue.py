"""The queue of tables: outcomes and baselines of all receivers → one queue → one transaction → acknowledgements.

The writer commits all waiting requests together, so that many small requests share one sync. A future resolves when
its rows are on disk. The analysis writes its blocks between these transactions.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from secrets import token_bytes

from driftline.tables.table import OutcomeTable

from driftline_processor.core.decode.written_panes import WrittenPanes
from driftline_processor.deadline import NEVER, Deadline
from driftline_processor.expected_wait import GroupPace, groups_of, refuse_late
from driftline_processor.present.numbers import many
from driftline_processor.receipts import Overloaded, Receipt, StorageOutage

from .fault_isolation import NOT_STORED, find_faulty, row_count, select_rows, with_refused_panes, without_rows
from .transaction import Intake, LogPosition, Request

_log = logging.getLogger(__name__)

QUEUE_BYTES = 64 << 20
"""Maximum bytes of waiting requests; beyond it senders have to retry."""

_TOGETHER_BYTES = 16 << 20
_ROW_BYTES = 64  # approximate bytes of an outcome over HTTP

_Waiting = tuple[Request, int, "Future[Receipt]"]


class RequestQueue:
    """Accepts requests from any thread; call :meth:`start` before the first, :meth:`stop` after the last."""

    def __init__(self, intake: Intake, queue_bytes: int = QUEUE_BYTES) -> None:
        """Create a queue; ``queue_bytes``: maximum bytes of waiting requests."""
        self._intake = intake
        self._limit, self._bytes = queue_bytes, 0
        self._queue: deque[_Waiting] = deque()
        self._pace = GroupPace()
        self._unanswered: dict[bytes, Future[Receipt]] = {}
        self._ready = threading.Condition()
        self._stopping = self._abandoned = False
        self._writing = threading.RLock()
        self._thread = threading.Thread(target=self._run, name="driftline-ingest", daemon=True)

    def start(self) -> None:
        """Start the writer."""
        self._thread.start()

    def exchange(self, intake: Intake) -> None:
        """Continue with the intake of a reopened storage; call it while :meth:`resting`."""
        self._intake = intake

    def stop(self, deadline: Deadline = NEVER) -> None:
        """Write and acknowledge waiting requests until the deadline; later or remaining requests are Overloaded."""
        with self._ready:
            self._stopping = True
            self._ready.notify()
        if self._thread.ident is not None:
            self._thread.join(deadline.timeout)
        self._abandon()

    @property
    def alive(self) -> bool:
        """Return True if the writer runs."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Close the connection, after the writer has ended."""
        self._intake.close()

    def join(self, timeout: float) -> None:
        """Wait until the current transaction has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _abandon(self) -> None:
        """Reject waiting requests; they were not acknowledged, so their senders retry."""
        with self._ready:
            self._abandoned = True
            left = list(self._queue)
            self._queue.clear()
        for _, _, future in left:
            future.set_exception(Overloaded())

    @property
    def outage(self) -> str | None:
        """Reason why nothing can be stored for now, None normally."""
        return self._intake.outage

    @property
    def position(self) -> int:
        """Position in the log up to which rows are stored."""
        return self._intake.position

    @property
    def acknowledged(self) -> int:
        """Position in the log up to which requests were acknowledged, as the state stored it last."""
        return self._intake.acknowledged

    def are_stored(self, digests: Sequence[bytes]) -> list[bool]:
        """Return for each request whether it was stored before."""
        with self._writing:
            return [self._intake.is_stored(digest) for digest in digests]

    def write(self, requests: Sequence[Request], position: LogPosition, received: int) -> None:
        """Store requests of the log in one transaction with its positions, without rows that cannot be stored.

        Args:
            requests: Decoded requests.
            position: Positions in the log.
            received: Time of arrival, unix nanoseconds.

        Raises:
            StorageOutage: The storage failed.
        """
        with self._writing:
            self._store(requests, position, received)

    def submit_outcomes(self, tables: Sequence[OutcomeTable], digest: bytes) -> Future[Receipt]:
        """Queue outcomes from other sources than OTLP; ``digest``: 16 bytes that identify the request.

        Raises Overloaded if the queue is full.
        """
        return self.offer(Request(digest, outcomes=tables), _ROW_BYTES * sum(map(len, tables)))

    def submit_panes(self, panes: WrittenPanes, size: int) -> Future[Receipt]:
        """Queue the panes of a batch job; ``size``: bytes of its document. Raises Overloaded if the queue is full.

        A repeated document is decided pane by pane, by source and epoch.
        """
        return self.offer(Request(token_bytes(16), panes=panes), size)

    def offer(self, request: Request, size: int) -> Future[Receipt]:
        """Queue a decoded request of ``size`` bytes; a repeated request gets the same future while it is written.

        Raises Overloaded if the queue is full or the receipt would be too late, and StorageOutage.
        """
        if not request.rows and not request.rejected and not request.moves:
            return _done(Receipt())
        if (outage := self.outage) is not None:
            raise StorageOutage(outage)
        future: Future[Receipt] = Future()
        future.set_running_or_notify_cancel()  # a client that goes away must not cancel what is being written
        with self._ready:
            if request.digest in self._unanswered:
                return self._unanswered[request.digest]
            self._check(size)
            self._queue.append((request, size, future))
            self._bytes += size
            self._unanswered[request.digest] = future
            self._ready.notify()
        future.add_done_callback(lambda _: self._unanswered.pop(request.digest, None))
        return future

    def _check(self, size: int) -> None:
        """Raise Overloaded if the queue is full; an empty queue accepts any size."""
        if self._stopping or (self._queue and self._bytes + size > self._limit):
            raise Overloaded
        left = self._pace.left
        if self._queue or left:
            total_bytes = self._bytes + size
            refuse_late(left + self._pace.seconds(groups_of(1, 1, total_bytes, _TOGETHER_BYTES), total_bytes))

    def _store(
        self, requests: Sequence[Request], position: LogPosition | None = None, received: int | None = None
    ) -> list[Receipt | Exception]:
        """Store requests in one transaction; if that fails, without the rows because of which it does.

        Such rows are counted and logged once. Outside the log, a request of which nothing can be stored is left out,
        and its answer is the error, so that its sender keeps it. Raises the error if the others cannot be stored.
        """
        try:
            return [*self._intake.take(requests, position, received)]
        except StorageOutage:  # already logged; the senders retry
            raise
        except Exception as error:
            n = row_count(requests)
            if not n:
                raise

            faulty = find_faulty(n, lambda some: self._intake.can_take(select_rows(requests, some), received))
            _log.error(
                "%s of %s cannot be stored and are counted as %s; all others are stored",
                *(f"{faulty.sum():,}", many(n, "row"), NOT_STORED),
                exc_info=error,
            )
            rest = without_rows(requests, faulty)
            answers: list[Receipt | Exception] = [error] * len(requests)
            kept = [i for i, some in enumerate(rest) if position is not None or some.rows or not requests[i].rows]
            receipts = self._intake.take([rest[i] for i in kept], position, received)
            for i, receipt in zip(kept, receipts, strict=True):
                answers[i] = with_refused_panes(receipt, requests[i], rest[i])
            return answers

    def _run(self) -> None:
        """Write waiting requests until the end; an error fails only the current requests."""
        while waiting := self._next():
            try:
                with self._writing:
                    self._commit(waiting)
            except Exception as error:
                _log.exception("requests could not be written; the writer continues to run")
                for _, _, future in waiting:
                    if not future.done():
                        future.set_exception(error)
            with self._ready:
                self._pace.end()

    def resting(self) -> AbstractContextManager[object]:
        """Pause every other writing thread within a ``with`` block; requests wait in the queue."""
        return self._writing

    def _next(self) -> list[_Waiting]:
        """Wait for requests and return them, up to a size; [] only when stopping."""
        with self._ready:
            while not self._queue and not self._stopping:
                self._ready.wait()
            waitings: list[_Waiting] = []
            size = 0
            while self._queue and size < _TOGETHER_BYTES and not self._abandoned:
                waitings.append(self._queue.popleft())
                size += waitings[-1][1]
            self._bytes -= size
            if waitings:
                self._pace.begin(size)
            return waitings

    def _commit(self, waiting: list[_Waiting]) -> None:
        """Commit requests together, and answer their senders."""
        try:
            answers = self._store([request for request, _, _ in waiting])
        except StorageOutage as outage:  # already logged; the senders retry
            for _, _, future in waiting:
                future.set_exception(StorageOutage(str(outage)))
            return
        for (_, _, future), answer in zip(waiting, answers, strict=True):
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)


def _done(receipt: Receipt) -> Future[Receipt]:
    future: Future[Receipt] = Future()
    future.set_result(receipt)
    return future
