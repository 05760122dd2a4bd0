"""What a verdict costs beside the judging of the window that changed it.

    python -m benchmarks.bench_verdict

A model has WINDOWS closed windows of FEATURES features, outcomes in all of them. CPU time of: judging one window (the
reference of the same run), the verdict of one window, the verdict of the model after one of its windows has changed,
and the same verdict asked for again. The record has a row per window: a new window of one or of four lengths adds its
row, and outcomes for a window in the middle revise half of them. The pace of a model whose rows came in every five
minutes of four weeks is worked out once an hour, and only where it has paused. Promised: the verdict of a model costs
at most a third of the window.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.fold import fold
from driftline.tables.table import ModelKey
from driftline_processor.core.evaluation import Evaluation, MetricChange, MetricValue
from driftline_processor.core.judge_window import ModelWindow, judge_window
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.verdict.record import Record
from driftline_processor.core.verdict.traffic import pace_of
from driftline_processor.core.windows.window import DAY, PANE, Window
from driftline_processor.evaluation.window_queue import Backlog
from driftline_processor.ingest.transaction import Arrivals
from driftline_processor.queries.verdicts import VerdictInputs, Verdicts
from driftline_processor.store.database import Store
from msgspec.structs import replace

from benchmarks.stopwatch import cpu_seconds

WINDOWS, FEATURES, ROWS, ROUNDS = 200, 20, 2_000, 9
PROMISED = 1 / 3
KEY = ModelKey("wide", "1")


def frame(n: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {f"x{at}": rng.normal(size=n) for at in range(FEATURES)} | {"score": rng.random(n)}


def judged(reference: Baseline, at: int) -> Evaluation:
    """Judge one day; every third has drifted, and no outcomes are worse than the baseline's."""
    known = frame(ROWS, at)
    if at % 3 == 0:
        known["x0"] += 1.0
    table, *_ = table_from_frame(known, score="score", model="wide", task="binary")
    window = ModelWindow(KEY, Window("1d", at * DAY, (at + 1) * DAY), fold(table, reference.bins))
    loss = MetricValue(0.5, ROWS, "panes", low=0.48, high=0.52, interval="blocks")
    return replace(
        judge_window(window, Reference(reference)),
        realized={"log_loss": loss},
        reference={"log_loss": loss},
        realized_changes={"log_loss": MetricChange("not_worse", 0.0, -0.02, 0.02, 0.6, 0.03)},
        outcome_rows=ROWS,
        coverage=1.0,
    )


def main() -> int:
    baseline = Baseline.from_frame(frame(20_000, 999), score="score", model="wide", version="1", task="binary")
    days = [judged(baseline, at) for at in range(WINDOWS)]
    pane = fold(table_from_frame(frame(ROWS, 5), score="score", model="wide", task="binary")[0], baseline.bins)
    window = ModelWindow(KEY, Window("1d", 0, DAY), pane)
    bare = cpu_seconds(lambda: judge_window(window, Reference(baseline)), ROUNDS)
    print(f"judging one window of {FEATURES} features, the reference: {bare * 1e3:.2f} ms")
    now = (WINDOWS + 1) * DAY
    arrivals = now - np.arange(28 * 288, dtype=np.int64)[::-1] * PANE
    with tempfile.TemporaryDirectory(prefix="driftline-bench-") as directory:
        store = Store(Path(directory))
        connection = store.connect()
        verdicts = Verdicts(lambda: Arrivals(connection, now), connection, lambda: now)

        def known(lengths: int = 1) -> VerdictInputs:
            names = ("1d", *(f"{24 + hours}h" for hours in range(1, lengths)))
            windows = {
                name: [replace(one, window=replace(one.window, name=name)) for one in days] for name in names[1:]
            }
            return VerdictInputs({"1d": list(days), **windows}, None, (), "UTC", Backlog(), (1,), now)

        def changed(at: int = -1) -> None:
            days[at] = replace(days[at])
            verdicts.of(1, known())

        def row(at: int) -> None:
            changed(at)
            verdicts.record(1).rows  # noqa: B018 - the rows are computed

        by_length = {2: known(4)}

        def row_of_four() -> None:
            windows = by_length[2].windows
            windows = {name: [*of_name[:-1], replace(of_name[-1])] for name, of_name in windows.items()}
            by_length[2] = replace(by_length[2], windows=windows)
            verdicts.of(2, by_length[2])
            verdicts.record(2).rows  # noqa: B018 - the rows are computed

        row(0)
        row_of_four()

        costs = {
            "the verdict of one window": cpu_seconds(lambda: Record(days[-1:]).now((), None, None), ROUNDS),
            f"that of a model with {WINDOWS} windows, after one of them has changed": cpu_seconds(changed, ROUNDS),
            "the same, asked for again": cpu_seconds(lambda: verdicts.of(1, known()), ROUNDS),
            "the same verdict and the row of the window in the record": cpu_seconds(lambda: row(-1), ROUNDS),
            "the same with a new window of each of four lengths": cpu_seconds(row_of_four, ROUNDS),
            f"the {WINDOWS // 2} rows after outcomes for a window in the middle": cpu_seconds(
                lambda: row(WINDOWS // 2), ROUNDS
            ),
            "the pace of a model, once an hour while it pauses": cpu_seconds(
                lambda: pace_of(arrivals, now, "Europe/Berlin"), ROUNDS
            ),
        }
        for what, seconds in costs.items():
            print(f"{what:<70} {seconds * 1e6:8.0f} µs   {seconds / bare:6.3f} x the window")
        connection.close()
        store.close()
    share = costs[f"that of a model with {WINDOWS} windows, after one of them has changed"] / bare
    kept = share <= PROMISED
    print(f"promised: at most {PROMISED:.2g} x the window; {'kept' if kept else 'NOT KEPT'}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
