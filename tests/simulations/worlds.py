"""Where windows come from: what is drawn, with a seed, as bin counts or as rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from driftline.baseline import Baseline
from driftline.bins import QUANTILES, CategoryBins, NumberBins
from driftline.fold import ModelBins, fold
from driftline.frames import column_of
from driftline.pane import Pane
from driftline.profile import table_from_frame
from driftline.tables import F64, I64, Task
from scipy.stats import norm

REFERENCE = 100_000
EDGES = norm.ppf(QUANTILES)
ZIPF = 1 / np.arange(1, 101) / (1 / np.arange(1, 101)).sum()
DAY = 86_400 * 10**9
START = 1_767_225_600 * 10**9  # 2026-01-01


class World(Protocol):
    """What windows and their baselines are drawn from."""

    def windows(self, rng: np.random.Generator) -> Iterator[tuple[Pane, Baseline, int]]:
        """Yield windows without end, each with its baseline and how long it is in nanoseconds, 0 = not known."""


def normal(shift: float = 0.0) -> F64:
    """Return the probability of each bin for a normal feature that moved by so many standard deviations."""
    return np.diff(np.concatenate([[0.0], norm.cdf(EDGES - shift), [1.0]]))


@dataclass(frozen=True)
class Counted:
    """Features drawn as bin counts, a fresh reference of 100,000 rows for each window.

    ``shares``: of each bin; None = a normal feature over the quantile bins. ``moved``: those of the first feature in
    the window. ``alike``: the correlation of the features.
    """

    rows: int
    features: int = 20
    shares: F64 | None = None
    moved: F64 | None = None
    alike: float = 0.0

    @property
    def bins(self) -> ModelBins:
        """The same bins for every feature."""
        if self.shares is None:
            return ModelBins({f"x{at}": NumberBins(EDGES) for at in range(self.features)})
        labels = CategoryBins(tuple(f"c{at}" for at in range(len(self.shares) - 1)))
        return ModelBins({f"x{at}": labels for at in range(self.features)})

    def counts(self, rng: np.random.Generator) -> tuple[I64, I64]:
        """Draw reference and window: int64 (features, bins) each."""
        return rng.multinomial(REFERENCE, self._quiet, size=self.features), self.now(rng)

    def now(self, rng: np.random.Generator) -> I64:
        """Draw a window: int64 (features, bins)."""
        if self.alike:
            current = _correlated(rng, self.rows, self.features, self.alike)
        else:
            current = rng.multinomial(self.rows, self._quiet, size=self.features)
        if self.moved is not None:
            current[0] = rng.multinomial(self.rows, self.moved)
        return current

    @property
    def _quiet(self) -> F64:
        return normal() if self.shares is None else self.shares

    def windows(self, rng: np.random.Generator) -> Iterator[tuple[Pane, Baseline, int]]:
        """See :class:`World`."""
        bins = self.bins
        while True:
            reference, current = self.counts(rng)
            yield pane_of(current), Baseline("m", "", Task("regression"), bins, pane_of(reference)), 0


def pane_of(counts: I64) -> Pane:
    """Return a pane of features x0, x1, ... with these counts."""
    parts = {"rows": np.full(3, float(counts[0].sum()))}
    for at, one in enumerate(counts):
        parts[f"feature:x{at}"] = np.concatenate([one, [0, 0]]).astype(np.float64)
    return Pane(parts)


def unseen(quiet: F64, share: float) -> tuple[F64, F64]:
    """Return the shares with a label more that never comes, and with that label in so many rows."""
    return np.append(quiet, 0.0), np.append(quiet * (1 - share), share)


def _correlated(rng: np.random.Generator, rows: int, features: int, alike: float) -> I64:
    values = math.sqrt(alike) * rng.normal(size=(rows, 1)) + math.sqrt(1 - alike) * rng.normal(size=(rows, features))
    bins = len(EDGES) + 1
    at = np.searchsorted(EDGES, values, side="right") + np.arange(features) * bins
    return np.bincount(at.ravel(), minlength=bins * features).reshape(features, bins)


@dataclass(frozen=True)
class Customers:
    """Windows of customers whose rows resemble each other; the reference is independent.

    ``alike``: the intra-class correlation. ``known``: whether the rows name their customer.
    """

    alike: float
    known: bool
    customers: int = 50
    each: int = 20
    features: int = 1

    def values(self, rng: np.random.Generator) -> F64:
        """Draw the rows of one window: float64 (rows, features)."""
        own = np.repeat(rng.normal(size=(self.customers, self.features)), self.each, axis=0)
        return math.sqrt(self.alike) * own + math.sqrt(1 - self.alike) * rng.normal(size=own.shape)

    def windows(self, rng: np.random.Generator) -> Iterator[tuple[Pane, Baseline, int]]:
        """See :class:`World`."""
        counted = Counted(self.customers * self.each, self.features)
        reference, _ = counted.counts(rng)
        baseline = Baseline("m", "", Task("regression"), counted.bins, pane_of(reference))
        number = 0
        while True:
            drawn, number = self.values(rng), number + self.customers
            names = [f"customer-{number + at}" for at in range(self.customers)]
            yield folded(drawn, baseline, np.repeat(names, self.each) if self.known else None), baseline, 0


@dataclass(frozen=True)
class Days:
    """Windows of whole days whose rows resemble each other, as those before them do, in a baseline of 60 days.

    ``alike``: the day's share of the variance. ``persist``: how much of a day's deviation the next one keeps.
    """

    alike: float
    persist: float = 0.7
    rows_a_day: int = 200
    days: int = 1
    features: int = 1
    each: int = 5

    def windows(self, rng: np.random.Generator) -> Iterator[tuple[Pane, Baseline, int]]:
        """See :class:`World`; ``each`` windows, three weeks apart, with one baseline."""
        for values, drawn in self.rows(rng):
            frame: dict[str, Any] = {f"x{at}": values[:, at] for at in range(self.features)}
            frame["time"] = START + np.arange(len(values)) // self.rows_a_day * DAY
            baseline = Baseline.from_frame(
                frame | {"score": values[:, 0]}, score="score", time="time", model="m", task="regression"
            )
            baseline = replace(baseline, bins=replace(baseline.bins, score=None))
            for one in drawn:
                yield folded(one, baseline), baseline, self.days * DAY

    def rows(self, rng: np.random.Generator) -> Iterator[tuple[F64, F64]]:
        """Yield 60 days, float64 (rows, features), and ``each`` windows after them, float64 (each, rows, features)."""
        apart = 21
        while True:
            deviation = self._deviations(rng, 60 + self.each * (apart + self.days))
            firsts = 60 + (np.arange(self.each) + 1) * apart + np.arange(self.each) * self.days
            windows = [self._values(rng, deviation[first : first + self.days]) for first in firsts.tolist()]
            yield self._values(rng, deviation[:60]), np.stack(windows)

    def _deviations(self, rng: np.random.Generator, days: int) -> F64:
        noise = rng.normal(size=(days, self.features))
        found = noise.copy()
        for day in range(1, days):
            found[day] = self.persist * found[day - 1] + math.sqrt(1 - self.persist**2) * noise[day]
        return found

    def _values(self, rng: np.random.Generator, deviation: F64) -> F64:
        own = np.repeat(deviation, self.rows_a_day, axis=0)
        return math.sqrt(self.alike) * own + math.sqrt(1 - self.alike) * rng.normal(size=own.shape)


def folded(values: F64, baseline: Baseline, customer: Any = None) -> Pane:
    """Fold rows, float64 (rows, features), by the product's own fold."""
    frame: dict[str, Any] = {f"x{at}": values[:, at] for at in range(values.shape[1])}
    table, *_ = table_from_frame(frame | {"score": values[:, 0]}, score="score", model="m", task="regression")
    if customer is None:
        return fold(table, baseline.bins)
    return fold(replace(table, slices={"customer": column_of(customer)}), baseline.bins, "customer")


@dataclass
class Stray:
    """A reference of 50,000 rows, with or without one value of 1e9, and a window that moved by a standard deviation."""

    stray: bool
    rows: int = 10_000
    reference: F64 = field(init=False)
    window: F64 = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(12)
        self.reference, self.window = rng.normal(size=50_000), rng.normal(1, 1, self.rows)
        if self.stray:
            self.reference[0] = 1e9
