"""The tables of docs/quality.md: false alarms, power, and drift that is no fault. Takes about two minutes of CPU.

    python -m tests.benchmarks.simulate_quality [--write]

``--write`` puts them into the page, between its two marks; else they are printed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from driftline.baseline import Baseline
from driftline.fold import fold, fold_by
from driftline.profile import table_from_frame
from driftline.tables import F64, PredictionTable
from driftline_processor.core.evaluate import evaluate
from driftline_processor.core.evaluation import Window
from driftline_processor.core.quality import quality

from tests.core import test_quality as planted

PAGE = Path(__file__).parents[2] / "docs" / "quality.md"
BEGIN, END = (
    "<!-- simulated: python -m tests.benchmarks.simulate_quality --write -->",
    "<!-- end of what is simulated -->",
)

Random = np.random.Generator
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
        "rare labels": rng.choice(["a", "b", "c"], n, p=[0.98, 0.015, 0.005]).astype(object),
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


def quiet() -> list[str]:
    """Windows in which nothing changed."""
    lines = ["| nothing changed: rows of the window | reference | windows | with a finding |", "|---|---|---|---|"]
    for reference in (1_000, 20_000):
        for size, windows in ((50, 400), (300, 400), (3_000, 100)):
            found = 0
            for seed in range(4):
                rng = np.random.default_rng([seed, reference, size])
                baseline = built(awkward(reference, rng))
                group = np.repeat(np.arange(windows // 4), size)
                panes = fold_by(table(awkward(size * windows // 4, rng)), baseline.bins, group, windows // 4)
                found += sum(
                    bool(quality(pane, baseline, panes[max(0, at - 2) : at][::-1])) for at, pane in enumerate(panes)
                )
            lines.append(f"| {size:,}, 14 awkward features | {reference:,} | {windows} | {found} |")
    for key in ("", "customer"):
        baseline = built({k: v for k, v in planted.customers(1_000, 1).items() if k != "customer"})
        found = 0
        for seed in range(200):
            read = table(planted.customers(50, 500 + seed))
            found += bool(evaluate(fold(read, baseline.bins, key), baseline, read.key, Window("", 0, 0), True).findings)
        told = "with" if key else "without"
        lines.append(f"| 50 customers × 20, 5 features, a tenth lacks one; {told} a key | 20,000 | 200 | {found} |")
    return lines


def faults() -> list[str]:
    """Planted faults, found and nothing else."""
    sizes = (300, 1_000)
    runs = 20
    head = " | ".join(f"{size:,} rows" for size in sizes)
    lines = [f"| planted in a window of 10 features | {head} |", "|---|---|---|"]
    baselines = [
        Baseline.from_frame(planted.rows(20_000, 900 + at), score="score", model="m", task="binary") for at in range(4)
    ]
    for name, (check, change, _) in planted.PLANTED.items():
        shares = []
        for size in sizes:
            found = 0
            for seed in range(runs):
                whole = change(planted.rows(planted.N, seed), np.random.default_rng(seed))
                drawn = np.random.default_rng(seed).permutation(planted.N)[:size]
                if check == "duplicates":
                    drawn = np.concatenate([drawn[: size // 2], (drawn[: size // 2] + planted.N // 2) % planted.N])
                window = {column: values[drawn] for column, values in whole.items()}
                found += [one.check for one in planted.judged(window, baseline=baselines[seed % 4])] == [check]
            shares.append(f"{found / runs:.0%}".replace("%", " %"))
        lines.append(f"| `{check}`: {name} | {' | '.join(shares)} |")
    return lines


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
DRIFTS: dict[str, Callable[[F64, Random], F64]] = {
    "moved by 0.2 standard deviations": lambda x, _: x + 0.2 * np.std(x),
    "times 1.2, 1.5, 2, 3 or 5": lambda x, rng: x * rng.choice([1.2, 1.5, 2, 3, 5]),
    "divided by 2, 3 or 5": lambda x, rng: x / rng.choice([2, 3, 5]),
    "to the power 1.2": lambda x, _: np.sign(x) * np.abs(x) ** 1.2,
    "a tenth of the values times 3": lambda x, rng: np.where(rng.random(len(x)) < 0.1, x * 3, x),
    "a third of the values times 5": lambda x, rng: np.where(rng.random(len(x)) < 1 / 3, x * 5, x),
    "a third of the values divided by 3": lambda x, rng: np.where(rng.random(len(x)) < 1 / 3, x / 3, x),
    "the greatest tenth times 4": lambda x, _: np.where(x > np.quantile(x, 0.9), x * 4, x),
    "times 8 or 12": lambda x, rng: x * rng.choice([8, 12]),
    "times 70": lambda x, _: x * 70,
}


def drifts() -> list[str]:
    """Drift that is no change of a unit."""
    lines = ["| drift of eleven shapes of numbers | features | taken for another unit or place |", "|---|---|---|"]
    bases = [
        built({**{name: draw(rng, 20_000) for name, draw in SHAPES.items()}, "score": rng.random(20_000)})
        for rng in (np.random.default_rng(seed) for seed in range(3))
    ]
    for said, drift in DRIFTS.items():
        wrong = looked_at = 0
        for seed in range(12):
            rng = np.random.default_rng(seed)
            n = (500, 5_000)[seed % 2]
            frame = {name: drift(draw(rng, n), rng) for name, draw in SHAPES.items()}
            baseline = bases[seed % 3]
            findings = quality(fold(table({**frame, "score": rng.random(n)}), baseline.bins), baseline)
            wrong += sum(one.check in ("unit_change", "swapped") for one in findings)
            looked_at += len(SHAPES)
        lines.append(f"| {said} | {looked_at} | {wrong} |")
    return lines


def main() -> int:
    text = "\n\n".join("\n".join(lines) for lines in (quiet(), faults(), drifts()))
    if "--write" not in sys.argv:
        print(text)
        return 0
    page = PAGE.read_text(encoding="utf-8")
    before, after = page.partition(BEGIN)[0], page.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
