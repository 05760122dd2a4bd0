"""Convert OTLP/JSON requests to protobuf, which is decoded and forwarded.

OTLP/JSON is the JSON of protobuf with one difference: trace and span ids are hexadecimal, not base64 (OpenTelemetry
protocol specification, "JSON Protobuf Encoding"). Unpaired surrogates, which JavaScript allows but protobuf does not,
become question marks.
"""

from __future__ import annotations

import base64
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from driftline_processor.core.decode.requests import MAX_MESSAGES, Malformed, TooManyMessages
from driftline_processor.core.decode.untrusted_json import load_json
from driftline_processor.receipts import Signal

_REQUESTS: dict[Signal, type[Message]] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
_LISTS: dict[Signal, tuple[str, str, str]] = {
    "traces": ("resource_spans", "scope_spans", "spans"),
    "logs": ("resource_logs", "scope_logs", "log_records"),
    "metrics": ("resource_metrics", "scope_metrics", "metrics"),
}
"""The lists of a request, of a resource and of a scope."""

_IDS = frozenset(("traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"))


def protobuf_of(signal: Signal, body: bytes) -> bytes:
    """Return an OTLP/JSON request as protobuf; unknown fields are left out. Raises Malformed.

    >>> protobuf_of("logs", b'{"resourceLogs": []}')
    b''
    """
    if body.count(b"{") > MAX_MESSAGES:  # each takes 6 µs: 6 KB of empty ones, packed, took 12 seconds
        raise TooManyMessages(
            f"the request contains more than {MAX_MESSAGES:,} objects; split it into smaller requests"
        )
    try:
        document = _with_base64_ids(load_json(body))
        if not isinstance(document, dict):
            raise TypeError("it is not an object")
        _check_lists(signal, document)
        return bytes(ParseDict(document, _REQUESTS[signal](), ignore_unknown_fields=True).SerializeToString())
    except (ValueError, ParseError, RecursionError, TypeError, AttributeError, OverflowError) as error:
        raise Malformed(f"not an OTLP/JSON request for {signal}: {str(error)[:200]}") from None


def _check_lists(signal: Signal, document: dict[str, Any]) -> None:
    """Raise ValueError if a request, resource or scope has an unknown key in place of its list.

    OTLP requires that unknown keys are ignored, but a request of another signal or a misspelt key would be accepted
    without its rows.
    """
    kind, objects = _REQUESTS[signal].DESCRIPTOR, [document]
    for name in _LISTS[signal]:
        rows = kind.fields_by_name[name]
        known = {key for field in kind.fields for key in (field.name, field.json_name)}
        below: list[Any] = []
        for one in objects:
            found = one.get(rows.json_name, one.get(name))
            if not one.keys() & {rows.json_name, name} and (unknown := sorted(one.keys() - known)):
                flat = unknown[0].replace("_", "").lower()
                others = [other for other, lists in _LISTS.items() if lists[0].replace("_", "") == flat]
                fix = f"; send {others[0]} to /v1/{others[0]}" if others and others[0] != signal else ""
                raise ValueError(f"it has the key '{unknown[0][:60]}' instead of '{rows.json_name}'{fix}")
            below += [child for child in found if isinstance(child, dict)] if isinstance(found, list) else []
        kind, objects = rows.message_type, below


def _with_base64_ids(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_with_base64_ids(child) for child in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64encode(bytes.fromhex(child)).decode()
        if key in _IDS and isinstance(child, str)
        else _with_base64_ids(child)
        for key, child in value.items()
    }
