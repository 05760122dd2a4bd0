"""HTTP/2 as clients of gRPC speak it, and as nobody should: each bad client ends, and everybody else is answered."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import pytest
from driftline_processor.config.values import Address
from driftline_processor.receipts import Overloaded
from driftline_processor.servers import http2
from driftline_processor.servers.hpack import Field, HeaderReader, field
from driftline_processor.servers.http2 import (
    CONNECTION_WINDOW,
    IDLE_SECONDS,
    MOST_IDLE_FRAMES,
    MOST_STREAMS,
    PING_SECONDS,
    PONG_SECONDS,
    PREFACE,
    STREAM_WINDOW,
    Call,
    Http2Port,
    LoopCalls,
)
from driftline_processor.servers.http_server import (
    BODY_SECONDS,
    HEAD_SECONDS,
    MOST_HEAD,
    Connections,
    Deadlines,
    HttpServers,
)
from driftline_processor.servers.request_memory import SILENT, RequestMemory

from tests.support.waiting import Seconds, wait_until

DATA, HEADERS, RESET, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 5, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 1, 1, 4, 8, 32
OK, GONE = b"\x88", field(b"gone", b"why")
CALL = field(b":path", b"/echo")
MIB = 1 << 20


def frame(kind: int, flags: int = 0, number: int = 0, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, number) + payload


def headers(number: int, block: bytes = CALL, flags: int = END_HEADERS) -> bytes:
    return frame(HEADERS, flags, number, block)


def call(number: int, message: bytes) -> bytes:
    return headers(number) + frame(DATA, END_STREAM, number, message)


def word(number: int) -> bytes:
    return struct.pack(">I", number)


class Frame(NamedTuple):
    kind: int
    flags: int
    number: int
    payload: bytes


class Echo:
    """Answers with the length of the message in five letters; a message of "wait" when it is told."""

    most = 4 * MIB

    def __init__(self) -> None:
        self.calls: LoopCalls
        self.taken: list[bytes] = []
        self.refused: list[str] = []
        self.waiting: list[Call] = []

    def make(self, calls: LoopCalls) -> Echo:
        self.calls = calls
        return self

    def head(self, fields: tuple[Field, ...]) -> object:
        return dict(fields)[b":path"]

    def begin(self, call: Call) -> None:
        if call.head == b"/none":
            call.refuse(GONE)

    def complete(self, call: Call) -> None:
        self.taken.append(bytes(call.body))
        if call.body == b"wait":
            self.waiting.append(call)
        else:
            call.answer(OK, b"%5d" % len(call.body), GONE)

    def refuse(self, call: Call, reason: Exception) -> None:
        self.refused.append(type(reason).__name__)
        call.refuse(GONE)

    def go_on(self) -> None:
        for call in self.waiting:
            self.calls.leave(lambda call=call: call.answer(OK, b"later", GONE))  # type: ignore[misc]


class Client:
    """A client that sends what it likes, and reads whole frames."""

    def __init__(self, port: int, *said: bytes) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._came = b""
        for part in said:
            self.send(part)

    def send(self, part: bytes) -> None:
        self._socket.sendall(part)

    def read(self) -> Frame | None:
        """Return the next frame, None at the end."""
        head = self._take(9)
        if head is None:
            return None
        kind, flags, number = struct.unpack(">BBI", head[3:])
        payload = self._take(int.from_bytes(head[:3], "big"))
        assert payload is not None
        return Frame(kind, flags, number, payload)

    def until(self, kind: int) -> Frame:
        """Return the next frame of a kind."""
        while (found := self.read()) is None or found.kind != kind:
            assert found is not None, "the connection has ended"
        return found

    def rest(self) -> list[Frame]:
        """Return all frames until the end."""
        found = list[Frame]()
        while (one := self.read()) is not None:
            found.append(one)
        return found

    def close(self) -> None:
        self._socket.close()

    def _take(self, size: int) -> bytes | None:
        while len(self._came) < size:
            try:
                more = self._socket.recv(65_536)
            except ConnectionError:
                return None
            if not more:
                return None
            self._came += more
        taken, self._came = self._came[:size], self._came[size:]
        return taken


class Serving:
    def __init__(self, most: int = 100, limit: int = 64 * MIB) -> None:
        self.clock = Seconds()
        self.memory = RequestMemory(limit, self.clock)
        self.connections = Connections(most, Deadlines(look=0.01), self.clock)
        self.echo = Echo()
        self.port = Http2Port(HttpServers(self.connections, self.memory), Address("127.0.0.1", 0), "a.endpoint")
        self.port.start(self.echo.make, grace=1)

    @contextmanager
    def client(self, *said: bytes, begins: bytes = PREFACE + frame(SETTINGS)) -> Iterator[Client]:
        client = Client(self.port.address.port, begins, *said)
        try:
            yield client
        finally:
            client.close()

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and the server look at its connections."""
        self.clock.now += seconds
        reads = self.clock.reads
        wait_until(lambda: self.clock.reads >= reads + 3)

    def answers(self) -> bool:
        """Return True where somebody else is answered."""
        with self.client(call(1, b"abc")) as client:
            return client.until(DATA).payload == b"    3"


@pytest.fixture
def serving() -> Iterator[Serving]:
    """Return a server that ends with the test."""
    server = Serving()
    yield server
    server.port.stop(10)


def test_a_call_is_answered_with_headers_message_and_headers(serving: Serving) -> None:
    with serving.client(call(1, b"abc")) as client:
        first = client.until(HEADERS)
        message, last = client.read(), client.read()
    assert first == Frame(HEADERS, END_HEADERS, 1, OK)
    assert message == Frame(DATA, 0, 1, b"    3")
    assert last == Frame(HEADERS, END_HEADERS | END_STREAM, 1, GONE)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_frames_arrive_in_pieces_of_any_size(serving: Serving, size: int) -> None:
    padded = frame(DATA, PADDED, 1, b"\x04" + b"abc" + bytes(4))
    said = b"".join(
        (
            *(PREFACE, frame(SETTINGS), frame(99, 7, 0, b"unknown")),
            frame(HEADERS, PADDED | PRIORITY, 1, b"\x02" + bytes(5) + CALL[:4] + bytes(2)),
            *(frame(CONTINUATION, 0, 1, CALL[4:6]), frame(CONTINUATION, END_HEADERS, 1, CALL[6:])),
            *(padded, frame(DATA, 0, 1, b"def"), frame(DATA, END_STREAM | PADDED, 1, b"\x00")),
        )
    )
    with serving.client(*(said[at : at + size] for at in range(0, len(said), size)), begins=b"") as client:
        assert client.until(DATA).payload == b"    6"
    assert serving.echo.taken == [b"abcdef"]


def test_headers_behind_a_message_end_it(serving: Serving) -> None:
    trailers = headers(1, field(b"a", b"1"), END_HEADERS | END_STREAM)
    with serving.client(headers(1), frame(DATA, 0, 1, b"abc"), trailers) as client:
        assert client.until(DATA).payload == b"    3"


def test_a_call_that_is_refused_before_its_message_costs_no_other(serving: Serving) -> None:
    with serving.client(
        headers(1, field(b":path", b"/none")), frame(DATA, END_STREAM, 1, b"abc"), call(3, b"")
    ) as client:
        assert client.until(HEADERS) == Frame(HEADERS, END_HEADERS | END_STREAM, 1, GONE)
        assert client.read() == Frame(RESET, 0, 1, word(0))
        assert client.until(DATA) == Frame(DATA, 0, 3, b"    0")
    assert serving.echo.taken == [b""]


def test_pings_and_settings_are_confirmed(serving: Serving) -> None:
    with serving.client(frame(PING, 0, 0, b"12345678")) as client:
        first = client.read()
        assert first is not None
        assert (first.kind, len(first.payload)) == (SETTINGS, 24)
        assert client.until(SETTINGS) == Frame(SETTINGS, ACK, 0, b"")
        assert client.until(PING) == Frame(PING, ACK, 0, b"12345678")


NO_ERROR, PROTOCOL, FLOW, SIZE, COMPRESSION, CALM = 0, 1, 3, 6, 9, 11
BROKEN = {
    "a message of no call": (frame(DATA, 0, 0, b"a"), PROTOCOL),
    "a message of a call that never began": (frame(DATA, 0, 5, b"a"), PROTOCOL),
    "a message behind its end": (call(1, b"wait") + frame(DATA, 0, 1, b"a"), PROTOCOL),
    "all padding": (headers(1) + frame(DATA, PADDED, 1, b"\x05abcd"), PROTOCOL),
    "padding of headers": (frame(HEADERS, PADDED | END_HEADERS, 1, b"\x05abcd"), PROTOCOL),
    "no headers": (frame(HEADERS, PADDED | PRIORITY | END_HEADERS, 1, b""), PROTOCOL),
    "an even number": (headers(2), PROTOCOL),
    "no number": (headers(0), PROTOCOL),
    "headers that are not continued": (headers(1, flags=0) + frame(PING, 0, 0, bytes(8)), PROTOCOL),
    "headers that another call continues": (headers(1, flags=0) + frame(CONTINUATION, 4, 3), PROTOCOL),
    "headers that never began": (frame(CONTINUATION, 4, 1, b"a"), PROTOCOL),
    "headers within a message": (headers(1) + headers(1), PROTOCOL),
    "headers that cannot be read": (headers(1, b"\xbe"), COMPRESSION),
    "headers without an end": (
        headers(1, flags=0) + frame(CONTINUATION, 0, 1, bytes(MOST_HEAD // 2)) * 3,
        CALM,
    ),
    "headers of nothing": (headers(1, flags=0) + frame(CONTINUATION, 0, 1) * (MOST_IDLE_FRAMES + 1), CALM),
    "a few bytes that are many headers": (
        headers(1, b"\x40\x01a\x7f\x81\x17" + b"v" * 3072 + b"\xbe" * 5_000),
        COMPRESSION,
    ),
    "a large frame of another kind": (frame(PING, 0, 0, bytes(MOST_HEAD + 1))[:100], SIZE),
    "a large message frame": ((MIB + 1).to_bytes(3, "big") + bytes(6), SIZE),
    "more than the window": (
        headers(1) + frame(DATA, 0, 1, bytes(STREAM_WINDOW // 2)) + frame(DATA, 0, 1, bytes(STREAM_WINDOW // 2 + 1)),
        FLOW,
    ),
    "a window that does not grow": (frame(WINDOW, 0, 0, word(0)), PROTOCOL),
    "a window that is too large": (frame(WINDOW, 0, 0, word((1 << 31) - 1)), FLOW),
    "a window of a call that is too large": (headers(1) + frame(WINDOW, 0, 1, word((1 << 31) - 1)), FLOW),
    "a window that is set too large": (frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 1 << 31)), FLOW),
    "half a setting": (frame(SETTINGS, 0, 0, b"12345"), SIZE),
    "settings of a call": (frame(SETTINGS, 0, 1), SIZE),
    "a short ping": (frame(PING, 0, 0, b"1"), SIZE),
    "a push": (frame(PUSH, 4, 1, bytes(4)), PROTOCOL),
    "an end of what never was": (frame(RESET, 0, 1, word(8)), PROTOCOL),
    "pings without an end": (frame(PING, 0, 0, bytes(8)) * (MOST_IDLE_FRAMES + 1), CALM),
    "settings without an end": (frame(SETTINGS) * (MOST_IDLE_FRAMES + 1), CALM),
    "calls that are begun and cancelled": (
        b"".join(headers(2 * one + 1) + frame(RESET, 0, 2 * one + 1, word(8)) for one in range(MOST_IDLE_FRAMES + 1)),
        CALM,
    ),
    "empty pieces of a message": (headers(1) + frame(DATA, 0, 1) * (MOST_IDLE_FRAMES + 1), CALM),
}


@pytest.mark.parametrize("name", BROKEN)
def test_who_breaks_the_rules_is_told_why_and_nobody_else_notices(serving: Serving, name: str) -> None:
    said, code = BROKEN[name]
    with serving.client() as client:
        with suppress(ConnectionError):
            client.send(said)
        last = [one for one in client.rest() if one.kind == GOAWAY]
    assert [struct.unpack(">II", one.payload[:8])[1] for one in last] == [code]
    assert serving.answers()
    wait_until(lambda: not len(serving.connections))
    assert serving.memory.used == 0


def test_a_browser_is_told_that_this_is_another_protocol(serving: Serving) -> None:
    with serving.client(begins=b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") as client:
        client.read()
        assert client._came.endswith(b"this port speaks gRPC; OTLP over HTTP has a port of its own\n")


def test_what_is_no_http_at_all_is_ended(serving: Serving) -> None:
    with serving.client(begins=b"\x16\x03\x01\x02\x00\x01\x00") as client:  # a greeting of TLS
        assert client.rest()[-1].kind == GOAWAY


def test_more_calls_than_are_allowed_are_to_be_sent_again(serving: Serving) -> None:
    with serving.client(*(call(2 * one + 1, b"wait") for one in range(MOST_STREAMS + 1))) as client:
        assert client.until(RESET) == Frame(RESET, 0, 2 * MOST_STREAMS + 1, word(7))
        serving.echo.go_on()
        answered = {client.until(DATA).number for _ in range(MOST_STREAMS)}
    assert len(answered) == MOST_STREAMS


def test_an_answer_waits_until_the_client_takes_it(serving: Serving) -> None:
    nothing = frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0))
    with serving.client(nothing, call(1, b"abc"), call(3, b"abcd"), frame(PING, 0, 0, bytes(8))) as client:
        while (found := client.read()) is not None and found.kind != PING:
            assert found.kind in (SETTINGS, WINDOW)
        client.send(frame(WINDOW, 0, 3, word(5)))
        assert client.until(DATA).number == 3
        client.send(frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 100)))
        assert client.until(DATA).number == 1


def test_a_client_is_told_that_it_may_send_more(serving: Serving) -> None:
    whole = CONNECTION_WINDOW // STREAM_WINDOW + 4
    with serving.client() as client:
        sent, more = 0, {0: 0, 1: 0}
        client.send(headers(1))
        for _ in range(3):
            client.send(frame(DATA, 0, 1, bytes(STREAM_WINDOW)))
            more[1] += int.from_bytes(_widened(client, 1), "big")
        client.send(frame(DATA, END_STREAM, 1))
        assert client.until(DATA).payload == b"%5d" % (3 * STREAM_WINDOW)
        for number in range(3, 2 * whole, 2):
            client.send(call(number, bytes(STREAM_WINDOW)))
            client.until(DATA)
            sent += STREAM_WINDOW
    assert more[1] == 3 * STREAM_WINDOW
    assert sent > CONNECTION_WINDOW


def _widened(client: Client, number: int) -> bytes:
    while (found := client.until(WINDOW)).number != number:
        pass
    return found.payload


def test_bytes_are_counted_while_a_call_is_under_way(serving: Serving) -> None:
    with serving.client(headers(1), frame(DATA, 0, 1, bytes(1000)), call(3, b"wait")) as client:
        wait_until(lambda: serving.memory.used == 1004)
        client.send(frame(RESET, 0, 1, word(8)))
        wait_until(lambda: serving.memory.used == 4)
    wait_until(lambda: serving.memory.used == 0)
    serving.echo.go_on()  # nobody waits for it any more
    assert serving.answers()


def test_a_message_that_is_too_long_is_refused_before_all_of_it_is_there(serving: Serving) -> None:
    with serving.client(headers(1)) as client:
        for _ in range(4):
            client.send(frame(DATA, 0, 1, bytes(STREAM_WINDOW)))
            _widened(client, 1)
        client.send(frame(DATA, 0, 1, b"a"))
        assert client.until(HEADERS) == Frame(HEADERS, END_HEADERS | END_STREAM, 1, GONE)
    assert (serving.echo.refused, serving.echo.taken) == (["ExceedsRequestMemory"], [])
    assert serving.memory.used == 0


def test_a_message_for_which_there_is_no_room_is_refused_and_silent_ones_make_room() -> None:
    serving = Serving(limit=2 * MIB)
    with serving.client(headers(1), frame(DATA, 0, 1, bytes(STREAM_WINDOW - 1))) as silent:
        wait_until(lambda: serving.memory.used == STREAM_WINDOW - 1)
        serving.clock.now += SILENT
        with serving.client(headers(1), frame(DATA, 0, 1, bytes(STREAM_WINDOW)), frame(DATA, 0, 1, b"a")) as client:
            assert client.until(HEADERS).payload == GONE
            assert silent.until(HEADERS).payload == GONE
    assert sorted(serving.echo.refused) == [Overloaded.__name__, TimeoutError.__name__]
    assert serving.answers()
    serving.port.stop(10)


def test_a_message_that_dribbles_is_refused_and_its_connection_stays(serving: Serving) -> None:
    with serving.client(headers(1), frame(DATA, 0, 1, b"a"), call(3, b"abc")) as client:
        client.until(DATA)
        serving.pass_time(BODY_SECONDS)
        assert client.until(RESET) == Frame(RESET, 0, 1, word(0))
        client.send(call(5, b"ab"))
        assert client.until(DATA).payload == b"    2"
    assert serving.echo.refused == ["TimeoutError"]


def test_a_call_that_nobody_answers_is_given_up_on(serving: Serving) -> None:
    with serving.client(call(1, b"wait")) as client:
        wait_until(lambda: len(serving.echo.waiting) == 1)
        serving.pass_time(http2.ANSWER_PATIENCE)
        assert client.until(HEADERS).payload == GONE


def test_a_connection_without_a_word_ends(serving: Serving) -> None:
    with serving.client(begins=PREFACE[:5]) as client:
        wait_until(lambda: len(serving.connections) == 1)
        serving.pass_time(HEAD_SECONDS)
        client.rest()
    with serving.client() as client:
        wait_until(lambda: len(serving.connections) == 1)
        serving.pass_time(PING_SECONDS)
        ping = client.until(PING)
        client.send(frame(PING, ACK, 0, ping.payload))
        serving.pass_time(0)
        serving.pass_time(PONG_SECONDS)
        serving.pass_time(PING_SECONDS)
        client.until(PING)  # it was answered, and asked again
        serving.pass_time(PONG_SECONDS)
        client.rest()
    wait_until(lambda: not len(serving.connections))


def test_an_idle_connection_ends_though_it_answers_pings(serving: Serving) -> None:
    with serving.client(call(1, b"abc")) as client:
        client.until(DATA)
        serving.pass_time(IDLE_SECONDS)
        client.rest()


def test_one_connection_too_many_takes_the_place_of_the_most_silent() -> None:
    serving = Serving(most=8)
    opened = [Client(serving.port.address.port, PREFACE + frame(SETTINGS)) for _ in range(8)]
    wait_until(lambda: len(serving.connections) == 8)
    serving.clock.now += 5
    assert serving.answers()
    assert sum(_ended(client) for client in opened) >= 1
    serving.port.stop(10)


def _ended(client: Client) -> bool:
    client._socket.settimeout(0.2)
    try:
        client.rest()
    except TimeoutError:
        return False
    finally:
        client.close()
    return True


def test_a_stop_answers_what_is_under_way_and_takes_nothing_new(serving: Serving) -> None:
    with serving.client(call(1, b"wait")) as client:
        wait_until(lambda: len(serving.echo.waiting) == 1)
        stopping = threading.Thread(target=serving.port.stop, args=(60,))
        stopping.start()
        assert client.until(GOAWAY).payload[:8] == word(1) + word(NO_ERROR)
        client.send(call(3, b"abc"))
        assert client.until(RESET) == Frame(RESET, 0, 3, word(7))
        serving.echo.go_on()
        assert client.until(DATA).payload == b"later"
        client.rest()
        stopping.join(60)
        assert not stopping.is_alive()


def test_calls_of_other_threads_wake_a_loop_once() -> None:
    woken, called = list[object](), list[int]()

    class Loop:
        def call_soon_threadsafe(self, run: object) -> None:
            woken.append(run)

    calls = LoopCalls(Loop())  # type: ignore[arg-type]
    for one in range(3):
        calls.leave(lambda one=one: called.append(one))  # type: ignore[misc]
    assert len(woken) == 1
    woken[0]()  # type: ignore[operator]
    assert called == [0, 1, 2]
    calls.leave(lambda: called.append(3))
    assert len(woken) == 2


def test_frames_of_ours_are_read_by_our_own_reader() -> None:
    assert HeaderReader(100).read(GONE) == ((b"gone", b"why"),)
