"""Worlds with a day and a week: noons that are no nights, Wednesdays that are no Mondays."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64
from driftline.tables.timestamps import Kind, Seasonality
from driftline_processor.core.reference.season import PART, by_season, seasonal_reference

from simulations.drift.worlds import DAY, START, folded

HOUR = DAY // 24


@dataclass(frozen=True)
class Hours:
    """Windows of some hours of a number that swings by ±2 σ in a day and is 0.8 σ lower on two days of the week.

    ``kind``: what they are compared with the same of, None = with all of the baseline, which has four weeks. ``alike``:
    the part of the variance within an hour that all rows of a day share, ``persist``: how much of it the next day
    keeps. ``moved``: by how many standard deviations within an hour the windows are. ``hours``: how long they are,
    beginning with any hour of the day, or with the one of ``first``.
    """

    kind: Kind | None
    alike: float = 0.0
    moved: float = 0.0
    hours: int = 1
    first: int | None = None
    rows_an_hour: int = 200
    days: int = 28
    persist: float = 0.7
    each: int = 25

    def windows(self, rng: np.random.Generator) -> Iterator[tuple[Pane, Baseline, int]]:
        """See :class:`.worlds.World`; ``each`` windows, every third day, with one baseline."""
        apart = 3
        while True:
            deviation = self._deviations(rng, self.days + (self.each + 1) * apart)
            hours = np.arange(self.days * 24)
            baseline = self._baseline(self._values(rng, hours, deviation), hours)
            for at in range(self.each):
                begin = rng.integers(0, 24) if self.first is None else self.first
                window = (self.days + at * apart) * 24 + begin + np.arange(self.hours)
                values = self._values(rng, window, deviation) + self.moved
                pane = folded(values[:, np.newaxis], baseline)
                yield pane, self._compared(baseline, pane, window), self.hours * HOUR

    def _compared(self, baseline: Baseline, pane: Pane, hours: I64) -> Baseline:
        if self.kind is None:
            return baseline
        weight = np.full(len(hours), float(self.rows_an_hour))
        group = np.zeros(len(hours), np.int64)
        pane.parts[PART] = by_season(Seasonality(self.kind), START + hours * HOUR, weight, group, 1)[0]
        return seasonal_reference(baseline, self.kind, pane).baseline

    def _baseline(self, values: F64, hours: I64) -> Baseline:
        frame: dict[str, Any] = {
            "x0": values,
            "score": values,
            "time": START + np.repeat(hours, self.rows_an_hour) * HOUR,
        }
        found = Baseline.from_frame(
            frame, score="score", time="time", model="m", task="regression", seasonality=self.kind
        )
        return replace(found, bins=replace(found.bins, score=None))

    def _deviations(self, rng: np.random.Generator, days: int) -> F64:
        found = rng.normal(size=days)
        for day in range(1, days):
            found[day] = self.persist * found[day - 1] + math.sqrt(1 - self.persist**2) * found[day]
        return found

    def _values(self, rng: np.random.Generator, hours: I64, deviation: F64) -> F64:
        day = hours // 24
        level = 2 * np.cos(2 * np.pi * (hours % 24 - 14) / 24) - 0.8 * np.isin(day % 7, (2, 3))
        own = np.repeat(level + math.sqrt(self.alike) * deviation[day], self.rows_an_hour)
        return np.asarray(own + math.sqrt(1 - self.alike) * rng.normal(size=len(own)), dtype=np.float64)
