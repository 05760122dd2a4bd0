"""Driftline beside, before and after a real Collector, with the configuration that we tell people to use."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from .peers import Driftline, collector, eventually
from .rows import predict, tracer

pytestmark = pytest.mark.interop


@contextmanager
def backend() -> Iterator[tuple[str, list[str]]]:
    """Listen as a backend does; yield the URL and the names of the spans that have come so far."""
    names: list[str] = []

    class Receive(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path == "/v1/traces":
                request = ExportTraceServiceRequest.FromString(body)
                scopes = [scope for resource in request.resource_spans for scope in resource.scope_spans]
                names.extend(span.name for scope in scopes for span in scope.spans)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receive)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", names
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


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
