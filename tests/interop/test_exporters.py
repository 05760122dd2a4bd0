"""Stock OpenTelemetry exporters find Driftline where OTLP is expected."""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter

from .peers import Driftline, eventually
from .rows import predict, tracer

pytestmark = pytest.mark.interop


def test_stock_exporters_over_grpc_and_http_compressed_or_not_are_counted_once(tmp_path: Path) -> None:
    import grpc

    driftline = Driftline()
    exporters = [
        GrpcExporter(endpoint=driftline.grpc, insecure=True),
        GrpcExporter(endpoint=driftline.grpc, insecure=True, compression=grpc.Compression.Gzip),
        HttpExporter(endpoint=f"{driftline.http}/v1/traces"),
        HttpExporter(endpoint=f"{driftline.http}/v1/traces", compression=Compression.Gzip),
    ]
    with driftline.up(tmp_path):
        for number, exporter in enumerate(exporters):
            with tracer(exporter) as shop:
                for row in range(50):
                    predict(shop, f"{number}-{row}", row / 50)
        assert eventually(lambda: driftline.rows("churn"), lambda rows: rows >= 200) == 200
