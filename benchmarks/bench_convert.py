"""What a row costs from the call to the encoded bytes, against bare numpy with protobuf and the stock log encoder.

    python -m benchmarks.bench_convert

CPU time of the whole process, caller and background: one call, then one flush into a channel that takes everything, so
that each thousand rows pays for a request of its own. Sending is not in it: it costs about 1 ms per request. The
references encode the same features, and nothing else, from what the caller holds: ``tobytes()`` per column (texts by
``numpy.unique``) into the generated protobuf classes, and the same map through OpenTelemetry's log encoder.

Promised: at most 0.3 µs a row of a numpy array, 1.5 µs of a DataFrame with texts, 3 µs of single rows with texts.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import driftline
import numpy as np
import pandas as pd
from driftline.export.pipeline import pipeline_of
from driftline.export.transport import Delivery
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

LIMITS = {"numpy array": 0.3, "DataFrame with strings": 1.5, "single rows with texts": 3.0}
"""µs per row. Single rows are dicts of 20, 5 of them texts; their calls are bench_sdk's, this is what comes after."""

ROWS = 1000
ROUNDS = 41
Columns = dict[str, bytes]


def measure() -> dict[str, dict[str, float]]:
    """Return, per case, µs per row of ours and of both references, and the bytes per row that ours sends."""
    rng = np.random.default_rng(3)
    numbers = np.column_stack([rng.normal(size=(ROWS, 15)), rng.integers(0, 100, (ROWS, 5)).astype(np.float64)])
    frame = pd.DataFrame({f"f{i}": numbers[:, i] for i in range(15)})
    for i in range(15, 20):
        frame[f"f{i}"] = [f"text {k}" for k in rng.integers(0, 50, ROWS)]
    rows: list[dict[Any, Any]] = frame.to_dict("records")
    scores = rng.random(ROWS)
    channel = Counting()
    model = driftline.Model("churn", task="binary", version="1", channel=channel)
    pipeline = pipeline_of(channel)
    pipeline._rouse = lambda: None  # type: ignore[method-assign]  # the flush below is all that converts

    @model.predict
    def batch(X: Any) -> Any:  # noqa: ARG001
        return scores

    @model.predict
    def single(row: dict[str, Any]) -> float:  # noqa: ARG001
        return 0.25

    def flush() -> bool:
        return pipeline.flush(5.0)

    def call_and_flush(X: Any) -> Callable[[], object]:
        return lambda: (batch(X), flush())

    def call_all() -> None:
        for row in rows:
            single(row)

    def of_frame() -> Columns:
        return {str(name): _bytes(frame[name].to_numpy()) for name in frame}

    return {
        "numpy array": _case(channel, call_and_flush(numbers), lambda: _by_column(numbers)),
        "DataFrame with strings": _case(channel, call_and_flush(frame), of_frame),
        "single rows with texts": _case(channel, flush, of_frame, before=call_all),
    }


class Counting:
    """A channel that takes everything, and counts the bytes."""

    name = "nowhere"
    sent = 0

    def send(self, body: bytes, timeout: float) -> Delivery:  # noqa: ARG002
        self.sent += len(body)
        return Delivery("delivered")

    def forget(self) -> None:
        pass

    def close(self) -> None:
        pass


def _case(
    channel: Counting, ours: Callable[[], object], columns: Callable[[], Columns], before: Callable[[], object] = int
) -> dict[str, float]:
    def bare() -> bytes:
        request = ExportLogsServiceRequest()
        attribute = request.resource_logs.add().scope_logs.add().log_records.add().attributes.add()
        attribute.key = "driftline.prediction.columns"
        for name, data in columns().items():
            entry = attribute.value.kvlist_value.values.add()
            entry.key, entry.value.bytes_value = name, data
        return bytes(request.SerializeToString())

    def stock() -> bytes:
        record = LogRecord(timestamp=7, attributes={"driftline.prediction.columns": columns()}, event_name="e")
        scope = InstrumentationScope("bench")
        return bytes(encode_logs([ReadableLogRecord(record, Resource({}), scope)]).SerializeToString())

    steps: dict[str, Callable[[], object]] = {"ours": ours, "bare": bare, "stock": stock}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(ROUNDS + 3):
        for name, step in steps.items():
            (before if name == "ours" else int)()
            start, sent = time.process_time(), channel.sent
            step()
            took = (time.process_time() - start) * 1e6 / ROWS
            if turn >= 3:  # the first turns import and remember
                times[name].append(took)
            if name == "ours":
                size = channel.sent - sent
    return {name: statistics.median(took) for name, took in times.items()} | {"bytes": size / ROWS}


def _by_column(values: Any) -> Columns:
    return {f"f{i}": values[:, i].tobytes() for i in range(values.shape[1])}


def _bytes(values: Any) -> bytes:
    if values.dtype.kind == "f":
        return bytes(values.tobytes())
    labels, codes = np.unique(values.astype(str), return_inverse=True)
    return bytes(codes.astype(np.uint8).tobytes()) + "".join(labels).encode()


def main(arguments: Sequence[str]) -> int:
    """Print the table (or JSON with ``--json``); 1 when a limit is broken."""
    results = measure()
    driftline.shutdown()
    if "--json" in arguments:
        print(json.dumps(results))
    for name, result in results.items():
        print(
            f"{name:<24} ours {result['ours']:6.3f} µs a row (limit {LIMITS[name]}), {result['bytes']:.0f} bytes   "
            f"numpy + protobuf {result['bare']:6.3f} ({result['ours'] / result['bare']:.1f}x)   "
            f"stock log encoder {result['stock']:6.3f} ({result['ours'] / result['stock']:.1f}x)",
            file=sys.stderr,
        )
    return int(any(result["ours"] > LIMITS[name] for name, result in results.items()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
