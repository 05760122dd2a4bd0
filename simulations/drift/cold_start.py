"""A world of fresh models: nobody gave a baseline, and nights have not been seen yet."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.baseline.sections.time_blocks import TimeGrid
from driftline.panes.fold import fold_by
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64
from driftline_processor.core.drift.rule import Rules, drift_by_slice
from driftline_processor.core.reference.cold_start import grow_reference, reference_span
from driftline_processor.core.reference.reference import Reference

from simulations.drift.worlds import DAY, START

HOUR = DAY // 24
PANE = HOUR // 12
LEARNED = 1_000


@dataclass(frozen=True)
class Fresh:
    """Hourly windows of a model's first week (``hours``), a number that swings by ``swing`` σ in a day.

    ``moved``: by how many standard deviations its rows are from ``since`` on, an hour of the first day. ``alike``: the
    part of the variance that the rows of an hour share. It begins at any hour of the day.
    """

    swing: float = 0.5
    hours: int = 168
    moved: float = 0.0
    since: int = 24 * 7
    alike: float = 0.0
    rows_an_hour: int = 240

    def week(self, rng: np.random.Generator) -> Iterator[tuple[int, Pane, Reference]]:
        """Yield the windows of one model that come after the rows it learned from: hour, rows, reference."""
        begin, each = int(rng.integers(0, 24)), self.rows_an_hour
        hour = np.repeat(np.arange(self.hours), each)
        own = np.repeat(rng.normal(size=self.hours), each)
        values = self.swing * np.cos(2 * np.pi * (hour + begin) / 24) + math.sqrt(self.alike) * own
        values += math.sqrt(1 - self.alike) * rng.normal(size=len(hour)) + self.moved * (hour >= self.since)
        time = START + begin * HOUR + np.sort(rng.integers(0, self.hours * HOUR, len(hour)))
        hour = (time - START) // HOUR - begin
        learned = slice(0, LEARNED)
        frame = {"x0": values[learned], "p": values[learned], "time": time[learned]}
        baseline = Baseline.from_frame(frame, score="p", time="time", model="m", task="regression", features=["x0"])
        panes, starts = self._panes(values[LEARNED:], time[LEARNED:], baseline)
        for at in range(int(hour[LEARNED - 1]) + 1, self.hours):
            start = START + (begin + at) * HOUR
            inside = (starts >= start) & (starts < start + HOUR)
            yield at, self._merged(panes[inside]), self._reference(baseline, panes, starts, start)

    def drifts(self, rng: np.random.Generator) -> Iterator[bool]:
        """Yield whether each window of one model drifts."""
        for _, pane, found in self.week(rng):
            baseline = replace(found.baseline, bins=replace(found.baseline.bins, score=None, space=None))
            judged = drift_by_slice({"": (pane, baseline)}, Rules(shift=found.shift), HOUR)[""]
            yield judged.features["x0"].state == "drift"

    def _panes(self, values: F64, time: I64, baseline: Baseline) -> tuple[F64, I64]:
        starts, group = np.unique(time - time % PANE, return_inverse=True)
        frame = {"x0": values, "p": values}
        table, *_ = table_from_frame(frame, score="p", model="m", task="regression", features=["x0"])
        folded = fold_by(table, baseline.bins, group, len(starts))
        return np.stack([one.parts["feature:x0"] for one in folded]), starts

    def _reference(self, baseline: Baseline, panes: F64, starts: I64, start: int) -> Reference:
        ends = reference_span(baseline, start)
        assert ends is not None
        before = (starts >= ends[0]) & (starts < ends[1])
        stretches = TimeGrid.of(np.append(starts[before], ends[0])) if before.any() else None
        if stretches is None:
            return grow_reference(baseline, None, ())
        place = stretches.place(starts[before])
        own = [panes[before][place == at] for at in range(stretches.count)]
        return grow_reference(baseline, stretches, [self._merged(one) for one in own])

    def _merged(self, counts: F64) -> Pane:
        total = counts.sum(axis=0) if len(counts) else np.zeros(0)
        if not total.any():
            return Pane()
        return Pane({"rows": np.full(3, float(total.sum())), "feature:x0": total})


def judged(world: Fresh, rng: np.random.Generator) -> Iterator[bool]:
    """Yield whether each window drifts, of one fresh model after the other, without end."""
    while True:
        yield from world.drifts(rng)
