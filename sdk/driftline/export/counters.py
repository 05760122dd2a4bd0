"""Counters ``ml.predictions`` and ``driftline.sdk.*``: one ``add(n)`` per flush, by the application's meters.

Rows that a full buffer dropped are predictions too: they are counted, with their durations.
"""

from __future__ import annotations

import contextlib
import threading
from array import array
from collections import Counter as Count
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from opentelemetry import metrics as otel_metrics

from driftline.capture.deferred import UnmadePrediction
from driftline.capture.model_identity import SCOPE, VERSION, Identity
from driftline.capture.outcome import Outcome
from driftline.capture.prediction import Prediction
from driftline.capture.training_record import TrainingRecord
from driftline.loss_counters import UNRECORDED, UNUSABLE
from driftline.semconv import SCHEMA_URL, metrics
from driftline.semconv import attributes as a

from .resource import instance_of

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter, MeterProvider

    from driftline.capture.buffer import BufferedRow
    from driftline.capture.model_identity import Identity
    from driftline.tables.table import F64


_counters: dict[tuple[MeterProvider | None, str, bool], Counter] = {}
_instead: MeterProvider | None = None
INSTRUMENTS: list[Any] = []
"""Every instrument of Driftline in this process."""


def redirect_counts(provider: MeterProvider) -> Callable[[], None]:
    """Count only in this provider until the returned function is called. For tests."""
    global _counters, _instead
    before = _counters, _instead
    _counters, _instead = {}, provider

    def put_back() -> None:
        global _counters, _instead
        _counters, _instead = before

    return put_back


def is_redirected() -> bool:
    """Return True while a test counts everything in a provider of its own."""
    return _instead is not None


def forget_inherited() -> None:
    """Drop the sums that a forked child inherits, which its parent sends.

    The child would send them again with its own ``service.instance.id``. OpenTelemetry's SDK has no public method for
    this; without its attributes, nothing is dropped.
    """
    UNRECORDED.drain()
    UNUSABLE.drain()
    for instrument in INSTRUMENTS:
        with contextlib.suppress(AttributeError):
            real = getattr(instrument, "_real_instrument", instrument)  # of a proxy, made before the provider was set
            for storage in real._measurement_consumer._reader_storages.values():
                storage._instrument_view_instrument_matches.pop(real, None)


def count(identity: Identity, counts: Count[tuple[str, str]]) -> None:
    """Add predictions by predicted class and error type."""
    counter = _counter(identity.meter_provider, metrics.ML_PREDICTIONS, rowless=identity.capture == "none")
    instance = instance_of(identity)
    for (decided, error), n in counts.items():
        attributes = {a.ML_MODEL_NAME: identity.name}
        if instance:
            attributes[a.SERVICE_INSTANCE_ID] = instance
        if identity.version:
            attributes[a.ML_MODEL_VERSION] = identity.version
        if decided:
            attributes[a.ML_PREDICTION_CLASS] = decided
        if error:
            attributes[a.ERROR_TYPE] = error
        counter.add(n, attributes)


def count_own(dropped: int, faults: Count[str]) -> None:
    """Add rows dropped by a full buffer, internal errors by type, and unrecorded predictions and values by reason."""
    count_dropped(dropped, "buffer_full")
    for kind, n in faults.items():
        _counter(None, metrics.DRIFTLINE_SDK_FAULTS).add(n, {a.ERROR_TYPE: kind})
    for (model, reason), n in UNRECORDED.drain().items():
        _counter(None, metrics.DRIFTLINE_SDK_UNRECORDED_PREDICTIONS).add(
            n, {a.ML_MODEL_NAME: model, a.DRIFTLINE_REASON: reason}
        )
    for reason, n in UNUSABLE.drain().items():
        _counter(None, metrics.DRIFTLINE_SDK_UNUSABLE_VALUES).add(n, {a.DRIFTLINE_REASON: reason})


def count_dropped(rows: int, reason: str) -> None:
    """Add rows that will not be sent, or not again. ``reason``: a constant."""
    if rows:
        _counter(None, metrics.DRIFTLINE_SDK_DROPPED_ROWS).add(rows, {a.DRIFTLINE_REASON: reason})


def _counter(provider: MeterProvider | None, name: str, *, rowless: bool = False) -> Counter:
    """Return the counter of a metric; ``rowless`` counters count predictions without records."""
    provider = _instead or provider
    key = (provider, name, rowless)
    counter = _counters.get(key)
    if counter is None:
        attributes = {a.DRIFTLINE_CAPTURE: "metrics"} if rowless else None
        meter = otel_metrics.get_meter(SCOPE, VERSION, provider, SCHEMA_URL, attributes)
        counter = meter.create_counter(
            name, unit=metrics.INSTRUMENTS[name].unit, description=metrics.DESCRIPTIONS[name]
        )
        _counters[key] = counter
        INSTRUMENTS.append(counter)
    return counter


class DroppedRows:
    """The dropped predictions of each model and error type, with their durations.

    Called on the thread that fills the buffer: 1.5 µs per dropped row.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Clear the counts and replace the lock, after a fork."""
        self._lock = threading.Lock()
        self._calls: dict[tuple[Identity, str], tuple[Count[str], array[float]]] = {}

    def note(self, entry: Prediction | BufferedRow | UnmadePrediction | Outcome | TrainingRecord) -> None:
        """Count a dropped entry."""
        if isinstance(entry, Outcome | TrainingRecord):
            return
        if isinstance(entry, UnmadePrediction):
            identity, error, took, rows = entry.plan.identity, "", entry.elapsed, 1
        elif isinstance(entry, Prediction):
            identity, error, took, rows = entry.plan.identity, entry.error, entry.elapsed, entry.count
        else:
            identity, error, took, rows = entry[0].identity, entry[9], entry[4], 1
        with self._lock:
            calls = self._calls.setdefault((identity, error), (Count(), array("d")))
            calls[0]["rows"] += rows
            calls[1].append(took * 1e-9)

    def drain(self) -> list[tuple[Identity, str, int, F64]]:
        """Return the model, error type, rows, and seconds per call, of the calls dropped since the last time."""
        with self._lock:
            calls, self._calls = self._calls, {}
        return [(*key, rows["rows"], np.array(seconds)) for key, (rows, seconds) in calls.items()]
