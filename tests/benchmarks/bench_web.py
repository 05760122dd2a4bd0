"""What the FastAPI integration costs a route that takes a millisecond, against the same application without it.

    python -m tests.benchmarks.bench_web

*Served*: two processes of uvicorn with httptools, one with us and one without, answer sixty requests in turn over a
kept-alive connection. Compared is all CPU time of the process per request: the caller's thread, our background
thread, and what server and framework take on both sides. A core that is busy serves that many requests per second
fewer. *In process*: ASGI calls without a server, ten in turn; compared are the first quartiles of the time of a
request, which a busy machine disturbs least. Our background thread is not in it, and said apart.

A request is a JSON object of 20 fields that the handler takes as a dict; the handler computes for one millisecond.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from http.client import HTTPConnection
from typing import Any

import driftline
import numpy as np
import uvicorn
from driftline_integrations.fastapi import Route
from fastapi import FastAPI
from numpy.typing import NDArray
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from tests.benchmarks.nowhere import Drop, Nowhere

Array = NDArray[np.int64]
LIMITS = {"records only": 1.03, "sampled spans": 1.03, "beside OpenTelemetry's": 1.03}
ROUNDS = 150
WARM_ROUNDS = 10
SERVED_ROUNDS = 120
CLIENTS = 16
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


def pair(case: str, work: int) -> tuple[FastAPI, FastAPI]:
    """Return the application with us and the one without."""
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Drop()))
    ours, bare = application(work), application(work)
    tracers = None if case == "records only" else provider
    model = driftline.Model("churn", task="binary", version="1", tracer_provider=tracers, channel=Nowhere())
    model.instrument(ours, routes={"POST /predict": Route(score="probability")})
    if case == "beside OpenTelemetry's":
        for app in (ours, bare):
            FastAPIInstrumentor.instrument_app(app, tracer_provider=provider, exclude_spans=["send", "receive"])
    return ours, bare


class Server:
    """One of the two applications, served by a process of its own."""

    def __init__(self, case: str, side: str, work: int) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.bench_web", "--serve", case, side, str(work), str(port)]
        )
        self._connections = [HTTPConnection("127.0.0.1", port, timeout=30) for _ in range(CLIENTS)]
        for connection in self._connections:
            self._connect(connection)

    @staticmethod
    def _connect(connection: HTTPConnection) -> None:
        for _ in range(600):
            try:
                return connection.connect()
            except ConnectionRefusedError:
                time.sleep(0.05)
        raise TimeoutError("the server does not listen")

    def predict(self) -> None:
        """Send a request over each connection, so that the server has something to do all the time."""
        for connection in self._connections:
            connection.request("POST", "/predict", ORDER, {"content-type": "application/json"})
        for connection in self._connections:
            with connection.getresponse() as response:
                assert json.load(response) == {"probability": 0.25}

    def cpu(self) -> Array:
        """Return the CPU time that the process has taken, and that of the thread that answers, in nanoseconds."""
        self._connections[0].request("GET", "/cpu")
        with self._connections[0].getresponse() as response:
            return np.array(json.load(response))

    def close(self) -> None:
        """End the process."""
        for connection in self._connections:
            connection.close()
        self._process.terminate()
        self._process.wait()


def serve(case: str, side: str, work: int, port: int) -> None:
    """Serve one of the two applications until the process is told to end."""
    app = pair(case, work)[0 if side == "ours" else 1]

    @app.get("/cpu")
    async def cpu() -> tuple[int, int]:
        return time.process_time_ns(), time.thread_time_ns()

    uvicorn.run(app, host="127.0.0.1", port=port, http="httptools", loop="asyncio", log_level="error")


def served(case: str, work: int) -> dict[str, float]:
    """Return what a request costs a served application with and without us, in µs of all CPU, and the ratio.

    Of the thread that answers, the first quartile of what the rounds took: a busy machine disturbs these least. Of the
    background thread, whose work comes once a second, all.
    """
    servers = {side: Server(case, side, work) for side in ("ours", "bare")}
    rounds: dict[str, list[float]] = {side: [] for side in servers}
    start: dict[str, Array] = {}
    for round_ in range(-WARM_ROUNDS, SERVED_ROUNDS):
        if round_ == 0:
            time.sleep(1.5)  # what was recorded has been sent by then
            start = {side: server.cpu() for side, server in servers.items()}
        for side, server in servers.items():
            before = server.cpu()
            server.predict()
            rounds[side].append((server.cpu() - before)[1])
    time.sleep(1.5)
    took: dict[str, float] = {}
    behind: dict[str, float] = {}
    for side, server in servers.items():
        process, thread = server.cpu() - start[side]
        behind[side] = (process - thread) / SERVED_ROUNDS / CLIENTS / 1000
        took[side] = statistics.quantiles(rounds[side][WARM_ROUNDS:], n=4)[0] / CLIENTS / 1000
        server.close()
    mine, other = (took[side] + behind[side] for side in ("ours", "bare"))
    return {"ours": mine, "reference": other, "ratio": mine / other, "background": behind["ours"]}


def in_process(case: str, work: int) -> dict[str, float]:
    """Return what a request costs with and without us in µs on the caller's thread, and the ratio of the two."""
    return _compare(*pair(case, work))


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
    if arguments[:1] == ["--serve"]:
        serve(arguments[1], arguments[2], *map(int, arguments[3:]))
        return 0
    work = bytes_of_a_millisecond()
    results = {case: {"served": served(case, work), "in process": in_process(case, work)} for case in LIMITS}
    driftline.shutdown()
    if "--json" in arguments:
        print(json.dumps(results))
    for case, ways in results.items():
        for way, result in ways.items():
            behind = f"{'of it' if way == 'served' else 'beside it'} in the background {result['background']:.1f} µs"
            print(
                f"{case:<24} {way:<10} ours {result['ours']:8.1f} µs   reference {result['reference']:8.1f} µs   "
                f"{result['ratio']:.3f} (limit {LIMITS[case]}); {behind}",
                file=sys.stderr,
            )
    return int(any(ways["served"]["ratio"] > LIMITS[case] for case, ways in results.items()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
