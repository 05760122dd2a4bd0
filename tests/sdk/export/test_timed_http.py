"""A receiver whose answer does not end blocks no flush and fills no memory."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, repeat
from threading import Thread

import pytest
from driftline.export.endpoint import Endpoint
from driftline.export.timed_http import LARGEST
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
