"""What an outcome costs on its way into panes, and a metric over 90 days on its way out of them.

    python -m benchmarks.bench_outcome_panes [ROWS]

In: joined rows (200,000 unless said) become sums of panes, and those are written to the store: CPU time of the whole
process, DuckDB's threads included. The references in the same run: numpy counting the scores of the same rows into the
bins of one pane, which is the least that any of it has to do, and DuckDB inserting the same rows as they are. Promised:
at most 2 µs a row of a model with two classes.

Out: 90 days in the store as they would be, 14 of five minutes and the rest hours; read by blocks of time, added up and
finalised, all usual metrics and curves with their intervals, as the evaluation does it. The reference: a bare sum of
the same rows in DuckDB. Promised: 50 ms.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from driftline.panes.bins import SCORE_BINS, score_bin
from driftline.panes.outcome_sums import LabelledRows, fold_outcomes_by
from driftline.panes.pane import merge
from driftline.tables.table import F64, I64, Column, ModelKey
from driftline.tables.task import Task
from driftline_processor.core.intervals.time_blocks import blocks_of_window
from driftline_processor.core.performance.judge import curves
from driftline_processor.core.performance.metric_intervals import with_intervals
from driftline_processor.core.performance.realized import realized
from driftline_processor.core.performance.settings import STANDARD
from driftline_processor.core.windows.window import PANE, Window
from driftline_processor.evaluation.store_source import StoredOutcomes
from driftline_processor.evaluation.window_source import window_blocks
from driftline_processor.join.outcome_sums import add_outcomes
from driftline_processor.store.database import Connection, Store, insert, read, transaction
from driftline_processor.store.panes import PaneChanges, part_width, performance_fold, read_sums, read_window
from driftline_processor.store.pruning import Condition
from driftline_processor.store.series import Series

from benchmarks.stopwatch import cpu_seconds

ROWS, A_PANE = 200_000, (20, 200)
"""Joined rows, and how many outcomes each pane of five minutes of the 90 days has."""
DAY = 288 * PANE
TODAY = 20_000 * DAY
ROUNDS = 5
PROMISED_ROW, PROMISED_METRIC = 2e-6, 0.050
BINARY = Task("binary", ("0", "1"), "1")


def joined(task: Task, n: int, panes: int, weighted: bool, rng: np.random.Generator) -> pa.Table:
    """Rows as the join hands them over, in no order."""
    k = len(task.classes)
    scores, single, actual = pa.nulls(n, pa.list_(pa.float64())), pa.nulls(n), pa.nulls(n, pa.string())
    if task.kind == "multiclass":
        many = rng.dirichlet(np.ones(k), n)
        scores = pa.ListArray.from_arrays(np.arange(0, n * k + 1, k, dtype=np.int32), many.reshape(-1))
        actual = pa.array(task.classes).take(pa.array(rng.integers(0, k, n)))
    number = rng.integers(0, 2, n).astype(np.float64) if task.kind == "binary" else rng.normal(size=n)
    time = TODAY - panes * PANE + rng.integers(0, panes * PANE, n)
    return pa.table(
        {
            "time": time,
            "outcome_time": time + rng.integers(0, 7 * DAY, n),
            "score": pa.array(rng.random(n)) if task.kind != "multiclass" else single.cast(pa.float64()),
            "scores": scores,
            "predicted": pa.nulls(n, pa.string()),
            "actual": actual,
            "number": pa.nulls(n, pa.float64()) if task.kind == "multiclass" else pa.array(number),
            "weight": rng.choice([1.0, 20.0], n) if weighted else np.ones(n),
            "value": pa.nulls(n, pa.float64()),
            "relevance": pa.nulls(n, pa.list_(pa.float64())),
            "missed": pa.nulls(n, pa.list_(pa.float64())),
        }
    )


def into_panes(connection: Connection, task: Task, panes: int, n: int, weighted: bool = False) -> float:
    """Print and return what a row costs, seconds."""
    rows = joined(task, n, panes, weighted, np.random.default_rng(1))
    series = Series(1, ModelKey("m"), task, True)

    def fold() -> PaneChanges:
        changes = PaneChanges()
        add_outcomes(changes, series, rows)
        return changes

    def write() -> None:
        changes = fold()
        with transaction(connection):
            changes.write(connection)

    def empty() -> None:
        connection.execute("DELETE FROM panes")

    score = np.random.default_rng(1).random(n)
    counted = cpu_seconds(lambda: np.bincount(score_bin(score), minlength=SCORE_BINS), ROUNDS)
    plain = rows.select(["time", "score", "number", "weight"])

    def bare() -> None:
        with transaction(connection):
            connection.execute(
                "CREATE OR REPLACE TEMP TABLE bare (time BIGINT, score DOUBLE, number DOUBLE, weight DOUBLE)"
            )
            insert(connection, "bare", plain)

    inserted = cpu_seconds(bare, 3)
    folding, whole = cpu_seconds(fold, 3), cpu_seconds(write, 3, empty)
    stored = read(connection, "SELECT sum(octet_length(sums)) // 8 AS n FROM panes").column(0)[0].as_py()
    what = f"{task.kind}{f' of {len(task.classes)}' if task.kind == 'multiclass' else ''}"
    what += ", weighted" if weighted else ""
    print(
        f"{what}, {n:,} rows in {panes:,} panes: folded {folding / n * 1e6:.2f}, "
        f"with the write {whole / n * 1e6:.2f} µs a row, {stored / n:.1f} sums a row; "
        f"{whole / counted:.0f} times a bare np.bincount ({counted / n * 1e6:.3f}), "
        f"{whole / inserted:.1f} times a bare insert of the rows ({inserted / n * 1e6:.2f})"
    )
    return whole / n


def fill(connection: Connection, a_pane: int) -> int:
    """Write 90 days of panes, ``a_pane`` outcomes for each five minutes; return how many sums there are."""
    rng = np.random.default_rng(2)
    for count, span, first in ((14 * 288, PANE, TODAY - 14 * DAY), (76 * 24, 12 * PANE, TODAY - 90 * DAY)):
        n = count * a_pane * (span // PANE)
        group: I64 = np.repeat(np.arange(count), n // count)
        truth: F64 = (rng.random(n) < 0.3).astype(np.float64)
        score = 1 / (1 + np.exp(-(rng.normal(size=n) + 1.5 * truth)))
        sums = fold_outcomes_by(BINARY, LabelledRows(score[:, np.newaxis], None, Column(numbers=truth)), group, count)
        changes = PaneChanges(span=span)
        changes.add_sparse(1, performance_fold(BINARY), first + np.arange(count) * span, sums)
        with transaction(connection):
            changes.write(connection)
    return int(read(connection, "SELECT sum(octet_length(sums)) // 8 AS n FROM panes").column(0)[0].as_py())


def out_of_panes(connection: Connection, a_pane: int) -> float:
    """Print and return what all metrics of 90 days cost, seconds of CPU time."""
    connection.execute("DELETE FROM panes")
    stored = fill(connection, a_pane)
    fold, start = performance_fold(BINARY), TODAY - 90 * DAY

    def width(_: str, part: str) -> int:
        return part_width(part, None, BINARY)

    series, window = Series(1, ModelKey("m"), BINARY, True), Window("90d", start, TODAY)

    def metrics() -> None:
        pane = read_window(connection, 1, start, TODAY, width)[fold]
        realized(pane, BINARY)
        curves(pane, BINARY)

    def intervals() -> None:
        blocks = StoredOutcomes(connection).panes(series, window_blocks(window, "UTC"), width)
        pane = merge(blocks)
        curves(pane, BINARY)
        with_intervals(realized(pane, BINARY), pane, blocks, BINARY, STANDARD)

    def bare() -> None:
        query = "SELECT part, idx, sum(value) AS value FROM sums GROUP BY part, idx"
        read(connection, query, sums=read_sums(connection, Condition("series = 1", ())))

    wall = time.perf_counter()
    intervals()
    wall = time.perf_counter() - wall
    sure, plain, theirs = cpu_seconds(intervals, ROUNDS), cpu_seconds(metrics, ROUNDS), cpu_seconds(bare, ROUNDS)
    print(
        f"90 days, {a_pane} outcomes a pane, {stored:,} sums: all metrics, curves and intervals by "
        f"{len(blocks_of_window(window))} "
        f"blocks of two days in {sure * 1e3:.0f} ms of CPU ({wall * 1e3:.0f} ms by the clock the first time), "
        f"{sure / theirs:.1f} times a bare sum of the same rows ({theirs * 1e3:.0f} ms); "
        f"without intervals {plain * 1e3:.0f} ms, {plain / theirs:.1f} times"
    )
    return sure


def main(rows: int) -> int:
    """Print both, and return how many promises are broken."""
    broken = 0
    with tempfile.TemporaryDirectory() as folder:
        connection = Store(Path(folder)).connect()
        for panes in (1, 288, 26_000):
            broken += into_panes(connection, BINARY, panes, rows) > PROMISED_ROW
        broken += into_panes(connection, BINARY, 288, rows, weighted=True) > PROMISED_ROW
        for task in (
            Task("multiclass", ("a", "b", "c")),
            Task("multiclass", tuple("abcdefgh")),
            Task("multiclass", tuple(f"c{i}" for i in range(50))),
            Task("regression"),
        ):
            into_panes(connection, task, 288, rows)
        for a_pane in A_PANE:
            broken += out_of_panes(connection, a_pane) > PROMISED_METRIC
        connection.close()
    return broken


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS))
