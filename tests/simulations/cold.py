"""A world of fresh models: nobody gave a baseline, and nights have not been seen yet."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from driftline.baseline import Baseline
from driftline.blocks import Stretches
from driftline.fold import fold_by
from driftline.pane import Pane
from driftline.profile import table_from_frame
from driftline.tables import F64
from driftline_processor.core.compared import Compared
from driftline_processor.core.compared.cold import SETTLED, grown

from .worlds import DAY, START

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

    def week(self, rng: np.random.Generator) -> Iterator[tuple[int, Pane, Compared]]:
        """Yield the windows of one model that come after the rows it learned from: hour, rows, reference."""
        begin, each = int(rng.integers(0, 24)), self.rows_an_hour
        hour = np.repeat(np.arange(self.hours), each)
        own = np.repeat(rng.normal(size=self.hours), each)
        values = self.swing * np.cos(2 * np.pi * (hour + begin) / 24) + math.sqrt(self.alike) * own
        values += math.sqrt(1 - self.alike) * rng.normal(size=len(hour)) + self.moved * (hour >= self.since)
        time = START + begin * HOUR + np.sort(rng.integers(0, self.hours * HOUR, len(hour)))
        values, hour = self._levels(values, time, begin), (time - START) // HOUR - begin
        learned = slice(0, LEARNED)
        frame = {"x0": values[learned], "p": values[learned], "time": time[learned]}
        baseline = Baseline.from_frame(frame, score="p", time="time", model="m", task="regression", features=["x0"])
        panes, starts = self._panes(values[LEARNED:], time[LEARNED:], baseline)
        for at in range(int(hour[LEARNED - 1]) + 1, self.hours):
            start = START + (begin + at) * HOUR
            inside = (starts >= start) & (starts < start + HOUR)
            yield at, self._merged(panes[inside]), self._reference(baseline, panes, starts, start)

    def _levels(self, values: F64, _time: np.typing.NDArray[np.int64], _begin: int) -> F64:
        return values

    def _panes(self, values: F64, time: np.typing.NDArray[np.int64], baseline: Baseline) -> tuple[F64, np.typing.NDArray[np.int64]]:
        starts, group = np.unique(time - time % PANE, return_inverse=True)
        frame = {"x0": values, "p": values}
        table, *_ = table_from_frame(frame, score="p", model="m", task="regression", features=["x0"])
        folded = fold_by(table, baseline.bins, group, len(starts))
        return np.stack([one.parts["feature:x0"] for one in folded]), starts

    def _reference(
        self, baseline: Baseline, panes: F64, starts: np.typing.NDArray[np.int64], start: int
    ) -> Compared:
        period = baseline.extras.period
        assert period is not None
        before = (starts >= period.first - PANE) & (starts < min(start, period.first + SETTLED))
        stretches = Stretches.of(np.append(starts[before], period.first)) if before.any() else None
        if stretches is None:
            return grown(baseline, None, ())
        place = stretches.place(starts[before])
        own = [panes[before][place == at] for at in range(stretches.count)]
        return grown(baseline, stretches, [self._merged(one) for one in own])

    def _merged(self, counts: F64) -> Pane:
        total = counts.sum(axis=0) if len(counts) else np.zeros(0)
        if not total.any():
            return Pane()
        return Pane({"rows": np.full(3, float(total.sum())), "feature:x0": total})
