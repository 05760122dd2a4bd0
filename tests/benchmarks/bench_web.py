"""What the FastAPI integration costs a route that takes a millisecond, against the same application without it.

    python tests/benchmarks/bench_web.py

Requests are in-process ASGI calls: sockets and servers are the same on both sides, and noisier than what is
measured. A request is a JSON object of 20 fields that the handler takes as a dict; the handler computes for one
millisecond. The two applications take turns, ten requests each; compared are the first quartiles of the time of a
request, which a busy machine disturbs least. Requests per second are the inverse. Our background thread parses and
converts what was recorded; its CPU time per request is said apart: it runs beside the handlers where these release
the lock of the interpreter, and between them where not.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import driftline
from driftline.channel import Delivery
from driftline_integrations.fastapi import Route
from fastapi import FastAPI
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

LIMITS = {"records only": 1.03, "sampled spans": 1.03, "beside OpenTelemetry's": 1.03}
ROUNDS = 150
ZEROS = memoryview(bytes(1 << 23))
ORDER = json.dumps({f"f{i}": i + 0.5 if i < 15 else f"text {i}" for i in range(20)}).encode()
SCOPE: dict[str, Any] = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "POST",
    "scheme": "http",
    "path": "/predict",
    "raw_path": b"/predict",
    "root_path": "",
    "query_string": b"",
    "server": ("127.0.0.1", 8000),
    "client": ("127.0.0.1", 50000),
    "headers": [
        (b"host", b"127.0.0.1:8000"),
        (b"accept", b"*/*"),
        (b"accept-encoding", b"gzip, deflate"),
        (b"user-agent", b"bench"),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(ORDER)).encode()),
    ],
}


class Drop(SpanExporter):
    """Exports nothing."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002
        return SpanExportResult.SUCCESS


class Nowhere:
    """A channel that takes everything."""

    name = "nowhere"

    def send(self, body: bytes, timeout: float) -> Delivery:  # noqa: ARG002
        return Delivery("delivered")

    def forget(self) -> None:
        pass

    def close(self) -> None:
        pass


def application(work: int) -> FastAPI:
    """Return an application whose route digests ``work`` bytes, and says a score."""
    app = FastAPI()

    @app.post("/predict")
    async def predict(order: dict[str, Any]) -> dict[str, float]:  # noqa: ARG001
        compute(work)
        return {"probability": 0.25}

    return app


def compute(work: int) -> bytes:
    """Digest as many bytes: as long each time, and as a model in numpy does, outside of Python's own objects.

    A loop in Python is 13 % slower or faster with the addresses of the numbers that it makes.
    """
    return hashlib.blake2b(ZEROS[:work]).digest() if work else b""


def bytes_of_a_millisecond() -> int:
    """Return of how many bytes the digest takes one millisecond of CPU on this machine."""
    return round(100_000 * 1000 / min(_time(lambda: compute(100_000), 20) for _ in range(20)))


def measure(work: int) -> dict[str, dict[str, float]]:
    """Return, per case, what a request costs with and without us in µs, and the ratio of the two."""
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Drop()))
    results = {}
    for name in LIMITS:
        ours, bare = application(work), application(work)
        tracers = None if name == "records only" else provider
        model = driftline.Model("churn", task="binary", version="1", tracer_provider=tracers, channel=Nowhere())
        model.instrument(ours, routes={"POST /predict": Route(score="probability")})
        if name == "beside OpenTelemetry's":
            for app in (ours, bare):
                FastAPIInstrumentor.instrument_app(app, tracer_provider=provider, exclude_spans=["send", "receive"])
        results[name] = _compare(ours, bare)
    return results


async def request(app: FastAPI) -> int:
    """Send one request, and return the status of its response."""
    status = 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": ORDER, "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)

    await app({**SCOPE, "headers": list(SCOPE["headers"])}, receive, send)
    return status


def _compare(ours: FastAPI, bare: FastAPI) -> dict[str, float]:
    times: dict[FastAPI, list[int]] = {ours: [], bare: []}
    behind: dict[FastAPI, int] = {ours: 0, bare: 0}

    async def some(app: FastAPI) -> None:
        process, thread = time.process_time_ns(), time.thread_time_ns()
        for _ in range(10):
            start = time.perf_counter_ns()
            status = await request(app)
            times[app].append(time.perf_counter_ns() - start)
            assert status == 200
        behind[app] += time.process_time_ns() - process - (time.thread_time_ns() - thread)

    with asyncio.Runner() as runner:
        for _ in range(ROUNDS):
            runner.run(some(ours))
            runner.run(some(bare))
        start = time.process_time_ns()
        driftline.flush()
        rest = time.process_time_ns() - start
    mine, other = (statistics.quantiles(times[app], n=4)[0] / 1000 for app in (ours, bare))
    background = (sum(behind.values()) + rest) / len(times[ours]) / 1000
    return {"ours": mine, "reference": other, "ratio": mine / other, "background": background}


def _time(function: Callable[[], Any], calls: int) -> float:
    start = time.thread_time()
    for _ in range(calls):
        function()
    return (time.thread_time() - start) / calls * 1e6


def main(arguments: Sequence[str]) -> int:
    """Print the table (or JSON with ``--json``), and what a request costs alone; 1 when a limit is broken."""
    results = measure(bytes_of_a_millisecond())
    driftline.shutdown()
    if "--json" in arguments:
        print(json.dumps(results))
    for name, result in results.items():
        print(
            f"{name:<24} ours {result['ours']:8.1f} µs   reference {result['reference']:8.1f} µs   "
            f"{result['ratio']:.3f} (limit {LIMITS[name]}); in the background {result['background']:.1f} µs",
            file=sys.stderr,
        )
    return int(any(result["ratio"] > LIMITS[name] for name, result in results.items()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
