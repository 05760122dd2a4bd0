"""What a prediction costs from its bytes at the port until pages show it, beside a server that drops the same bytes.

    python -m benchmarks.bench_end_to_end

CPU time of the whole process for spans of 20 features over a day of event time, each with an id of its own, over gRPC
and over HTTP, in requests of 500, 100 and 8: received, logged, decoded, stored, and the windows of an hour and a day
evaluated. The bare servers are grpcio and uvicorn: they take the bytes and answer.

No promise: a figure beside the reference.
"""

from __future__ import annotations

import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from driftline.semconv import attributes as a
from driftline_processor.config.schema import Config
from driftline_processor.service import Service
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from .bench_forward import bare, cpu, over_grpc, over_http, report, serving

SIZES = ((500, 40_000), (100, 20_000), (8, 4_000))
"""Spans of a request, and spans in all."""

NUMBERS, TEXTS = 15, 5
DAY = 86_400 * 10**9
EVALUATED = 5.0
"""Seconds in which windows are evaluated after their last row."""


def bodies(of: int, spans: int, first: int) -> list[bytes]:
    """Return requests of ``of`` predictions each, over a day that ended an hour ago."""
    rng, step = np.random.default_rng(first), DAY // spans
    begin = time.time_ns() - DAY - 3_600 * 10**9
    made = []
    for start in range(0, spans, of):
        request = ExportTraceServiceRequest()
        scope = request.resource_spans.add().scope_spans.add()
        for number in range(start, start + of):
            at = begin + number * step
            values = [(f"number_{i}", AnyValue(double_value=float(v))) for i, v in enumerate(rng.normal(size=NUMBERS))]
            values += [
                (f"text_{i}", AnyValue(string_value=f"label {v}")) for i, v in enumerate(rng.integers(0, 12, TEXTS))
            ]
            said = {
                a.ML_MODEL_NAME: AnyValue(string_value="churn"),
                a.ML_MODEL_VERSION: AnyValue(string_value="1"),
                a.ML_PREDICTION_ID: AnyValue(string_value=f"order-{first + number:010d}"),
                a.ML_PREDICTION_SCORE: AnyValue(double_value=float(rng.random())),
                **{f"{a.ML_FEATURE_VALUE}.{name}": value for name, value in values},
            }
            scope.spans.add(
                name="predict churn",
                trace_id=rng.bytes(16),
                span_id=rng.bytes(8),
                start_time_unix_nano=at,
                end_time_unix_nano=at + 10**6,
                attributes=[KeyValue(key=key, value=value) for key, value in said.items()],
            )
        made.append(bytes(request.SerializeToString()))
    return made


def ours(pipe: Connection) -> None:
    """Serve as ``driftline up`` does, and say where its pages are, too."""
    with tempfile.TemporaryDirectory() as folder:
        anywhere = {"endpoint": "127.0.0.1:0"}
        keys: dict[str, Any] = {
            "receivers": {"otlp": {"protocols": {"grpc": anywhere, "http": anywhere}}},
            "web": anywhere,
            "storage": {"directory": Path(folder)},
        }
        service = Service(Config(**keys))
        service.start()
        pages = f"{service.addresses['http']} {service.addresses['web']}"
        report(pipe, str(service.addresses["grpc"]), pages, service.stop)


def rows(pages: str) -> int:
    found = httpx.get(f"http://{pages}/api/v1/models", trust_env=False, timeout=60).json()["models"]
    return int(sum(model["rows"] for model in found))


def measure(target: Any) -> dict[tuple[str, int], float]:
    """Return CPU microseconds of a span, by way and spans of a request."""
    found: dict[tuple[str, int], float] = {}
    with serving(target) as (pipe, grpc_address, rest):
        http_address, _, pages = rest.partition(" ")
        over_grpc(grpc_address, bodies(SIZES[0][0], SIZES[0][0] * 4, 10**9))  # the first ones warm up, and are learned
        sent = SIZES[0][0] * 4
        for way, send, address in (("gRPC", over_grpc, grpc_address), ("HTTP", over_http, http_address)):
            for of, spans in SIZES:
                requests = bodies(of, spans, sent)
                before = cpu(pipe)
                send(address, requests)
                sent += len(requests) * of
                if pages:
                    while rows(pages) < sent:
                        time.sleep(0.5)
                    time.sleep(EVALUATED)
                found[way, of] = 1e6 * (cpu(pipe) - before) / len(requests) / of
    return found


def main() -> None:
    reference, found = measure(bare), measure(ours)
    for (way, of), each in found.items():
        base = reference[way, of]
        print(f"{way} {of:4} spans a request: {each:7.1f} µs a span, bare {base:6.2f} µs, {each / base:6.1f}x")


if __name__ == "__main__":
    main()
