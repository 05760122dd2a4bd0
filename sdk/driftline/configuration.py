"""Set up OpenTelemetry in one line: providers of traces and metrics over OTLP, for programs without providers."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from driftline.export.endpoint import (
    DEFAULT,
    DEFAULT_GRPC,
    OTLP_EXPORTERS,
    is_here,
    listed_exporters,
    protocol_of,
)
from driftline.export.lifecycle import close_at_exit

from .faults import logger
from .guarded_log import guard_libraries

if TYPE_CHECKING:
    from driftline.export.endpoint import Endpoint


def set_up_traces(resource: Any, target: Endpoint | None) -> None:
    """Give the program a tracer provider if it has none.

    Args:
        resource: Resource of the spans.
        target: Destination of the spans. Default: the environment's.
    """
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    if _has_tracer_provider():
        return
    exporters = _exporters("trace_exporter", "OTLPSpanExporter", "TRACES", target)
    if not exporters:
        return
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    close_at_exit("traces", provider.shutdown, provider.force_flush)


def set_up_metrics(resource: Any, target: Endpoint | None) -> None:
    """Give the program a meter provider if it has none.

    Args:
        resource: Resource of the metrics.
        target: Destination of the metrics. Default: the environment's.
    """
    from opentelemetry import metrics
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader

    if _has_meter_provider():
        return
    exporters = _exporters("metric_exporter", "OTLPMetricExporter", "METRICS", target)
    if not exporters:
        return
    readers = [one if isinstance(one, MetricReader) else PeriodicExportingMetricReader(one) for one in exporters]
    provider = MeterProvider(readers, resource=resource, shutdown_on_exit=False)
    metrics.set_meter_provider(provider)
    close_at_exit("metrics", provider.shutdown, provider.force_flush, after_records=True)


def _has_tracer_provider() -> bool:
    from opentelemetry import trace

    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def _has_meter_provider() -> bool:
    from opentelemetry import metrics

    return hasattr(metrics.get_meter_provider(), "shutdown")  # the API's placeholder has no shutdown


def _exporters(module: str, otlp: str, signal: str, target: Endpoint | None) -> list[Any]:
    """Return the exporters that the variable of a signal lists, and readers such as that of Prometheus.

    Args:
        module: Module of the OTLP exporter in the package of a protocol.
        otlp: Class of the OTLP exporter.
        signal: "TRACES" or "METRICS".
        target: Destination of OTLP exporters. Default: the environment's.

    Returns:
        Those that can be created; a log line names each of the others.
    """
    exporters = []
    for name in dict.fromkeys(listed_exporters(signal) or ["otlp"]):
        try:
            if name in OTLP_EXPORTERS:
                protocol = "grpc" if _grpc(signal, target, name) else "http"
                exporter = getattr(import_module(f"opentelemetry.exporter.otlp.proto.{protocol}.{module}"), otlp)
                exporters.append(exporter(**destination(signal, target, name)))
            elif name.lower() != "none":
                exporters.append(_entry_point(signal, name).load()())
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # also an exit, or a panic of Rust; the service must start anyway
            logger.warning(
                "driftline: OTEL_%s_EXPORTER: the exporter '%s' cannot be used, so %s are not sent to it: %s: %s",
                signal, name, signal.lower(), type(error).__name__, error,
            )  # fmt: skip
    return exporters


def _entry_point(signal: str, name: str) -> EntryPoint:
    """Return the entry point of an exporter, by which OpenTelemetry's SDK finds it; raises ``LookupError`` without."""
    installed = entry_points(group=f"opentelemetry_{signal.lower()}_exporter")
    if name not in installed.names:
        raise LookupError(
            f"no installed package provides it; these are installed: {', '.join(sorted(installed.names))}"
        )
    return installed[name]


def _grpc(signal: str, target: Endpoint | None, name: str) -> bool:
    if target is not None:
        return target.protocol == "grpc"
    return (OTLP_EXPORTERS[name] or protocol_of(signal)) == "grpc"


def destination(signal: str, target: Endpoint | None, name: str = "otlp") -> dict[str, Any]:
    """Return the keyword arguments of an OpenTelemetry exporter.

    Args:
        signal: "TRACES" or "METRICS".
        target: Destination. Default: the environment's.
        name: Name of the exporter, which can select the protocol.

    Returns:
        The endpoint if ``target`` is given, and no proxy if the destination is on this machine. Over HTTP, a session
        whose answers are bounded, unless a credential provider of OpenTelemetry makes the session.

    >>> from driftline.export.endpoint import resolve
    >>> destination("TRACES", resolve("http://driftline:4318", {}))["endpoint"]
    'http://driftline:4318/v1/traces'
    """
    grpc = _grpc(signal, target, name)
    endpoint = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    base = target.base if target else endpoint or (DEFAULT_GRPC if grpc else DEFAULT)
    arguments: dict[str, Any] = {}
    if target is not None:
        arguments["endpoint"] = base if grpc else f"{base}/v1/{signal.lower()}"
    if grpc:
        if is_here(base):
            arguments["channel_options"] = (("grpc.enable_http_proxy", 0),)
        return arguments
    providers = (f"OTEL_PYTHON_EXPORTER_OTLP_HTTP_{part}CREDENTIAL_PROVIDER" for part in ("", f"{signal}_"))
    if is_here(base) or not any(map(os.environ.get, providers)):
        try:
            from driftline.export.timed_http import TimedSession
        except ImportError:  # of requests: the exporter has a transport of its own
            return arguments
        from driftline.export.transport import past_proxies

        arguments["session"] = past_proxies(TimedSession(), base) if is_here(base) else TimedSession()
    return arguments


class FallbackHandler(logging.StreamHandler[Any]):
    """Log handler that writes to stderr if the program has no log handler.

    Without it, Python shows no INFO lines in a program that did not set up logging (uvicorn, most scripts), and the
    lines that describe how Driftline reads a model are lost.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, unless the root logger has a handler now.

        Args:
            record: Record to write.
        """
        if not logging.root.handlers:
            self.stream = sys.stderr  # the current stream: a test runner may have closed an earlier one
            super().emit(record)


def configure(
    service_name: str | None = None,
    endpoint: str | None = None,
    *,
    environment: str | None = None,
    resource_attributes: Mapping[str, str] | None = None,
) -> None:
    """Set up traces and metrics over OTLP if the program has no providers, and set the endpoint of records.

    Do not call this function if OpenTelemetry is already set up: Driftline never replaces a provider. Otherwise, call
    this function once, before the first prediction. If logging is not set up, Driftline logs to stderr. At the end of
    the process, the providers of this function are flushed within the same time limit as the records. The variables
    ``OTEL_SDK_DISABLED``, ``OTEL_TRACES_EXPORTER`` and ``OTEL_METRICS_EXPORTER`` also apply. The last two variables are
    lists of ``otlp``, ``console``, ``none`` and any installed exporter, such as ``prometheus``.

    Args:
        service_name: Name of the service. Default: ``OTEL_SERVICE_NAME``.
        endpoint: URL of 'driftline up' or of any OTLP receiver, such as "http://localhost:4318". Default:
            ``DRIFTLINE_ENDPOINT``. Without this variable, the default is ``OTEL_EXPORTER_OTLP_*``. Headers always come
            from ``OTEL_EXPORTER_OTLP_*``.
        environment: Deployment environment, such as "production". Outcomes are joined with predictions of the same
            environment.
        resource_attributes: Further attributes of the resource.

    >>> import driftline
    >>> driftline.configure(service_name="shop")  # doctest: +SKIP
    """
    from driftline.export import pipeline
    from driftline.export.endpoint import disabled, resolve

    pipeline.use_endpoint(endpoint)
    show_log_lines()
    if disabled():
        return
    file = os.environ.get("OTEL_CONFIG_FILE", "").strip()
    if file and not _has_tracer_provider() and not _has_meter_provider():
        logger.warning(
            "driftline: configure() does not apply OTEL_CONFIG_FILE=%s to spans and metrics; "
            "'opentelemetry-instrument' applies it",
            file,
        )
    from opentelemetry.sdk.resources import Resource

    from driftline.export.resource import set_own_attributes
    from driftline.semconv import attributes as a

    attributes = dict(resource_attributes or {})
    if service_name:
        attributes[a.SERVICE_NAME] = service_name
    if environment:
        attributes[a.DEPLOYMENT_ENVIRONMENT_NAME] = environment
    with guard_libraries():
        resource = Resource.create(attributes)
    set_own_attributes(attributes)
    target = resolve(endpoint) if endpoint else None  # one port speaks one protocol: that of the records
    for signal, set_up in (("traces", set_up_traces), ("metrics", set_up_metrics)):
        try:
            set_up(resource, target)
        except Exception as error:  # the exporter cannot be created; the service must start anyway
            logger.warning("driftline: %s are not sent: %s: %s", signal, type(error).__name__, error)


def show_log_lines() -> None:
    """Show Driftline's log lines if logging is not set up. For programs, never for libraries."""
    if not any(isinstance(handler, FallbackHandler) for handler in logger.settings.handlers):
        logger.settings.addHandler(FallbackHandler())
    if logger.settings.level == logging.NOTSET:
        logger.settings.setLevel(logging.INFO)
