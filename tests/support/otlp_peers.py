"""Real OTLP destinations in this process, which answer as a test tells them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from driftline_processor.demo.peers.recorder import Asked, service
from driftline_processor.health import Counters
from driftline_processor.otlp.protocol import METHODS, retry_metadata
from driftline_processor.receipts import Overloaded, Signal
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from .stock_sdk import names

Decide = Callable[[list[str]], str]
"""From the names in a request to "ok", "permanent" or "retry"."""


def trace(*names: str) -> bytes:
    """Return the body of a request of spans with these names."""
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for name in names:
        scope.spans.add(name=name)
    return bytes(request.SerializeToString())


def log(event_name: str) -> bytes:
    """Return the body of a request of one event."""
    request = ExportLogsServiceRequest()
    request.resource_logs.add().scope_logs.add().log_records.add(event_name=event_name)
    return bytes(request.SerializeToString())


class Peer:
    """A real destination that answers as it is told, and remembers what it accepted."""

    def __init__(self, decide: Decide = lambda _: "ok") -> None:
        self.decide = decide
        self.accepted: list[tuple[Signal, list[str]]] = []
        self.headers: list[dict[str, str]] = []
        self.endpoint = ""

    @property
    def names(self) -> list[str]:
        return [name for _, found in self.accepted for name in found]

    def answer(self, signal: Signal, body: bytes, headers: Mapping[str, str]) -> str:
        found = names(signal, body)
        decision = self.decide(found)
        if decision == "ok":
            self.accepted.append((signal, found))
            self.headers.append(dict(headers))
        return decision


@contextmanager
def grpc_peer(peer: Peer) -> Iterator[str]:
    """Run a peer behind OTLP over gRPC; yield the name of its exporter."""

    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, call: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(lambda body, context: self.export(call.method, body, context))

        def export(self, method: str, body: bytes, context: Any) -> bytes:
            decision = peer.answer(METHODS[method], body, dict(context.invocation_metadata()))
            if decision == "permanent":
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "not so")
            if decision == "retry":
                context.set_trailing_metadata(retry_metadata(Overloaded(1.5)))
                context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "later")
            return b""

    server = grpc.server(ThreadPoolExecutor(2), handlers=[Handler()])
    peer.endpoint = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield "otlp_grpc/peer"
    server.stop(None).wait()


@contextmanager
def http_peer(peer: Peer) -> Iterator[str]:
    """Run a peer behind OTLP over HTTP; yield the name of its exporter."""

    def answers(asked: Asked) -> tuple[int, None]:
        signal: Any = asked.path.removeprefix("/base/v1/")
        return {"ok": 200, "permanent": 400, "retry": 503}[peer.answer(signal, asked.unpacked, asked.headers)], None

    with service(answers) as server:
        server.headers["Retry-After"] = "2"
        peer.endpoint = f"{server.url}/base"
        yield "otlp_http/peer"


def counted(counters: Counters, metric: str) -> float:
    """Sum a metric over its labels."""
    return sum(value for (name, _), value in counters.snapshot().items() if name == metric)
