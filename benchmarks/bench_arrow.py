"""What a columnar record costs beside the same columns as an Arrow IPC stream, in the same run.

    python -m benchmarks.bench_arrow

Both are the attribute of one log record, framed by the same code, of 24 columns: time, id, score, duration, 15 numbers
(5 of them whole), and 5 texts as categories. CPU time, the best of several runs, of encoding from the columns that the
SDK holds, and of decoding to columns. Our decoder checks what it reads, Arrow's only with ``validate(full=True)``, so
its time is shown with and without. "Narrowed": the types that our record chooses, converted beforehand.

Promised: the record is smaller and takes less time, encoded and decoded with checks, at every size.
"""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from driftline.export.otlp_logs import log_record, request
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline.tables.column_codec import Array, Value, decode, encode, encode_column, texts
from driftline.tables.table import Column, Text
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from benchmarks.bench_decode import NOW, best

SIZES = (1, 16, 100, 500, 5_000)
CATEGORIES = tuple(f"label {i}" for i in range(12))


def columns_of(rows: int) -> dict[str, Value]:
    """Return the columns of a batch as the SDK holds them."""
    rng, feature = np.random.default_rng(1), f"{a.DRIFTLINE_FEATURE_VALUE}."
    found: dict[str, Value] = {
        a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO: NOW + np.arange(rows),
        a.ML_PREDICTION_ID: texts([f"order-{row}" for row in range(rows)]),
        a.ML_PREDICTION_SCORE: rng.random(rows),
        a.DRIFTLINE_PREDICTION_DURATION: np.full(rows, 0.00125),
    }
    found |= {f"{feature}number_{i}": rng.lognormal(3, 1, rows) for i in range(10)}
    found |= {f"{feature}whole_{i}": rng.integers(0, 100, rows).astype(np.float64) for i in range(5)}
    codes = [rng.integers(0, len(CATEGORIES), rows, np.int32) for _ in range(5)]
    return found | {f"{feature}text_{i}": Column(codes=code, categories=CATEGORIES) for i, code in enumerate(codes)}


def narrowed(columns: Mapping[str, Value]) -> dict[str, Value]:
    """Return the same columns in the types that our record chooses."""
    found = {name: decode(encode_column(value), _length(value)) for name, value in columns.items()}
    for name, value in found.items():
        if isinstance(value, Column) and value.codes is not None:
            found[name] = Column(codes=value.codes.astype(np.int8), categories=value.categories)
    return found


def _length(value: Value) -> int:
    if isinstance(value, Text):
        return len(value.offsets) - 1
    return len(value.codes) if isinstance(value, Column) and value.codes is not None else len(value)  # type: ignore[arg-type]


def arrow_stream(columns: Mapping[str, Value]) -> bytes:
    """Encode columns as an Arrow IPC stream of one batch."""
    batch = pa.record_batch([_arrow_array(value) for value in columns.values()], names=list(columns))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def _arrow_array(value: Value) -> pa.Array:
    if isinstance(value, Text):
        return pa.StringArray.from_buffers(
            len(value.offsets) - 1, pa.py_buffer(value.offsets), pa.py_buffer(value.data)
        )
    if isinstance(value, Column):
        return pa.DictionaryArray.from_arrays(pa.array(value.codes), pa.array(value.categories))
    return pa.array(value)


def read_arrow(data: bytes, checked: bool) -> dict[str, Value]:
    """Decode an Arrow IPC stream to the columns that our decoder returns."""
    with pa.ipc.open_stream(data) as reader:
        batch = reader.read_next_batch()
    if checked:
        batch.validate(full=True)
    return {name: _value(array) for name, array in zip(batch.schema.names, batch.columns, strict=True)}


def _value(array: pa.Array) -> Value:
    if pa.types.is_dictionary(array.type):
        return Column(codes=array.indices.to_numpy(), categories=tuple(array.dictionary.to_pylist()))
    if pa.types.is_string(array.type):
        _, offsets, data = array.buffers()
        return Text(np.frombuffer(offsets, np.int32, len(array) + 1), data.to_pybytes())
    values: Array = array.to_numpy(zero_copy_only=False)
    return values


def framed(rows: int, content: bytes | dict[str, bytes]) -> bytes:
    """Return a request of one record with these columns."""
    attributes = {
        a.ML_MODEL_NAME: "churn",
        a.ML_MODEL_VERSION: "2026-11-01",
        a.ML_MODEL_TASK: "binary",
        a.DRIFTLINE_BATCH_ID: "018bcfe5-6800-7000-8000-000000000000",
        a.ML_PREDICTION_COUNT: rows,
        a.DRIFTLINE_PREDICTION_COLUMNS: content,
    }
    record = log_record(events.DRIFTLINE_PREDICTION_BATCH, NOW, attributes)
    return request({"service.name": "shop"}, ("driftline", "1"), "", [record])


def columns_in(body: bytes) -> AnyValue:
    """Return the value of the attribute with the columns."""
    (resource,) = ExportLogsServiceRequest.FromString(body).resource_logs
    value: AnyValue = resource.scope_logs[0].log_records[0].attributes[-1].value
    return value


def read_ours(body: bytes, rows: int) -> dict[str, Value]:
    """Decode our record."""
    return {one.key: decode(one.value.bytes_value, rows) for one in columns_in(body).kvlist_value.values}


def measure(rows: int) -> bool:
    """Print two lines of one size, and return whether the promise holds."""
    columns = columns_of(rows)
    small, body = narrowed(columns), framed(rows, encode(columns))
    stream = framed(rows, arrow_stream(columns))
    narrow = framed(rows, arrow_stream(small))
    for found in (read_ours(body, rows), read_arrow(columns_in(stream).bytes_value, checked=True)):
        assert encode(found) == encode(columns)
    size = len(body)
    sizes = [len(stream) / size, len(narrow) / size]
    zipped = len(gzip.compress(body))
    packed = [len(gzip.compress(other)) / zipped for other in (stream, narrow)]
    print(
        f"{rows:6,} rows   {size / rows:7.0f} B/row, gzip {zipped / rows:5.0f}   Arrow x{sizes[0]:.2f}, "
        f"narrowed x{sizes[1]:.2f}   both gzipped x{packed[0]:.2f}, x{packed[1]:.2f}"
    )
    encoding = best(lambda: framed(rows, encode(columns)))
    arrow_encoding = best(lambda: framed(rows, arrow_stream(columns)))
    decoding = best(lambda: read_ours(body, rows))
    bare = best(lambda: read_arrow(columns_in(stream).bytes_value, checked=False))
    checked = best(lambda: read_arrow(columns_in(stream).bytes_value, checked=True))
    print(
        f"              encode {encoding / rows * 1e6:7.3f} µs a row, Arrow x{arrow_encoding / encoding:.2f}   "
        f"decode {decoding / rows * 1e6:7.3f} µs a row, Arrow x{bare / decoding:.2f}, checked x{checked / decoding:.2f}"
    )
    return sizes[0] > 1 and encoding + decoding < arrow_encoding + checked


def import_seconds(module: str) -> float:
    """Return the CPU seconds of an import in a new process that has numpy."""
    code = f"import numpy, time; began = time.process_time(); import {module}; print(time.process_time() - began)"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def main() -> int:
    kept = [measure(rows) for rows in SIZES]
    codec, arrow = (
        min(import_seconds(module) for _ in range(3)) for module in ("driftline.tables.column_codec", "pyarrow")
    )
    print(f"imported after numpy: our codec {codec * 1e3:.0f} ms, pyarrow {arrow * 1e3:.0f} ms")
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
