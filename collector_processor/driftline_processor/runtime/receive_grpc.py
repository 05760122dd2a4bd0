"""OTLP over gRPC: the three Export methods, as bytes, each answered when its rows are on disk."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import grpc

from driftline_processor.core.decode import Malformed

from .config_values import Address
from .ports import PortInUse, check_free
from .protocol import MAX_REQUEST, METHODS, PATIENCE, export_response, retry_metadata
from .signals import Overloaded, Receipt, Signal

Accept = Callable[[Signal, bytes, Mapping[str, str]], "Future[Receipt]"]
"""Takes a request and its headers; the future resolves when the transaction is on disk.

Raises Malformed or Overloaded, at once or through the future.
"""

_THREADS = 64
"""Each waits for one transaction, and requests that wait together share the next one."""

_log = logging.getLogger("driftline")


class GrpcReceiver(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio has no types
    """A gRPC server on ``address``, bound when made and serving after :meth:`start`.

    ``key``: the configuration key of the address, for the message of PortInUse.

    There is no ``maximum_concurrent_rpcs``: it answers RESOURCE_EXHAUSTED without RetryInfo, which tells clients never
    to retry. Overload is said by the way in, which knows what it holds.
    """

    def __init__(self, address: Address, accept: Accept, key: str = "receivers.otlp.protocols.grpc.endpoint") -> None:
        check_free(address, key)
        self._accept = accept
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="driftline-grpc")
        self._server = grpc.server(
            self._threads,
            handlers=[self],
            options=[
                ("grpc.max_receive_message_length", MAX_REQUEST),
                # Linux would share the port with another process, and each would get some of the requests.
                ("grpc.so_reuseport", 0),
            ],
        )
        try:
            port = self._server.add_insecure_port(str(address))
        except RuntimeError as error:
            raise PortInUse(address, key, str(error)) from None
        self.address = Address(address.host, port)
        self._serving = False

    def start(self) -> None:
        """Begin to serve."""
        self._serving = True
        self._server.start()

    def stop(self, grace: float) -> None:
        """Refuse new calls, wait up to ``grace`` seconds for those under way, and free the port."""
        if not self._serving:
            self._server.start()  # grpcio keeps the port of a server that was never started
        self._server.stop(grace).wait()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """Return what answers a call; None (UNIMPLEMENTED) for what is not OTLP."""
        signal = METHODS.get(call.method)
        if signal is None:
            return None
        return grpc.unary_unary_rpc_method_handler(lambda body, context: self._export(signal, body, context))

    def _export(self, signal: Signal, body: bytes, context: grpc.ServicerContext) -> bytes:
        headers = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        try:
            return export_response(self._accept(signal, body, headers).result(PATIENCE))
        except Malformed as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except Overloaded as overloaded:
            context.set_trailing_metadata(retry_metadata(overloaded))
            context.abort(grpc.StatusCode.UNAVAILABLE, str(overloaded))
        except Exception:
            # Nothing was acknowledged, so the sender keeps it: UNAVAILABLE is what exporters retry.
            _log.exception("a %s request could not be kept", signal)
            context.set_trailing_metadata(retry_metadata(Overloaded()))
            context.abort(grpc.StatusCode.UNAVAILABLE, "the request could not be kept; see the log of driftline")
        raise AssertionError("abort raises")
