"""What panes of a batch job cost: making them from rows, and `POST /v1/panes` until they are on the disk.

    python -m benchmarks.bench_panes [PANES]

Panes of an hour of a binary model with outcomes, of 100 and of 20 features with 102 bins each. CPU time of the process,
DuckDB's threads included. The references in the same run: DuckDB inserting and committing the stored rows of the same
panes as they are, and the predictions of the same rows as columnar records. Promised: at most six times the insert.
"""

from __future__ import annotations

import base64
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
from driftline.baseline.baseline import Baseline
from driftline.batch_panes import MadePanes, make_panes
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline.tables.column_codec import encode, encode_column, texts
from driftline.tables.table import F64
from driftline_processor.config.model import Model
from driftline_processor.config.schema import Config, Storage
from driftline_processor.core.decode.written_panes import parse_panes
from driftline_processor.state import State
from driftline_processor.store.database import Store, insert, transaction
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from benchmarks.stopwatch import cpu_seconds

PANES, FEATURES, REFERENCE = 300, (100, 20), 20_000
ROWS = (50, 2_000)
"""Rows per pane: most bins are empty, or most are not."""

ROUNDS = 3
A_RECORD, MOST_ROWS = 1_000, 100_000
"""Rows of a columnar record, and the most rows that are sent as predictions."""

PROMISED = 6.0
HOUR = 3_600 * 10**9
START = 20_000 * 24 * HOUR


def rows(n: int, a_pane: int, features: int, seed: int) -> dict[str, F64]:
    """Return the columns of rows of consecutive hours."""
    rng = np.random.default_rng(seed)
    columns: dict[str, F64] = {f"f{index}": rng.normal(size=n) for index in range(features)}
    columns["score"] = 1 / (1 + np.exp(-columns["f0"]))
    columns["actual"] = (rng.random(n) < columns["score"]).astype(np.float64)
    return columns | {"time": (START + np.arange(n) // a_pane * HOUR).astype(np.float64)}


def packed(panes: MadePanes, source: str) -> list[bytes]:
    """Return the requests that the SDK sends."""
    return [body for _, body in panes.requests(source, 0)]


def one_by_one(made: MadePanes, source: str) -> list[bytes]:
    """Return a request in which each pane is an object of its own."""
    panes = [
        {
            "start": pane.start,
            "span": made.span,
            "sums": {part: base64.b64encode(encode_column(sums)).decode() for part, sums in pane.sums.items()},
        }
        for pane in made.panes
    ]
    about = {"model": made.model, "baseline": made.baseline, "source": source, "epoch": 0}
    return [json.dumps({**about, "panes": panes}).encode()]


def predictions(columns: dict[str, F64], first: int, last: int) -> bytes:
    """Return some of the rows as a request with a columnar record."""
    time = columns["time"][first:last].astype(np.int64)
    sent: dict[str, object] = {
        a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO: time,
        a.ML_PREDICTION_ID: texts([f"row-{row}" for row in range(first, last)]),
        a.ML_PREDICTION_SCORE: columns["score"][first:last],
    }
    features = [name for name in columns if name not in ("score", "actual", "time")]
    sent |= {f"{a.DRIFTLINE_FEATURE_VALUE}.{name}": columns[name][first:last] for name in features}
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    record = scope.log_records.add(time_unix_nano=int(time[-1]), event_name=events.DRIFTLINE_PREDICTION_BATCH)
    about = {a.ML_MODEL_NAME: "m", a.ML_MODEL_TASK: "binary", a.DRIFTLINE_BATCH_ID: f"batch-{first}"}
    for key, text in about.items():
        record.attributes.add(key=key).value.string_value = text
    record.attributes.add(key=a.ML_PREDICTION_COUNT).value.int_value = last - first
    entries = record.attributes.add(key=a.DRIFTLINE_PREDICTION_COLUMNS).value.kvlist_value.values
    for name, column in encode(sent).items():  # type: ignore[arg-type]
        entries.add(key=name).value.bytes_value = column
    return bytes(request.SerializeToString())


def measure(features: int, a_pane: int, panes: int) -> float:
    """Print what a pane costs, and return the ratio of receiving it to the insert of its rows."""
    reference = rows(REFERENCE, 1, features, 1)
    names = [f"f{index}" for index in range(features)]
    baseline = Baseline.from_frame(reference, score="score", actual="actual", model="m", task="binary", features=names)
    columns = rows(panes * a_pane, a_pane, features, 2)
    time = columns["time"].astype(np.int64)
    made = make_panes({name: columns[name] for name in (*names, "score", "actual")}, baseline, time=time)
    writing = cpu_seconds(lambda: packed(made, ""), ROUNDS) / panes
    with tempfile.TemporaryDirectory() as folder:
        baseline.save(Path(folder) / "baseline.json")
        state = state_of(Path(folder) / "state", Path(folder) / "baseline.json", panes)

        def received(written: Callable[[MadePanes, str], list[bytes]], sources: Sequence[str]) -> float:
            documents = [written(made, source) for source in sources]
            return median(cpu_seconds(partial(post, state, bodies)) for bodies in documents) / panes

        received(packed, ["first"])  # imports and reads more than others
        new = received(packed, [f"packed-{number}" for number in range(ROUNDS)])
        again = received(packed, ["packed-0"])
        listed = received(one_by_one, [f"listed-{number}" for number in range(ROUNDS)])
        bodies = packed(made, "parsed")
        parsing = cpu_seconds(lambda: [parse_panes(body) for body in bodies], ROUNDS) / panes
        stored = state.read("SELECT * FROM written_panes WHERE source = 'packed-0'")
        leave(state)
        insertion = bare(stored, Path(folder) / "bare") / panes
        state = state_of(Path(folder) / "rows", Path(folder) / "baseline.json", panes)
        as_rows = of_predictions(state, columns) * a_pane
        leave(state)
    size = sum(map(len, bodies)) / panes
    print(
        f"{features} features, {a_pane:,} rows a pane: {1 / new:,.0f} panes per CPU-second ({new * 1e6:,.0f} µs a pane "
        f"of {size / 1e3:,.0f} kB; {parsing * 1e6:,.0f} to parse), {new / insertion:.1f} times a bare insert of the "
        f"stored rows ({insertion * 1e6:,.0f} µs, {stored.nbytes / panes / 1e3:,.0f} kB), "
        f"1/{as_rows / new:,.0f} of its rows as predictions ({as_rows * 1e6:,.0f} µs); written one by one "
        f"{listed * 1e6:,.0f}, unchanged {again * 1e6:,.0f}, packed by the SDK {writing * 1e6:,.0f} µs"
    )
    return new / insertion


def state_of(folder: Path, baseline: Path, panes: int) -> State:
    """Return a state of the model an hour after the last pane."""
    config = Config(storage=Storage(directory=folder), models={"m": Model(baseline=baseline)})
    state = State(config, clock=lambda: START + (panes + 1) * HOUR)
    state.start_storing()
    return state


def leave(state: State) -> None:
    """Close a state."""
    state.finish()
    state.close()


def post(state: State, bodies: Sequence[bytes]) -> None:
    """Write panes, and wait until they are on the disk."""
    for body in bodies:
        receipt = state.submit_panes(parse_panes(body), len(body)).result().panes
        assert receipt is not None
        assert not receipt.refused
        assert not receipt.conflict


def of_predictions(state: State, columns: dict[str, F64]) -> float:
    """Return the CPU seconds of a row that is sent as a prediction."""
    n = min(len(columns["time"]), MOST_ROWS)
    bodies = [predictions(columns, first, min(first + A_RECORD, n)) for first in range(0, n, A_RECORD)]

    def send() -> None:
        for body in bodies:
            state.submit("logs", body).result()
        state.catch_up()

    took = cpu_seconds(send)
    [stored] = state.read("SELECT count(*) AS n FROM predictions").column("n").to_pylist()
    assert stored == n
    return took / n


def bare(stored: pa.Table, folder: Path) -> float:
    """Return the CPU seconds to insert rows and commit them, in an empty file."""
    store = Store(folder)
    connection = store.connect()

    def write() -> None:
        with transaction(connection):
            insert(connection, "written_panes", stored)

    took = cpu_seconds(write, ROUNDS)
    connection.close()
    store.close()
    return took


def main(panes: int) -> int:
    """Print all sizes, and return how many promises are broken."""
    return sum(measure(features, a_pane, panes) > PROMISED for features in FEATURES for a_pane in ROWS)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else PANES))
