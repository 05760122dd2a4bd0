"""Send OTLP requests over HTTP, in protobuf."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import SplitResult

from driftline.export.backoff import seconds_to_wait
from driftline.export.transport import USER_AGENT
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status
from pydantic import Field

from driftline_processor.config.values import Address, Text, is_here
from driftline_processor.exporters.exporter import ExportResult
from driftline_processor.exporters.otlp import RETRYABLE_STATUSES, ClientFiles, Otlp, not_sent, success
from driftline_processor.receipts import Signal

if TYPE_CHECKING:
    import httpx


class OtlpHttp(Otlp):
    """OTLP over HTTP, in protobuf."""

    endpoint: Text = Field(
        description="The base URL of the destination, to which the processor adds `/v1/traces` and so on.",
        examples=['"${env:PROMETHEUS:-http://127.0.0.1:9090}/api/v1/otlp"'],
    )

    def _address(self, parts: SplitResult, host: str, port: int | None) -> Address:
        if parts.scheme not in ("http", "https"):
            raise ValueError(
                f"'{self.endpoint}' has no scheme; use 'http://{self.endpoint}' or 'https://{self.endpoint}'"
            )
        if not host:
            raise ValueError(f"'{self.endpoint}' has no host; use a URL, as in 'http://127.0.0.1:14318'")
        for path in ("/v1/traces", "/v1/metrics", "/v1/logs"):
            if parts.path.rstrip("/").endswith(path):
                raise ValueError(
                    f"'{self.endpoint}' contains the path of a signal; driftline adds {path} itself, so remove it"
                )
        return Address(host, port or (443 if parts.scheme == "https" else 80))

    def connect(self) -> OtlpHttpExporter:
        """Return a client of the endpoint."""
        return OtlpHttpExporter(self)


class OtlpHttpExporter:
    """OTLP over HTTP in protobuf."""

    def __init__(self, exporter: OtlpHttp) -> None:
        from driftline_processor.otlp.protocol import PROTOBUF

        self._closed = False
        self._base = exporter.endpoint.rstrip("/")
        self._gzip = exporter.compressed
        self._exporter, self._files = exporter, ClientFiles(exporter.destination, exporter.tls)
        self._client = self._connect()
        name = exporter.tls.server_name_override
        self._extensions = None if name is None else {"sni_hostname": name}
        self._headers = {key.lower(): value.get_secret_value() for key, value in exporter.headers.items()}
        self._headers["content-type"] = PROTOBUF
        if self._gzip:
            self._headers["content-encoding"] = "gzip"

    def export(self, signal: Signal, body: bytes, headers: Mapping[str, str]) -> ExportResult:
        """Send one request."""
        import httpx

        if self._files.replaced():
            self._client.close()
            self._client = self._connect()
            if self._closed:
                self._client.close()
        content = gzip.compress(body, compresslevel=1, mtime=0) if self._gzip else body
        try:
            response = self._client.post(
                f"{self._base}/v1/{signal}",
                content=content,
                headers={"user-agent": USER_AGENT, **headers, **self._headers},
                extensions=self._extensions,
            )
        except (httpx.LocalProtocolError, ValueError, RuntimeError) as error:  # invalid header or closed client
            return not_sent(error, self._closed)
        except httpx.TransportError as error:
            return ExportResult("retryable", type(error).__name__, str(error), unreachable=True)
        except httpx.HTTPError as error:
            return ExportResult("permanent", type(error).__name__, str(error))
        if response.is_success:
            return success(response.content)
        kind, message = f"HTTP {response.status_code}", _http_message(response)
        if response.status_code in RETRYABLE_STATUSES:
            return ExportResult("retryable", kind, message, seconds_to_wait(response.headers.get("retry-after", "")))
        return ExportResult("permanent", kind, message)

    def close(self) -> None:
        """Close the connection."""
        self._closed = True
        self._client.close()

    def _connect(self) -> httpx.Client:
        import httpx  # only needed for such a destination

        return httpx.Client(
            verify=self._exporter.tls.context(),
            timeout=self._exporter.timeout.total_seconds(),
            trust_env=not is_here(self._exporter.endpoint),
        )


def _http_message(response: httpx.Response) -> str:
    from driftline_processor.otlp.protocol import PROTOBUF

    if response.headers.get("content-type", "").startswith(PROTOBUF):
        try:
            return str(Status.FromString(response.content).message)
        except DecodeError:
            pass
    return " ".join(response.text[:200].split())  # one line of the log


EXPORTER = OtlpHttp
