"""Services that answer too much, too slowly, or elsewhere: none of them costs memory, time or a secret."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from driftline_processor.policy.http_service import MOST_BYTES, HttpService, NotTaken


@contextmanager
def answering(*pieces: bytes, endless: bytes = b"") -> Iterator[str]:
    """Answer one request with some bytes, and then with the last ones again and again; yields the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            taken, _ = listener.accept()
            with taken:
                taken.recv(65_536)
                try:
                    for piece in pieces:
                        taken.sendall(piece)
                    while endless:
                        taken.sendall(endless)
                except OSError:  # it has read enough
                    pass

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        thread.join(30)
        assert not thread.is_alive()


@contextmanager
def dripping(head: bytes, drop: bytes, end: bytes) -> Iterator[str]:
    """Answer each request with a head, two hundred drops of which each keeps a reader waiting, and an end."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with suppress(OSError):  # whoever asked has gone
                while True:
                    taken, _ = listener.accept()
                    with taken, suppress(OSError):
                        taken.recv(65_536)
                        taken.sendall(head)
                        for _ in range(200):
                            done.wait(0.02)
                            taken.sendall(drop)
                        taken.sendall(end)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        done.set()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(30)
        assert not thread.is_alive()


@contextmanager
def asking(url: str, timeout: float = 10) -> Iterator[HttpService]:
    service = HttpService(url, timeout)
    try:
        yield service
    finally:
        service.close()


def test_a_small_answer_that_unpacks_to_a_large_one_is_not_unpacked() -> None:
    packed = gzip.compress(bytes(16 * 2**20))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    with answering(head, packed) as url, asking(url) as service:
        reply = service.ask("GET", url)
        assert reply.body == packed
        with pytest.raises(NotTaken):
            reply.json()


def test_an_answer_without_end_is_read_to_a_bound() -> None:
    with answering(b"HTTP/1.1 200 OK\r\n\r\n", endless=b"x" * 65_536) as url, asking(url) as service:
        assert MOST_BYTES <= len(service.ask("GET", url).body) < 2 * MOST_BYTES


def test_headers_without_end_are_put_off() -> None:
    with answering(b"HTTP/1.1 200 OK\r\n", endless=b"x-a: " + b"1" * 60_000 + b"\r\n") as url, asking(url) as service:
        with pytest.raises(NotTaken) as raised:
            service.ask("GET", url)
        assert raised.value.answer.result == "put_off"


@pytest.mark.parametrize(
    ("head", "drop", "end"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"x-a: 1\r\n", b"content-length: 0\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n", b"x", b""),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x", b""),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    ],
    ids=["headers", "a body", "a body without a length", "continue"],
)
def test_a_service_that_drips_is_left_after_the_whole_time_out_and_asked_anew_later(
    head: bytes, drop: bytes, end: bytes
) -> None:
    with dripping(head, drop, end) as url, asking(url, 0.2) as service:
        for _ in range(2):
            with pytest.raises(NotTaken) as raised:
                service.ask("POST", url, json={})
            answer = raised.value.answer
            assert (answer.result, answer.detail) == ("put_off", "ReadTimeout: the response took too long")
            assert answer.unheard


def test_nobody_is_sent_elsewhere() -> None:
    head = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    with answering(head) as url, asking(url) as service:
        with pytest.raises(NotTaken) as raised:
            service.ask("POST", url, json={}, headers={"Authorization": "Bearer secret-7"})
        assert (raised.value.answer.result, raised.value.answer.detail) == ("put_off", "HTTP 307")
