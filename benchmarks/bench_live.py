"""What many models with live traffic cost, and how far behind each length of windows is.

    python -m benchmarks.bench_live [MODELS [SECONDS [FEATURES]]]

Every model sends a request of columns each two seconds, as the SDK does, and has windows of four lengths. Printed are
the CPU that the process used, in cores and for each row, how long requests took, how many windows were evaluated, and
for each length of windows the rows that its evaluations lack, as seconds of traffic. The reference is a bare server
that takes the same bytes and answers. On a machine that others use, the CPU of a row and of a window hold; the seconds
that windows lack do only if the process gets the cores that it asks for.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline.tables.column_codec import encode, texts
from driftline.tables.table import Column
from driftline_processor.config.schema import Config
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.evaluation.evaluation_store import EvaluationStore
from driftline_processor.otlp.protocol import PROTOBUF
from driftline_processor.service import Service
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from .bench_forward import bare, cpu, report, serving

MODELS, SECONDS, FEATURES = 10, 30, 20
EVERY, ROWS = 2.0, 25
"""Seconds between two requests of a model, and rows of one."""

LEARNED = 1_000
"""Rows from which a model learns its baseline, sent before."""

LENGTHS = ("5m", "1h", "1d", "1w")


def body(model: str, rows: int, first: int, features: int, now: int | None = None, step: int | None = None) -> bytes:
    """Return a request of predictions of the two seconds before ``now``; ``first``: the number of the first one.

    ``step``: nanoseconds between two predictions, instead of those that two seconds leave.
    """
    rng, numbers = np.random.default_rng(first), features * 3 // 4
    times = (now or time.time_ns()) - np.arange(rows, dtype=np.int64)[::-1] * (step or int(EVERY * 1e9 / rows))
    labels = tuple(f"label {number}" for number in range(12))
    columns: dict[str, Any] = {
        a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO: times,
        a.ML_PREDICTION_ID: texts([f"{model}-{first + number:09d}" for number in range(rows)]),
        a.ML_PREDICTION_SCORE: rng.random(rows),
        **{f"{a.DRIFTLINE_FEATURE_VALUE}.number_{number}": rng.random(rows) for number in range(numbers)},
        **{
            f"{a.DRIFTLINE_FEATURE_VALUE}.text_{number}": Column(
                codes=rng.integers(0, 12, rows, np.int32), categories=labels
            )
            for number in range(features - numbers)
        },
    }
    request = ExportLogsServiceRequest()
    record = (
        request.resource_logs.add()
        .scope_logs.add()
        .log_records.add(time_unix_nano=int(times[-1]), event_name=events.DRIFTLINE_PREDICTION_BATCH)
    )
    said = {a.ML_MODEL_NAME: model, a.ML_MODEL_VERSION: "1", a.ML_MODEL_TASK: "binary"}
    said[a.DRIFTLINE_BATCH_ID] = f"018bcfe5-6800-7000-8000-{first % 10**12:012d}"
    record.attributes.extend(KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in said.items())
    record.attributes.append(KeyValue(key=a.ML_PREDICTION_COUNT, value=AnyValue(int_value=rows)))
    held = record.attributes.add(key=a.DRIFTLINE_PREDICTION_COLUMNS).value.kvlist_value.values
    held.extend(KeyValue(key=key, value=AnyValue(bytes_value=value)) for key, value in encode(columns).items())
    return bytes(request.SerializeToString())


def ours(pipe: Connection, models: int) -> None:
    """Serve as ``driftline up`` does, and say where its pages are, too."""
    with tempfile.TemporaryDirectory() as folder:
        keys: dict[str, Any] = {
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": "127.0.0.1:0"}}}},
            "web": {"endpoint": "127.0.0.1:0"},
            "storage": {"directory": Path(folder)},
            "models": {f"m{number}": {"windows": list(LENGTHS)} for number in range(models)},
        }
        service, evaluated = Service(Config(**keys)), Counter[str]()
        put = EvaluationStore.put

        def counted(store: EvaluationStore, series: int, evaluation: Evaluation) -> None:
            evaluated[evaluation.window.name] += 1
            put(store, series, evaluation)

        def stop() -> None:
            print(f"  evaluated windows: {', '.join(f'{evaluated[name]:,} of {name}' for name in LENGTHS)}")
            service.stop()

        EvaluationStore.put = counted  # type: ignore[method-assign, assignment]
        service.start()
        report(pipe, str(service.addresses["web"]), str(service.addresses["http"]), stop)


def traffic(target: Any, *arguments: object, models: int, seconds: float, features: int) -> list[str]:
    """Send for so many seconds; return what it cost in words."""
    took: list[float] = []
    with serving(target, *arguments) as (pipe, pages, address), httpx.Client(trust_env=False, timeout=120) as client:

        def send(model: str, rows: int, first: int) -> None:
            content = body(model, rows, first, features)
            began = time.perf_counter()
            client.post(f"http://{address}/v1/logs", content=content, headers={"content-type": PROTOBUF})
            took.append(time.perf_counter() - began)

        for number in range(models):
            send(f"m{number}", LEARNED, number * 10**9)
        took.clear()
        before, began, sent = cpu(pipe), time.monotonic(), LEARNED
        while time.monotonic() - began < seconds:
            due = time.monotonic() + EVERY
            for number in range(models):
                send(f"m{number}", ROWS, number * 10**9 + sent)
            sent += ROWS
            time.sleep(max(0.0, due - time.monotonic()))
        seconds, rows = time.monotonic() - began, len(took) * ROWS
        used = cpu(pipe) - before
        told = [f"{rows / seconds:,.0f} rows/s, {used / seconds:.3f} cores, {1e6 * used / rows:.1f} µs of CPU a row"]
        told += [f"a request takes {_milliseconds(took, 0.5)}, p99 {_milliseconds(took, 0.99)}"]
        return told + (behind(client, pages) if arguments else [])


def behind(client: httpx.Client, pages: str) -> list[str]:
    """Return the rows that evaluations of each length lack, in words."""
    while not (document := client.get(f"http://{pages}/api/v1/models", params={"limit": 200}).json())["models"]:
        time.sleep(0.1)  # the first snapshot with models is published after a second
    said = [f"hint: {hint}" for hint in document["hints"]]
    for name in LENGTHS:
        lack = [model["rows"] - sum(model["windows"][name]["rows"]) for model in document["models"]]
        in_seconds = np.array(lack) * EVERY / ROWS
        said.append(f"windows of {name} lack {np.median(in_seconds):.0f} s, {in_seconds.max():.0f} s at most")
    return said


def _milliseconds(took: list[float], share: float) -> str:
    return f"{1e3 * np.quantile(took, share):.1f} ms"


def main(arguments: list[str] | None = None) -> None:
    asked = [int(one) for one in (sys.argv[1:] if arguments is None else arguments)]
    models, seconds, features = (*asked, *(MODELS, SECONDS, FEATURES)[len(asked) :])
    print(f"{models} models x {', '.join(LENGTHS)}, {models * ROWS / EVERY:.0f} rows/s of {features} features")
    print("bare server:", *traffic(bare, models=models, seconds=min(seconds, SECONDS), features=features))
    print("driftline:", *traffic(ours, models, models=models, seconds=seconds, features=features), sep="\n  ")


if __name__ == "__main__":
    main()
