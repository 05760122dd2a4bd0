"""Driftline beside, before and after a real Collector, with the configuration that we tell people to use."""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

from .peers import Driftline, backend, collector, eventually
from .rows import predict, tracer

pytestmark = pytest.mark.interop


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
