"""OTLP over gRPC: the three Export methods, as bytes, each answered when the request is on disk.

Of gRPC this is what unary calls of a server need: messages with a length before them, packed or not, and a status
behind the answer (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). A call costs no thread: small
requests are checked where they arrive, in the loop of all ports, and large ones in a thread of a pool.
"""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, cast
from urllib.parse import quote

from driftline_processor.config.receivers import Grpc
from driftline_processor.core.decode.requests import Malformed
from driftline_processor.expected_wait import refuse_late
from driftline_processor.memory_ceiling import NeedsMoreMemory
from driftline_processor.otlp.protocol import (
    ACCEPTED,
    INVALID_ARGUMENT,
    MAX_REQUEST,
    METHODS,
    RESOURCE_EXHAUSTED,
    UNAVAILABLE,
    UNIMPLEMENTED,
    retry_metadata,
)
from driftline_processor.receipts import Overloaded, Receipt, Signal
from driftline_processor.servers.hpack import Field, field
from driftline_processor.servers.http2 import Call, Http2Port, LoopCalls
from driftline_processor.servers.http_body import Body, MalformedBody, TooLarge
from driftline_processor.servers.request_memory import HOLDING, ExceedsRequestMemory

from .receiver import Intake, Surroundings

_THREADS = 4
"""For requests above :data:`SMALL`, which are checked beside the loop."""

SMALL, SMALL_PACKED = 1 << 16, 1 << 13
"""Bytes of a request that is checked in the loop: 0.1 ms, which is what a thread for it would cost.

Packed ones are unpacked there up to an eighth of that: a thousand times as much may come out of it, in 8 ms.
"""

_PREFIX = 5
"""Bytes before a message: whether it is packed, and its length."""

_ENCODINGS = {"": "", "identity": "", "gzip": "gzip", "deflate": "deflate"}
"""What ``grpc-encoding`` says, and the content encoding of the same name."""

_MOST_SAID = 1_000
"""Letters of the message of a status; the rest is in our log."""

_UNQUOTED = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
"""What the message of a status holds as it is; everything else is written as ``%`` and two digits."""

_log = logging.getLogger("driftline")

_BEGIN = b"\x88" + field(b"content-type", b"application/grpc")
"""Headers before every answer; 0x88 is ``:status: 200``."""

_DONE = _BEGIN + field(b"grpc-accept-encoding", b"identity,deflate,gzip"), _PREFIX * b"\0", field(b"grpc-status", b"0")
"""The answer to a request that is on disk."""

_NO_GRPC = field(b":status", b"415")
"""The answer to what is no gRPC."""

assert not ACCEPTED, "the answer has no message"


class _Head(NamedTuple):
    """The headers of a call.

    Attributes:
        signal: Of its method.
        encoding: Content encoding of its message where that is packed.
        headers: Those that may travel on.
        refusal: The answer where nobody takes the call, b"" where somebody does.
    """

    signal: Signal
    encoding: str
    headers: Mapping[str, str]
    refusal: bytes


class GrpcReceiver:
    """A gRPC port, bound when made and serving after :meth:`start`."""

    def __init__(self, key: str, settings: Grpc, around: Surroundings) -> None:
        """Listen, and answer nothing yet. Raises PortInUse.

        Args:
            key: Where it stands in the file, for the message of PortInUse.
            settings: The keys in the file.
            around: The ports of the process, and the like.
        """
        self._port = Http2Port(around.servers, settings.endpoint, f"receivers.{key}.endpoint")
        self._grace, self._largest = around.grace, around.memory.largest
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="driftline-grpc")
        self.address = self._port.address
        self.line = f"OTLP over gRPC on {self.address}"

    def start(self, intake: Intake) -> None:
        """Begin to serve."""
        self._port.start(lambda calls: ExportService(intake, calls, self._threads, self._largest), self._grace)

    def stop(self, grace: float) -> None:
        """Refuse new calls, wait up to ``grace`` seconds for those under way, and free the port."""
        self._port.stop(grace)
        self._threads.shutdown(wait=False, cancel_futures=True)


class ExportService:
    """The Export methods, in the loop of the ports.

    Args:
        intake: Takes requests in.
        calls: Through which answers come from other threads.
        threads: Check large requests.
        largest: Bytes that the memory of requests leaves to one.
    """

    most = MAX_REQUEST + _PREFIX

    def __init__(self, intake: Intake, calls: LoopCalls, threads: ThreadPoolExecutor, largest: int) -> None:
        self._intake, self._calls, self._threads = intake, calls, threads
        self._largest = min(MAX_REQUEST, largest) >> 20

    def head(self, fields: tuple[Field, ...]) -> _Head:
        """Read the headers of a call."""
        said = {name.decode("latin-1"): value.decode("latin-1") for name, value in fields}
        method, kind = said.get(":path", ""), said.get("content-type", "")
        signal, encoding = METHODS.get(method), said.get("grpc-encoding", "").lower()
        refusal = b""
        if not kind.startswith("application/grpc"):
            refusal = _NO_GRPC
        elif signal is None:
            refusal = status_fields(UNIMPLEMENTED, f"{method[:80]} is not a method of OTLP")
        elif encoding not in _ENCODINGS:
            refusal = status_fields(UNIMPLEMENTED, f"{encoding[:80]!r} is not known; send gzip, deflate or identity")
        headers = {name: value for name, value in said.items() if name[:1] != ":" and not name.endswith("-bin")}
        return _Head(signal or "traces", _ENCODINGS.get(encoding, ""), headers, refusal)

    def begin(self, call: Call) -> None:
        """Refuse what is not OTLP before its message is there."""
        if refusal := _head(call).refusal:
            call.refuse(refusal)

    def complete(self, call: Call) -> None:
        """Take in a request."""
        if not call.body:
            call.refuse(_NO_MESSAGE)
        elif len(call.body) <= (SMALL_PACKED if call.body[0] else SMALL):
            self._take(call, 0.0)
        else:
            came = time.monotonic()
            self._threads.submit(lambda: self._take(call, time.monotonic() - came))

    def refuse(self, call: Call, reason: Exception) -> None:
        """Answer a call that cannot be taken, with what its sender should do."""
        call.refuse(self._refusal(call, reason))

    def _take(self, call: Call, waited: float) -> None:
        """Hand a request to the intake; any thread may."""
        head = _head(call)
        try:
            refuse_late(waited)  # for a thread: what its own bytes cost says nothing about others
            future = self._intake.submit(head.signal, _message(call, head), head.headers, waited=waited)
            future.add_done_callback(lambda done: self._calls.leave(lambda: self._answer(call, done)))
        except Exception as error:
            refusal = self._refusal(call, error)
            self._calls.leave(lambda: call.refuse(refusal))

    def _answer(self, call: Call, done: Future[Receipt]) -> None:
        error = done.exception()
        if error is None:
            call.answer(*_DONE)
        else:
            call.refuse(self._refusal(call, error))

    def _refusal(self, call: Call, reason: BaseException) -> bytes:
        """Return the status that says why a call is refused."""
        if isinstance(reason, Overloaded):
            return overload_fields(reason)
        if isinstance(reason, TimeoutError) and not call.complete:
            return overload_fields(Overloaded(), "the request did not arrive in time; send it again")
        if isinstance(reason, (TooLarge, ExceedsRequestMemory)):
            return status_fields(
                RESOURCE_EXHAUSTED, f"the request is larger than {self._largest} MiB; send it in parts"
            )
        if isinstance(reason, NeedsMoreMemory):
            return status_fields(RESOURCE_EXHAUSTED, str(reason))
        if isinstance(reason, (Malformed, MalformedBody)):
            return status_fields(INVALID_ARGUMENT, str(reason))
        # Nothing was acknowledged, so the sender keeps it: UNAVAILABLE is what exporters retry.
        _log.error("a %s request could not be kept", _head(call).signal, exc_info=reason)
        return overload_fields(Overloaded(), "the request could not be kept; see the log of driftline")


def _head(call: Call) -> _Head:
    return cast(_Head, call.head)


def _message(call: Call, head: _Head) -> bytes:
    """Return the message of a call, unpacked. Raises Malformed, MalformedBody, TooLarge, Overloaded."""
    body = call.body
    size = int.from_bytes(body[1:_PREFIX], "big")
    if len(body) != _PREFIX + size:
        raise Malformed("the call holds more or less than one message; send one request")
    message = bytes(memoryview(body)[_PREFIX:])
    if not body[0]:
        return message
    if body[0] != 1 or not head.encoding:
        raise Malformed("the message is packed, and grpc-encoding does not say how")
    return Body(message, head.encoding, MAX_REQUEST, {HOLDING: call.claim}).unpacked()


def status_fields(code: int, message: str) -> bytes:
    """Return the headers of an answer that is a status alone; ``code``: of google.rpc.Code."""
    said = quote(message[:_MOST_SAID], safe=_UNQUOTED).encode()
    return _BEGIN + field(b"grpc-status", str(code).encode()) + field(b"grpc-message", said)


def overload_fields(overloaded: Overloaded, sentence: str = "") -> bytes:
    """Return the same for an overload: when to send again stands in both places where senders look."""
    more = (field(name.encode(), base64.b64encode(value).rstrip(b"=")) for name, value in retry_metadata(overloaded))
    return b"".join((status_fields(UNAVAILABLE, sentence or str(overloaded)), *more))


_NO_MESSAGE = status_fields(INVALID_ARGUMENT, "the call has no message; send one request")

RECEIVER = GrpcReceiver
