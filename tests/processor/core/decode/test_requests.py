"""A request of another signal than that of its address is refused, never accepted without its rows."""

from __future__ import annotations

import pytest
from driftline_processor.core.decode.requests import Malformed, parse_request
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import SEVERITY_NUMBER_INFO, LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    Sum,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

TIME = 1_795_161_600 * 10**9
MODEL = [KeyValue(key="ml.model.name", value=AnyValue(string_value="churn"))]
POINT = NumberDataPoint(time_unix_nano=TIME, as_double=1.5, attributes=MODEL)
TRACE, SPAN = bytes(range(16)), bytes(range(8))
"""Ids that are valid UTF-8, as names of metrics are."""

LOGS = [
    LogRecord(time_unix_nano=TIME, event_name="ml.prediction", attributes=MODEL),
    LogRecord(observed_time_unix_nano=TIME, attributes=MODEL),
    LogRecord(attributes=MODEL),
    LogRecord(event_name="ml.prediction", attributes=MODEL, trace_id=TRACE, span_id=SPAN),
    LogRecord(
        time_unix_nano=TIME, severity_number=SEVERITY_NUMBER_INFO, severity_text="INFO", body=AnyValue(string_value="x")
    ),
]
SPANS = [
    Span(
        name="predict",
        start_time_unix_nano=TIME,
        end_time_unix_nano=TIME + 1,
        attributes=MODEL,
        trace_id=TRACE,
        span_id=SPAN,
    ),
    Span(name="predict", kind=Span.SPAN_KIND_SERVER, attributes=MODEL, trace_id=TRACE, span_id=SPAN),
    Span(start_time_unix_nano=TIME, attributes=MODEL),
]
METRICS = [
    Metric(name="a", unit="1", gauge=Gauge(data_points=[POINT])),
    Metric(name="a", description="b", sum=Sum(data_points=[POINT], is_monotonic=True)),
    Metric(name="a", histogram=Histogram(data_points=[HistogramDataPoint(time_unix_nano=TIME, count=1)])),
]


def request(row: Message, rows: int = 1) -> bytes:
    message: Message
    if isinstance(row, LogRecord):
        message = ExportLogsServiceRequest()
        message.resource_logs.add().scope_logs.add()
        message.resource_logs.add().scope_logs.add().log_records.extend([row] * rows)
    elif isinstance(row, Span):
        message = ExportTraceServiceRequest()
        message.resource_spans.add().scope_spans.add()
        message.resource_spans.add().scope_spans.add().spans.extend([row] * rows)
    else:
        assert isinstance(row, Metric)
        message = ExportMetricsServiceRequest()
        message.resource_metrics.add().scope_metrics.add()
        message.resource_metrics.add().scope_metrics.add().metrics.extend([row] * rows)
    return bytes(message.SerializeToString())


@pytest.mark.parametrize("sent_as", ["logs", "traces", "metrics"])
@pytest.mark.parametrize(
    ("signal", "row"), [*(("logs", row) for row in LOGS), *(("traces", row) for row in SPANS),
                        *(("metrics", row) for row in METRICS)]
)  # fmt: skip
def test_a_request_of_another_signal_is_refused(signal: str, row: Message, sent_as: str) -> None:
    body = request(row, 3)
    if sent_as == signal:
        assert parse_request(signal, body).SerializeToString() == body
        return
    with pytest.raises(Malformed, match="not an Export"):
        parse_request(sent_as, body)


def test_the_refusal_names_the_address_of_the_signal() -> None:
    with pytest.raises(Malformed) as refused:
        parse_request("traces", request(LOGS[0]))
    assert str(refused.value) == (
        "not an ExportTraceServiceRequest, but a request of logs; send it as logs, over HTTP to /v1/logs"
    )


def test_unknown_fields_of_a_later_version_are_accepted() -> None:
    later = Span(name="predict", trace_id=TRACE, span_id=SPAN)
    later.MergeFromString(bytes([0xFA, 0x07, 0x01, 0x00]))  # field 127, which no version has
    body = request(later)
    assert parse_request("traces", body).SerializeToString() == body
