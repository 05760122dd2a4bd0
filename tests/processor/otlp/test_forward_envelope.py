"""Requests are merged, cut and split without touching a record."""

from __future__ import annotations

import pytest
from driftline_processor.otlp.envelope import drop_groups, keep_logs, split_request
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def spans(*names: str, resource: str = "shop", scope: str = "app") -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add(schema_url="https://example.com/1")
    group.resource.attributes.add(key="service.name").value.string_value = resource
    inner = group.scope_spans.add(schema_url="https://example.com/2")
    inner.scope.name = scope
    for name in names:
        inner.spans.add(name=name, trace_id=b"t" * 16, span_id=b"s" * 8)
    return request


def flat(body: bytes) -> list[tuple[str, str, str, str, str]]:
    """Every span with all of its envelope."""
    return [
        (group.resource.attributes[0].value.string_value, group.schema_url, scope.scope.name, scope.schema_url, s.name)
        for group in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in group.scope_spans
        for s in scope.spans
    ]


def logs(*names: str) -> bytes:
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.add(key="service.name").value.string_value = "shop"
    for name in names:
        record = group.scope_logs.add().log_records.add(event_name=name)
        record.body.string_value = f"ml.of {name}"
    return bytes(request.SerializeToString())


def event_names(body: bytes) -> list[str]:
    return [
        record.event_name
        for group in ExportLogsServiceRequest.FromString(body).resource_logs
        for scope in group.scope_logs
        for record in scope.log_records
    ]


def test_a_request_within_the_limit_stays_the_same_bytes() -> None:
    body = spans("a", "b").SerializeToString()
    assert list(split_request(body, len(body))) == [body]


@pytest.mark.parametrize("limit", [200, 256, 1000, 5000])
def test_a_larger_one_is_cut_between_records_and_keeps_every_envelope(limit: int) -> None:
    request = spans(*(f"first-{i}" for i in range(60)))
    request.MergeFrom(spans(*(f"second-{i}" for i in range(60)), resource="bank", scope="other"))
    body = request.SerializeToString()
    pieces = list(split_request(body, limit))
    assert [span for piece in pieces for span in flat(piece)] == flat(body)
    assert max(map(len, pieces)) <= limit
    assert len(pieces) <= 2 * len(body) // limit + 2 if limit > 256 else len(pieces) > 1


def test_a_record_above_the_limit_goes_alone() -> None:
    body = spans("a", "b" * 1000, "c").SerializeToString()
    assert [[span[-1] for span in flat(piece)] for piece in split_request(body, 300)] == [["a"], ["b" * 1000], ["c"]]


def test_cutting_keeps_fields_that_this_version_does_not_know() -> None:
    body = spans("a" * 200, "b" * 200).SerializeToString()
    unknown = b"\xc2\x3e\x03new"  # field 1000, as the deprecated instrumentation library was
    request = ExportTraceServiceRequest.FromString(body)
    group = request.resource_spans[0].SerializeToString() + unknown
    body = b"\x0a" + bytes([len(group) & 0x7F | 0x80, len(group) >> 7]) + group
    pieces = list(split_request(body, 400))
    assert len(pieces) == 2
    assert all(unknown in piece for piece in pieces)


def test_metrics_are_cut_between_metrics() -> None:
    request = ExportMetricsServiceRequest()
    scope = request.resource_metrics.add().scope_metrics.add()
    for i in range(10):
        scope.metrics.add(name=f"m{i}", description="d" * 50).gauge.data_points.add(as_double=i)
    merged = ExportMetricsServiceRequest()
    for piece in split_request(request.SerializeToString(), 200):
        merged.MergeFromString(piece)
    names = [m.name for g in merged.resource_metrics for s in g.scope_metrics for m in s.metrics]
    assert names == [f"m{i}" for i in range(10)]


def test_concatenated_requests_are_one_request() -> None:
    first, second = spans("a").SerializeToString(), spans("b", resource="bank").SerializeToString()
    assert flat(first + second) == flat(first) + flat(second)


def test_records_and_other_logs_go_apart() -> None:
    body = logs(
        "ml.prediction", "login", "ml.outcome", "", "driftline.prediction.batch", "driftline.baseline", "ml.something"
    )
    assert event_names(keep_logs(body, is_own=True)) == [
        "ml.prediction",
        "ml.outcome",
        "driftline.prediction.batch",
        "driftline.baseline",
    ]
    assert event_names(keep_logs(body, is_own=False)) == ["login", "", "ml.something"]


def test_a_request_of_one_kind_is_untouched() -> None:
    ours, other = logs("ml.prediction", "ml.outcome"), logs("login", "ml.something")
    assert keep_logs(ours, is_own=True) is ours
    assert keep_logs(other, is_own=False) is other
    assert keep_logs(ours, is_own=False) == b""
    assert keep_logs(other, is_own=True) == b""


def test_groups_that_are_left_out_change_nothing_else() -> None:
    one, other = spans("a", "b").SerializeToString(), spans("c", resource="bank").SerializeToString()
    unknown = b"\xc2\x3e\x03new"
    both = one + other + unknown
    assert drop_groups(both, lambda _: False) is both
    assert drop_groups(both, lambda group: b"bank" in group) == one + unknown
    assert drop_groups(both, lambda _: True) == b""
