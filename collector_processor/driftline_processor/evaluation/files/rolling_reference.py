"""The rows before a window as its reference; their sums are collected while rows are folded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.seasons import seasons_of_panes
from driftline.baseline.sections.slices import Slices
from driftline.panes.pane import Pane, merge
from driftline.tables.table import I64
from driftline.tables.timestamps import DAY, AnySeasonality, Seasonality, UnknownSeasonality
from msgspec import Struct, field, structs

from driftline_processor.core.model_settings import ModelSettings
from driftline_processor.core.reference.reference import Reference, derive_baseline
from driftline_processor.core.reference.rolling import Ranges, Rolling, rolling_reference
from driftline_processor.core.reference.season import WHOLE, grid_of, season_borders
from driftline_processor.core.windows.window import Window, parse
from driftline_processor.readers.errors import BadInput, option_text
from driftline_processor.readers.prediction_rows import FileRows

from .slices import SlicePane
from .windows import WindowSteps


class RollingReference(Struct):
    """The panes between two ``edges``, in unix nanoseconds; periods that serve as a reference end at edges.

    ``windows``: the windows, oldest first. ``intervals``: int64 (pieces,), the interval between edges of each piece of
    rows. ``seasons``: separate the earlier rows by season; None = they do not. ``drifted``: the windows so far that
    drifted.
    """

    rolling: Rolling
    windows: Sequence[Window]
    timezone: str
    edges: I64
    intervals: I64
    seasons: AnySeasonality | None = None
    drifted: list[Window] = field(default_factory=list)
    _panes: dict[int, Pane] = field(default_factory=dict)
    _sliced: dict[int, dict[str, Pane]] = field(default_factory=dict)
    _summed: dict[tuple[int, int], Pane] = field(default_factory=dict)
    _compared: dict[tuple[Ranges, Ranges, str], Reference] = field(default_factory=dict)

    def add(self, piece: int, pane: Pane) -> None:
        """Add the rows of a piece."""
        interval = int(self.intervals[piece])
        self._panes[interval] = merge([self._panes[interval], pane]) if interval in self._panes else pane

    def add_slices(self, pieces: Iterable[SlicePane]) -> None:
        """Add the rows of slices."""
        for piece in pieces:
            slices_by_name = self._sliced.setdefault(int(self.intervals[piece.piece]), {})
            slices_by_name[piece.name] = merge([slices_by_name.get(piece.name, Pane()), piece.pane])

    def compared(self, window: int, baseline: Baseline) -> Reference:
        """Return the reference of a window by its position; valid after all rows and earlier drift were added.

        ``baseline``: at the threshold of the window's rows.
        """
        periods = self.rolling.periods(self.windows[window], self.timezone, lambda _: self.drifted)
        key = (periods.ranges, periods.left_out, baseline.digest)
        if key not in self._compared:  # all hours of a day share it
            panes = [self._stretch(stretch.start, stretch.end) for stretch in periods.stretches]
            intervals = [
                interval
                for start, end in periods.ranges
                for interval in range(*np.searchsorted(self.edges, [start, end]) + 1)
            ]
            reference = rolling_reference(baseline, self.rolling, periods, panes, partial(self._slices, intervals))
            if self.seasons is not None and reference.baseline is not baseline:
                reference = reference._replace(baseline=self._and_seasons(reference.baseline, self.seasons, intervals))
            self._compared[key] = reference
        return self._compared[key]

    def _and_seasons(self, baseline: Baseline, seasons: AnySeasonality, intervals: Sequence[int]) -> Baseline:
        held_intervals = [index for index in intervals if index in self._panes]
        starts, panes = (
            self.edges[np.array(held_intervals, np.intp) - 1],
            [self._panes[interval] for interval in held_intervals],
        )
        known_seasons = seasons_of_panes(seasons, baseline.bins, grid_of(baseline.extras.blocks), starts, panes)
        return derive_baseline(baseline, baseline.pane, replace(baseline.extras, seasons=known_seasons))

    def _slices(self, intervals: Sequence[int]) -> Slices | None:
        held_slices = [self._sliced[index] for index in intervals if index in self._sliced]
        panes_by_slice: dict[str, dict[str, Pane]] = {}
        for name in dict.fromkeys(name for panes in held_slices for name in panes):
            key, _, value = name.partition("=")
            panes_by_slice.setdefault(key, {})[value] = merge(panes[name] for panes in held_slices if name in panes)
        return Slices.bounded(panes_by_slice)

    def _stretch(self, start: int, end: int) -> Pane:
        if (start, end) not in self._summed:
            first, last = np.searchsorted(self.edges, [start, end]).tolist()
            held_panes = [self._panes[index] for index in range(first + 1, last + 1) if index in self._panes]
            self._summed[start, end] = held_panes[0] if len(held_panes) == 1 else merge(held_panes)
        return self._summed[start, end]


def cut_references(
    settings: ModelSettings, reads: Sequence[FileRows], windows: Sequence[Window], steps: WindowSteps
) -> tuple[RollingReference, WindowSteps]:
    """Cut the pieces of rows at the edges of all reference periods.

    Pieces are also cut at the edges of seasons: of hours if configured, or if windows are shorter than a day.
    """
    rolling, seasons = settings.rolling, settings.seasons
    assert rolling is not None
    periods = {period for window in windows for period in rolling.candidates(window, settings.timezone)}
    edges = np.array(sorted({edge for period in periods for edge in (period.start, period.end)}), np.int64)
    cut = seasons if isinstance(seasons, Seasonality) else None if seasons is None else seasons.clock
    if isinstance(seasons, UnknownSeasonality) and min(window.end - window.start for window in windows) >= WHOLE * DAY:
        cut = Seasonality("weekday", seasons.timezone)
    if cut is not None and len(edges):
        edges = np.union1d(edges, season_borders(int(edges[0]), int(edges[-1]), cut, None))
    times = [read.time for read in reads]
    width = len(edges) + 1
    keys = np.concatenate(
        [
            np.where(piece < 0, -1, piece * width + np.searchsorted(edges, time, side="right"))
            for piece, time in zip(steps.pieces, times, strict=True)
            if time is not None
        ]
    )
    present_keys, pieces = np.unique(keys[keys >= 0], return_inverse=True)
    every = np.full(len(keys), -1, np.int64)
    every[keys >= 0] = pieces
    finer = np.split(every, np.cumsum([len(piece) for piece in steps.pieces])[:-1])
    coarse = present_keys // width
    past = RollingReference(rolling, windows, settings.timezone, edges, present_keys % width, seasons)
    return past, structs.replace(steps, owner=steps.owner[coarse], step=steps.step[coarse], pieces=finer)


def read_rolling(last: str, without: str) -> Rolling | None:
    """Read the two options; None without a rolling reference. Raises :class:`BadInput` for an invalid length."""
    if not last:
        if without:
            raise BadInput(
                f"needs the period to compare with, as in {option_text('reference_last', '30d')}", "reference_without"
            )
        return None
    for option, length in (("reference_last", last), ("reference_without", without)):
        try:
            parse(length or "1d")
        except ValueError as error:
            raise BadInput(str(error), option) from error
    return Rolling(last, without)
