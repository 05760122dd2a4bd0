"""Driftline beside, before and after a real Collector, with the configuration that we tell people to use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from driftline_processor.demo.peers.recorder import Asked, service
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from .peers import Driftline, collector, eventually
from .rows import predict, tracer

pytestmark = pytest.mark.interop


@contextmanager
def backend() -> Iterator[tuple[str, list[str]]]:
    """Listen as a backend does; yield the URL and the names of the spans that have come so far."""
    names: list[str] = []

    def take(asked: Asked) -> tuple[int, None]:
        if asked.path == "/v1/traces":
            request = ExportTraceServiceRequest.FromString(asked.unpacked)
            scopes = [scope for resource in request.resource_spans for scope in resource.scope_spans]
            names.extend(span.name for scope in scopes for span in scope.spans)
        return 200, None

    with service(take) as server:
        server.headers["Content-Type"] = "application/x-protobuf"
        yield server.url, names


def test_beside_a_collector_the_predictions_come_and_the_rest_goes_where_it_went(tmp_path: Path) -> None:
    driftline = Driftline()
    with (
        backend() as (url, names),
        driftline.up(tmp_path),
        collector(tmp_path, BACKEND=url, DRIFTLINE=driftline.grpc) as (grpc, _),
    ):
        with tracer(OTLPSpanExporter(endpoint=grpc, insecure=True)) as shop:
            for row in range(20):
                predict(shop, str(row), row / 20)
        assert eventually(lambda: driftline.rows("churn"), lambda rows: rows >= 20) == 20
        eventually(lambda: len(names), lambda count: count >= 40)
    assert sorted(names) == ["POST /score"] * 20 + ["predict churn"] * 20


def test_in_front_of_a_collector_every_span_arrives_behind_it(tmp_path: Path) -> None:
    driftline, elsewhere = Driftline(), "127.0.0.1:1"
    with backend() as (url, names), collector(tmp_path, BACKEND=url, DRIFTLINE=elsewhere) as (grpc, http):
        exporters = {
            "otlp_grpc/collector": {"endpoint": grpc, "tls": {"insecure": True}, "forward": ["traces"]},
            "otlp_http/collector": {"endpoint": http, "forward": ["traces"]},
        }
        with driftline.up(tmp_path, exporters=exporters):
            with tracer(OTLPSpanExporter(endpoint=driftline.grpc, insecure=True)) as shop:
                for row in range(20):
                    predict(shop, str(row), row / 20)
            eventually(lambda: len(names), lambda count: count >= 80)
            eventually(lambda: driftline.rows("churn"), lambda rows: rows == 20)
    assert sorted(names) == ["POST /score"] * 40 + ["predict churn"] * 40
