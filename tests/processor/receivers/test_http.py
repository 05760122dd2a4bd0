"""OTLP over HTTP from stock exporters, from the outcome API's users, and from sockets that say anything."""

from __future__ import annotations

import gc
import gzip
import json
import os
import socket
import sys
import threading
import time
import warnings
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.semconv import attributes as a
from driftline_processor import memory_ceiling
from driftline_processor.access.access import Access
from driftline_processor.access.principal import Sending
from driftline_processor.access.routes import Authentication
from driftline_processor.config.values import Address
from driftline_processor.core.decode.requests import MAX_MESSAGES, Malformed, decode_traces
from driftline_processor.expected_wait import MOST_WAIT
from driftline_processor.memory_ceiling import PROTOBUF as MEMORY_OF_PROTOBUF
from driftline_processor.memory_ceiling import MemoryCeiling
from driftline_processor.otlp.json_requests import protobuf_of
from driftline_processor.otlp.protocol import JSON, MAX_REQUEST, PROTOBUF
from driftline_processor.receipts import Overloaded, PartialSuccess, Receipt, Signal
from driftline_processor.receivers.http import otlp_app
from driftline_processor.receivers.receiver import Accept
from driftline_processor.servers import http_body
from driftline_processor.servers.http_server import HttpServers
from driftline_processor.servers.ports import PortInUse
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from tests.support.facts import Facts, lacking
from tests.support.fake_intake import FailsFirst, FakeIntake, OutcomeIntake
from tests.support.fake_view import app_of
from tests.support.state_fixtures import Open
from tests.support.state_rows import NOON, Clock, predictions
from tests.support.stock_sdk import export_logs, export_metrics, export_spans, names

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ANYWHERE = Address("127.0.0.1", 0)


@contextmanager
def receiver(accept: Accept) -> Iterator[str]:
    port = HttpServers().bind(ANYWHERE, "receivers.otlp.protocols.http.endpoint")
    app = otlp_app(accept, [Route("/v1/outcomes", lambda _: PlainTextResponse("mounted"))])
    port.start(Authentication(app, Access.without_log_in()), grace=1)
    yield f"http://{port.address}"
    port.stop()


@pytest.mark.parametrize("compression", list(Compression))
def test_stock_exporters_deliver_all_signals(compression: Compression) -> None:
    intake = FakeIntake()
    with receiver(intake) as url:
        export_spans(OTLPSpanExporter(f"{url}/v1/traces", compression=compression), "a", "b")
        export_metrics(OTLPMetricExporter(f"{url}/v1/metrics", compression=compression), "requests")
        export_logs(OTLPLogExporter(f"{url}/v1/logs", compression=compression), "login")
    assert [(signal, names(signal, body)) for signal, body in intake.taken] == [
        ("traces", ["a", "b"]),
        ("metrics", ["requests"]),
        ("logs", ["login"]),
    ]


def post(url: str, body: bytes = b"", path: str = "/v1/logs", **headers: str) -> httpx.Response:
    named = {"content-type": PROTOBUF, **{key.replace("_", "-"): value for key, value in headers.items()}}
    return httpx.post(url + path, content=body, headers=named, trust_env=False)


def test_headers_are_handed_on() -> None:
    intake = FakeIntake()
    with receiver(intake) as url:
        post(url, x_tenant="one")
    assert intake.headers[0]["x-tenant"] == "one"


def test_success_is_an_empty_protobuf_response() -> None:
    with receiver(FakeIntake()) as url:
        response = post(url)
    assert (response.status_code, response.headers["content-type"], response.content) == (200, PROTOBUF, b"")


PARTIAL = Receipt(partial_success=PartialSuccess(2, "too late"))


@pytest.mark.parametrize(
    ("signal", "key"),
    [("traces", "rejectedSpans"), ("logs", "rejectedLogRecords"), ("metrics", "rejectedDataPoints")],
)
def test_rows_that_cannot_be_used_are_a_partial_success(signal: str, key: str) -> None:
    with receiver(FakeIntake(lambda: PARTIAL)) as url:
        protobuf = post(url, path=f"/v1/{signal}")
        json_response = post(url, b"{}", f"/v1/{signal}", content_type=JSON)
    partial = ExportTraceServiceResponse.FromString(protobuf.content).partial_success
    assert (protobuf.status_code, partial.rejected_spans, partial.error_message) == (200, 2, "too late")
    assert json_response.headers["content-type"] == JSON
    assert json_response.json() == {"partialSuccess": {key: "2", "errorMessage": "too late"}}


def test_the_status_of_a_bad_request_has_details() -> None:
    with receiver(FakeIntake(FailsFirst(Malformed("not OTLP")))) as url:
        status = Status.FromString(post(url).content)
        json_response = post(url, b"{", content_type=JSON)
    bad_request = BadRequest()
    assert status.details[0].Unpack(bad_request)
    assert [violation.description for violation in bad_request.field_violations] == ["not OTLP"]
    (detail,) = json_response.json()["details"]
    assert detail["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    assert detail["fieldViolations"] == [{"description": json_response.json()["message"]}]


BOMB, ZSTD_BOMB = gzip.compress(b"\0" * (4 * MAX_REQUEST)), zstd.compress(b"\0" * (4 * MAX_REQUEST))
WIDE = zstd.compress(os.urandom(1 << 16) * 200, options={zstd.CompressionParameter.window_log: 24})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "headers", "code", "facts"),
    [
        (b"", {"content_type": "text/plain; charset=x"}, 415, ("'text/plain'", "OTLP", f"{PROTOBUF}", f"{JSON}")),
        (b"", {"content_type": ""}, 415, ("OTLP", f"{PROTOBUF}", f"{JSON}")),
        (
            b"",
            {"content_encoding": "br"},
            415,
            ("content encoding 'br' is not supported; use gzip, deflate, zstd or none",),
        ),
        (b"no gzip", {"content_encoding": "gzip"}, 400, ("the gzip stream is damaged: Error -3 while",)),
        (gzip.compress(b"x" * 100)[:-12], {"content_encoding": "gzip"}, 400, ("the gzip stream is truncated",)),
        (zlib.compress(b"x" * 100)[:-6], {"content_encoding": "deflate"}, 400, ("the deflate stream is truncated",)),
        (b"", {"content_encoding": "gzip"}, 400, ("the gzip stream is truncated",)),
        (BOMB, {"content_encoding": "gzip"}, 413, ("20 MiB",)),
        (b"no zstd", {"content_encoding": "zstd"}, 400, ("the zstd stream is damaged: ",)),
        (zstd.compress(b"x" * 100)[:-6], {"content_encoding": "zstd"}, 400, ("the zstd stream is truncated",)),
        (b"", {"content_encoding": "zstd"}, 400, ("the zstd stream is truncated",)),
        (zstd.compress(b"") * 10_001, {"content_encoding": "zstd"}, 400, ("more than 10,000 members",)),
        (WIDE, {"content_encoding": "zstd"}, 400, ("Frame requires too much memory",)),
        (ZSTD_BOMB, {"content_encoding": "zstd"}, 413, ("20 MiB",)),
        (b"\0" * (MAX_REQUEST + 1), {}, 413, ("20 MiB",)),
    ],
    ids=[
        *("text", "no type", "brotli", "no gzip", "cut gzip", "cut deflate", "empty gzip", "bomb"),
        *("no zstd", "cut zstd", "empty zstd", "frames", "window", "zstd bomb", "too large"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(
    body: bytes, headers: dict[str, str], code: int, facts: Facts
) -> None:
    intake = FakeIntake()
    with receiver(intake) as url:
        response = post(url, body, **headers)
        assert post(url).status_code == 200
    assert response.status_code == code
    assert lacking(Status.FromString(response.content).message, *facts) == []
    assert [body for _, body in intake.taken] == [b""]


def test_exactly_the_limit_is_taken() -> None:
    intake = FakeIntake()
    with receiver(intake) as url:
        assert post(url, gzip.compress(b"\0" * MAX_REQUEST), content_encoding="gzip").status_code == 200
        assert post(url, zstd.compress(b"\0" * MAX_REQUEST), content_encoding="zstd").status_code == 200
        assert post(url, b"\0" * MAX_REQUEST).status_code == 200
    assert [len(body) for _, body in intake.taken] == [MAX_REQUEST] * 3


def test_an_unknown_encoding_is_answered_with_those_that_are_read() -> None:
    with receiver(FakeIntake()) as url:
        assert post(url, content_encoding="br").headers["accept-encoding"] == "gzip, deflate, zstd"


def test_frames_of_zstd_that_follow_on_each_other_are_one_request() -> None:
    intake, parts = FakeIntake(), [os.urandom(40_000), b"", b"x" * 200_000]
    with receiver(intake) as url:
        assert post(url, b"".join(map(zstd.compress, parts)), content_encoding="zstd").status_code == 200
    assert intake.taken == [("logs", b"".join(parts))]


def test_the_window_of_zstd_counts_as_memory_of_the_request() -> None:
    body, held = zstd.compress(b"\0" * MAX_REQUEST), list[int]()
    http_body._unpack(body, "zstd", MAX_REQUEST, held.append)
    assert sum(held) == MAX_REQUEST + 2**23


SPAN: dict[str, Any] = {
    "traceId": "5B8EFFF798038103D269B633813FC60C",
    "spanId": "EEE19B7EC3C1B174",
    "name": "half a pair \ud83d",
    "startTimeUnixNano": "1795161600000000000",
    "kind": 3,
    "attributes": [{"key": "n", "value": {"intValue": "7"}}],
    "unknownField": {"a": 1},
}
TRACES = {"resourceSpans": [{"scopeSpans": [{"spans": [SPAN]}]}]}


@pytest.mark.parametrize("packed", [False, True])
def test_a_request_in_json_is_taken_and_answered_in_json(packed: bool) -> None:
    intake, body = FakeIntake(), json.dumps(TRACES).encode()
    headers = {"content_type": f"{JSON}; charset=utf-8"} | ({"content_encoding": "gzip"} if packed else {})
    with receiver(intake) as url:
        answer = post(url, gzip.compress(body) if packed else body, "/v1/traces", **headers)
    assert (answer.status_code, answer.headers["content-type"], answer.json()) == (200, JSON, {})
    [(signal, taken)] = intake.taken
    [span] = ExportTraceServiceRequest.FromString(taken).resource_spans[0].scope_spans[0].spans
    assert (signal, span.trace_id.hex(), span.span_id.hex()) == ("traces", SPAN["traceId"].lower(), "eee19b7ec3c1b174")
    assert (span.name, span.kind, span.attributes[0].value.int_value) == ("half a pair ?", 3, 7)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"\xff",
        b'{"resourceSpans": 7}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz"}]}]}]}',
        b"[" * 100_000,
        b'{"resourceSpans":[{"resource":{"attributes":[{"key":"a","value":'
        + b'{"kvlistValue":{"values":[{"key":"a","value":' * 60
        + b"{}"
        + b"}]}}" * 60
        + b"}]}}]}",
    ],
    ids=["cut", "list", "bytes", "number", "id", "deep", "deep value"],
)
def test_json_that_is_no_otlp_is_a_400_with_a_status_in_json(body: bytes) -> None:
    intake = FakeIntake()
    with receiver(intake) as url:
        answer = post(url, body, "/v1/traces", content_type=JSON)
    assert (answer.status_code, answer.headers["content-type"], answer.json()["code"]) == (400, JSON, 3)
    assert lacking(answer.json()["message"], "OTLP/JSON") == []
    assert intake.taken == []


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("traces", {"resourceLogs": []}, "the key 'resourceLogs' instead of 'resourceSpans'; send logs to /v1/logs"),
        (
            "logs",
            {"resource_spans": []},
            "the key 'resource_spans' instead of 'resourceLogs'; send traces to /v1/traces",
        ),
        ("logs", {"resourceMetrics": []}, "instead of 'resourceLogs'; send metrics to /v1/metrics"),
        ("logs", {"ResourceLogs": [{}]}, "it has the key 'ResourceLogs' instead of 'resourceLogs'"),
        ("metrics", {"a": 1}, "it has the key 'a' instead of 'resourceMetrics'"),
        ("traces", {"resourceSpans": [{"instrumentationLibrarySpans": [{}]}]}, "instead of 'scopeSpans'"),
        ("logs", {"resourceLogs": [{}, {"resource": {}, "scopeSpans": [{}]}]}, "instead of 'scopeLogs'"),
        ("logs", {"resourceLogs": [{"scopeLogs": [{"scope": {}, "logrecords": [{}]}]}]}, "instead of 'logRecords'"),
    ],
)
def test_json_without_the_list_of_its_rows_is_refused_with_the_key(path: str, body: object, message: str) -> None:
    intake = FakeIntake()
    with receiver(intake) as url:
        answer = post(url, json.dumps(body).encode(), f"/v1/{path}", content_type=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, 3)
    assert answer.json()["message"].startswith(f"not an OTLP/JSON request for {path}: ")
    assert answer.json()["message"].endswith(message)
    assert intake.taken == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"resource_logs": []},
        {"resourceLogs": None, "later": 1},
        {"resourceLogs": [{"resource": {}, "schemaUrl": ""}]},
        {"resourceLogs": [{"scopeLogs": [{"scope": {}}], "later": 1}]},
        {"resourceLogs": [{"scope_logs": [{"log_records": [{"later": 1}], "later": 1}]}]},
    ],
)
def test_json_with_later_keys_or_without_rows_is_accepted(body: object) -> None:
    with receiver(FakeIntake()) as url:
        answer = post(url, json.dumps(body).encode(), "/v1/logs", content_type=JSON)
    assert (answer.status_code, answer.json()) == (200, {})


def test_json_of_millions_of_empty_objects_is_refused_before_they_are_made() -> None:
    # six requests of 6 KB, packed, took every thread of the port for a minute
    intake, body = FakeIntake(), b'{"resourceSpans":[' + b"{}," * MAX_MESSAGES + b"{}]}"
    with receiver(intake) as url:
        answer = post(url, gzip.compress(body), "/v1/traces", content_type=JSON, content_encoding="gzip")
    sentence = "the request contains more than 500,000 objects; split it into smaller requests"
    assert (answer.status_code, answer.json()["message"]) == (413, sentence)
    assert intake.taken == []


def test_overload_is_said_in_json_to_who_speaks_it() -> None:
    with receiver(FakeIntake(FailsFirst(Overloaded(1.2)))) as url:
        answer = post(url, b"{}", content_type=JSON)
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.200s"}
    assert (answer.status_code, answer.headers["retry-after"], answer.json()["details"]) == (503, "2", [info])


def test_members_of_gzip_that_follow_on_each_other_are_one_request() -> None:
    intake = FakeIntake()
    with receiver(intake) as url:
        assert post(url, gzip.compress(b"\x12\0") + gzip.compress(b"\x12\0"), content_encoding="gzip").is_success
    assert [body for _, body in intake.taken] == [b"\x12\0\x12\0"]


def test_thousands_of_members_and_what_follows_deflate_are_refused() -> None:
    with receiver(FakeIntake()) as url:
        many = post(url, gzip.compress(b"", mtime=0) * 20_000, content_encoding="gzip")
        more = post(url, zlib.compress(b"") * 2, content_encoding="deflate")
    assert (many.status_code, more.status_code) == (400, 400)
    sentence = "the gzip stream has more than 10,000 members; compress the body as a single stream"
    assert Status.FromString(many.content).message == sentence


def test_what_takes_long_is_not_decoded_on_the_event_loop() -> None:
    intake = FakeIntake()
    with receiver(intake) as url:
        post(url, b"x")
        post(url, b"x" * 100_000)
        post(url, gzip.compress(os.urandom(10_000)), content_encoding="gzip")
        post(url, gzip.compress(b"\n\0" * 500_000), content_encoding="gzip")
        post(url, b"{}", content_type="application/json")
    assert [name == "driftline-http" for name in intake.threads] == [True, False, False, False, False]


@pytest.mark.parametrize("body", [b"x" * 65_536, gzip.compress(b"\n\0" * 500_000)], ids=["plain", "packed"])
def test_no_wait_for_memory_holds_up_other_requests(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_ceiling, "ALONE", 0.0)
    ceiling = MemoryCeiling(1 << 30, measured=lambda: 900 << 20)
    waits = list[str]()

    def accept(
        signal: Signal, body: bytes, headers: Mapping[str, str], waited: float, sending: Sending
    ) -> Future[Receipt]:
        del signal, headers, waited, sending
        try:
            with ceiling.working(MEMORY_OF_PROTOBUF * len(body), 0):
                future = Future[Receipt]()
                future.set_result(Receipt())
                return future
        except Overloaded:
            waits.append(threading.current_thread().name)
            raise

    with receiver(accept) as url, ceiling.working(64 << 20):
        answer = post(url, body, **({"content_encoding": "gzip"} if body.startswith(b"\x1f") else {}))
    assert answer.status_code == (503 if waits else 200)
    assert "driftline-http" not in waits
    assert bool(waits) == body.startswith(b"\x1f")


def test_a_malformed_request_is_a_400_with_a_status() -> None:
    intake = FakeIntake(FailsFirst(Malformed("not an ExportLogsServiceRequest")))
    with receiver(intake) as url:
        response = post(url, b"\xff")
    status = Status.FromString(response.content)
    assert (response.status_code, response.headers["content-type"]) == (400, PROTOBUF)
    assert (status.code, status.message) == (3, "not an ExportLogsServiceRequest")


@pytest.mark.parametrize("through_future", [False, True])
def test_overload_is_a_503_that_says_when_to_come_again(through_future: bool) -> None:
    with receiver(FakeIntake(FailsFirst(Overloaded(1.2)), later=through_future)) as url:
        response = post(url)
    info = RetryInfo()
    assert (response.status_code, response.headers["retry-after"]) == (503, "2")
    assert Status.FromString(response.content).details[0].Unpack(info)
    assert info.retry_delay.ToMilliseconds() == 1200


@pytest.mark.slow
@pytest.mark.parametrize("error", [Overloaded(0.01), RuntimeError("disk full")])
def test_a_stock_exporter_comes_again(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    intake = FakeIntake(FailsFirst(error))
    with receiver(intake) as url:
        export_spans(OTLPSpanExporter(f"{url}/v1/traces"), "a")
    assert [names(signal, body) for signal, body in intake.taken] == [["a"]]
    ours = [record.getMessage() for record in caplog.records if record.name == "driftline"]
    assert ours == (["a traces request could not be stored"] if isinstance(error, RuntimeError) else [])


def test_other_methods_and_paths_are_refused_and_the_outcome_api_is_mounted() -> None:
    with receiver(FakeIntake()) as url:
        wrong = httpx.get(f"{url}/v1/traces", trust_env=False)
        assert (wrong.status_code, wrong.headers["content-type"], wrong.headers["allow"]) == (405, PROTOBUF, "POST")
        status = Status.FromString(wrong.content)
        assert (status.code, status.message) == (12, "/v1/traces takes POST, not GET")
        lost = post(url, path="/v1/profiles")
        sentence = "there is nothing at /v1/profiles; send to /v1/traces, /v1/metrics or /v1/logs"
        assert (lost.status_code, Status.FromString(lost.content)) == (404, Status(code=5, message=sentence))
        lost = post(url, path="/v1/profiles", content_type=JSON)
        assert (lost.headers["content-type"], lost.json()) == (JSON, {"code": 5, "message": sentence})
        posted = post(url, path="/v1/outcomes", content_type=JSON)
        assert (posted.status_code, posted.json()) == (405, {"error": "/v1/outcomes takes GET or HEAD, not POST"})
        assert httpx.get(f"{url}/v1/outcomes", trust_env=False).text == "mounted"


def say(url: str, *parts: bytes, hang_up: bool = False) -> bytes:
    """Send bytes, hang up in the middle or wait for the answer, and return its first line."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(b"".join(parts))
        if hang_up:
            return b""
        return b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n")[0]


POST = b"POST /v1/logs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/x-protobuf\r\n"
TLS_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"
CHUNKS = b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"


def test_sockets_that_say_anything_harm_nobody_else() -> None:
    intake, bad = FakeIntake(), b"HTTP/1.1 400 Bad Request"
    with receiver(intake) as url:
        assert say(url, TLS_HELLO) == bad
        assert say(url, b"GARBAGE\r\n\r\n") == bad
        assert say(url, POST, b"Content-Length: many\r\n\r\n") == bad
        say(url, POST, b"Content-Length: 10\r\n\r\nhalf", hang_up=True)
        say(url, b"POST /v1/logs HTTP/1.1\r\nHos", hang_up=True)
        say(url, hang_up=True)
        assert say(url, POST, b"Transfer-Encoding: chunked\r\n\r\n", CHUNKS) == b"HTTP/1.1 200 OK"
    assert [body for _, body in intake.taken] == [b"abcde"]


@pytest.mark.slow
def test_an_upload_that_stalls_is_sent_away_at_the_end_and_may_come_again(caplog: pytest.LogCaptureFixture) -> None:
    head = b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\n"
    with receiver(FakeIntake()) as url:
        sender = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=60)
        sender.sendall(head + b"Content-Length: 9\r\n\r\nsome")
        assert httpx.post(f"{url}/v1/traces", headers={"content-type": PROTOBUF}).status_code == 200  # it was read
    assert sender.recv(1000).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    sender.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the loop ended with the connection open, as the process does
        gc.collect()
    assert [record.exc_info for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_port_in_use_names_the_key_and_a_way_out(host: str) -> None:
    first = HttpServers().bind(Address(host, 0), "web.endpoint")
    taken = first.address
    with pytest.raises(PortInUse) as in_use:
        HttpServers().bind(taken, "web.endpoint")
    assert lacking(str(in_use.value), f"{taken}", "web.endpoint") == []
    first.stop()


@pytest.mark.parametrize(
    ("port", "holder"),
    [
        (4317, "an OpenTelemetry Collector, Jaeger or another driftline"),
        (4318, "an OpenTelemetry Collector, Jaeger or another driftline"),
        (8780, "another driftline"),
    ],
)
def test_the_likely_holder_of_a_well_known_port_is_named(
    port: int, holder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("driftline_processor.servers.ports._is_in_use", lambda _: True)
    message = str(PortInUse(Address("127.0.0.1", port), "some.key", "taken"))
    assert lacking(message, f"127.0.0.1:{port}", f"{holder}") == []
    assert lacking(message, "some.key", f"'127.0.0.1:{port + 10000}'") == []


def test_an_address_of_another_machine_cannot_be_listened_on() -> None:
    with pytest.raises(PortInUse, match=r"192\.0\.2\.1:4318 cannot be used to listen \(.*\); change some\.key"):
        HttpServers().bind(Address("192.0.2.1", 4318), "some.key")


def test_json_has_threads_of_its_own_by_size_packed_or_not() -> None:
    intake = FakeIntake()
    large = b'{"resourceLogs": []' + b" " * (1 << 17) + b"}"
    rows = b'{"resourceLogs": [], "unknown": "' + np.random.default_rng(1).bytes(10_000).hex().encode() + b'"}'
    with receiver(intake) as url:
        for body in (b"{}", large, rows):
            assert post(url, body, content_type=JSON).status_code == 200
        assert post(url, gzip.compress(rows), content_type=JSON, content_encoding="gzip").status_code == 200
        assert post(url, b"").status_code == 200
    small, big = "driftline-json-small", "driftline-json-large"
    threads = [name.rpartition("_")[0] for name in intake.threads]
    assert threads[:4] == [small, big, small, big]
    assert threads[4] not in (small, big)


def test_the_wait_for_memory_of_json_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    slept, intake = 0.05, FakeIntake()

    @contextmanager
    def waiting(_: MemoryCeiling, needed: int, patience: float) -> Iterator[None]:
        assert needed > 0
        assert patience < MOST_WAIT
        time.sleep(slept)
        yield

    monkeypatch.setattr(MemoryCeiling, "working", waiting)
    with receiver(intake) as url:
        assert post(url, b'{"resourceLogs": []}', content_type=JSON).status_code == 200
    assert intake.waits[0] >= slept


HALF = "ch\ud800urn"


def spans(*names: str) -> bytes:
    """Return OTLP/JSON of a span of each model, as JavaScript may write it."""
    sent = [
        {
            "traceId": f"{at + 1:032x}",
            "spanId": f"{at + 1:016x}",
            "startTimeUnixNano": str(NOON + at),
            "endTimeUnixNano": str(NOON + at + 1_000),
            "attributes": [
                {"key": a.ML_MODEL_NAME, "value": {"stringValue": name}},
                {"key": a.ML_PREDICTION_SCORE, "value": {"doubleValue": 0.5}},
                {"key": a.ML_PREDICTION_ID, "value": {"stringValue": f"id-{at}"}},
            ],
        }
        for at, name in enumerate(names)
    ]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": sent}]}]}).encode()


def test_a_span_of_json_with_half_a_pair_has_a_question_mark_and_its_neighbours_arrive() -> None:
    decoded = decode_traces(protobuf_of("traces", spans(HALF, "fine")), NOON)
    assert sorted(table.key.model for table in decoded.predictions) == ["ch?urn", "fine"]


def test_an_outcome_of_a_model_with_half_a_pair_is_refused_in_words() -> None:
    state = OutcomeIntake()
    body = json.dumps({"model": HALF, "outcomes": [{"id": "1", "actual": 1}]})
    answer = state.client.post("/v1/outcomes", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert "half a surrogate pair" in answer.text


def test_a_baseline_with_half_a_pair_is_listed_with_a_question_mark(open_state: Open, clock: Clock) -> None:
    frame = {"age": np.arange(200.0), "p": np.linspace(0.0, 1.0, 200)}
    baseline = Baseline.from_frame(frame, score="p", model="churn", task="regression")
    text = baseline.to_json().replace('"churn"', '"ch\\ud800urn"')
    assert Baseline.from_json(text).model == "ch?urn"
    state = open_state()
    state.send(predictions(["one"], model="fine"), baselines=[text])
    state.view("fine")
    app = app_of(state.state, clock)
    answer = TestClient(app, base_url="http://localhost").get("/api/v1/models")
    assert answer.status_code == 200
    assert "fine" in [one["model"] for one in answer.json()["models"]]
