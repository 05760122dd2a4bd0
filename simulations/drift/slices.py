"""Slices: how often twenty features in ten slices cry wolf together, and what is found in one slice alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.catalogue import Extras
from driftline.baseline.sections.slices import Slices, slice_name
from driftline.panes.pane import Pane, merge
from driftline.tables.table import F64
from driftline.tables.task import Task
from driftline_processor.core.drift.slices import drift_with_slices

from simulations.drift.worlds import REFERENCE, Counted, normal, pane_of
from simulations.frame import DATA, Figures, Random, Table, percent
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


def _measured(world: Sliced) -> Callable[[int, Random], Figures]:
    """Return in which share of the windows anything drifts, all rows show it, and the slice that moved does."""

    def measure(windows: int, rng: Random) -> Figures:
        drawn = world.windows(rng)
        alarms = whole = found = 0
        for _ in range(windows):
            all_rows, slices, against = next(drawn)
            judged = drift_with_slices(all_rows, against, slices)
            drifted = {name for name, one in judged.slices.items() if one.state == "drift"}
            shown = any(one.state == "drift" for one in judged.whole.features.values())
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


CLAIMS = {claim.name: claim for claim in _claims()}


def _by_all_rows(one: Figures) -> str:
    return f", by all rows {percent(one['whole'])}"


SLICES = Table("slices", DATA / "drift-in-slices.md", CLAIMS, text(CLAIMS, _by_all_rows))
