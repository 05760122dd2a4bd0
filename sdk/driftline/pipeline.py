"""The background: rows → columns → requests → the channel, and counts, once per flush.

A pipeline is what all models of one channel share. Its thread sleeps until something is recorded, gathers for a
second, and sends; it is started by the first record, so that none exists when a server forks its workers.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

from . import background, lifecycle, resource
from .channel import Channel, Delivery, quiet
from .counts import count, count_dropped, count_own
from .faults import FAULTS, logger
from .later import Late, give_up, made
from .lost import Lost
from .outcomes import Outcome
from .prediction import Prediction
from .records import Frame, frames
from .rows import Bounded
from .shape import ROW_BYTES
from .single import Single, measure

if TYPE_CHECKING:
    from collections.abc import Callable

    from .baseline import Baseline
    from .block import Block
    from .identity import Identity
    from .reporter import Reporter

GATHER_SECONDS = 1.0
"""How long a row may wait before it is sent; a thousand rows a second make one record of a thousand."""
FULL_ROWS = 5000
BUFFER_BYTES = 32 * 2**20
QUEUE_BYTES = 32 * 2**20
_LONGEST_PAUSE = 30.0
AT_ONCE, NEVER = -sys.maxsize, sys.maxsize


Entry = Prediction | Single | Late | Outcome
"""What waits."""


class Pipeline:
    """Buffer, thread and queue of one channel. ``open_channel`` is called by the first flush.

    ``reporter``: sends distributions, where they are sent.
    """

    def __init__(
        self, open_channel: Callable[[], Channel], *, recording: bool = True, reporter: Reporter | None = None
    ) -> None:
        self.recording = recording
        """Whether rows reach a record; spans say so in ``ml.prediction.recorded``."""
        self._open_channel = open_channel
        self._reporter = reporter
        self._baselines: dict[tuple[str, str], tuple[Identity, Baseline]] = {}
        self._clear()
        lifecycle.remember(self)

    def _clear(self) -> None:
        self._channel: Channel | None = None
        self._lost = Lost()
        self._rows: Bounded[Entry] = Bounded(BUFFER_BYTES, _measure, self._drop)
        self._queue: Bounded[Frame] = Bounded(QUEUE_BYTES, lambda frame: (len(frame.body), frame.rows))
        self._announced: set[tuple[str, str]] = set()
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.RLock()  # one flush at a time
        self._start_lock = threading.Lock()
        self._wake = threading.Event()
        self._full = threading.Event()
        self._thread: threading.Thread | None = None
        self._due = AT_ONCE
        """How many rows wait when the thread hears of it: while it sleeps any, then a full record, then no more."""
        self._resting = False
        self._held = False
        self._pause = 0.0
        self._again = 0.0  # monotonic seconds; no request before that

    def append(self, entry: Entry, cost: int, rows: int) -> bool:
        """Hand over what was recorded, of about ``cost`` bytes: the last step of the hot path. False: it is closed."""
        if self._closed:
            return False
        if self._rows.append(entry, cost, rows) >= self._due:
            self._rouse()
        return True

    def announce(self, identity: Identity, baseline: Baseline) -> None:
        """Send a model's baseline with the next flush: once per process. Its bins are those of the distributions."""
        self._baselines.setdefault((identity.name, baseline.digest), (identity, baseline))
        self._use_bins()

    def _use_bins(self) -> None:
        if self._reporter is not None:
            for identity, baseline in self._baselines.values():
                self._reporter.distributions.use(identity.name, baseline.bins)

    def flush(self, timeout: float) -> bool:
        """Send everything recorded before the call; say whether all of it arrived within ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        if not self._lock.acquire(timeout=max(0.0, timeout)):
            return False
        try:
            self._again = 0.0
            self._convert()
            delivered = self._send(deadline)
        finally:
            self._lock.release()
        if self._reporter is not None:
            delivered &= self._reporter.flush(max(lifecycle.LAST_SECONDS, deadline - time.monotonic()))
        return delivered

    def settle(self, timeout: float) -> None:
        """Count what was recorded, and end its spans; send nothing. Give up after ``timeout`` seconds."""
        if self._lock.acquire(timeout=max(0.0, timeout)):
            try:
                self._convert()
            finally:
                self._lock.release()

    def shutdown(self, timeout: float) -> bool:
        """Flush, stop the thread and close the channel; what is recorded later is dropped and counted."""
        self.close()
        delivered = self.flush(timeout)
        lost = self._queue.rows + self._rows.rows
        if lost and self.recording:
            logger.warning("driftline: rows not delivered to %s: %d", self._name(), lost)
        for entry in self._rows.drain():  # another flush did not end in time: no span may wait for ever
            _let_go(entry)
        self._rows.forget()  # so that a second shutdown, at the end of the process, neither waits nor says so again
        self._queue.forget()
        if self._channel is not None:
            self._channel.close()
        if self._reporter is not None:
            self._reporter.close_channel()
        return delivered

    def close(self) -> None:
        """Take nothing more, and let the thread end."""
        self._closed = True
        if self._reporter is not None:
            self._reporter.close()
        self._wake.set()
        self._full.set()

    def hold(self, timeout: float) -> bool:
        """End the background thread and keep others from flushing until :meth:`release`; say whether that succeeded.

        A fork copies one thread. Whatever lock another holds at that moment is never released in the child.
        """
        deadline = time.monotonic() + timeout
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            self._resting = True
            self._wake.set()
            self._full.set()
            thread.join(timeout)
        if self._lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            self._held = self._reporter is not None and self._reporter.hold(max(0.0, deadline - time.monotonic()))
            return True
        self._go_on()
        return False

    def release(self) -> None:
        """Let flushes go on, and the background thread where there is work."""
        if self._held and self._reporter is not None:
            self._reporter.release()
        self._lock.release()
        self._go_on()

    def divert(self, channel: Channel, reporter: Reporter, timeout: float) -> Callable[[], None]:
        """Send what is recorded from now on elsewhere, with the next :meth:`flush` and without a thread: for tests.

        What waits goes on waiting until what is returned is called: that puts everything back as it was. Raises
        ``TimeoutError`` where a request is still under way after ``timeout`` seconds.
        """
        if not self.hold(timeout):
            raise TimeoutError(f"a request to {self._name()} has been under way for {timeout:g} seconds")
        if self._held and self._reporter is not None:
            self._reporter.release()
        before = dict(vars(self))
        self._lock.release()
        self._open_channel, self._reporter, self.recording = lambda: channel, reporter, True
        self._clear()
        self._due = NEVER  # so nothing rouses a thread
        self._use_bins()

        def put_back() -> None:
            vars(self).update(before)
            self._use_bins()
            self._go_on()

        return put_back

    def _go_on(self) -> None:
        if not self._resting:
            return
        self._resting = False
        self._due = AT_ONCE
        self._wake.clear()
        self._full.clear()
        if self._rows.rows or self._queue.rows:
            self._rouse()

    def after_fork(self) -> None:
        """Start anew in a child: the parent sends what the parent recorded."""
        self._rows.forget()
        self._lost.forget()
        self._queue.forget()
        self._announced = set()
        if self._channel is not None:
            self._channel.forget()
        if self._reporter is not None:
            self._reporter.after_fork()
        self._begin()

    def _rouse(self) -> None:
        """Let the thread hear of what waits; start it where there is none."""
        with self._start_lock:
            full = self._rows.rows >= FULL_ROWS
            self._due = NEVER if full else FULL_ROWS
            if full:
                self._full.set()
            if (self._thread is None or not self._thread.is_alive()) and not self._closed:
                lifecycle.register_exit()
                self._thread = background.start("driftline", self._run)
        self._wake.set()

    def _name(self) -> str:
        return "the channel" if self._channel is None else self._channel.name

    def _run(self) -> None:
        with self._lock:  # while the interpreter ends, some imports and all thread pools are refused
            self._channel = self._channel or self._open_channel()
            resource.own_attributes()
        while not (self._closed or self._resting):
            try:
                self._tick()
            except Exception as error:
                with contextlib.suppress(Exception):
                    FAULTS.swallow("flush", error)

    def _tick(self) -> None:
        """Wait for work, let it gather, and do it."""
        self._wake.wait(None if not self._queue.rows else max(0.05, self._again - time.monotonic()))
        self._full.wait(GATHER_SECONDS)
        if self._closed or self._resting:
            return
        self._wake.clear()
        self._full.clear()
        self._due = AT_ONCE
        with self._lock:
            self._convert()
            self._send(time.monotonic() + 60.0)

    def _convert(self) -> None:
        """Turn what was recorded into counts and frames."""
        entries = self._rows.drain()
        predictions = [entry for entry in entries if not isinstance(entry, Outcome)]
        outcomes = [entry for entry in entries if isinstance(entry, Outcome)]
        try:
            unsaid = [self._baselines[key] for key in self._baselines if key not in self._announced]
            baselines = [(identity, baseline.to_json()) for identity, baseline in unsaid]
            for frame in frames(predictions, outcomes, baselines, counted=self._count):
                if self.recording:
                    self._queue.append(frame, len(frame.body), frame.rows)
            self._announced.update(self._baselines)
            self._count_lost()
            count_own(self._rows.drops() + self._queue.drops(), FAULTS.drain())
        except Exception as error:
            FAULTS.swallow("flush", error)

    def _drop(self, entry: Entry) -> None:
        """Take note of what a full buffer dropped."""
        _let_go(entry)
        self._lost.note(entry)

    def _count(self, block: Block) -> None:
        """Count the predictions of a block, and what they were."""
        try:
            count(block.identity, block.counts())
        except Exception as error:  # a meter of the application's
            FAULTS.swallow("counts", error)
        if self._reporter is not None:
            self._reporter.add(block)

    def _count_lost(self) -> None:
        """Count the predictions that a full buffer dropped: they were made, and no record holds them."""
        for (identity, error), durations in self._lost.drain().items():
            count(identity, Counter({("", error): int(durations.counts.sum())}))
            if self._reporter is not None:
                self._reporter.lose(identity, error, durations)

    def _send(self, deadline: float) -> bool:
        """Send the queue, oldest first, until it is empty or the receiver cannot take more; say whether it took all."""
        arrived = True
        with quiet():
            while (frame := self._queue.first()) is not None:
                now = time.monotonic()
                if now >= deadline or now < self._again:
                    return False
                if self._channel is None:
                    self._channel = self._open_channel()
                delivery = self._channel.send(frame.body, deadline - now)
                arrived &= delivery.state == "delivered" and not delivery.rejected
                if not self._settle(frame, delivery):
                    return False
        return arrived

    def _settle(self, frame: Frame, delivery: Delivery) -> bool:
        """Act on what became of a frame; True to go on with the next."""
        if delivery.state in ("unreachable", "retry"):
            self._pause = min(_LONGEST_PAUSE, max(1.0, 2 * self._pause))
            self._again = time.monotonic() + (self._pause if delivery.after is None else delivery.after)
            if delivery.state == "unreachable":
                self._warn(
                    "unreachable",
                    f"driftline: nothing listens on {self._name()} (start 'driftline up' or set DRIFTLINE_ENDPOINT); "
                    f"keeping the last {QUEUE_BYTES >> 20} MB",
                )
            else:
                self._warn("retry", f"driftline: {self._name()} is busy ({delivery.reason}); trying again")
            return False
        self._queue.remove(frame)
        self._pause = 0.0
        if delivery.state == "delivered":
            self._heed(frame, delivery)
        elif delivery.state == "unsupported":
            self.recording = False
            self._lose(frame.rows + self._queue.rows, "unsupported")
            self._queue.drain()
            self._warn(
                "unsupported",
                f"driftline: {self._name()} does not take OTLP logs ({delivery.reason}), so predictions are not "
                "recorded and only sampled spans are left; set DRIFTLINE_ENDPOINT to a 'driftline up', "
                "or add a logs pipeline to the collector",
            )
        else:
            self._lose(frame.rows, "refused")
            self._warn(
                "refused", f"driftline: {self._name()} refused a record: {delivery.reason} (rows lost: {frame.rows})"
            )
        return True

    def _heed(self, frame: Frame, delivery: Delivery) -> None:
        """Act on what a receiver says of a frame that it took; what it rejects must not be sent again."""
        if delivery.rejected:
            self._lose(min(delivery.rejected, frame.rows), "rejected")
            self._warn(
                "rejected",
                f"driftline: {self._name()} rejected {delivery.rejected} of a record of {frame.rows} rows: "
                f"{delivery.reason}; further ones are only counted",
            )
        elif delivery.reason:
            self._warn("warning", f"driftline: {self._name()} took a record and warns: {delivery.reason}")

    def _lose(self, rows: int, reason: str) -> None:
        try:
            count_dropped(rows, reason)
        except Exception as error:  # a meter of the application's
            FAULTS.swallow("counts", error)

    def _warn(self, kind: str, line: str) -> None:
        if FAULTS.once(f"{kind} {self._name()}"):
            logger.warning("%s", line)


def _let_go(entry: Entry) -> None:
    """End the span of what will not be read."""
    if isinstance(entry, Late):
        give_up(made(entry))
    elif isinstance(entry, Prediction):
        give_up(entry)


def _measure(entry: Entry) -> tuple[int, int]:
    if isinstance(entry, Late):
        return entry.cost, 1
    return (ROW_BYTES, 1) if isinstance(entry, Outcome) else measure(entry)
