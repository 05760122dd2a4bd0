"""Destinations of exporters that always answer the same."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from driftline_processor.demo.peers.recorder import Asked, Service, listening


@contextmanager
def http_server(
    code: int, body: bytes = b"", headers: dict[str, str] | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[tuple[int, list[Asked]]]:
    """An HTTP server that always answers the same; yields its port and what it was sent."""
    server = Service(lambda _: (code, body))
    server.headers = headers or {}
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    with listening(server):
        yield server.server_port, server.asked


@contextmanager
def grpc_server(
    code: grpc.StatusCode = grpc.StatusCode.OK,
    trailing: tuple[tuple[str, bytes], ...] = (),
    answer: bytes = b"",
    credentials: Any = None,
) -> Iterator[int]:
    """A gRPC server that always answers the same; yields its port."""

    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, call: Any) -> Any:
            del call
            return grpc.unary_unary_rpc_method_handler(self.export)

        def export(self, body: bytes, context: Any) -> bytes:
            context.set_trailing_metadata(trailing)
            if code is not grpc.StatusCode.OK:
                context.abort(code, "because")
            assert body == b"body"
            return answer

    server = grpc.server(ThreadPoolExecutor(1), handlers=[Handler()])
    if credentials is not None:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(None).wait()
