"""What passing ordinary traces on costs, against a server that receives them and lets them go, in the same run.

    python -m benchmarks.bench_forward

CPU time of the server's process for 200 requests of 512 spans, none of them a prediction, over gRPC and over HTTP. The
bare servers are grpcio and uvicorn: they take the bytes and answer. Ours also has protobuf check them, knows them again
by their digest, and sends them on, packed unless told otherwise; every byte must arrive.

No promise: a figure beside the reference.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import grpc
import httpx
from driftline_processor.config.schema import Config
from driftline_processor.config.values import Address
from driftline_processor.otlp.protocol import MAX_REQUEST, METHODS, PROTOBUF
from driftline_processor.servers.http_server import HttpServers
from driftline_processor.service import Service
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from starlette.requests import Request
from starlette.responses import Response

REQUESTS, WARM_REQUESTS, SPANS, SENDERS = 200, 20, 512, 4
LOCAL = Address("127.0.0.1", 0)
TRACES = next(method for method, signal in METHODS.items() if signal == "traces")
Stop = Callable[[], object]


def ordinary(spans: int) -> bytes:
    """Return a request of server spans with ten attributes each, as an HTTP instrumentation writes them."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.append(KeyValue(key="service.name", value=AnyValue(string_value="shop")))
    scope = resource.scope_spans.add()
    scope.scope.name = "opentelemetry.instrumentation.asgi"
    now = time.time_ns()
    for number in range(spans):
        scope.spans.add(
            trace_id=os.urandom(16),
            span_id=os.urandom(8),
            name="GET /orders/{id}",
            kind=2,
            start_time_unix_nano=now,
            end_time_unix_nano=now + 1_000_000,
            attributes=[
                KeyValue(key=f"http.attribute.{i}", value=AnyValue(string_value=f"value {number}")) for i in range(10)
            ],
        )
    return bytes(request.SerializeToString())


def grpc_server(take: Callable[[bytes], object]) -> tuple[str, Stop]:
    """Serve OTLP over gRPC in this process, and give every body away."""

    class Bare(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio has no types
        def service(self, call: Any) -> Any:
            del call
            return grpc.unary_unary_rpc_method_handler(self.export)

        def export(self, body: bytes, context: Any) -> bytes:
            del context
            take(body)
            return b""

    options = [("grpc.max_receive_message_length", MAX_REQUEST)]
    server = grpc.server(ThreadPoolExecutor(16), handlers=[Bare()], options=options)
    port = server.add_insecure_port(str(LOCAL))
    server.start()
    return f"127.0.0.1:{port}", lambda: server.stop(None).wait()


def bare(pipe: Connection) -> None:
    """Serve both ways with what the servers bring."""

    async def drop(scope: Any, receive: Any, send: Any) -> None:
        await Request(scope, receive).body()
        await Response(b"", media_type=PROTOBUF)(scope, receive, send)

    over_grpc, stop = grpc_server(lambda _: None)
    over_http = HttpServers().bind(LOCAL, "")
    over_http.start(drop)
    report(pipe, over_grpc, str(over_http.address), stop, over_http.stop)


def ours(pipe: Connection, sink: str, compression: str) -> None:
    """Serve both ways as `driftline up` does; ``sink``: where to forward, "" for nowhere."""
    exporter = {"endpoint": sink, "tls": {"insecure": True}, "forward": ["traces"], "compression": compression}
    protocols = {"grpc": {"endpoint": "127.0.0.1:0"}, "http": {"endpoint": "127.0.0.1:0"}}
    with tempfile.TemporaryDirectory() as folder:
        keys: dict[str, Any] = {
            "receivers": {"otlp": {"protocols": protocols}},
            "web": {"endpoint": "127.0.0.1:0"},
            "storage": {"directory": Path(folder)},
            "exporters": {"otlp_grpc/sink": exporter} if sink else {},
        }
        service = Service(Config(**keys))
        service.start()
        report(pipe, str(service.addresses["grpc"]), str(service.addresses["http"]), service.stop)


def report(pipe: Connection, over_grpc: str, over_http: str, *stops: Stop) -> None:
    """Say where it listens, and after each question the CPU seconds so far, until an empty one."""
    pipe.send((over_grpc, over_http))
    while pipe.recv():
        pipe.send(time.process_time())
    for stop in stops:
        stop()


@contextmanager
def serving(target: Callable[..., None], *arguments: object) -> Iterator[tuple[Connection, Any, Any]]:
    """Run a server in a process of its own; yield its pipe and the two things that it sends first."""
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *arguments))
    process.start()
    try:
        yield (pipe, *pipe.recv())
    finally:
        pipe.send(False)
        process.join(30)


def cpu(pipe: Connection) -> float:
    pipe.send(True)
    return float(pipe.recv())


def over_grpc(address: str, bodies: list[bytes]) -> None:
    with grpc.insecure_channel(address) as channel, ThreadPoolExecutor(SENDERS) as senders:
        list(senders.map(channel.unary_unary(TRACES), bodies))


def over_http(address: str, bodies: list[bytes], signal: str = "traces") -> None:
    with httpx.Client(trust_env=False) as client, ThreadPoolExecutor(SENDERS) as senders:

        def post(body: bytes) -> None:
            client.post(
                f"http://{address}/v1/{signal}", content=body, headers={"content-type": PROTOBUF}
            ).raise_for_status()

        list(senders.map(post, bodies))


class Sink:
    """A destination that counts bytes."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._bytes = 0
        self.endpoint, self.stop = grpc_server(self._take)

    def _take(self, body: bytes) -> None:
        with self._changed:
            self._bytes += len(body)
            self._changed.notify()

    def wait_for(self, size: int) -> None:
        """Wait until so many bytes came since the last time; fail when they do not, or when there are more."""
        with self._changed:
            self._changed.wait_for(lambda: self._bytes >= size, 60)
            assert self._bytes == size, (self._bytes, size)
            self._bytes = 0


def measure(target: Callable[..., None], sink: Sink | None, *arguments: object) -> list[float]:
    """Return CPU seconds over gRPC and over HTTP, for requests that were not seen before."""
    seconds = []
    with serving(target, *arguments) as (pipe, grpc_address, http_address):
        for send, address in ((over_grpc, grpc_address), (over_http, http_address)):
            for requests in (WARM_REQUESTS, REQUESTS):  # the first ones warm up
                bodies = [ordinary(SPANS) for _ in range(requests)]
                before = cpu(pipe)
                send(address, bodies)
                if sink is not None:
                    sink.wait_for(sum(map(len, bodies)))
                took = cpu(pipe) - before
            seconds.append(took)
    return seconds


def main() -> None:
    sink = Sink()
    print(
        f"{REQUESTS} requests of {SPANS} ordinary spans, {len(ordinary(SPANS)) / 1000:.0f} kB each; CPU of the server"
    )
    reference = measure(bare, None)
    rows: list[tuple[str, list[float]]] = [
        ("bare receive and drop", reference),
        ("driftline, forwarding nowhere", measure(ours, None, "", "none")),
        ("driftline, forwarding as it came", measure(ours, sink, sink.endpoint, "none")),
        ("driftline, forwarding with gzip", measure(ours, sink, sink.endpoint, "gzip")),
    ]
    for name, seconds in rows:
        each = "   ".join(
            f"{way} {1e6 * took / REQUESTS / SPANS:5.2f} µs per span, {took / base:5.1f}x"
            for way, took, base in zip(("gRPC", "HTTP"), seconds, reference, strict=True)
        )
        print(f"{name:34}{each}")
    sink.stop()


if __name__ == "__main__":
    main()
