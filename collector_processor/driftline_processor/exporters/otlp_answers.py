"""Meaning of the answers of OTLP destinations, over gRPC and over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from driftline_processor.config.exporters import Otlp
from driftline_processor.config.values import is_here

from .exporter import CLOSED, ExportResult

RETRYABLE_STATUSES = (429, 502, 503, 504)
"""OTLP specification, "Retryable Response Codes" of OTLP/HTTP."""


def not_sent(error: Exception, closed: bool) -> ExportResult:
    """Return the result of a request that never reached its destination."""
    return ExportResult("retryable", CLOSED) if closed else ExportResult("permanent", "not sent", str(error))


def packs(exporter: Otlp) -> bool:
    """Return True where requests are packed: three quarters of the cost of forwarding (``bench_forward.py``)."""
    return (exporter.compression or ("none" if is_here(exporter.endpoint) else "gzip")) == "gzip"


def success(body: bytes) -> ExportResult:
    """Read an Export*ServiceResponse, which are the same on the wire; what is refused in part is not sent again."""
    try:
        partial = ExportLogsServiceResponse.FromString(body).partial_success
    except DecodeError:
        return ExportResult("success")  # a 2xx with a body of its own making
    if partial.rejected_log_records or partial.error_message:
        message = f"{partial.rejected_log_records} rejected: {partial.error_message}"
        return ExportResult("success", "partial success", message)
    return ExportResult("success")


def seconds_to_wait(value: str | None) -> float | None:
    """Read a ``Retry-After`` header: seconds, or a date."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
