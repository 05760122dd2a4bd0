"""Where records go, and what becomes of a request on the wire."""

from __future__ import annotations

import gzip
import re
import socket
import ssl
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import driftline
import grpc
import pytest
from driftline.capture.model_identity import VERSION
from driftline.export.endpoint import Endpoint, Signal, resolve
from driftline.export.pipeline import pipeline_of
from driftline.export.transport import (
    ChannelError,
    Delivery,
    GrpcChannel,
    HttpChannel,
    foreign_answer,
    is_temporary,
    open_channel,
)
from driftline_processor.core.decode.requests import decode_logs
from driftline_processor.demo.peers.recorder import Service, listening, service
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsPartialSuccess, ExportLogsServiceResponse

from tests.support.certificates import Authority
from tests.support.hostile_endpoint import answering
from tests.support.service import returns


@pytest.mark.parametrize(
    ("given", "environ", "base", "logs", "protocol"),
    [
        (None, {}, "http://localhost:4318", "http://localhost:4318/v1/logs", "http"),
        (None, {"DRIFTLINE_ENDPOINT": "http://d:4318/"}, "http://d:4318", "http://d:4318/v1/logs", "http"),
        (
            None,
            {"DRIFTLINE_ENDPOINT": "http://d:4318", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://c:1/v1/logs"},
            "http://d:4318",
            "http://d:4318/v1/logs",
            "http",
        ),
        (None, {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://c/x"}, "http://c/x", "http://c/x", "http"),
        (None, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, "http://c:4318", "http://c:4318/v1/logs", "http"),
        (None, {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http://localhost:4317", "localhost:4317", "grpc"),
        (
            None,
            {"OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317"},
            "http://c:4317",
            "c:4317",
            "grpc",
        ),
        (
            None,
            {"DRIFTLINE_ENDPOINT": "http://d:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "http://d:4318",
            "http://d:4318/v1/logs",
            "http",
        ),
        (None, {"DRIFTLINE_ENDPOINT": "http://d:4317"}, "http://d:4317", "d:4317", "grpc"),
        (
            "http://given:4318",
            {"DRIFTLINE_ENDPOINT": "http://d:1"},
            "http://given:4318",
            "http://given:4318/v1/logs",
            "http",
        ),
    ],
)
def test_the_endpoint(given: str | None, environ: dict[str, str], base: str, logs: str, protocol: str) -> None:
    endpoint = resolve(given, environ)

    assert (endpoint.base, endpoint.url, endpoint.protocol) == (base, logs, protocol)


@pytest.mark.parametrize("url", ["localhost:4318", "driftline", "http://", "http://d:abc", "grpc://d:4317"])
def test_an_endpoint_of_ours_that_is_no_url_is_refused_in_a_sentence(url: str) -> None:
    sentence = f"{re.escape(repr(url))} is not the URL of a receiver; use a URL such as 'http://localhost:4318'"
    with pytest.raises(ValueError, match=f"the variable DRIFTLINE_ENDPOINT: {sentence}"):
        resolve(None, {"DRIFTLINE_ENDPOINT": url})
    with pytest.raises(ValueError, match=rf"configure\(endpoint=\): {sentence}"):
        resolve(url, {})
    assert resolve(None, {"OTEL_EXPORTER_OTLP_ENDPOINT": "c:4318"}).base == "c:4318"  # not ours to judge


def test_settings_of_the_signal_win_over_the_general_ones() -> None:
    endpoint = resolve(
        None,
        {
            "OTEL_EXPORTER_OTLP_TIMEOUT": "3",
            "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT": "2.5",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
            "OTEL_EXPORTER_OTLP_HEADERS": "api-key=secret,x=1",
            "OTEL_EXPORTER_OTLP_CERTIFICATE": "/ca.pem",
        },
    )

    assert endpoint.timeout == 2.5
    assert endpoint.gzip is True
    assert endpoint.headers == {"api-key": "secret", "x": "1"}
    assert endpoint.certificate == "/ca.pem"


def test_the_key_of_another_backend_stays_home() -> None:
    environ = {"DRIFTLINE_ENDPOINT": "http://d:4318", "OTEL_EXPORTER_OTLP_HEADERS": "api-key=secret"}

    assert resolve(None, environ).headers == {}
    assert resolve(None, {**environ, "OTEL_EXPORTER_OTLP_LOGS_HEADERS": "key=ours"}).headers == {"key": "ours"}
    assert resolve(None, environ, "metrics").headers == {"api-key": "secret"}  # they do go to that backend


@pytest.mark.parametrize("signal", ["logs", "metrics"])
def test_an_endpoint_in_code_is_sent_the_headers_of_the_environment(signal: Signal) -> None:
    environ = {"DRIFTLINE_ENDPOINT": "http://d:4318", "OTEL_EXPORTER_OTLP_HEADERS": "api-key=secret"}
    own = {**environ, f"OTEL_EXPORTER_OTLP_{signal.upper()}_HEADERS": "key=ours"}

    assert resolve("http://given:4318", environ, signal).headers == {"api-key": "secret"}
    assert resolve("http://given:4318", own, signal).headers == {"key": "ours"}


@pytest.mark.parametrize(
    ("environ", "signal", "sent"),
    [
        ({"DRIFTLINE_ENDPOINT": "https://d:4318", "OTEL_EXPORTER_OTLP_HEADERS": "key=theirs"}, "logs", True),
        ({"DRIFTLINE_ENDPOINT": "https://d:4318"}, "metrics", False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://d:4318"}, "metrics", True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://d:4318"}, "logs", True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c:4318", "OTEL_EXPORTER_OTLP_HEADERS": "key=theirs"}, "logs", False),
        ({"OTEL_EXPORTER_OTLP_LOGS_HEADERS": "Authorization=Basic%20x"}, "logs", False),
    ],
)
def test_the_token_is_sent_to_the_processor_and_to_no_other_backend(
    tmp_path: Path, environ: dict[str, str], signal: Signal, sent: bool
) -> None:
    token = tmp_path / "shop.token"
    token.write_text("dlt_one\n")
    endpoint = resolve(None, {**environ, "DRIFTLINE_TOKEN_FILE": str(token)}, signal)

    assert (endpoint.request_headers().get("authorization") == "Bearer dlt_one") == sent
    token.write_text("dlt_two\n")  # it was rotated
    assert (endpoint.request_headers().get("authorization") == "Bearer dlt_two") == sent
    token.write_text("two\nlines")
    assert "Bearer" not in str(endpoint.request_headers())
    token.unlink()
    assert "Bearer" not in str(endpoint.request_headers())


@pytest.mark.parametrize(
    ("environ", "warnings"),
    [
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
            ["OTEL_EXPORTER_OTLP_PROTOCOL=http/json is not supported; Driftline sends http/protobuf"],
        ),
        (
            {"OTEL_EXPORTER_OTLP_COMPRESSION": "zstd"},
            ["OTEL_EXPORTER_OTLP_COMPRESSION=zstd is not supported; Driftline sends without compression"],
        ),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json", "DRIFTLINE_ENDPOINT": "http://d:4318"}, []),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_COMPRESSION": "none"}, []),
    ],
    ids=str,
)
def test_a_setting_that_cannot_be_used_is_one_warning(
    caplog: pytest.LogCaptureFixture, environ: dict[str, str], warnings: list[str]
) -> None:
    for _ in range(2):
        endpoint = resolve(environ=environ)
        assert endpoint.gzip is False

    assert caplog.messages == [f"driftline: {line}" for line in warnings]


FOR_EVER = 100_000.0
"""Seconds: a test that waits so long for its receiver has failed."""


@pytest.fixture
def receiver() -> Iterator[Service]:
    with service(lambda _: (200, None)) as server:
        yield server


def _http(receiver: Service, **settings: Any) -> HttpChannel:
    return HttpChannel(Endpoint(receiver.url, f"{receiver.url}/v1/logs", **settings))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "headers", "delivery"),
    [
        (200, {}, Delivery("delivered")),
        (202, {}, Delivery("delivered")),
        (400, {}, Delivery("refused", "400 Bad Request")),
        (301, {"location": "http://elsewhere"}, Delivery("refused", "301 Moved Permanently")),
        (404, {}, Delivery("unsupported", "404 Not Found")),
        (405, {}, Delivery("unsupported", "405 Method Not Allowed")),
        (429, {"retry-after": "3"}, Delivery("retry", "429 Too Many Requests", 3.0)),
        (503, {"retry-after": "soon"}, Delivery("retry", "503 Service Unavailable")),
        (503, {"retry-after": f"Sun, {10**20} Oct 2035 07:28:00 GMT"}, Delivery("retry", "503 Service Unavailable")),
        (500, {}, Delivery("refused", "500 Internal Server Error")),
        (
            403,
            {},
            Delivery(
                "refused",
                "403 Forbidden",
                fix="the token lacks a capability; ask the operator to add it under auth",
                denied=True,
            ),
        ),
    ],
)
def test_what_an_http_status_means(receiver: Service, status: int, headers: dict[str, str], delivery: Delivery) -> None:
    receiver.answers, receiver.headers = lambda _: (status, None), headers
    channel = _http(receiver)

    assert channel.send(b"body", 60.0) == delivery
    channel.close()


@pytest.mark.parametrize(("since", "after"), [(-90.0, 90.0), (90.0, 0.0)], ids=["ahead", "past"])
def test_a_date_of_retry_after_is_a_pause(
    receiver: Service, monkeypatch: pytest.MonkeyPatch, since: float, after: float
) -> None:
    date = datetime(2035, 10, 21, 7, 28, tzinfo=UTC)
    monkeypatch.setattr("driftline.export.transport.time.time", lambda: date.timestamp() + since)
    receiver.answers, receiver.headers = lambda _: (503, None), {"retry-after": "Sun, 21 Oct 2035 07:28:00 GMT"}
    channel = _http(receiver)

    assert channel.send(b"body", 60.0) == Delivery("retry", "503 Service Unavailable", after)
    channel.close()


@pytest.mark.parametrize(
    "words", [b'{"error":"this port uses TLS"}', b"Client sent an HTTP request to an HTTPS server."]
)
def test_a_port_with_tls_is_told_apart_from_a_wrong_request(receiver: Service, words: bytes) -> None:
    receiver.answers = lambda _: (400, words)
    channel = _http(receiver)

    delivery = channel.send(b"body", 60.0)
    assert delivery.state == "unreachable"
    assert delivery.fix.endswith("as a port with TLS does; use https://")
    channel.close()


def test_a_bundle_of_the_environment_does_not_win_over_the_certificate_of_the_endpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, other = Authority(tmp_path), Authority(tmp_path, "other")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other.file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*ours.issue("server"))
    server = Service(lambda _: (200, None))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with listening(server):
        url = f"https://127.0.0.1:{server.server_port}"
        channel = HttpChannel(Endpoint(url, f"{url}/v1/logs", certificate=str(ours.file)))
        assert channel.send(b"body", 60.0) == Delivery("delivered")
        channel.close()


def test_an_http_request_has_the_headers_and_compression_that_were_set(receiver: Service) -> None:
    channel = _http(receiver, gzip=True, headers={"api-key": "secret"})
    channel.send(b"body" * 100, 60.0)
    channel.close()

    ((_, path, _, headers, body),) = receiver.asked
    assert path == "/v1/logs"
    assert headers["content-type"] == "application/x-protobuf"
    assert headers["content-encoding"] == "gzip"
    assert headers["api-key"] == "secret"
    assert headers["user-agent"] == f"driftline/{VERSION} OTel-OTLP-Exporter-Python/{VERSION}"
    assert gzip.decompress(body) == b"body" * 100


def test_a_header_that_cannot_be_sent_is_named_by_its_variable_and_not_by_its_value(receiver: Service) -> None:
    channel = _http(receiver, headers={"key": "secret\nx"}, signal="metrics")

    assert channel.send(b"body", 60.0) == Delivery(
        "refused", "InvalidHeader in OTEL_EXPORTER_OTLP_METRICS_HEADERS or OTEL_EXPORTER_OTLP_HEADERS"
    )


def test_nobody_listening_over_http_is_unreachable(receiver: Service) -> None:
    receiver.shutdown()
    receiver.server_close()
    channel = _http(receiver)

    delivery = channel.send(b"body", 60.0)
    assert (delivery.state, delivery.nothing_listens) == ("unreachable", True)


def test_a_receiver_that_ends_the_connection_listens_and_the_reason_is_kept(receiver: Service) -> None:
    channel = _http(receiver)
    assert channel.send(b"body", 60.0) == Delivery("delivered")
    channel.close()
    with answering([], closes=True) as url:
        channel._endpoint = Endpoint(url, f"{url}/v1/logs")
        delivery = channel.send(b"body", 60.0)
        channel.close()

    assert delivery.reason.startswith("ConnectionError: ")
    assert (delivery.state, delivery.fix, delivery.nothing_listens) == ("unreachable", "", False)


def test_a_receiver_that_never_answers_costs_no_more_than_the_timeout() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as silent:  # nobody accepts
        channel = HttpChannel(Endpoint("x", f"http://127.0.0.1:{silent.server_port}/v1/logs", timeout=FOR_EVER))
        delivery = channel.send(b"body", 0.2)
        channel.close()

    assert delivery.state == "retry"


def test_a_url_that_is_none_is_refused() -> None:
    assert HttpChannel(Endpoint("x", "ftp://nowhere/v1/logs")).send(b"", 1.0).state == "refused"


class _Export(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.failure: tuple[grpc.StatusCode, tuple[tuple[str, bytes], ...]] | None = None
        self.content = b""

    def service(self, details: Any) -> Any:
        if details.method != "/opentelemetry.proto.collector.logs.v1.LogsService/Export":
            return None
        return grpc.unary_unary_rpc_method_handler(self._export)

    def _export(self, body: bytes, context: Any) -> bytes:
        if self.failure is not None:
            code, metadata = self.failure
            context.set_trailing_metadata(metadata)
            context.abort(code, "told to")
        self.bodies.append(body)
        return self.content


@pytest.fixture
def export() -> Iterator[tuple[_Export, int]]:
    handler = _Export()
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield handler, port
    server.stop(None).wait()


def _grpc(port: int) -> GrpcChannel:
    channel = open_channel(resolve(f"http://127.0.0.1:{port}", {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}))
    assert isinstance(channel, GrpcChannel)
    return channel


def test_the_same_bytes_travel_over_grpc(export: tuple[_Export, int]) -> None:
    handler, port = export
    channel = _grpc(port)

    assert channel.send(b"body", 60.0) == Delivery("delivered")
    channel.close()
    assert handler.bodies == [b"body"]


SOON = RetryInfo(retry_delay=Duration(seconds=1, nanos=500_000_000))
RETRY = (("google.rpc.retryinfo-bin", SOON.SerializeToString()),)
LATER = AnyMessage()
LATER.Pack(RetryInfo(retry_delay=Duration(seconds=2, nanos=250_000_000)))
DETAILED = (("grpc-status-details-bin", Status(code=8, details=[LATER]).SerializeToString()),)


@pytest.mark.parametrize(
    ("code", "metadata", "state", "after"),
    [
        ("UNIMPLEMENTED", (), "unsupported", None),
        ("UNAVAILABLE", (), "retry", None),
        ("UNAVAILABLE", RETRY, "retry", 1.5),
        ("UNAVAILABLE", (("google.rpc.retryinfo-bin", b"soon"),), "retry", None),
        ("RESOURCE_EXHAUSTED", RETRY, "retry", 1.5),
        ("RESOURCE_EXHAUSTED", DETAILED, "retry", 2.25),
        ("RESOURCE_EXHAUSTED", (("grpc-status-details-bin", b"soon"),), "retry", None),
        ("RESOURCE_EXHAUSTED", (), "retry", None),
        ("INVALID_ARGUMENT", (), "refused", None),
    ],
)
def test_what_a_grpc_status_means(
    export: tuple[_Export, int], code: str, metadata: Any, state: str, after: float | None
) -> None:
    handler, port = export
    handler.failure = (getattr(grpc.StatusCode, code), metadata)
    channel = _grpc(port)
    delivery = channel.send(b"body", 60.0)
    channel.close()

    assert (delivery.state, delivery.after) == (state, after)
    assert delivery.reason == f"{code} told to"


@pytest.mark.parametrize(
    "details",
    [
        "Received message larger than max (5000000 vs. 4194304)",  # C and Python
        "grpc: received message after decompression larger than max 4194304",  # Go
        "gRPC message exceeds maximum size 4194304: 5000000",  # Java
        "Received message exceeds the maximum configured message size.",  # .NET
    ],
)
def test_a_message_over_the_limit_of_the_receiver_is_not_sent_again(details: str) -> None:
    assert is_temporary("RESOURCE_EXHAUSTED", details, None) is False
    assert is_temporary("RESOURCE_EXHAUSTED", details, 1.5) is True  # the receiver requests it
    assert is_temporary("RESOURCE_EXHAUSTED", "data refused due to high memory usage", None) is True


@pytest.mark.parametrize("code", ["INTERNAL", "UNKNOWN"])
@pytest.mark.parametrize(
    "details",
    [
        "Stream removed (RST_STREAM (Received RST_STREAM with error code 2))",
        "Received RST_STREAM with error code 2",
        "Stream removed (Data frame with END_STREAM flag received)",
        "No status received",
        "Decompression failed due to zlib error",
        "Compression bit set but no encoding configured",
    ],
)
def test_an_answer_of_grpc_that_breaks_off_refuses_no_rows(code: str, details: str) -> None:
    assert is_temporary(code, details, None) is True
    assert is_temporary(code, "the record is invalid", None) is False
    assert is_temporary("INVALID_ARGUMENT", details, None) is False


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _fields(**fields: str) -> bytes:
    """Return header fields as literals of HPACK without an index."""
    pairs = [(name.replace("_", "-"), value) for name, value in fields.items()]
    return b"".join(b"\0%c%b%c%b" % (len(n), n.encode(), len(v), v.encode()) for n, v in pairs)


_BEGIN = _frame(1, 4, 1, b"\x88" + _fields(content_type="application/grpc"))
_HALF_MESSAGE = _frame(0, 0, 1, b"\0\0\0\0\x32half")


@pytest.mark.parametrize(
    ("answer", "states"),
    [
        (_BEGIN + _HALF_MESSAGE + _frame(1, 5, 1, _fields(grpc_status="0")), {"delivered"}),
        (_BEGIN + _HALF_MESSAGE + _frame(3, 0, 1, b"\0\0\0\2"), {"retry"}),
        (_BEGIN + _HALF_MESSAGE, {"retry", "unreachable"}),
    ],
    ids=["half a message of a success", "reset", "closed"],
)
def test_rows_stay_if_an_answer_of_grpc_breaks_off(answer: bytes, states: set[str]) -> None:
    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(_frame(4, 0, 0) + _frame(4, 1, 0))
            asked = b""
            while b"body" not in asked:
                asked += connection.recv(65_536)
            connection.sendall(answer)
            sent.wait(FOR_EVER if answer.endswith(b"\2") or b"grpc-status" in answer else 0.0)

    sent = Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=serve)
        thread.start()
        channel = _grpc(listener.getsockname()[1])
        delivery = channel.send(b"body", 60.0)
        sent.set()
        channel.close()
        thread.join()

    assert delivery.state in states


def test_rows_that_a_receiver_at_its_limit_does_not_take_arrive_later(export: tuple[_Export, int]) -> None:
    handler, port = export
    handler.failure = (grpc.StatusCode.RESOURCE_EXHAUSTED, ())
    channel = _grpc(port)
    model = driftline.Model("churn", task="binary", channel=channel)
    score = model.predict(returns(0.5), id="id")
    for i in range(30):
        score({"id": str(i)})
        model.outcome(str(i), actual=1)

    assert pipeline_of(channel).flush(0.5) is False
    handler.failure = None
    assert pipeline_of(channel).flush(60.0) is True
    channel.close()
    requests = [decode_logs(body, 1) for body in handler.bodies]
    assert sum(len(table) for request in requests for table in request.predictions) == 30
    assert sum(len(table) for request in requests for table in request.outcomes) == 30


def answered(rejected: int, message: str) -> bytes:
    """Return a response that says what of a request was not taken."""
    partial = ExportLogsPartialSuccess(rejected_log_records=rejected, error_message=message)
    return bytes(ExportLogsServiceResponse(partial_success=partial).SerializeToString())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "delivery"),
    [
        (answered(3, "no model name"), Delivery("delivered", "no model name", rejected=3)),
        (answered(3, ""), Delivery("delivered", "it gave no reason", rejected=3)),
        (answered(0, "1 not usable:\n\x1b[31mbad_time"), Delivery("delivered", "1 not usable:  [31mbad_time")),
        (answered(1, "x" * 9000), Delivery("delivered", "x" * 500, rejected=1)),
        (answered(-1, ""), Delivery("delivered")),
        (answered(0, ""), Delivery("delivered")),
        (b'{"partialSuccess":{"rejectedLogRecords":"3"}}', Delivery("delivered")),
        (b"OK, thank you", Delivery("delivered")),
        (b"ok\n", Delivery("delivered")),
        (b"Accepted", Delivery("delivered")),
        (b"success", Delivery("delivered")),
        (b"<!doctype html><title>Welcome</title>", foreign_answer(b"<!doctype html><title>Welcome</title>")),
        (b"\xef\xbb\xbf\r\n <HTML>", foreign_answer(b"\xef\xbb\xbf\r\n <HTML>")),
        (b"\xff\xff\xff", Delivery("delivered")),
        (b'["taken"]', Delivery("delivered")),
    ],
)
def test_what_a_receiver_says_of_a_request_that_it_took(
    receiver: Service, export: tuple[_Export, int], content: bytes, delivery: Delivery
) -> None:
    export[0].content = content
    receiver.answers = lambda _: (200, content)
    over_http, over_grpc = _http(receiver), _grpc(export[1])

    assert over_http.send(b"body", 60.0) == delivery
    assert over_grpc.send(b"body", 60.0) == delivery
    over_http.close()
    over_grpc.close()


def test_rows_that_a_login_page_answers_arrive_later(receiver: Service, caplog: pytest.LogCaptureFixture) -> None:
    receiver.answers = lambda _: (200, b"<html>Please log in</html>")
    channel = _http(receiver)
    score = driftline.Model("churn", task="binary", channel=channel).predict(returns(0.5))
    score({"a": 1.0})

    assert pipeline_of(channel).flush(0.1) is False
    assert [line for line in caplog.messages if "another server" in line] == [
        f"driftline: {receiver.url}: another server answers at this address, such as a proxy or a login page (its "
        "answer begins with '<html>Please log in</html>'); set DRIFTLINE_ENDPOINT to the address of the receiver, or "
        "let these requests pass the proxy; the last 32 MB are kept in memory"
    ]
    receiver.asked.clear()
    receiver.answers = lambda _: (200, None)
    assert pipeline_of(channel).flush(60.0) is True
    assert sum(len(table) for asked in receiver.asked for table in decode_logs(asked.body, 0).predictions) == 1


def test_nobody_listening_over_grpc_is_unreachable(receiver: Service) -> None:
    receiver.shutdown()
    receiver.server_close()
    channel = _grpc(receiver.server_port)

    delivery = channel.send(b"body", 60.0)
    assert (delivery.state, delivery.nothing_listens) == ("unreachable", True)
    channel.close()


def test_a_proxy_of_the_environment_is_passed_by_for_this_machine(
    receiver: Service, export: tuple[_Export, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # discard: nobody listens there
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    over_http, over_grpc = _http(receiver), _grpc(export[1])

    assert over_http.send(b"body", 60.0) == Delivery("delivered")
    assert over_grpc.send(b"body", 60.0) == Delivery("delivered")
    over_http.close()
    over_grpc.close()


def test_a_receiver_elsewhere_is_reached_through_the_proxy(receiver: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{receiver.server_port}")
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    channel = HttpChannel(Endpoint("http://elsewhere.invalid", "http://elsewhere.invalid/v1/logs"))

    assert channel.send(b"body", 60.0) == Delivery("delivered")
    channel.close()
    assert (receiver.asked[0].path, receiver.asked[0].headers["host"]) == ("/v1/logs", "elsewhere.invalid")


@pytest.mark.parametrize(
    ("protocol", "module", "package"), [("http/protobuf", "requests", "requests"), ("grpc", "grpc", "grpcio")]
)
def test_a_package_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, protocol: str, module: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    endpoint = resolve(None, {"OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://d:1"})

    with pytest.raises(
        ChannelError, match=f"^http://d:1 requires the package '{package}'.*run 'pip install {package}'$"
    ):
        open_channel(endpoint)


def test_grpc_never_raises_for_a_certificate_that_is_not_there() -> None:
    delivery = GrpcChannel(Endpoint("https://d:4317", "d:4317", "grpc", certificate="/nowhere/ca.pem")).send(b"", 5.0)

    assert delivery == Delivery(
        "unreachable",
        "FileNotFoundError",
        fix="a certificate cannot be used (No such file or directory: /nowhere/ca.pem); check "
        "OTEL_EXPORTER_OTLP_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY "
        "(or OTEL_EXPORTER_OTLP_LOGS_...)",
    )


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"])
@pytest.mark.parametrize("url", ["collector:4318", "localhost", "ftp://collector:4318"])
def test_an_endpoint_of_opentelemetry_that_is_no_url_has_a_line_with_the_fix(
    name: str, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        resolve(None, {name: url})
    assert [record.getMessage() for record in caplog.records] == [
        f"driftline: the variable {name}: {url!r} is not the URL of a receiver; use a URL such as "
        "'http://localhost:4318'; until then, records are lost"
    ]


def test_an_endpoint_without_a_scheme_is_one_for_grpc(caplog: pytest.LogCaptureFixture) -> None:
    resolve(None, {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    assert caplog.records == []
