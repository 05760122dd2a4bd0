"""The endpoints of records and metrics, read from the environment as the OpenTelemetry specification defines.

Records, outcomes and baselines: ``DRIFTLINE_ENDPOINT``, else ``OTEL_EXPORTER_OTLP_LOGS_ENDPOINT``, else
``OTEL_EXPORTER_OTLP_ENDPOINT``, else ``http://localhost:4318``. Distributions: the same with ``METRICS``, and never
``DRIFTLINE_ENDPOINT``. ``DRIFTLINE_TOKEN_FILE`` is the token for the processor.
Timeout, compression and certificates are those of ``OTEL_EXPORTER_OTLP_LOGS_*`` (``METRICS``),
else of ``OTEL_EXPORTER_OTLP_*`` (OpenTelemetry specification, "OpenTelemetry Protocol Exporter"). The file of
``OTEL_CONFIG_FILE`` wins over these variables.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from opentelemetry.util.re import parse_env_headers

from driftline.faults import FAULTS, logger
from driftline.guarded_log import guard_libraries
from driftline.settings import read

from .declarative import declared, with_declared

Signal = Literal["logs", "metrics"]

DEFAULT = "http://localhost:4318"
DEFAULT_GRPC = "http://localhost:4317"
OTLP_EXPORTERS = {"otlp": "", "otlp_proto_http": "http/protobuf", "otlp_proto_grpc": "grpc"}
"""OpenTelemetry's names of its OTLP exporters, with the protocol that a name selects."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One receiver of OTLP logs or metrics.

    Attributes:
        base: Base URL, for messages.
        url: URL of the signal (http), or host:port (grpc).
        timeout: Seconds.
    """

    base: str
    url: str
    protocol: Literal["http", "grpc"] = "http"
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 10.0
    gzip: bool = False
    certificate: str = ""
    client_key: str = ""
    client_certificate: str = ""
    insecure: bool = False
    signal: Signal = "logs"
    token_file: str = ""

    @property
    def encrypted(self) -> bool:
        """Whether the connection uses TLS."""
        return not self.insecure if self.protocol == "grpc" else self.url.startswith("https:")

    def request_headers(self) -> dict[str, str]:
        """Return the headers of a request; a token is read from its file each time, because it may be replaced."""
        headers = dict(self.headers)
        if self.token_file and not any(name.lower() == "authorization" for name in headers):
            with suppress(OSError, UnicodeError), open(self.token_file, encoding="ascii") as file:
                token = file.read().strip()
                if token and token.isprintable():  # without the header, the receiver answers 401
                    headers["authorization"] = f"Bearer {token}"
        return headers

    def variables(self, *names: str) -> str:
        """Return the general variables of OpenTelemetry for settings, and how those of this signal differ."""
        listed = " and ".join(f"OTEL_EXPORTER_OTLP_{name}" for name in names)
        return f"{listed} (or OTEL_EXPORTER_OTLP_{self.signal.upper()}_...)"

    @property
    def outcomes(self) -> str:
        """Return the URL that accepts outcomes; raises ``ValueError`` for a gRPC endpoint."""
        return self._beside_logs("outcomes", "outcomes()")

    @property
    def panes(self) -> str:
        """Return the URL that accepts panes; raises ``ValueError`` for a gRPC endpoint."""
        return self._beside_logs("panes", "send_panes()")

    def _beside_logs(self, noun: str, caller: str) -> str:
        if self.protocol == "grpc":
            raise ValueError(
                f"{caller} sends {noun} over HTTP, but {self.base} is a gRPC endpoint; "
                "set DRIFTLINE_ENDPOINT to the HTTP endpoint of 'driftline up', such as http://localhost:4318"
            )
        return self.url.removesuffix("/v1/logs") + f"/v1/{noun}"


def resolve(given: str | None = None, environ: Mapping[str, str] = os.environ, signal: Signal = "logs") -> Endpoint:
    """Return the endpoint. ``given``: the argument of ``configure(endpoint=)``, which wins over the environment.

    Headers are those of ``OTEL_EXPORTER_OTLP_LOGS_HEADERS`` (``METRICS``), else of ``OTEL_EXPORTER_OTLP_HEADERS``, also
    with an endpoint set in code. If ``DRIFTLINE_ENDPOINT`` sends only records elsewhere, the general headers are not
    sent, because they contain the key of the other backend. Without an endpoint of our own, the file of
    ``OTEL_CONFIG_FILE`` wins over the variables. Raises ``ValueError``, with the fix, if our own setting is not a URL;
    OpenTelemetry's variables are used unchanged. Logs once what cannot be used.

    >>> resolve(environ={"DRIFTLINE_ENDPOINT": "http://driftline:4318"}).url
    'http://driftline:4318/v1/logs'
    """
    own_endpoint = given or (read("DRIFTLINE_ENDPOINT", environ) if signal == "logs" else "")
    if own_endpoint:
        _check(own_endpoint, "configure(endpoint=)" if given else "the variable DRIFTLINE_ENDPOINT")
    is_elsewhere = bool(own_endpoint) and not given  # the general variables are those of another backend
    file = None if own_endpoint else declared(environ)
    if file is not None:
        environ = with_declared(signal, environ)
    requested, compression = protocol_of(signal, environ), _setting(environ, signal, "COMPRESSION").lower()
    protocol = _protocol(own_endpoint, requested)
    base, url = _urls(own_endpoint, environ, signal, protocol)
    headers = environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_HEADERS", "")
    if not headers and not is_elsewhere:
        headers = environ.get("OTEL_EXPORTER_OTLP_HEADERS", "")
    insecure = _setting(environ, signal, "INSECURE").lower()
    # Another backend has headers of its own, and metrics go there if only records have an endpoint of ours.
    is_ours = own_endpoint or not (headers or (signal == "metrics" and read("DRIFTLINE_ENDPOINT", environ)))
    token_file = read("DRIFTLINE_TOKEN_FILE", environ) if is_ours else ""
    if not is_elsewhere and requested not in ("", "grpc", "http/protobuf"):
        _warn(f"OTEL_EXPORTER_OTLP_PROTOCOL={requested} is not supported; Driftline sends http/protobuf")
    if compression not in ("", "none", "gzip"):
        _warn(f"OTEL_EXPORTER_OTLP_COMPRESSION={compression} is not supported; Driftline sends without compression")
    if file is not None and file.problem and signal == "logs":
        _warn(
            f"OTEL_CONFIG_FILE={environ['OTEL_CONFIG_FILE']} sets no destination of records: {file.problem}; they are "
            f"sent to {base}; set DRIFTLINE_ENDPOINT to send them elsewhere"
        )
    return Endpoint(
        base=base.rstrip("/"),
        url=url,
        protocol=protocol,
        headers=_headers(headers),
        timeout=_seconds(_setting(environ, signal, "TIMEOUT")),
        gzip=compression == "gzip",
        certificate=_setting(environ, signal, "CERTIFICATE"),
        client_key=_setting(environ, signal, "CLIENT_KEY"),
        client_certificate=_setting(environ, signal, "CLIENT_CERTIFICATE"),
        insecure=not base.startswith("https:") and (insecure == "true" or base.startswith("http:")),
        signal=signal,
        token_file=token_file,
    )


def _urls(
    own_endpoint: str, environ: Mapping[str, str], signal: Signal, protocol: Literal["http", "grpc"]
) -> tuple[str, str]:
    """Return the base URL and the URL of the signal; logs that a variable of OpenTelemetry is not a URL."""
    full = "" if own_endpoint else environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "").strip()
    base = own_endpoint or full or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()
    if protocol == "grpc":
        base = base or DEFAULT_GRPC
        return base, urlsplit(base).netloc or base
    base = base or DEFAULT
    if not own_endpoint:
        try:
            _check(base, f"the variable OTEL_EXPORTER_OTLP_{f'{signal.upper()}_' if full else ''}ENDPOINT")
        except ValueError as error:
            _warn(f"{error}; until then, {'records' if signal == 'logs' else 'distributions'} are lost")
    if full:  # as it is
        return full.removesuffix(f"/v1/{signal}"), full
    return base, base.rstrip("/") + f"/v1/{signal}"


def _headers(text: str) -> Mapping[str, str]:
    with guard_libraries():
        return parse_env_headers(text, liberal=True)


def _check(url: str, where: str) -> None:
    """Raise ``ValueError`` for an invalid URL."""
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0):
            return
    except ValueError:  # the port is not a number
        pass
    raise ValueError(f"{where}: {url!r} is not the URL of a receiver; use a URL such as 'http://localhost:4318'")


def is_here(url: str) -> bool:
    """Return True if a URL, or host:port, is on this machine, which a proxy of the environment cannot reach.

    >>> is_here("http://localhost:4318"), is_here("127.0.0.1:4317"), is_here("http://[::1]:4318"), is_here("http://d:4318")
    (True, True, True, False)
    """
    host = urlsplit(url if "://" in url else f"//{url}").hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def records_silenced(environ: Mapping[str, str] = os.environ) -> bool:
    """Return True if ``OTEL_LOGS_EXPORTER=none`` turns records off.

    ``DRIFTLINE_ENDPOINT`` wins over it, and a destination of records in the file of ``OTEL_CONFIG_FILE``.
    """
    exporters = listed_exporters("logs", with_declared("logs", environ))
    return exporters == ["none"] and not read("DRIFTLINE_ENDPOINT", environ)


def disabled(environ: Mapping[str, str] = os.environ) -> bool:
    """Return True if ``OTEL_SDK_DISABLED``, or the file of ``OTEL_CONFIG_FILE``, turns everything off."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return True
    file = declared(environ)
    return file is not None and file.is_disabled


def listed_exporters(signal: str, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return the names in ``OTEL_TRACES_EXPORTER``, ``OTEL_METRICS_EXPORTER`` or ``OTEL_LOGS_EXPORTER``.

    >>> listed_exporters("metrics", {"OTEL_METRICS_EXPORTER": "console, otlp"})
    ['console', 'otlp']
    """
    return [name.strip() for name in environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").split(",") if name.strip()]


def protocol_of(signal: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the protocol of a signal that the name of its exporter selects, else that of the variables; "" without.

    >>> protocol_of("traces", {"OTEL_TRACES_EXPORTER": "otlp_proto_grpc"})
    'grpc'
    """
    named = [OTLP_EXPORTERS[name] for name in listed_exporters(signal, environ) if OTLP_EXPORTERS.get(name)]
    return named[0] if named else _setting(environ, signal, "PROTOCOL").lower()


def _warn(line: str) -> None:
    if FAULTS.once(line):
        logger.warning("driftline: %s", line)


def _setting(environ: Mapping[str, str], signal: str, name: str) -> str:
    of_signal = environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}")
    return (of_signal or environ.get(f"OTEL_EXPORTER_OTLP_{name}") or "").strip()


def _protocol(of_signal: str, general: str) -> Literal["http", "grpc"]:
    """Return the protocol. For our own endpoints, the port decides, because the setting is for the other backend."""
    port = urlsplit(of_signal if "//" in of_signal else f"//{of_signal}").port if of_signal else None
    if port == 4317:
        return "grpc"
    return "grpc" if general == "grpc" and port != 4318 else "http"


def _seconds(text: str) -> float:
    try:
        return float(text) if text else 10.0
    except ValueError:
        return 10.0
