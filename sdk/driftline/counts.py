"""``ml.predictions``, and what the SDK says of itself: one ``add(n)`` per flush, through the application's meters."""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Callable
from typing import TYPE_CHECKING

from opentelemetry import metrics as otel_metrics

from .identity import SCOPE, VERSION, Identity
from .resource import instance_of
from .semconv import SCHEMA_URL, metrics
from .semconv import attributes as a
from .unrecorded import UNRECORDED
from .unusable import UNUSABLE

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter, MeterProvider

_counters: dict[tuple[MeterProvider | None, str, bool], Counter] = {}
_instead: MeterProvider | None = None


def divert(provider: MeterProvider) -> Callable[[], None]:
    """Count in that provider and in no other, until what is returned is called: for tests."""
    global _counters, _instead
    before = _counters, _instead
    _counters, _instead = {}, provider

    def put_back() -> None:
        global _counters, _instead
        _counters, _instead = before

    return put_back


def count(identity: Identity, counts: Count[tuple[str, str]]) -> None:
    """Add predictions by decided class and error type."""
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
    """Add rows that a full buffer dropped, errors inside the SDK by their type, and what was not recorded by reason."""
    count_dropped(dropped, "buffer_full")
    for kind, n in faults.items():
        _counter(None, metrics.DRIFTLINE_SDK_FAULTS).add(n, {a.ERROR_TYPE: kind})
    for (model, reason), n in UNRECORDED.drain().items():
        _counter(None, metrics.DRIFTLINE_SDK_UNRECORDED).add(n, {a.ML_MODEL_NAME: model, a.DRIFTLINE_REASON: reason})
    for reason, n in UNUSABLE.drain().items():
        _counter(None, metrics.DRIFTLINE_SDK_UNUSABLE_VALUES).add(n, {a.DRIFTLINE_REASON: reason})


def count_dropped(rows: int, reason: str) -> None:
    """Add rows that will not be sent, or not again. ``reason``: a fixed word."""
    if rows:
        _counter(None, metrics.DRIFTLINE_SDK_DROPPED_ROWS).add(rows, {a.DRIFTLINE_REASON: reason})


def _counter(provider: MeterProvider | None, name: str, *, rowless: bool = False) -> Counter:
    """``rowless``: what it counts is in no record, so an analysis of rows reads the classes from here."""
    provider = _instead or provider
    key = (provider, name, rowless)
    counter = _counters.get(key)
    if counter is None:
        attributes = {a.ML_CAPTURE: "metrics"} if rowless else None
        meter = otel_metrics.get_meter(SCOPE, VERSION, provider, SCHEMA_URL, attributes)
        counter = meter.create_counter(name, unit=metrics.UNITS[name], description=metrics.DESCRIPTIONS[name])
        _counters[key] = counter
    return counter
