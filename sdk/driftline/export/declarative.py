"""The destinations in the file of ``OTEL_CONFIG_FILE``, OpenTelemetry's declarative configuration, as variables.

OpenTelemetry's own loader reads the file, once per process. Its exporters become the ``OTEL_EXPORTER_OTLP_LOGS_*`` and
``OTEL_EXPORTER_OTLP_METRICS_*`` variables with the same meaning, so that one function resolves both
(OpenTelemetry specification, "Declarative configuration").
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any
from urllib.parse import quote

LARGEST = 1 << 20
"""Maximum bytes of the file: the program waits for the loader, which reads about 150 KB of YAML in a second."""

_OTLP = {"otlp_http": "http/protobuf", "otlp_grpc": "grpc"}


@dataclass(frozen=True, slots=True)
class DeclaredConfiguration:
    """The part of a configuration file that Driftline uses.

    Attributes:
        logs: Variables of the destination of records.
        metrics: Variables of the destination of distributions; None without an OTLP exporter of metrics, or if the
            file cannot be read.
        is_disabled: Whether the file turns OpenTelemetry off.
        is_read: Whether the file can be read.
        problem: Why the file has no destination of records; "" if it has one.
    """

    logs: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, str] | None = None
    is_disabled: bool = False
    is_read: bool = True
    problem: str = ""


def declared(environ: Mapping[str, str]) -> DeclaredConfiguration | None:
    """Return the configuration in the file of ``OTEL_CONFIG_FILE``; None if the variable is not set.

    Args:
        environ: Environment to read.

    >>> declared({}) is None
    True
    """
    path = environ.get("OTEL_CONFIG_FILE", "").strip()
    return _read(path) if path else None


def with_declared(signal: str, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return an environment in which the file of ``OTEL_CONFIG_FILE`` replaces the variables of OTLP exporters.

    As OpenTelemetry specifies, none of them is used beside the file: its destination never gets a key of theirs.

    Args:
        signal: "logs" or "metrics".
        environ: Environment with the variables.

    >>> with_declared("logs", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"})
    {'OTEL_EXPORTER_OTLP_ENDPOINT': 'http://collector:4318'}
    """
    file = declared(environ)
    variables = dict((file.logs if signal == "logs" else file.metrics) or {}) if file else {}
    if not variables:
        return {**environ}
    return {name: value for name, value in environ.items() if not name.startswith("OTEL_EXPORTER_OTLP_")} | variables


@cache
def _read(path: str) -> DeclaredConfiguration:
    try:
        load = import_module("opentelemetry.configuration").load_config_file  # not a dependency: it pins the SDK
    except Exception:  # it is not installed, or broken
        fix = "it requires the package 'opentelemetry-configuration'; run 'pip install opentelemetry-configuration'"
        return DeclaredConfiguration(is_read=False, problem=fix)
    missing = "it has no OTLP exporter of logs, and none of traces with a URL that ends in /v1/traces"
    try:
        if os.path.getsize(path) > LARGEST:
            return DeclaredConfiguration(is_read=False, problem=f"it is larger than {LARGEST >> 20} MiB")
        configuration = load(path)
        logs = _logs(configuration)
        return DeclaredConfiguration(
            logs=logs or {},
            metrics=_metrics(configuration),
            is_disabled=bool(configuration.disabled),
            problem="" if logs else missing,
        )
    except Exception as error:  # the loader logs the reason; its text can contain a header, often a key
        return DeclaredConfiguration(is_read=False, problem=f"it cannot be read ({type(error).__name__})")


def _logs(configuration: Any) -> dict[str, str] | None:
    """Return the variables of the first OTLP exporter of logs, else of traces."""
    for protocol, exporter in _exporters(configuration.logger_provider):
        return _variables("LOGS", protocol, exporter, exporter.endpoint)
    for protocol, exporter in _exporters(configuration.tracer_provider):
        endpoint = exporter.endpoint
        if endpoint and protocol != "grpc":
            if not endpoint.endswith("/v1/traces"):
                return None
            endpoint = endpoint.removesuffix("traces") + "logs"
        return _variables("LOGS", protocol, exporter, endpoint)
    return None


def _metrics(configuration: Any) -> dict[str, str] | None:
    """Return the variables of the first OTLP exporter of metrics."""
    for reader in getattr(configuration.meter_provider, "readers", ()):
        for protocol, exporter in _otlp([reader.periodic]):
            preference = getattr(exporter.temporality_preference, "value", None)
            own = {
                "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": preference and preference.replace("_", ""),
                "OTEL_METRIC_EXPORT_INTERVAL": reader.periodic.interval,
            }
            return _variables("METRICS", protocol, exporter, exporter.endpoint) | _texts(own)
    return None


def _exporters(provider: Any) -> Iterator[tuple[str, Any]]:
    """Yield protocol and settings of the OTLP exporters of a provider of logs or traces, in the order of the file."""
    for processor in getattr(provider, "processors", ()):
        yield from _otlp([processor.batch, processor.simple])


def _otlp(holders: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    for holder in holders:
        for name, protocol in _OTLP.items():
            exporter = getattr(getattr(holder, "exporter", None), name, None)
            if exporter is not None:
                yield protocol, exporter


def _variables(signal: str, protocol: str, exporter: Any, endpoint: str | None) -> dict[str, str]:
    encoding = getattr(getattr(exporter, "encoding", None), "value", "")
    headers = [exporter.headers_list or "", *(f"{one.name}={quote(one.value or '')}" for one in exporter.headers or ())]
    insecure = getattr(exporter.tls, "insecure", None)
    values = {
        "ENDPOINT": endpoint,
        "PROTOCOL": "http/json" if encoding == "json" else protocol,
        "HEADERS": ",".join(filter(None, headers)) or None,  # of two with one name, the last wins
        "TIMEOUT": exporter.timeout / 1000 if exporter.timeout else None,  # 0: no limit
        "COMPRESSION": exporter.compression,
        "CERTIFICATE": getattr(exporter.tls, "ca_file", None),
        "CLIENT_KEY": getattr(exporter.tls, "key_file", None),
        "CLIENT_CERTIFICATE": getattr(exporter.tls, "cert_file", None),
        "INSECURE": None if insecure is None else str(insecure).lower(),
    }
    variables = {f"OTEL_EXPORTER_OTLP_{signal}_{name}": value for name, value in values.items()}
    return {f"OTEL_{signal}_EXPORTER": "otlp", **_texts(variables)}


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items() if value is not None}
