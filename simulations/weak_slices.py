"""Weak slices: how often one is reported where there is none, and how often one that there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from driftline.panes.bins import Bins, CategoryBins, Index, assign, number_bins
from driftline.tables.row_losses import RowLoss
from driftline.tables.table import F64, I64, Column
from driftline_processor.core.evaluation import WeakSearch
from driftline_processor.core.weak_slices.search import weak_slices
from numpy.typing import NDArray

from simulations.frame import Figures, Random, Table
from simulations.promise import Promise, text

NUMBERS, CATEGORIES = 16, 4
LABELS = tuple("abcdefgh")
SHARES = np.array([0.4, 0.2, 0.15, 0.1, 0.05, 0.05, 0.03, 0.02])
DAY = 86_400 * 10**9
ERROR, SLICE = 0.15, 0.05
"""The share of wrong decisions, and that of the rows in which it is doubled."""

Planted = Literal["", "range", "middle", "label", "pair"]


@cache
def bins_of_normal() -> Bins:
    """Bins of a standard normal feature, from 100,000 rows."""
    return number_bins(np.random.default_rng(1).normal(size=100_000))


@dataclass(frozen=True)
class Labelled:
    """Windows of so many days of 16 numbers and 4 categories, and how wrong the model was.

    ``by``: 0 or 1, or absolute errors with a long tail (lognormal). ``planted``: where it is twice as wrong. ``daily``:
    how far the days' own error rates, and the days' own means of every number, lie apart: standard deviations.
    ``still``: numbers that are the same all day long.
    """

    rows: int
    by: RowLoss = "error"
    planted: Planted = ""
    daily: float = 0.0
    days: int = 30
    still: int = 0

    def search(self, rng: Random) -> WeakSearch | None:
        """Draw a window and search it."""
        day = np.arange(self.rows) * self.days // self.rows
        apart = self.daily > 0
        numbers = rng.normal(size=(NUMBERS, self.rows)) * (0.3 if apart else 1.0)
        numbers[: self.still] = 0.0
        if apart:
            numbers += rng.normal(size=(NUMBERS, self.days))[:, day]
        features: dict[str, tuple[Bins, Index]] = {}
        for at, values in enumerate(numbers):
            features[f"x{at}"] = (bins_of_normal(), assign(bins_of_normal(), Column(numbers=values)))
        labels = rng.choice(len(LABELS), (CATEGORIES, self.rows), p=SHARES)
        for at, codes in enumerate(labels):
            features[f"c{at}"] = (CategoryBins(LABELS), codes.astype(np.intp))
        worse = np.where(self._inside(numbers, labels[0]), 2.0, 1.0)
        rate = np.clip(ERROR + (self.daily * rng.normal(size=self.days))[day], 0.01, 0.9) * worse
        loss: F64 = (rng.random(self.rows) < rate).astype(np.float64)
        if self.by == "absolute_error":
            loss = rng.lognormal(0.0, 1.0, self.rows) * worse
        return weak_slices(features, {self.by: loss}, time=_times(self.rows, self.days))

    def _inside(self, numbers: F64, labels: I64) -> NDArray[np.bool_]:
        """5 % of the rows."""
        first, second = numbers[0], numbers[1]
        if self.planted == "range":
            return np.asarray(first > 1.645)
        if self.planted == "middle":
            return np.asarray(np.abs(first - 0.5) < 0.0714)
        if self.planted == "label":
            return np.asarray(labels == LABELS.index("e"))
        if self.planted == "pair":
            return np.asarray((first > 0.7608) & (second < -0.7608))
        return np.zeros(self.rows, np.bool_)

    def names(self) -> set[str]:
        """The features of what was planted."""
        return {"label": {"c0"}, "pair": {"x0", "x1"}, "": set()}.get(self.planted, {"x0"})


def _times(rows: int, days: int) -> I64:
    return (np.arange(rows) * (days * DAY // rows)).astype(np.int64)


def _measured(world: Labelled) -> Callable[[int, Random], Figures]:
    """Return in which share of the windows a slice is reported, and in which one of the features that were planted."""

    def measure(windows: int, rng: Random) -> Figures:
        reported = found = 0
        for _ in range(windows):
            search = world.search(rng)
            assert search is not None
            named = [{condition.feature for condition in one.conditions} for one in search.slices]
            reported += bool(named)
            found += any(features == world.names() for features in named)
        return {"reported": reported / windows, "found": found / windows}

    return measure


def _claims() -> dict[str, Promise]:
    quiet = {
        "weak-quiet-2000": ("20 features, 2,000 rows, wrong in 15 % everywhere", Labelled(2_000), 1_000),
        "weak-quiet-20000": ("20 features, 20,000 rows, wrong in 15 % everywhere", Labelled(20_000), 500),
        "weak-quiet-days": (
            "30 days of 300 rows; each has an error rate (σ 5 points) and means of all numbers of its own",
            Labelled(9_000, daily=0.05),
            500,
        ),
        "weak-quiet-errors": (
            "20 features, 2,000 rows, lognormal absolute errors",
            Labelled(2_000, "absolute_error"),
            1_000,
        ),
    }
    for days in (2, 4, 5, 7, 14):
        what = f"{days} days of 600 rows; each has an error rate (σ 5 points), half of the numbers are the same all day"
        quiet[f"weak-quiet-{days}-days"] = what, Labelled(600 * days, daily=0.05, days=days, still=8), 300
    planted: dict[str, tuple[str, Planted]] = {
        "weak-range": ("5 % of 20,000 rows, above a value of one number, wrong in 30 %", "range"),
        "weak-middle": ("5 % of 20,000 rows, between two values of one number, wrong in 30 %", "middle"),
        "weak-label": ("5 % of 20,000 rows, one category, wrong in 30 %", "label"),
        "weak-pair": ("5 % of 20,000 rows, above one number and below another, wrong in 30 %", "pair"),
    }
    claims = [
        Promise(name, _measured(world), windows, what, 2 if world.still else 8, most=0.05, rare="reported")
        for name, (what, world, windows) in quiet.items()
    ]
    claims += [
        Promise(name, _measured(Labelled(20_000, planted=which)), 200, what, 3, least=0.9)
        for name, (what, which) in planted.items()
    ]
    what = "5 % of 20,000 rows of 3 days, above a value of one number, wrong in 30 %"
    claims.append(Promise("weak-3-days", _measured(Labelled(20_000, planted="range", days=3)), 200, what, 3, least=0.9))
    return {claim.name: claim for claim in claims}


CLAIMS = _claims()

WEAK = Table("weak_slices", CLAIMS, text(CLAIMS))
