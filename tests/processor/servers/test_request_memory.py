"""How many bytes of requests may be under way: refused above, given back after, and silent senders make room."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import httpx
import pytest
from driftline_processor.access.access import Access
from driftline_processor.access.routes import Authentication
from driftline_processor.config.values import Address
from driftline_processor.health import Counters
from driftline_processor.receipts import Overloaded
from driftline_processor.receivers import outcomes_http
from driftline_processor.receivers.http import otlp_app
from driftline_processor.servers.http_server import Connections, HttpServers
from driftline_processor.servers.request_memory import SILENT, ExceedsRequestMemory, RequestMemory
from starlette.applications import Starlette

from tests.support.fake_intake import FakeIntake
from tests.support.waiting import Seconds, wait_until

MIB = 2**20
PROTOBUF = {"content-type": "application/x-protobuf"}


def test_a_large_request_leaves_room_to_small_ones() -> None:
    memory = RequestMemory(8 * MIB)
    memory.open().grow(6 * MIB)
    with pytest.raises(Overloaded):
        memory.open().grow(MIB + 1)
    memory.open().grow(MIB)
    memory.open().grow(MIB)
    with pytest.raises(Overloaded):
        memory.open().grow(1)
    assert memory.used == 8 * MIB


def test_what_never_fits_is_told_apart_from_what_may_come_again() -> None:
    memory = RequestMemory(8 * MIB)
    with pytest.raises(ExceedsRequestMemory):
        memory.open().grow(6 * MIB + 1)


def test_what_is_given_back_is_free_once() -> None:
    memory = RequestMemory(8 * MIB)
    request = memory.open()
    request.grow(5 * MIB)
    assert memory.used == 5 * MIB
    request.close()
    request.close()
    assert memory.used == 0


def test_silent_senders_are_ended_where_others_need_their_room() -> None:
    clock, ended = Seconds(), list[str]()
    memory = RequestMemory(8 * MIB, clock)
    memory.open(lambda: ended.append("silent")).grow(3 * MIB)
    clock.now += SILENT
    memory.open(lambda: ended.append("busy")).grow(3 * MIB)
    with pytest.raises(Overloaded):
        memory.open().grow(2 * MIB)
    assert ended == ["silent"]


@contextmanager
def receiver(memory: RequestMemory) -> Iterator[str]:
    port = HttpServers(Connections(100), memory).bind(Address("127.0.0.1", 0), "receivers.otlp.protocols.http.endpoint")
    port.start(Authentication(otlp_app(FakeIntake()), Access.without_log_in()), grace=1)
    yield str(port.address)
    port.stop()


def half_sent(address: str, size: int, sent: int) -> socket.socket:
    sender = socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), timeout=60)
    head = f"POST /v1/traces HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-protobuf\r\n"
    sender.sendall(f"{head}Content-Length: {size}\r\n\r\n".encode() + bytes(sent))
    return sender


def test_half_sent_bodies_do_not_keep_others_out() -> None:
    """Two senders stop half-way and hold all there is; the next one is told to come again, and then there is room."""
    clock = Seconds()
    memory = RequestMemory(8 * MIB, clock)
    with receiver(memory) as address:
        stuck = [half_sent(address, 10 * MIB, size) for size in (4 * MIB, 2 * MIB)]
        wait_until(lambda: memory.used == 6 * MIB)
        clock.now += SILENT
        url = f"http://{address}/v1/traces"
        body = b"\x0a\x00" * (MIB + MIB // 2)
        refused = httpx.post(url, content=body, headers=PROTOBUF, trust_env=False)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        for sender in stuck:
            assert sender.recv(100).startswith(b"HTTP/1.1 503 Service Unavailable")
            sender.close()
        wait_until(lambda: memory.used == 0)
        assert httpx.post(url, content=body, headers=PROTOBUF, trust_env=False).status_code == 200
        wait_until(lambda: memory.used == 0)


def test_a_request_above_the_limit_is_told_to_come_in_parts() -> None:
    memory = RequestMemory(4 * MIB)
    with receiver(memory) as address, half_sent(address, 4 * MIB, 3 * MIB + 1) as sender:
        answer = b""
        while not answer.endswith(b"split it into smaller requests"):
            answer += (more := sender.recv(1000))
            assert more, answer
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"larger than 3 MiB, the limit for one request (limits.request_bytes)" in answer


def test_a_packed_request_that_finds_no_room_may_come_again() -> None:
    memory = RequestMemory(8 * MIB)
    other = memory.open()
    other.grow(4 * MIB)
    port = HttpServers(Connections(100), memory).bind(Address("127.0.0.1", 0), "web.endpoint")
    app = Starlette(routes=outcomes_http.routes(lambda *_: Future(), Counters()))
    port.start(Authentication(app, Access.without_log_in()), grace=1)
    rows = gzip.compress(b"id,actual\n" + b"a,1\n" * (3 * MIB // 4))
    headers = {"content-type": "text/csv", "content-encoding": "gzip"}
    answer = httpx.post(f"http://{port.address}/v1/outcomes?model=m", content=rows, headers=headers, trust_env=False)
    port.stop()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert memory.used == 4 * MIB
