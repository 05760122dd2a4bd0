"""All HTTP ports of the process: uvicorn servers in one thread, with time limits for connections.

Every application is behind :class:`.browser_guard.BrowserGuard`, which rejects requests from pages of other sites, and
:class:`BoundedBodies`, which limits the bytes of running requests. Inactive connections are closed:

=====================  ================================================================================================
waiting for            the rule
=====================  ================================================================================================
the head of a request  complete :data:`HEAD_SECONDS` after its first byte (or after the connection was made): 408
its body               at least :data:`LEAST_BODY` bytes per :data:`BODY_SECONDS`: else 408
the next request       :data:`IDLE_SECONDS` after an answer: closed
reading of an answer   some of it in :data:`ANSWER_SECONDS`: closed
=====================  ================================================================================================

A TLS handshake is part of the head. A tenth of ``limits.connections`` is reserved for the port of the pages, so that
senders cannot close it. A connection above the limit replaces another one: the longest inactive one, if it was inactive
for a second, or the one whose request arrives for the longest time, if that is above :data:`SLOW_SECONDS` or if its
address has more than half of the connections and the new one has another, and first one of the address with the most
connections. Otherwise the new connection is answered 503. The limit of open files of the process is raised at the
start.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import Any, Literal, Protocol, cast

import uvicorn
from msgspec import Struct
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from driftline_processor.config.schema import Limits
from driftline_processor.config.values import Address
from driftline_processor.memory_ceiling import MemoryCeiling
from driftline_processor.otlp.protocol import refusal
from driftline_processor.receipts import Overloaded

from .browser_guard import AccessRules, BrowserGuard
from .ports import bind
from .request_memory import HOLDING, ExceedsRequestMemory, RequestMemory
from .tls import ListenerTls

_WANTED = 16_384
"""Open files for the default limit of connections and for DuckDB."""

if sys.platform == "win32":

    def most_files() -> int:
        """Return the limit of open files."""
        return _WANTED

    def raise_most_files() -> None:
        """Do nothing: Windows has no such limit."""

else:
    import resource

    def most_files() -> int:
        """Return the number of files that may be open, at this moment."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return _WANTED if soft == resource.RLIM_INFINITY else soft

    def raise_most_files() -> None:
        """Raise the soft limit on open files as far as this user may, up to what is ever needed."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        file_limit = _WANTED if hard == resource.RLIM_INFINITY else min(_WANTED, hard)
        if soft != resource.RLIM_INFINITY and soft < file_limit:
            resource.setrlimit(resource.RLIMIT_NOFILE, (file_limit, hard))


IDLE_SECONDS = 75.0
"""Longer than the minute between two exports of metrics, so that exporters find their connection open."""

HEAD_SECONDS = 20.0

BODY_SECONDS = 30.0

LEAST_BODY = 3_000
"""Minimum bytes per period: 100 per second."""

ANSWER_SECONDS = 60.0

MOST_DISCARDED = 256 * 2**20
"""Maximum bytes of a body that are discarded behind an answer that ends the connection."""

MOST_HEAD = 64 * 1024
"""Maximum bytes of a request line and its headers, with trailers."""

SLOW_SECONDS = 5.0
"""Seconds after which a request that still arrives may lose its connection to a new one."""

_LOOK_EVERY = 1.0
"""Seconds between checks of all connections."""

_log = logging.getLogger("driftline")

Waits = Literal["head", "body", "answer", "next"]


class Deadlines(Struct, frozen=True):
    """The time limits of a connection in seconds; tests shorten them."""

    head: float = HEAD_SECONDS
    body: float = BODY_SECONDS
    idle: float = IDLE_SECONDS
    answer: float = ANSWER_SECONDS
    look: float = _LOOK_EVERY


class Connections:
    """All HTTP connections of the process. Used by one event loop.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        most: int,
        deadlines: Deadlines | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.deadlines = deadlines or Deadlines()
        self.clock = clock
        self._max_connections = most
        self._open: set[Watched] = set()
        self._senders: set[Watched] = set()  # those of the open ones that may not use the reserve
        self._closing: set[Watched] = set()
        self._logged_at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._open)

    def protocol(self, reserved: bool = True, tls: ListenerTls | None = None) -> Callable[..., asyncio.Protocol]:
        """Return what makes the protocol of a new connection, for uvicorn.

        Args:
            reserved: Whether the port may use the reserved connections.
            tls: The certificate of the port.
        """

        def make(**keys: Any) -> asyncio.Protocol:
            connection = Connection(self, reserved=reserved, **keys)
            return connection if tls is None else Handshake(self, connection, tls)

        return make

    def admit(self, connection: Watched) -> bool:
        """Return True if there is room for a new connection, after closing another one if necessary."""
        # the other half is for the state, gRPC and destinations
        limit = min(self._max_connections, max(8, most_files() // 2))
        rivals, room = (self._open, limit) if connection.reserved else (self._senders, limit - max(2, limit // 10))
        if len(rivals) >= room:
            silent = self._replaceable(rivals, connection.address)
            if silent is None:
                self._say(
                    "refused",
                    f"{len(self._open)} HTTP connections are open, and new connections get 503; "
                    "raise limits.connections, or the limit on open files (ulimit -n)",
                )
                return False
            silent.end(503)
        self._open.add(connection)
        if not connection.reserved:
            self._senders.add(connection)
        return True

    def closing(self, connection: Watched) -> None:
        """Free the place of a closing connection, and watch it until it is closed."""
        self._open.discard(connection)
        self._senders.discard(connection)
        self._closing.add(connection)

    def forget(self, connection: Watched) -> None:
        """Forget a closed connection."""
        self._open.discard(connection)
        self._senders.discard(connection)
        self._closing.discard(connection)

    async def watch(self) -> None:
        """Close overdue connections repeatedly, until cancelled."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._loop_failed)
        while True:
            await asyncio.sleep(self.deadlines.look)
            now = self.clock()
            for connection in [watched for watched in (*self._open, *self._closing) if watched.overdue(now)]:
                connection.end(408)

    def _replaceable(self, rivals: Collection[Watched], address: str) -> Watched | None:
        """Return the connection that a new one may replace.

        It is inactive, or its request arrives or its answer is read too slowly, or its address has more than half of
        the connections.

        Args:
            rivals: The connections among which it is.
            address: The address of the new connection.
        """
        now, counts = self.clock(), Counter(one.address for one in rivals)
        # 1.0: seconds of inactivity before a connection may be replaced
        silent = [one for one in rivals if one.waits != "answer" and now - one.heard >= 1.0]
        crowded = {name for name, count in counts.items() if name != address and count > len(rivals) // 2}
        slow = [
            one
            for one in rivals
            if (one.waits in ("head", "body") and (now - one.began >= SLOW_SECONDS or one.address in crowded))
            or (one.stuck is not None and now - one.stuck >= SLOW_SECONDS)
        ]
        if silent:
            return min(silent, key=lambda one: (one.waits != "next", -counts[one.address], one.heard))
        return min(slow, key=lambda one: (-counts[one.address], one.began), default=None)

    def _loop_failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log once a minute that the system refuses connections; asyncio retries every second."""
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
            self._say(
                "not accepted",
                f"new HTTP connections cannot be accepted: {error.strerror} (the limit is {most_files()} files); "
                "raise the limit on open files (ulimit -n)",
            )
            return
        if isinstance(error, ValueError) and "_start_serving" in str(context.get("message")):
            return  # asyncio tries again to accept on a socket that was closed meanwhile, because everything stops
        loop.default_exception_handler(context)

    def _say(self, kind: str, sentence: str) -> None:
        now = self.clock()
        # 60.0: seconds between log lines about rejected connections
        if kind not in self._logged_at or now - self._logged_at[kind] >= 60.0:
            self._logged_at[kind] = now
            _log.warning(sentence)


class Watched(Protocol):
    """A connection, or the handshake of one.

    Attributes:
        waits: What it waits for.
        heard: When bytes were last received, monotonic seconds.
        began: When the current request began.
        address: The address of the client, "" if unknown.
        reserved: Whether it may use the reserved connections.
        stuck: Since when the client does not read its answer, None if it does.
    """

    waits: Waits
    stuck: float | None
    heard: float
    began: float
    address: str
    reserved: bool

    def overdue(self, now: float) -> bool:
        """Return True if the client exceeded a time limit."""

    def end(self, status: Literal[408, 431, 503]) -> None:
        """Close the connection."""


class EarlyBytes(asyncio.Protocol):
    """Bytes that arrive before the connection is made: a client may send its request with the end of the handshake."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.ended = False

    def data_received(self, data: bytes) -> None:
        """Keep bytes."""
        self.received += data

    def connection_lost(self, exc: Exception | None) -> None:
        """Keep that the client is gone."""
        del exc
        self.ended = True


class Handshake(asyncio.Protocol):
    """The TLS handshake of a new connection, which counts as a connection and has the time limit of a head."""

    def __init__(self, connections: Connections, connection: Connection, tls: ListenerTls) -> None:
        self.waits: Waits = "head"
        self.heard = self.began = connections.clock()
        self.address, self.reserved = "", connection.reserved
        self.stuck: float | None = None
        self._connections, self._connection, self._tls = connections, connection, tls
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the handshake."""
        self._transport = cast(asyncio.Transport, transport)
        self.address = _address_of(transport)
        if not self._connections.admit(self):
            self._transport.abort()
            return
        self._transport.pause_reading()  # until the handshake reads
        self._task = asyncio.get_running_loop().create_task(self._shake())

    def overdue(self, now: float) -> bool:
        """Return True if the handshake takes too long."""
        return now - self.began >= self._connections.deadlines.head

    def end(self, status: Literal[408, 431, 503]) -> None:
        """Close the connection; nothing can be answered yet."""
        del status
        self._connections.forget(self)
        if self._task is not None:
            self._task.cancel()
        self._transport.abort()

    async def _shake(self) -> None:
        loop = asyncio.get_running_loop()
        early = EarlyBytes()
        try:
            encrypted = await loop.start_tls(
                self._transport, early, self._tls.context, server_side=True, ssl_handshake_timeout=600.0
            )
        except (OSError, EOFError):  # not TLS, no common version, no accepted certificate, or gone
            self._transport.abort()
            return
        finally:
            self._connections.forget(self)
        if encrypted is None:
            self._transport.abort()
            return
        encrypted.set_protocol(self._connection)
        self._connection.connection_made(encrypted)
        if early.received:
            self._connection.data_received(bytes(early.received))
        if early.ended:
            self._connection.connection_lost(None)


class _AnswerTransport:
    """The transport of one answer, which closes the connection only when the body of its request has arrived."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.write, self.is_closing = connection.transport.write, connection.transport.is_closing

    def close(self) -> None:
        """Close the connection, at once or when the body has arrived."""
        self._connection.close_behind_body()


class Connection(HttpToolsProtocol):
    """One HTTP connection, which tracks what it waits for and since when."""

    def __init__(self, connections: Connections, reserved: bool = True, **keys: Any) -> None:
        super().__init__(**keys)
        self.waits: Waits = "head"
        self.heard = self.began = connections.clock()
        self.address, self.reserved = "", reserved
        self._connections = connections
        self._since = self.heard
        self._body_bytes = 0
        self._head = 0
        self._unread_bytes = 0
        self._ends = False
        self._discarded: int | None = None
        self.stuck: float | None = None
        self._ended: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to serve a connection."""
        super().connection_made(transport)
        self.address = _address_of(transport)
        # asyncio does so only for sockets with a named protocol. An answer is two writes, head and body, and the
        # second would wait until the first is confirmed: 40 ms.
        with suppress(OSError):  # already closed
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._connections.admit(self):
            self.end(503)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the requests of a lost connection."""
        super().connection_lost(exc)
        self._connections.forget(self)

    def data_received(self, data: bytes) -> None:
        """Parse received bytes."""
        if self._ended is not None:
            return
        self.heard = self._connections.clock()
        if self.waits == "next":
            self.began = self.heard
            self._wait_for("head")
        self._ends = False
        super().data_received(data)
        if self.waits == "head" and not self._ends:  # else most of the data may be the previous body
            self._unread_bytes += len(data)  # the parser buffers an incomplete header
        if self._head > MOST_HEAD or self._unread_bytes > MOST_HEAD:
            self.end(431)

    def on_message_begin(self) -> None:
        """Start a request."""
        super().on_message_begin()
        self._head = self._unread_bytes = 0
        self._wait_for("head")
        self.scope["driftline.end"] = self._end_silent  # type: ignore[typeddict-unknown-key]

    def on_url(self, url: bytes) -> None:
        """Add a part of the request's target."""
        super().on_url(url)
        self._head += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header of the request; those behind its body are ignored, because proxies check only the others."""
        self._head += len(name) + len(value)
        if self._head <= MOST_HEAD and self.waits == "head":
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the application on a request whose headers are complete."""
        if self._head <= MOST_HEAD:
            self._unread_bytes = 0
            self._wait_for("body")
            super().on_headers_complete()
            self.cycle.transport = cast(Any, _AnswerTransport(self))

    def on_body(self, body: bytes) -> None:
        """Add a part of the request's body."""
        if self._head <= MOST_HEAD:
            self._body_bytes += len(body)
            super().on_body(body)
        if self._discarded is not None:
            self._discarded += len(body)
            if self._discarded > MOST_DISCARDED:
                self.transport.close()

    def on_message_complete(self) -> None:
        """End the request's body."""
        self._ends = True
        if self._head <= MOST_HEAD:
            super().on_message_complete()
            self._wait_for("next" if self.cycle.response_complete else "answer")
        if self._discarded is not None:
            self.transport.close()

    def on_response_complete(self) -> None:
        """Continue with the next request of the connection."""
        has_another = bool(self.pipeline)
        super().on_response_complete()
        if self.waits == "answer" and not has_another:
            self._wait_for("next")

    def close_behind_body(self) -> None:
        """Close the connection after an answer, but read the rest of its request first, up to ``MOST_DISCARDED``.

        If bytes are unread when a connection is closed, the system resets it, and a client that sends its whole request
        before it reads would see the reset instead of the answer.
        """
        if self.waits == "body":
            self._discarded = 0
        else:
            self.transport.close()

    def pause_writing(self) -> None:
        """Pause the application while the client reads too slowly."""
        super().pause_writing()
        self.stuck = self._connections.clock()

    def resume_writing(self) -> None:
        """Resume the application."""
        super().resume_writing()
        self.stuck = None

    def overdue(self, now: float) -> bool:
        """Return True if the client exceeded a time limit."""
        deadlines = self._connections.deadlines
        if self._ended is None and self.transport.is_closing():
            self._ended = now
            self._connections.closing(self)
        if self._ended is not None:
            return now - self._ended >= deadlines.answer
        if self.stuck is not None:
            return now - self.stuck >= deadlines.answer
        if self.waits == "head":
            return now - self._since >= deadlines.head
        if self.waits == "next":
            return now - self._since >= deadlines.idle
        if self.waits == "body" and now - self._since >= deadlines.body:
            # If reading is paused, the processor is the slow side.
            slow = self._body_bytes < LEAST_BODY and not self.flow.read_paused
            self._wait_for("body")
            return slow
        return False

    def end(self, status: Literal[408, 431, 503]) -> None:
        """Close the connection, with an answer if the client waits for one; a second call closes it immediately."""
        if self._ended is not None or self.stuck is not None:
            self.transport.abort()
            return
        self._ended = self._connections.clock()
        self._connections.closing(self)
        if not self.transport.is_closing() and self._unanswered():
            self.transport.write(_ANSWERS[status])
            if self.cycle is not None:
                self.cycle.disconnected = True
                self.cycle.message_event.set()
        self.transport.close()

    def _end_silent(self) -> None:
        """End the request whose body does not arrive, because others need its memory. Thread-safe."""
        self.loop.call_soon_threadsafe(lambda: self.end(503) if self.waits == "body" else None)

    def _unanswered(self) -> bool:
        """Return True if a request has begun and nothing of its answer is written."""
        if self.waits == "next":
            return False
        return self.waits == "head" or not self.cycle.response_started

    def _wait_for(self, waits: Waits) -> None:
        self.waits = waits
        self._since = self._connections.clock()
        self._body_bytes = 0


def _address_of(transport: asyncio.BaseTransport) -> str:
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) and peer else ""


def _answer(status: str, sentence: str, more: str = "") -> bytes:
    return (
        f"HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {len(sentence) + 1}\r\n"
        f"{more}connection: close\r\n\r\n{sentence}\n"
    ).encode()


_ANSWERS = {
    408: _answer("408 Request Timeout", "the request did not arrive in time; send it again"),
    431: _answer("431 Request Header Fields Too Large", f"the headers are longer than {MOST_HEAD // 1024} KiB"),
    503: _answer(
        "503 Service Unavailable", "there are too many connections (limits.connections)", "retry-after: 1\r\n"
    ),
}


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, which the service has."""

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        await self._serve(sockets)


class HttpServers:
    """HTTP ports that share one loop, the limit of connections, and the memory for requests.

    The loop starts with the first port, and ends with the last one.
    """

    def __init__(self, connections: Connections | None = None, memory: RequestMemory | None = None) -> None:
        self.connections = Connections(Limits().connections) if connections is None else connections
        self.memory = RequestMemory(MemoryCeiling().requests) if memory is None else memory
        self._ports: list[HttpPort] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()
        self._thread: threading.Thread | None = None

    def bind(
        self,
        address: Address,
        key: str,
        rules: AccessRules | None = None,
        tls: ListenerTls | None = None,
        reserved: bool = True,
    ) -> HttpPort:
        """Bind an address. Raises PortInUse.

        Args:
            address: The address, with port 0 for any free one.
            key: Configuration key of the address, for the message of PortInUse.
            rules: Accepted hosts and origins; by default the names of this machine.
            tls: The certificate of the port.
            reserved: Whether the port may use the reserved connections.
        """
        port = HttpPort(self, address, bind(address, key), rules or AccessRules(), tls, reserved)
        self._ports.append(port)
        return port

    def end(self) -> None:
        """Stop accepting on every port; :meth:`HttpPort.stop` waits for running requests."""
        for port in self._ports:
            port.end()

    def serve(self, server: _Server, sockets: list[socket.socket]) -> Future[None]:
        """Run a server in the loop; the future resolves when it has ended."""
        if self._loop is None:
            up = threading.Event()
            self._thread = threading.Thread(
                target=lambda: asyncio.run(self._run(up)), name="driftline-http", daemon=True
            )
            self._thread.start()
            up.wait()
            assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(server.serve(sockets), self._loop)

    def forget(self, port: HttpPort, timeout: float | None) -> None:
        """Remove a stopped port, and end the loop after the last one."""
        self._ports = [other_port for other_port in self._ports if other_port is not port]
        if not self._ports and self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._stopped.set)
            self._thread.join(timeout)
            self._loop = None

    async def _run(self, up: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        watching = asyncio.create_task(self.connections.watch())
        up.set()
        await self._stopped.wait()
        watching.cancel()


class HttpPort:
    """A bound address that serves after :meth:`start`.

    Attributes:
        address: The address with its real port.
    """

    def __init__(
        self,
        servers: HttpServers,
        address: Address,
        sockets: list[socket.socket],
        rules: AccessRules,
        tls: ListenerTls | None = None,
        reserved: bool = True,
    ) -> None:
        self.address = Address(address.host, sockets[0].getsockname()[1])
        self._servers, self._sockets, self._rules = servers, sockets, rules
        self.tls, self._reserved = tls, reserved
        self._server: _Server | None = None
        self._serving: Future[None] | None = None

    def start(self, application: ASGIApp, grace: float = 5.0) -> None:
        """Serve an application; return when it is ready. Raises the error of a failed start.

        Args:
            application: The application.
            grace: Seconds that a stop waits for running requests.
        """
        connections, memory = self._servers.connections, self._servers.memory
        server = _Server(
            uvicorn.Config(
                BrowserGuard(BoundedBodies(application, memory), self._rules),
                http=cast(Any, connections.protocol(self._reserved, self.tls)),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=round(connections.deadlines.idle),
                timeout_graceful_shutdown=max(1, round(grace)),
            )
        )
        self._server, self._serving = server, self._servers.serve(server, self._sockets)
        while not server.started and not self._serving.done():
            time.sleep(0.005)
        if not server.started:
            self._serving.result()

    def end(self) -> None:
        """Stop accepting; :meth:`stop` waits for running requests."""
        if self._server is not None:
            self._server.should_exit = True

    def stop(self, timeout: float | None = None) -> None:
        """Stop accepting, wait for running requests, and close every socket, even if nothing was started.

        Args:
            timeout: Seconds after which running requests are abandoned; None = never.
        """
        self.end()
        if self._serving is not None and wait([self._serving], timeout).not_done:
            return  # the server closes its sockets itself, and would fail on closed ones
        for listener in self._sockets:
            listener.close()
        self._servers.forget(self, timeout)


class BoundedBodies:
    """Counts the bytes of running requests, and rejects those for which there is no memory."""

    def __init__(self, app: ASGIApp, memory: RequestMemory) -> None:
        self._app = app
        self._memory = memory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; if it is rejected, the application sees a disconnected client."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        holding = self._memory.open(scope.get("driftline.end"))
        scope[HOLDING] = holding
        refused = False

        async def count() -> Message:
            nonlocal refused
            message = await receive()
            if message["type"] == "http.request" and (body := message.get("body")):
                try:
                    holding.grow(len(body))
                except (Overloaded, ExceedsRequestMemory) as reason:
                    refused = True
                    await self._refuse(reason, scope, receive, send)
                    return {"type": "http.disconnect"}
            return message

        async def answer(message: Message) -> None:
            if not refused:
                await send(message)

        try:
            await self._app(scope, count, answer)
        except ClientDisconnect:  # the client has disconnected
            pass
        finally:
            holding.close()

    async def _refuse(self, reason: Exception, scope: Scope, receive: Receive, send: Send) -> None:
        # The connection stays open, because a sender reads the answer at the end; further bytes are discarded.
        if isinstance(reason, ExceedsRequestMemory):
            sentence = (
                f"the request is larger than {self._memory.largest // 2**20} MiB, the limit for one request "
                "(limits.request_bytes); split it into smaller requests"
            )
            await refusal(scope, 413, sentence)(scope, receive, send)
            return
        sentence = "requests in progress use all of limits.request_bytes; send the request again"
        await refusal(scope, 503, sentence, {"retry-after": "1"})(scope, receive, send)
