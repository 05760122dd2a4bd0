"""What slices cost on the way in: rows per CPU-second without, with one key of ten values and with a second of three.

    python -m benchmarks.bench_slices

Reference: the same rows without slices, in the same run. No promise: a figure to choose keys by.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.tables.table import Column, ModelKey, PredictionTable, Text
from driftline.tables.task import Task
from driftline_processor.config.model import Model
from driftline_processor.config.schema import Config, Storage
from driftline_processor.ingest.deduplication import digest_of
from driftline_processor.ingest.transaction import Request
from driftline_processor.state import State

FEATURES = 20
NOON = 20_000 * 86_400 * 10**9 + 12 * 3_600 * 10**9
SIZES = ((500, 30), (5_000, 20), (50_000, 6))
"""Rows a transaction, and how many transactions."""
KEYS: tuple[tuple[str, ...], ...] = ((), ("country",), ("country", "plan"))


def table(rows: int, number: int) -> PredictionTable:
    """Draw the rows of one transaction: five minutes of one model."""
    rng = np.random.default_rng(number)
    ids = [f"{number}-{row}".encode() for row in range(rows)]
    return PredictionTable(
        ModelKey("churn", "1"),
        Task("binary", ("0", "1"), "1"),
        NOON + np.sort(rng.integers(0, 300 * 10**9, rows)),
        Text(np.cumsum([0, *map(len, ids)]).astype(np.int32), b"".join(ids)),
        scores=rng.random((rows, 1)),
        features={f"x{at}": Column(rng.normal(size=rows)) for at in range(FEATURES)},
        slices={
            name: Column(
                codes=rng.integers(0, k, rows).astype(np.int32), categories=tuple(f"{name}{at}" for at in range(k))
            )
            for name, k in (("country", 10), ("plan", 3))
        },
        keyed=False,
    )


def seconds(tables: list[PredictionTable], keys: tuple[str, ...], baseline: Baseline) -> float:
    """Return the CPU seconds in which the rows are taken in, a transaction a table."""
    with tempfile.TemporaryDirectory() as folder:
        config = Config(storage=Storage(directory=Path(folder)), models={"churn": Model(slices=keys)})
        state = State(config, clock=lambda: NOON)
        state.start_storing()
        state.offer(Request(b"0" * 16, baselines=[baseline.to_json()])).result()
        began = time.process_time()
        for at, one in enumerate(tables):
            state.offer(Request(digest_of(f"{at}".encode()), [one], [f"batch-{at}"])).result()
        took = time.process_time() - began
        state.stop()
    return took


def main() -> None:
    """Print a line for each size of transaction and each number of keys."""
    rng = np.random.default_rng(0)
    frame = {f"x{at}": rng.normal(size=20_000) for at in range(FEATURES)} | {"score": rng.random(20_000)}
    baseline = Baseline.from_frame(frame, score="score", model="churn", version="1", task="binary")
    for rows, count in SIZES:
        tables = [table(rows, at) for at in range(count)]
        took = {keys: min(seconds(tables, keys, baseline) for _ in range(2)) for keys in KEYS}
        for keys, cpu in took.items():
            named = ", ".join(keys) or "none"
            print(
                f"{rows:>6,} rows a transaction, slices {named:<14} "
                f"{rows * count / cpu:>9,.0f} rows per CPU-second, {cpu / took[()]:.2f} times the CPU",
                flush=True,
            )


if __name__ == "__main__":
    main()
