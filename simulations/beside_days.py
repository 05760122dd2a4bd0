"""What is found, and what is quiet, beside days that differ in level: the second table of evidence/beside_days.json."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.fold import fold
from driftline.tables.table import F64
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.judge_window import ModelWindow, judge_window
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.windows.window import DAY, Window

from simulations.frame import Figures, Random, Table
from simulations.promise import Promise, text

START = 1_767_225_600 * 10**9
FEATURES = 6
ROWS = 1_000
"""Rows of a day, in the reference and in the window, which is a day."""

WINDOWS = 10
"""Windows of one reference."""

QUIET, FOUND = 100, 30
"""Windows of a row in which nothing changed, and of one with a fault."""

Frame = dict[str, Any]
Change = Callable[[Frame, Random], None]


@dataclass(frozen=True)
class Days:
    """Days of six numbers, of which the first two are correlated by 0.6.

    Attributes:
        apart: Part of the variance that lies between days.
        together: Whether all numbers have the same days, not days of their own.
        stray: Share of stray values of the third on one day of ten; others have none.
    """

    apart: float
    together: bool = False
    stray: float = 0.0

    def draw(self, rng: Random, days: int) -> Frame:
        """Return the rows of so many days."""
        levels = rng.normal(size=(1 if self.together else FEATURES, days))
        within = rng.normal(size=(FEATURES, days * ROWS))
        within[1] = 0.6 * within[0] + 0.8 * within[1]
        level = np.repeat(np.broadcast_to(levels, (FEATURES, days)), ROWS, axis=1)
        values = np.sqrt(self.apart) * level + np.sqrt(1 - self.apart) * within
        if self.stray:
            shares: F64 = np.where(rng.random(days) < 0.1, self.stray, 0.0)
            values[2, rng.random(days * ROWS) < np.repeat(shares, ROWS)] = 12.0
        return {f"n{at}": values[at] for at in range(FEATURES)} | {"score": rng.normal(size=days * ROWS)}

    def windows(self, rng: Random, before: int, count: int, change: Change | None) -> Iterator[Evaluation]:
        """Judge windows of a day beside references of so many days."""
        for at in range(count):
            if at % WINDOWS == 0:
                time = START + np.arange(before * ROWS) // ROWS * DAY
                baseline = Baseline.from_frame(
                    self.draw(rng, before) | {"time": time}, score="score", time="time", model="m", task="regression"
                )
                reference = Reference(baseline)
            frame = self.draw(rng, 1)
            if change is not None:
                change(frame, rng)
            table, *_ = table_from_frame(frame, score="score", model="m", task="regression")
            window = Window("1d", START + 90 * DAY, START + 91 * DAY)
            yield judge_window(ModelWindow(table.key, window, fold(table, baseline.bins)), reference)


def _missing(frame: Frame, rng: Random) -> None:
    frame["n2"][rng.random(ROWS) < 0.1] = np.nan


def _outside(frame: Frame, rng: Random) -> None:
    frame["n2"][rng.random(ROWS) < 0.03] = 9.0


def _far_outside(frame: Frame, rng: Random) -> None:
    frame["n2"][rng.random(ROWS) < 0.1] = 9.0


def _spread(frame: Frame, _: Random) -> None:
    frame["n2"] *= 1.5


def _pair(frame: Frame, rng: Random) -> None:
    frame["n1"] = rng.permutation(frame["n1"])


def _finding(check: str) -> Callable[[Evaluation], bool]:
    return lambda one: any(found.check == check and "n2" in found.features for found in one.findings)


def _drifts(one: Evaluation) -> bool:
    return one.features["n2"].state == "drift"


def _correlation(one: Evaluation) -> bool:
    return one.joint["correlation"].state == "drift"


FAULTS: dict[str, tuple[str, Change, Callable[[Evaluation], bool]]] = {
    "missing": ("a tenth of the values missing", _missing, _finding("missing")),
    "range": ("3 % of the values out of range", _outside, _finding("out_of_range")),
    "spread": ("1.5 times the spread", _spread, _drifts),
    "pair": ("a correlation of .6 is lost", _pair, _correlation),
}

FARTHER = {"range": ("a tenth of the values out of range", _far_outside, _finding("out_of_range"))}
"""Where days differ by a tenth of the variance, quiet ones have up to 3 % out of range."""


def _measured(
    days: Days, before: int, change: Change | None, found: Callable[[Evaluation], bool]
) -> Callable[[int, Random], Figures]:
    def measure(windows: int, rng: Random) -> Figures:
        share = float(np.mean([found(one) for one in days.windows(rng, before, windows, change)]))
        return {"alarm": share, "found": share}

    return measure


def _claims() -> Iterator[Promise]:
    said = "a day beside {} whose levels have {} of the variance"
    for apart in (0.02, 0.1):
        for before in (7, 14, 30):
            days, what = Days(apart), said.format(before, apart)
            for name, (fault, change, found) in (FAULTS if apart < 0.05 else FAULTS | FARTHER).items():
                least = 0.2 if name == "pair" and apart > 0.05 else 0.9  # of 90 effective rows: hardly enough to judge
                row = f"beside-{name}-{apart}-{before}"
                short = 2 if (apart, before) == (0.02, 14) else 0
                measure = _measured(days, before, change, found)
                yield Promise(row, measure, FOUND, f"{what}: {fault}", short, least=least)
    worlds = {
        "beside-quiet-0.02": (Days(0.02), said.format(14, 0.02)),
        "beside-quiet-0.1": (Days(0.1), said.format(14, 0.1)),
        "beside-quiet-together": (Days(0.1, together=True), said.format(14, 0.1) + ", the same days of all"),
        "beside-quiet-stray": (
            Days(0.02, stray=0.007),
            said.format(14, 0.02) + ", and one day in ten has stray values",
        ),
    }
    for name, (days, what) in worlds.items():
        for kind, rare, most in (
            ("checks", lambda one: bool(one.findings), 0.005),
            ("pairs", lambda one: any(joint.state == "drift" for joint in one.joint.values()), 0.02),
        ):
            words = "any finding" if kind == "checks" else "features together drift"
            yield Promise(f"{name}-{kind}", _measured(days, 14, None, rare), QUIET, f"{what}: {words}", 0, most=most)


CLAIMS = {claim.name: claim for claim in _claims()}

BESIDE_DAYS = Table("beside_days", CLAIMS, text(CLAIMS))
