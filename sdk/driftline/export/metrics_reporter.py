"""Send distributions as metrics: every minute, with each flush, and at the end, on a separate thread.

A metrics receiver that hangs must not delay records. Failed reports are not kept: a report contains all counts, so the
next one replaces it.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from driftline.faults import FAULTS, logger
from driftline.settings import read

from . import lifecycle, threads
from .declarative import declared
from .endpoint import OTLP_EXPORTERS, listed_exporters
from .transport import BUSY, Channel, Delivery, State, attempt_until, suppress_instrumentation, warn_unopened

if TYPE_CHECKING:
    from driftline.batch.prediction_batch import PredictionBatch
    from driftline.capture.model_identity import Identity
    from driftline.distributions.model_distributions import Distributions
    from driftline.tables.table import F64

INTERVAL_SECONDS = 60.0
SEND_SECONDS = 30.0
"""Maximum duration of one report in seconds."""
_OVER = Delivery("retry", "no time is left")


class Reporter:
    """Thread and channel of one pipeline's distributions. The first report calls ``open_channel``."""

    def __init__(
        self,
        open_channel: Callable[[], Channel],
        *,
        interval: float = INTERVAL_SECONDS,
        cumulative: bool = True,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._cumulative = cumulative
        self._clock = clock
        self._started = clock()
        self._making = threading.Lock()
        self._distributions: Distributions | None = None
        self._open_channel = open_channel
        self._interval = interval
        self._channel: Channel | None = None
        self._closed = False
        self._resume = False
        self._begin()

    @property
    def distributions(self) -> Distributions:
        """Distributions to report; loaded with the first row, because a service may never send any."""
        if self._distributions is None:
            from driftline.distributions.model_distributions import Distributions

            with self._making:
                if self._distributions is None:
                    self._distributions = Distributions(
                        cumulative=self._cumulative, clock=self._clock, start=self._started
                    )
        return self._distributions

    def _begin(self) -> None:
        self._lock = threading.RLock()  # one report at a time
        self._stop = threading.Event()  # event of the current thread; the next thread gets its own
        self._thread: threading.Thread | None = None

    def add(self, block: PredictionBatch, *, direct: bool = False) -> None:
        """Count the rows of a block, and start the reporting thread; called on the background thread.

        ``direct``: whether the application's MeterProvider has the other scores of the model.
        """
        if block.identity.distributions == 0:
            return
        self.distributions.add(block, direct=direct)
        self._start()

    def lose(self, identity: Identity, error: str, rows: int, seconds: F64) -> None:
        """Count dropped rows, of which only the durations of their calls are known."""
        if identity.distributions:
            self.distributions.lose(identity, error, rows, seconds)

    def flush(self, timeout: float, *, again: Collection[State] = BUSY) -> bool:
        """Report new counts; return whether all of them arrived within ``timeout`` seconds.

        A receiver that does not support metrics is not a failure: the counts are kept. ``again``: states of a request
        after which another attempt is made.
        """
        deadline = time.monotonic() + timeout
        failure = attempt_until(deadline, lambda: self._attempt(deadline), again)
        return failure is None or failure.state == "unsupported"

    def _attempt(self, deadline: float) -> Delivery | None:
        """Report new counts once; return the failure, None on success."""
        if not self._lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return _OVER
        try:
            return self._report(deadline, all_of_it=False)
        except Exception as error:
            FAULTS.swallow("metrics", error)
            return Delivery("refused", type(error).__name__)
        finally:
            self._lock.release()

    def close(self) -> None:
        """Let the thread end. A last :meth:`flush` reports the remaining counts."""
        self._closed = True
        self._stop.set()

    def close_channel(self) -> None:
        """Close connections, after the last report."""
        if self._channel is not None:
            self._channel.close()

    def hold(self, timeout: float) -> bool:
        """End the thread, and block reports until :meth:`release`; return whether it ended."""
        thread, self._thread = self._thread, None
        self._stop.set()
        if not self._lock.acquire(timeout=max(0.0, timeout)):
            return False  # a report is running; the next row starts another thread, which waits for it
        if thread is not None and thread is not threading.current_thread():
            thread.join(threads.ENDING_SECONDS)
        self._resume = thread is not None
        return True

    def release(self) -> None:
        """Allow reports again, and restart the thread if there was one."""
        self._lock.release()
        if self._resume:
            self._start()

    def after_fork(self) -> None:
        """Reset in a child: the parent reports the parent's counts."""
        self._making = threading.Lock()
        self._started = self._clock()
        if self._distributions is not None:
            self._distributions.forget()
        if self._channel is not None:
            self._channel.forget()
        self._begin()

    def _start(self) -> None:
        if self._thread is None and not self._closed and not lifecycle.is_exiting():  # the end sends the last report
            lifecycle.register_exit()
            self._stop = threading.Event()
            self._thread = threads.try_thread("driftline-metrics", self._run, self._stop)

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(self._interval):
            try:
                with threads.hold_lock(self._lock, stop.is_set) as acquired:
                    if acquired:
                        self._report(time.monotonic() + SEND_SECONDS, all_of_it=True)
            except Exception as error:
                with contextlib.suppress(Exception):
                    FAULTS.swallow("metrics", error)

    def _report(self, deadline: float, *, all_of_it: bool) -> Delivery | None:
        """Send one request per model; return the failure, None on success.

        ``all_of_it``: also send counts that have not changed.
        """
        from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
        from opentelemetry.sdk.metrics.export import AggregationTemporality

        from .metric_points import metrics_data

        if self._distributions is None:
            return None  # nothing was counted
        cumulative = self._cumulative
        temporality = AggregationTemporality.CUMULATIVE if cumulative else AggregationTemporality.DELTA
        taken_streams, streams = self.distributions.take(last=self._closed)
        with suppress_instrumentation():
            for stream in streams:
                if not (stream.has_changed or (all_of_it and cumulative)):
                    continue
                now = time.monotonic()
                if now >= deadline:
                    return _OVER
                if self._channel is None:
                    try:
                        self._channel = self._open_channel()
                    except Exception as error:
                        warn_unopened("metrics", error)
                        return Delivery("unsupported", "the channel could not be opened")
                body = encode_metrics(metrics_data(stream, taken_streams, temporality)).SerializeToString()
                delivery = self._channel.send(body, deadline - now)
                if delivery.state != "delivered":
                    self._tell(delivery)
                    return delivery
                self.distributions.settle(stream, taken_streams)
                self._heed(delivery)
        return None

    def _heed(self, delivery: Delivery) -> None:
        """Log once a receiver's warning about an accepted report; rejected points must not be sent again."""
        name = "the metrics channel" if self._channel is None else self._channel.name
        kind = "rejected" if delivery.rejected else "warning"
        if delivery.reason and FAULTS.once(f"{kind} of distributions {name}"):
            problem = f"rejected {delivery.rejected} points" if delivery.rejected else "returned a warning"
            logger.warning("driftline: distributions were sent to %s, which %s: %s", name, problem, delivery.reason)

    def _tell(self, delivery: Delivery) -> None:
        """Log once why a report did not arrive."""
        name = "the metrics channel" if self._channel is None else self._channel.name
        reason = "; ".join(filter(None, (delivery.reason if delivery.denied else "", delivery.fix))) or delivery.reason
        if delivery.nothing_listens:
            reason = "nothing listens at this address"
        elif delivery.state == "unsupported":
            reason = f"it does not accept OTLP metrics ({delivery.reason})"
        if FAULTS.once(f"{delivery.state} {name}"):  # one line for both if records have the same destination
            logger.warning(
                "driftline: distributions could not be sent to %s: %s; they are still collected "
                "(OTEL_EXPORTER_OTLP_METRICS_ENDPOINT sets the address, DRIFTLINE_DISTRIBUTIONS=false turns them off)",
                name,
                reason,
            )


def interval(environ: Mapping[str, str] = os.environ) -> float:
    """Return the seconds between two reports.

    >>> interval({"OTEL_METRIC_EXPORT_INTERVAL": "5000"}), interval({"OTEL_METRIC_EXPORT_INTERVAL": "often"})
    (5.0, 60.0)
    """
    try:
        seconds = float(environ.get("OTEL_METRIC_EXPORT_INTERVAL", "")) / 1000
    except ValueError:
        return INTERVAL_SECONDS
    return seconds if seconds > 0 else INTERVAL_SECONDS


def is_cumulative(environ: Mapping[str, str] = os.environ) -> bool:
    """Return True if reports are cumulative: unless deltas are preferred.

    >>> is_cumulative({}), is_cumulative({"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "LowMemory"})
    (True, False)
    """
    preference = environ.get("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "")
    return preference.strip().lower() not in ("delta", "lowmemory")


def metrics_wanted(configured: bool, environ: Mapping[str, str] = os.environ) -> bool:
    """Return True if this process sends metrics over OTLP. ``configured``: whether code set an endpoint.

    False if only other exporters are set (``OTEL_METRICS_EXPORTER``, or the file of ``OTEL_CONFIG_FILE``), or if only
    ``DRIFTLINE_ENDPOINT`` is set, which is for records: the specification's default may have no receiver.

    >>> metrics_wanted(False, {}), metrics_wanted(False, {"OTEL_METRICS_EXPORTER": "prometheus"})
    (True, False)
    >>> metrics_wanted(False, {"DRIFTLINE_ENDPOINT": "http://driftline:4318"})
    False
    """
    file = None if configured else declared(environ)
    if file is not None and file.is_read:
        return file.metrics is not None
    if exporters := listed_exporters("metrics", environ):
        return not OTLP_EXPORTERS.keys().isdisjoint(exporters)
    places = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    is_configured = configured or any(environ.get(name, "").strip() for name in places)
    return is_configured or not read("DRIFTLINE_ENDPOINT", environ)
