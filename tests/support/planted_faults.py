"""Rows with a known fault of their data, and what is found in them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.baseline.sections.duplicate_rows import Counting, fingerprints
from driftline.panes.fold import fold
from driftline.tables.table import PredictionTable
from driftline_processor.core.evaluation import Finding
from driftline_processor.core.quality import quality

N = 2_000
Frame = dict[str, Any]
Change = Callable[[Frame, np.random.Generator], Frame]


def rows(n: int, seed: int) -> Frame:
    """Return n rows of a healthy model."""
    rng = np.random.default_rng(seed)
    return {
        "income": rng.lognormal(10, 0.5, n),
        "age": rng.normal(40, 12, n),
        "height": rng.normal(170, 10, n),
        "weight": rng.normal(70, 12, n),
        "share": rng.beta(2, 5, n),
        "visits": rng.poisson(3, n).astype(np.float64),
        "active": rng.integers(0, 2, n).astype(np.float64),
        "plan": rng.choice(["basic", "pro", "team"], n, p=[0.6, 0.3, 0.1]).astype(object),
        "region": rng.choice(["north", "south", "east", "west"], n).astype(object),
        "score": rng.random(n),
    }


def table(frame: Frame) -> PredictionTable:
    """Return rows as predictions."""
    return table_from_frame(frame, score="score", model="m", task="binary")[0]


REFERENCE = Baseline.from_frame(rows(20_000, 1), score="score", model="m", task="binary")


def judged(frame: Frame, earlier: tuple[Frame, ...] = (), baseline: Baseline = REFERENCE) -> tuple[Finding, ...]:
    """Return the findings in a window; ``earlier``: the windows before it, last first."""
    read = table(frame)
    counted = [count_windows(table(one), 1, baseline)[0] for one in (frame, *earlier)]
    again = [one.recurrence(before) for one, before in pairwise(counted)]
    return quality(fold(read, baseline.bins), baseline, counted[0].result(), recurrences=again)


def count_windows(read: PredictionTable, windows: int, baseline: Baseline = REFERENCE) -> list[Counting]:
    """Return the fingerprints of so many windows of equally many rows."""
    counted = [Counting() for _ in range(windows)]
    prints = fingerprints(read.features, baseline.bins.features, len(read))
    for counting, some in zip(counted, np.split(prints, windows), strict=True):
        counting.add(some)
    return counted


def some(frame: Frame, name: str, n: int, change: Callable[[Any], Any]) -> Frame:
    """Return rows of which the first n have another value of one feature."""
    values = frame[name].copy()
    values[:n] = change(values[:n])
    return {**frame, name: values}


def swapped(a: str, b: str) -> Change:
    """Return the fault that two features are exchanged."""
    return lambda frame, _: {**frame, a: frame[b], b: frame[a]}


PLANTED: dict[str, tuple[str, Change, str]] = {
    "a tenth missing": (
        "missing",
        lambda f, _: some(f, "age", 200, lambda v: np.full(len(v), np.nan)),
        "[major] age: 10 % of values are missing (was 0 %)",
    ),
    "never arrived": (
        "missing",
        lambda f, _: {**f, "plan": np.full(N, None)},
        "[critical] plan never arrived (before, 0 % of its values were missing)",
    ),
    "a new category": (
        "unseen",
        lambda f, _: some(f, "plan", 60, lambda v: np.full(len(v), "gold", object)),
        "[minor] plan: 3 % of values are categories that the baseline did not have, or only in a few rows (was 0 %)",
    ),
    "a new number between the old ones": (
        "unseen",
        lambda f, _: some(f, "active", 100, lambda v: np.full(len(v), 0.5)),
        "[major] active: 5 % of values were never seen in the baseline (was 0 %)",
    ),
    "beyond the greatest": (
        "out_of_range",
        lambda f, _: some(f, "share", 60, lambda v: v + 3),
        "[minor] share: 3.1 % of values lie above 0.8161 (before, 0.2 % lay outside 0.00775 to 0.8161)",
    ),
    "texts for numbers": (
        "type_change",
        lambda f, _: {**f, "age": np.array([f"{v:.1f}" for v in f["age"]], object)},
        "[critical] age: 100 % of values are numbers written as texts (was 0 %)",
    ),
    "junk for numbers": (
        "type_change",
        lambda f, _: some({**f, "age": f["age"].astype(object)}, "age", 400, lambda v: np.full(len(v), "?", object)),
        "[major] age: 20 % of values are texts where numbers belong (was 0 %)",
    ),
    "numbers for texts": (
        "type_change",
        lambda f, rng: {**f, "plan": rng.integers(0, 3, N).astype(np.float64)},
        "[critical] plan: 100 % of values are numbers where texts belong (was 0 %)",
    ),
    "one category": (
        "constant",
        lambda f, _: {**f, "plan": np.full(N, "pro", object)},
        "[critical] plan: every value is 'pro' (in the baseline 30 % were)",
    ),
    "one number": (
        "constant",
        lambda f, _: {**f, "visits": np.zeros(N)},
        "[critical] visits: every value is 0 (in the baseline 4.9 % were)",
    ),
    "a hundred times": (
        "unit_change",
        lambda f, _: {**f, "income": f["income"] * 100},
        "[critical] income: 99.98 % of values are 100 times what they were (unit change?)",
    ),
    "years in months": (
        "unit_change",
        lambda f, _: {**f, "age": f["age"] * 12},
        "[critical] age: 100 % of values are 12 times what they were (unit change?)",
    ),
    "a thousandth": (
        "unit_change",
        lambda f, _: {**f, "height": f["height"] / 1000},
        "[critical] height: 100 % of values are a thousandth of what they were (unit change?)",
    ),
    "ten times, but for zeros": (
        "unit_change",
        lambda f, _: {**f, "visits": f["visits"] * 10},
        "[critical] visits: 100 % of values other than 0 are 10 times what they were (unit change?)",
    ),
    "shares as percent in a third of the rows": (
        "unit_change",
        lambda f, _: some(f, "share", 660, lambda v: v * 100),
        "[major] share: 33 % of values are 100 times what they were (unit change?)",
    ),
    "two numbers": (
        "swapped",
        swapped("height", "weight"),
        "[critical] height and weight: 100 % of values stand in each other's column (swapped?)",
    ),
    "two categories": (
        "swapped",
        swapped("plan", "region"),
        "[critical] plan and region: 100 % of values stand in each other's column (swapped?)",
    ),
    "a number and a category": (
        "swapped",
        swapped("age", "plan"),
        "[critical] age and plan: 100 % of values stand in each other's column (swapped?)",
    ),
    "every row twice": (
        "duplicates",
        lambda f, _: {name: np.concatenate([v[: N // 2], v[: N // 2]]) for name, v in f.items()},
        "[critical] 50 % of rows repeat another row of the window in full (expected: 0 %)",
    ),
}


def customers(n: int, seed: int) -> Frame:
    """Return the rows of n customers, twenty each: alike in their values, and a tenth lacks one in all of them."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(n), 20)
    frame: Frame = {}
    for at in range(5):
        values = rng.normal(size=n)[who] + rng.normal(size=20 * n)
        values[(rng.random(n) < 0.1)[who]] = np.nan
        frame[f"x{at}"] = values
    return {**frame, "customer": rng.integers(0, 10**9, n).astype(str).astype(object)[who], "score": rng.random(20 * n)}
