"""What a prediction costs from its bytes at the port until pages show it, beside a server that drops the same bytes.

    python -m benchmarks.bench_end_to_end

CPU time of the whole process for predictions of 20 features over a day of event time, each with an id of its own.
Spans come over gRPC and over HTTP, in requests of 500, 100 and 8; columns over HTTP, 500 and 5,000 rows a request. They
are received, logged, decoded and stored, and the windows of an hour and a day are evaluated. The bare servers are
grpcio and uvicorn: they take the bytes and answer. A second run stores and evaluates nothing. A table says what the
stages of storing take, in this process.

No promise: a figure beside the reference.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial, wraps
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import httpx
import numpy as np
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline.tables.column_codec import Value, encode, texts
from driftline.tables.table import Column
from driftline_processor.config.schema import Config, Storage
from driftline_processor.ingest import transaction
from driftline_processor.ingest.analysis import BLOCK_BYTES, Analysis
from driftline_processor.ingest.request_queue import RequestQueue
from driftline_processor.ingest.transaction import Intake
from driftline_processor.log.request_log import RequestLog
from driftline_processor.receipts import Receipt, Signal
from driftline_processor.service import Service
from driftline_processor.state import State
from driftline_processor.store.feature_rows import KeptFeatures
from driftline_processor.store.panes import PaneChanges
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from .bench_forward import bare, cpu, over_grpc, over_http, report, serving

SIZES = ((500, 200_000), (100, 200_000), (8, 200_000))
"""Spans of a request, and spans in all: with fewer, evaluating the windows of the day would be most of the cost."""

COLUMNS = ((500, 200_000), (5_000, 200_000))
"""Rows of a request of columns, and rows in all."""

NUMBERS, TEXTS, LABELS = 15, 5, 12
DAY = 86_400 * 10**9
LEARNED = 2_000
"""Rows that are stored before: a baseline is learned of them."""

EVALUATED = 5.0
"""Seconds in which windows are evaluated after their last row."""


def bodies(of: int, spans: int, first: int, period: int = DAY, ago: int = 3_600 * 10**9) -> list[bytes]:
    """Return requests of ``of`` predictions each, over a period that ended some time ago, both in nanoseconds."""
    rng, step = np.random.default_rng(first), period // spans
    begin = time.time_ns() - period - ago
    made = []
    for start in range(0, spans, of):
        request = ExportTraceServiceRequest()
        scope = request.resource_spans.add().scope_spans.add()
        for number in range(start, start + of):
            at = begin + number * step
            values = [(f"number_{i}", AnyValue(double_value=float(v))) for i, v in enumerate(rng.normal(size=NUMBERS))]
            values += [
                (f"text_{i}", AnyValue(string_value=f"label {v}")) for i, v in enumerate(rng.integers(0, LABELS, TEXTS))
            ]
            said = {
                a.ML_MODEL_NAME: AnyValue(string_value="churn"),
                a.ML_MODEL_VERSION: AnyValue(string_value="1"),
                a.ML_PREDICTION_ID: AnyValue(string_value=f"order-{first + number:010d}"),
                a.ML_PREDICTION_SCORE: AnyValue(double_value=float(rng.random())),
                **{f"{a.DRIFTLINE_FEATURE_VALUE}.{name}": value for name, value in values},
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


def columns(of: int, rows: int, first: int, period: int = DAY, ago: int = 3_600 * 10**9) -> list[bytes]:
    """Return the same as columns, ``of`` rows a request."""
    rng, step = np.random.default_rng(first), period // rows
    begin = time.time_ns() - period - ago
    labels = tuple(f"label {value}" for value in range(LABELS))
    made = []
    for start in range(0, rows, of):
        place = np.arange(start, start + of)
        values: dict[str, Value] = {
            a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO: begin + place * step,
            a.ML_PREDICTION_ID: texts([f"row-{first + one:010d}" for one in place.tolist()]),
            a.ML_PREDICTION_SCORE: rng.random(of),
            **{f"{a.DRIFTLINE_FEATURE_VALUE}.number_{i}": rng.normal(size=of) for i in range(NUMBERS)},
            **{
                f"{a.DRIFTLINE_FEATURE_VALUE}.text_{i}": Column(
                    codes=rng.integers(0, LABELS, of, np.int32), categories=labels
                )
                for i in range(TEXTS)
            },
        }
        request = ExportLogsServiceRequest()
        record = (
            request.resource_logs.add().scope_logs.add().log_records.add(event_name=events.DRIFTLINE_PREDICTION_BATCH)
        )
        said = {
            a.ML_MODEL_NAME: AnyValue(string_value="churn"),
            a.ML_MODEL_VERSION: AnyValue(string_value="1"),
            a.DRIFTLINE_BATCH_ID: AnyValue(string_value=f"batch-{first + start}"),
            a.ML_PREDICTION_COUNT: AnyValue(int_value=of),
        }
        record.attributes.extend(KeyValue(key=key, value=value) for key, value in said.items())
        kept = record.attributes.add(key=a.DRIFTLINE_PREDICTION_COLUMNS).value.kvlist_value.values
        kept.extend(KeyValue(key=key, value=AnyValue(bytes_value=data)) for key, data in encode(values).items())
        made.append(bytes(request.SerializeToString()))
    return made


def storing(pipe: Connection) -> None:
    """Serve as ``driftline up`` does, without joining and evaluating."""
    with patch.object(State, "_join", lambda _: False), patch.object(State, "_evaluate", lambda _: False):
        ours(pipe)


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
    """Return CPU microseconds of a row, by way and rows of a request."""
    found: dict[tuple[str, int], float] = {}
    with serving(target) as (pipe, grpc_address, rest):
        http_address, _, pages = rest.partition(" ")
        over_grpc(grpc_address, bodies(SIZES[0][0], SIZES[0][0] * 4, 10**9))  # the first ones warm up, and are learned
        sent = SIZES[0][0] * 4
        send_columns = partial(over_http, signal="logs")
        for way, make, send, address, sizes in (
            ("spans over gRPC", bodies, over_grpc, grpc_address, SIZES),
            ("spans over HTTP", bodies, over_http, http_address, SIZES),
            ("columns over HTTP", columns, send_columns, http_address, COLUMNS),
        ):
            for of, wanted in sizes:
                requests = make(of, wanted, sent)
                before = cpu(pipe)
                send(address, requests)
                sent += len(requests) * of
                if pages:
                    while rows(pages) < sent:
                        time.sleep(0.5)
                    time.sleep(EVALUATED)
                found[way, of] = 1e6 * (cpu(pipe) - before) / len(requests) / of
    return found


_Wrapped = Callable[..., Any]

STAGES: tuple[tuple[object, str, str], ...] = (
    (RequestLog, "read", "read the log"),
    (Analysis, "_decoded", "decode"),
    (Intake, "_new_rows", "look for duplicates"),
    (transaction, "add_plain", "fold"),
    (transaction, "add_scores", "fold"),
    (Intake, "_compare", "fold"),
    (PaneChanges, "write", "write panes"),
    (KeptFeatures, "keep", "keep features"),
    (KeptFeatures, "write", "keep features"),
    (transaction, "prediction_rows", "write rows"),
    (Intake, "_write", "write rows"),
    (RequestQueue, "write", "commit and the rest"),
)
"""What is timed in the analysis: where a function stands, its name, and the stage; without what is timed inside."""


class Stopwatch:
    """CPU seconds of functions by stage, without those of the functions that they call and that are timed, too."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._inside: list[float] = []

    def timed(self, function: _Wrapped, stage: str) -> _Wrapped:
        """Return a function that does the same and is timed."""

        @wraps(function)
        def run(*arguments: Any, **named: Any) -> Any:
            began = time.process_time()
            self._inside.append(0.0)
            try:
                return function(*arguments, **named)
            finally:
                took = time.process_time() - began
                self.seconds[stage] += took - self._inside.pop()
                if self._inside:
                    self._inside[-1] += took

        return run


def accept(state: State, signal: Signal, requests: list[bytes]) -> None:
    """Accept requests and store their rows, as many at once as wait for the analysis at full speed."""
    waiting: list[Future[Receipt]] = []
    size = 0
    for body in requests:
        waiting.append(state.submit(signal, body))
        size += len(body)
        if size > BLOCK_BYTES or body is requests[-1]:
            for future in waiting:
                future.result()
            state.catch_up()
            waiting, size = [], 0


def stages(signal: Signal, learned: list[bytes], requests: list[bytes]) -> dict[str, float]:
    """Return the CPU seconds that storing requests takes in this process, by stage; ``learned``: stored before."""
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as timed:
        timed.enter_context(patch.object(Analysis, "start"))  # no thread: it is done here
        state = State(Config(storage=Storage(directory=Path(folder))))
        state.start_storing()
        accept(state, signal, learned)
        for owner, name, stage in STAGES:
            timed.enter_context(patch.object(owner, name, watch.timed(getattr(owner, name), stage)))
        watch.timed(accept, "check and append to the log")(state, signal, requests)
        state.stop()
    return dict(watch.seconds)


def main() -> None:
    reference, stored, shown = measure(bare), measure(storing), measure(ours)
    for (way, of), each in shown.items():
        base, before = reference[way, of], stored[way, of]
        print(
            f"{way} {of:5} a request: stored {before:6.1f} µs a row, {before / base:5.1f}x;"
            f" shown {each:6.1f}, {each / base:5.1f}x the bare server's {base:.2f}"
        )
    for signal, make, sizes in (("traces", bodies, SIZES), ("logs", columns, COLUMNS)):
        for of, wanted in sizes:
            seconds = stages(cast(Signal, signal), make(of, max(of, LEARNED), 10**9), make(of, wanted, 0))
            said = ", ".join(f"{stage} {1e6 * took / wanted:.2f}" for stage, took in seconds.items())
            print(f"{signal} {of} a request, µs a row: {said}; all {1e6 * sum(seconds.values()) / wanted:.2f}")


if __name__ == "__main__":
    main()
