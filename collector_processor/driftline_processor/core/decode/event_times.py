"""Event times that cannot be used: before 1970, or too far ahead of the wall clock.

The analysis leaves their rows out, and a receiver reports them to the sender. Most requests have none, which
:func:`has_late_times` finds at a tenth of the cost of decoding: it compares the times of the messages, and reads an
attribute only if its bytes are those of a late time.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from operator import attrgetter
from typing import Any, Final

import numpy as np
from driftline.semconv import attributes as a
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
_ROW_TIMES: Final = (a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO, a.DRIFTLINE_OUTCOME_TIME_UNIX_NANO)

_started, _time, _observed = map(attrgetter, ("start_time_unix_nano", "time_unix_nano", "observed_time_unix_nano"))


def timely(times: I64, now: int) -> NDArray[np.bool_]:
    """Return which times of rows can be used; ``now``: unix nanoseconds.

    >>> timely(np.array([0, 5, LATEST + 5]), 5)
    array([False,  True, False])
    """
    return (times > 0) & (times < now + LATEST)


def has_late_times(request: Any, body: bytes, now: int, metrics: Container[str] = ()) -> bool:
    """Return True if a request may have rows or points whose time is too far ahead; False is almost certain.

    Args:
        request: The message.
        body: Its bytes.
        now: Unix nanoseconds.
        metrics: Names of the metrics that are read.
    """
    if isinstance(request, ExportTraceServiceRequest):
        spans = (scope.spans for resource in request.resource_spans for scope in resource.scope_spans)
        return _is_late(spans, _started, now + LATEST) or _has_late_attribute(body, now + LATEST)
    if isinstance(request, ExportMetricsServiceRequest):
        return _is_late(_points(request, metrics), _time, now + LATEST_POINT)
    records = [scope.log_records for resource in request.resource_logs for scope in resource.scope_logs]
    return (
        _is_late(records, _time, now + LATEST)
        or _is_late(records, _observed, now + LATEST)
        or _has_late_attribute(body, now + LATEST)
        or (_BATCH in body and _has_late_batch(request, now + LATEST))
    )


def _is_late(messages: Iterable[Iterable[Any]], time_of: attrgetter[int], late: int) -> bool:
    return any(max(map(time_of, group), default=0) >= late for group in messages)


def _points(request: ExportMetricsServiceRequest, names: Container[str]) -> Iterable[Iterable[Any]]:
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                if metric.name in names and (kind := metric.WhichOneof("data")):
                    yield getattr(metric, kind).data_points


def _has_late_batch(request: ExportLogsServiceRequest, late: int) -> bool:
    return any(
        name_of(record) == events.DRIFTLINE_PREDICTION_BATCH and newest_time(record) >= late
        for resource in request.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    )


def _has_late_attribute(body: bytes, late: int) -> bool:
    """Return True if an integer attribute of the time of a row may be at least ``late``, with a resolution of 7 days.

    The value is a varint: nine bytes of seven bits, the lowest ones first, so that the last two are a bound.
    """
    if not any(name.encode() in body for name in _ROW_TIMES):
        return False
    high, low = late >> 56, late >> 49 & 0x7F
    last_two = rb"(?:[\x80-\xff][\x%02x-\x7f]|[\x%02x-\xff]\x%02x)" % (high + 1, low | 0x80, high)
    names = b"|".join(re.escape(name.encode()) for name in _ROW_TIMES)
    return re.search(b"(?:%b)\x12\x0a\x18.{7}%b" % (names, last_two), body, re.DOTALL) is not None
