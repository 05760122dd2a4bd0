"""What a window is made of, read through memory: all that a quiet window of an hour is asked for, without judging it.

    python -m benchmarks.bench_sources [DAYS]

20 features, 100 rows in five minutes with their outcomes, a learned baseline and its seasons. CPU time of the whole
process. Each hour is asked for twice: the first time panes are read from the store, the second time they are in memory.
The reference in the same run: numpy adding up the same sums, written out, of the panes of an hour.

Promised: 0.7 ms a window that is in memory.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from driftline.tables.table import Column, ModelKey, OutcomeTable, PredictionTable, Text
from driftline.tables.task import Task
from driftline_processor.config.schema import Config, Storage
from driftline_processor.core.windows.window import DAY, HOUR, PANE, window_of
from driftline_processor.evaluation.judge import outcomes_of_window
from driftline_processor.evaluation.settings import settings_of
from driftline_processor.evaluation.store_source import StoreReaders, StoreSource
from driftline_processor.ingest.deduplication import digest_of
from driftline_processor.ingest.transaction import Request
from driftline_processor.state import State

DAYS, FEATURES, A_PANE = 3, 20, 100
FIRST = 20_002 * DAY
ROUNDS = 3
PROMISED = 0.0007


def ids(first: int, n: int) -> Text:
    """Ids of 16 digits."""
    return Text(np.arange(0, n * 16 + 1, 16, dtype=np.int32), b"".join(b"%016d" % at for at in range(first, first + n)))


def send(state: State, days: int) -> None:
    """Send predictions, hour by hour, and then their outcomes."""
    n, step = A_PANE * 12, PANE // A_PANE
    for hour in range(days * 24):
        rng, time_of = np.random.default_rng(hour), FIRST + hour * HOUR + np.arange(n) * step
        level = np.cos(2 * np.pi * hour / 24)
        features = {f"feature_{at}": Column(numbers=rng.normal(size=n) + level) for at in range(FEATURES)}
        task = Task("binary", ("0", "1"), "1")
        rows = PredictionTable(
            ModelKey("churn", "1"), task, time_of, ids(hour * n, n), rng.random((n, 1)), features=features
        )
        state.offer(Request(digest_of(b"p%d" % hour), [rows], [f"p{hour}"])).result(60)
        zero, actual = np.zeros(n, np.int64), Column(numbers=rng.integers(0, 2, n).astype(np.float64))
        said = OutcomeTable("churn", None, ids(hour * n, n), actual, time_of + PANE, zero, np.full(n, np.nan))
        state.offer(Request(digest_of(b"o%d" % hour), outcomes=[said])).result(60)
    state.join_now()


def ask(source: StoreSource) -> None:
    """Ask for all that a closed window is judged by while nothing drifts."""
    if source.empty or source.baseline is None:
        return
    _ = source.pane
    seasons = source.reference(source.baseline).baseline.extras.seasons
    if seasons is not None:
        source.season_mix(seasons)
    source.repeats(), source.recurrences(), source.newest(), source.slices()
    outcomes_of_window(source, source.settings, None)


def main(days: int) -> int:
    """Print the figures, and return how many promises are broken."""
    broken = 0
    with tempfile.TemporaryDirectory(prefix="driftline-bench-") as folder:
        state = State(Config(storage=Storage(directory=Path(folder))), clock=lambda: FIRST + days * DAY + HOUR)
        state.start_storing()
        send(state, days)
        [series] = state.parts.intake.series
        settings, watermark = settings_of(state.parts.intake.series.settings("churn")), FIRST + days * DAY + HOUR
        readers = StoreReaders(state.parts.connection, state.parts.intake.baselines)
        delay = state.parts.evaluator.delays.of(series)

        def hours(first: int, last: int) -> float:
            began = time.process_time()
            for hour in range(first, last):
                window = window_of("1h", FIRST + hour * HOUR)
                ask(StoreSource(series, window, settings, watermark, delay, readers))
            return (time.process_time() - began) / (last - first)

        cold = hours(1, days * 24)
        panes = np.random.default_rng(1).random((12, sum(one.total for one in readers.panes.layouts(series))))
        began = time.process_time()
        for _ in range(1_000):
            np.add.reduce(panes, axis=0)
        bare = (time.process_time() - began) / 1_000
        print(f"read from the store: {cold * 1e3:.2f} ms a window", end="; ")
        print(f"numpy adds up {panes.shape[1]:,} sums of 12 panes in {bare * 1e6:.0f} µs")
        for first, last, what in ((1, 24, "the first day"), (days * 24 - 23, days * 24, "the last day")):
            warm = min(hours(first, last) for _ in range(ROUNDS))
            kept = warm <= PROMISED
            broken += not kept
            each = f"{warm * 1e3:.2f} ms a window, {1 / warm:,.0f} windows a CPU-second, {warm / bare:.0f} times numpy"
            said = "kept" if kept else "BROKEN"
            print(f"in memory, {what}: {each}; promised {PROMISED * 1e3:.1f} ms: {said}")
        print(f"{readers.panes.bytes / 1e6:.1f} MB of panes in memory for {days} days")
        state.stop()
    return broken


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else DAYS))
