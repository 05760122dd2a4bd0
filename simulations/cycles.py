"""How often a reference is said to repeat with the day or the week, and whether it does: evidence/cycles.json."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from driftline.baseline.sections.cycles import Cycles, find_cycles
from driftline.panes.bins import NumberBins
from driftline.tables.table import F64
from driftline.tables.timestamps import HOUR, Seasonality
from scipy.special import ndtr, ndtri

from simulations.frame import Figures, Random, Table
from simulations.promise import Promise, text

TENTHS: F64 = ndtri(np.arange(1, 10) / 10)
MONDAY = 4 * 24 * HOUR


@dataclass(frozen=True)
class Repeating:
    """References of numbers that are counted hour by hour over tenths.

    Attributes:
        days: Length of the reference.
        features: Numbers, of which the first has the cycles.
        rows: Rows an hour.
        alike: Part of the variance that all rows of a day share; days are other days for each feature.
        keeps: Share of its deviation that the next day keeps.
        trend: Standard deviations from the first day to the last, of all features.
        daily: Half the height of a daily cycle, in standard deviations.
        weekend: Standard deviations by which two days of the week are lower.
    """

    days: int
    features: int = 1
    rows: int = 200
    alike: float = 0.0
    keeps: float = 0.0
    trend: float = 0.0
    daily: float = 0.0
    weekend: float = 0.0

    def cycles(self, rng: Random) -> Cycles:
        """Draw a reference, and return what is found in it."""
        hours = np.arange(self.days * 24)
        day = rng.normal(size=(self.days, self.features))
        for at in range(1, self.days):
            day[at] = self.keeps * day[at - 1] + math.sqrt(1 - self.keeps**2) * day[at]
        level = math.sqrt(self.alike) * day[hours // 24] + self.trend * (hours / len(hours))[:, np.newaxis]
        level[:, 0] += self.daily * np.cos(2 * np.pi * (hours % 24 - 24 * rng.random()) / 24)
        level[:, 0] -= self.weekend * (hours // 24 % 7 >= 5)
        below = ndtr((TENTHS - level[..., np.newaxis]) / math.sqrt(1 - self.alike))
        edge = np.zeros((*level.shape, 1))
        shares = np.diff(np.concatenate([edge, below, edge + 1], axis=-1), axis=-1)
        counts = rng.multinomial(self.rows, shares).astype(np.float64)
        bins = NumberBins(TENTHS)
        of = {f"x{at}": np.pad(counts[:, at], ((0, 0), (0, 2))) for at in range(self.features)}
        return find_cycles(Seasonality("hour"), MONDAY + hours * HOUR, of, dict.fromkeys(of, bins))

    def measure(self, references: int, rng: Random) -> Figures:
        """Return how often a cycle is found, and how often the one that there is."""
        kinds = [self.cycles(rng).kind for _ in range(references)]
        wanted = "hour_of_week" if self.daily and self.weekend else "hour" if self.daily else "weekday"
        return {
            "alarm": sum(kind is not None for kind in kinds) / references,
            "found": sum(kind in (wanted, "hour_of_week") for kind in kinds) / references,
        }


def _claims() -> Iterator[Promise]:
    worlds: dict[str, tuple[str, dict[str, Any]]] = {
        "": ("independent rows", {}),
        "-days": ("rows correlate by day at 0.02", {"alike": 0.02}),
        "-keeps": ("rows correlate by day at 0.1, and a day keeps 0.7 of the one before", {"alike": 0.1, "keeps": 0.7}),
        "-trend": ("a trend of 3 σ", {"trend": 3.0}),
    }
    for days in (7, 14, 28, 60):
        for features in (1, 20):
            for name, (what, values) in worlds.items():
                if (days, features) == (60, 20) and name:
                    continue  # a quarter of an hour of simulation, and shorter references are harder
                world = Repeating(days, features, **values)
                told = f"{features} number{'s' if features > 1 else ''}, {days} days without a cycle: {what}"
                runs, short = (2_000, 100) if features == 1 else (500, 10)
                yield Promise(f"no-cycle-{days}-{features}{name}", world.measure, runs, told, short, most=0.01)
    for days, height in ((7, 0.25), (14, 0.25), (28, 0.1)):
        for features in (1, 20):
            for name, alike in (("", 0.0), ("-days", 0.02)):
                world = Repeating(days, features, alike=alike, daily=height)
                beside = ", rows correlate by day at 0.02" if alike else ""
                told = f"one of {features}, {days} days with a daily cycle of ±{height} σ{beside}"
                least = 0.85 if alike and (days, features) == (7, 20) else 0.95
                yield Promise(f"daily-{days}-{features}{name}", world.measure, 300, told, 10, least=least)
    for days, low, alike, least in ((28, 0.25, 0.0, 0.95), (28, 1.0, 0.02, 0.8), (56, 0.5, 0.02, 0.95)):
        world = Repeating(days, 20, alike=alike, weekend=low)
        beside = ", rows correlate by day at 0.02" if alike else ""
        told = f"one of 20, {days} days with weekends {low} σ lower{beside}"
        yield Promise(f"weekly-{days}-{low}", world.measure, 300, told, 10, least=least)


CLAIMS: dict[str, Promise] = {claim.name: claim for claim in _claims()}

CYCLES = Table("cycles", CLAIMS, text(CLAIMS))
