"""The requests of the conformance suite: small, valid or deliberately wrong, for each signal and encoding."""

from __future__ import annotations

import base64
import gzip
import json
import time
from typing import Any, Literal

from driftline.semconv import attributes as names
from driftline.semconv import events
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from msgspec import Struct
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

Encoding = Literal["protobuf", "JSON"]

MEDIA: dict[Encoding, str] = {"protobuf": "application/x-protobuf", "JSON": "application/json"}

MIB = 1 << 20

SOURCE = "otlp-conformance"
"""Name of the service, the scope, the span and the metric in all requests."""

UNUSABLE = 2
"""Items that a receiver may reject, in each request that has one more item that it should accept."""

_DAY = 86_400 * 10**9
_UNKNOWN_FIELD = 1000
"""Number of a field that no message of OTLP has."""


class Signal(Struct, frozen=True):
    """A signal of OTLP.

    Attributes:
        name: As in the path ``/v1/traces``.
        service: Full name of the gRPC service.
        request: Class of the request.
        response: Class of the response.
        rejected: Field of ``partial_success`` with the number of rejected items.
    """

    name: str
    service: str
    request: type[Message]
    response: type[Message]
    rejected: str


_PACKAGE = "opentelemetry.proto.collector"
TRACES = Signal(
    "traces",
    f"{_PACKAGE}.trace.v1.TraceService",
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
    "rejected_spans",
)
METRICS = Signal(
    "metrics",
    f"{_PACKAGE}.metrics.v1.MetricsService",
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
    "rejected_data_points",
)
LOGS = Signal(
    "logs",
    f"{_PACKAGE}.logs.v1.LogsService",
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
    "rejected_log_records",
)
SIGNALS = (TRACES, METRICS, LOGS)


class Request(Struct, frozen=True):
    """A request over either transport; equal requests are sent once.

    Attributes:
        words: What is sent, for the results.
        signal: The signal, and so the path or the gRPC service.
        body: The message, not compressed.
        encoding: How ``body`` is encoded; gRPC only has protobuf.
        padding: Bytes of an unknown field that are sent after ``body``.
        compressed: Whether gzip is used.
        damaged: Whether ``body`` is sent as it is although its gzip compression is announced.
        method: HTTP method.
        path: Path below the URL of the endpoint; "" = that of the signal.
        media: Content-Type; "" = that of the encoding.
    """

    words: str
    signal: Signal
    body: bytes
    encoding: Encoding = "protobuf"
    padding: int = 0
    compressed: bool = False
    damaged: bool = False
    method: str = "POST"
    path: str = ""
    media: str = ""

    @property
    def message(self) -> bytes:
        """The body with its padding."""
        return self.body + unknown_field(self.padding) if self.padding else self.body

    @property
    def content(self) -> bytes:
        """The body of the HTTP request."""
        return gzip.compress(self.message, 1) if self.compressed else self.message

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the HTTP request."""
        headers = {"content-type": self.media or MEDIA[self.encoding]}
        return {**headers, "content-encoding": "gzip"} if self.compressed or self.damaged else headers


class Requests:
    """Makes requests with times around now, so that no receiver rejects them for their age."""

    def __init__(self) -> None:
        self._now = time.time_ns()

    def valid(self, signal: Signal, encoding: Encoding = "protobuf", *, compressed: bool = False) -> Request:
        """Return a request with one item that every receiver should accept."""
        words = f"{signal.name} as {encoding}" + (", gzip" if compressed else "")
        return Request(words, signal, _encode(self._message(signal), encoding), encoding, compressed=compressed)

    def concurrent(self, signal: Signal, number: int) -> Request:
        """Return one of several requests that are sent at the same time."""
        return Request(f"{signal.name} {number} at once", signal, bytes(self._message(signal).SerializeToString()))

    def empty(self, signal: Signal, encoding: Encoding = "protobuf") -> Request:
        """Return a request without telemetry."""
        return Request(f"empty {signal.name} as {encoding}", signal, b"" if encoding == "protobuf" else b"{}", encoding)

    def unknown_field(self, signal: Signal) -> Request:
        """Return a protobuf request with a field of a later version."""
        words = f"{signal.name} as protobuf with the unknown field {_UNKNOWN_FIELD}"
        return Request(words, signal, bytes(self._message(signal).SerializeToString()), padding=8)

    def unknown_json_fields(self) -> Request:
        """Return a JSON request that has unknown fields in the request, the resource, the span and an attribute."""
        document = json_of(self._message(TRACES))
        group = document["resourceSpans"][0]
        span = group["scopeSpans"][0]["spans"][0]
        for place in (document, group["resource"], span, span["attributes"][0]):
            place["fieldOfALaterVersion"] = {"values": [1, "two", None]}
        return Request("traces as JSON with unknown fields", TRACES, json.dumps(document).encode(), "JSON")

    def json_span(self, words: str, **fields: object) -> Request:
        """Return a JSON request whose span has other values in some fields."""
        document = json_of(self._message(TRACES))
        document["resourceSpans"][0]["scopeSpans"][0]["spans"][0].update(fields)
        return Request(f"traces as JSON, {words}", TRACES, json.dumps(document).encode(), "JSON")

    def json_times(self, kind: type[int] | type[str]) -> Request:
        """Return a JSON request whose 64-bit integers are numbers or texts."""
        words = f"64-bit integers as {'numbers' if kind is int else 'strings'}"
        fields = {"startTimeUnixNano": kind(self._now), "endTimeUnixNano": kind(self._now)}
        return self.json_span(words, **fields)

    def mistimed(self, signal: Signal) -> Request:
        """Return one usable span or record, and two predictions of a time that Driftline rejects, 400 days ahead.

        Only an attribute has this time: a time series database that is given a point of the future may reject others.
        """
        message = self._message(signal)
        for _ in range(UNUSABLE):
            item = self._add(message, signal)
            if signal is LOGS:
                item.event_name = events.ML_PREDICTION
            item.attributes.add(key=names.ML_MODEL_NAME).value.string_value = SOURCE
            item.attributes.add(key=names.ML_PREDICTION_SCORE).value.double_value = 0.5
            time_of_prediction = item.attributes.add(key=names.DRIFTLINE_PREDICTION_TIME_UNIX_NANO).value
            time_of_prediction.int_value = self._now + 400 * _DAY
        return self._partly(signal, "as predictions 400 days ahead", message)

    def without_ids(self) -> Request:
        """Return one usable span, and two with ids of zeroes, which OTLP calls invalid."""
        message = self._message(TRACES)
        for _ in range(UNUSABLE):
            span = self._add(message, TRACES)
            span.trace_id, span.span_id = bytes(16), bytes(8)
        return self._partly(TRACES, "with ids of zeroes", message)

    def without_values(self) -> Request:
        """Return one usable data point, and two without a value."""
        message = self._message(METRICS)
        for _ in range(UNUSABLE):
            self._add(message, METRICS).ClearField("as_double")
        return self._partly(METRICS, "without a value", message)

    def _partly(self, signal: Signal, words: str, message: Message) -> Request:
        return Request(
            f"{signal.name}, {UNUSABLE} of {UNUSABLE + 1} {words}", signal, bytes(message.SerializeToString())
        )

    def undecodable(self, signal: Signal, encoding: Encoding = "protobuf") -> Request:
        """Return a request that cannot be decoded: it ends early."""
        body = b"\x0a\xff\xff\xff" if encoding == "protobuf" else b'{"resource'
        return Request(f"{encoding} that ends early", signal, body, encoding)

    def damaged(self, signal: Signal) -> Request:
        """Return a request whose Content-Encoding is gzip, and whose body is not."""
        return Request("a body that is not the announced gzip", signal, b"not gzip", damaged=True)

    def misdirected(self, signal: Signal) -> list[Request]:
        """Return requests with an unknown path, another method and another type."""
        return [
            Request("POST to an unknown path", signal, self.valid(signal).body, path="/v1/otlp-conformance"),
            Request("GET", signal, b"", method="GET"),
            Request("POST of text/plain", signal, b"text", media="text/plain"),
        ]

    def padded(self, signal: Signal, size: int, *, compressed: bool) -> Request:
        """Return a request of so many bytes without telemetry: all of it is a field of a later version."""
        words = f"{size / MIB:g} MiB" + (" after gzip decompression" if compressed else "")
        return Request(words, signal, b"", padding=size, compressed=compressed)

    def _message(self, signal: Signal) -> Any:
        message: Any = signal.request()
        group = {"traces": "resource_spans", "metrics": "resource_metrics", "logs": "resource_logs"}[signal.name]
        resource = getattr(message, group).add()
        resource.resource.attributes.add(key=names.SERVICE_NAME).value.string_value = SOURCE
        scope = getattr(resource, group.replace("resource", "scope")).add()
        scope.scope.name = SOURCE
        self._add(message, signal)
        return message

    def _add(self, message: Any, signal: Signal) -> Any:
        """Add an item to a message and return it."""
        if signal is TRACES:
            spans = message.resource_spans[0].scope_spans[0].spans
            span_id = (self._now + len(spans)).to_bytes(8, "big")
            times = {"start_time_unix_nano": self._now, "end_time_unix_nano": self._now + 1000}
            item = spans.add(name=SOURCE, kind=2, trace_id=2 * span_id, span_id=span_id, **times)
        elif signal is LOGS:
            records = message.resource_logs[0].scope_logs[0].log_records
            item = records.add(time_unix_nano=self._now, observed_time_unix_nano=self._now, severity_number=9)
            item.body.string_value = SOURCE
        else:
            metric = message.resource_metrics[0].scope_metrics[0].metrics.add(name=SOURCE, unit="1")
            item = metric.gauge.data_points.add(time_unix_nano=self._now, as_double=1.0)
        # long enough that gzip makes the message smaller: gRPC compresses no other
        item.attributes.add(key="padding").value.string_value = "otlp " * 40
        return item


def unknown_field(size: int) -> bytes:
    """Return a field that OTLP does not have, of ``size`` bytes, or one less.

    >>> len(unknown_field(1000)), unknown_field(8)
    (1000, b'\\xc2>\\x05\\x00\\x00\\x00\\x00\\x00')
    """
    tag = _varint(_UNKNOWN_FIELD << 3 | 2)
    zeroes = size - len(tag) - len(_varint(size))
    return tag + _varint(zeroes) + bytes(zeroes)


def json_of(message: Message) -> dict[str, Any]:
    """Return a message as OTLP/JSON: ids in hexadecimal, enum values as integers."""
    document: dict[str, Any] = _with_hex_ids(MessageToDict(message, use_integers_for_enums=True))
    return document


def _encode(message: Message, encoding: Encoding) -> bytes:
    return bytes(message.SerializeToString()) if encoding == "protobuf" else json.dumps(json_of(message)).encode()


def _with_hex_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_hex_ids(child) for child in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64decode(child).hex() if key in ("traceId", "spanId") else _with_hex_ids(child)
        for key, child in value.items()
    }


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
