"""What a window of 1,000,000 rows of 20 features costs, against bare numpy over the same bins, in the same run.

    python -m benchmarks.bench_drift

CPU time of the thread, medians, in turns. Promised: fold and evaluate within 2 times searchsorted + bincount. Then what
exact p-values cost beside the histograms that they are of, for windows of fewer rows, too. Promised: less.

Then the parts of judging a day of DAY_ROWS rows beside DAYS days of reference, each beside what one would write without
Driftline, in the same run. The rule for drift, where days differ and where they do not: beside a test of scipy.stats
for each feature on the same counts. The changes of performance: beside numpy stacking and adding the sums of the same
hours. The verdict of the window: beside the rule. All of it, with its outcomes: beside the tests of scipy.stats. A
window of sixteen that are judged together: beside one that is judged alone. A feature of 200: beside one of 20.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.bins import NumberBins
from driftline.panes.fold import fold, fold_by
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import Pane, merge
from driftline.tables.table import F64, Column, PredictionTable
from driftline_processor.core.drift import p_values as walks
from driftline_processor.core.drift.methods import chi2, ks, psi
from driftline_processor.core.drift.rule import drift
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.judge_window import AskedWindow, ModelWindow, judge_window, judge_windows
from driftline_processor.core.performance import judge as performance
from driftline_processor.core.performance.window_outcomes import WindowOutcomes
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.verdict.record import Record
from driftline_processor.core.window_context import WindowContext
from driftline_processor.core.windows.window import DAY, HOUR, Window
from scipy.stats import chi2_contingency, kstwobign

from benchmarks.stopwatch import cpu_seconds

ROWS = 1_000_000
REFERENCE_ROWS = 100_000
FEATURES = 20
ROUNDS = 5
LIMIT = 2.0
WINDOWS = ((200, 100), (2_000, 100), (20_000, 20), (ROWS, 1))
"""Rows of a window, and how many such windows."""
DAYS, DAY_ROWS, DAY_WINDOWS = 30, 1_000, 16
"""Days of a reference, rows of each, and how many windows of a day are judged beside them."""
APART = 0.14
"""Standard deviation of what a feature's days differ by where they do: an intra-class correlation of .02."""


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


def p_values(baseline: Baseline, n: int, windows: int) -> tuple[float, float]:
    """Return the CPU seconds of the histograms of so many windows of n rows, and of all p-values of these."""
    tables = [table_of(rows(n, 100 + seed)) for seed in range(windows)]
    fold(tables[0], baseline.bins)
    start = time.thread_time()
    panes = [fold(table, baseline.bins) for table in tables]
    histograms = time.thread_time() - start
    places = ((ks, "ks_p_values"), (chi2, "sum_p_values"), (psi, "sum_p_values"))
    return histograms, seconds_within(places, lambda: [drift(pane, baseline) for pane in panes])


def dated_rows(days: int, apart: float, seed: int, first: int = 0, features: int = FEATURES) -> dict[str, Any]:
    """Return the rows of some days with their outcomes: each feature's days differ by so many standard deviations."""
    rng, n = np.random.default_rng(seed), days * DAY_ROWS
    day = np.repeat(np.arange(days), DAY_ROWS)
    frame: dict[str, Any] = {}
    for at in range(features):
        values = rng.normal(size=n) + apart * rng.normal(size=days)[day]
        frame[f"x{at}"] = values if at % 4 else np.clip(np.floor(2 * values), -4, 4)
    score = 1 / (1 + np.exp(-frame["x1"]))
    time = (first * DAY + day * DAY + rng.integers(0, DAY, n)).astype("datetime64[ns]")
    return {**frame, "score": score, "actual": (rng.random(n) < score).astype(np.float64), "time": time}


def judged_day(reference: Baseline, frame: dict[str, Any], at: int) -> tuple[ModelWindow, WindowContext]:
    """Return a window of a day with its outcomes by hour."""
    table, actual, *_ = table_from_frame(
        frame, score="score", actual="actual", time="time", model="m", task="binary", classes=("0", "1")
    )
    assert actual is not None
    assert actual.numbers is not None
    assert table.scores is not None
    hour = (frame["time"].astype(np.int64) % DAY) // HOUR
    hours = [
        fold_outcomes(reference.task, table.scores[held], None, Column(numbers=actual.numbers[held]))
        for held in (np.flatnonzero(hour == one) for one in range(24))
    ]
    pane = fold(table, reference.bins)
    pane = Pane({**pane.parts, **merge(hours).parts})
    window = ModelWindow(table.key, Window("1d", at * DAY, (at + 1) * DAY), pane)
    return window, WindowContext(outcomes=WindowOutcomes(blocks=hours))


def scipy_tests(pane: Pane, baseline: Baseline) -> None:
    """Test each feature as one would by hand: Kolmogorov-Smirnov on the bins of numbers, chi-square on few values."""
    for name, bins in baseline.bins.features.items():
        was, now = (one.parts[f"feature:{name}"][: bins.size] for one in (baseline.pane, pane))
        held = was + now > 0
        if np.count_nonzero(was) <= 20:
            chi2_contingency(np.stack([was[held], now[held]]), correction=False)
            continue
        n, m = was.sum(), now.sum()
        distance = np.abs(np.cumsum(was) / n - np.cumsum(now) / m).max()
        kstwobign.sf(distance * np.sqrt(n * m / (n + m)))


def bare_sums(blocks: Sequence[Pane]) -> list[F64]:
    """Stack and add what blocks hold of outcomes."""
    names = {name for block in blocks for name in block.parts}
    return [np.stack([one.parts[name] for one in blocks if name in one.parts]).sum(axis=0) for name in names]


def parts_of_judging() -> None:
    """Print what the rule, the changes of performance and the verdict of a window cost, each beside its reference."""
    for name, apart in (("days that differ", APART), ("days that do not", 0.0)):
        columns = {"score": "score", "actual": "actual", "time": "time"}
        reference = Baseline.from_frame(dated_rows(DAYS, apart, 1), **columns, model="m", task="binary")  # type: ignore[arg-type]
        days = [judged_day(reference, dated_rows(1, apart, 10 + at, DAYS + at), DAYS + at) for at in range(DAY_WINDOWS)]
        blocks = [list(context.outcomes.blocks) for _, context in days]
        evaluations = [judge_window(window, Reference(reference), context) for window, context in days]

        def rule(days: list[tuple[ModelWindow, WindowContext]] = days, reference: Baseline = reference) -> None:
            vars(walks)["_ks_walk"].cache_clear()  # walks of the same counts are remembered
            for window, _ in days:
                drift(window.pane, reference, span=DAY)

        def judged_days(days: list[tuple[ModelWindow, WindowContext]] = days, of: Baseline = reference) -> None:
            vars(walks)["_ks_walk"].cache_clear()
            for window, context in days:
                judge_window(window, Reference(of), context)

        def together(days: list[tuple[ModelWindow, WindowContext]] = days, of: Baseline = reference) -> None:
            vars(walks)["_ks_walk"].cache_clear()
            judge_windows([AskedWindow(window, Reference(of), context) for window, context in days])

        def by_hand(days: list[tuple[ModelWindow, WindowContext]] = days, reference: Baseline = reference) -> None:
            for window, _ in days:
                scipy_tests(window.pane, reference)

        jobs: dict[str, Callable[[], object]] = {
            "scipy": by_hand,
            "rule": rule,
            "whole": judged_days,
            "together": together,
            "sums": lambda blocks=blocks: [bare_sums(one) for one in blocks],  # type: ignore[misc]
            "verdict": lambda found=evaluations: [Record([one]).now((), None, None) for one in found],  # type: ignore[misc]
        }
        measured: dict[str, list[float]] = {job: [] for job in (*jobs, "changes")}
        for _ in range(ROUNDS):
            for job, work in jobs.items():
                measured[job].append(cpu_seconds(work))
            measured["changes"].append(seconds_within([(performance, "_changes")], judged_days))
        cost = {job: 1e3 * statistics.median(times) / DAY_WINDOWS for job, times in measured.items()}
        for what, one, beside in (
            ("the rule for drift", "rule", "scipy"),
            ("the changes of performance", "changes", "sums"),
            ("the verdict of a window", "verdict", "rule"),
            ("a window with its outcomes", "whole", "scipy"),
            ("the same of 16 judged together", "together", "whole"),
        ):
            times = f"{cost[one] / cost[beside]:6.2f} x {beside} ({cost[beside]:.3f} ms)"
            print(f"{name}: {what:<27} {cost[one]:7.3f} ms, {times}")


def features_of_a_window() -> None:
    """Print what a feature of a quiet day without outcomes costs, of 20 and of 200, sixteen windows together."""
    cost: dict[int, list[float]] = {FEATURES: [], 10 * FEATURES: []}
    asked = {}
    for features in cost:
        columns: Any = {"score": "score", "time": "time", "model": "m", "task": "binary"}
        frames = [dated_rows(days, 0.0, 40 + days, features=features) for days in (DAYS, DAY_WINDOWS)]
        named = {"features": [f"x{at}" for at in range(features)], **columns}
        reference, (table, *_) = Baseline.from_frame(frames[0], **named), table_from_frame(frames[1], **named)
        day = (frames[1]["time"].astype(np.int64) // DAY).astype(np.int64)
        panes = fold_by(table, reference.bins, day, DAY_WINDOWS)
        windows = [Window("1d", at * DAY, (at + 1) * DAY) for at in range(DAY_WINDOWS)]
        asked[features] = [
            AskedWindow(ModelWindow(table.key, window, pane), Reference(reference))
            for window, pane in zip(windows, panes, strict=True)
        ]
    for _ in range(ROUNDS):
        for features, times in cost.items():
            vars(walks)["_ks_walk"].cache_clear()
            times.append(1e6 * cpu_seconds(lambda of=features: judge_windows(asked[of])) / DAY_WINDOWS / features)  # type: ignore[misc]
    few, many = (statistics.median(times) for times in cost.values())
    print(f"a feature of {10 * FEATURES}: {many:.0f} µs, {many / few:.2f} x one of {FEATURES} ({few:.0f} µs)")


def seconds_within(places: Sequence[tuple[ModuleType, str]], job: Callable[[], object]) -> float:
    """Return the CPU time that a job spends in some functions, each named in its module."""
    spent = 0.0

    def timed(function: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            nonlocal spent
            began = time.thread_time()
            found = function(*arguments)
            spent += time.thread_time() - began
            return found

        return call

    before = [vars(module)[name] for module, name in places]
    for (module, name), function in zip(places, before, strict=True):
        setattr(module, name, timed(function))
    job()
    for (module, name), function in zip(places, before, strict=True):
        setattr(module, name, function)
    return spent


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
            measured[name].append(cpu_seconds(job))
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
    parts_of_judging()
    features_of_a_window()
    return int(ratio > LIMIT or dear)


if __name__ == "__main__":
    sys.exit(main())
