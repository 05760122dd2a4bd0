"""Shared parts of OTLP over gRPC and over HTTP: keys, the rules between them, and the meaning of answers."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from os.path import isfile
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from pydantic import Field, StrictBool

from driftline_processor.config.http_keys import header_problems
from driftline_processor.config.section import Problem, Section
from driftline_processor.config.values import Address, FilePath, Seconds, Secret, Text, is_here

from .exporter import CLOSED, ExporterKind, ExportResult

_OF_THE_REQUEST = (
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "te",
    "transfer-encoding",
)


class Tls(Section):
    """Trust in a destination, and the identity of the processor there."""

    insecure: StrictBool = Field(
        default=False,
        description="Send gRPC without TLS; an endpoint that starts with `http://` does the same. OTLP over HTTP does "
        "not use this key: the scheme of the endpoint decides.",
        examples=["true"],
        json_schema_extra={"shown": True},
    )
    ca_file: FilePath | None = Field(
        default=None,
        description="The file (PEM) with the trusted certificates.",
        examples=["ca.pem"],
        json_schema_extra={"default": "the certificates of the system"},
    )
    cert_file: FilePath | None = Field(
        default=None, description="The file (PEM) with the certificate of this processor.", examples=["client.pem"]
    )
    key_file: FilePath | None = Field(
        default=None, description="The file (PEM) with the key of `cert_file`.", examples=["client.key"]
    )

    def context(self) -> ssl.SSLContext:
        """Return the context of a client.

        Raises:
            OSError: A file cannot be used.
        """
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.cert_file is not None:
            context.load_cert_chain(self.cert_file, self.key_file)
        return context


class Otlp(ExporterKind):
    """Keys that OTLP over gRPC and over HTTP share."""

    endpoint: Text
    headers: dict[str, Secret] = Field(
        default_factory=dict,
        description="Headers of every request. The values are never shown or logged.",
        examples=['{Authorization: "Bearer ${env:TOKEN:-none}"}'],
    )
    compression: Literal["gzip", "none"] | None = Field(
        default=None,
        description="How requests are compressed. Compression takes three quarters of the CPU time of forwarding.",
        examples=["none"],
        json_schema_extra={"default": "`gzip`; `none` for an address of this machine"},
    )
    timeout: Seconds = Field(
        default=timedelta(seconds=10), description="How long one request may take.", examples=["30s"]
    )
    tls: Tls = Field(default=Tls(), description="How the destination is trusted.")

    @property
    def destination(self) -> str:
        """The endpoint without user and password."""
        scheme, mark, rest = self.endpoint.rpartition("://")
        netloc, slash, path = rest.partition("/")
        return f"{scheme}{mark}{netloc.rpartition('@')[2]}{slash}{path}"

    @property
    def compressed(self) -> bool:
        """True if requests are compressed, which is three quarters of the cost of forwarding (``bench_forward.py``)."""
        return (self.compression or ("none" if is_here(self.endpoint) else "gzip")) == "gzip"

    def _own_problems(self, listeners: Sequence[tuple[str, Address]]) -> Iterator[Problem]:
        if self.timeout <= timedelta(0):
            yield Problem("timeout", "must be greater than 0; use a duration such as '10s'")
        yield from self._tls_problems()
        yield from self._header_problems()
        try:
            column = self._column()
        except ValueError as problem:
            yield Problem("endpoint", str(problem))
            return
        for key, address in listeners:
            if address.meets(column) and (address.host == column.host or column.loopback or column.everywhere):
                yield Problem(
                    "endpoint",
                    f"{self.endpoint} is driftline's own {key}, which would be a loop; "
                    "use the address of another destination",
                )

    def _column(self) -> Address:
        """Return the destination of the exporter; raises ValueError with the mistake in the endpoint."""
        endpoint = self.endpoint
        try:
            parts = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}")
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise ValueError(f"'{endpoint}' has no valid port; use a number up to 65535") from None
        return self._address(parts, "" if re.search(r"\s", endpoint) else host, port)

    def _address(self, parts: SplitResult, host: str, port: int | None) -> Address:
        """Return the address of an endpoint; raises ValueError if it is invalid."""
        raise NotImplementedError

    def _tls_problems(self) -> Iterator[Problem]:
        if (self.tls.cert_file is None) != (self.tls.key_file is None):
            yield Problem("tls", "cert_file and key_file need each other; set both or neither")
        tls_files = {key: getattr(self.tls, key) for key in ("ca_file", "cert_file", "key_file")}
        absent = {key: path for key, path in tls_files.items() if path is not None and not isfile(path)}
        for key, path in absent.items():
            yield Problem(f"tls.{key}", f"there is no file {path}; the path is relative to this file")
        if not absent and any(tls_files.values()):
            try:
                self.tls.context()
            except OSError as error:
                yield Problem(
                    "tls", f"the files cannot be used ({error}); use PEM files, and a key that matches the certificate"
                )
        if self.tls.insecure and (self.tls.ca_file or self.tls.cert_file):
            yield Problem("tls.insecure", "true means no TLS, but certificates are set; remove one of the two")

    def _header_problems(self) -> Iterator[Problem]:
        yield from header_problems(self.headers)
        for header in self.forward_headers:
            if header.lower() in _OF_THE_REQUEST:
                yield Problem(
                    "forward_headers", f"'{header}' belongs to the request itself and cannot be forwarded; remove it"
                )


RETRYABLE_STATUSES = (429, 502, 503, 504)
"""OTLP specification, "Retryable Response Codes" of OTLP/HTTP."""


def not_sent(error: Exception, closed: bool) -> ExportResult:
    """Return the result of a request that never reached its destination."""
    return ExportResult("retryable", CLOSED) if closed else ExportResult("permanent", "not sent", str(error))


def success(body: bytes) -> ExportResult:
    """Read an Export*ServiceResponse, equal for all signals; partially rejected records are not sent again."""
    try:
        partial = ExportLogsServiceResponse.FromString(body).partial_success
    except DecodeError:
        return ExportResult("success")  # a 2xx with a non-standard body
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
