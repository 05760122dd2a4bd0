"""A world of everything at once: fifty features, days that differ and last, hours, gaps and a pair; and changes in it.

Thirty days are a reference. Each window is a later day, or an hour of one, judged as the product does.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.fold import fold
from driftline.tables.table import F64
from driftline.tables.timestamps import HOUR, UnknownSeasonality
from driftline_processor.core.judge_window import ModelWindow, judge_window
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.reference.season import PART, by_season, same_seasons
from driftline_processor.core.windows.window import Window
from scipy.signal import lfilter

from simulations.drift.worlds import DAY, START
from simulations.frame import Figures, Random, Row, Table, percent, table_of

FEATURES, SWINGING, DAYS, ROWS, EACH = 50, 10, 30, 60, 10
"""Features, those of them with a daily cycle, days of reference, rows an hour, windows that share a reference."""

ALIKE, KEEPS, SWING, TOGETHER, GAPS = 0.02, 0.5, 0.5, 0.7, 0.05
"""Part of the variance that rows of a day share, how much of it the next day keeps, half the height of the cycle in σ,
the correlation of the pair x10 and x11, and how often x12 is missing, by day times 0.5 to 1.5."""

Frame = dict[str, Any]


def frames(days: int, rng: Random) -> F64:
    """Draw the levels of days: float64 (days, features)."""
    noise = rng.normal(size=(days, FEATURES))
    noise[1:] *= math.sqrt(1 - KEEPS**2)
    return np.asarray(lfilter([1.0], [1.0, -KEEPS], noise, axis=0)) * math.sqrt(ALIKE)


def drawn(levels: F64, first: int, rng: Random, change: str = "") -> Frame:
    """Draw the rows of days with these levels, the first of which is so many days after the start."""
    hours = np.arange(24 * len(levels))
    hour = np.repeat(hours, ROWS)
    moved = 12 if change == "hours" else 0
    values = rng.normal(size=(len(hour), FEATURES)) * math.sqrt(1 - ALIKE)
    pair = 0.0 if change == "pair" else TOGETHER
    values[:, 11] = pair * values[:, 10] + math.sqrt(1 - pair**2) * values[:, 11]
    values += levels[hour // 24]
    cycle = SWING * np.cos(2 * np.pi * (hour % 24 - 14) / 24)
    values[:, :SWINGING] += cycle[:, np.newaxis]
    if moved:
        values[:, 0] += SWING * np.cos(2 * np.pi * (hour % 24 - 14 - moved) / 24) - cycle
    if change == "level":
        values[:, 20] += 1.0
    often = GAPS * rng.uniform(0.5, 1.5, len(levels))[hour // 24]
    values[rng.random(len(hour)) < often, 12] = np.nan
    if change == "missing":
        values[rng.random(len(hour)) < 0.1, 21] = np.nan
    frame: Frame = {f"x{at}": values[:, at] for at in range(FEATURES)}
    return frame | {"score": rng.normal(size=len(hour)), "time": START + first * DAY + hour * (DAY // 24)}


CHANGES = {
    "quiet-day": "nothing changes, a day",
    "quiet-hour": "nothing changes, an hour",
    "level": "x20 moves by 1 σ",
    "missing": "a tenth of x21 goes missing, which never lacked",
    "pair": "x10 and x11 correlate no more",
    "hours": "the cycle of x0 comes twelve hours later, seen at two in the afternoon",
}


@dataclass(frozen=True)
class MixedRow(Row):
    """A row of the table; ``what``: the change in words."""

    what: str


def _measure(change: str) -> Callable[[int, Random], Figures]:
    hourly = change in ("hours", "quiet-hour")

    def measure(windows: int, rng: Random) -> Figures:
        counted: Counter[str] = Counter()
        for at in range(windows):
            if at % EACH == 0:
                levels = frames(DAYS + 3 * EACH + 3, rng)
                past = drawn(levels[:DAYS], 0, rng)
                baseline = Baseline.from_frame(past, score="score", time="time", model="m", task="regression")
            day = DAYS + 3 * (at % EACH) + 2
            now = drawn(levels[day : day + 1], day, rng, change)
            if hourly:
                now = {name: values[14 * ROWS : 15 * ROWS] for name, values in now.items()}
            counted.update(_told(now, baseline, START + day * DAY + 14 * HOUR * hourly, HOUR if hourly else DAY))
        return {"windows": windows, **{name: counted[name] / windows for name in FOUND}}

    return measure


FOUND = ("drift", "x0", "x20", "joint", "faults")
"""Windows with any feature in drift, with one of these two, with a drift of all together, with a fault of the data."""


def _told(now: Frame, baseline: Baseline, start: int, span: int) -> set[str]:
    table, *_ = table_from_frame(now, score="score", time="time", model="m", task="regression")
    pane, reference = fold(table, baseline.bins), Reference(baseline)
    known = baseline.extras.seasons
    if known is not None:
        weight = np.ones(len(now["time"]))
        pane.parts[PART] = by_season(known.seasonality, now["time"], weight, np.zeros(len(weight), np.int64), 1)[0]
        reference = same_seasons(reference, UnknownSeasonality(), pane, span)
    said = judge_window(ModelWindow(table.key, Window("", start, start + span), pane), reference)
    drifted = {name for name, one in said.features.items() if one.state == "drift" and not one.reason}
    told = drifted & set(FOUND)
    together = any(one.state == "drift" for one in said.joint.values())
    return told | {name for name, any_ in (("drift", drifted), ("faults", said.findings), ("joint", together)) if any_}


MIXED_ROWS = {f"mixed-{name}": MixedRow(f"mixed-{name}", _measure(name), 100, what) for name, what in CHANGES.items()}


def _columns(_row: MixedRow, one: Figures) -> list[str]:
    return [percent(one[name]) for name in FOUND]


HEAD = ["what", "any feature drifts", "x0 drifts", "x20 drifts", "all together drift", "a fault is found"]
MIXED = Table("mixed", MIXED_ROWS, table_of(MIXED_ROWS, HEAD, _columns))
