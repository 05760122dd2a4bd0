"""OTLP over gRPC: the three Export methods, as bytes, each answered when the request is on disk."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from queue import SimpleQueue
from typing import NoReturn

import grpc
from msgspec import Struct, field

from driftline_processor.config.receivers import Grpc
from driftline_processor.config.values import Address
from driftline_processor.core.decode.requests import Malformed
from driftline_processor.expected_wait import refuse_late
from driftline_processor.otlp.protocol import ACCEPTED, MAX_REQUEST, METHODS, PATIENCE, retry_metadata
from driftline_processor.receipts import Overloaded, Signal
from driftline_processor.servers.ports import PortInUse, check_free
from driftline_processor.servers.request_memory import ExceedsRequestMemory, MemoryClaim, RequestMemory

from .receiver import Intake, Surroundings

_THREADS = 64
"""Each waits for one transaction, and requests that wait together share the next one."""

_CONNECTIONS = (
    ("grpc.max_concurrent_streams", 100),  # of one connection; what a client sends beyond them waits there
    ("grpc.server_handshake_timeout_ms", 20_000),
    ("grpc.max_connection_idle_ms", 600_000),
    # A peer that is gone without a word (a pulled plug) is noticed; peers may ask as often themselves.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
)

_log = logging.getLogger("driftline")


class GrpcReceiver(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio has no types
    """A gRPC server, bound when made and serving after :meth:`start`.

    There is no ``maximum_concurrent_rpcs``: it answers RESOURCE_EXHAUSTED without RetryInfo, which tells clients never
    to retry. Overload is said by the way in, which knows what it holds.
    """

    def __init__(self, key: str, settings: Grpc, around: Surroundings) -> None:
        """Listen, and answer nothing yet. Raises PortInUse.

        Args:
            key: Where it stands in the file, for the message of PortInUse.
            settings: The keys in the file.
            around: The bytes under way of all receivers.
        """
        address, key = settings.endpoint, f"receivers.{key}.endpoint"
        check_free(address, key)
        self._intake: Intake
        self._memory = around.memory
        self._arrivals = PendingMessages(self._memory)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="driftline-grpc")
        self._server = grpc.server(
            self._threads,
            handlers=[self],
            options=[
                ("grpc.max_receive_message_length", MAX_REQUEST),
                # Linux would share the port with another process, and each would get some of the requests.
                ("grpc.so_reuseport", 0),
                *_CONNECTIONS,
            ],
        )
        try:
            port = self._server.add_insecure_port(str(address))
        except RuntimeError as error:
            raise PortInUse(address, key, str(error)) from None
        self.address = Address(address.host, port)
        self.line = f"OTLP over gRPC on {self.address}"
        self._serving = False

    def start(self, intake: Intake) -> None:
        """Begin to serve."""
        self._intake = intake
        self._serving = True
        self._arrivals.start()
        self._server.start()

    def stop(self, grace: float) -> None:
        """Refuse new calls, wait up to ``grace`` seconds for those under way, and free the port."""
        if not self._serving:
            self._serving = True
            self._server.start()  # grpcio keeps the port of a server that was never started
        self._server.stop(grace).wait(grace + 1.0)
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._arrivals.stop()

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """Return what answers a call; None (UNIMPLEMENTED) for what is not OTLP.

        On the wire a stream of one message is the same as one message. As a stream, a call whose message does not
        arrive can be ended; grpcio would let it hold its thread for ever.
        """
        signal = METHODS.get(call.method)
        if signal is None:
            return None
        began = time.monotonic()
        return grpc.stream_unary_rpc_method_handler(
            lambda bodies, context: self._export(signal, bodies, context, began)
        )

    def _export(self, signal: Signal, bodies: Iterator[bytes], context: grpc.ServicerContext, began: float) -> bytes:
        waited = time.monotonic() - began  # for a thread
        with self._arrivals.awaited(context.cancel) as for_place:
            waited += for_place
            try:
                refuse_late(waited)  # before its message is read
                if self._memory.short:
                    raise Overloaded
            except Overloaded as overloaded:
                _refuse(context, overloaded)
            body = next(bodies, None)
        if body is None:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the call contains no message; send one request")
            raise AssertionError("abort raises")
        holding = self._memory.open()
        headers = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        try:
            holding.grow(len(body))
            self._intake.submit(signal, body, headers, waited=waited).result(PATIENCE)
            return ACCEPTED
        except Malformed as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except Overloaded as overloaded:
            _refuse(context, overloaded)
        except Exception:
            # Nothing was acknowledged, so the sender keeps it: UNAVAILABLE is what exporters retry.
            _log.exception("a %s request could not be stored", signal)
            _refuse(context, Overloaded(), "the request could not be stored; see the log of driftline")
        finally:
            holding.close()
        raise AssertionError("abort raises")


def _refuse(context: grpc.ServicerContext, overloaded: Overloaded, sentence: str = "") -> NoReturn:
    context.set_trailing_metadata(retry_metadata(overloaded))
    context.abort(grpc.StatusCode.UNAVAILABLE, sentence or str(overloaded))
    raise AssertionError("abort raises")


class _Arrival(Struct, eq=False):
    """A message that is awaited since ``began``, within a ``with`` block, which gets the seconds before that.

    Attributes:
        place: The place that it takes among those that are quick; empty once it has left that.
        holding: Of a slow one, whose bytes gRPC keeps meanwhile.
    """

    among: PendingMessages
    asked: float
    began: float
    cancel: Callable[[], object]
    place: list[None] = field(default_factory=lambda: [None])
    holding: MemoryClaim | None = None

    def __enter__(self) -> float:
        return self.began - self.asked

    def __exit__(self, *_: object) -> None:
        self.among.arrived(self)


class PendingMessages:
    """Messages whose call has begun and that are not there yet: each may take a thread only for a while.

    The usual message is there at once, so a few are read at a time and the others wait unread: gRPC lets a message in
    as soon as it is read. One that is not there holds the room of the largest message, since gRPC says nothing of what
    has arrived of it; where there is no room, or no thread to spare, the one that is awaited the longest is
    cancelled, and after :data:`DEADLINE` each. Exporters send again what was CANCELLED.

    Args:
        clock: Seconds that only grow.
    """

    DEADLINE = 60.0
    """Seconds. 20 MiB in that time is 3 Mbit/s, the 64 KiB of a usual request are 9 kbit/s."""

    QUICK = 0.1
    """Seconds in which a message costs nothing but its thread and one of the places of :data:`MOST_QUICK`."""

    MOST_QUICK = 8
    """Messages that may arrive at once without holding room: at most as many of the largest as half of the room."""

    LEAST = 2.0
    """Seconds that a message gets in any case, once it has its room."""

    MOST_SLOW = _THREADS // 2

    def __init__(self, memory: RequestMemory, clock: Callable[[], float] = time.monotonic) -> None:
        self._memory = memory
        self._clock = clock
        # Without locks: threads that wait for each other's cost a request as much as all else that is done here.
        self._awaited: dict[_Arrival, None] = {}
        self._places: SimpleQueue[None] = SimpleQueue()
        for _ in range(max(1, min(self.MOST_QUICK, memory.limit // 2 // MAX_REQUEST))):
            self._places.put(None)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="driftline-grpc-arrivals", daemon=True)

    def start(self) -> None:
        """Look after the messages in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def awaited(self, cancel: Callable[[], object]) -> AbstractContextManager[float]:
        """Wait for a place for a message, and return what it is awaited in.

        ``cancel`` ends its call, and with it the waiting.
        """
        asked_at = self._clock()
        self._places.get()
        arrival = _Arrival(self, asked_at, self._clock(), cancel)
        self._awaited[arrival] = None
        return arrival

    def arrived(self, arrival: _Arrival) -> None:
        """Await a message no longer."""
        self._awaited.pop(arrival, None)  # before its holding is looked at: see _hold
        self._leave_place(arrival)
        if arrival.holding is not None:
            arrival.holding.close()

    def look(self) -> None:
        """Give room to the messages that are slow, and cancel those for which there is none."""
        now = self._clock()
        late = sorted(
            (arrival_awaited for arrival_awaited in list(self._awaited) if now - arrival_awaited.began >= self.QUICK),
            key=lambda arrival_awaited: arrival_awaited.began,
        )
        slow = [arrival_awaited for arrival_awaited in late if arrival_awaited.holding is not None]
        cancelled = [arrival_awaited for arrival_awaited in late if now - arrival_awaited.began >= self.DEADLINE]
        for arrival in (
            arrival_awaited
            for arrival_awaited in late
            if arrival_awaited.holding is None and arrival_awaited not in cancelled
        ):
            if len(slow) < self.MOST_SLOW and self._hold(arrival):
                slow.append(arrival)
            elif slow and now - slow[0].began >= self.LEAST:
                cancelled.append(slow.pop(0))  # its room is for the next look
            else:
                cancelled.append(arrival)
        for arrival in cancelled:
            arrival.cancel()

    def _hold(self, arrival: _Arrival) -> bool:
        if not self._memory.has_room(MAX_REQUEST):  # which of the messages makes room is for look() to say
            return False
        holding = self._memory.open(arrival.cancel)
        try:
            holding.grow(MAX_REQUEST)
        except (Overloaded, ExceedsRequestMemory):
            return False
        arrival.holding = holding
        if arrival not in self._awaited:  # it has come meanwhile, and may not have seen that it holds room
            holding.close()
        self._leave_place(arrival)
        return True

    def _leave_place(self, arrival: _Arrival) -> None:
        with suppress(IndexError):  # whoever takes the place away gives it back, and only one does
            self._places.put(arrival.place.pop())

    def _watch(self) -> None:
        while not self._stopping.wait(self.QUICK):
            try:
                self.look()
            except Exception:
                _log.exception("the gRPC messages could not be checked; driftline will retry")


RECEIVER = GrpcReceiver
