"""What a window of 1,000,000 rows of 20 features costs, against bare numpy over the same bins, in the same run.

    python -m benchmarks.bench_drift

CPU time of the thread, medians, in turns. Promised: fold and evaluate within 2 times searchsorted + bincount. Then what
exact p-values cost beside the histograms that they are of, for windows of fewer rows, too. Promised: less.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.bins import NumberBins
from driftline.panes.fold import fold, fold_by
from driftline.panes.pane import Pane
from driftline.tables.table import F64, PredictionTable
from driftline_processor.core.drift import drift
from driftline_processor.core.drift.methods import chi2, ks, psi
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.judge_window import ModelWindow, judge_window
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.windows.window import Window

ROWS = 1_000_000
REFERENCE_ROWS = 100_000
FEATURES = 20
ROUNDS = 5
LIMIT = 2.0
WINDOWS = ((200, 100), (2_000, 100), (20_000, 20), (ROWS, 1))
"""Rows of a window, and how many such windows."""


def rows(n: int, seed: int) -> dict[str, F64]:
    """15 continuous features, 5 of few values, and a score."""
    rng = np.random.default_rng(seed)
    continuous = {f"x{at}": rng.normal(size=n) for at in range(15)}
    discrete = {f"k{at}": rng.integers(0, 10, n).astype(np.float64) for at in range(5)}
    return continuous | discrete | {"score": rng.random(n)}


def table_of(frame: dict[str, F64]) -> PredictionTable:
    return table_from_frame(frame, score="score", model="m", task="binary")[0]


def bare(columns: list[tuple[F64, F64]]) -> None:
    for edges, values in columns:
        np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)


def seconds(job: Callable[[], object]) -> float:
    start = time.thread_time()
    job()
    return time.thread_time() - start


def p_values(baseline: Baseline, n: int, windows: int) -> tuple[float, float]:
    """Return the CPU seconds of the histograms of so many windows of n rows, and of all p-values of these."""
    tables = [table_of(rows(n, 100 + seed)) for seed in range(windows)]
    fold(tables[0], baseline.bins)
    start = time.thread_time()
    panes = [fold(table, baseline.bins) for table in tables]
    histograms, spent = time.thread_time() - start, 0.0

    def timed(function: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            nonlocal spent
            began = time.thread_time()
            found = function(*arguments)
            spent += time.thread_time() - began
            return found

        return call

    places = [(ks, "ks_p_values"), (chi2, "sum_p_values"), (psi, "sum_p_values")]
    before = [vars(module)[name] for module, name in places]
    for (module, name), function in zip(places, before, strict=True):
        setattr(module, name, timed(function))
    for pane in panes:
        drift(pane, baseline)
    for (module, name), function in zip(places, before, strict=True):
        setattr(module, name, function)
    return histograms, spent


def main() -> int:
    start = time.thread_time()
    baseline = Baseline.from_frame(rows(REFERENCE_ROWS, 1), score="score", model="m", task="binary")
    built = time.thread_time() - start
    print(f"baseline of {REFERENCE_ROWS:,} rows: {built:.2f} s, {len(baseline.to_json()):,} bytes of JSON")
    table = table_of(rows(ROWS, 2))
    columns = [
        (bins.edges, table.features[name].numbers)
        for name, bins in baseline.bins.features.items()
        if isinstance(bins, NumberBins)
    ]
    features = [(edges, values) for edges, values in columns if values is not None]
    window, key = Window("", 0, 0), table.key
    group = np.arange(ROWS, dtype=np.int64) // (ROWS // 30)

    def judged(pane: Pane) -> Evaluation:
        return judge_window(ModelWindow(key, window, pane), Reference(baseline))

    jobs: dict[str, Callable[[], object]] = {
        "bare searchsorted + bincount": lambda: bare(features),
        "fold (with score and class)": lambda: fold(table, baseline.bins),
        "fold by 31 panes of time": lambda: fold_by(table, baseline.bins, group, 31),
        "fold + judge": lambda: judged(fold(table, baseline.bins)),
    }
    pane = fold(table, baseline.bins)
    jobs["judge a pane"] = lambda: judged(pane)
    measured: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(ROUNDS):
        for name, job in jobs.items():
            measured[name].append(seconds(job))
    reference = statistics.median(measured["bare searchsorted + bincount"])
    for name, times in measured.items():
        print(f"{name:<30} {statistics.median(times):8.4f} s   {statistics.median(times) / reference:6.2f} x")
    ratio = statistics.median(measured["fold + judge"]) / reference
    print(f"ratio {ratio:.2f}, at most {LIMIT} promised: {'kept' if ratio <= LIMIT else 'BROKEN'}")
    dear = False
    for n, windows in WINDOWS:
        histograms, spent = p_values(baseline, n, windows)
        dear |= spent >= histograms
        each = f"{1e3 * histograms / windows:8.3f} ms of histograms, {1e3 * spent / windows:6.3f} ms of p-values"
        print(f"windows of {n:>9,} rows: {each}, {spent / histograms:.3f} x")
    print(f"p-values cost less than the histograms: {'BROKEN' if dear else 'kept'}")
    return int(ratio > LIMIT or dear)


if __name__ == "__main__":
    sys.exit(main())
