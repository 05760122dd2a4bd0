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
from driftline_processor.core.estimate.sums import score_parts
from driftline_processor.core.evaluation import Finding
from driftline_processor.core.quality.judge import quality

N = 2_000
Frame = dict[str, Any]
Change = Callable[[Frame, np.random.Generator], Frame]


def rows(n: int, seed: int) -> Frame:
    """Return n rows of a healthy model."""
    rng, more = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    frame: Frame = {
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
    frame["waist"] = 0.9 * frame["weight"] + more.normal(20, 6, n)
    frame["hips"] = 0.7 * frame["weight"] + more.normal(45, 5, n)
    frame["hour"] = np.minimum(23.0, np.floor(24 * more.beta(4, 3, n)))
    frame["hour"][:24] = np.arange(24)[:n]
    return frame


def table(frame: Frame) -> PredictionTable:
    """Return rows as predictions."""
    return table_from_frame(frame, score="score", model="m", task="binary")[0]


REFERENCE = Baseline.from_frame(rows(20_000, 1), score="score", model="m", task="binary")


def judged(frame: Frame, earlier: tuple[Frame, ...] = (), baseline: Baseline = REFERENCE) -> tuple[Finding, ...]:
    """Return the findings in a window; ``earlier``: the windows before it, last first."""
    read = table(frame)
    counted = [count_windows(table(one), 1, baseline)[0] for one in (frame, *earlier)]
    again = [one.recurrence(before) for one, before in pairwise(counted)]
    pane = fold(read, baseline.bins)
    for part in score_parts(read, np.zeros(len(read), np.int64)):
        pane.parts[part.part] = part.dense(1)[0]
    return quality(pane, baseline, counted[0].result(), recurrences=again)


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


def facts(severity: str, features: tuple[str, ...], now: float, was: float, **more: Any) -> dict[str, Any]:
    """Return what is to be found, as :func:`facts_of` returns it."""
    return {"severity": severity, "features": features, "now": now, "was": was, **more}


def facts_of(finding: Finding) -> dict[str, Any]:
    """Return the values of a finding of which its sentence is made, fractions with four digits."""
    details = (
        "category",
        "low",
        "high",
        "side",
        "high_outside",
        "factors",
        "units",
        "sources",
        "hours",
        "given",
        "without_zero",
        "numbers",
    )
    values = {name: getattr(finding, name) for name in details}
    more = {name: round(value, 5) for name, value in values.items() if isinstance(value, float)}
    more |= {name: value for name, value in values.items() if value and not isinstance(value, float)}
    now, was = round(finding.now or 0.0, 4), round(finding.was or 0.0, 4)
    return facts(finding.severity, finding.features, now, was, **more)


COLUMNS = ("income", "age", "height", "weight")

PLANTED: dict[str, tuple[str, Change, dict[str, Any]]] = {
    "scores as percent": (
        "score_out_of_range",
        lambda f, _: {**f, "score": f["score"] * 100},
        facts("critical", (), 0.988, 0.0),
    ),
    "classes as scores": (
        "score_classes",
        lambda f, _: {**f, "score": np.where(f["score"] > 0.5, 1.0, 0.0)},
        facts("critical", (), 1.0, 0.002),
    ),
    "one score": (
        "score_constant",
        lambda f, _: {**f, "score": np.where(np.arange(N) % 50 == 0, f["score"], 0.5)},
        facts("critical", (), 0.98, 0.01, low=0.5, high=0.50195),
    ),
    "a tenth missing": (
        "missing",
        lambda f, _: some(f, "age", 200, lambda v: np.full(len(v), np.nan)),
        facts("major", ("age",), 0.1, 0.0),
    ),
    "never arrived": (
        "missing",
        lambda f, _: {**f, "plan": np.full(N, None)},
        facts("critical", ("plan",), 1.0, 0.0),
    ),
    "a new category": (
        "unseen",
        lambda f, _: some(f, "plan", 60, lambda v: np.full(len(v), "gold", object)),
        facts("minor", ("plan",), 0.03, 0.0),
    ),
    "a new number between the old ones": (
        "unseen",
        lambda f, _: some(f, "active", 100, lambda v: np.full(len(v), 0.5)),
        facts("major", ("active",), 0.05, 0.0, numbers=True),
    ),
    "beyond the greatest": (
        "out_of_range",
        lambda f, _: some(f, "share", 60, lambda v: v + 3),
        facts("minor", ("share",), 0.0315, 0.002, low=0.0078, high=0.816, high_outside=True),
    ),
    "texts for numbers": (
        "type_change",
        lambda f, _: {**f, "age": np.array([f"{v:.1f}" for v in f["age"]], object)},
        facts("critical", ("age",), 1.0, 0.0, given="number_in_text"),
    ),
    "junk for numbers": (
        "type_change",
        lambda f, _: some({**f, "age": f["age"].astype(object)}, "age", 400, lambda v: np.full(len(v), "?", object)),
        facts("major", ("age",), 0.2, 0.0, given="text"),
    ),
    "numbers for texts": (
        "type_change",
        lambda f, rng: {**f, "plan": rng.integers(0, 3, N).astype(np.float64)},
        facts("critical", ("plan",), 1.0, 0.0, given="number"),
    ),
    "one category": (
        "constant",
        lambda f, _: {**f, "plan": np.full(N, "pro", object)},
        facts("critical", ("plan",), 1.0, 0.2983, category="pro"),
    ),
    "one number": (
        "constant",
        lambda f, _: {**f, "visits": np.zeros(N)},
        facts("critical", ("visits",), 1.0, 0.0487, low=0.0, high=0.0),
    ),
    "a hundred times": (
        "unit_change",
        lambda f, _: {**f, "income": f["income"] * 100},
        facts("critical", ("income",), 1.0, 0.0, factors=(100.0,)),
    ),
    "years in months": (
        "unit_change",
        lambda f, _: {**f, "age": f["age"] * 12},
        facts("critical", ("age",), 1.0, 0.0, factors=(12.0,)),
    ),
    "a thousandth": (
        "unit_change",
        lambda f, _: {**f, "height": f["height"] / 1000},
        facts("critical", ("height",), 1.0, 0.0, factors=(0.001,)),
    ),
    "ten times, but for zeros": (
        "unit_change",
        lambda f, _: {**f, "visits": f["visits"] * 10},
        facts("critical", ("visits",), 1.0, 0.0, factors=(10.0,), without_zero=True),
    ),
    "shares as percent in a third of the rows": (
        "unit_change",
        lambda f, _: some(f, "share", 660, lambda v: v * 100),
        facts("major", ("share",), 0.33, 0.0, factors=(100.0,)),
    ),
    "height in inches": (
        "unit_change",
        lambda f, _: {**f, "height": f["height"] / 2.54},
        facts("critical", ("height",), 1.0, 0.0, factors=(1 / 2.54,), units=("cm to inch",)),
    ),
    "income as its logarithm": (
        "unit_change",
        lambda f, _: {**f, "income": np.log(f["income"])},
        facts("critical", ("income",), 1.0, 0.0, units=("natural logarithm", "logarithm of 1 + x")),
    ),
    "°C in K": (
        "unit_change",
        lambda f, _: {**f, "age": f["age"] + 273.15},
        facts("critical", ("age",), 1.0, 0.0, units=("°C to K",)),
    ),
    "columns shifted by one": (
        "misplaced",
        lambda f, _: {**f, **{a: f[b] for a, b in zip(COLUMNS, (*COLUMNS[1:], COLUMNS[0]), strict=True)}},
        facts("critical", COLUMNS, 1.0, 0.0, sources=(*COLUMNS[1:], COLUMNS[0])),
    ),
    "a copy of another column": (
        "copied",
        lambda f, _: {**f, "share": f["waist"]},
        facts("critical", ("share",), 1.0, 0.0, sources=("waist",)),
    ),
    "joined to the next row": (
        "unlinked",
        lambda f, _: {**f, "waist": np.roll(f["waist"], 1)},
        facts("critical", ("waist",), 0.0, 1.0),
    ),
    "another time zone": (
        "hours_shifted",
        lambda f, _: {**f, "hour": (f["hour"] + 5) % 24},
        facts("critical", ("hour",), 1.0, 0.0, hours=5),
    ),
    "zero for half of the values": (
        "pile_up",
        lambda f, _: some(f, "income", 1_000, np.zeros_like),
        facts("critical", ("income",), 0.5, 0.0, low=0.0, high=0.0),
    ),
    "a sentinel": (
        "pile_up",
        lambda f, _: some(f, "share", 400, lambda v: np.full(len(v), -999.0)),
        facts("major", ("share",), 0.2, 0.0, low=-999.0, high=-999.0),
    ),
    "the mean in place of missing values": (
        "pile_up",
        lambda f, _: some(f, "income", 800, lambda v: np.full(len(v), 25_000.0)),
        facts("major", ("income",), 0.404, 0.01, low=24895.38208, high=25228.77269),
    ),
    "a limit": (
        "pile_up",
        lambda f, _: {**f, "income": np.minimum(f["income"], 25_000.0)},
        facts("major", ("income",), 0.371, 0.01, low=24895.38208, high=25228.77269, side="above"),
    ),
    "the opposite sign": (
        "unit_change",
        lambda f, _: {**f, "age": -f["age"]},
        facts("critical", ("age",), 1.0, 0.0, factors=(-1.0,)),
    ),
    "other names": (
        "recoded",
        lambda f, _: {**f, "region": np.array([f"{name[0]}.".upper() for name in f["region"]], object)},
        facts("critical", ("region",), 1.0, 0.0),
    ),
    "a flag as yes and no": (
        "recoded",
        lambda f, _: {**f, "active": np.where(f["active"] == 1, "yes", "no").astype(object)},
        facts("critical", ("active",), 1.0, 0.0),
    ),
    "two numbers": (
        "swapped",
        swapped("height", "weight"),
        facts("critical", ("height", "weight"), 1.0, 0.0),
    ),
    "two categories": (
        "swapped",
        swapped("plan", "region"),
        facts("critical", ("plan", "region"), 1.0, 0.0),
    ),
    "a number and a category": (
        "swapped",
        swapped("age", "plan"),
        facts("critical", ("age", "plan"), 1.0, 0.0),
    ),
    "every row twice": (
        "duplicates",
        lambda f, _: {name: np.concatenate([v[: N // 2], v[: N // 2]]) for name, v in f.items()},
        facts("critical", (), 0.5, 0.0),
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
