"""What the FastAPI integration costs a route that takes a millisecond, against the same application without it.

    python -m benchmarks.bench_web

*Served*: processes of uvicorn with httptools, one with us and one without, answer in turn sixteen requests over as many
kept-alive connections, which another process keeps full. Compared is all CPU time of the process per request: the
caller's thread, our background thread, and what server and framework take on both sides; a core that is busy serves
that many requests per second fewer. Requests per second by the clock are printed beside it: where other programs take
the cores, they say little. *In process*: ASGI calls without a server, ten in turn; compared are the first quartiles of
the time of a request, which a busy machine disturbs least. Our background thread is not in it, and said apart.

A request is a JSON object of 20 fields that the handler takes as a dict; the handler predicts for one millisecond, with
a pipeline of scikit-learn (imputer, scaler, as many trees as take that long), or digests a megabyte, which takes every
cache of the core and is the worst that a model can do. With a sampled span, a third process is the reference: one in
whose handler somebody wrote that span, with the same attributes.

Promised: at most 3 % fewer requests per second of a core.
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
from opentelemetry.trace import Tracer
from opentelemetry.util.types import AttributeValue
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.sinks import DroppingChannel, DroppingExporter

Array = NDArray[np.int64]
Compute = Callable[[dict[str, Any]], Any]
LIMIT = 1.03
CASES = {"records only": ("ours", "bare"), "sampled spans": ("ours", "span", "bare")}
CASES["beside OpenTelemetry's"] = CASES["sampled spans"]
"""Case → what is served: with us, with a span written by hand, and without."""
ROUNDS = 150
WARM_ROUNDS = 10
SERVED_ROUNDS = 120
CLIENTS = 16
ZEROS = memoryview(bytes(1 << 23))
ORDER = json.dumps({f"f{i}": i + 0.5 if i < 15 else f"text {i}" for i in range(20)}).encode()
NUMBERS = tuple(f"f{i}" for i in range(15))
SAID: dict[str, AttributeValue] = {
    "ml.operation.name": "predict",
    "ml.model.name": "churn",
    "ml.model.version": "1",
    "ml.model.task": "binary",
    "driftline.prediction.recorded": True,
    "ml.prediction.id": "019b796d-d600-7000-8000-000000000001",
    "ml.prediction.score": 0.25,
    "ml.prediction.class": "0",
}
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


def application(compute: Compute, tracer: Tracer | None = None) -> FastAPI:
    """Return an application whose route computes and says a score; with a tracer, in a span written by hand."""
    app = FastAPI()

    @app.post("/predict")
    async def predict(order: dict[str, Any]) -> dict[str, float]:
        if tracer is None:
            compute(order)
            return {"probability": 0.25}
        with tracer.start_as_current_span("predict churn") as span:
            compute(order)
            span.set_attributes({**SAID, **{f"driftline.feature.value.{name}": value for name, value in order.items()}})
            return {"probability": 0.25}

    return app


def trees(number: int) -> Compute:
    """Return a pipeline of scikit-learn with as many trees, which predicts one row."""
    rows = np.random.default_rng(0).normal(size=(2000, len(NUMBERS)))
    forest = RandomForestClassifier(number, max_depth=8, random_state=0)
    model = make_pipeline(SimpleImputer(), StandardScaler(), forest).fit(rows, rows[:, 0] > 0)
    return lambda order: model.predict_proba(np.array([[order[name] for name in NUMBERS]]))


def digest(size: int) -> Compute:
    """Return what digests as many bytes: as long each time, and outside of Python's own objects.

    A loop in Python is 13 % slower or faster with the addresses of the numbers that it makes.
    """
    return lambda _: hashlib.blake2b(ZEROS[:size]).digest() if size else b""


WORK: dict[str, Callable[[int], Compute]] = {"trees": trees, "digest": digest}


def of_a_millisecond(kind: str) -> int:
    """Return how many bytes the digest, or trees the model, needs for a millisecond of CPU on this machine."""
    order = json.loads(ORDER)

    def cost(size: int) -> float:
        compute = WORK[kind](size)
        return min(_time(lambda: compute(order), 20) for _ in range(10))

    small, large = (100_000, 1_000_000) if kind == "digest" else (5, 25)
    least, most = cost(small), cost(large)
    return max(1, round(small + (1000 - least) * (large - small) / (most - least)))


def applications(case: str, compute: Compute) -> dict[str, FastAPI]:
    """Return the application with us, the one with a span written by hand, and the one without."""
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(DroppingExporter()))
    apps = {"ours": application(compute), "bare": application(compute)}
    apps["span"] = application(compute, provider.get_tracer("by hand"))
    tracers = None if case == "records only" else provider
    model = driftline.Model("churn", task="binary", version="1", tracer_provider=tracers, channel=DroppingChannel())
    model.instrument(apps["ours"], routes={"POST /predict": Route(score="probability")})
    if case == "beside OpenTelemetry's":
        for app in apps.values():
            FastAPIInstrumentor.instrument_app(app, tracer_provider=provider, exclude_spans=["send", "receive"])
    return apps


class Server:
    """One of the applications, served by a process of its own."""

    def __init__(self, case: str, side: str, kind: str, size: int) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.bench_web", "--serve", case, side, kind, str(size), str(port)]
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


def serve(case: str, side: str, kind: str, size: int, port: int) -> None:
    """Serve one of the applications until the process is told to end."""
    app = applications(case, WORK[kind](size))[side]

    @app.get("/cpu")
    async def cpu() -> tuple[int, int]:
        return time.process_time_ns(), time.thread_time_ns()

    uvicorn.run(app, host="127.0.0.1", port=port, http="httptools", loop="asyncio", log_level="error")


def served(case: str, kind: str, size: int) -> dict[str, dict[str, float]]:
    """Return what a request costs each served application: µs of all CPU, of it in the background, requests per second.

    Of the thread that answers, and of the clock, the first quartile of what the rounds took: a busy machine disturbs
    these least. Of the background thread, whose work comes once a second, all.
    """
    servers = {side: Server(case, side, kind, size) for side in CASES[case]}
    took: dict[str, list[float]] = {side: [] for side in servers}
    lasted: dict[str, list[float]] = {side: [] for side in servers}
    start: dict[str, Array] = {}
    for round_ in range(-WARM_ROUNDS, SERVED_ROUNDS):
        if round_ == 0:
            time.sleep(1.5)  # what was recorded has been sent by then
            start = {side: server.cpu() for side, server in servers.items()}
        for side, server in servers.items():
            before, begun = server.cpu(), time.perf_counter()
            server.predict()
            lasted[side].append(time.perf_counter() - begun)
            took[side].append((server.cpu() - before)[1])
    time.sleep(1.5)
    results = {}
    for side, server in servers.items():
        process, thread = server.cpu() - start[side]
        behind = (process - thread) / SERVED_ROUNDS / CLIENTS / 1000
        answering = statistics.quantiles(took[side][WARM_ROUNDS:], n=4)[0] / CLIENTS / 1000
        rate = CLIENTS / statistics.quantiles(lasted[side][WARM_ROUNDS:], n=4)[0]
        results[side] = {"µs": float(answering + behind), "background": float(behind), "per second": rate}
        server.close()
    return results


def in_process(case: str, compute: Compute) -> dict[str, dict[str, float]]:
    """Return what a request costs on the caller's thread in µs, and in the background."""
    apps = applications(case, compute)
    return _compare({side: apps[side] for side in CASES[case]})


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


def _compare(apps: dict[str, FastAPI]) -> dict[str, dict[str, float]]:
    times: dict[str, list[int]] = {side: [] for side in apps}
    behind = dict.fromkeys(apps, 0)

    async def some(side: str) -> None:
        process, thread = time.process_time_ns(), time.thread_time_ns()
        for _ in range(10):
            start = time.perf_counter_ns()
            status = await request(apps[side])
            times[side].append(time.perf_counter_ns() - start)
            assert status == 200
        behind[side] += time.process_time_ns() - process - (time.thread_time_ns() - thread)

    with asyncio.Runner() as runner:
        for _ in range(ROUNDS):
            for side in apps:
                runner.run(some(side))
        start = time.process_time_ns()
        driftline.flush()
        behind["ours"] += time.process_time_ns() - start
    return {
        side: {
            "µs": statistics.quantiles(times[side], n=4)[0] / 1000,
            "background": behind[side] / len(times[side]) / 1000,
        }
        for side in apps
    }


def _time(function: Callable[[], Any], calls: int) -> float:
    start = time.thread_time()
    for _ in range(calls):
        function()
    return (time.thread_time() - start) / calls * 1e6


def main(arguments: Sequence[str]) -> int:
    """Print the table (or JSON with ``--json``), and what a request costs alone; 1 when a limit is broken."""
    if arguments[:1] == ["--serve"]:
        serve(arguments[1], arguments[2], arguments[3], *map(int, arguments[4:]))
        return 0
    sizes = {kind: of_a_millisecond(kind) for kind in WORK}
    results: dict[str, dict[str, dict[str, float]]] = {}
    for case in CASES:
        for kind, size in sizes.items():
            results[f"{case}, {kind}, served"] = served(case, kind, size)
        results[f"{case}, trees, in process"] = in_process(case, trees(sizes["trees"]))
    driftline.shutdown()
    if "--json" in arguments:
        print(json.dumps(results))
    broken = False
    for name, sides in results.items():
        reference = "span" if "span" in sides else "bare"
        ratio = sides["ours"]["µs"] / sides[reference]["µs"]
        judged = name.endswith("trees, served")
        broken |= judged and ratio > LIMIT
        said = ", ".join(f"{side} {cost['µs']:.1f} µs" for side, cost in sides.items())
        if "per second" in sides["ours"]:
            said += "; per second " + ", ".join(f"{side} {cost['per second']:.0f}" for side, cost in sides.items())
        print(
            f"{name:<45} {ratio:.3f} of {reference}{f' (limit {LIMIT})' if judged else ''}: {said}; "
            f"of ours in the background {sides['ours']['background']:.1f} µs",
            file=sys.stderr,
        )
    return int(broken)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
