"""OTLP over gRPC: the three Export methods over raw bytes, answered when the request is on disk."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from queue import SimpleQueue
from typing import NoReturn
from urllib.parse import unquote

import grpc
from msgspec import Struct, field
from starlette.exceptions import HTTPException

from driftline_processor.access.principal import Sending
from driftline_processor.access.routes import may_send
from driftline_processor.config.receivers import Grpc
from driftline_processor.config.values import Address
from driftline_processor.core.decode.requests import Malformed
from driftline_processor.expected_wait import refuse_late
from driftline_processor.otlp.protocol import (
    MAX_REQUEST,
    METHODS,
    PATIENCE,
    malformed_metadata,
    response,
    retry_metadata,
)
from driftline_processor.receipts import Overloaded, Signal
from driftline_processor.servers.http_server import most_files
from driftline_processor.servers.port_connections import PortConnections
from driftline_processor.servers.ports import PortInUse, check_free
from driftline_processor.servers.request_memory import ExceedsRequestMemory, MemoryClaim, RequestMemory
from driftline_processor.servers.tls import ListenerTls

from .receiver import Intake, Surroundings

_THREADS = 64
"""Each thread waits for one transaction; requests that wait together share the next one."""

_CONNECTIONS = (
    ("grpc.max_concurrent_streams", 100),  # per connection; further calls wait in the client
    ("grpc.server_handshake_timeout_ms", 20_000),
    ("grpc.max_connection_idle_ms", 600_000),
    # Detects peers that disappeared without closing (a pulled plug); peers may ping equally often.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
)

_log = logging.getLogger("driftline")


class GrpcReceiver(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio has no types
    """A gRPC server, bound on creation and serving after :meth:`start`.

    ``maximum_concurrent_rpcs`` is not used: it answers RESOURCE_EXHAUSTED without RetryInfo, after which clients never
    retry. Ingestion rejects requests on overload instead.
    """

    def __init__(self, key: str, settings: Grpc, around: Surroundings) -> None:
        """Bind the port without serving. Raises PortInUse.

        Args:
            key: Configuration key, for the message of PortInUse.
            settings: The configuration of the receiver.
            around: The parts of the processor that receivers share.
        """
        address, place, key = settings.endpoint, key, f"receivers.{key}.endpoint"
        check_free(address, key)
        self._intake: Intake
        self._memory, self._access = around.memory, around.access
        self.tls = None if settings.tls is None else ListenerTls(f"receivers.{place}", settings.tls)
        self._arrivals = PendingMessages(self._memory)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="driftline-grpc")
        # Further ones are closed: without a limit, they would use all files that the process may open.
        most_connections = max(8, most_files() // 4)
        self._server = grpc.server(
            self._threads,
            handlers=[self],
            options=[
                ("grpc.max_receive_message_length", MAX_REQUEST),
                # Otherwise Linux would share the port with another process, and each would get some of the requests.
                ("grpc.so_reuseport", 0),
                ("grpc.max_allowed_incoming_connections", most_connections),
                *_CONNECTIONS,
            ],
        )
        try:
            port = (
                self._server.add_insecure_port(str(address))
                if self.tls is None
                else self._server.add_secure_port(str(address), self.tls.grpc_credentials())
            )
        except RuntimeError as error:
            raise PortInUse(address, key, str(error)) from None
        self.address = Address(address.host, port)
        self._connections = PortConnections(port, most_connections)
        self.line = f"OTLP over gRPC{' with TLS' if self.tls else ''} on {self.address}"
        self._serving = False

    def start(self, intake: Intake) -> None:
        """Start to serve."""
        self._intake = intake
        self._serving = True
        self._arrivals.start()
        self._connections.start()
        self._server.start()

    def stop(self, grace: float) -> None:
        """Reject new calls, wait up to ``grace`` seconds for running ones, and free the port."""
        if not self._serving:
            self._serving = True
            self._server.start()  # grpcio keeps the port of a server that was never started
        self._server.stop(grace).wait(grace + 1.0)
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._arrivals.stop()
        self._connections.stop()

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """Return the handler of a call; None (UNIMPLEMENTED) for other methods than OTLP.

        A stream of one message is the same on the wire as a single message. It is read as a stream, because a call
        whose message does not arrive can then be cancelled; otherwise grpcio would block its thread for ever.
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
        headers = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        sending = self._permitted(signal, headers, context)  # before its message is read
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
            _reject(context, "the call contains no message; send one request")
        holding = self._memory.open()
        try:
            holding.grow(len(body))
            receipt = self._intake.submit(signal, body, headers, waited=waited, sending=sending).result(PATIENCE)
            return response(receipt)
        except Malformed as error:
            _reject(context, str(error))
        except Overloaded as overloaded:
            _refuse(context, overloaded)
        except Exception:
            # Nothing was acknowledged, and exporters retry UNAVAILABLE.
            _log.exception("a %s request could not be stored", signal)
            _refuse(context, Overloaded(), "the request could not be stored; see the log of driftline")
        finally:
            holding.close()
        raise AssertionError("abort raises")

    def _permitted(self, signal: Signal, headers: Mapping[str, str], context: grpc.ServicerContext) -> Sending:
        """Return what a sender may send; end a call that it may not make."""
        try:
            return may_send(self._access.identify(headers.get, _address_of(context.peer())), signal)
        except HTTPException as refused:
            unknown = refused.status_code == 401
            code = grpc.StatusCode.UNAUTHENTICATED if unknown else grpc.StatusCode.PERMISSION_DENIED
            context.abort(code, refused.detail)
        raise AssertionError("abort raises")


def _address_of(peer: str) -> str:
    """Return the address of a peer as gRPC writes it.

    >>> _address_of("ipv4:10.0.0.5:51234"), _address_of("ipv6:%5B::1%5D:51234")
    ('10.0.0.5', '::1')
    """
    return unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]")


def _refuse(context: grpc.ServicerContext, overloaded: Overloaded, sentence: str = "") -> NoReturn:
    context.set_trailing_metadata(retry_metadata(overloaded))
    context.abort(grpc.StatusCode.UNAVAILABLE, sentence or str(overloaded))
    raise AssertionError("abort raises")


def _reject(context: grpc.ServicerContext, sentence: str) -> NoReturn:
    context.set_trailing_metadata(malformed_metadata(sentence))
    context.abort(grpc.StatusCode.INVALID_ARGUMENT, sentence)
    raise AssertionError("abort raises")


class _Arrival(Struct, eq=False):
    """A message that is awaited since ``began``, as a context manager that returns the seconds before that.

    Attributes:
        place: Its place among the quick messages; empty after it left it.
        holding: The reserved bytes of a slow message.
    """

    among: PendingMessages
    requested_wait: float
    began: float
    cancel: Callable[[], object]
    place: list[None] = field(default_factory=lambda: [None])
    holding: MemoryClaim | None = None

    def __enter__(self) -> float:
        return self.began - self.requested_wait

    def __exit__(self, *_: object) -> None:
        self.among.arrived(self)


class PendingMessages:
    """Messages that have not arrived although their call has begun, with a limited time per thread.

    Most messages arrive immediately, so a few are read at a time and the others wait unread in gRPC. A slow message
    reserves the memory of the largest message, because gRPC does not report partial arrival. If there is no memory or
    no thread, the longest awaited message is cancelled, and each message after :data:`DEADLINE`. Exporters retry after
    CANCELLED.

    Args:
        clock: Monotonic seconds.
    """

    DEADLINE = 60.0
    """Maximum seconds: 20 MiB in this time is 3 Mbit/s, the 64 KiB of a typical request 9 kbit/s."""

    QUICK = 0.1
    """Seconds in which a message needs only its thread and one of :data:`MOST_QUICK` places."""

    MOST_QUICK = 8
    """Messages that may arrive at once without reserved memory: in the worst case half of the memory."""

    LEAST = 2.0
    """Minimum seconds for a message after its memory was reserved."""

    MOST_SLOW = _THREADS // 2

    def __init__(self, memory: RequestMemory, clock: Callable[[], float] = time.monotonic) -> None:
        self._memory = memory
        self._clock = clock
        # Without locks, because lock contention doubles the cost of a request here.
        self._awaited: dict[_Arrival, None] = {}
        self._places: SimpleQueue[None] = SimpleQueue()
        for _ in range(max(1, min(self.MOST_QUICK, memory.limit // 2 // MAX_REQUEST))):
            self._places.put(None)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="driftline-grpc-arrivals", daemon=True)

    def start(self) -> None:
        """Start the thread that checks slow messages."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def awaited(self, cancel: Callable[[], object]) -> AbstractContextManager[float]:
        """Wait for a place for a message, and return its context manager.

        ``cancel`` ends its call, and with it the wait.
        """
        asked_at = self._clock()
        self._places.get()
        arrival = _Arrival(self, asked_at, self._clock(), cancel)
        self._awaited[arrival] = None
        return arrival

    def arrived(self, arrival: _Arrival) -> None:
        """Stop waiting for a message."""
        self._awaited.pop(arrival, None)  # before the check of its holding, see _hold
        self._leave_place(arrival)
        if arrival.holding is not None:
            arrival.holding.close()

    def look(self) -> None:
        """Reserve memory for slow messages, and cancel those for which there is none."""
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
                cancelled.append(slow.pop(0))  # its memory is free at the next call
            else:
                cancelled.append(arrival)
        for arrival in cancelled:
            arrival.cancel()

    def _hold(self, arrival: _Arrival) -> bool:
        if not self._memory.has_room(MAX_REQUEST):  # look() decides which message is cancelled
            return False
        holding = self._memory.open(arrival.cancel)
        try:
            holding.grow(MAX_REQUEST)
        except (Overloaded, ExceedsRequestMemory):
            return False
        arrival.holding = holding
        if arrival not in self._awaited:  # it arrived meanwhile, possibly before it had a holding
            holding.close()
        self._leave_place(arrival)
        return True

    def _leave_place(self, arrival: _Arrival) -> None:
        with suppress(IndexError):  # only the thread that removes the place returns it
            self._places.put(arrival.place.pop())

    def _watch(self) -> None:
        while not self._stopping.wait(self.QUICK):
            try:
                self.look()
            except Exception:
                _log.exception("the gRPC messages could not be checked; driftline will retry")


RECEIVER = GrpcReceiver
