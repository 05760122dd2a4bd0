"""HTTP connections that keep silent, dribble, or are too many: each ends, and everybody else is answered."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from driftline_processor.config.values import Address
from driftline_processor.servers import http_server
from driftline_processor.servers.http_server import (
    BODY_SECONDS,
    HEAD_SECONDS,
    IDLE_SECONDS,
    LEAST_BODY,
    MOST_HEAD,
    SLOW_SECONDS,
    Connection,
    Connections,
    Deadlines,
    HttpServers,
)
from driftline_processor.servers.request_memory import RequestMemory
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tests.support.facts import lacking
from tests.support.waiting import Seconds, wait_until


class Serving:
    def __init__(self, most: int = 100) -> None:
        self.clock = Seconds()
        self.memory = RequestMemory(8 * 2**20)
        self.connections = Connections(most, Deadlines(look=0.01), self.clock)
        servers = HttpServers(self.connections, self.memory)
        self.served = servers.bind(Address("127.0.0.1", 0), "web.endpoint")
        self.port = self.served.address.port

    def open(self, *said: bytes) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        for part in said:
            client.sendall(part)
        return client

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and the server look at its connections."""
        self.clock.now += seconds
        reads = self.clock.reads
        wait_until(lambda: self.clock.reads >= reads + 3)


async def count(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def people(request: Request) -> Response:
    await request.body()
    return PlainTextResponse(",".join(request.headers.getlist("x-forwarded-user")))


@contextmanager
def serving(most: int = 100) -> Iterator[Serving]:
    found = Serving(most)
    routes = [Route("/", count, methods=["GET", "POST"]), Route("/people", people, methods=["POST"])]
    found.served.start(Starlette(routes=routes), grace=1)
    yield found
    found.served.stop()


GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def post(size: int) -> bytes:
    return f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n".encode()


def answer(client: socket.socket) -> tuple[bytes, bytes]:
    """The status line and the body of the next answer."""
    came = b""
    while b"\r\n\r\n" not in came:
        came += _more(client)
    head, _, body = came.partition(b"\r\n\r\n")
    size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < size:
        body += _more(client)
    return head.partition(b"\r\n")[0], body


def _more(client: socket.socket) -> bytes:
    found = client.recv(1)
    assert found, "the connection is closed"
    return found


def status(client: socket.socket) -> bytes:
    return answer(client)[0]


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: loc"], ids=["nothing", "half a head"])
def test_a_head_that_does_not_come_is_not_waited_for(said: bytes) -> None:
    with serving() as server, server.open(said) as client:
        wait_until(lambda: len(server.connections) == 1)
        server.pass_time(HEAD_SECONDS)
        server.pass_time(HEAD_SECONDS)  # counted from the first byte, which may come after the first of the two
        assert status(client) == b"HTTP/1.1 408 Request Timeout"
        wait_until(lambda: len(server.connections) == 0)


def test_a_body_that_stops_is_not_waited_for() -> None:
    with serving() as server, server.open(post(10_000), bytes(5_000)) as client:
        wait_until(lambda: server.memory.used == 5_000)
        server.pass_time(BODY_SECONDS)  # these came in time
        server.pass_time(BODY_SECONDS)
        assert status(client) == b"HTTP/1.1 408 Request Timeout"
        wait_until(lambda: server.memory.used == 0)


def closing_post(size: int) -> bytes:
    return post(size)[:-2] + b"Connection: close\r\n\r\n"


@pytest.mark.parametrize("head", [closing_post, post], ids=["close", "keep-alive"])
def test_a_client_that_sends_all_before_it_reads_is_answered(head: Callable[[int], bytes]) -> None:
    size = 12 * 2**20  # more than the 8 MiB of the memory for requests, and than what sockets buffer
    with serving() as server, server.open(head(size), bytes(size)) as client:
        assert answer(client)[0] == b"HTTP/1.1 413 Request Entity Too Large"
        wait_until(lambda: server.memory.used == 0)
        if head is closing_post:
            assert client.recv(1) == b""
            wait_until(lambda: len(server.connections) == 0)
        else:
            client.sendall(GET)
            assert status(client) == b"HTTP/1.1 200 OK"


def test_a_refused_body_that_stops_is_not_waited_for() -> None:
    with serving() as server, server.open(closing_post(12 * 2**20), bytes(10 * 2**20)) as client:
        assert status(client) == b"HTTP/1.1 413 Request Entity Too Large"

        def is_closed_later() -> bool:  # what was sent before may be read after the first time that passes
            server.pass_time(BODY_SECONDS)
            return len(server.connections) == 0

        wait_until(is_closed_later)
        assert client.recv(1) == b""


def test_a_refused_body_is_read_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "MOST_DISCARDED", 2**20)
    # beyond the limit of a body, and below that of what is read after the refusal
    with serving() as server, server.open(closing_post(2**40), bytes(8 * 2**20 + 2**18)) as client:
        assert status(client) == b"HTTP/1.1 413 Request Entity Too Large"
        with pytest.raises(OSError):  # the connection is reset
            client.sendall(bytes(2**27))


def test_a_slow_and_steady_body_arrives() -> None:
    with serving() as server, server.open(post(10 * LEAST_BODY)) as client:
        for part in range(1, 10):
            client.sendall(bytes(LEAST_BODY))
            wait_until(lambda sent=part * LEAST_BODY: server.memory.used == sent)  # type: ignore[misc]
            server.pass_time(BODY_SECONDS)
        client.sendall(bytes(LEAST_BODY))
        assert answer(client) == (b"HTTP/1.1 200 OK", b"30000")


def test_the_body_of_an_answer_is_sent_without_waiting_for_its_head_to_be_confirmed() -> None:
    with serving() as server, server.open(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") as client:
        assert client.recv(100)
        (connection,) = server.connections._open
        assert isinstance(connection, Connection)
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_idle_connection_outlives_the_minute_between_two_exports() -> None:
    with serving() as server, server.open() as client:
        for _ in range(3):
            client.sendall(GET)
            assert status(client) == b"HTTP/1.1 200 OK"
            server.pass_time(IDLE_SECONDS - 10)
        server.pass_time(IDLE_SECONDS)
        assert client.recv(1) == b""
    assert IDLE_SECONDS > 60


@pytest.mark.heavy
def test_an_idle_connection_outlives_the_exporters_interval_in_real_time() -> None:
    with serving() as server, server.open(GET) as client:
        assert status(client) == b"HTTP/1.1 200 OK"
        client.settimeout(6)  # the interval is 5 seconds
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(60)
        client.sendall(GET)
        assert status(client) == b"HTTP/1.1 200 OK"


def test_a_new_connection_takes_the_place_of_the_most_silent(caplog: pytest.LogCaptureFixture) -> None:
    with serving(most=3) as server:
        half = server.open(post(100), b"half")
        wait_until(lambda: server.memory.used == 4)
        idle = server.open(GET)
        assert status(idle) == b"HTTP/1.1 200 OK"
        server.pass_time(2)
        other = server.open(GET)
        assert status(other) == b"HTTP/1.1 200 OK"
        fourth = server.open(GET)
        assert status(fourth) == b"HTTP/1.1 200 OK"
        assert idle.recv(1) == b""
        fifth = server.open(GET)
        assert status(fifth) == b"HTTP/1.1 200 OK"
        assert status(half) == b"HTTP/1.1 503 Service Unavailable"
        assert [record for record in caplog.records if record.name == "driftline"] == []
        for _ in range(5):
            sixth = server.open()
            assert status(sixth) == b"HTTP/1.1 503 Service Unavailable"
            sixth.close()
        [said] = [record.getMessage() for record in caplog.records if record.name == "driftline"]
        assert lacking(said, "HTTP", "get 503", "limits.connections") == []
        for client in (half, idle, other, fourth, fifth):
            client.close()


def test_connections_take_half_of_the_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftline_processor.servers.http_server.most_files", lambda: 20)
    with serving() as server, ExitStack() as opened:
        for _ in range(10):
            opened.enter_context(server.open(post(100), b"half"))
        wait_until(lambda: server.memory.used == 40)
        with server.open(GET) as eleventh:
            assert status(eleventh) == b"HTTP/1.1 503 Service Unavailable"


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * (MOST_HEAD + 1),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"a: b\r\n" * (MOST_HEAD // 2) + b"\r\n",
        b"GET /" + b"x" * (MOST_HEAD + 1) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
    ids=["one that does not end", "many", "a long address"],
)
def test_headers_have_an_end(head: bytes) -> None:
    with serving() as server:
        client = server.open()
        client.sendall(head)
        assert status(client) == b"HTTP/1.1 431 Request Header Fields Too Large"
        client.close()
        with server.open(GET) as other:
            assert status(other) == b"HTTP/1.1 200 OK"


def test_requests_that_follow_at_once_are_answered_in_order() -> None:
    with serving() as server, server.open(post(3) + b"abc" + GET + post(2) + b"ab") as client:
        assert [answer(client)[1] for _ in range(3)] == [b"3", b"0", b"2"]
        server.pass_time(IDLE_SECONDS)
        server.pass_time(IDLE_SECONDS)  # counted from the end of the answer, which its reader may outrun
        assert client.recv(1) == b""


def test_a_header_behind_the_body_is_no_header() -> None:
    head = b"POST /people HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
    by_proxy, by_sender = (b"X-Forwarded-User: %b\r\n" % name for name in (b"ann", b"admin"))
    body = b"\r\n1\r\na\r\n0\r\n" + by_sender + b"\r\n"
    with serving() as server, server.open(head + body + head + by_proxy + body + head + body) as client:
        assert [answer(client)[1] for _ in range(3)] == [b"", b"ann", b""]


def test_the_end_of_a_body_is_no_part_of_the_next_head() -> None:
    body, head = b"a" * (2 * MOST_HEAD), GET[: len(GET) // 2]
    with serving() as server, server.open(GET) as client:
        assert status(client) == b"HTTP/1.1 200 OK"
        (connection,) = server.connections._open
        assert isinstance(connection, Connection)
        whole = post(len(body)) + body + head  # in one piece, as a busy server finds it
        connection.loop.call_soon_threadsafe(connection.data_received, whole)
        assert answer(client)[1] == str(len(body)).encode()
        client.sendall(GET[len(head) :])
        assert status(client) == b"HTTP/1.1 200 OK"


def test_what_the_system_refuses_is_said_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = Seconds()
    connections = Connections(100, clock=clock)

    async def accept_and_fail() -> None:
        watching = asyncio.create_task(connections.watch())
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        for _ in range(100):
            context = {"message": "socket.accept() out of system resource", "exception": OSError(errno.EMFILE, "full")}
            loop.call_exception_handler(context)
            clock.now += 1
        watching.cancel()

    with caplog.at_level(logging.WARNING):
        asyncio.run(accept_and_fail())
    said = [record.getMessage() for record in caplog.records]
    assert [sentence.partition(" (")[0] for sentence in said] == ["new HTTP connections cannot be accepted: full"] * 2


def test_what_keeps_a_port_from_answering_is_raised_and_the_loop_ends() -> None:
    servers = HttpServers(Connections(100))
    port = servers.bind(Address("127.0.0.1", 0), "web.endpoint")
    for listener in port._sockets:
        listener.close()  # as a listener that the system has taken away
    with pytest.raises((OSError, ValueError)):  # by system: a closed descriptor
        port.start(Starlette(), 1.0)
    port.stop(5.0)
    assert servers._loop is None


def test_clients_that_do_not_read_their_answers_give_way_to_a_new_one() -> None:
    most, size = 4, 8 * 2**20  # more than the buffers of a connection
    found = Serving(most)
    found.served.start(Starlette(routes=[Route("/", lambda _: Response(bytes(size)))]), grace=1)
    unread = [found.open(GET) for _ in range(most)]
    wait_until(lambda: sum(one.stuck is not None for one in found.connections._open) == most)
    found.clock.now += SLOW_SECONDS
    with found.open(GET) as client:
        assert client.recv(15) == b"HTTP/1.1 200 OK"
    for one in unread:
        one.close()
    found.served.stop()
