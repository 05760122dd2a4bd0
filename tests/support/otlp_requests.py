"""Requests as any OpenTelemetry SDK makes them, built by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from driftline.semconv import attributes as a
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

NOW = 1_800_000_000_000_000_000
FEATURE = a.DRIFTLINE_FEATURE_VALUE + "."
SLICE = a.DRIFTLINE_SLICE_VALUE + "."


def value(thing: object) -> AnyValue:
    """Return a Python value as an SDK would send it; None is an AnyValue without a value."""
    if thing is None:
        return AnyValue()
    if isinstance(thing, bool):
        return AnyValue(bool_value=thing)
    if isinstance(thing, int):
        return AnyValue(int_value=thing)
    if isinstance(thing, float):
        return AnyValue(double_value=thing)
    if isinstance(thing, str):
        return AnyValue(string_value=thing)
    if isinstance(thing, bytes):
        return AnyValue(bytes_value=thing)
    if isinstance(thing, dict):
        return AnyValue(kvlist_value=KeyValueList(values=attributes(thing)))
    assert isinstance(thing, Sequence)
    return AnyValue(array_value=ArrayValue(values=[value(element) for element in thing]))


def attributes(things: dict[str, Any] | Iterable[tuple[str, Any]]) -> list[KeyValue]:
    """Return attributes in order; pairs may repeat a key."""
    pairs = things.items() if isinstance(things, dict) else things
    return [KeyValue(key=key, value=value(thing)) for key, thing in pairs]


def span(things: dict[str, Any] | Iterable[tuple[str, Any]], row: int = 0, **fields: Any) -> Span:
    """Return a span of one millisecond that starts ``row`` nanoseconds after ``NOW``."""
    return Span(
        **{
            "trace_id": (row + 1).to_bytes(16, "big"),
            "span_id": (row + 1).to_bytes(8, "big"),
            "start_time_unix_nano": NOW + row,
            "end_time_unix_nano": NOW + row + 1_000_000,
            "attributes": attributes(things),
            **fields,
        }
    )


def record(event: str, things: dict[str, Any] | Iterable[tuple[str, Any]], **fields: Any) -> LogRecord:
    """Return a log record of that event name at ``NOW``."""
    return LogRecord(**{"event_name": event, "time_unix_nano": NOW, "attributes": attributes(things), **fields})


def traces(spans: Iterable[Span], environment: str | None = None, scope: str = "") -> bytes:
    """Return the body of a trace request with one resource and one scope."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    if environment is not None:
        resource.resource.attributes.extend(attributes({a.DEPLOYMENT_ENVIRONMENT_NAME: environment}))
    into = resource.scope_spans.add()
    into.scope.name = scope
    into.spans.extend(spans)
    return bytes(request.SerializeToString())


def logs(records: Iterable[LogRecord], environment: str | None = None, scope: str = "") -> bytes:
    """Return the body of a logs request with one resource and one scope."""
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    if environment is not None:
        resource.resource.attributes.extend(attributes({a.DEPLOYMENT_ENVIRONMENT_NAME: environment}))
    into = resource.scope_logs.add()
    into.scope.name = scope
    into.log_records.extend(records)
    return bytes(request.SerializeToString())
