"""A server of HTTP/2 (RFC 9113) for calls of one request and one answer, as gRPC makes them.

A connection takes frames as they come, counts every byte in the memory of requests, and gives a call that is complete
to its :class:`Service`. Everything runs in the one loop of the HTTP ports; who answers from another thread leaves the
answer with :class:`LoopCalls`.

=========================  ===========================================================================================
what is awaited            the rule
=========================  ===========================================================================================
the first bytes            complete :data:`.http_server.HEAD_SECONDS` after the connection was made: closed
the message of a call      :data:`.http_server.LEAST_BODY` bytes in :data:`.http_server.BODY_SECONDS`: else refused
reading of answers         some of it in :data:`.http_server.ANSWER_SECONDS`: closed
the next call              :data:`IDLE_SECONDS`, and an answer to a ping in between: closed
frames that ask nothing    :data:`MOST_IDLE_FRAMES` without a complete call between them: closed
=========================  ===========================================================================================
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import Literal, Protocol, cast

from driftline_processor.config.values import Address
from driftline_processor.receipts import Overloaded

from .hpack import BadHeaders, Field, HeaderReader
from .http_server import LEAST_BODY, MOST_HEAD, HttpServers, Waits
from .ports import bind
from .request_memory import ExceedsRequestMemory, MemoryClaim

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

MOST_STREAMS = 100
"""Calls of one connection at a time; what a client wants to send beyond them waits there."""

STREAM_WINDOW, CONNECTION_WINDOW = 1 << 20, 8 << 20
"""Bytes that a client sends before it waits for word: of one call, and of all calls of its connection."""

MOST_FRAME = 1 << 20
"""Bytes of a frame of a message, which is taken piece by piece; frames of any other kind have MOST_HEAD at most."""

IDLE_SECONDS = 600.0
"""Seconds without a call after which a connection is closed."""

PING_SECONDS, PONG_SECONDS = 60.0, 20.0
"""Seconds of silence after which a client is asked whether it is there, and in which it answers."""

ANSWER_PATIENCE = 30.0
"""Seconds until a call is given up on that is complete; exporters wait ten."""

MOST_IDLE_FRAMES = 1_000
"""Pings, settings, cancelled calls and the like without a call that is complete between them."""

_HEAD = struct.Struct(">HBBBI")
_HEAD_BYTES = _HEAD.size
_DATA, _HEADERS, _PRIORITY, _RESET, _SETTINGS, _PUSH, _PING, _GOAWAY, _WINDOW, _CONTINUATION = range(10)
_END_STREAM, _ACK, _END_HEADERS, _PADDED, _WITH_PRIORITY = 1, 1, 4, 8, 32
_NO_ERROR, _PROTOCOL, _FLOW, _SIZE, _REFUSED, _COMPRESSION, _CALM = 0, 1, 3, 6, 7, 9, 11
_MAX_STREAMS_SETTING, _WINDOW_SETTING, _FRAME_SETTING, _LIST_SETTING = 3, 4, 5, 6
_USUAL_WINDOW, _LARGEST_WINDOW = 65_535, (1 << 31) - 1

_log = logging.getLogger("driftline")


class _Broken(Exception):  # noqa: N818 - ends the connection
    """A client breaks the rules; nothing more is read from it."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Call:
    """One call: its headers, and its message as far as it has come.

    Attributes:
        head: What :meth:`Service.head` made of the headers.
        body: The bytes of its message.
        answered: Whether its answer is given, or nobody waits for one.
    """

    __slots__ = (
        "answered",
        "body",
        "came",
        "claim",
        "complete",
        "connection",
        "credit",
        "head",
        "number",
        "room",
        "since",
    )

    def __init__(
        self, connection: Http2Connection, number: int, head: object, claim: MemoryClaim, since: float
    ) -> None:
        self.connection, self.number, self.head, self.claim, self.since = connection, number, head, claim, since
        self.body: bytes | bytearray = b""
        self.complete = self.answered = False
        self.came = 0
        self.room = STREAM_WINDOW
        self.credit = 0

    def answer(self, before: bytes, message: bytes, after: bytes) -> None:
        """Answer, in the loop; only the first answer counts.

        Args:
            before: Headers, as a block.
            message: Bytes behind the headers; fewer than any client refuses to take.
            after: Headers behind the message, as a block.
        """
        if self.answered:
            self.claim.close()  # a thread may have held more since
        else:
            self.connection.send_answer(self, before, message, after)

    def refuse(self, headers: bytes) -> None:
        """Answer without a message, in the loop. ``headers``: as a block."""
        self.answer(headers, b"", b"")


class Service(Protocol):
    """What answers the calls of a port, in the loop of its connections."""

    most: int
    """Bytes of one message."""

    def head(self, fields: tuple[Field, ...]) -> object:
        """Read the headers of a call; what is returned may serve several calls."""

    def begin(self, call: Call) -> None:
        """Take a call whose headers are there; it may be answered at once."""

    def complete(self, call: Call) -> None:
        """Take a call whose message is there."""

    def refuse(self, call: Call, reason: Exception) -> None:
        """Answer a call that cannot be taken: Overloaded, ExceedsRequestMemory, or TimeoutError."""


class LoopCalls:
    """Calls that other threads leave for a loop: however many come together, they wake it once."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._left: deque[Callable[[], object]] = deque()
        self._woken = False

    def leave(self, call: Callable[[], object]) -> None:
        """Have something called in the loop; nothing where the loop has ended."""
        self._left.append(call)
        if not self._woken:
            self._woken = True
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._run)

    def _run(self) -> None:
        self._woken = False  # before the first is taken, so that none is left behind
        while self._left:
            try:
                self._left.popleft()()
            except Exception:
                _log.exception("an answer could not be given")


class Http2Connection(asyncio.Protocol):
    """One connection, in the loop."""

    def __init__(
        self, service: Service, servers: HttpServers, calls: LoopCalls, open_ones: set[Http2Connection]
    ) -> None:
        self._service, self._memory, self._connections = service, servers.memory, servers.connections
        self._calls, self._open_ones = calls, open_ones
        self._clock = self._connections.clock
        self.heard = self._since = self._clock()
        self._headers = HeaderReader(MOST_HEAD)
        self._heads: dict[tuple[Field, ...], object] = {}
        self._begun = False
        self._rest = b""
        self._streams: dict[int, Call] = {}
        self._last = 0
        self._block: tuple[int, int, bytearray] | None = None
        self._data: tuple[int, int] = 0, 0
        self._left = self._padding = 0
        self._room = CONNECTION_WINDOW
        self._taken = 0
        self._credit = self._first_credit = _USUAL_WINDOW
        self._held: deque[tuple[Call, bytes, bytes, bytes]] = deque()
        self._idle_frames = 0
        self._out: list[bytes] = []
        self._going = False
        self._pinged: float | None = None
        self._stuck: float | None = None
        self._ended: float | None = None

    # -- asyncio ------------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start to serve a connection."""
        self.transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()
        with suppress(OSError):  # it was closed meanwhile
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open_ones.add(self)
        settings = struct.pack(
            ">HIHIHIHI",
            *(_MAX_STREAMS_SETTING, MOST_STREAMS, _WINDOW_SETTING, STREAM_WINDOW),
            *(_FRAME_SETTING, MOST_FRAME, _LIST_SETTING, MOST_HEAD),
        )
        self._send(_frame(_SETTINGS, 0, 0, settings))
        self._send(_frame(_WINDOW, 0, 0, struct.pack(">I", CONNECTION_WINDOW - _USUAL_WINDOW)))
        if not self._connections.admit(self):
            self.end(503)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the calls of a lost connection."""
        del exc
        self._connections.lost(self)
        self._open_ones.discard(self)
        for call in list(self._streams.values()):
            self._forget(call)

    def eof_received(self) -> bool:
        """Close with the client."""
        return False

    def pause_writing(self) -> None:
        """Read nothing more from a client that reads too slowly."""
        self._stuck = self._clock()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on."""
        self._stuck = None
        self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Take frames."""
        if self._ended is not None:
            return
        self.heard, self._pinged = self._clock(), None
        data = self._rest + data if self._rest else data
        try:
            at = self._take(data, 0 if self._begun else self._take_preface(data))
            self._rest = data[at:]
        except _Broken as broken:
            self._break(broken)
        except BadHeaders as error:
            self._break(_Broken(_COMPRESSION, str(error)))

    # -- what comes ---------------------------------------------------------------------------------------------------

    def _take_preface(self, data: bytes) -> int:
        if not PREFACE.startswith(data[: len(PREFACE)]):
            if data[:1].isalpha():  # a client of HTTP/1.1, such as a browser
                self._out.clear()
                self._ended = self._clock()
                self.transport.write(_OTHER_PROTOCOL)
                self.transport.close()
                return len(data)
            raise _Broken(_PROTOCOL, "this port speaks HTTP/2 without TLS")
        self._begun = len(data) >= len(PREFACE)
        return len(PREFACE) if self._begun else 0

    def _take(self, data: bytes, at: int) -> int:
        """Take the frames of ``data`` from a place on; return the place behind the last."""
        end = len(data)
        while self._begun and self._ended is None:
            if self._left or self._padding:
                at = self._take_data(data, at, end)
                if self._left or self._padding:
                    return at
                continue
            if end - at < _HEAD_BYTES:
                return at
            high, low, kind, flags, number = _HEAD.unpack_from(data, at)
            size, number = high << 8 | low, number & _LARGEST_WINDOW
            if self._block is not None and (kind != _CONTINUATION or number != self._block[0]):
                raise _Broken(_PROTOCOL, "headers are not continued")
            if kind == _DATA:
                padded = bool(flags & _PADDED)
                if end - at < _HEAD_BYTES + padded:
                    return at
                self._begin_data(number, flags, size, data[at + _HEAD_BYTES] if padded else -1)
                at += _HEAD_BYTES + padded
                if not self._left and not self._padding:
                    self._end_data()
                continue
            if size > MOST_HEAD:
                raise _Broken(_SIZE, "a frame is too large")
            begin = at + _HEAD_BYTES
            if end - begin < size:
                return at
            at = begin + size
            self._take_frame(kind, flags, number, data[begin:at])
        return end

    def _begin_data(self, number: int, flags: int, size: int, padding: int) -> None:
        if size > MOST_FRAME:
            raise _Broken(_SIZE, "a frame is too large")
        if padding >= size:
            raise _Broken(_PROTOCOL, "a frame is shorter than its padding")
        if not 0 < number <= self._last:
            raise _Broken(_PROTOCOL, "a message belongs to no call")
        self._room -= size
        call = self._streams.get(number)
        if call is not None:
            if call.complete:
                raise _Broken(_PROTOCOL, "a message goes on behind its end")
            call.room -= size
        if self._room < 0 or (call is not None and call.room < 0):
            raise _Broken(_FLOW, "more is sent than was allowed")
        self._taken += size
        if self._taken > CONNECTION_WINDOW // 2:
            self._send(_frame(_WINDOW, 0, 0, struct.pack(">I", self._taken)))
            self._room, self._taken = self._room + self._taken, 0
        if not size:
            self._count_idle_frame()
        self._data = number, flags
        self._left, self._padding = (size, 0) if padding < 0 else (size - 1 - padding, padding)

    def _take_data(self, data: bytes, at: int, end: int) -> int:
        taken = min(self._left, end - at)
        if taken:
            call = self._streams.get(self._data[0])
            if call is not None and not call.answered:
                self._add(call, data, at, taken)
            at += taken
            self._left -= taken
        if not self._left:
            passed = min(self._padding, end - at)
            self._padding -= passed
            at += passed
            if not self._padding:
                self._end_data()
        return at

    def _add(self, call: Call, data: bytes, at: int, size: int) -> None:
        """Add bytes to the message of a call, once there is room for them."""
        call.came += size
        try:
            call.claim.grow(size)
        except (Overloaded, ExceedsRequestMemory) as reason:
            self._service.refuse(call, reason)
            return
        if not call.body:
            call.body = data[at : at + size]
        else:
            if not isinstance(call.body, bytearray):
                call.body = bytearray(call.body)
            call.body += data[at : at + size]
        if len(call.body) > self._service.most:
            self._service.refuse(call, ExceedsRequestMemory())

    def _end_data(self) -> None:
        number, flags = self._data
        call = self._streams.get(number)
        if call is None:
            return
        if flags & _END_STREAM:
            self._complete(call)
        elif not call.answered and call.room < STREAM_WINDOW // 2:
            self._send(_frame(_WINDOW, 0, number, struct.pack(">I", STREAM_WINDOW - call.room)))
            call.room = STREAM_WINDOW

    def _complete(self, call: Call) -> None:
        call.complete = True
        call.since = self.heard
        if call.answered:  # and its answer waits for the client's window
            return
        self._idle_frames = 0
        self._service.complete(call)

    def _take_frame(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if kind == _HEADERS:
            self._take_headers(flags, number, payload)
            return
        if kind == _CONTINUATION:
            self._continue_headers(flags, payload)
            return
        if kind != _WINDOW or number:
            self._count_idle_frame()
        if kind == _WINDOW:
            self._widen(number, payload)
        elif kind == _PING:
            if number or len(payload) != 8:
                raise _Broken(_SIZE, "a ping has eight bytes")
            if not flags & _ACK:
                self._send(_frame(_PING, _ACK, 0, payload))
        elif kind == _SETTINGS:
            self._take_settings(flags, number, payload)
        elif kind == _RESET:
            if len(payload) != 4 or not 0 < number <= self._last:
                raise _Broken(_PROTOCOL, "a call that never was is cancelled")
            call = self._streams.get(number)
            if call is not None:
                self._forget(call)
        elif kind == _PUSH:
            raise _Broken(_PROTOCOL, "a client cannot push")
        # PRIORITY, GOAWAY of a client, and kinds that nobody knows: nothing follows from them

    def _take_headers(self, flags: int, number: int, payload: bytes) -> None:
        begin, end = 0, len(payload)
        if flags & _PADDED:
            begin, end = 1, end - (payload[0] if payload else 0)
        begin += 5 if flags & _WITH_PRIORITY else 0
        if begin > end or not number % 2:
            raise _Broken(_PROTOCOL, "a frame of headers is no such frame")
        block = payload[begin:end]
        if flags & _END_HEADERS:
            self._begin(number, flags, block)
        else:
            self._block = number, flags, bytearray(block)

    def _continue_headers(self, flags: int, payload: bytes) -> None:
        if self._block is None:
            raise _Broken(_PROTOCOL, "headers are continued that never began")
        self._count_idle_frame()
        number, first, block = self._block
        block += payload
        if len(block) > MOST_HEAD:
            raise _Broken(_CALM, f"the headers are longer than {MOST_HEAD // 1024} KiB")
        if flags & _END_HEADERS:
            self._block = None
            self._begin(number, first, bytes(block))

    def _begin(self, number: int, flags: int, block: bytes) -> None:
        """Begin a call, or end its message where these are the headers behind it."""
        fields = self._headers.read(block)
        call = self._streams.get(number)
        if number <= self._last:
            self._count_idle_frame()
            if call is not None and not call.complete:
                if not flags & _END_STREAM:
                    raise _Broken(_PROTOCOL, "headers behind a message do not end it")
                self._complete(call)
            return
        self._last = number
        if len(self._streams) >= MOST_STREAMS or self._going:
            self._count_idle_frame()
            self._send(_frame(_RESET, 0, number, struct.pack(">I", _REFUSED)))
            return
        head = self._heads.get(fields)
        if head is None:
            if len(self._heads) >= _MOST_HEADS:
                self._heads.clear()
            head = self._heads[fields] = self._service.head(fields)
        claim = self._memory.open(lambda: self._calls.leave(lambda: self._end_silent(number)))
        call = self._streams[number] = Call(self, number, head, claim, self.heard)
        call.credit = self._first_credit
        self._service.begin(call)
        if flags & _END_STREAM:
            self._complete(call)

    def _end_silent(self, number: int) -> None:
        """Refuse a call whose message does not come, where others need its room."""
        call = self._streams.get(number)
        if call is not None and not call.complete:
            self._service.refuse(call, TimeoutError())

    def _take_settings(self, flags: int, number: int, payload: bytes) -> None:
        if number or len(payload) % 6 or (flags & _ACK and payload):
            raise _Broken(_SIZE, "settings are no settings")
        if flags & _ACK:
            return
        for name, value in struct.iter_unpack(">HI", payload):
            if name == _WINDOW_SETTING:
                if value > _LARGEST_WINDOW:
                    raise _Broken(_FLOW, "a window is too large")
                for call in self._streams.values():
                    call.credit += value - self._first_credit
                self._first_credit = value
        self._send(_frame(_SETTINGS, _ACK, 0, b""))
        self._send_held()

    def _widen(self, number: int, payload: bytes) -> None:
        more = int.from_bytes(payload, "big") & _LARGEST_WINDOW
        if len(payload) != 4 or not more:
            raise _Broken(_PROTOCOL, "a window does not grow")
        if not number:
            self._credit += more
            if self._credit > _LARGEST_WINDOW:
                raise _Broken(_FLOW, "a window is too large")
        elif (call := self._streams.get(number)) is not None:
            call.credit += more
            if call.credit > _LARGEST_WINDOW:
                raise _Broken(_FLOW, "a window is too large")
        self._send_held()

    def _count_idle_frame(self) -> None:
        self._idle_frames += 1
        if self._idle_frames > MOST_IDLE_FRAMES:
            raise _Broken(_CALM, f"{MOST_IDLE_FRAMES} frames ask for nothing")

    # -- what goes ----------------------------------------------------------------------------------------------------

    def send_answer(self, call: Call, before: bytes, message: bytes, after: bytes) -> None:
        """Send an answer, once the client takes so many bytes."""
        call.answered = True
        if len(message) > min(self._credit, call.credit):
            self._held.append((call, before, message, after))
            return
        self._credit -= len(message)
        number = call.number
        if message:
            self._send(_frame(_HEADERS, _END_HEADERS, number, before))
            self._send(_frame(_DATA, 0, number, message))
            before = after
        self._send(_frame(_HEADERS, _END_HEADERS | _END_STREAM, number, before))
        if not call.complete:
            self._send(_frame(_RESET, 0, number, struct.pack(">I", _NO_ERROR)))
        self._forget(call)

    def _send_held(self) -> None:
        for _ in range(len(self._held)):
            call, before, message, after = self._held.popleft()
            if call.number in self._streams:
                self.send_answer(call, before, message, after)

    def _forget(self, call: Call) -> None:
        call.answered = True
        call.claim.close()
        call.body = b""
        if self._streams.get(call.number) is call:
            del self._streams[call.number]
        if self._going and not self._streams:
            self.end(503)

    def _send(self, frame: bytes) -> None:
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(frame)

    def _flush(self) -> None:
        out = b"".join(self._out)
        self._out.clear()
        if out and not self.transport.is_closing():
            self.transport.write(out)

    def _break(self, broken: _Broken) -> None:
        """Close the connection of a client that breaks the rules, and tell it why."""
        self._say_end(broken.code, str(broken))
        self.end(503)

    def _say_end(self, code: int, why: str = "") -> None:
        self._send(_frame(_GOAWAY, 0, 0, struct.pack(">II", self._last, code) + why.encode()))

    # -- what ends ----------------------------------------------------------------------------------------------------

    @property
    def waits(self) -> Waits:
        """What is awaited of the client, or "answer" where it waits itself."""
        if not self._begun:
            return "head"
        return "answer" if self._streams else "next"

    def go_away(self) -> None:
        """Answer the calls under way, take no new ones, and close."""
        if self._going or self._ended is not None:
            return
        self._going = True
        self._say_end(_NO_ERROR, "driftline is stopping")
        if not self._streams:
            self.end(503)

    def overdue(self, now: float) -> bool:
        """Return True where the client has kept the connection waiting for too long; refuse calls that have."""
        deadlines = self._connections.deadlines
        if self._ended is None and self.transport.is_closing():
            self._ended = now
            self._connections.closing(self)
        if self._ended is not None:
            return now - self._ended >= deadlines.answer
        if self._stuck is not None:
            return now - self._stuck >= deadlines.answer
        if not self._begun:
            return now - self._since >= deadlines.head
        for call in list(self._streams.values()):
            self._look_after(call, now)
        if not self._streams and now - self.heard >= IDLE_SECONDS:
            return True
        if self._pinged is not None:
            return now - self._pinged >= PONG_SECONDS
        if now - self.heard >= PING_SECONDS:
            self._pinged = now
            self._send(_frame(_PING, 0, 0, bytes(8)))
        return False

    def _look_after(self, call: Call, now: float) -> None:
        if call.answered:
            return
        if call.complete:
            if now - call.since >= ANSWER_PATIENCE:
                self._service.refuse(call, TimeoutError())
        elif now - call.since >= self._connections.deadlines.body:
            if call.came < LEAST_BODY:
                self._service.refuse(call, TimeoutError())
            call.since, call.came = now, 0

    def end(self, status: Literal[408, 431, 503]) -> None:
        """Close the connection; at the second time at once."""
        del status  # a client of HTTP/2 is told by other means
        if self._ended is not None or self._stuck is not None:
            self.transport.abort()
            return
        self._ended = self._clock()
        self._connections.closing(self)
        self._flush()
        self.transport.close()


_MOST_HEADS = 16
"""Headers of calls that are known by their fields; a sender repeats few."""

_OTHER_PROTOCOL = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n\r\n"
    b"this port speaks gRPC; OTLP over HTTP has a port of its own\n"
)


def _frame(kind: int, flags: int, number: int, payload: bytes) -> bytes:
    size = len(payload)
    return _HEAD.pack(size >> 8, size & 0xFF, kind, flags, number) + payload


class Http2Port:
    """An address that is listened on, and that answers calls once it is started.

    Attributes:
        address: The address with its real port.

    Raises:
        PortInUse: The address is taken.
    """

    def __init__(self, servers: HttpServers, address: Address, key: str) -> None:
        self._sockets = bind(address, key)
        self.address = Address(address.host, self._sockets[0].getsockname()[1])
        self._servers = servers
        self._open: set[Http2Connection] = set()
        self._started, self._grace = threading.Event(), 0.0
        self._over: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._serving: Future[None] | None = None
        servers.add(self)

    def start(self, make: Callable[[LoopCalls], Service], grace: float = 5.0) -> None:
        """Answer calls; return when it does. Raises what kept it from that.

        Args:
            make: Makes the service, given what its answers go through.
            grace: Seconds that a stop waits for calls under way.
        """
        self._grace = grace
        self._serving = self._servers.run(self._serve(make))
        self._serving.add_done_callback(lambda _: self._started.set())
        self._started.wait()
        if self._loop is None:
            self._serving.result()

    async def _serve(self, make: Callable[[LoopCalls], Service]) -> None:
        loop = asyncio.get_running_loop()
        over = self._over = asyncio.Event()
        calls = LoopCalls(loop)
        service = make(calls)
        listening = [
            await loop.create_server(
                lambda: Http2Connection(service, self._servers, calls, self._open), sock=listener, backlog=2048
            )
            for listener in self._sockets
        ]
        self._loop = loop
        self._started.set()
        await over.wait()
        for server in listening:
            server.close()
        for connection in list(self._open):
            connection.go_away()
        end = time.monotonic() + self._grace
        while self._open and time.monotonic() < end:
            await asyncio.sleep(0.01)
        for connection in list(self._open):
            connection.end(503)
        await asyncio.sleep(0)
        for connection in list(self._open):
            connection.transport.abort()
        await asyncio.sleep(0)

    def end(self) -> None:
        """Stop accepting; :meth:`stop` waits for the calls under way."""
        if self._loop is not None and self._over is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._over.set)

    def stop(self, timeout: float | None = None) -> None:
        """Stop accepting, let calls under way end, and close every socket; also where nothing was started.

        Args:
            timeout: Seconds after which calls are left to themselves; None = never.
        """
        if timeout is not None:
            self._grace = timeout
        self.end()
        if self._serving is not None and wait([self._serving], None if timeout is None else timeout + 1).not_done:
            return
        for listener in self._sockets:
            listener.close()
        self._servers.forget(self, timeout)
