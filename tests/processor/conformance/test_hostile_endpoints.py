"""An endpoint that answers without end, or with what cannot be read, ends no run and fills no memory."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, repeat
from threading import Event, Thread

import pytest
from driftline_processor.conformance import endpoint
from driftline_processor.conformance.endpoint import LARGEST, Answer, Trust, open_http
from driftline_processor.conformance.messages import TRACES, Requests

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
TOO_LARGE = "the response is larger than 1 MiB"
IN_TIME = "no complete response within 1 s"


@contextmanager
def answering(pieces: Iterable[bytes], pause: float = 0.0) -> Iterator[str]:
    """Yield the URL of an endpoint that answers any request with these bytes."""
    done = Event()

    def answer() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.recv(65_536)
            for piece in pieces:
                connection.sendall(piece)
                if done.wait(pause):
                    return
            done.wait()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=answer)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            done.set()
            thread.join()


def answer_of(url: str) -> Answer:
    transport = open_http(url, Trust({}, context=True))
    try:
        return transport.send(Requests().valid(TRACES))
    finally:
        transport.close()


def whole(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> list[bytes]:
    lines = (b"HTTP/1.1 " + status, *headers, b"content-length: %d" % len(body), b"", body)
    return [b"\r\n".join(lines)]


@pytest.mark.parametrize(
    ("pieces", "pause", "reason"),
    [
        (chain([CHUNKED], repeat(b"10000\r\n" + bytes(65_536) + b"\r\n")), 0.0, TOO_LARGE),
        (whole(gzip.compress(bytes(64 * LARGEST)), b"content-encoding: gzip"), 0.0, TOO_LARGE),
        (chain([CHUNKED], repeat(b"1\r\n0\r\n")), 0.1, IN_TIME),
        (chain([OK], repeat(b"x: y\r\n")), 0.1, IN_TIME),
    ],
    ids=["a body without end", "a body that expands", "a byte now and then", "a header now and then"],
)
def test_an_answer_without_end_counts_as_none(
    monkeypatch: pytest.MonkeyPatch, pieces: Iterable[bytes], pause: float, reason: str
) -> None:
    if pause:
        monkeypatch.setattr(endpoint, "CONNECT", 0.5)
        monkeypatch.setattr(endpoint, "WAIT", 0.5)
    with answering(pieces, pause) as url:
        answer = answer_of(url)

    assert (answer.code, answer.reason) == ("", reason)


def test_json_of_many_levels_is_no_status() -> None:
    with answering(whole(b"[" * 200_000, b"content-type: application/json", status=b"400 Bad Request")) as url:
        answer = answer_of(url)

    assert (answer.code, answer.status) == ("400", None)
