"""Windows of hours whose rows resemble each other, as the hours or days before them do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.catalogue import Extras
from driftline.baseline.sections.time_blocks import TimeBlocks, TimeGrid
from driftline.panes.bins import CategoryBins, NumberBins
from driftline.panes.model_bins import ModelBins
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64
from driftline.tables.task import Task
from driftline_processor.core.drift.rule import drift
from scipy.signal import lfilter
from scipy.special import ndtr
from scipy.stats import norm

from simulations.drift.worlds import EDGES, START, pane_of

HOUR = 3_600 * 10**9


@dataclass(frozen=True)
class Lasting:
    """Windows of hours whose rows resemble each other, as those before them do; a fresh reference of days for each.

    ``alike``: the share of the variance that rows of an hour have in common. ``persist``: how much of it the next day
    keeps; with ``hourly``, the next hour. ``reference``: days of it. ``hours``: of each of the windows, a month later,
    of which the longer hold the shorter. ``rows``: an hour. ``together``: the same for all features. ``moved``: by how
    many standard deviations of what is in common. ``shifted``: the first feature, by standard deviations of its values.
    ``labels``: the feature as a category of ten.
    """

    alike: float
    persist: float
    reference: int = 30
    hours: tuple[int, ...] = (24,)
    rows: int = 100
    features: int = 1
    together: bool = False
    hourly: bool = False
    moved: float = 0.0
    shifted: float = 0.0
    labels: bool = False

    @property
    def bins(self) -> ModelBins:
        """The same bins for every feature."""
        labels = CategoryBins(tuple(f"c{at}" for at in range(9)))
        return ModelBins({f"x{at}": labels if self.labels else NumberBins(EDGES) for at in range(self.features)})

    def windows(self, rng: np.random.Generator) -> Iterator[tuple[Pane, Baseline, int]]:
        """See :class:`World`; each baseline with all windows."""
        before = 24 * self.reference
        times = START + np.arange(before) * HOUR
        stretches = TimeGrid.of(times)
        assert stretches is not None
        half = stretches.halves(times)
        panes = 2 * stretches.count
        while True:
            counts = self.counts(rng, self.common(rng))
            past = np.zeros((panes, *counts.shape[1:]))
            np.add.at(past, half, counts[:before])
            folded = [pane_of(one) for one in past[::2] + past[1::2]]
            blocks = TimeBlocks.folded(stretches, folded, self.bins, [pane_of(one) for one in past[1::2]])
            whole = pane_of(past.sum(axis=0))
            baseline = Baseline("m", "", Task("regression"), self.bins, whole, extras=Extras(blocks=blocks))
            for hours in self.hours:
                yield pane_of(counts[before : before + hours].sum(axis=0)), baseline, hours * HOUR

    def common(self, rng: np.random.Generator) -> F64:
        """Draw what the rows of each hour of reference and window have in common: float64 (hours, features)."""
        each = 1 if self.hourly else 24
        gap = 24 * 30
        steps = -(-(24 * self.reference + gap + max(self.hours)) // each)
        noise = rng.normal(size=(steps, 1 if self.together else self.features))
        noise[1:] *= math.sqrt(1 - self.persist**2)
        found = np.repeat(lfilter([1.0], [1.0, -self.persist], noise, axis=0), each, axis=0)
        first = 24 * self.reference + gap
        found = np.concatenate([found[: 24 * self.reference], found[first : first + max(self.hours)] + self.moved])
        return np.broadcast_to(found, (len(found), self.features))

    def counts(self, rng: np.random.Generator, common: F64) -> I64:
        """Draw rows with that in common: int64 (hours, features, bins)."""
        edges = norm.ppf(np.arange(1, 10) / 10) if self.labels else EDGES
        level = math.sqrt(self.alike) * common
        level[24 * self.reference :, 0] += self.shifted
        below = ndtr((edges - level[..., np.newaxis]) / math.sqrt(1 - self.alike))
        shares = np.diff(below, axis=-1, prepend=0.0, append=1.0)
        return rng.multinomial(self.rows, np.maximum(shares, 0.0) / shares.sum(axis=-1, keepdims=True))


def worst(world: Lasting, draws: int, rng: np.random.Generator) -> dict[str, float]:
    """Judge so many windows of each length; return what is said of those that alarm most, and of which it is.

    ``unsure``: the share of windows of which none is drift for sure, and of one it could not be told; a large distance
    beside a reference that is too short to say what is usual is one.
    """
    drawn = world.windows(rng)
    found = np.zeros((len(world.hours), 4), np.int64)
    for _ in range(draws):
        for at, (pane, baseline, span) in enumerate(islice(drawn, len(world.hours))):
            columns = list(drift(pane, baseline, span=span).features.values())
            alarm = any(one.state == "drift" and not one.reason for one in columns)
            unsure = not alarm and any(one.reason for one in columns)
            found[at] += (alarm, columns[0].state == "drift", unsure, columns[0].state == "ok")
    at = int(found[:, 0].argmax())
    alarms, first, unsure, missed = (found[at] / draws).tolist()
    figures = {"windows": draws, "alarm": alarms, "found": first, "unsure": unsure, "hours": world.hours[at]}
    return figures | ({"ok": missed} if world.shifted else {})
