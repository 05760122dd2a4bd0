"""What metrics cost: those of other applications against passing them on alone, and distributions against a bare parse.

    python -m benchmarks.bench_metrics

CPU time in one process. *Passing on* is what a metrics request costs in any case: protobuf checks it, and it is known
again by the digest of each group. Requests of another application must cost next to nothing beyond that. Distributions
are a minute of one process: 20 features on 99 bounds, score, duration, classes.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from driftline.panes.pane import DURATION_BOUNDS
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline_processor.config.schema import Config, Storage
from driftline_processor.core.decode.metric_points import is_ours
from driftline_processor.core.decode.requests import decode_metrics
from driftline_processor.exporters.forwarder import RecentRequests
from driftline_processor.state import State
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests.support.metric_requests import histogram_of, metrics_body, predictions_of, sum_of

ROUNDS = 200
MINUTES = 59


def cpu(what: Callable[[int], object], rounds: int = ROUNDS) -> float:
    """Return the CPU microseconds of one call: the median of five runs."""
    runs = []
    for _ in range(5):
        began = time.process_time()
        for round_number in range(rounds):
            what(round_number)
        runs.append((time.process_time() - began) / rounds * 1e6)
    return float(np.median(runs))


def foreign() -> bytes:
    """Return a minute of an ordinary service: 100 routes, a histogram and two counters each."""
    bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]
    made = []
    for route in range(100):
        said = {"http.route": f"/orders/{route}", "http.request.method": "GET", "http.response.status_code": 200}
        name = "http.server.request.duration"
        made.append(histogram_of(name, bounds, [route + 1] * 12, said, start=1, time=2, sum=1.0))
        made += [sum_of(f"http.server.{what}", route, said, start=1, time=2) for what in ("requests", "errors")]
    return metrics_body(made, captured=False).replace(b"ml.model.", b"peerabcd.")


def distributions(minute: int, total: int) -> bytes:
    """Return a minute of a process that serves one model with 20 numbers."""
    start, at = 10**18, 10**18 + minute * 60 * 10**9
    bounds = np.linspace(-3, 3, 99)
    counts = np.full(100, total // 100)
    made = [
        histogram_of(
            m.DRIFTLINE_FEATURE_DISTRIBUTION, bounds, counts, {a.DRIFTLINE_FEATURE_NAME: f"f{i}"}, start=start, time=at
        )
        for i in range(20)
    ]
    made.append(histogram_of(m.DRIFTLINE_PREDICTION_SCORE, bounds, counts, start=start, time=at))
    durations = [total] + [0] * len(DURATION_BOUNDS)
    made.append(histogram_of(m.ML_PREDICT_DURATION, DURATION_BOUNDS, durations, start=start, time=at, sum=1.0))
    return metrics_body([*made, predictions_of(total, "0", start=start, time=at)])


def main() -> None:
    body = foreign()
    groups = [body + bytes((0x12, 2)) + number.to_bytes(2, "big") for number in range(ROUNDS * 6)]
    passed, turns = RecentRequests(), iter(groups * 10)
    parse = cpu(lambda _: ExportMetricsServiceRequest.FromString(body))
    passing = parse + cpu(lambda _: passed.new(next(turns)))
    reading = cpu(lambda _: decode_metrics(body, 0))
    search = cpu(lambda _: is_ours(body))
    print(f"a minute of another application, {len(body) / 1000:.0f} kB")
    print(f"  checked by protobuf                {parse:8.1f} µs")
    print(f"  checked and known again (reference) {passing:7.1f} µs   1.00x")
    print(f"  the search for our names           {search:8.1f} µs   {search / passing:.2f}x of it, on top")
    print(f"  decode_metrics in all              {reading:8.1f} µs   {reading / parse:.2f}x the check alone")

    bodies = [distributions(minute, 100 * minute) for minute in range(1, MINUTES + 1)]
    bare = cpu(lambda i: ExportMetricsServiceRequest.FromString(bodies[i % MINUTES]))
    decoded = cpu(lambda i: decode_metrics(bodies[i % MINUTES], 0), MINUTES)
    with tempfile.TemporaryDirectory() as folder:
        state = State(Config(storage=Storage(directory=Path(folder))), clock=lambda: 10**18)
        state.start()
        began = time.process_time()
        for one in bodies:
            state.submit("metrics", one).result(30)
        whole = (time.process_time() - began) / len(bodies) * 1e6
        state.stop()
    print(f"a minute of one process, 20 features on 99 bounds, {len(bodies[-1]) / 1000:.0f} kB")
    print(f"  parsed by protobuf (reference)     {bare:8.1f} µs   1.00x")
    print(f"  decoded to points                  {decoded:8.1f} µs   {decoded / bare:.1f}x")
    print(f"  decoded, counted and on disk       {whole:8.1f} µs   {whole / bare:.1f}x")


if __name__ == "__main__":
    main()
