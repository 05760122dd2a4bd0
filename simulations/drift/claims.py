"""The claims of the documentation, each with the world that tries it, how many windows of it, and what is promised."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from driftline_processor.core.drift.rule import drift

from simulations.drift.cold_start import Fresh, judged
from simulations.drift.counts import count, count_many, distance, incidents
from simulations.drift.dependent_windows import Lasting, worst
from simulations.drift.reference_bins import CODES, TAILS, Chosen
from simulations.drift.seasons import Hours
from simulations.drift.worlds import ZIPF, Counted, Customers, Days, Many, Stray, World, normal, unseen
from simulations.frame import Figures, Random, Row

THREE = np.array([0.6, 0.3, 0.1])
RARE = np.array([0.97, 0.02, 0.01])
QUARTER = 90 * 24
MODELS, YEAR = 50, 365 * 24
FULL, SOME = 10_000, 2_000
ALONE = 0.003


@dataclass(frozen=True)
class Claim(Row):
    """One row of the table.

    ``what``: was done. ``promised``: in words; ``kept``: whether figures keep it. ``short``: how many windows the test
    suite has, 0 = none. ``most``: alarms, ``least``: of what moved is found, where that is promised. ``world``: what
    peers are asked about, None where they are not.
    """

    what: str
    promised: str
    kept: Callable[[Figures], bool]
    short: int = 0
    most: float | None = None
    least: float | None = None
    world: World | Stray | None = None


def _counted(world: World) -> Callable[[int, Random], Figures]:
    if isinstance(world, Counted | Customers):
        many: Many = world
        return lambda windows, rng: count_many(many, windows, rng).figures()
    return lambda windows, rng: count(world, windows, rng).figures()


def _quiet(
    name: str,
    what: str,
    world: World,
    windows: int = FULL,
    short: int = 0,
    most: float | None = 0.013,
    alone: float = 0.0,
) -> Claim:
    """Return a claim about windows in which nothing changes; ``most`` None: no promise, only shown."""
    promised = "" if most is None else f"alarm in at most {most * 100:.2g} %"
    promised += f", the test alone in at least {alone * 100:.2g} %" if alone else ""

    def kept(found: Figures) -> bool:
        return most is None or bool(found["alarm"] <= most and found["alone"] >= alone)

    return Claim(name, _counted(world), windows, what, promised, kept, short, most=most, world=world)


def _power(name: str, what: str, world: World, short: int = 0, least: float = 0.95, windows: int = FULL) -> Claim:
    """Return a claim about windows in which the first feature changes; ``least`` 0: that is not detectable."""
    promised = f"found in at least {least * 100:.0f} %" if least else "not detectable"

    def kept(found: Figures) -> bool:
        return bool(found["found"] >= least)

    return Claim(name, _counted(world), windows, what, promised, kept, short, least=least, world=world)


def _rate(name: str, what: str, world: Many) -> Claim:
    def measure(windows: int, rng: Random) -> Figures:
        hours = max(1, windows // MODELS)
        drifted, began = incidents(world, MODELS, hours, rng)
        windows = MODELS * hours
        return {"windows": windows, "alarm": drifted / windows, "began": began, "a quarter": began / windows * QUARTER}

    promised = "at most 1 false incident per model in 90 days"
    kept: Callable[[Figures], bool] = lambda found: bool(found["a quarter"] <= 1)  # noqa: E731
    return Claim(name, measure, MODELS * YEAR, what, promised, kept, world=world)


def _stray(name: str, what: str, *, stray: bool) -> Claim:
    world = Stray(stray)

    def measure(_windows: int, _rng: Random) -> Figures:
        found = distance(world)
        return {"found": float(found.state == "drift"), "value": found.methods["ks"].value or 0.0}

    def kept(found: Figures) -> bool:
        return bool(found["found"] == 1 and abs(found["value"] - 0.38) < 0.01)

    return Claim(name, measure, 1, what, "drift, KS 0.38", kept, 1, world=world)


def _independent() -> Iterator[Claim]:
    for rows in (50, 200, 1_000, 10_000):
        for features, short in ((1, 500), (20, 100), (200, 10)):
            what = f"{features} number{'s' if features > 1 else ''}, {rows:,} rows"
            alone = ALONE if rows >= 1_000 else 0.0
            yield _quiet(f"quiet-{rows}-{features}", what, Counted(rows, features), FULL, short, alone=alone)
    for rows in (50, 200, 1_000, 10_000):
        for features in (20, 200):
            what = f"{features} numbers that correlate at 0.9, {rows:,} rows"
            alone = ALONE if rows >= 1_000 else 0.0
            yield _quiet(f"alike-{rows}-{features}", what, Counted(rows, features, alike=0.9), alone=alone)
    labels = {"three": (THREE, "3 categories (.6 .3 .1)"), "rare": (RARE, "3 categories (.97 .02 .01)")}
    labels["zipf"] = (ZIPF, "100 categories (Zipf)")
    for name, (shares, some) in labels.items():
        for rows in (50, 200, 1_000, 10_000):
            what = f"20 categorical features of {some}, {rows:,} rows"
            yield _quiet(f"{name}-{rows}", what, Counted(rows, shares=shares), FULL, 10 if name == "zipf" else 50)


def _chosen() -> Iterator[Claim]:
    said = "a reference of {:,} rows that chose its bins and categories itself, windows of {:,}: "
    mixed = "4 numbers and 16 categorical features of 100 to 400 categories"
    cases = [(1_000, rows) for rows in (50, 200, 1_000, 10_000)] + [(3_000, 10_000), (20_000, 1_000), (20_000, 10_000)]
    for reference, rows in cases:
        what = said.format(reference, rows)
        world = Chosen(reference, rows, (*TAILS, "number"), 4)
        short = 10 if reference + rows <= 2_000 else 0
        yield _quiet(f"chosen-{reference}-{rows}", what + mixed, world, SOME, short)
        if rows >= 1_000 and reference < 20_000:
            zipf = Chosen(reference, rows, ("zipf",), 20)
            yield _quiet(
                f"chosen-zipf-{reference}-{rows}", f"{what}20 categorical features of 100 categories (Zipf)", zipf, SOME
            )


def _codes() -> Iterator[Claim]:
    """Yield more codes than a baseline keeps: if too many rows have one of the others, no result is possible."""

    def measured(world: Chosen) -> Callable[[int, Random], Figures]:
        def measure(windows: int, rng: Random) -> Figures:
            drawn = islice(world.windows(rng), windows)
            states = [{one.state for one in drift(pane, baseline).features.values()} for pane, baseline, _ in drawn]
            alarm = sum("drift" in state for state in states) / windows
            return {
                "alarm": alarm,
                "alone": alarm,
                "unsure": sum("inconclusive" in state for state in states) / windows,
            }

        return measure

    for name, shares in CODES.items():
        what = "a reference of 20,000 rows that chose its categories itself, windows of 2,000: "
        what += f"5 features of {len(shares):,} codes ({name.rpartition('-')[0]})"
        world = Chosen(20_000, 2_000, (name,), 5)
        yield replace(_quiet(f"codes-{name}", what, world, 200), measure=measured(world))


def _detected() -> Iterator[Claim]:
    cases = ((0.2, 1_000, 1), (0.2, 1_000, 20), (0.2, 1_300, 200), (0.5, 200, 200), (1.0, 50, 200))
    for shift, rows, features in cases:
        what = f"{f'one of {features} numbers' if features > 1 else 'a number'} moved by {shift} σ, {rows:,} rows"
        world = Counted(rows, features, moved=normal(shift))
        yield _power(f"moved-{shift}-{rows}-{features}", what, world, 10 if features > 20 else 50)
    half = Counted(50, moved=normal(0.5))
    yield _power("moved-0.5-50-20", "one of 20 numbers moved by 0.5 σ, 50 rows", half, least=0)
    for name, shares in (("three", THREE), ("zipf", ZIPF)):
        for share, rows in ((0.2, 50), (0.05, 200), (0.01, 1_000), (0.005, 10_000)):
            before, moved = unseen(shares, share)
            what = (
                f"a category never seen before in {share * 100:.2g} % of {rows:,} rows, beside {len(shares)} categories"
            )
            yield _power(f"unseen-{name}-{rows}", what, Counted(rows, shares=before, moved=moved), 10)


def _dependent() -> Iterator[Claim]:
    for alike in (0.1, 0.5, 0.9):
        what = f"50 customers × 20 rows, ICC {alike}"
        one, many = Customers(alike, known=True), Customers(alike, known=True, features=20)
        yield _quiet(f"customers-{alike}", f"{what}, with a key", one, FULL, 60, most=0.02)
        yield _quiet(f"customers-{alike}-20", f"{what}, 20 numbers, with a key", many, FULL, 5, most=0.02)
        yield _quiet(f"keyless-{alike}", f"{what}, without a key", replace(one, known=False), most=None)
    for days in (1, 7):
        what = f"{days} day{'s' if days > 1 else ''} after 60 days of reference, ICC of days 0.5, "
        what += "autocorrelation 0.7"
        yield _quiet(f"days-{days}", what, Days(0.5, days=days), FULL, 20, most=0.02)
        yield _quiet(f"days-{days}-20", f"{what}; 20 numbers", Days(0.5, days=days, features=20), 2_000, most=0.02)


LENGTHS = (1, 6, 24, 48, 168)


def _lasting() -> Iterator[Claim]:
    for reference in (7, 14, 30, 60):
        before = f"after {reference} days of reference"
        for alike, persist in ((0.5, 0.0), (0.5, 0.3), (0.5, 0.6), (0.5, 0.9), (0.1, 0.9)):
            what = f"1 hour to 7 days {before}, ICC of days {alike}, autocorrelation {persist}"
            world = Lasting(alike, persist, reference, LENGTHS)
            short = 10 if (alike, persist) == (0.5, 0.9) else 0
            yield _worst(f"lasting-{reference}-{alike}-{persist}", what, world, short)
        what = f"1 hour to 7 days {before}, ICC of hours 0.5, autocorrelation 0.9"
        yield _worst(f"hours-{reference}", what, Lasting(0.5, 0.9, reference, LENGTHS, hourly=True), 5)
        for persist in (0.6, 0.9):
            what = f"1 hour to 7 days {before}, 20 numbers that all follow the same days, autocorrelation {persist}"
            together = Lasting(0.5, persist, reference, LENGTHS, features=20, together=True)
            yield _worst(f"together-{reference}-{persist}", what, together, windows=400)
        what = f"1 hour to 7 days {before}, 20 numbers that each follow days of their own, autocorrelation 0.6"
        yield _worst(f"own-days-{reference}", what, Lasting(0.5, 0.6, reference, LENGTHS, features=20), windows=400)
        if reference in (7, 30):
            yield from _families(reference, before)
        for hours, name in ((24, "1 day"), (168, "7 days")):
            for sigma in (2, 3, 4):
                what = f"{name} moved by {sigma} σ of how days differ, {before}, autocorrelation 0.3"
                world = Lasting(0.5, 0.3, reference, (hours,), moved=sigma)
                yield _worst(f"moved-days-{sigma}-{reference}-{hours}", what, world, windows=1_000, moved=True)


def _families(reference: int, before: str) -> Iterator[Claim]:
    """Features whose days differ slightly: quiet, and one of them far away, which is drift or not to be told."""

    def never_ok(found: Figures) -> bool:
        return bool(found["ok"] == 0)

    for features in (1, 10, 20):
        what = f"1 day {before}, {features} numbers whose days differ slightly (0.02 of the variance)"
        quiet = Lasting(0.02, 0.0, reference, rows=40, features=features)
        yield _worst(f"slight-{features}-{reference}", what, quiet, windows=1_000)
        shifted = replace(quiet, shifted=3.0)
        name, moved = f"slight-moved-{features}-{reference}", f"{what}, one moved by 3 σ"
        claim = _worst(name, moved, shifted, windows=200, moved=True)
        short = 10 if reference == 7 else 0
        yield replace(claim, promised="drift, or not to be told; never `ok`", kept=never_ok, short=short, least=None)


def _worst(name: str, what: str, world: Lasting, short: int = 0, *, windows: int = 2_000, moved: bool = False) -> Claim:
    def measure(windows: int, rng: Random) -> Figures:
        found = worst(world, windows, rng)
        return found | {"alone": found["alarm"]}

    def kept(found: Figures) -> bool:
        return moved or bool(found["alarm"] <= 0.02)

    if moved:
        return Claim(name, measure, windows, what, "", kept, least=0.0)
    return Claim(name, measure, windows, what, "alarm in at most 2 %, at any length", kept, short, most=0.02)


def _seasonal() -> Iterator[Claim]:
    cycle = "an hour of 200 rows, of a daily cycle of ±2 σ and two weekdays 0.8 σ lower"
    own, same = Hours("hour_of_week"), "against the same hours of the week"
    yield _quiet("season-plain", f"{cycle}, against all of four weeks", Hours("none"), 1_000, most=None)
    yield _quiet("season-hour", f"{cycle}, {same}", own, 4_000, 15)
    days = f"{cycle}, and ICC of days 0.3, autocorrelation 0.7; {same}"
    yield _quiet("season-days", days, replace(own, alike=0.3), 4_000, 15, most=0.02)
    yield _quiet("season-half", f"{cycle}; mornings, {same}", replace(own, hours=12, first=0), 1_000, 10)
    moved = _power("season-moved", f"{cycle}; moved by 0.5 σ within the hour, {same}", replace(own, moved=0.5), 15)
    yield replace(moved, windows=500)
    half = Hours(None, days=14, swing=0.5, weekly=0.0, features=5, persist=0.0)
    cycle = "an hour of 200 rows, of 5 numbers with a daily cycle of ±0.5 σ, two weeks of reference"
    plain = replace(half, kind="none")
    yield _quiet("found-plain", f"{cycle}, against all of it", plain, 500, most=None)
    yield _quiet("found-hour", f"{cycle}, that are found to repeat", half, 2_000, 10)
    days = f"{cycle}, that are found to repeat; rows correlate by day at 0.02"
    yield _quiet("found-days", days, replace(half, alike=0.02), 2_000, 10, most=0.02)
    inner = f"{cycle}, that are found to repeat; rows correlate by hour at 0.02"
    yield _quiet("found-inner", inner, replace(half, inner=0.02), 2_000, 10, most=0.02)
    moved = _power("found-moved", f"{cycle}; one moved by 0.5 σ within the hour", replace(half, moved=0.5), 10)
    yield replace(moved, windows=300)
    beside = f"{cycle}; rows correlate by day at 0.02, one moved by 1 σ"
    found = _power("found-moved-days", beside, replace(half, alike=0.02, moved=1.0), 10)
    yield replace(found, windows=300)


def _cold() -> Iterator[Claim]:
    fresh = "hours of 240 rows of a fresh model, daily cycle of ±0.5 σ"

    def quiet_week(windows: int, rng: Random) -> Figures:
        share = sum(islice(judged(Fresh(), rng), windows)) / windows
        return {"alarm": share, "alone": share, "found": share}

    def broken_day(models: int, rng: Random) -> Figures:
        day = Fresh(hours=24, moved=2.0, since=12)
        found = sum(any(list(day.drifts(rng))[-12:]) for _ in range(models)) / models
        return {"alarm": found, "alone": found, "found": found}

    def few(found: Figures) -> bool:
        return bool(found["alarm"] <= 0.013)

    def nearly_all(found: Figures) -> bool:
        return bool(found["found"] >= 0.9)

    what = f"{fresh}, its first week, against what it did so far"
    yield Claim("cold-week", quiet_week, 2_000, what, "alarm in at most 1.3 %", few, 20, most=0.013)
    what = f"{fresh}; moved by 2 σ from its 13th hour on, looked at until midnight"
    yield Claim("cold-break", broken_day, 100, what, "found in at least 90 % of models", nearly_all, 2, least=0.9)


def _claims() -> Iterator[Claim]:
    yield from _independent()
    yield from _chosen()
    yield from _codes()
    yield from _detected()
    yield _stray("clean", "one number moved by 1 σ; reference of 50,000 rows", stray=False)
    yield _stray("stray", "the same, and one of the 50,000 is 1e9", stray=True)
    yield _rate("rate", "a year of 50 models: hourly windows of 1,000 rows, 20 independent numbers", Counted(1_000))
    yield from _dependent()
    yield from _lasting()
    yield from _seasonal()
    yield from _cold()
    customers = Customers(0.3, known=True, features=20)
    what = "a year of 50 models: hourly windows of 50 customers × 20 rows, ICC 0.3, 20 numbers, with a key"
    yield _rate("rate-alike", what, customers)


CLAIMS: dict[str, Claim] = {claim.name: claim for claim in _claims()}
