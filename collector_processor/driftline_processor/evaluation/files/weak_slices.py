"""Weak slices of a window: the bins of the features of each labelled row are kept until the window is judged."""

from __future__ import annotations

from typing import Self

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.panes.bins import assign
from driftline.tables.table import F64, I64, Column, PredictionTable, concatenate, take_rows
from numpy.typing import NDArray

from driftline_processor.core.evaluation import RowLoss, WeakSearch
from driftline_processor.core.weak_slices.search import losses_of, sample_evenly, weak_slices

from .dataset import Dataset

MOST_ROWS = 200_000
"""Rows of a window that are searched, drawn evenly where it has more: a slice of 0.1 % still has 200."""

ALL_ROWS = 2_000_000
"""Rows of all windows together: two bytes per feature each, 200 MB with 50 features."""

MOST_WINDOWS = 31
"""Windows that are searched, the newest: a search takes as long as reading the rows of one, some tenths of a second."""


class LabelledRows:
    """The rows that are searched, by window.

    ``at``: int64 (m,), their places among all rows that are read, in order; ``window``: that of each.
    """

    def __init__(
        self, at: I64, window: I64, time: I64 | None, weight: F64 | None, losses: dict[RowLoss, F64], baseline: Baseline
    ) -> None:
        self._at, self._window, self._time, self._weight, self._losses = at, window, time, weight, losses
        self._bins = baseline.bins.features
        self._codes: dict[str, NDArray[np.uint16]] = {}

    @classmethod
    def of(cls, read: Dataset, groups: list[I64], windows: int, baseline: Baseline) -> Self | None:
        """Choose them; None where no outcome is known, or nothing says how wrong the model was."""
        kept = [
            np.ones(len(rows), np.bool_) if rows.usable is None else group >= 0
            for rows, group in zip(read.rows, groups, strict=True)
        ]
        whole = np.flatnonzero(np.concatenate(kept))
        if all(rows.actual is None for rows in read.rows) or not len(whole):
            return None
        parts = [(rows, np.flatnonzero(some)) for rows, some in zip(read.rows, kept, strict=True)]
        actual = concatenate([Column() if one.actual is None else take_rows(one.actual, some) for one, some in parts])
        scores = [one.scores[some] for one, some in parts if one.scores is not None]
        predicted = [take_rows(one.predicted, some) for one, some in parts if one.predicted is not None]
        losses = losses_of(
            baseline.task,
            np.concatenate(scores) if scores else None,
            concatenate(predicted) if predicted else None,
            actual,
        )
        times = [one.time[some] for one, some in parts if one.time is not None]
        weights = [weight[some] for weight, (_, some) in zip(read.weights, parts, strict=True) if weight is not None]
        time = np.concatenate(times) if times else np.zeros(len(whole), np.int64)
        window = np.concatenate([group[some] for group, (_, some) in zip(groups, parts, strict=True)])
        chosen = _chosen(window, time, losses, windows)
        if not len(chosen):
            return None
        weight = np.where(np.isnan(every := np.concatenate(weights)), 1.0, every)[chosen] if weights else None
        losses = {by: values[chosen] for by, values in losses.items()}
        return cls(chosen, window[chosen], time[chosen] if times else None, weight, losses, baseline)

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


def _chosen(window: I64, time: I64, losses: dict[RowLoss, F64], windows: int) -> I64:
    """Return the places of the rows to search: of the newest windows, evenly where there are many."""
    known = np.zeros(len(window), np.bool_)
    for values in losses.values():
        known |= np.isfinite(values)
    first, most = max(0, windows - MOST_WINDOWS), min(MOST_ROWS, ALL_ROWS // min(windows, MOST_WINDOWS))
    places = np.flatnonzero(known & (window >= first))
    order = places[np.argsort(window[places], kind="stable")]
    parts = np.split(order, np.searchsorted(window[order], np.arange(first + 1, windows)))
    content = list(losses.values())
    kept = [part[sample_evenly(time[part], [values[part] for values in content], most)] for part in parts]
    return np.sort(np.concatenate(kept)).astype(np.int64)
