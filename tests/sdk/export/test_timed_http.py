"""A receiver whose answer does not end blocks no flush and fills no memory."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, repeat
from threading import Thread

import pytest
from driftline.configuration import destination
from driftline.export.endpoint import Endpoint, resolve
from driftline.export.timed_http import LARGEST, TimedSession
from driftline.export.transport import HttpChannel

from tests.support.hostile_endpoint import CHUNKED, OK, answering, whole

LENGTH = OK + b"content-length: 1000000\r\n\r\n"


def sent(pieces: Iterable[bytes], timeout: float, pause: float = 0.0) -> tuple[str, bytes]:
    """Return the state of a request, and the answer."""
    with answering(pieces, pause) as url:
        channel = HttpChannel(Endpoint(base=url, url=f"{url}/v1/logs", timeout=timeout))
        delivery, answer = channel.post(f"{url}/v1/logs", b"body", "application/x-protobuf", timeout)
        channel.close()
    return delivery.state, answer


@pytest.mark.parametrize(
    "pieces",
    [
        chain([CHUNKED], repeat(b"1\r\n0\r\n")),
        chain([LENGTH], repeat(b"0")),
        chain([OK], repeat(b"x: y\r\n")),
        repeat(b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["a chunk now and then", "a byte now and then", "a header now and then", "no status"],
)
def test_the_timeout_limits_the_whole_answer(pieces: Iterable[bytes]) -> None:
    assert sent(pieces, 0.5, pause=0.05) == ("retry", b"")


@pytest.mark.parametrize(
    "pieces",
    [
        chain([CHUNKED], repeat(b"1000\r\n" + bytes(4096) + b"\r\n")),
        whole(gzip.compress(bytes(16 * LARGEST)), b"content-encoding: gzip"),
    ],
    ids=["without end", "expands"],
)
def test_a_large_answer_is_not_read_to_its_end(pieces: Iterable[bytes]) -> None:
    state, answer = sent(pieces, 60.0)

    assert state == "delivered"
    assert len(answer) < 3 * LARGEST


BODIES = {
    "whole": (b"content-length: 4", b"busy"),
    "breaks off": (b"content-length: 50", b"busy"),
    "bad chunk": (b"transfer-encoding: chunked", b"zz\r\n"),
    "half a chunk": (b"transfer-encoding: chunked", b"40\r\nbusy"),
    "no gzip": (b"content-length: 4\r\ncontent-encoding: gzip", b"busy"),
    "no deflate": (b"content-length: 4\r\ncontent-encoding: deflate", b"\xff" * 4),
    "late": (b"content-length: 50", b""),
}
STATES = {200: "delivered", 202: "delivered", 429: "retry", 502: "retry", 503: "retry", 504: "retry"}
WHOLE = {302: "refused", 400: "refused", 401: "refused", 403: "refused", 404: "unsupported", 500: "refused"}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("status", [*STATES, *WHOLE])
def test_the_status_decides_before_the_body_and_only_a_whole_answer_refuses_rows(status: int, body: str) -> None:
    header, content = BODIES[body]
    answer = b"\r\n".join((b"HTTP/1.1 %d Because" % status, b"location: http://[", header, b"", content))
    with answering([answer], closes=body != "late") as url:
        channel = HttpChannel(Endpoint(base=url, url=f"{url}/v1/logs"))
        delivery = channel.send(b"body", 0.1 if body == "late" else 60.0)
        channel.close()

    assert delivery.state == STATES.get(status, WHOLE.get(status, "") if body == "whole" else "retry")


@pytest.mark.parametrize("body", [body for body in BODIES if body != "whole"])
def test_outcomes_are_sent_again_if_the_answer_to_them_cannot_be_read(body: str) -> None:
    header, content = BODIES[body]
    answer = b"\r\n".join((b"HTTP/1.1 200 OK", header, b"", content))
    with answering([answer], closes=body != "late") as url:
        channel = HttpChannel(Endpoint(base=url, url=f"{url}/v1/logs"))
        delivery, read = channel.post(f"{url}/v1/outcomes", b"{}", "application/json", 0.1 if body == "late" else 60.0)
        channel.close()

    assert (delivery.state, read) == ("retry", b"")


@pytest.mark.parametrize("signal", ["TRACES", "METRICS"])
@pytest.mark.parametrize(
    ("pieces", "pause"),
    [
        (lambda: chain([OK + b"\r\n"], repeat(bytes(65_536))), 0.0),
        (lambda: chain([LENGTH], repeat(b"0")), 0.05),
        (lambda: [LENGTH], 0.0),
    ],
    ids=["without end", "a byte now and then", "late"],
)
def test_the_answers_to_the_exporters_of_opentelemetry_are_bounded(
    signal: str, pieces: Callable[[], Iterable[bytes]], pause: float
) -> None:
    with answering(pieces(), pause) as url:
        session = destination(signal, resolve(url, {}))["session"]
        response = session.post(f"{url}/v1/traces", data=b"spans", timeout=0.5)

    assert response.status_code == 200
    assert len(response.content) < 2 * LARGEST


def test_the_session_of_a_credential_provider_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER", "provider")
    target = resolve("http://driftline:4318", {})
    assert "session" not in destination("TRACES", target)
    assert isinstance(destination("METRICS", target)["session"], TimedSession)


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = str(self.client_address[1]).encode()
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_a_connection_is_used_again_after_its_answer_was_read() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        channel = HttpChannel(Endpoint(base=url, url=f"{url}/v1/logs"))
        ports = {channel.post(f"{url}/v1/logs", b"body", "application/x-protobuf", 5.0)[1] for _ in range(3)}
        channel.close()
        server.shutdown()
    assert len(ports) == 1
