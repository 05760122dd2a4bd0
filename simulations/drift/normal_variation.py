"""Windows beside references whose days differ and persist: quiet ones, shifted ones, and Student's t beside.

A window is beyond the usual where the reference's own windows do not differ as much, as
:mod:`driftline_processor.core.drift.normal_variation` decides, corrected over all features. All windows are judged
there: rows are so many that each such window is certain, too. One in twenty is judged by the whole rule, which says
what it would see.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.catalogue import Extras
from driftline.baseline.sections.time_blocks import BlockCounts, TimeBlocks
from driftline.panes.bins import NumberBins
from driftline.panes.model_bins import ModelBins
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64
from driftline.tables.task import Task
from driftline_processor.core.drift.normal_variation import OwnWindows
from driftline_processor.core.drift.p_values import benjamini_hochberg
from driftline_processor.core.drift.rule import ALPHA, drift
from scipy.signal import lfilter
from scipy.special import ndtr, stdtr
from scipy.stats import norm

from simulations.drift.worlds import DAY, START, pane_of
from simulations.frame import Figures, Random, Row, Table, percent, table_of

DECILES: F64 = norm.ppf(np.arange(1, 10) / 10)
SCORES: F64 = norm.ppf((np.arange(10) + 0.5) / 10)
GAP = 7
"""Days between the reference and the window."""

SHARED = 5
"""Windows that have a reference together, where there are many features: to learn it takes most of the time."""


@dataclass(frozen=True)
class UsualDays:
    """A world of days that differ, are alike for no two features, and persist.

    ``alike``: part of the variance that rows of a day share. ``keeps``: of a day's deviation, in the next.
    ``shift``: of the first feature, standard deviations. ``length``: days of a window.
    """

    alike: float
    keeps: float
    days: int
    features: int
    shift: float = 1.0
    rows: int = 1_000
    length: int = 1

    def measure(self, windows: int, rng: Random) -> Figures:
        """Judge so many windows, each with a reference of its own."""
        return _figures(self, windows, rng)


@dataclass(frozen=True)
class UsualRow(Row):
    """A row of the table; ``what``: the world in words."""

    what: str


def _figures(world: UsualDays, windows: int, rng: Random) -> Figures:
    quiet = found = by_t = 0
    seen, ok = [], []
    names = [f"feature:x{at}" for at in range(world.features)]
    bins = ModelBins({f"x{at}": NumberBins(DECILES) for at in range(world.features)})
    parts = sorted(names)
    place = np.array([names.index(part) for part in parts])
    none, one = np.zeros((1, world.features)), np.ones((1, world.features))
    each = SHARED if world.features > 1 else 1
    for at in range(windows):
        if at % each == 0:
            days = _levels(world, rng)
            past = _counts(world, days, rng).astype(np.float64)
            baseline = _baseline(past, bins)
            assert baseline.extras.blocks is not None
            own, whole = OwnWindows.of(baseline.extras.blocks, baseline), past.sum(axis=0)[place]
        levels = _levels(world, rng, days[-1])
        now = _counts(world, levels, rng).sum(axis=0)
        moved = now.copy()
        moved[0] = _counts(world, levels[:, :1] + world.shift, rng)[:, 0].sum(axis=0)
        for which, counts in enumerate((now, moved)):
            window = counts[place].astype(np.float64)[np.newaxis]
            p = own.compare(own.subset(tuple(parts)), whole[np.newaxis], window, none, one, [float(world.length)]).p[0]
            beyond = benjamini_hochberg(p) <= ALPHA
            quiet += int(not which and beyond.any())
            found += int(which and beyond[parts.index(names[0])])
        by_t += int(_student(world, past, moved) <= ALPHA)
        if at % 20 == 0:
            said = drift(pane_of(moved), baseline, span=world.length * DAY).features
            seen += [column.detectable_change for column in said.values() if column.detectable_change is not None]
            ok.append(said["x0"].state == "ok")
    shares = {"quiet": quiet / windows, "found": found / windows, "t": by_t / windows, "ok": float(np.mean(ok))}
    return {"windows": windows, **shares, "seen": float(np.median(seen))}


def _levels(world: UsualDays, rng: Random, last: F64 | None = None) -> F64:
    """Draw the levels of the days of a reference, or of a window a week after a last day."""
    steps = world.days if last is None else GAP + world.length
    noise = rng.normal(size=(steps, world.features)) * math.sqrt(world.alike)
    noise[1 if last is None else 0 :] *= math.sqrt(1 - world.keeps**2)
    if last is not None:
        noise[0] += world.keeps * last
    found = np.asarray(lfilter([1.0], [1.0, -world.keeps], noise, axis=0))
    return found if last is None else found[GAP:]


def _counts(world: UsualDays, level: F64, rng: Random) -> I64:
    below = ndtr((DECILES - level[..., np.newaxis]) / math.sqrt(1 - world.alike))
    shares = np.maximum(np.diff(below, axis=-1, prepend=0.0, append=1.0), 0.0)
    return rng.multinomial(world.rows, shares / shares.sum(axis=-1, keepdims=True)).astype(np.int64, copy=False)


def _baseline(past: F64, bins: ModelBins) -> Baseline:
    days, features, cells = past.shape
    rows = np.full((days, 3), past[0, 0].sum())
    of = {f"feature:x{at}": BlockCounts(np.arange(cells), past[:, at]) for at in range(features)}
    blocks = TimeBlocks(DAY, START + DAY * np.arange(days), rows, of)
    whole: Pane = pane_of(past.sum(axis=0).astype(np.int64))
    return Baseline("m", "", Task("regression"), bins, whole, extras=Extras(blocks=blocks))


def _student(world: UsualDays, past: F64, now: I64) -> float:
    """Return the adjusted p-value of the first feature by Student's t of means, which knows what days keep.

    Days are made independent by what they keep (generalised least squares), so that all of them count.
    """
    means, mean = past @ SCORES / past.sum(axis=-1), now @ SCORES / now.sum(axis=-1)
    apart = np.abs(np.subtract.outer(np.arange(world.days), np.arange(world.days)))
    inverse = np.linalg.inv(world.keeps**apart)
    told = inverse.sum()
    middle = inverse.sum(axis=0) @ means / told
    variance = np.einsum("if,ij,jf->f", means - middle, inverse, means - middle) / (world.days - 1)
    of_window = (world.keeps ** apart[: world.length, : world.length]).mean()
    t = np.abs(mean - middle) / np.sqrt(variance * (of_window + 1 / told))
    return float(benjamini_hochberg(2 * stdtr(world.days - 1, -t))[0])


def _rows() -> dict[str, UsualRow]:
    found = {}
    for alike, keeps in ((0.005, 0.0), (0.02, 0.0), (0.1, 0.0), (0.02, 0.5), (0.1, 0.5), (0.02, 0.9)):
        for days in (7, 14, 30, 60):
            for features in (1, 10, 50):
                name = f"usual-{alike}-{keeps}-{days}-{features}"
                what = (
                    f"{days} days that share {alike:g} of the variance, autocorrelation {keeps:g}, {features} features"
                )
                world = UsualDays(alike, keeps, days, features)
                found[name] = UsualRow(name, world.measure, 1_000, what)
    for keeps in (0.0, 0.5, 0.9):
        for days in (30, 60):
            for features in (1, 10):
                name = f"usual-weeks-{keeps}-{days}-{features}"
                shared = f"weeks after {days} days that share 0.02 of the variance"
                what = f"{shared}, autocorrelation {keeps:g}, {features} features"
                world = UsualDays(0.02, keeps, days, features, length=7)
                found[name] = UsualRow(name, world.measure, 1_000, what)
    return found


def _told(_row: UsualRow, one: Figures) -> list[str]:
    return [*(percent(one[name]) for name in ("quiet", "found", "t", "ok")), f"{one['seen']:.2g} σ"]


HEAD = [
    "what",
    "drift without a change",
    "1 σ in one feature found",
    "found by Student's t",
    "shift called `ok`",
    "smallest shift found",
]
USUAL_DAYS = _rows()
USUAL = Table("within_normal_variation", USUAL_DAYS, table_of(USUAL_DAYS, HEAD, _told))
