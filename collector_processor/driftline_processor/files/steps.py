"""The steps of time of a file, finer than its windows where those are long: since when something is as it is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
from driftline.baseline import Baseline
from driftline.blocks import Stretches, targets
from driftline.pane import Pane
from driftline.tables import F64, I64

from driftline_processor.core.evaluation import Window
from driftline_processor.core.explain.grid import coarsen, grid
from driftline_processor.core.explain.trail import MOST_STEPS, Trail
from driftline_processor.core.window import DAY

from .cut import Cut
from .rows import Rows


@dataclass(frozen=True, slots=True)
class Steps:
    """``starts``, ``ends``: int64 (steps,), unix nanoseconds. ``owner``, ``step``: int64 (pieces,), the window and the
    step of each piece of rows; ``pieces``: per file the piece of each row, int64 (n,), -1 = in none."""

    starts: I64
    ends: I64
    owner: I64
    step: I64
    pieces: list[I64]

    @property
    def known(self) -> bool:
        """Whether rows have times."""
        return bool(len(self.ends)) and bool(self.ends[-1] > 0)


def cut_steps(reads: Sequence[Rows], cut: Cut, windows: Sequence[Window], groups: list[I64]) -> Steps:
    """Cut windows into the steps of :func:`driftline_processor.core.explain.trail.step_name`.

    Windows that are not of event time are cut into at most 60 stretches of the rows' time; where rows have no times, a
    step is a window.
    """
    starts, ends = (np.array([getattr(one, side) for one in windows], np.int64) for side in ("start", "end"))
    short = bool(cut.window) and int((ends - starts).max(initial=0)) <= DAY
    times = [read.time for read in reads if read.time is not None]
    stretches = None
    if len(times) == len(reads) and not short:
        kept = [time[group >= 0] for time, group in zip(times, groups, strict=True)]
        stretches = _days(kept) if cut.window else Stretches.of(np.concatenate(kept))
    if stretches is None:
        every = np.arange(len(windows))
        return Steps(starts, ends, every, every, groups)
    places = [stretches.place(time) for time in times]
    width = stretches.count + 1
    keys = [np.where(group < 0, -1, group * width + place) for group, place in zip(groups, places, strict=True)]
    there = np.zeros(len(windows) * width, np.bool_)
    for key in keys:
        there[key[key >= 0]] = True
    number = np.append(np.cumsum(there) - 1, -1)  # a key of -1 reads the last entry
    present = np.flatnonzero(there)
    begin = stretches.start + np.arange(width) * stretches.length
    return Steps(begin, begin + stretches.length, present // width, present % width, [number[key] for key in keys])


def _days(times: Sequence[I64]) -> Stretches:
    low = min(int(time.min()) for time in times if len(time)) // DAY
    high = max(int(time.max()) for time in times if len(time)) // DAY
    return Stretches(low * DAY, DAY, high - low + 1)


@dataclass(slots=True)
class Trails:
    """The coarse counts of every step, gathered while rows are folded."""

    steps: Steps
    baseline: Baseline
    _cells: dict[str, I64] = field(init=False)
    _counts: dict[str, F64] = field(init=False)

    def __post_init__(self) -> None:
        own = self.baseline.pane.parts
        bins = {part: over for part, over in targets(self.baseline.bins).items() if part in own}
        self._cells = {part: grid(over, own[part]) for part, over in bins.items()} if self.steps.known else {}
        count = len(self.steps.starts)
        self._counts = {part: np.zeros((count, int(cells.max()) + 1)) for part, cells in self._cells.items()}

    def add(self, piece: int, pane: Pane) -> None:
        """Add the rows of a piece."""
        at = int(self.steps.step[piece])
        for part, cells in self._cells.items():
            counts = pane.parts.get(part)
            if counts is not None:
                self._counts[part][at] += coarsen(counts, cells)

    def until(self, end: int, parts: Collection[str]) -> Trail | None:
        """Return the steps that begin before a time; None where rows have no times."""
        known = [part for part in parts if part in self._counts]
        if not known:
            return None
        held = np.any([self._counts[part].any(axis=1) for part in known], axis=0)
        which = np.flatnonzero(held & (self.steps.starts < end))[-MOST_STEPS:]
        of = {part: self._counts[part][which] for part in known}
        cells = {part: self._cells[part] for part in known}
        return Trail(self.steps.starts[which], self.steps.ends[which], of, cells)
