"""What keeping a row costs, against a bare DuckDB insert of the same rows in the same run.

    python -m benchmarks.bench_state [ROWS]

CPU time of the whole process, fsync included. One request is one transaction here; under load they share one.

No promise: a figure beside the reference.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
from driftline.tables.table import Column, ModelKey, OutcomeTable, PredictionTable, Text
from driftline.tables.task import Task
from driftline_processor.config.schema import Config, Storage
from driftline_processor.ingest.deduplication import digest_of
from driftline_processor.ingest.transaction import Request
from driftline_processor.state import State
from driftline_processor.store.arrow_tables import prediction_rows
from driftline_processor.store.database import insert

NOW = 1_800_000_000 * 10**9
FEATURES = 20
SECOND = 10**9
SIZES = ((1, True), (500, True), (500, False), (5_000, True), (5_000, False))
"""Rows a request, and whether they come as plain records."""


def ids(first: int, n: int) -> Text:
    """Random ids of 32 hex digits, one for each row number: the hardest kind for a join."""
    mixed = (np.arange(first, first + n, dtype=np.uint64)[:, np.newaxis] + np.array([0, 2**40], dtype=np.uint64)) + 1
    for factor in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9):
        mixed *= np.uint64(factor)
        mixed ^= mixed >> np.uint64(31)
    return Text(np.arange(0, n * 32 + 1, 32, dtype=np.int32), mixed.tobytes().hex().encode())


def predictions(first: int, n: int, keyed: bool) -> PredictionTable:
    rng = np.random.default_rng(first)
    return PredictionTable(
        ModelKey("churn", "1"),
        Task("binary", ("0", "1"), "1"),
        NOW - 10**14 + (first + np.arange(n)) * SECOND // 100,
        ids(first, n),
        scores=rng.random((n, 1)),
        features={f"feature_{i}": Column(numbers=rng.normal(size=n)) for i in range(FEATURES)},
        keyed=keyed,
    )


def outcomes(first: int, n: int) -> OutcomeTable:
    rng = np.random.default_rng(first)
    time = NOW - 10**14 + (first + np.arange(n)) * SECOND // 100
    actual = Column(numbers=rng.integers(0, 2, n).astype(np.float64))
    zero = np.zeros(n, dtype=np.int64)
    return OutcomeTable("churn", None, ids(first, n), actual, time + 3_600 * SECOND, zero, np.full(n, np.nan))


def spent(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def bare(directory: Path, tables: list[PredictionTable]) -> float:
    """Insert the same Arrow rows into a table of the same columns, one committed transaction a request."""
    connection = duckdb.connect(str(directory / "bare.duckdb"), config={"threads": "2"})
    arrow = [prediction_rows(table, 1, 1, None, NOW) for table in tables]
    connection.register("first", arrow[0])
    connection.execute("CREATE OR REPLACE TABLE predictions AS SELECT * FROM first LIMIT 0")

    def insert_all() -> None:
        for rows in arrow:
            insert(connection, "predictions", rows)

    seconds = spent(insert_all)
    connection.close()
    return seconds


def main(total: int) -> None:
    directory = Path(tempfile.mkdtemp(prefix="driftline-bench-"))
    state = State(Config(storage=Storage(directory=directory / "state")), clock=lambda: NOW)
    state.start_storing()  # no keeper: the join is measured by itself
    done = 0

    def send(requests: list[Request]) -> None:
        for request in requests:
            state.offer(request).result(60)

    send([Request(digest_of(b"learn"), [predictions(10**9, 1_000, False)], ["learn"])])
    for size, keyed in SIZES:
        many = max(3, min(100, total // size))
        tables = [predictions(done + i * size, size, keyed) for i in range(many)]
        done += many * size
        requests = [
            Request(digest_of(f"{size} {keyed} {i}".encode()), [table], ["" if keyed else f"{size} {i}"])
            for i, table in enumerate(tables)
        ]
        seconds, reference = spent(lambda requests=requests: send(requests)), bare(directory, tables)  # type: ignore[misc]
        kind = "plain   " if keyed else "columnar"
        print(
            f"{kind} {size:5} rows a request: {many * size / seconds:9,.0f} rows per CPU-second,"
            f" {seconds / many * 1e3:6.2f} ms a request; bare insert {many * size / reference:9,.0f},"
            f" {seconds / reference:.1f}x"
        )

    send([Request(digest_of(f"o{i}".encode()), outcomes=[outcomes(i, 5_000)]) for i in range(0, done, 5_000)])
    seconds = spent(state.join_now)
    joined = state.publish().models[0].outcomes
    print(f"join: {joined / seconds:9,.0f} outcomes per CPU-second of {joined:,} random ids")
    print(f"evaluation of {sum(map(len, state.publish().models[0].windows.values()))} windows", end=" ")
    seconds = spent(state.evaluate_now)
    windows = sum(map(len, state.publish().models[0].windows.values()))
    print(f"→ {windows}: {seconds / max(1, windows) * 1e3:.1f} ms each")
    state.stop()
    size = (directory / "state" / "driftline.duckdb").stat().st_size
    print(f"on disk: {size / (done + 1_000):.0f} bytes per row with outcome, panes included")
    shutil.rmtree(directory)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
