"""One OTLP request to one destination, over gRPC or HTTP, and what the answer means."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal, Protocol
from urllib.parse import urlsplit

import grpc
import httpx
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from driftline_processor.config.exporters import Exporter, transport_of
from driftline_processor.config.values import Address
from driftline_processor.otlp.protocol import METHODS, PROTOBUF
from driftline_processor.receipts import Signal

_RETRYABLE_CODES = (
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
)
"""OTLP specification, "Failures" of OTLP/gRPC; RESOURCE_EXHAUSTED only together with RetryInfo."""

RETRYABLE_STATUSES = (429, 502, 503, 504)
"""OTLP specification, "Retryable Response Codes" of OTLP/HTTP."""

CLOSED = "closed"
"""The kind of the answer to what is sent after :meth:`Transport.close`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request. ``kind`` is short and stable: what is logged once. ``retry_after``: seconds.

    ``unreachable``: nobody answered, so that it says nothing about the request.
    """

    result: Literal["sent", "retry", "refused"]
    kind: str = ""
    message: str = ""
    retry_after: float | None = None
    unreachable: bool = False


class Transport(Protocol):
    """How a destination is reached."""

    def send(self, signal: Signal, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send one request and wait for the answer; never raises for what a peer or a network does."""

    def close(self) -> None:
        """End connections, and calls under way."""


def transport_for(name: str, exporter: Exporter) -> Transport:
    """Return the transport of a configured exporter."""
    return HttpTransport(exporter) if transport_of(name) == "http" else GrpcTransport(exporter)


class GrpcTransport:
    """OTLP over gRPC, bytes in and bytes out."""

    def __init__(self, exporter: Exporter) -> None:
        self._closed = False
        parts = urlsplit(exporter.endpoint) if "://" in exporter.endpoint else None
        target = parts.netloc if parts is not None and parts.scheme not in ("dns", "unix") else exporter.endpoint
        plain = exporter.tls.insecure or (parts is not None and parts.scheme in ("http", "grpc"))
        options = [
            ("grpc.max_reconnect_backoff_ms", 10_000),
            ("grpc.enable_http_proxy", int(not _is_here(exporter.endpoint))),
        ]
        if plain:
            self._channel = grpc.insecure_channel(target, options)
        else:
            self._channel = grpc.secure_channel(target, _grpc_credentials(exporter), options)
        self._calls = {signal: self._channel.unary_unary(method) for method, signal in METHODS.items()}
        self._compression = grpc.Compression.Gzip if _packs(exporter) else grpc.Compression.NoCompression
        self._timeout = exporter.timeout.total_seconds()
        self._headers = {key.lower(): value.get_secret_value() for key, value in exporter.headers.items()}

    def send(self, signal: Signal, body: bytes, headers: Mapping[str, str]) -> Answer:
        metadata = tuple({**headers, **self._headers}.items())
        try:
            answer = self._calls[signal](body, timeout=self._timeout, metadata=metadata, compression=self._compression)
        except grpc.RpcError as error:
            return _grpc_failure(error)
        except ValueError as error:  # the channel is closed, or a header that travels is none
            return _not_sent(error, self._closed)
        return _success(answer)

    def close(self) -> None:
        self._closed = True
        self._channel.close()


class HttpTransport:
    """OTLP over HTTP in protobuf."""

    def __init__(self, exporter: Exporter) -> None:
        self._closed = False
        self._base = exporter.endpoint.rstrip("/")
        self._gzip = _packs(exporter)
        self._client = httpx.Client(
            verify=exporter.tls.context(),
            timeout=exporter.timeout.total_seconds(),
            trust_env=not _is_here(exporter.endpoint),
        )
        self._headers = {key.lower(): value.get_secret_value() for key, value in exporter.headers.items()}
        self._headers["content-type"] = PROTOBUF
        if self._gzip:
            self._headers["content-encoding"] = "gzip"

    def send(self, signal: Signal, body: bytes, headers: Mapping[str, str]) -> Answer:
        content = gzip.compress(body, compresslevel=1, mtime=0) if self._gzip else body
        try:
            response = self._client.post(
                f"{self._base}/v1/{signal}", content=content, headers={**headers, **self._headers}
            )
        except (httpx.LocalProtocolError, ValueError, RuntimeError) as error:  # no header, or the client is closed
            return _not_sent(error, self._closed)
        except httpx.TransportError as error:
            return Answer("retry", type(error).__name__, str(error), unreachable=True)
        except httpx.HTTPError as error:
            return Answer("refused", type(error).__name__, str(error))
        if response.is_success:
            return _success(response.content)
        kind, message = f"HTTP {response.status_code}", _http_message(response)
        if response.status_code in RETRYABLE_STATUSES:
            return Answer("retry", kind, message, seconds_to_wait(response.headers.get("retry-after")))
        return Answer("refused", kind, message)

    def close(self) -> None:
        self._closed = True
        self._client.close()


def _not_sent(error: Exception, closed: bool) -> Answer:
    return Answer("retry", CLOSED) if closed else Answer("refused", "not sent", str(error))


def _packs(exporter: Exporter) -> bool:
    """Say whether requests are packed, which is three quarters of what forwarding costs (``bench_forward.py``)."""
    return (exporter.compression or ("none" if _is_here(exporter.endpoint) else "gzip")) == "gzip"


def _is_here(endpoint: str) -> bool:
    """Say whether this machine is the destination, which a proxy of the environment (``HTTP_PROXY``) cannot reach."""
    host = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}").hostname
    return Address(host or "", 0).loopback


def _success(body: bytes) -> Answer:
    """Read an Export*ServiceResponse, which are the same on the wire; what is refused in part is not sent again."""
    try:
        partial = ExportLogsServiceResponse.FromString(body).partial_success
    except DecodeError:
        return Answer("sent")  # a 2xx with a body of its own making
    if partial.rejected_log_records or partial.error_message:
        message = f"{partial.rejected_log_records} rejected: {partial.error_message}"
        return Answer("sent", "partial success", message)
    return Answer("sent")


def _grpc_failure(error: grpc.RpcError) -> Answer:
    code, message = error.code(), str(error.details() or "")
    delay = _retry_info(dict(error.trailing_metadata() or ()))
    if code in _RETRYABLE_CODES or (code is grpc.StatusCode.RESOURCE_EXHAUSTED and delay is not None):
        unreachable = code is grpc.StatusCode.UNAVAILABLE and delay is None
        return Answer("retry", code.name, message, delay, unreachable)
    return Answer("refused", code.name, message)


def _retry_info(trailing: Mapping[str, str | bytes]) -> float | None:
    """Return the delay of a RetryInfo in seconds, from where the specification or where Python's exporter has it."""
    info = RetryInfo()
    try:
        details = trailing.get("grpc-status-details-bin")
        if isinstance(details, bytes):
            for detail in Status.FromString(details).details:
                if detail.Unpack(info):
                    return float(info.retry_delay.ToNanoseconds() / 1e9)
        bare = trailing.get("google.rpc.retryinfo-bin")
        if isinstance(bare, bytes):
            return float(RetryInfo.FromString(bare).retry_delay.ToNanoseconds() / 1e9)
    except DecodeError:
        pass
    return None


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


def _http_message(response: httpx.Response) -> str:
    if response.headers.get("content-type", "").startswith(PROTOBUF):
        try:
            return str(Status.FromString(response.content).message)
        except DecodeError:
            pass
    return " ".join(response.text[:200].split())  # one line of the log


def _grpc_credentials(exporter: Exporter) -> grpc.ChannelCredentials:
    files = (exporter.tls.ca_file, exporter.tls.key_file, exporter.tls.cert_file)
    root, key, chain = (path.read_bytes() if path is not None else None for path in files)
    return grpc.ssl_channel_credentials(root, key, chain)
