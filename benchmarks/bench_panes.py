"""What panes of a batch job cost: making them from rows, and `POST /v1/panes` until they are on the disk.

    python -m benchmarks.bench_panes [PANES]

Panes of an hour of a binary model of 100 features and 102 bins each, with outcomes. CPU time of the process, DuckDB's
threads included. The reference in the same run: DuckDB inserting and committing the stored rows of the same panes as
they are. Promised: at most ten times the reference.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from driftline.baseline.baseline import Baseline
from driftline.batch_panes import MadePanes, make_panes
from driftline.tables.table import F64
from driftline_processor.config.model import Model
from driftline_processor.config.schema import Config, Storage
from driftline_processor.core.decode.written_panes import parse_panes
from driftline_processor.state import State
from driftline_processor.store.database import Store, insert, transaction

from benchmarks.stopwatch import cpu_seconds

PANES, FEATURES, REFERENCE = 300, 100, 20_000
ROWS = (50, 2_000)
"""Rows per pane: most bins are empty, or most are not."""

PROMISED = 10.0
HOUR = 3_600 * 10**9
START = 20_000 * 24 * HOUR


def rows(panes: int, a_pane: int, seed: int) -> dict[str, F64]:
    """Return the columns of rows of consecutive hours."""
    rng = np.random.default_rng(seed)
    n = panes * a_pane
    columns: dict[str, F64] = {f"f{index}": rng.normal(size=n) for index in range(FEATURES)}
    columns["score"] = 1 / (1 + np.exp(-columns["f0"]))
    columns["actual"] = (rng.random(n) < columns["score"]).astype(np.float64)
    return columns | {"time": (START + np.arange(n) // a_pane * HOUR).astype(np.float64)}


def documents(panes: MadePanes, epochs: int) -> Iterator[list[bytes]]:
    """Yield the requests of each epoch."""
    for epoch in range(epochs):
        yield [body for _, body in panes.requests("nightly", epoch)]


def measure(panes: int, a_pane: int) -> float:
    """Print what a pane costs, and return the ratio of receiving it to the reference."""
    baseline = Baseline.from_frame(
        rows(1, REFERENCE, 1), score="score", actual="actual", model="m", task="binary", features=_names()
    )
    columns = rows(panes, a_pane, 2)
    time = columns.pop("time").astype(np.int64)
    made = make_panes(columns, baseline, time=time)
    making = cpu_seconds(lambda: make_panes(columns, baseline, time=time)) / panes
    first, second, third = documents(made, 3)
    writing = cpu_seconds(lambda: list(made.requests("nightly", 0))) / panes
    with tempfile.TemporaryDirectory() as folder:
        baseline.save(Path(folder) / "baseline.json")
        model = Model(baseline=Path(folder) / "baseline.json")
        config = Config(storage=Storage(directory=Path(folder) / "state"), models={"m": model})
        state = State(config, clock=lambda: START + (panes + 1) * HOUR)
        state.start_storing()

        def post(bodies: list[bytes]) -> None:
            for body in bodies:
                receipt = state.submit_panes(parse_panes(body), len(body)).result().panes
                assert receipt is not None
                assert not receipt.refused
                assert not receipt.conflict

        post([body for _, body in made.requests("before", 0)])  # the first request imports and reads more than others
        new = cpu_seconds(lambda: post(first)) / panes
        replacing = cpu_seconds(lambda: post(second)) / panes
        again = cpu_seconds(lambda: post(second)) / panes
        parsing = cpu_seconds(lambda: [parse_panes(body) for body in third]) / panes
        stored = state.read("SELECT * FROM written_panes WHERE source = 'nightly'")
        state.finish()
        state.close()
        reference = bare(stored, Path(folder) / "bare") / panes
    size = sum(map(len, first)) / panes
    print(
        f"{FEATURES} features, {a_pane:,} rows a pane: made {making * 1e6:,.0f}, written as JSON {writing * 1e6:,.0f} "
        f"µs a pane of {size / 1e3:,.0f} kB; received {new * 1e6:,.0f} ({1 / new:,.0f} panes per CPU-second; of that "
        f"parsed {parsing * 1e6:,.0f}), replaced {replacing * 1e6:,.0f}, unchanged {again * 1e6:,.0f}; "
        f"{new / reference:.1f} times a bare insert of the stored rows ({reference * 1e6:,.0f} µs, "
        f"{stored.nbytes / panes / 1e3:,.0f} kB)"
    )
    return new / reference


def bare(stored: pa.Table, folder: Path) -> float:
    """Return the CPU seconds to insert rows and commit them, in an empty file."""
    store = Store(folder)
    connection = store.connect()

    def write() -> None:
        with transaction(connection):
            insert(connection, "written_panes", stored)

    took = cpu_seconds(write)
    connection.close()
    store.close()
    return took


def _names() -> list[str]:
    return [f"f{index}" for index in range(FEATURES)]


def main(panes: int) -> int:
    """Print both, and return how many promises are broken."""
    return sum(measure(panes, a_pane) > PROMISED for a_pane in ROWS)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else PANES))
