"""The providers of traces and metrics that Driftline makes where the program has none: over OTLP, ended in time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .endpoint import DEFAULT, DEFAULT_GRPC, is_here
from .lifecycle import close_at_exit

if TYPE_CHECKING:
    from .endpoint import Endpoint


def set_up_traces(resource: Any, target: Endpoint | None) -> None:
    """Give the program a tracer provider if it has none. ``target``: where to; else what the environment says."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return
    if _grpc("TRACES", target):
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter

        exporter: Any = GrpcExporter(**destination("TRACES", target))
    else:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        exporter = OTLPSpanExporter(**destination("TRACES", target))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    close_at_exit("traces", provider.shutdown, provider.force_flush)


def set_up_metrics(resource: Any, target: Endpoint | None) -> None:
    """Give the program a meter provider if it has none. ``target``: where to; else what the environment says."""
    from opentelemetry import metrics
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    if hasattr(metrics.get_meter_provider(), "shutdown"):  # a real one; the placeholder of the API has no end
        return
    if _grpc("METRICS", target):
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcExporter

        exporter: Any = GrpcExporter(**destination("METRICS", target))
    else:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

        exporter = OTLPMetricExporter(**destination("METRICS", target))
    provider = MeterProvider([PeriodicExportingMetricReader(exporter)], resource=resource, shutdown_on_exit=False)
    metrics.set_meter_provider(provider)
    close_at_exit("metrics", provider.shutdown, provider.force_flush, after_records=True)


def _grpc(signal: str, target: Endpoint | None) -> bool:
    if target is not None:
        return target.protocol == "grpc"
    protocol = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL") or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    return protocol == "grpc"


def destination(signal: str, target: Endpoint | None) -> dict[str, Any]:
    """Return the arguments of an exporter: its endpoint, if not the environment's, and no proxy where it is here.

    ``signal``: "TRACES" or "METRICS".

    >>> from driftline.endpoint import resolve
    >>> destination("TRACES", resolve("http://driftline:4318", {}))
    {'endpoint': 'http://driftline:4318/v1/traces'}
    """
    grpc = _grpc(signal, target)
    given = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    base = target.base if target else given or (DEFAULT_GRPC if grpc else DEFAULT)
    arguments: dict[str, Any] = {}
    if target is not None:
        arguments["endpoint"] = base if grpc else f"{base}/v1/{signal.lower()}"
    if is_here(base):
        if grpc:
            arguments["channel_options"] = (("grpc.enable_http_proxy", 0),)
        else:
            try:
                import requests
            except ImportError:  # the exporter has a transport of its own
                return arguments
            from .channel import past_proxies

            arguments["session"] = past_proxies(requests.Session(), base)
    return arguments
