"""Stock exporters and what they send."""

from __future__ import annotations

from typing import Any

from driftline_processor.receipts import Signal
from opentelemetry._logs import SeverityNumber
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk import _logs
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def export_spans(exporter: Any, *span_names: str) -> None:
    """Send spans as an application does: through a batch processor, flushed at its end."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    for name in span_names:
        provider.get_tracer("app").start_span(name).end()
    provider.shutdown()


def export_metrics(exporter: Any, *counters: str) -> None:
    """Send counters."""
    provider = MeterProvider([PeriodicExportingMetricReader(exporter, 3_600_000)], shutdown_on_exit=False)
    for name in counters:
        provider.get_meter("app").create_counter(name).add(1)
    provider.shutdown()


def export_logs(exporter: Any, *event_names: str) -> None:
    """Send log records with these event names."""
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    logger: Any = provider.get_logger("app")
    for name in event_names:
        if hasattr(_logs, "LogRecord"):  # the oldest OpenTelemetry takes only records
            severity, resource = SeverityNumber.UNSPECIFIED, provider.resource
            logger.emit(_logs.LogRecord(event_name=name, severity_number=severity, resource=resource))
        else:
            logger.emit(event_name=name)
    provider.shutdown()


def names(signal: Signal, body: bytes) -> list[str]:
    """List the spans, metrics or events of a request."""
    if signal == "traces":
        spans = ExportTraceServiceRequest.FromString(body).resource_spans
        return [span.name for group in spans for scope in group.scope_spans for span in scope.spans]
    if signal == "metrics":
        groups = ExportMetricsServiceRequest.FromString(body).resource_metrics
        return [metric.name for group in groups for scope in group.scope_metrics for metric in scope.metrics]
    logs = ExportLogsServiceRequest.FromString(body).resource_logs
    return [record.event_name for group in logs for scope in group.scope_logs for record in scope.log_records]
