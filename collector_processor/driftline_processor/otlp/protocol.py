"""The constants of OTLP: methods, content type, and answers (partial success, status, retry)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Scope

from driftline_processor.receipts import Overloaded, Receipt, Signal

METHODS: dict[str, Signal] = {
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": "traces",
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": "metrics",
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": "logs",
}

PROTOBUF, JSON = "application/x-protobuf", "application/json"

MAX_REQUEST = 20 * 2**20
"""Maximum bytes of a decompressed request; the OpenTelemetry Collector's gRPC receiver has 4 MiB."""

PATIENCE = 30.0
"""Timeout of a transaction in seconds; exporters wait 10. A retry is recognised by its digest."""

_LONGEST_RETRY = 2.0
"""Seconds. Python's exporter gives up if the delay exceeds its deadline."""

INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, FAILED_PRECONDITION = 3, 5, 7, 9
UNIMPLEMENTED, UNAVAILABLE, UNAUTHENTICATED = 12, 14, 16
"""google.rpc.Code."""

_CODES = {
    401: UNAUTHENTICATED,
    403: PERMISSION_DENIED,
    404: NOT_FOUND,
    405: UNIMPLEMENTED,
    421: FAILED_PRECONDITION,
    503: UNAVAILABLE,
}
"""google.rpc.Code by HTTP status; INVALID_ARGUMENT for all others."""

_OTLP_PATHS = ("/v1/traces", "/v1/metrics", "/v1/logs")


def response(receipt: Receipt) -> bytes:
    """Encode the ``Export{Trace,Metrics,Logs}ServiceResponse`` of a request that is on disk.

    The three messages have the same encoding. Without partial success it is empty.

    >>> response(Receipt())
    b''
    """
    partial = receipt.partial_success
    if partial is None:
        return b""
    answer = ExportLogsServiceResponse()
    answer.partial_success.rejected_log_records = partial.rejected
    answer.partial_success.error_message = partial.message
    return bytes(answer.SerializeToString())


def status(code: int, message: str, retry_after: float | None = None) -> bytes:
    """Encode a ``google.rpc.Status``; one of INVALID_ARGUMENT has BadRequest as details.

    ``retry_after``: seconds, for RetryInfo.
    """
    answer = Status(code=code, message=message)
    if code == INVALID_ARGUMENT:
        bad_request = BadRequest(field_violations=[BadRequest.FieldViolation(description=message)])
        answer.details.add().Pack(bad_request)
    if retry_after is not None:
        answer.details.add().Pack(_retry_info(retry_after))
    return bytes(answer.SerializeToString())


_RESPONSES: dict[Signal, type[Message]] = {
    "traces": ExportTraceServiceResponse,
    "metrics": ExportMetricsServiceResponse,
    "logs": ExportLogsServiceResponse,
}


def as_json(answer: bytes, signal: Signal | None) -> bytes:
    """Convert a protobuf answer to JSON; ``signal``: the exported signal, None = a ``google.rpc.Status``.

    >>> as_json(status(UNAVAILABLE, "no"), None), as_json(b"", "traces")
    (b'{"code": 14, "message": "no"}', b'{}')
    """
    message = (Status if signal is None else _RESPONSES[signal]).FromString(answer)
    return json.dumps(MessageToDict(message)).encode()


def refusal(scope: Scope, code: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    """Reject a request before its route, in the format of the request: a Status, JSON, or a line of text."""
    path = scope["path"]
    if path in _OTLP_PATHS:
        return otlp_refusal(scope, code, sentence, headers)
    if path.startswith(("/api/", "/v1/")) or scope["method"] not in ("GET", "HEAD"):
        return JSONResponse({"error": sentence}, code, headers)
    return PlainTextResponse(f"{sentence}\n", code, headers)


def otlp_refusal(
    scope: Scope,
    code: int,
    sentence: str,
    headers: Mapping[str, str] | None = None,
    retry_after: float | None = None,
) -> Response:
    """Answer with a ``google.rpc.Status`` in the encoding of the request; ``retry_after``: seconds, for RetryInfo."""
    message = status(_CODES.get(code, INVALID_ARGUMENT), sentence, retry_after)
    if content_type(scope) == JSON:
        return Response(as_json(message, None), code, headers, JSON)
    return Response(message, code, headers, PROTOBUF)


def content_type(scope: Scope) -> str:
    """Return the content type of a request without its parameters, in lower case."""
    return Headers(scope=scope).get("content-type", "").split(";")[0].strip().lower()


def malformed_metadata(message: str) -> tuple[tuple[str, bytes], ...]:
    """Return the trailing gRPC metadata of INVALID_ARGUMENT: a Status with BadRequest."""
    return (("grpc-status-details-bin", status(INVALID_ARGUMENT, message)),)


def retry_metadata(overloaded: Overloaded) -> tuple[tuple[str, bytes], ...]:
    """Return the trailing gRPC metadata with the retry delay.

    The specification puts RetryInfo into ``grpc-status-details-bin``; Python's exporter reads only
    ``google.rpc.retryinfo-bin``.
    """
    delay = overloaded.retry_after
    return (
        ("grpc-status-details-bin", status(UNAVAILABLE, str(overloaded), delay)),
        ("google.rpc.retryinfo-bin", _retry_info(delay).SerializeToString()),
    )


def retry_after(overloaded: Overloaded) -> str:
    """Return the value of the ``Retry-After`` header: whole seconds, 1 or 2."""
    return str(max(1, math.ceil(min(overloaded.retry_after, _LONGEST_RETRY))))


def _retry_info(seconds: float) -> RetryInfo:
    delay = Duration()
    delay.FromNanoseconds(round(min(seconds, _LONGEST_RETRY) * 1e9))
    return RetryInfo(retry_delay=delay)
