"""The background pipeline: entries → columns → requests → channel, and counts, once per flush.

All models of one channel share a pipeline. A process has one, and a test one per channel. Its thread sleeps until
something is recorded, gathers for a second, and sends. The first record starts the thread, so that there is no thread
when a server forks its workers.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from driftline.capture.buffer import BoundedBuffer, BufferedRow, measure_entry
from driftline.capture.deferred import UnmadePrediction, abandon_deferred, make_prediction
from driftline.capture.outcome import Outcome
from driftline.capture.prediction import Prediction
from driftline.capture.row_schema import ROW_BYTES
from driftline.capture.training_record import TrainingRecord
from driftline.faults import FAULTS, logger

from . import lifecycle, resource, threads
from .counters import DroppedRows, count, count_dropped, count_own
from .declarative import with_declared
from .endpoint import Endpoint, Signal, records_silenced, resolve
from .metrics_reporter import Reporter, interval, is_cumulative, metrics_wanted
from .transport import (
    BUSY,
    TEMPORARY,
    Backoff,
    Channel,
    Delivery,
    ExportRequest,
    HttpChannel,
    OutcomeChannel,
    State,
    attempt_until,
    load,
    open_channel,
    suppress_instrumentation,
    warn_unopened,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from driftline.baseline.baseline import Baseline
    from driftline.batch.prediction_batch import PredictionBatch
    from driftline.capture.model_identity import Identity
    from driftline.distributions.model_distributions import Distributions

    from .metrics_reporter import Reporter


GATHER_SECONDS = 1.0
"""Maximum seconds that a row waits before it is sent; at a thousand rows per second, a record contains a thousand rows.
"""
FULL_ROWS = 5000
BUFFER_BYTES = 32 * 2**20
QUEUE_BYTES = 32 * 2**20
LOSS_SECONDS = 600.0
"""Seconds between log lines while rows are lost: the receiver refuses this sender, or a buffer is full."""
_KNOWN_REFUSALS = 5
"""Number of answers that logs are not supported after which a flush sends one request only."""
_PROBE = ExportRequest(b"", 0)
"""An empty request, which every receiver of logs accepts."""
_OVER = Delivery("retry", "no time is left")
AT_ONCE, NEVER = -sys.maxsize, sys.maxsize


Entry = Prediction | BufferedRow | UnmadePrediction | Outcome | TrainingRecord
"""Entry of the buffer: a prediction, an outcome or a training run."""


class Pipeline:
    """Buffer, thread and queue of one channel. The first flush calls ``open_channel``.

    Args:
        reporter: Sends distributions; None if they are not sent.
    """

    def __init__(
        self, open_channel: Callable[[], Channel], *, recording: bool = True, reporter: Reporter | None = None
    ) -> None:
        self.recording = recording
        """True if rows reach a record; exported on spans as ``driftline.prediction.recorded``."""
        self._is_silent = not recording
        self._open_channel = open_channel
        self._reporter = reporter
        self._baselines: dict[tuple[str, str], tuple[Identity, Baseline]] = {}
        self._collected: Distributions | None = None
        self._clear()
        lifecycle.register_pipeline(self)

    def _clear(self) -> None:
        self.session = object()
        self._channel: Channel | None = None
        self._lost = DroppedRows()
        self._rows: BoundedBuffer[Entry] = BoundedBuffer(BUFFER_BYTES, _measure, self._drop)
        self._queue: BoundedBuffer[ExportRequest] = BoundedBuffer(
            QUEUE_BYTES, lambda frame: (len(frame.body), frame.rows)
        )
        self._announced: set[tuple[str, str]] = set()
        self._closed = False
        self._unsupported = 0  # consecutive answers that logs are not supported
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.RLock()  # one flush at a time
        self._start_lock = threading.Lock()
        self._wake = threading.Event()
        self._full = threading.Event()
        self._thread: threading.Thread | None = None
        self._last: Callable[[], None] | None = None
        """What the thread runs before it ends."""
        self._due = AT_ONCE
        """Waiting rows at which the thread is woken: 1 while it sleeps, then a full record, then never."""
        self._resting = False
        self._held = False
        self._backoff = Backoff()
        self._missing = 0
        """Rows lost since the last flush that reported them."""
        self._denied_rows, self._next_denied_line = 0, 0.0
        self._dropped_rows, self._next_full_line = 0, 0.0

    def append(self, entry: Entry, cost: int, rows: int) -> bool:
        """Append an entry of about ``cost`` bytes: the last step of the hot path.

        Returns False if the pipeline is closed.
        """
        if self._closed:
            self._refuse()
            return False
        if self._rows.append(entry, cost, rows) >= self._due:
            self._rouse()
        return True

    def _refuse(self) -> None:
        """Log once that an entry came too late."""
        if not self._is_silent and FAULTS.once("closed"):
            logger.warning(
                "driftline: predictions and outcomes after driftline.shutdown() or the end of the process are not "
                "recorded; if an atexit handler makes them, register it after 'import driftline'"
            )

    def announce(self, identity: Identity, baseline: Baseline) -> None:
        """Send a model's baseline with the next flush, once per process. Its bins are those of the distributions."""
        self._baselines.setdefault((identity.name, baseline.digest), (identity, baseline))
        self._use_bins()

    def collect_distributions(self) -> Distributions:
        """Return distributions of all later rows, for a collector in this process."""
        if self._collected is None:
            from driftline.distributions.model_distributions import Distributions

            self._collected = Distributions(cumulative=True)
            self._use_bins()
        return self._collected

    def _use_bins(self) -> None:
        for identity, baseline in [*self._baselines.values()]:
            if self._reporter is not None:
                self._reporter.distributions.use(identity.name, baseline.bins)
            if self._collected is not None:
                self._collected.use(identity.name, baseline.bins)

    def flush(self, timeout: float, *, again: Collection[State] = TEMPORARY) -> bool:
        """Send everything recorded before the call, and retry until it arrives or ``timeout`` seconds have passed.

        Returns whether a receiver accepted everything recorded since the last flush. ``again``: states of a request
        after which another attempt is made. What takes longer, such as the resolution of a name, ends later in its own
        thread; rows wait meanwhile.
        """
        return threads.call_within(timeout, "driftline-flush", partial(self._flush, timeout, again), False)

    def _flush(self, timeout: float, again: Collection[State]) -> bool:
        end = time.monotonic() + timeout
        deadline = end if self._reporter is None else end - min(lifecycle.LAST_SECONDS, timeout / 2)
        if self._unsupported >= _KNOWN_REFUSALS:
            again = frozenset(again) - {"unsupported"}
        failure = attempt_until(deadline, lambda: self._deliver(deadline), again)
        missing, self._missing = self._missing, 0
        delivered = failure is None and not missing
        if self._reporter is not None:
            left = max(lifecycle.LAST_SECONDS, end - time.monotonic())  # later than `end` in its own thread
            delivered &= self._reporter.flush(left, again=BUSY & frozenset(again))
        return delivered

    def _deliver(self, deadline: float) -> Delivery | None:
        """Send everything recorded, without the pause of the background thread; return the failure, None on success."""
        if not self._lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return _OVER
        try:
            self._backoff.skip()
            self._convert()
            return self._send(deadline)
        finally:
            self._lock.release()

    def settle(self, timeout: float) -> None:
        """Count recorded predictions and end their spans, without sending. Stop waiting after ``timeout`` seconds."""
        if lifecycle.is_exiting():
            self._due = AT_ONCE

        def convert() -> None:
            if self._lock.acquire(timeout=max(0.0, timeout)):
                try:
                    self._convert()
                finally:
                    self._lock.release()

        threads.call_within(timeout, "driftline-settle", convert, None)

    def shutdown(self, timeout: float) -> bool:
        """Flush, stop the thread and close the channel; later entries are dropped and counted."""
        last_flush = partial(self._flush, timeout, BUSY)
        delivered = threads.call_within(timeout, "driftline-flush", last_flush, False, self._end_with)
        self.report_undelivered()
        for entry in self._rows.drain():  # another flush did not end in time; spans must end anyway
            _let_go(entry)
        self._rows.forget()  # so that the second shutdown at exit neither waits nor logs again
        self._queue.forget()
        self._dropped_rows = 0
        if self._channel is not None:
            self._channel.close()
        if self._reporter is not None:
            self._reporter.close_channel()
        self.recording = False  # spans of later calls have no row
        return delivered

    def _end_with(self, name: str, run: Callable[[], None]) -> None:
        """Close, and let the background thread run a function last: Python 3.12 opens no thread at exit."""
        with self._start_lock:
            has_thread = self._thread is not None and self._thread.is_alive()
            if has_thread:
                self._last = run
        self.close()
        if not has_thread:
            threads.start_thread(name, run)

    def report_undelivered(self) -> None:
        """Log how many rows wait to be sent, or were dropped by a full buffer."""
        missing = self._queue.rows + self._rows.rows + self._dropped_rows
        if missing and (self.recording or self._unsupported):
            logger.warning("driftline: rows not delivered to %s: %d", self._name(), missing)

    def close(self) -> None:
        """Refuse new entries, and let the thread end."""
        self._closed = True
        if self._reporter is not None:
            self._reporter.close()
        self._wake.set()
        self._full.set()

    def hold(self, timeout: float) -> bool:
        """End the background thread and block flushes until :meth:`release`; return whether it ended.

        A fork copies only one thread. A lock that another thread holds at that moment would never be released in the
        child.
        """
        deadline = time.monotonic() + timeout
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            self._resting = True
            self._wake.set()
            self._full.set()
        if not self._lock.acquire(timeout=max(0.0, timeout)):
            self._go_on()
            return False
        if self._resting and thread is not None:  # the thread is idle, and only needs CPU time to end
            thread.join(threads.ENDING_SECONDS)
        self._held = self._reporter is not None and self._reporter.hold(max(0.0, deadline - time.monotonic()))
        return True

    def release(self) -> None:
        """Allow flushes again, and restart the background thread if there is work."""
        if self._held and self._reporter is not None:
            self._reporter.release()
        self._lock.release()
        self._go_on()

    def divert(self, channel: Channel, reporter: Reporter, timeout: float) -> Callable[[], None]:
        """Send later entries to another channel, with the next :meth:`flush` and without a thread. For tests.

        Waiting entries are kept until the returned function is called, which restores the previous state. Raises
        ``TimeoutError`` if a request is still running after ``timeout`` seconds.
        """
        if not self.hold(timeout):
            raise TimeoutError(f"a request to {self._name()} has not finished in {timeout:g} seconds")
        if self._held and self._reporter is not None:
            self._reporter.release()
        before = dict(vars(self))
        self._lock.release()
        self._open_channel, self._reporter, self.recording = lambda: channel, reporter, True
        self._collected = None
        self._clear()
        self._due = NEVER  # so that nothing wakes a thread
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
        if self._rows.rows or self._next() is not None:
            self._rouse()

    def after_fork(self) -> None:
        """Reset in a child: the parent sends the parent's entries."""
        self._rows.forget()
        self._lost.forget()
        self._queue.forget()
        self._announced = set()
        self.recording |= self._unsupported > 0
        self._unsupported = 0
        if self._channel is not None:
            self._channel.forget()
        if self._reporter is not None:
            self._reporter.after_fork()
        if self._collected is not None:
            self._collected.forget()
        self._begin()

    def _rouse(self) -> None:
        """Wake the thread; start it if there is none. At the exit, which ends threads, settle the entry instead."""
        if lifecycle.is_exiting():
            with lifecycle.ending_step(lifecycle.LAST_SECONDS, lifecycle.EXIT_SECONDS) as seconds:
                self.settle(seconds)
            return
        with self._start_lock:
            full = self._rows.rows >= FULL_ROWS
            self._due = NEVER if full else FULL_ROWS
            if full:
                self._full.set()
            if (self._thread is None or not self._thread.is_alive()) and not self._closed:
                lifecycle.register_exit()
                self._thread = threads.try_thread("driftline", self._run)
                if self._thread is None:
                    self._due = AT_ONCE
        self._wake.set()

    def _name(self) -> str:
        return "the channel" if self._channel is None else self._channel.name

    def _run(self) -> None:
        # The next step opens the channel again, and reads the attributes again, and logs why that fails.
        with contextlib.suppress(Exception), threads.hold_lock(self._lock, self._must_end) as acquired:
            if acquired:  # at interpreter exit, some imports and all thread pools fail
                self._open()
                resource.own_attributes()
        while not self._should_stop():
            try:
                self._tick()
            except Exception as error:
                with contextlib.suppress(Exception):
                    FAULTS.swallow("flush", error)
        last, self._last = self._last, None
        if last is not None:
            last()

    def _should_stop(self) -> bool:
        """Return True if the thread ends now; the next row then starts another one, also if a fork timed out."""
        if not self._must_end():
            return False
        with self._start_lock:
            if not self._must_end():
                return False
            if self._thread is threading.current_thread():
                self._thread = None
            return True

    def _must_end(self) -> bool:
        """Return True if the thread must end: permanently, or for a fork."""
        return self._closed or self._resting

    def _tick(self) -> None:
        """Wait for entries, gather them, and send them."""
        self._wake.wait(None if self._next() is None else max(0.05, self._backoff.seconds()))
        self._full.wait(GATHER_SECONDS)
        if self._must_end():
            return
        self._wake.clear()
        self._full.clear()
        self._due = AT_ONCE
        with threads.hold_lock(self._lock, self._must_end) as acquired:
            if acquired:
                self._convert()
                self._send(time.monotonic() + 60.0)

    def _convert(self) -> None:
        """Convert entries to counts and requests."""
        entries = self._rows.drain()
        predictions = [entry for entry in entries if not isinstance(entry, Outcome | TrainingRecord)]
        events = [entry for entry in entries if isinstance(entry, Outcome | TrainingRecord)]
        try:
            unannounced = {key: one for key, one in [*self._baselines.items()] if key not in self._announced}
            baselines = [(identity, baseline.to_json()) for identity, baseline in unannounced.values()]
            from .records import frames  # imported here because calls do not need the conversion

            for frame in frames(predictions, events, baselines, counted=self._count):
                if self.recording or (self._unsupported and not frame.predictions):
                    self._queue.append(frame, len(frame.body), frame.rows)
                elif self._unsupported:  # their spans have recorded=false
                    self._lose(frame.rows, "unsupported")
            self._announced.update(unannounced)  # another thread may have announced a baseline meanwhile
            self._count_lost()
            drops = self._rows.drops() + self._queue.drops()
            self._missing += drops
            self._warn_full(drops)
            count_own(drops, FAULTS.drain())
        except Exception as error:
            self._missing += len(entries)
            FAULTS.swallow("flush", error)

    def _warn_full(self, drops: int) -> None:
        """Log rows that a full buffer dropped, now and every ten minutes."""
        self._dropped_rows += drops
        if drops and time.monotonic() >= self._next_full_line:
            self._next_full_line = time.monotonic() + LOSS_SECONDS
            logger.warning(
                "driftline: the buffer of %d MB was full and dropped the oldest rows (rows lost so far: %d); "
                "if a job records faster than it can send, call driftline.flush() between batches",
                BUFFER_BYTES >> 20, self._dropped_rows,
            )  # fmt: skip

    def _drop(self, entry: Entry) -> None:
        """Count an entry that a full buffer dropped."""
        _let_go(entry)
        self._lost.note(entry)

    def _count(self, block: PredictionBatch) -> None:
        """Count the predictions of a block, and their distributions."""
        try:
            count(block.identity, block.counts())
        except Exception as error:  # the application's meter can raise
            FAULTS.swallow("counts", error)
        from .call_histograms import histograms_of, record_calls, tell_features  # not needed by calls

        rest, direct = block, False
        if block.identity.distributions:
            try:
                histograms = histograms_of(block.identity)
                if histograms is not None:
                    rest, direct = record_calls(block, histograms), True
                    if self._reporter is not None and block.features:
                        tell_features()
            except Exception as error:  # the application's meter can raise
                FAULTS.swallow("histograms", error)
        if self._reporter is not None:
            self._reporter.add(rest, direct=direct)
        if self._collected is not None and block.identity.distributions:
            self._collected.add(rest, direct=direct)

    def _count_lost(self) -> None:
        """Count the predictions that a full buffer dropped: no record contains them."""
        from .call_histograms import histograms_of, record_lost_calls

        for identity, error, rows, seconds in self._lost.drain():
            count(identity, Counter({("", error): rows}))
            histograms = histograms_of(identity) if identity.distributions else None
            if histograms is not None:
                record_lost_calls(identity, error, seconds, histograms)
            elif self._reporter is not None:
                self._reporter.lose(identity, error, rows, seconds)

    def _open(self) -> Channel | None:
        """Return the channel, opened on first use; None, after a log line, if it cannot be opened."""
        if self._channel is None:
            try:
                self._channel = self._open_channel()
            except Exception as error:
                warn_unopened("logs", error)
        return self._channel

    def _next(self) -> ExportRequest | None:
        """Return the next request: the oldest one, or a probe whether logs are supported now."""
        return self._queue.first() or (_PROBE if self._unsupported else None)

    def _send(self, deadline: float) -> Delivery | None:
        """Send the queue, oldest first, until a failure; return the failure, None on success."""
        with suppress_instrumentation():
            while (frame := self._next()) is not None:
                now = time.monotonic()
                if now >= deadline or self._backoff.seconds():
                    return _OVER
                channel = self._open()
                if channel is None:
                    self._backoff.fail()
                    self._stop_recording()
                    return Delivery("unsupported", "the channel could not be opened")
                delivery = channel.send(frame.body, deadline - now)
                if not self._settle(frame, delivery):
                    return delivery
        return None

    def _settle(self, frame: ExportRequest, delivery: Delivery) -> bool:
        """Handle the result of a request; return True to send the next one."""
        if delivery.state in TEMPORARY:
            self._backoff.fail(delivery.after)
            if delivery.state == "unsupported":
                self._stop_recording()
            self._warn(delivery.state, self._why_not(delivery))
            return False
        self._queue.remove(frame)
        self._backoff.succeed()
        self._go_on_recording()
        if delivery.state == "delivered":
            if self._denied_rows:
                logger.warning("driftline: %s accepts records again (rows lost: %d)", self._name(), self._denied_rows)
                self._denied_rows, self._next_denied_line = 0, 0.0
            self._heed(frame, delivery)
        elif frame.rows and delivery.denied:
            self._deny(frame.rows, delivery)
        elif frame.rows:
            self._lose(frame.rows, "refused")
            self._warn(
                "refused", f"driftline: {self._name()} refused a record: {delivery.reason} (rows lost: {frame.rows})"
            )
        return True

    def _deny(self, rows: int, delivery: Delivery) -> None:
        """Count rows that this sender may not send, and log the fix now and every ten minutes.

        The OTLP specification does not allow to retry them.
        """
        self._lose(rows, "refused")
        self._denied_rows += rows
        if time.monotonic() >= self._next_denied_line:
            self._next_denied_line = time.monotonic() + LOSS_SECONDS
            logger.error(
                "driftline: %s refused records: %s; %s (rows lost so far: %d)",
                self._name(), delivery.reason, delivery.fix, self._denied_rows,
            )  # fmt: skip

    def _why_not(self, delivery: Delivery) -> str:
        """Return the log line for a request that will be sent again."""
        name = self._name()
        if delivery.fix:
            return f"driftline: {name}: {delivery.fix}; the last {QUEUE_BYTES >> 20} MB are kept in memory"
        if delivery.nothing_listens:
            return (
                f"driftline: nothing listens on {name} (start 'driftline up' or set DRIFTLINE_ENDPOINT); "
                f"the last {QUEUE_BYTES >> 20} MB are kept in memory"
            )
        if delivery.state == "unreachable":
            return (
                f"driftline: {name} cannot be reached: {delivery.reason}; check DRIFTLINE_ENDPOINT and the network; "
                f"the last {QUEUE_BYTES >> 20} MB are kept in memory"
            )
        if delivery.state == "retry":
            return f"driftline: {name} is busy ({delivery.reason}); trying again"
        return (
            f"driftline: {name} does not accept OTLP logs ({delivery.reason}), so predictions are not recorded, only "
            "sampled spans are sent, and outcomes wait in memory; set DRIFTLINE_ENDPOINT to the address of a "
            "'driftline up', or add a logs pipeline to the Collector"
        )

    def _stop_recording(self) -> None:
        """Mark spans as unrecorded until the receiver supports logs; outcomes stay in the queue."""
        if self._unsupported == 0:
            self._convert()  # spans of those rows have recorded=true
            self.recording = False
        self._unsupported += 1

    def _go_on_recording(self) -> None:
        """Record again after the receiver starts to support logs."""
        if self._unsupported:
            self._convert()  # spans of those rows have recorded=false
            self._unsupported, self.recording = 0, True
            if FAULTS.once(f"supported {self._name()}"):
                logger.info("driftline: %s accepts OTLP logs now; predictions are recorded again", self._name())

    def _heed(self, frame: ExportRequest, delivery: Delivery) -> None:
        """Handle a receiver's answer to an accepted request; rejected records must not be sent again."""
        if delivery.rejected:  # number of log records: one for all predictions, one per outcome
            lost = frame.rows if frame.predictions else min(delivery.rejected, frame.rows)
            self._lose(lost, "rejected")
            self._warn(
                "rejected",
                f"driftline: {self._name()} rejected {lost} of {frame.rows} rows: {delivery.reason}; further "
                "rejections are only counted",
            )
        elif delivery.reason:
            self._warn("warning", f"driftline: {self._name()} accepted a record with a warning: {delivery.reason}")

    def _lose(self, rows: int, reason: str) -> None:
        self._missing += rows
        try:
            count_dropped(rows, reason)
        except Exception as error:  # the application's meter can raise
            FAULTS.swallow("counts", error)

    def _warn(self, kind: str, line: str) -> None:
        if FAULTS.once(f"{kind} {self._name()}"):
            logger.warning("%s", line)


def _let_go(entry: Entry) -> None:
    """End the span of an entry that will not be read."""
    if isinstance(entry, UnmadePrediction):
        abandon_deferred(make_prediction(entry))
    elif isinstance(entry, Prediction):
        abandon_deferred(entry)


def _measure(entry: Entry) -> tuple[int, int]:
    if isinstance(entry, UnmadePrediction):
        return entry.cost, 1
    if isinstance(entry, TrainingRecord):
        return TrainingRecord.size, 1
    return (ROW_BYTES, 1) if isinstance(entry, Outcome) else measure_entry(entry)


SILENT = Pipeline(lambda: open_channel(endpoint()), recording=False)
"""A closed pipeline, for models if ``OTEL_SDK_DISABLED`` is set."""
SILENT.close()

_lock = threading.Lock()
_default: Pipeline | None = None
_given: weakref.WeakValueDictionary[int, Pipeline] = weakref.WeakValueDictionary()
_configured: str | None = None
confirming: Callable[[Endpoint], OutcomeChannel] = HttpChannel
"""Opens the channel of ``Model.outcomes``; tests replace it."""


def pipeline_of(channel: Channel | None, metrics: Channel | None = None) -> Pipeline:
    """Return the pipeline of a channel; without a channel, the pipeline of the process's endpoint.

    ``metrics``: channel of the distributions if they do not use the process's own channel; None = no distributions.
    """
    global _default
    with _lock:
        if channel is None:
            if _default is None:
                _load("logs")
                reporter = None
                if metrics_wanted(configured=_configured is not None):
                    _load("metrics")
                    environ = os.environ if _configured else with_declared("metrics", os.environ)
                    reporter = Reporter(
                        lambda: open_channel(endpoint("metrics")),
                        interval=interval(environ),
                        cumulative=is_cumulative(environ),
                    )
                _default = Pipeline(
                    lambda: open_channel(endpoint()),
                    recording=_configured is not None or not records_silenced(),
                    reporter=reporter,
                )
            return _default
        pipeline = _given.get(id(channel))
        if pipeline is None:
            reporter = None if metrics is None else Reporter(lambda: metrics, cumulative=is_cumulative())
            pipeline = _given[id(channel)] = Pipeline(lambda: channel, reporter=reporter)
        return pipeline


def _load(signal: Signal) -> None:
    """Import the packages of a channel, or log why that fails: making a Model must not fail."""
    try:
        load(endpoint(signal))
    except Exception as error:
        warn_unopened(signal, error)


def endpoint(signal: Signal = "logs") -> Endpoint:
    """Return the destination of this process's records and outcomes, or of its distributions."""
    return resolve(_configured, signal=signal)


def use_endpoint(url: str | None) -> None:
    """Send records and outcomes of this process to this URL, which wins over the environment."""
    global _configured
    _configured = url
