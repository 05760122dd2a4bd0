"""The tables of evidence/quality.json: false alarms, power, and drift that is no fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.fold import fold, fold_by
from driftline.tables.table import F64, PredictionTable
from driftline_processor.core.judge_window import ModelWindow, judge_window
from driftline_processor.core.quality.judge import quality
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.windows.window import Window

from simulations.frame import Figures, Random, Row, Table, markdown
from tests.support import planted_faults as planted

Frame = dict[str, Any]


def awkward(n: int, rng: Random) -> Frame:
    """Return n rows of fourteen features that are hard to judge, and a score."""
    zipf = 1 / np.arange(1, 301)
    frame: Frame = {
        "normal": rng.normal(50, 10, n),
        "lognormal": rng.lognormal(3, 2, n),
        "cauchy": rng.standard_cauchy(n),
        "poisson": rng.poisson(3, n).astype(np.float64),
        "geometric": rng.geometric(0.02, n).astype(np.float64),
        "zero-inflated": np.where(rng.random(n) < 0.8, 0, rng.exponential(100, n)),
        "rare flag": (rng.random(n) < 0.01).astype(np.float64),
        "sentinel": np.where(rng.random(n) < 0.03, -1, rng.normal(500, 50, n)),
        "zipf": rng.choice([f"c{at}" for at in range(300)], n, p=zipf / zipf.sum()).astype(object),
        "rare categories": rng.choice(["a", "b", "c"], n, p=[0.98, 0.015, 0.005]).astype(object),
        "identifier": np.array([f"u{at}" for at in rng.integers(0, 2_000, n)], object),
        "year": rng.integers(1990, 2025, n).astype(np.float64),
        "close": 1e6 + rng.normal(0, 1e-3, n),
        "negative": -rng.lognormal(1, 1, n),
        "score": rng.random(n),
    }
    for name, share, missing in (("normal", 0.02, np.nan), ("lognormal", 0.3, np.nan), ("zipf", 0.05, None)):
        frame[name][rng.random(n) < share] = missing
    return frame


def table(frame: Frame) -> PredictionTable:
    return table_from_frame(frame, score="score", model="m", task="binary", text_features=())[0]


def built(frame: Frame) -> Baseline:
    return Baseline.from_frame(frame, score="score", model="m", task="binary", text_features=())


def quiet(reference: int, size: int) -> Callable[[int, Random], Figures]:
    """Return in how many windows, in which nothing changed, there is a finding."""

    def measure(windows: int, rng: Random) -> Figures:
        found = 0
        for _ in range(4):
            baseline = built(awkward(reference, rng))
            group = np.repeat(np.arange(windows // 4), size)
            read = table(awkward(size * (windows // 4), rng))
            panes = fold_by(read, baseline.bins, group, windows // 4)
            counted = planted.count_windows(read, windows // 4, baseline)
            again = [None, *(one.recurrence(before) for before, one in pairwise(counted))]
            found += sum(
                bool(quality(pane, baseline, counted[at].result(), recurrences=again[max(0, at - 1) : at + 1][::-1]))
                for at, pane in enumerate(panes)
            )
        return {"windows": windows // 4 * 4, "found": found}

    return measure


def clustered(key: str) -> Callable[[int, Random], Figures]:
    """Return the same of windows of customers, a tenth of whom lacks a feature; ``key``: "" = not named."""

    def measure(windows: int, rng: Random) -> Figures:
        seeds = rng.integers(2**31, size=windows + 1).tolist()
        baseline = built({k: v for k, v in planted.customers(1_000, seeds[0]).items() if k != "customer"})
        found = 0
        for seed in seeds[1:]:
            read = table(planted.customers(50, seed))
            rows = ModelWindow(read.key, Window("", 0, 0), fold(read, baseline.bins, key))
            found += bool(judge_window(rows, Reference(baseline)).findings)
        return {"found": found}

    return measure


SIZES = (300, 1_000)


def fault(check: str, change: Callable[[Frame, Random], Frame]) -> Callable[[int, Random], Figures]:
    """Return the shares of windows of SIZES rows in which a planted fault is found, and nothing else."""

    def measure(windows: int, rng: Random) -> Figures:
        start = int(rng.integers(2**20))
        baselines = [
            Baseline.from_frame(planted.rows(20_000, start + at), score="score", model="m", task="binary")
            for at in range(4)
        ]
        found = []
        for size in SIZES:
            right = 0
            for at in range(windows):
                whole = change(planted.rows(planted.N, start + 4 + at), rng)
                drawn = rng.permutation(planted.N)[:size]
                if check == "duplicates":
                    drawn = np.concatenate([drawn[: size // 2], (drawn[: size // 2] + planted.N // 2) % planted.N])
                window = {column: values[drawn] for column, values in whole.items()}
                right += [one.check for one in planted.judged(window, baseline=baselines[at % 4])] == [check]
            found.append(right / windows)
        return {"found": found}

    return measure


SHAPES: dict[str, Callable[[Random, int], F64]] = {
    "normal": lambda rng, n: rng.normal(50, 10, n),
    "log-normal 0.5": lambda rng, n: rng.lognormal(3, 0.5, n),
    "log-normal 1": lambda rng, n: rng.lognormal(3, 1, n),
    "log-normal 2": lambda rng, n: rng.lognormal(3, 2, n),
    "exponential": lambda rng, n: rng.exponential(10, n),
    "uniform": lambda rng, n: rng.random(n) * 100,
    "Pareto": lambda rng, n: rng.pareto(1.2, n) + 1,
    "Cauchy": lambda rng, n: rng.standard_cauchy(n),
    "gamma": lambda rng, n: rng.gamma(0.3, 10, n),
    "counts": lambda rng, n: rng.poisson(4, n).astype(np.float64),
    "two peaks": lambda rng, n: np.where(rng.random(n) < 0.5, rng.normal(1, 0.1, n), rng.normal(10, 1, n)),
}


def preferred(prefer: float) -> Callable[[F64, Random], F64]:
    """Draw values again; ``prefer``: rise of the logarithm of their weight per standard deviation of the values."""

    def draw(x: F64, rng: Random) -> F64:
        weight = np.exp(prefer * np.clip((x - np.mean(x)) / np.std(x), -2, 2))
        return rng.choice(x, len(x), p=weight / weight.sum())

    return draw


DRIFTS: dict[str, Callable[[F64, Random], F64]] = {
    "moved by 0.2 standard deviations": lambda x, _: x + 0.2 * np.std(x),
    "moved by 1 standard deviation": lambda x, _: x + np.std(x),
    "other rows, large values preferred": preferred(0.5),
    "other rows, small values preferred": preferred(-1.0),
    "to the power 1.2": lambda x, _: np.sign(x) * np.abs(x) ** 1.2,
    "a tenth of the values times 3": lambda x, rng: np.where(rng.random(len(x)) < 0.1, x * 3, x),
    "a third of the values times 5": lambda x, rng: np.where(rng.random(len(x)) < 1 / 3, x * 5, x),
    "a third of the values divided by 3": lambda x, rng: np.where(rng.random(len(x)) < 1 / 3, x / 3, x),
    "the greatest tenth times 4": lambda x, _: np.where(x > np.quantile(x, 0.9), x * 4, x),
    "times 1.5, another unit or growth": lambda x, _: x * 1.5,
    "divided by 2, another unit or less": lambda x, _: x / 2,
    "times 7.46, another currency": lambda x, _: x * 7.46,
    "times 150, another currency": lambda x, _: x * 150,
}


def drifting(change: Callable[[F64, Random], F64]) -> Callable[[int, Random], Figures]:
    """Return of how many features that drift it is said that a unit changed, or that two were swapped."""

    def measure(windows: int, rng: Random) -> Figures:
        bases = [
            built({**{name: draw(rng, 20_000) for name, draw in SHAPES.items()}, "score": rng.random(20_000)})
            for _ in range(3)
        ]
        severities = list[str]()
        for at in range(windows):
            n = (500, 5_000)[at % 2]
            frame = {name: change(draw(rng, n), rng) for name, draw in SHAPES.items()}
            baseline = bases[at % 3]
            findings = quality(fold(table({**frame, "score": rng.random(n)}), baseline.bins), baseline)
            severities += [one.severity for one in findings if one.check in ("unit_change", "swapped")]
        minor = severities.count("minor")
        return {"features": windows * len(SHAPES), "found": len(severities), "grave": len(severities) - minor}

    return measure


QUIET = {
    f"wrong-{reference}-{size}": (f"{size:,}, 14 awkward features", reference, size, windows)
    for reference in (1_000, 20_000)
    for size, windows in ((50, 400), (300, 400), (3_000, 100))
}
CLUSTERED = {"wrong-keyless": ("without a key", ""), "wrong-keyed": ("with a key", "customer")}


def text(figures: Mapping[str, Figures]) -> str:
    """Return the three tables."""
    quiet_lines = [
        [f"`{name}`", what, f"{reference:,}", f"{figures[name]['windows']:,}", f"{figures[name]['found']:,}"]
        for name, (what, reference, _, _) in QUIET.items()
    ]
    for name, (how, _) in CLUSTERED.items():
        what = f"50 customers × 20, 5 features, a tenth lacks one; {how}"
        quiet_lines.append(
            [f"`{name}`", what, "20,000", f"{figures[name]['windows']:,}", f"{figures[name]['found']:,}"]
        )
    faults = [
        [f"`{check}`: {name}", *(f"{share:.0%}".replace("%", " %") for share in figures[f"fault: {name}"]["found"])]
        for name, (check, _, _) in planted.PLANTED.items()
    ]
    drifts = [
        [name, *(f"{figures[f'drift: {name}'][figure]:,}" for figure in ("features", "found", "grave"))]
        for name in DRIFTS
    ]
    return "\n".join(
        [
            markdown(
                ["row", "nothing changed: rows of the window", "reference", "windows", "with a finding"], quiet_lines
            ),
            markdown(["planted in a window of 10 features", *(f"{size:,} rows" for size in SIZES)], faults),
            markdown(
                [
                    "drift of eleven shapes of numbers",
                    "features",
                    "taken for another unit or place",
                    "of these major or critical",
                ],
                drifts,
            ),
        ]
    )


def _rows() -> list[Row]:
    rows = [Row(name, quiet(reference, size), windows) for name, (_, reference, size, windows) in QUIET.items()]
    rows += [Row(name, clustered(key), 200) for name, (_, key) in CLUSTERED.items()]
    rows += [Row(f"fault: {name}", fault(check, change), 20) for name, (check, change, _) in planted.PLANTED.items()]
    return rows + [Row(f"drift: {name}", drifting(change), 12) for name, change in DRIFTS.items()]


QUALITY = Table("quality", {row.name: row for row in _rows()}, text)
