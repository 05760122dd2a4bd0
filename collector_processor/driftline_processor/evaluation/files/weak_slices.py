"""Weak slices of a window, searched over the feature bins of its labelled rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.loss_cells import bin_of_part, part_bins
from driftline.tables.row_losses import RowLoss, losses_of
from driftline.tables.table import F64, I64, PredictionTable
from numpy.typing import NDArray

from driftline_processor.core.evaluation import WeakSearch
from driftline_processor.core.explain.loss_evidence import RowLosses
from driftline_processor.core.performance.one_class import faulty_rows
from driftline_processor.core.stable_hash import hash_numbers
from driftline_processor.core.weak_slices.search import MOST_ROWS, rows_to_search, weak_slices
from driftline_processor.core.weak_slices.slice_change import LossTiles, period_windows, sums_of_tiles
from driftline_processor.core.windows.window import Window
from driftline_processor.readers.row_store import chunks_of, is_many

from .outcomes import LabelledWindows

ALL_CELLS = 100_000_000
"""Maximum number of rows × features of all windows: two bytes each, so that 50 features have 2,000,000 rows."""

WINDOW_CELLS = 100 * MOST_ROWS
"""Maximum number of rows × features of one window, so that 100 features have all rows: a search has a few arrays of
eight bytes each.
"""

MOST_WINDOWS = 31
"""Maximum number of windows searched for weak slices, newest first; a search takes some tenths of a second."""

FEATURE = "feature:"


class WeakSliceRows:
    """The searched rows by window: the newest windows, evenly sampled if they have many rows."""

    def __init__(
        self, chosen: I64, labelled_windows: LabelledWindows, losses: Mapping[RowLoss, F64], baseline: Baseline
    ) -> None:
        """Create the search over the ``chosen`` rows, int64 (m,), ascending, and their ``losses``."""
        rows = labelled_windows.rows
        outside = [part.start + np.flatnonzero(labelled_windows.group[part] < 0) for part in chunks_of(len(rows))]
        self._at = chosen - np.searchsorted(np.concatenate(outside), chosen)  # rows outside all windows are not folded
        self._window, self._windows = labelled_windows.group[chosen], labelled_windows.windows
        self._time = None if rows.time is None else rows.time[chosen]
        self._weight = None if rows.weight is None else rows.weight[chosen]
        self._losses = losses
        losses_was = baseline.extras.losses
        self._bins = part_bins(baseline.bins, {} if losses_was is None else losses_was.values)
        self._was = losses_was
        self._codes: dict[str, NDArray[np.uint16]] = {}

    @classmethod
    def of(cls, labelled_windows: LabelledWindows | None, baseline: Baseline) -> Self | None:
        """Choose the rows; None without outcomes or losses."""
        if labelled_windows is None or not labelled_windows.rows.labelled:
            return None
        windows = labelled_windows.windows
        features = max(1, len(baseline.bins.features))
        max_rows = min(MOST_ROWS, WINDOW_CELLS // features, ALL_CELLS // features // windows)
        chosen_rows = _Chosen.join([_choose(labelled_windows, window, baseline, max_rows) for window in range(windows)])
        chosen_rows = chosen_rows.take(np.argsort(chosen_rows.places, kind="stable"))
        return (
            cls(chosen_rows.places, labelled_windows, chosen_rows.losses, baseline) if len(chosen_rows.places) else None
        )

    def add(self, start: int, table: PredictionTable) -> None:
        """Add the bins of the rows of a batch; ``start``: number of rows before it. Thread-safe."""
        first, last = np.searchsorted(self._at, [start, start + len(table)])
        if first == last:
            return
        rows = self._at[first:last] - start
        for part, bins in self._bins.items():
            bin_index = bin_of_part(part, bins, table.features, table.slices, rows)
            if bin_index is None:
                continue
            codes = self._codes.get(part)
            if codes is None:  # missing if a batch lacks the feature; thread-safe by setdefault
                codes = self._codes.setdefault(part, np.full(len(self._at), bins.size, np.uint16))
            codes[first:last] = bin_index

    def searched(self, window: int) -> int:
        """Return the number of searched rows of a window."""
        return int(np.count_nonzero(self._window == window))

    def rows(self, window: int) -> RowLosses | None:
        """Return the rows of a window; None without any, or without features."""
        positions = np.flatnonzero(self._window == window)
        if not len(positions) or not self._codes:
            return None
        return RowLosses(
            {
                part.removeprefix(FEATURE): codes[positions].astype(np.intp)
                for part, codes in self._codes.items()
                if part.startswith(FEATURE)
            },
            {by: values[positions] for by, values in self._losses.items()},
            None if self._weight is None else self._weight[positions],
            None if self._time is None else self._time[positions],
        )

    def weak(self, window: int) -> WeakSearch | None:
        """Return the weak slices of one of the newest windows; None for older ones."""
        rows = None if window < self._windows - MOST_WINDOWS else self.rows(window)
        if rows is None:
            return None
        features = {name: (self._bins[f"{FEATURE}{name}"], codes) for name, codes in rows.codes.items()}
        return weak_slices(features, rows.losses, rows.weight, rows.time)

    def loss_tiles(self, windows: Sequence[Window], index: int, timezone: str) -> LossTiles | None:
        """Return the losses of a window and of those before it; None if the baseline has none."""
        sums, window = self._sums_until, windows[index]
        if sums is None:
            return None
        starts, ends = np.array([(one.start, one.end) for one in windows[: index + 1]], np.int64).T
        tiles = [one for one in period_windows(window, timezone) if one.end > starts[0]] if window.name else [window]
        last = np.array([*(np.searchsorted(ends, [one.end for one in tiles[:-1]], side="right") - 1), index])
        first = np.searchsorted(starts, tiles[0].start) if window.name else index
        until = {
            part: np.where((last >= first)[:, np.newaxis, np.newaxis], of_part[last], 0.0)
            - (of_part[first - 1] if first else 0.0)
            for part, of_part in sums.items()
        }
        newest = int(self._newest_until[index])
        return LossTiles(np.array([one.start for one in tiles], np.int64), window.end, newest, until)

    @cached_property
    def _newest_until(self) -> I64:
        """The time of the newest row up to each window: int64 (windows,), 0 without a time."""
        newest = np.zeros(self._windows, np.int64)
        if self._time is not None:
            np.maximum.at(newest, self._window, self._time)
        return np.maximum.accumulate(newest)

    @cached_property
    def _sums_until(self) -> dict[str, F64] | None:
        """The sums of the losses of all windows up to each window; computed when all rows were added."""
        if self._was is None or self._was.by not in self._losses:
            return None
        codes = {part: (self._bins[part], of_rows) for part, of_rows in self._codes.items()}
        loss = self._losses[self._was.by]
        sums = sums_of_tiles(self._was, codes, loss, self._weight, self._window, self._windows)
        return {part: np.cumsum(of_part, axis=0) for part, of_part in sums.items()}


class _Chosen(NamedTuple):
    """Searched rows of a window: their positions, int64 (m,), and their losses, float64 (m,)."""

    places: I64
    losses: dict[RowLoss, F64]

    @classmethod
    def join(cls, parts: Sequence[_Chosen]) -> _Chosen:
        """Concatenate; rows of a part that lacks a loss get a missing value."""
        places = [np.zeros(0, np.int64), *(part.places for part in parts)]
        losses = {
            by: np.concatenate([part.losses.get(by, np.full(len(part.places), np.nan)) for part in parts])
            for by in dict.fromkeys(by for part in parts for by in part.losses)
        }
        return cls(np.concatenate(places), losses)

    def take(self, i64: I64) -> _Chosen:
        """Return a subset."""
        return _Chosen(self.places[i64], {by: values[i64] for by, values in self.losses.items()})


def _choose(labelled_windows: LabelledWindows, window: int, baseline: Baseline, max_rows: int) -> _Chosen:
    """Return at most ``max_rows`` rows of a window with a known loss.

    In a window of several chunks each row draws a number from its position, and rows below a bound are chosen. The
    bound is halved until few enough remain, so memory holds only a few more rows.
    """
    chosen_parts, halved, row_count = list[_Chosen](), 0, 0
    for places, rows in labelled_windows.chunks(window):
        losses = losses_of(baseline.task, rows.scores, rows.predicted, rows.actual)
        faulty = faulty_rows(baseline, rows.actual, rows.time)
        if faulty is not None:
            losses = {by: np.where(faulty, np.nan, values) for by, values in losses.items()}
        time = np.zeros(len(rows), np.int64) if rows.time is None else rows.time
        chosen = _Chosen(places, losses)
        if not is_many(labelled_windows.size(window)):
            return chosen.take(rows_to_search(losses, time, max_rows))
        chosen = chosen.take(_sampled_rows(rows_to_search(losses, time, len(rows)), places, halved))
        chosen_parts.append(chosen)
        row_count += len(chosen.places)
        while row_count > max_rows:
            halved += 1
            chosen_parts = [
                chosen_part.take(_sampled_rows(np.arange(len(chosen_part.places)), chosen_part.places, halved))
                for chosen_part in chosen_parts
            ]
            row_count = sum(len(chosen_part.places) for chosen_part in chosen_parts)
    return _Chosen.join(chosen_parts)


def _sampled_rows(rows: I64, places: I64, halved: int) -> I64:
    """Return the rows whose number lies below a bound that was halved ``halved`` times."""
    return rows if not halved else rows[hash_numbers(places[rows]) >> np.uint64(64 - halved) == 0]
