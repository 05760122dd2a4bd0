"""Slices of days that differ: how often their intervals hold the truth, and how often an objective is called broken.

A day is good or bad for all slices, for one alone, or both: an effect on the log-odds of being wrong. Each slice is
also judged as if its rows were independent, for comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from driftline.panes.sparse_sums import Sparse
from driftline.tables.table import F64, ModelKey
from driftline.tables.task import Task
from driftline_processor.core.evaluation import Evaluation, MetricValue, SlicePerformance
from driftline_processor.core.fairness.criteria import FairnessRule, judge_fairness
from driftline_processor.core.performance.objective import Objective
from driftline_processor.core.performance.objective_states import judge_objectives
from driftline_processor.core.performance.settings import PerformanceSettings
from driftline_processor.core.performance.slices import counts_of, measured
from driftline_processor.core.performance.window_outcomes import BlockSums, WindowOutcomes
from driftline_processor.core.windows.window import DAY, Window
from msgspec.structs import replace
from scipy.optimize import brentq
from scipy.special import expit

from simulations.frame import Figures, Random, Row, Table, percent, table_of

BINARY = Task("binary", ("0", "1"), "1")
RIGHT, WORSE = 0.9, 0.85
"""The share of right decisions in every slice; that of the second group, where groups are compared."""

POSITIVE = 0.5
_AT, _WEIGHT = np.polynomial.hermite_e.hermegauss(41)
_WEIGHT = _WEIGHT / _WEIGHT.sum()


@dataclass(frozen=True)
class Days:
    """Windows of so many days of so many rows; ``shares``: of each slice.

    ``common``, ``own``: standard deviations of the effect that a day has on all slices, and on each alone.
    """

    days: int
    rows: int
    shares: tuple[float, ...]
    common: float = 0.0
    own: float = 0.0

    def draw(self, rng: Random, right: F64) -> WindowOutcomes:
        """Draw a window; ``right``: the share of right decisions in each slice, over all days: float64 (slices,)."""
        slices = len(self.shares)
        effect = self.common * rng.normal(size=(self.days, 1)) + self.own * rng.normal(size=(self.days, slices))
        wrong = expit(np.array([self._odds(1 - one) for one in right]) + effect)
        cells = np.zeros((self.days, slices, 2, 2))
        for actual, share in ((0, 1 - POSITIVE), (1, POSITIVE)):
            n = rng.poisson(self.rows * share * np.array(self.shares), (self.days, slices))
            cells[..., actual, 1 - actual] = rng.binomial(n, wrong)
            cells[..., actual, actual] = n - cells[..., actual, 1 - actual]
        in_time = {f"key={at}": _in_time(cells[:, at]) for at in range(slices)}
        return WindowOutcomes(slices={name: one.total for name, one in in_time.items()}, in_time=in_time)

    def _odds(self, wrong: float) -> float:
        """The log-odds at which so many are wrong over all days."""
        spread = (self.common**2 + self.own**2) ** 0.5
        return float(brentq(lambda at: float(_WEIGHT @ expit(at + spread * _AT)) - wrong, -15, 15))


def _in_time(cells: F64) -> BlockSums:
    rows = cells.sum(axis=(1, 2))
    parts = {"outcomes": np.stack([rows] * 3, axis=1), "confusion": cells.reshape(len(cells), 4)}
    return BlockSums(len(cells), {name: Sparse.of(sums) for name, sums in parts.items()})


@dataclass(frozen=True)
class Held(Row):
    """A row of the table. ``what``: was done; ``least``: the share of intervals that shall hold the truth.

    ``short``: windows of a test, 0 = none.
    """

    what: str
    least: float
    short: int

    def kept(self, found: Figures) -> bool:
        """Say whether figures are what is promised."""
        return bool(found["covered"] >= self.least)


def _slices(world: Days) -> Callable[[int, Random], Figures]:
    """Return how often the interval of a slice's accuracy holds the truth, and the objective is falsely broken."""
    asked = PerformanceSettings(objectives=(Objective("accuracy", least=RIGHT, slice="key"),))

    def judged(known: WindowOutcomes) -> tuple[list[MetricValue], bool]:
        window = Evaluation(ModelKey("m"), Window("", 0, world.days * DAY), world.rows, True, maturity="mature")
        found = {name: measured(name, known, BINARY, asked, True, only="accuracy") for name in known.slices}
        window.performance_slices = {
            name: SlicePerformance(metrics["accuracy"].rows, metrics)
            for name, metrics in found.items()
            if metrics["accuracy"].value is not None
        }
        (one,) = judge_objectives(window, BINARY, known, asked)
        return [own.metrics["accuracy"] for own in window.performance_slices.values()], one.state == "broken"

    def measure(windows: int, rng: Random) -> Figures:
        sums = np.zeros((2, 4))
        for _ in range(windows):
            known = world.draw(rng, np.full(len(world.shares), RIGHT))
            for at, one in enumerate((known, replace(known, in_time={}))):
                metrics, broken = judged(one)
                held = sum((found.low or 0.0) <= RIGHT <= (found.high or 1.0) for found in metrics)
                length = sum((found.high or 1.0) - (found.low or 0.0) for found in metrics)
                sums[at] += len(metrics), held, length, broken
        return _figures(sums, windows)

    return measure


def _groups(world: Days) -> Callable[[int, Random], Figures]:
    """Return how often the interval of the difference of two groups' true positive rates holds it, and is falsely
    found to be beyond it."""
    truth = RIGHT - WORSE

    def measure(windows: int, rng: Random) -> Figures:
        sums = np.zeros((2, 4))
        for _ in range(windows):
            known = world.draw(rng, np.array([RIGHT, WORSE]))
            for at, one in enumerate((known, replace(known, in_time={}))):
                groups = {name: counts_of(own, BINARY, None, one.blocks_of(name)) for name, own in one.slices.items()}
                found = judge_fairness(FairnessRule("key", "key=0", tolerance=truth), groups, days=True)
                assert found is not None
                criterion = next(each for each in found.criteria if each.name == "equal_opportunity")
                low, high = criterion.comparisons[0].low, criterion.comparisons[0].high
                assert low is not None
                assert high is not None
                sums[at] += 1, low <= -truth <= high, high - low, criterion.state == "broken"
        return _figures(sums, windows)

    return measure


def _figures(sums: F64, windows: int) -> Figures:
    """``sums``: intervals, those that held the truth, their lengths, windows called broken; then as if independent."""
    (said, held, length, broken), (_, flat, flat_length, flat_broken) = sums.tolist()
    figures = {"covered": held / said, "broken": broken / windows, "length": length / said}
    alone = {"covered": flat / said, "broken": flat_broken / windows, "length": flat_length / said}
    return {**figures, **{f"independent_{name}": one for name, one in alone.items()}}


_THREE, _TWENTY = (0.5, 0.48, 0.02), (0.05,) * 20
_EFFECTS = (
    ("quiet", "that do not differ", 0.0, 0.0),
    ("common", "that are good or bad for all slices (σ .5 of the log-odds)", 0.5, 0.0),
    ("own", "that are good or bad for a slice alone (σ .5)", 0.0, 0.5),
    ("both", "that are both (σ .35 each)", 0.35, 0.35),
)


def _rows() -> Iterator[Held]:
    for name, said, common, own in _EFFECTS:
        for days, rows in ((14, 1_000), (30, 200), (30, 2_000), (45, 1_000)):
            what = f"accuracy of .9 in slices of 50, 48 and 2 % of {days} days of {rows:,} rows, {said}"
            measure = _slices(Days(days, rows, _THREE, common, own))
            yield Held(f"slice-{name}-{days}-{rows}", measure, 1_500, what, 0.92, 25 if days == 14 else 0)
        what = f"accuracy of .9 in each of 20 slices of 5 % of 30 days of 1,000 rows, {said}"
        yield Held(f"slice-{name}-20", _slices(Days(30, 1_000, _TWENTY, common, own)), 300, what, 0.92, 0)
        for shares, sizes in (((0.5, 0.5), "half"), ((0.9, 0.1), "a tenth")):
            what = f"true positive rates of .9 and .85, the second group {sizes} of 30 days of 1,000 rows, {said}"
            measure = _groups(Days(30, 1_000, shares, common, own))
            yield Held(f"groups-{name}-{sizes.rpartition(' ')[2]}", measure, 2_000, what, 0.92, 25)


ROWS = {row.name: row for row in _rows()}


def _told(row: Held, found: Figures) -> list[str]:
    said = "{covered}, {length:.2g} long, broken in {broken}"
    both = [
        said.format(
            covered=percent(found[f"{how}covered"]),
            length=found[f"{how}length"],
            broken=percent(found[f"{how}broken"]),
        )
        for how in ("", "independent_")
    ]
    return [f"at least {percent(row.least)}", *both, f"{found['windows']:,}"]


HEAD = ["what", "promised", "held the truth", "as if rows were independent", "windows"]

SLICED_DAYS = Table("sliced_days", ROWS, table_of(ROWS, HEAD, _told))
