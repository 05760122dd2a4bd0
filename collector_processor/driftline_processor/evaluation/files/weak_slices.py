"""Weak slices of a window: the bins of the features of each labelled row are kept until the window is judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.panes.bins import assign
from driftline.tables.table import F64, I64, PredictionTable, take_rows
from numpy.typing import NDArray

from driftline_processor.core.evaluation import RowLoss, WeakSearch
from driftline_processor.core.weak_slices.search import MOST_ROWS, losses_of, rows_to_search, weak_slices

from .outcomes import LabelledWindows

ALL_ROWS = 2_000_000
"""Rows of all windows together: two bytes per feature each, 200 MB with 50 features."""

MOST_WINDOWS = 31
"""Windows that are searched, the newest: a search takes as long as reading the rows of one, some tenths of a second."""


class WeakSliceRows:
    """The rows that are searched, by window: the newest windows, evenly where they have many."""

    def __init__(self, chosen: I64, known: LabelledWindows, losses: Mapping[RowLoss, F64], baseline: Baseline) -> None:
        """Keep what is known of the ``chosen`` rows, int64 (m,), ascending; ``losses``: those of all rows."""
        rows = known.rows
        self._at = (np.cumsum(known.group >= 0) - 1)[chosen]  # rows of no window are not folded
        self._window = known.group[chosen]
        self._time = None if rows.time is None else rows.time[chosen]
        self._weight = None if rows.weight is None else rows.weight[chosen]
        self._losses = {by: values[chosen] for by, values in losses.items()}
        self._bins = baseline.bins.features
        self._codes: dict[str, NDArray[np.uint16]] = {}

    @classmethod
    def of(cls, known: LabelledWindows | None, baseline: Baseline) -> Self | None:
        """Choose them; None where no outcome is known, or nothing says how wrong the model was."""
        if known is None or not known.rows.labelled:
            return None
        rows, windows = known.rows, known.windows
        losses = losses_of(baseline.task, rows.scores, rows.predicted, rows.actual)
        time = np.zeros(len(rows), np.int64) if rows.time is None else rows.time
        most = min(MOST_ROWS, ALL_ROWS // min(windows, MOST_WINDOWS))
        kept = []
        for window in range(max(0, windows - MOST_WINDOWS), windows):
            at = known.places(window)
            kept.append(at[rows_to_search({by: values[at] for by, values in losses.items()}, time[at], most)])
        chosen = np.sort(np.concatenate(kept))
        return cls(chosen, known, losses, baseline) if len(chosen) else None

    def add(self, start: int, table: PredictionTable) -> None:
        """Keep the bins of the rows of a batch; ``start``: how many rows came before it. Any thread may."""
        first, last = np.searchsorted(self._at, [start, start + len(table)])
        if first == last:
            return
        rows = self._at[first:last] - start
        for name, bins in self._bins.items():
            column = table.features.get(name)
            if column is None or (column.numbers is None and column.codes is None):
                continue
            codes = self._codes.get(name)
            if codes is None:  # missing where a batch has no such feature; of two threads one is the first
                codes = self._codes.setdefault(name, np.full(len(self._at), bins.size, np.uint16))
            codes[first:last] = assign(bins, take_rows(column, rows))

    def weak(self, window: int) -> WeakSearch | None:
        """Return what a search through the rows of a window finds."""
        at = np.flatnonzero(self._window == window)
        features = {name: (self._bins[name], codes[at].astype(np.intp)) for name, codes in self._codes.items()}
        losses = {by: values[at] for by, values in self._losses.items()}
        weight = None if self._weight is None else self._weight[at]
        time = None if self._time is None else self._time[at]
        return weak_slices(features, losses, weight, time) if len(at) and features else None
