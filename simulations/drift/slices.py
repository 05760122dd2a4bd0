"""Slices: how often twenty features in ten slices cry wolf together, and what is found in one slice alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.baseline.sections.catalogue import Extras
from driftline.baseline.sections.slices import Slices, places_of, slice_name
from driftline.panes.fold import GroupCounts, fold_by
from driftline.panes.pane import Pane, merge
from driftline.tables.table import F64, I64
from driftline.tables.task import Task
from driftline.tables.timestamps import HOUR, UnknownSeasonality
from driftline_processor.core.drift.rule import Rules
from driftline_processor.core.drift.slices import SlicedWindow, drift_of_windows
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.reference.season import PART, by_season, same_seasons

from simulations.drift.worlds import REFERENCE, START, Counted, normal, pane_of
from simulations.frame import Figures, Random, Table, percent
from simulations.promise import Promise, text

MOVED = 0
"""The slice that moves, by its number."""


@dataclass(frozen=True)
class Sliced:
    """Windows of ten slices that differ from each other by their means, as they do in a reference of 100,000 rows.

    ``rows``: of a window. ``shift``: how far the first feature moved in the first slice, which has 5 % of the rows, in
    standard deviations.
    """

    rows: int
    shift: float = 0.0
    slices: int = 10
    features: int = 20

    def shares(self) -> F64:
        """Return the share of the rows that each slice has."""
        return np.append(0.05, np.full(self.slices - 1, 0.95 / (self.slices - 1)))

    def windows(self, rng: np.random.Generator) -> Iterator[tuple[Pane, dict[str, Pane], Baseline]]:
        """Yield windows, their slices and a fresh baseline each."""
        bins = Counted(self.rows, self.features).bins
        of = [normal(0.1 * at) for at in range(self.slices)]
        names = [f"s{at}" for at in range(self.slices)]
        while True:
            before = [self._drawn(rng, REFERENCE, at, [own] * self.features) for at, own in enumerate(of)]
            moved = [of[MOVED], *of[1:]]
            now = []
            for at, own in enumerate(moved):
                first = normal(self.shift) if at == MOVED else own
                now.append(self._drawn(rng, self.rows, at, [first, *[own] * (self.features - 1)]))
            slices = Slices({"slice": dict(zip(names, before, strict=True))})
            baseline = Baseline("m", "", Task("regression"), bins, merge(before), extras=Extras(slices=slices))
            yield merge(now), {slice_name("slice", n): one for n, one in zip(names, now, strict=True)}, baseline

    def _drawn(self, rng: np.random.Generator, rows: int, at: int, of: list[F64]) -> Pane:
        n = round(rows * float(self.shares()[at]))
        return pane_of(np.stack([rng.multinomial(n, shares) for shares in of]))


@dataclass(frozen=True)
class SlicedHours:
    """Windows of an hour, compared with that hour, of slices that differ from each other by up to 1.2 σ.

    Two numbers swing by ±0.5 σ in a day, two do not; the reference has two weeks. ``cycle``: what the slice of 20 % of
    the rows does while all others swing. ``shift``: how far one feature of it has moved, by its number ``moved``.
    """

    cycle: Literal["the same", "none", "twice", "6 hours later"] = "the same"
    shift: float = 0.0
    moved: int = 0
    days: int = 14
    rows: int = 1_000
    each: int = 48

    SLICES, CYCLED, FEATURES, SWING = 5, 2, 4, 0.5

    def windows(self, rng: np.random.Generator) -> Iterator[tuple[Pane, dict[str, Pane], Baseline]]:
        """Yield windows, their slices and the baseline at their hour; ``each`` windows, an hour each, have one."""
        said: dict[str, Any] = {"score": "x0", "model": "m", "task": "regression", "slices": ["slice"]}
        said["features"] = [f"x{at}" for at in range(self.FEATURES)]
        while True:
            frame, hours = self._rows(rng, np.arange(self.days * 24), 0.0)
            baseline = Baseline.from_frame({**frame, "time": START + hours * HOUR}, time="time", **said)
            baseline = replace(baseline, bins=replace(baseline.bins, score=None))
            known, seasons = baseline.extras.slices, baseline.extras.seasons
            assert known is not None
            assert seasons is not None
            values = known.values("slice")
            for at in range(self.each):
                frame, hours = self._rows(rng, np.array([self.days * 24 + at]), self.shift)
                table, *_ = table_from_frame(frame, **said)
                cut = GroupCounts(places_of(table.slices["slice"], values, len(table)), len(values) + 1)
                [pane] = fold_by(table, baseline.bins, np.zeros(len(table), np.int64), 1, cuts=[cut])
                one = np.zeros(len(table), np.int64)
                pane.parts[PART] = by_season(seasons.seasonality, START + hours * HOUR, np.ones(len(hours)), one, 1)[0]
                reference = same_seasons(Reference(baseline), UnknownSeasonality(), pane, HOUR)
                assert reference.seasonal
                panes = {
                    slice_name("slice", value): Pane({part: sums[where] for part, sums in cut.parts.items()})
                    for where, value in enumerate(values)
                }
                yield pane, panes, reference.baseline

    def _rows(self, rng: np.random.Generator, hour: I64, shift: float) -> tuple[dict[str, Any], I64]:
        hours = np.repeat(hour, self.rows)
        place = np.arange(len(hours)) % self.SLICES
        first = place == 0
        own = {"the same": (1.0, 0), "none": (0.0, 0), "twice": (2.0, 0), "6 hours later": (1.0, 6)}
        size, later = own[self.cycle]
        level = self.SWING * np.where(first, size, 1.0) * np.cos(2 * np.pi * (hours - later * first) / 24)
        values = rng.normal(size=(self.FEATURES, len(hours))) + 0.3 * place
        values[: self.CYCLED] += level
        values[self.moved] += shift * first
        names = np.array([f"s{at}" for at in range(self.SLICES)], object)
        return {f"x{at}": one for at, one in enumerate(values)} | {"slice": names[place]}, hours


def _by_hour(world: SlicedHours) -> Callable[[int, Random], Figures]:
    """Return in which share of the windows anything drifts, the moved column does, and it cannot be told."""

    def measure(windows: int, rng: Random) -> Figures:
        drawn = world.windows(rng)
        alarms = found = unsure = 0
        for _ in range(windows):
            pane, slices, against = next(drawn)
            (judged,) = drift_of_windows([SlicedWindow(pane, against, slices, Rules(), HOUR, seasonal=True)])
            features = [*judged.all_rows.features.values()]
            features += [column for one in judged.slices.values() for column in one.features.values()]
            alarms += any(one.state == "drift" for one in features)
            moved = judged.slices[slice_name("slice", f"s{MOVED}")].features[f"x{world.moved}"]
            found += moved.state == "drift"
            unsure += moved.state == "inconclusive"
        return {"alarm": alarms / windows, "found": found / windows, "unsure": unsure / windows}

    return measure


def _measured(world: Sliced) -> Callable[[int, Random], Figures]:
    """Return in which share of the windows anything drifts, all rows show it, and the slice that moved does."""

    def measure(windows: int, rng: Random) -> Figures:
        drawn = world.windows(rng)
        alarms = whole = found = 0
        for _ in range(windows):
            all_rows, slices, against = next(drawn)
            (judged,) = drift_of_windows([SlicedWindow(all_rows, against, slices, Rules())])
            drifted = {name for name, one in judged.slices.items() if one.state == "drift"}
            shown = any(one.state == "drift" for one in judged.all_rows.features.values())
            whole += shown
            alarms += shown or bool(drifted)
            moved = judged.slices[slice_name("slice", f"s{MOVED}")].features["x0"]
            found += moved.state == "drift"
        return {"alarm": alarms / windows, "whole": whole / windows, "found": found / windows}

    return measure


def _claims() -> Iterator[Promise]:
    for rows in (2_000, 10_000):
        what = f"20 numbers in 10 slices, {rows:,} rows"
        yield Promise(f"slices-quiet-{rows}", _measured(Sliced(rows)), 2_000, what, 4, most=0.013)
    what = "one of 20 numbers moved by 0.5 σ in a slice of 5 % of 10,000 rows"
    yield Promise("slices-moved", _measured(Sliced(10_000, 0.5)), 1_000, what, 4, least=0.95)


def _of_hours() -> Iterator[Promise]:
    all_rows = "hours of 1,000 rows in 5 slices, 2 numbers with a daily cycle of ±0.5 σ and 2 without; compared by hour"
    cycles: tuple[tuple[str, SlicedHours], ...] = (
        ("same", SlicedHours()),
        ("none", SlicedHours("none")),
        ("twice", SlicedHours("twice")),
        ("later", SlicedHours("6 hours later")),
    )
    for name, world in cycles:
        what = f"{all_rows}; the cycle of one slice: {world.cycle}"
        windows, most = (960, 0.013) if name == "same" else (480, 0.03 if name == "later" else 0.013)
        yield Promise(f"slices-hours-{name}", _by_hour(world), windows, what, 4 if name == "same" else 0, most=most)
    moved = "the same; in one slice of 20 % a number"
    yield Promise(
        "slices-hours-moved",
        _by_hour(SlicedHours(shift=0.5, moved=3)),
        192,
        f"{moved} without a cycle moved by 0.5 σ",
        4,
        least=0.95,
    )
    what = f"{moved} with a cycle moved by 0.5 σ, which another cycle may do"
    limit = _by_hour(SlicedHours(shift=0.5))
    yield Promise("slices-hours-moved-0.5", limit, 192, what, 0, most=0.05, rare="found")
    for shift, least in ((1.0, 0.3), (1.5, 0.95)):
        what = f"{moved} with a cycle moved by {shift} σ"
        yield Promise(f"slices-hours-moved-{shift}", _by_hour(SlicedHours(shift=shift)), 192, what, 0, least=least)


CLAIMS = {claim.name: claim for claim in (*_claims(), *_of_hours())}


def _by_all_rows(one: Figures) -> str:
    return f", by all rows {percent(one['whole'])}" if "whole" in one else f", cannot tell {percent(one['unsure'])}"


SLICES = Table("slices", CLAIMS, text(CLAIMS, _by_all_rows))
