"""The claims of the documentation, each with the world that tries it, how many windows of it, and what is promised."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from .run import Counts, count, distance, incidents
from .worlds import ZIPF, Counted, Customers, Days, Stray, World, normal, unseen

Figures = Mapping[str, float]

THREE = np.array([0.6, 0.3, 0.1])
RARE = np.array([0.97, 0.02, 0.01])
QUARTER = 90 * 24
YEAR = 365 * 24


@dataclass(frozen=True)
class Claim:
    """One row of the table.

    ``name``: by which the documentation cites it. ``what``: was done. ``promised``: in words; ``kept``: whether figures
    keep it. ``measure``: figures from a number of windows and a seed; ``windows``: how many a full run has, ``short``
    one in the test suite, 0 = none. ``most``: alarms, ``least``: of what moved is found, where that is promised.
    """

    name: str
    what: str
    promised: str
    kept: Callable[[Figures], bool]
    measure: Callable[[int, int], Figures]
    windows: int
    short: int = 0
    most: float | None = None
    least: float | None = None


def _counted(world: World) -> Callable[[int, int], Figures]:
    def measure(windows: int, seed: int) -> Figures:
        found: Counts = count(world, windows, seed)
        return {
            "windows": windows,
            "alarm": found.alarm,
            "alone": found.alone / windows,
            "found": found.found / windows,
        }

    return measure


def _quiet(
    name: str,
    what: str,
    world: World,
    windows: int,
    short: int = 0,
    most: float | None = 0.013,
    alone: float = 0.0,
) -> Claim:
    promised = "" if most is None else f"alarm in at most {most * 100:.2g} %"
    promised += f", the test alone in at least {alone * 100:.2g} %" if alone else ""

    def kept(found: Figures) -> bool:
        return most is None or (found["alarm"] <= most and found["alone"] >= alone)

    return Claim(name, what, promised, kept, _counted(world), windows, short, most=most)


def _power(name: str, what: str, world: World, short: int = 0, least: float = 0.95) -> Claim:
    promised = f"found in at least {least * 100:.0f} %" if least else "not detectable"
    measure = _counted(world)
    return Claim(name, what, promised, lambda found: found["found"] >= least, measure, 1_000, short, least=least)


def _rate(name: str, what: str, world: Counted | Customers, models: int) -> Claim:
    def measure(hours: int, seed: int) -> Figures:
        drifted, began = incidents(world, models, hours, seed)
        windows = models * hours
        quarters = windows / QUARTER
        return {"windows": windows, "models": models, "alarm": drifted / windows, "a quarter": began / quarters}

    promised = "at most 1 false incident per model in 90 days"
    return Claim(name, what, promised, lambda found: found["a quarter"] <= 1, measure, YEAR)


def _stray(name: str, what: str, *, stray: bool) -> Claim:
    def measure(_windows: int, _seed: int) -> Figures:
        found = distance(Stray(stray))
        return {"windows": 1, "found": float(found.state == "drift"), "value": found.methods["ks"].value or 0.0}

    def kept(found: Figures) -> bool:
        return found["found"] == 1 and abs(found["value"] - 0.38) < 0.01

    return Claim(name, what, "drift, KS 0.38", kept, measure, 1, 1)


def _independent() -> Iterator[Claim]:
    for rows in (50, 200, 1_000, 10_000):
        for features, windows, short in ((1, 10_000, 100), (20, 10_000, 25), (200, 2_000, 0)):
            what = f"{features} number{'s' if features > 1 else ''}, {rows:,} rows"
            alone = 0.003 if rows >= 1_000 else 0.0
            world = Counted(rows, features)
            yield _quiet(f"quiet-{rows}-{features}", what, world, windows, short, alone=alone)
    for rows in (50, 200, 1_000):
        what = f"20 numbers that correlate at 0.9, {rows:,} rows"
        yield _quiet(f"alike-{rows}", what, Counted(rows, alike=0.9), 4_000, 20)
    labels = {"three": (THREE, "3 labels (.6 .3 .1)"), "rare": (RARE, "3 labels (.97 .02 .01)")}
    labels["zipf"] = (ZIPF, "100 labels (Zipf)")
    for name, (shares, some) in labels.items():
        for rows in (50, 200, 1_000, 10_000):
            what = f"20 categories of {some}, {rows:,} rows"
            yield _quiet(f"{name}-{rows}", what, Counted(rows, shares=shares), 5_000, 10 if name == "zipf" else 25)


def _detected() -> Iterator[Claim]:
    cases = ((0.2, 1_000, 1), (0.2, 1_000, 20), (0.2, 1_300, 200), (0.5, 200, 200), (1.0, 50, 200))
    for shift, rows, features in cases:
        what = f"{f'one of {features} numbers' if features > 1 else 'a number'} moved by {shift} σ, {rows:,} rows"
        world = Counted(rows, features, moved=normal(shift))
        yield _power(f"moved-{shift}-{rows}-{features}", what, world, 3 if features > 20 else 20)
    yield _power(
        "moved-0.5-50-20", "one of 20 numbers moved by 0.5 σ, 50 rows", Counted(50, moved=normal(0.5)), least=0
    )
    for name, quiet in (("three", THREE), ("zipf", ZIPF)):
        for share, rows in ((0.2, 50), (0.05, 200), (0.01, 1_000), (0.005, 10_000)):
            shares, moved = unseen(quiet, share)
            what = f"a label never seen before in {share * 100:.2g} % of {rows:,} rows, beside {len(quiet)} labels"
            yield _power(f"unseen-{name}-{rows}", what, Counted(rows, shares=shares, moved=moved), 10)


def _dependent() -> Iterator[Claim]:
    for alike in (0.1, 0.5, 0.9):
        what = f"50 customers × 20 rows, ICC {alike}"
        one, many = Customers(alike, known=True), Customers(alike, known=True, features=20)
        yield _quiet(f"customers-{alike}", f"{what}, with a key", one, 10_000, 60, most=0.02)
        yield _quiet(f"customers-{alike}-20", f"{what}, 20 numbers, with a key", many, 2_000, 5, most=0.02)
        yield _quiet(f"keyless-{alike}", f"{what}, without a key", replace(one, known=False), 5_000, most=None)
    for days in (1, 7):
        what = f"{days} day{'s' if days > 1 else ''} of rows that correlate by day at 0.5, a day with the last at 0.7"
        yield _quiet(f"days-{days}", what, Days(0.5, days=days), 5_000, 50, most=0.02)
        yield _quiet(f"days-{days}-20", f"{what}; 20 numbers", Days(0.5, days=days, features=20), 1_000, 5, most=0.02)


def _claims() -> Iterator[Claim]:
    yield from _independent()
    yield from _detected()
    yield from _dependent()
    yield _rate("rate", "hourly windows of 1,000 rows, 20 independent numbers", Counted(1_000), 50)
    customers = Customers(0.3, known=True, features=20)
    yield _rate(
        "rate-alike", "hourly windows of 50 customers × 20 rows, ICC 0.3, 20 numbers, with a key", customers, 50
    )
    yield _stray("clean", "one number moved by 1 σ; reference of 50,000 rows", stray=False)
    yield _stray("stray", "the same, and one of the 50,000 is 1e9", stray=True)


CLAIMS: dict[str, Claim] = {claim.name: claim for claim in _claims()}
