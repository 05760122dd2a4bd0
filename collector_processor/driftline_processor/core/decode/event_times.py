"""Event times that cannot be used: before 1970, or too far ahead of the wall clock.

The analysis leaves their rows out, and a receiver reports them to the sender. Most requests have none, which
:func:`has_future_times` finds at 1 % of the cost of a request: it compares the times of the messages, and the highest
bits of attributes.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from operator import attrgetter
from typing import Any, Final

import numpy as np
from driftline.semconv import events
from driftline.tables.table import I64
from numpy.typing import NDArray
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from .otlp_rows import name_of
from .prediction_batches import newest_time

LATEST: Final = 366 * 86_400 * 10**9
"""Nanoseconds ahead of the wall clock from which the time of a row is invalid."""

LATEST_POINT: Final = 3_600 * 10**9
"""Nanoseconds ahead of the wall clock beyond which the time of a metric point is invalid."""

_BATCH: Final = events.DRIFTLINE_PREDICTION_BATCH.encode()

_INTEGER_TIME: Final = b".time_unix_nano\x12\x0a\x18"
"""The end of the key of ``driftline.prediction.time_unix_nano`` or of outcomes, and an integer of nine bytes."""

_SAMPLE: Final = 1 << 16
"""Bytes at either end of a request that are searched for such a key: rows of a sender have equal keys."""

_started, _time, _observed = map(attrgetter, ("start_time_unix_nano", "time_unix_nano", "observed_time_unix_nano"))


def timely(times: I64, now: int) -> NDArray[np.bool_]:
    """Return which times of rows can be used; ``now``: unix nanoseconds.

    >>> timely(np.array([0, 5, LATEST + 5]), 5)
    array([False,  True, False])
    """
    return (times > 0) & (times < now + LATEST)


def has_future_times(request: Any, body: bytes, now: int, metrics: Container[str] = ()) -> bool:
    """Return True if a request may have rows or points whose time is too far ahead.

    False is certain for the times of messages. Attributes and batches are found if the first or last 64 KiB of the
    request have one.

    Args:
        request: The message.
        body: Its bytes.
        now: Unix nanoseconds.
        metrics: Names of the metrics that are read.
    """
    if isinstance(request, ExportTraceServiceRequest):
        spans = (scope.spans for resource in request.resource_spans for scope in resource.scope_spans)
        return _is_future(spans, _started, now + LATEST) or _has_future_attribute(body, now + LATEST)
    if isinstance(request, ExportMetricsServiceRequest):
        return _is_future(_points(request, metrics), _time, now + LATEST_POINT)
    records = [scope.log_records for resource in request.resource_logs for scope in resource.scope_logs]
    times = [list(map(_time, group)) for group in records]
    return (
        any(max(group, default=0) >= now + LATEST for group in times)
        or (any(0 in group for group in times) and _is_future(records, _observed, now + LATEST))
        or _has_future_attribute(body, now + LATEST)
        or (_in_sample(_BATCH, body) and _has_future_batch(request, now + LATEST))
    )


def _is_future(messages: Iterable[Iterable[Any]], time_of: attrgetter[int], limit: int) -> bool:
    return any(max(map(time_of, group), default=0) >= limit for group in messages)


def _points(request: ExportMetricsServiceRequest, names: Container[str]) -> Iterable[Iterable[Any]]:
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                if metric.name in names and (kind := metric.WhichOneof("data")):
                    yield getattr(metric, kind).data_points


def _has_future_batch(request: ExportLogsServiceRequest, limit: int) -> bool:
    return any(
        name_of(record) == events.DRIFTLINE_PREDICTION_BATCH and newest_time(record) >= limit
        for resource in request.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    )


def _has_future_attribute(body: bytes, limit: int) -> bool:
    """Return True if an integer attribute may set the time of a row to ``limit`` or later, to within 7 days."""
    if not _in_sample(_INTEGER_TIME, body):
        return False
    place = body.rfind(_INTEGER_TIME)
    while place >= 0:
        value = place + len(_INTEGER_TIME)  # a varint: nine bytes of seven bits, the lowest ones first
        highest = body[value + 7 : value + 9]
        if len(highest) == 2 and (highest[1] << 7 | highest[0] & 0x7F) >= limit >> 49:
            return True
        place = body.rfind(_INTEGER_TIME, 0, place)
    return False


def _in_sample(text: bytes, body: bytes) -> bool:
    """Return True if the first or last bytes of a request contain a text: a search of all costs as much as its log."""
    return body.rfind(text, 0, _SAMPLE) >= 0 or body.rfind(text, max(_SAMPLE, len(body) - _SAMPLE)) >= 0
