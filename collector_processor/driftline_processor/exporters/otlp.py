"""Shared parts of OTLP over gRPC and over HTTP: keys, the rules between them, and the meaning of answers."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from driftline.export.transport import read_success
from pydantic import Field

from driftline_processor.config.http_keys import header_problems
from driftline_processor.config.section import Problem, under
from driftline_processor.config.tls import CertificateError, TlsClient, file_stamps
from driftline_processor.config.values import Address, Seconds, Secret, Text, is_here

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

_log = logging.getLogger("driftline")


class ClientFiles:
    """The certificate files of an exporter, which can be replaced while it runs. Used by one thread.

    Args:
        destination: Name of the destination, for the log.
        tls: The keys.
        clock: Monotonic seconds.
    """

    def __init__(self, destination: str, tls: TlsClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._destination, self._tls, self._clock = destination, tls, clock
        self._checked, self._stamps = clock(), file_stamps(tls.files)

    def replaced(self) -> bool:
        """Return True if the files were replaced by good ones since the last call; others are logged, and not used."""
        if not self._stamps or self._clock() - self._checked < self._tls.reload_interval.total_seconds():
            return False
        self._checked, stamps = self._clock(), file_stamps(self._tls.files)
        if stamps == self._stamps:
            return False
        self._stamps = stamps
        try:
            self._tls.context()
        except CertificateError as error:
            _log.error("%s: tls.%s: %s; the files from before are used", self._destination, error.key, error)
            return False
        _log.info("%s: the replaced files of tls are used", self._destination)
        return True


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
    tls: TlsClient = Field(default=TlsClient(), description="The TLS settings of the connection to the destination.")

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
        yield from under("tls", self._tls_problems())
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
        yield from self.tls.problems()

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
    """Read an Export*ServiceResponse, equal for all signals; partially rejected records are not sent again.

    A page, such as that of a login, is not an acknowledgement: no record arrived.
    """
    delivery = read_success(body)
    if delivery.state != "delivered":
        begin = " ".join(body[:40].decode("utf-8", "replace").split())
        message = f"another server answers, such as a proxy or a login page; its answer begins with {begin!r}"
        return ExportResult("retryable", "no receiver", message, unreachable=True)
    if delivery.reason:
        return ExportResult("success", "partial success", delivery.reason, rejected=delivery.rejected)
    return ExportResult("success")
