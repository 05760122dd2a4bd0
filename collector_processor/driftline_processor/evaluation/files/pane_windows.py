"""Windows of a table whose rows were folded elsewhere: sums from panes, causes from a sample of the rows.

The windows are those of files (:mod:`.rows_source`), so the same code evaluates them. Only the sums come from panes. An
in-memory store with the evaluator of the service would also evaluate them, but it would search no weak slices and needs
the sample as stored feature rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.duplicate_rows import Counting, fingerprints
from driftline.baseline.sections.seasons import Seasons
from driftline.baseline.sections.slices import OTHER
from driftline.panes.outcome_sums import widths
from driftline.panes.pane import MOST_UNKNOWN, Pane, merge
from driftline.tables.table import F64, I64, ModelKey
from driftline.tables.task import Task
from msgspec import Struct

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.labels.delay import PART as DELAY
from driftline_processor.core.outcomes.coverage import DECIDED
from driftline_processor.core.performance.window_outcomes import BlockSums
from driftline_processor.core.reference.season import mix_of_kind
from driftline_processor.core.windows.time_before import step_name
from driftline_processor.core.windows.window import Window, length, window_of
from driftline_processor.evaluation.window_source import window_blocks
from driftline_processor.readers.errors import BadInput, option_text
from driftline_processor.readers.prediction_rows import FileRows

from .dataset import Dataset
from .fold import WindowFold, batches
from .rows_source import FileWindows, RowsSource
from .slices import SlicePane, WindowSlices
from .weak_slices import WeakSliceRows
from .windows import MOST_WINDOWS, StepCounts, WindowSteps

if TYPE_CHECKING:
    from driftline.batch_panes import MadePane, MadePanes  # it imports what sends panes


class RowSample(NamedTuple):
    """The rows that causes, weak slices and concept drift come from: ``rows`` of ``total`` rows."""

    rows: int
    total: int


class _Piece(NamedTuple):
    """The panes of one step of a window, in order of time, of all rows and of slices."""

    window: int
    step: Window
    panes: Sequence[MadePane]


class PaneWindows(Struct, frozen=True, eq=False, dict=True):
    """The windows of panes.

    Attributes:
        made: The panes.
        windows: The windows with rows, oldest first.
        timezone: Time zone of the windows.
        sample: How many rows were sampled.
    """

    made: MadePanes
    windows: Sequence[Window]
    timezone: str
    sample: RowSample

    @classmethod
    def of(cls, made: MadePanes, name: str, timezone: str, sample: RowSample) -> PaneWindows:
        """Cut panes into windows of a length. Raises :class:`BadInput` if a window is shorter than a pane."""
        if not name or length(name) < length(made.span):
            raise BadInput(f"panes of {made.span} need windows of at least this length; use {option_text('window')}")
        starts = sorted({pane.start for pane in made.panes if not pane.slice})
        windows = list[Window]()
        for start in starts:
            if not windows or start >= windows[-1].end:
                windows.append(window_of(name, start, timezone))
        if len(windows) > MOST_WINDOWS:
            raise BadInput(f"more than {MOST_WINDOWS:,} windows have rows; use longer windows", "window", name)
        return cls(made, windows, timezone, sample)

    @property
    def has_all_rows(self) -> bool:
        """Whether the sample is the whole table."""
        return self.sample.rows >= self.sample.total

    def groups(self, reads: Sequence[FileRows]) -> list[I64]:
        """Return the window of each sampled row: int64 (n,) per file, -1 = none."""
        starts, ends = np.array([(window.start, window.end) for window in self.windows], np.int64).T
        groups = list[I64]()
        for read in reads:
            if read.time is None:
                raise BadInput(f"{read.source.path}: needs the time of each row; set its column with --time")
            place = np.searchsorted(starts, read.time, side="right") - 1
            inside = (place >= 0) & (read.time < ends[place])
            groups.append(np.where(inside if read.usable is None else inside & read.usable, place, -1))
        return groups

    def steps(self) -> WindowSteps:
        """Return the time steps of the windows: the windows themselves, or their days."""
        steps = sorted({(piece.step.start, piece.step.end) for piece in self._pieces})
        places = {start: place for place, (start, _) in enumerate(steps)}
        starts, ends = np.array(steps, np.int64).T
        owner = np.array([piece.window for piece in self._pieces], np.int64)
        step = np.array([places[piece.step.start] for piece in self._pieces], np.int64)
        return WindowSteps(starts, ends, owner, step, [])

    def add_to(self, counts: StepCounts, slices: WindowSlices) -> list[Pane]:
        """Add the panes to the counts of each step and to the slices; return the pane of each window."""
        panes: list[list[Pane]] = [[] for _ in self.windows]
        for place, piece in enumerate(self._pieces):
            pane = merge(Pane({**one.sums}) for one in piece.panes if not one.slice)
            counts.add([place], [pane])
            panes[piece.window].append(pane)
            for name, of_slice in _by_slice(piece.panes).items():
                slices.add([SlicePane(place, name, merge(Pane({**one.sums}) for one in of_slice))])
        return [merge(of_window) for of_window in panes]

    def values(self, keys: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return the values of each slice key that have panes."""
        names = [name.partition("=") for name in dict.fromkeys(pane.slice for pane in self.made.panes) if name]
        return {key: tuple(value for of, _, value in names if of == key and value != OTHER) for key in keys}

    def within(self, blocks: Sequence[Window], wanted: Callable[[MadePane], bool]) -> list[list[MadePane]]:
        """Return the panes that begin in each of consecutive blocks of time."""
        found: list[list[MadePane]] = [[] for _ in blocks]
        first, last = np.searchsorted(self._starts, [blocks[0].start, blocks[-1].end])
        ends = [block.end for block in blocks]
        for pane in self._panes[first:last]:
            if wanted(pane):
                found[int(np.searchsorted(ends, pane.start, side="right"))].append(pane)
        return found

    @cached_property
    def _panes(self) -> Sequence[MadePane]:
        return sorted(self.made.panes, key=lambda pane: (pane.start, pane.slice))

    @cached_property
    def _starts(self) -> I64:
        return np.array([pane.start for pane in self._panes], np.int64)

    @cached_property
    def _pieces(self) -> Sequence[_Piece]:
        pieces = list[_Piece]()
        for index, window in enumerate(self.windows):
            name = step_name(window.name)
            steps: dict[Window, list[MadePane]] = {}
            [panes] = self.within([window], lambda _: True)
            for pane in panes:
                step = window if name == window.name else window_of(name, pane.start, self.timezone)
                steps.setdefault(step, []).append(pane)
            pieces += [_Piece(index, step, of_step) for step, of_step in steps.items()]
        return pieces


class PaneSource(RowsSource):
    """One window whose sums come from panes. If the sample has all rows, performance is that of the rows."""

    files: PaneFileWindows

    @property
    def _panes(self) -> PaneWindows:
        return self.files.panes

    @cached_property
    def pane(self) -> Pane:
        """The sums of the window's rows and of their outcomes."""
        return Pane({**self.files.folds[self.at].pane.parts})

    def season_mix(self, seasons: Seasons) -> F64 | None:
        """Return the weight of the rows in each season; a pane of a day counts as its first hour."""
        [panes] = self._panes.within([self.window], lambda pane: not pane.slice)
        seasonality = seasons.seasonality
        season = seasonality.of(np.array([pane.start for pane in panes], np.int64))
        weight = [float(pane.sums["rows"][1]) for pane in panes]
        mix = np.bincount(season, weight, minlength=seasonality.count).astype(np.float64)
        return mix_of_kind(mix, seasonality.kind)

    @cached_property
    def blocks(self) -> Sequence[Pane]:
        """The outcomes by block of time; the window itself if panes are longer than blocks."""
        return self._outcomes(self._blocks(window_blocks(self.window, self._panes.timezone)))

    def outcome_panes(self, steps: Sequence[Window]) -> Sequence[Pane] | None:
        """Return the outcomes in each time step; None if panes are longer."""
        return self._outcomes(steps) if self._blocks(steps) is steps else None

    def outcome_slices(self, blocks: Sequence[Window]) -> Mapping[str, BlockSums]:
        """Return outcomes and predictions of each slice by block of time."""
        blocks, task = self._blocks(blocks), self.task
        by_slice = dict[str, list[list[Pane]]]()
        for place, panes in enumerate(self._panes.within(blocks, lambda pane: bool(pane.slice))):
            for pane in panes:
                in_time = by_slice.setdefault(pane.slice, [[] for _ in blocks])
                in_time[place].append(_outcomes_of(pane, task, "rows"))
        return {name: BlockSums.of(map(merge, by_slice[name])) for name in sorted(by_slice)}

    def realized(self) -> dict[str, MetricValue] | None:
        """Return the exact performance if the sample has all rows, else None."""
        return super().realized() if self._panes.has_all_rows else None

    def _outcomes(self, blocks: Sequence[Window]) -> list[Pane]:
        in_time = self._panes.within(blocks, lambda pane: not pane.slice)
        return [merge(_outcomes_of(pane, self.task) for pane in panes) for panes in in_time]

    def _blocks(self, blocks: Sequence[Window]) -> Sequence[Window]:
        """Return the blocks, or the window if a block is shorter than a pane."""
        is_long = all(length(self._panes.made.span) <= length(block.name) for block in blocks if block.name)
        return blocks if is_long else (self.window,)


class PaneFileWindows(FileWindows, frozen=True, kw_only=True):
    """All windows of panes. ``panes``: their sums; the other attributes come from the sample."""

    panes: PaneWindows

    def sources(self) -> Iterator[RowsSource]:
        """Yield each window as a source for the evaluation."""
        for source in super().sources():
            yield PaneSource(self, source.at, source.again)


def fold_sample(
    panes: PaneWindows, sums: Sequence[Pane], read: Dataset, groups: Sequence[I64], key: ModelKey, baseline: Baseline,
    labelled: WeakSliceRows | None,
) -> list[WindowFold]:  # fmt: skip
    """Return the sums of each window, and give the bins of the sampled rows to the search for weak slices.

    Duplicate rows are counted if the sample has all rows.
    """
    folds = [WindowFold(pane, {"": Counting()}) for pane in sums]
    repeating, start = panes.has_all_rows and baseline.extras.repeats is not None, 0
    for table, window in batches(read, groups, key, baseline):
        if labelled is not None:
            labelled.add(start, table)
        start += len(table)
        if repeating:
            prints = fingerprints(table.features, baseline.bins.features, len(table))
            for index in np.unique(window[window >= 0]).tolist():
                folds[index].counting[""].add(prints[window == index])
    for fold in folds:
        rows = fold.pane.parts["rows"][1:2]
        fold.pane.parts |= {f"unknown:{name}": rows for name in read.roles.unknown[:MOST_UNKNOWN]}
    return folds


def _by_slice(panes: Iterable[MadePane]) -> dict[str, list[MadePane]]:
    by_slice: dict[str, list[MadePane]] = {}
    for pane in panes:
        if pane.slice:
            by_slice.setdefault(pane.slice, []).append(pane)
    return by_slice


def _outcomes_of(pane: MadePane, task: Task, *others: str) -> Pane:
    """Return the sums of outcomes and decisions, and other parts by name."""
    wanted = {*widths(task), DELAY, *others}
    return Pane({part: sums for part, sums in pane.sums.items() if part in wanted or part.startswith(DECIDED)})
