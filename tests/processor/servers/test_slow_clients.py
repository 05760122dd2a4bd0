"""Slow clients do not keep others out: not on the pages, not on the port of senders, not during a TLS handshake."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from driftline_processor.config.tls import TlsServer
from driftline_processor.config.values import Address
from driftline_processor.servers.http_server import (
    HEAD_SECONDS,
    SLOW_SECONDS,
    Connections,
    Deadlines,
    HttpPort,
    HttpServers,
)
from driftline_processor.servers.request_memory import RequestMemory
from driftline_processor.servers.tls import ListenerTls
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tests.support.certificates import Authority
from tests.support.waiting import Seconds, wait_until

MOST = 20
SENDERS = 18
"""A tenth of the connections is for the pages, and at least two."""

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
SLOW = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\n"


class Ports:
    """The port of senders and that of the pages, with a clock that stands still."""

    def __init__(self, tls: ListenerTls | None = None) -> None:
        self.clock = Seconds()
        self.connections = Connections(MOST, Deadlines(look=0.01), self.clock)
        self.memory = RequestMemory(8 * 2**20)
        servers = HttpServers(self.connections, self.memory)
        self.senders = servers.bind(Address("127.0.0.1", 0), "receivers", tls=tls, reserved=False)
        self.pages = servers.bind(Address("127.0.0.1", 0), "web.endpoint", tls=tls)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and the server look at its connections."""
        self.clock.now += seconds
        reads = self.clock.reads
        wait_until(lambda: self.clock.reads >= reads + 3)


async def count(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


@contextmanager
def ports(tls: ListenerTls | None = None) -> Iterator[Ports]:
    served = Ports(tls)
    application = Starlette(routes=[Route("/", count, methods=["GET", "POST"])])
    served.senders.start(application, grace=1)
    served.pages.start(application, grace=1)
    try:
        yield served
    finally:
        served.senders.stop()
        served.pages.stop()


def opened(port: HttpPort, data: bytes = b"", source: str = "127.0.0.1") -> socket.socket:
    """Return a connection to a port; ``source``: the address of the client."""
    client = socket.create_connection(("127.0.0.1", port.address.port), timeout=20, source_address=(source, 0))
    client.sendall(data)
    return client


def status(client: socket.socket) -> bytes:
    """Return the status of the answer, b"" if there is none."""
    return client.recv(100).partition(b"\r\n")[0].removeprefix(b"HTTP/1.1 ")


def answered(clients: list[socket.socket]) -> list[socket.socket]:
    """Return the clients that have an answer."""
    return select.select(clients, [], [], 0)[0]


@contextmanager
def dripping(served: Ports, number: int) -> Iterator[list[socket.socket]]:
    """Open slow requests at the port of senders, one after the other, while each has just sent something."""
    with ExitStack() as stack:
        clients = []
        for _ in range(number):
            before = len(served.connections)
            clients.append(stack.enter_context(opened(served.senders, SLOW)))
            if before < SENDERS:
                wait_until(lambda before=before: len(served.connections) == before + 1)  # type: ignore[misc]
        yield clients


def drip(served: Ports, clients: list[socket.socket], seconds: int) -> None:
    """Let all slow requests continue, a hundred bytes a second."""
    for _ in range(seconds * 2):
        arrived = served.memory.used + 50 * len(clients)
        for client in clients:
            client.sendall(b"x" * 50)
        wait_until(lambda arrived=arrived: served.memory.used == arrived)  # type: ignore[misc]
        served.pass_time(0.5)


def test_pages_are_answered_while_slow_senders_use_every_other_connection() -> None:
    with ports() as served, dripping(served, SENDERS + 5):
        assert len(served.connections) == SENDERS
        with opened(served.pages, GET) as page:
            assert status(page) == b"200 OK"


def test_a_sender_takes_the_place_of_a_slow_request() -> None:
    with ports() as served, dripping(served, SENDERS) as slow:
        drip(served, slow, int(SLOW_SECONDS))
        with opened(served.senders, GET) as sender:
            assert status(sender) == b"200 OK"


def test_requests_that_are_not_yet_slow_keep_their_places() -> None:
    with ports() as served, dripping(served, SENDERS) as slow:
        drip(served, slow, int(SLOW_SECONDS) - 1)
        with opened(served.senders, GET) as sender:
            assert status(sender) == b"503 Service Unavailable"


def test_an_address_with_most_of_the_connections_gives_way_to_others_at_once() -> None:
    with ports() as served, dripping(served, SENDERS), opened(served.senders, GET, "127.0.0.2") as sender:
        assert status(sender) == b"200 OK"


def test_the_address_with_the_most_slow_requests_gives_way_first() -> None:
    with ports() as served, opened(served.senders, SLOW, "127.0.0.2") as oldest:
        wait_until(lambda: len(served.connections) == 1)
        served.pass_time(0.5)
        with dripping(served, SENDERS - 1) as slow:
            drip(served, [oldest, *slow], int(SLOW_SECONDS))
            with opened(served.senders, GET, "127.0.0.3") as sender:
                assert status(sender) == b"200 OK"
            wait_until(lambda: len(answered([oldest, *slow])) == 1)
            assert answered([oldest]) == []


def test_a_handshake_that_does_not_end_counts_and_has_the_time_of_a_head(tmp_path: Path) -> None:
    tls = ListenerTls("web", TlsServer.model_validate(Authority(tmp_path).issue().keys))
    with ports(tls) as served, opened(served.senders, b"\x16\x03\x01") as client:
        wait_until(lambda: len(served.connections) == 1)
        served.pass_time(HEAD_SECONDS - 1)
        assert len(served.connections) == 1
        served.pass_time(1)
        wait_until(lambda: len(served.connections) == 0)
        with suppress(ConnectionResetError):
            assert client.recv(1) == b""


def test_handshakes_that_do_not_end_give_way_to_senders(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tls = ListenerTls("web", TlsServer.model_validate(authority.issue().keys))
    with ports(tls) as served, ExitStack() as stack:
        for number in range(SENDERS):
            stack.enter_context(opened(served.senders, b"\x16"))
            wait_until(lambda number=number: len(served.connections) == number + 1)  # type: ignore[misc]
        served.pass_time(2)
        stack.enter_context(opened(served.senders, b"\x16"))
        served.pass_time(0)
        assert len(served.connections) == SENDERS
