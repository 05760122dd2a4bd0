"""How a destination is reached: TLS, compression, and what answers and failures mean."""

from __future__ import annotations

import gzip
from datetime import timedelta
from typing import Any

import grpc
import pytest
from driftline.capture.model_identity import VERSION
from driftline_processor.exporters.exporter import ExportResult
from driftline_processor.exporters.types.otlp_grpc import OtlpGrpc, OtlpGrpcExporter
from driftline_processor.exporters.types.otlp_http import OtlpHttp, OtlpHttpExporter
from driftline_processor.otlp.protocol import PROTOBUF, retry_metadata, status
from driftline_processor.receipts import Overloaded
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsPartialSuccess, ExportLogsServiceResponse

from tests.support.exporter_peers import grpc_server, http_server
from tests.support.otlp_peers import Peer, grpc_peer

PARTIAL = ExportLogsServiceResponse(
    partial_success=ExportLogsPartialSuccess(rejected_log_records=2, error_message="too old")
).SerializeToString()

WARNING = ExportLogsServiceResponse(
    partial_success=ExportLogsPartialSuccess(error_message="send less")
).SerializeToString()


def foreign(begin: str) -> ExportResult:
    message = f"another server answers, such as a proxy or a login page; its answer begins with {begin!r}"
    return ExportResult("retryable", "no receiver", message, unreachable=True)


AGENT = f"driftline/{VERSION} OTel-OTLP-Exporter-Python/{VERSION}"


def over_http(endpoint: str, tenant: str = "one", **keys: Any) -> ExportResult:
    transport = OtlpHttpExporter(OtlpHttp(endpoint=endpoint, **keys))
    try:
        return transport.export("logs", b"body", {"x-tenant": tenant})
    finally:
        transport.close()


LATER = {"Retry-After": "7"}
REASON = status(3, "no such tenant")


@pytest.mark.parametrize(
    ("code", "body", "headers", "answer"),
    [
        (200, b"", {}, ExportResult("success")),
        (202, b"{}", {}, ExportResult("success")),
        (200, PARTIAL, {}, ExportResult("success", "partial success", "too old", rejected=2)),
        (200, WARNING, {}, ExportResult("success", "partial success", "send less")),
        (200, b"<html>\n<title>Log in", {}, foreign("<html> <title>Log in")),
        (200, b"<p>Log in", {"Content-Type": "text/plain"}, foreign("<p>Log in")),
        (200, b"ok\n", {"Content-Type": "text/plain"}, ExportResult("success")),
        (200, b"Accepted", {"Content-Type": "text/html"}, ExportResult("success")),
        (202, b"success", {}, ExportResult("success")),
        (200, b'{"partialSuccess": {}}', {"Content-Type": "application/json"}, ExportResult("success")),
        (400, REASON, {"Content-Type": PROTOBUF}, ExportResult("permanent", "HTTP 400", "no such tenant")),
        (401, b"who?", {}, ExportResult("permanent", "HTTP 401", "who?")),
        (404, b"", {}, ExportResult("permanent", "HTTP 404")),
        (404, b"404 page not found\n\nnginx\n", {}, ExportResult("permanent", "HTTP 404", "404 page not found nginx")),
        (301, b"", {"Location": "/elsewhere"}, ExportResult("permanent", "HTTP 301")),
        (500, b"oops", {}, ExportResult("permanent", "HTTP 500", "oops")),
        (429, b"", LATER, ExportResult("retryable", "HTTP 429", "", 7.0)),
        (502, b"", {}, ExportResult("retryable", "HTTP 502")),
        (503, b"", {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, ExportResult("retryable", "HTTP 503", "", 0.0)),
        (504, b"", {"Retry-After": "soon"}, ExportResult("retryable", "HTTP 504")),
        (503, b"", {"Retry-After": f"1 Jan {10**20} 00:00:00 GMT"}, ExportResult("retryable", "HTTP 503")),
    ],
)
def test_what_a_status_means(code: int, body: bytes, headers: dict[str, str], answer: ExportResult) -> None:
    with http_server(code, body, headers) as (port, _):
        assert over_http(f"http://127.0.0.1:{port}") == answer


@pytest.mark.parametrize("compression", ["gzip", "none", None])
def test_what_http_sends(compression: str | None) -> None:
    with http_server(200) as (port, requests):
        keys: dict[str, Any] = {"compression": compression, "headers": {"X-Tenant": "ours", "Api-Key": "s3cret"}}
        over_http(f"http://127.0.0.1:{port}/api/v1/otlp/", **keys)
    [(_, path, _, headers, body)] = requests
    assert path == "/api/v1/otlp/v1/logs"
    assert (headers["content-type"], headers["x-tenant"], headers["api-key"]) == (PROTOBUF, "ours", "s3cret")
    assert headers["user-agent"] == AGENT
    assert headers.get("content-encoding") == ("gzip" if compression == "gzip" else None)
    assert (gzip.decompress(body) if compression == "gzip" else body) == b"body"


@pytest.mark.parametrize(
    ("endpoint", "packed"),
    [("http://127.0.0.1:4318", None), ("http://localhost:4318", None), ("http://backend.example:4318", "gzip")],
)
def test_nothing_is_packed_that_stays_on_this_machine(endpoint: str, packed: str | None) -> None:
    transport = OtlpHttpExporter(OtlpHttp(endpoint=endpoint))
    assert transport._headers.get("content-encoding") == packed
    transport.close()


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    with http_server(200) as (port, _):
        assert over_http(f"http://127.0.0.1:{port}") == ExportResult("success")
    with grpc_server() as port:
        assert over_grpc(f"http://localhost:{port}") == ExportResult("success")


def over_grpc(endpoint: str, tenant: str = "one", **keys: Any) -> ExportResult:
    transport = OtlpGrpcExporter(OtlpGrpc(endpoint=endpoint, **{"timeout": timedelta(seconds=5), **keys}))
    try:
        return transport.export("traces", b"body", {"x-tenant": tenant})
    finally:
        transport.close()


def test_a_call_names_the_product_and_its_exporter() -> None:
    peer = Peer()
    with grpc_peer(peer):
        transport = OtlpGrpcExporter(OtlpGrpc(endpoint=f"http://{peer.endpoint}"))
        assert transport.export("traces", b"", {}) == ExportResult("success")
        transport.close()
    assert peer.headers[0]["user-agent"].startswith(f"{AGENT} grpc-python/")


Code = grpc.StatusCode
WITH_DELAY = retry_metadata(Overloaded(1.5))


@pytest.mark.parametrize(
    ("code", "trailing", "answer"),
    [
        (Code.OK, (), ExportResult("success")),
        (Code.INVALID_ARGUMENT, (), ExportResult("permanent", "INVALID_ARGUMENT", "because")),
        (Code.UNIMPLEMENTED, (), ExportResult("permanent", "UNIMPLEMENTED", "because")),
        (Code.RESOURCE_EXHAUSTED, (), ExportResult("retryable", "RESOURCE_EXHAUSTED", "because")),
        (Code.RESOURCE_EXHAUSTED, WITH_DELAY, ExportResult("retryable", "RESOURCE_EXHAUSTED", "because", 1.5)),
        (Code.RESOURCE_EXHAUSTED, WITH_DELAY[:1], ExportResult("retryable", "RESOURCE_EXHAUSTED", "because", 1.5)),
        (Code.RESOURCE_EXHAUSTED, WITH_DELAY[1:], ExportResult("retryable", "RESOURCE_EXHAUSTED", "because", 1.5)),
        (Code.UNAVAILABLE, WITH_DELAY, ExportResult("retryable", "UNAVAILABLE", "because", 1.5)),
        (Code.UNAVAILABLE, (), ExportResult("retryable", "UNAVAILABLE", "because", None, True)),
        (Code.ABORTED, (("grpc-status-details-bin", b"\xff"),), ExportResult("retryable", "ABORTED", "because")),
        (Code.DATA_LOSS, (), ExportResult("retryable", "DATA_LOSS", "because")),
    ],
)
def test_what_a_code_means(
    code: grpc.StatusCode, trailing: tuple[tuple[str, bytes], ...], answer: ExportResult
) -> None:
    with grpc_server(code, trailing) as port:
        assert over_grpc(f"http://127.0.0.1:{port}") == answer


def test_a_partial_success_is_sent_and_said() -> None:
    with grpc_server(answer=PARTIAL) as port:
        assert over_grpc(f"grpc://127.0.0.1:{port}") == ExportResult(
            "success", "partial success", "too old", rejected=2
        )


@pytest.mark.parametrize("tenant", ["caf\u00e9", "a\nb", "a\0b"])
def test_a_header_that_cannot_travel_loses_its_request_only(tenant: str) -> None:
    with http_server(200) as (port, requests):
        assert over_http(f"http://127.0.0.1:{port}", tenant).result == "permanent"
        assert over_http(f"http://127.0.0.1:{port}") == ExportResult("success")
    with grpc_server() as port:
        assert over_grpc(f"http://127.0.0.1:{port}", tenant).result == "permanent"
        assert over_grpc(f"http://127.0.0.1:{port}") == ExportResult("success")
    assert len(requests) == 1
