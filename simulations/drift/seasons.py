"""Worlds with a day and a week: noons that are no nights, Wednesdays that are no Mondays."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64
from driftline.tables.timestamps import Kind, Seasonality, UnknownSeasonality
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.reference.season import PART, by_season, same_seasons

from simulations.drift.worlds import DAY, START, folded

HOUR = DAY // 24


@dataclass(frozen=True)
class Hours:
    """Windows of some hours of numbers that swing by ``swing`` σ in a day and are ``weekly`` lower on two weekdays.

    ``kind``: what they are compared with the same of; "none" = with all of the baseline, None = as the baseline, of so
    many ``days``, is found to repeat. ``alike``: the part of the variance within an hour that all rows of a day share,
    ``persist``: how much of it the next day keeps. ``inner``: the part that all rows of an hour share. ``moved``: by
    how many standard deviations within an hour the first number is. ``hours``: how long windows are, beginning with
    any hour of the day, or with the one of ``first``.
    """

    kind: Kind | Literal["none"] | None
    alike: float = 0.0
    moved: float = 0.0
    hours: int = 1
    first: int | None = None
    rows_an_hour: int = 200
    days: int = 28
    persist: float = 0.7
    each: int = 25
    swing: float = 2.0
    weekly: float = 0.8
    inner: float = 0.0
    features: int = 1

    def windows(self, rng: np.random.Generator) -> Iterator[tuple[Pane, Baseline, int]]:
        """See :class:`.worlds.World`; ``each`` windows, every third day, with one baseline."""
        apart = 3
        while True:
            deviation = np.stack(
                [self._deviations(rng, self.days + (self.each + 1) * apart) for _ in range(self.features)], axis=1
            )
            hours = np.arange(self.days * 24)
            baseline = self._baseline(self._values(rng, hours, deviation), hours)
            for at in range(self.each):
                begin = rng.integers(0, 24) if self.first is None else self.first
                window = (self.days + at * apart) * 24 + begin + np.arange(self.hours)
                values = self._values(rng, window, deviation)
                values[:, 0] += self.moved
                pane = folded(values, baseline)
                yield pane, self._compared(baseline, pane, window), self.hours * HOUR

    def _compared(self, baseline: Baseline, pane: Pane, hours: I64) -> Baseline:
        known = baseline.extras.seasons
        if known is None or self.kind == "none":
            return baseline
        weight = np.full(len(hours), float(self.rows_an_hour))
        group = np.zeros(len(hours), np.int64)
        pane.parts[PART] = by_season(known.seasonality, START + hours * HOUR, weight, group, 1)[0]
        asked = UnknownSeasonality() if self.kind is None else Seasonality(self.kind)
        return same_seasons(Reference(baseline), asked, pane, self.hours * HOUR).baseline

    def _baseline(self, values: F64, hours: I64) -> Baseline:
        frame: dict[str, Any] = {f"x{at}": values[:, at] for at in range(self.features)}
        frame |= {"score": values[:, 0], "time": START + np.repeat(hours, self.rows_an_hour) * HOUR}
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
        """Return float64 (rows, features)."""
        day = hours // 24
        level = self.swing * np.cos(2 * np.pi * (hours % 24 - 14) / 24) - self.weekly * np.isin(day % 7, (2, 3))
        own = level[:, np.newaxis] + math.sqrt(self.alike) * deviation[day]
        if self.inner:
            own = own + math.sqrt(self.inner) * rng.normal(size=own.shape)
        own = np.repeat(own, self.rows_an_hour, axis=0)
        return np.asarray(own + math.sqrt(1 - self.alike - self.inner) * rng.normal(size=own.shape), dtype=np.float64)
