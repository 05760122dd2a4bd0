"""Where windows come from: what is drawn, with a seed, as bin counts or as rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.inputs.dataframes import column_of
from driftline.panes.bins import QUANTILES, Bins, CategoryBins, NumberBins
from driftline.panes.fold import CELLS, GROUPS, PREFIX, WIDTH, cells, fold
from driftline.panes.model_bins import ModelBins
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64
from driftline.tables.task import Task
from numpy.typing import NDArray
from scipy.stats import norm

REFERENCE = 100_000
FINE = 1_024
EDGES: F64 = np.round(norm.ppf(QUANTILES) * FINE) / FINE
"""Edges of a normal feature: its quantiles, rounded so that a table tells the bin of a value (:func:`binned`)."""

ZIPF = 1 / np.arange(1, 101) / (1 / np.arange(1, 101)).sum()
DAY = 86_400 * 10**9
START = 1_767_225_600 * 10**9  # 2026-01-01
FARTHEST = 8
_BIN_OF = np.searchsorted(EDGES, np.arange(-FARTHEST * FINE, FARTHEST * FINE) / FINE, side="right").astype(np.int32)
F32 = NDArray[np.float32]


class World(Protocol):
    """What windows and their baselines are drawn from."""

    def windows(self, rng: np.random.Generator) -> Iterator[tuple[Pane, Baseline, int]]:
        """Yield windows without end, each with its baseline and how long it is in nanoseconds, 0 = not known."""


class Drawn(NamedTuple):
    """Windows as counts: int64 (windows, features, bins).

    ``groups``: of windows whose rows name a cluster, int64 (windows, features, groups, cells), as panes keep them.
    """

    current: I64
    groups: I64 | None = None


class Many(World, Protocol):
    """A world that draws many windows at once."""

    @property
    def features(self) -> int:
        """How many."""

    @property
    def over(self) -> Bins:
        """The bins of every feature."""

    def references(self, rng: np.random.Generator) -> Iterator[I64]:
        """Yield the counts of references without end, each a fresh one: int64 (features, bins)."""

    def draw(self, rng: np.random.Generator, windows: int) -> Drawn:
        """Draw windows."""


def normal(shift: float = 0.0, deviation: float = 1.0, edges: F64 = EDGES) -> F64:
    """Return the probability of each bin for a normal feature of this mean and standard deviation."""
    return np.diff(np.concatenate([[0.0], norm.cdf((edges - shift) / deviation), [1.0]]))


def binned(values: F32) -> NDArray[np.int32]:
    """Return the bin of each value of a normal feature, as ``numpy.searchsorted(EDGES, values, side="right")`` does."""
    # in place: the values are not needed any more
    np.multiply(values, np.float32(FINE), out=values)
    np.floor(values, out=values)
    np.add(values, np.float32(FARTHEST * FINE), out=values)
    return _BIN_OF.take(values.astype(np.int32), mode="clip")


def tallied(place: NDArray[np.int32], size: int) -> I64:
    """Count places, (windows, features, rows), of each window and feature: int64 (windows, features, size)."""
    windows, features, _ = place.shape
    first = np.arange(windows * features, dtype=np.int32).reshape(windows, features, 1) * np.int32(size)
    counts = np.bincount((place + first).ravel(), minlength=windows * features * size)
    return counts.astype(np.int64, copy=False).reshape(windows, features, size)


def bins_of(world: Many) -> ModelBins:
    """Return the same bins for features x0, x1, ..."""
    return ModelBins({f"x{at}": world.over for at in range(world.features)})


def pairs_of(world: Many, rng: np.random.Generator) -> Iterator[tuple[Pane, Baseline, int]]:
    """Yield the windows of a world one by one, as panes and baselines."""
    bins = bins_of(world)
    for reference in world.references(rng):
        drawn = world.draw(rng, 1)
        groups = None if drawn.groups is None else drawn.groups[0]
        yield pane_of(drawn.current[0], groups), Baseline("m", "", Task("regression"), bins, pane_of(reference)), 0


@dataclass(frozen=True)
class Counted:
    """Features drawn as bin counts, a fresh reference of 100,000 rows for each window.

    ``shares``: of each bin; None = a normal feature over the quantile bins. ``moved``: those of the first feature in
    the window. ``edges``: of numbers; None: categories. ``alike``: the correlation of the features: those are drawn as
    rows, and their references put together of ten blocks out of 500, each of 10,000 such rows.
    """

    rows: int
    features: int = 20
    shares: F64 | None = None
    moved: F64 | None = None
    alike: float = 0.0
    edges: F64 | None = None

    BLOCKS, BLOCK = 500, 10_000

    @property
    def over(self) -> Bins:
        """See :class:`Many`."""
        if self.shares is None:
            return NumberBins(EDGES)
        if self.edges is not None:
            return NumberBins(self.edges)
        return CategoryBins(tuple(f"c{at}" for at in range(len(self.shares) - 1)))

    @property
    def bins(self) -> ModelBins:
        """The bins of all features."""
        return bins_of(self)

    def references(self, rng: np.random.Generator) -> Iterator[I64]:
        """See :class:`Many`."""
        if self.alike:
            blocks = np.stack([self._correlated(rng, 1, self.BLOCK)[0] for _ in range(self.BLOCKS)]).astype(np.int16)
            while True:
                some = rng.choice(self.BLOCKS, REFERENCE // self.BLOCK, replace=False)
                yield blocks[some].sum(axis=0, dtype=np.int64)
        while True:
            yield rng.multinomial(REFERENCE, self._quiet, size=self.features)

    def draw(self, rng: np.random.Generator, windows: int) -> Drawn:
        """See :class:`Many`."""
        if self.alike:
            current = self._correlated(rng, windows, self.rows)
        else:
            current = rng.multinomial(self.rows, self._quiet, size=(windows, self.features))
        if self.moved is not None:
            current[:, 0] = rng.multinomial(self.rows, self.moved, size=windows)
        return Drawn(current)

    def windows(self, rng: np.random.Generator) -> Iterator[tuple[Pane, Baseline, int]]:
        """See :class:`World`."""
        return pairs_of(self, rng)

    def values(self, rng: np.random.Generator, windows: int, rows: int) -> F32:
        """Draw correlated rows: float32 (windows, features, rows)."""
        common = rng.standard_normal((windows, 1, rows), dtype=np.float32)
        values = rng.standard_normal((windows, self.features, rows), dtype=np.float32)
        values *= np.float32(math.sqrt(1 - self.alike))
        values += common * np.float32(math.sqrt(self.alike))
        return values

    def _correlated(self, rng: np.random.Generator, windows: int, rows: int) -> I64:
        return tallied(binned(self.values(rng, windows, rows)), self.over.size)

    @property
    def _quiet(self) -> F64:
        return normal() if self.shares is None else self.shares


def pane_of(counts: I64, groups: I64 | None = None) -> Pane:
    """Return a pane of features x0, x1, ... with these counts, int64 (features, bins), and those by group."""
    parts = {"rows": np.full(3, float(counts[0].sum()))}
    for at, one in enumerate(counts):
        parts[f"feature:x{at}"] = np.concatenate([one, [0, 0]]).astype(np.float64)
        if groups is not None:
            parts[f"{PREFIX}feature:x{at}"] = groups[at].astype(np.float64).reshape(WIDTH)
    return Pane(parts)


def unseen(quiet: F64, share: float) -> tuple[F64, F64]:
    """Return the shares with a category more that never comes, and with that category in so many rows."""
    return np.append(quiet, 0.0), np.append(quiet * (1 - share), share)


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

    @property
    def over(self) -> Bins:
        """See :class:`Many`."""
        return NumberBins(EDGES)

    def references(self, rng: np.random.Generator) -> Iterator[I64]:
        """See :class:`Many`."""
        while True:
            yield rng.multinomial(REFERENCE, normal(), size=self.features)

    def values(self, rng: np.random.Generator, windows: int) -> F32:
        """Draw the rows of windows, customer after customer: float32 (windows, features, rows)."""
        own = rng.standard_normal((windows, self.features, self.customers, 1), dtype=np.float32)
        values = rng.standard_normal((windows, self.features, self.customers, self.each), dtype=np.float32)
        values *= np.float32(math.sqrt(1 - self.alike))
        values += own * np.float32(math.sqrt(self.alike))
        return values.reshape(windows, self.features, self.customers * self.each)

    def draw(self, rng: np.random.Generator, windows: int) -> Drawn:
        """See :class:`Many`; a customer is in any of the groups that its name may be hashed into."""
        return self.counted(self.values(rng, windows), rng.integers(GROUPS, size=(windows, self.customers)))

    def counted(self, values: F32, group: I64) -> Drawn:
        """Count the rows of windows, as :meth:`values` has them; ``group``: of customers, (windows, customers)."""
        place, size = binned(values), self.over.size
        if not self.known:
            return Drawn(tallied(place, size))
        groups = np.repeat(group.astype(np.int32) * np.int32(CELLS), self.each, axis=1)[:, np.newaxis]
        cell = cells(size).astype(np.int32)
        by_group = tallied(groups + cell[place], WIDTH)
        return Drawn(tallied(place, size), by_group.reshape(*by_group.shape[:2], GROUPS, CELLS))

    def windows(self, rng: np.random.Generator) -> Iterator[tuple[Pane, Baseline, int]]:
        """See :class:`World`."""
        return pairs_of(self, rng)


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
