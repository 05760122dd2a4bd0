"""What OTLP fixes: methods, content type, and what a sender is told (partial success, a status, when to come again)."""

from __future__ import annotations

import math
from collections.abc import Mapping

from google.protobuf import json_format
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsPartialSuccess, ExportLogsServiceResponse
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Scope

from .signals import Overloaded, Receipt, Signal

METHODS: dict[str, Signal] = {
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": "traces",
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": "metrics",
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": "logs",
}

PROTOBUF = "application/x-protobuf"

MAX_REQUEST = 20 * 2**20
"""Bytes of one request, unpacked: the limit of the OpenTelemetry Collector's gRPC receiver is 4 MiB, ours is wider."""

PATIENCE = 30.0
"""Seconds until a transaction is given up on; exporters wait 10. Its resend is recognised by digest."""

_LONGEST_RETRY = 2.0
"""Seconds. Python's exporter gives up when the delay that it is told is beyond its deadline."""

INVALID_ARGUMENT, PERMISSION_DENIED, FAILED_PRECONDITION, UNAVAILABLE = 3, 7, 9, 14
"""google.rpc.Code."""

_CODES = {403: PERMISSION_DENIED, 421: FAILED_PRECONDITION, 503: UNAVAILABLE}
"""google.rpc.Code by HTTP status; INVALID_ARGUMENT for all others."""

_OTLP_PATHS = ("/v1/traces", "/v1/metrics", "/v1/logs")

_OF_A_VALUE = (
    "bad_time",
    "column_",
    "too_long:",
    "too_many_features",
    "unsupported_feature_type",
    "wrong_length:",
    "wrong_type:",
)
"""How reasons begin that cost a value or a column while its row is kept: a warning to the sender, no rejection."""


def export_response(receipt: Receipt) -> bytes:
    """Encode ``Export{Trace,Metrics,Logs}ServiceResponse``, which are the same on the wire.

    Only rows count as rejected; a message with nothing rejected is a warning (OTLP specification, "Partial Success").

    >>> from collections import Counter
    >>> export_response(Receipt(accepted=3))
    b''
    >>> export_response(Receipt(accepted=2, rejected=Counter({"no model name": 1})))[4:]
    b'\\x12\\x1f1 not usable: no model name (1)'
    """
    unusable = sum(receipt.rejected.values())
    if not unusable:
        return b""
    reasons = "; ".join(f"{reason} ({count})" for reason, count in receipt.rejected.most_common(10))
    message = f"{unusable} not usable: {reasons}"
    rejected = sum(count for reason, count in receipt.rejected.items() if not reason.startswith(_OF_A_VALUE))
    partial = ExportLogsPartialSuccess(rejected_log_records=rejected, error_message=message)
    return bytes(ExportLogsServiceResponse(partial_success=partial).SerializeToString())


def status(code: int, message: str, retry_after: float | None = None) -> bytes:
    """Encode a ``google.rpc.Status``, with RetryInfo where ``retry_after`` (seconds) is given."""
    answer = Status(code=code, message=message)
    if retry_after is not None:
        detail = Any()
        detail.Pack(_retry_info(retry_after))
        answer.details.append(detail)
    return bytes(answer.SerializeToString())


def refusal(scope: Scope, code: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    """Answer a request that no route sees, in the form of what was asked for: a Status, JSON, or a line of text."""
    path = scope["path"]
    if path in _OTLP_PATHS:
        message = status(_CODES.get(code, INVALID_ARGUMENT), sentence)
        if Headers(scope=scope).get("content-type", "").startswith("application/json"):
            shown = json_format.MessageToJson(Status.FromString(message), indent=None)
            return Response(shown, code, headers, "application/json")
        return Response(message, code, headers, PROTOBUF)
    if path.startswith(("/api/", "/v1/")) or scope["method"] not in ("GET", "HEAD"):
        return JSONResponse({"error": sentence}, code, headers)
    return PlainTextResponse(f"{sentence}\n", code, headers)


def retry_metadata(overloaded: Overloaded) -> tuple[tuple[str, bytes], ...]:
    """Return the trailing gRPC metadata that says when to come again.

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
