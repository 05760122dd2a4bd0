"""Daily windows beside references whose days differ and persist: quiet ones, shifted ones, and Student's t beside.

A window is drift where the rows are certain, the effect is large enough and the reference's own windows do not differ
as much, as :mod:`driftline_processor.core.drift.rule` decides; of all features at once.
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
from driftline_processor.core.drift import drift
from driftline_processor.core.drift.p_values import benjamini_hochberg
from scipy.signal import lfilter
from scipy.special import ndtr, stdtr
from scipy.stats import norm

from simulations.drift.worlds import DAY, START, pane_of
from simulations.frame import DATA, Figures, Random, Row, Table, percent, table_of

DECILES: F64 = norm.ppf(np.arange(1, 10) / 10)
SCORES: F64 = norm.ppf((np.arange(10) + 0.5) / 10)
GAP = 7
"""Days between the reference and the window."""


@dataclass(frozen=True)
class UsualDays:
    """A world of days that differ, are alike for no two features, and persist.

    ``alike``: part of the variance that rows of a day share. ``keeps``: of a day's deviation, in the next.
    ``shift``: of the first feature, standard deviations.
    """

    alike: float
    keeps: float
    days: int
    features: int
    shift: float = 1.0
    rows: int = 1_000

    def measure(self, windows: int, rng: Random) -> Figures:
        """Judge so many windows, each with a reference of its own."""
        return _figures(self, windows, rng)


@dataclass(frozen=True)
class UsualRow(Row):
    """A row of the table; ``what``: the world in words."""

    what: str


def _figures(world: UsualDays, windows: int, rng: Random) -> Figures:
    quiet = found = by_t = ok = 0
    seen = []
    bins = ModelBins({f"x{at}": NumberBins(DECILES) for at in range(world.features)})
    for _ in range(windows):
        levels = _levels(world, rng)
        past = _counts(world, levels[: world.days], rng).astype(np.float64)
        now = _counts(world, levels[-1], rng)
        moved = now.copy()
        moved[0] = _counts(world, levels[-1, :1] + world.shift, rng)[0]
        baseline = _baseline(past, bins)
        found_now = drift(pane_of(now), baseline, span=DAY).features
        quiet += any(target.state == "drift" and not target.lacking for target in found_now.values())
        seen += [target.would_see for target in found_now.values() if target.would_see is not None]
        first = drift(pane_of(moved), baseline, span=DAY).features["x0"]
        found += first.state == "drift"
        ok += first.state == "ok"
        by_t += bool(_student(past, moved) <= 0.01)
    shares = {"quiet": quiet / windows, "found": found / windows, "t": by_t / windows, "ok": ok / windows}
    return {"windows": windows, **shares, "seen": float(np.median(seen))}


def _levels(world: UsualDays, rng: Random) -> F64:
    noise = rng.normal(size=(world.days + GAP + 1, world.features))
    noise[1:] *= math.sqrt(1 - world.keeps**2)
    return np.asarray(lfilter([1.0], [1.0, -world.keeps], noise, axis=0) * math.sqrt(world.alike))


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


def _student(past: F64, now: I64) -> float:
    """Return the adjusted p-value of the first feature by Student's t of the means of days."""
    means, mean = past @ SCORES / past.sum(axis=-1), now @ SCORES / now.sum(axis=-1)
    days = len(means)
    t = np.abs(mean - means.mean(axis=0)) / np.sqrt(means.var(axis=0, ddof=1) * (1 + 1 / days))
    return float(benjamini_hochberg(2 * stdtr(days - 1, -t))[0])


def _rows() -> dict[str, UsualRow]:
    found = {}
    for alike, keeps in ((0.005, 0.0), (0.02, 0.0), (0.1, 0.0), (0.02, 0.5), (0.02, 0.9)):
        for days in (7, 14, 30, 60):
            for features in (1, 10, 50):
                name = f"usual-{alike}-{keeps}-{days}-{features}"
                what = f"{days} days that share {alike:g} of the variance and keep {keeps:g}, {features} features"
                world = UsualDays(alike, keeps, days, features)
                found[name] = UsualRow(name, world.measure, 200 if features < 50 else 100, what)
    return found


def _told(_row: UsualRow, one: Figures) -> list[str]:
    return [*(percent(one[name]) for name in ("quiet", "found", "t", "ok")), f"{one['seen']:.2g} σ"]


HEAD = ["what", "quiet windows with any drift", "1 σ in one feature found", "by Student's t", "`ok`", "would have seen"]
USUAL_DAYS = _rows()
USUAL = Table("usual", DATA / "usual-days.md", USUAL_DAYS, table_of(USUAL_DAYS, HEAD, _told))
