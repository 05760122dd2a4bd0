"""Send OTLP requests over gRPC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from driftline.export.transport import USER_AGENT, is_temporary, retry_delay
from pydantic import Field

from driftline_processor.config.section import Problem
from driftline_processor.config.values import Address, Text, is_here
from driftline_processor.exporters.exporter import ExportResult
from driftline_processor.exporters.otlp import ClientFiles, Otlp, not_sent, success
from driftline_processor.receipts import Signal

if TYPE_CHECKING:
    import grpc


class OtlpGrpc(Otlp):
    """OTLP over gRPC."""

    endpoint: Text = Field(
        description="The address of the destination, as `host:port`.", examples=['"${env:JAEGER:-127.0.0.1:14317}"']
    )

    def _address(self, parts: SplitResult, host: str, port: int | None) -> Address:
        example = "'host:port', as in '127.0.0.1:14317'"
        if parts.scheme in ("dns", "unix"):
            return Address("", 0)
        if not host:
            raise ValueError(f"'{self.endpoint}' has no host; use {example}")
        if parts.scheme not in ("", "http", "https", "grpc", "grpcs"):
            raise ValueError(f"'{parts.scheme}://' is not supported; use {example}")
        if parts.path not in ("", "/"):
            raise ValueError(
                f"'{self.endpoint}' has a path, which gRPC does not support; use 'host:port', or name the exporter "
                "otlp_http/NAME"
            )
        if port is None:
            raise ValueError(f"'{self.endpoint}' has no port; use '{self.endpoint.rstrip('/')}:4317'")
        return Address(host, port)

    def _tls_problems(self) -> Iterator[Problem]:
        yield from super()._tls_problems()
        if self.tls.insecure_skip_verify:
            yield Problem(
                "insecure_skip_verify",
                "the library for gRPC always verifies certificates; set ca_file to the certificate of the destination "
                "(and server_name_override to the name in it), or use otlp_http",
            )
        if self.tls.min_version != "1.2":
            yield Problem(
                "min_version",
                "the library for gRPC offers 1.2 and 1.3; remove the key, or use otlp_http",
            )

    def connect(self) -> OtlpGrpcExporter:
        """Return a channel to the endpoint."""
        return OtlpGrpcExporter(self)


class OtlpGrpcExporter:
    """OTLP over gRPC with raw bytes."""

    def __init__(self, exporter: OtlpGrpc) -> None:
        self._closed = False
        self._exporter, self._files = exporter, ClientFiles(exporter.destination, exporter.tls)
        self._connect()
        self._timeout = exporter.timeout.total_seconds()
        self._headers = {key.lower(): value.get_secret_value() for key, value in exporter.headers.items()}

    def export(self, signal: Signal, body: bytes, headers: Mapping[str, str]) -> ExportResult:
        """Send one request."""
        import grpc

        if self._files.replaced():
            self._channel.close()
            self._connect()
            if self._closed:
                self._channel.close()
        metadata = tuple({**headers, **self._headers}.items())
        try:
            answer = self._calls[signal](body, timeout=self._timeout, metadata=metadata, compression=self._compression)
        except grpc.RpcError as error:
            return _grpc_failure(error)
        except ValueError as error:  # the channel is closed, or a forwarded header is invalid
            return not_sent(error, self._closed)
        return success(answer)

    def close(self) -> None:
        """Close the connection."""
        self._closed = True
        self._channel.close()

    def _connect(self) -> None:
        import grpc  # only needed for such a destination

        from driftline_processor.otlp.protocol import METHODS

        exporter = self._exporter
        parts = urlsplit(exporter.endpoint) if "://" in exporter.endpoint else None
        target = parts.netloc if parts is not None and parts.scheme not in ("dns", "unix") else exporter.endpoint
        plain = exporter.tls.insecure or (parts is not None and parts.scheme in ("http", "grpc"))
        options: list[tuple[str, int | str]] = [
            ("grpc.primary_user_agent", USER_AGENT),
            ("grpc.max_reconnect_backoff_ms", 10_000),
            ("grpc.enable_http_proxy", int(not is_here(exporter.endpoint))),
            # Otherwise a new channel to the same address shares the connection of the one before.
            ("grpc.use_local_subchannel_pool", 1),
        ]
        if exporter.tls.server_name_override is not None:
            options.append(("grpc.ssl_target_name_override", exporter.tls.server_name_override))
        if plain:
            self._channel = grpc.insecure_channel(target, options)
        else:
            self._channel = grpc.secure_channel(target, _grpc_credentials(exporter), options)
        self._calls = {signal: self._channel.unary_unary(method) for method, signal in METHODS.items()}
        self._compression = grpc.Compression.Gzip if exporter.compressed else grpc.Compression.NoCompression


def _grpc_failure(error: grpc.RpcError) -> ExportResult:
    code, message = error.code(), str(error.details() or "")
    delay = retry_delay(error.trailing_metadata())
    if is_temporary(code.name, message, delay):
        unreachable = code.name == "UNAVAILABLE" and delay is None
        return ExportResult("retryable", code.name, message, delay, unreachable)
    return ExportResult("permanent", code.name, message)


def _grpc_credentials(exporter: OtlpGrpc) -> grpc.ChannelCredentials:
    import grpc

    files = (exporter.tls.ca_file, exporter.tls.key_file, exporter.tls.cert_file)
    root, key, chain = (path.read_bytes() if path is not None else None for path in files)
    return grpc.ssl_channel_credentials(root, key, chain)


EXPORTER = OtlpGrpc
