"""The windows that say what is true about rows of files, whichever windows are drawn.

They follow from the rows alone, so that the same rows have one verdict as one window, by week, by day and by hour. The
shortest of them tell when something changed, and the longer ones show what is too small for a short one.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from driftline.tables.table import is_present, take_rows
from msgspec.structs import replace

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.performance.labelled_predictions import LabelledPredictions
from driftline_processor.core.windows.window import length
from driftline_processor.readers.errors import BadInput
from driftline_processor.readers.row_store import RowStore, chunks_of

from .dataset import Dataset
from .windows import RowCut, WindowLength, cut_rows

LENGTHS = ("1d", "1w", "1mo", "3mo")
"""The lengths of these windows, the shortest first."""

FEWEST = 50
"""Median outcomes of the shortest windows: with fewer, hardly any of them can show a loss."""

MOST = 200
"""Most of the shortest windows, each of which costs as much as a drawn one."""


def record_lengths(
    read: Dataset, predictions: LabelledPredictions | None, timezone: str, *, panes: str = "", sampled: float = 1.0
) -> dict[WindowLength, RowCut | None]:
    """Return the lengths of the windows, the shortest first, each with its cut.

    They begin with the shortest length of which the windows have enough outcomes and are not too many. A length that
    has all rows in one window is the last one. If no length has enough outcomes: "", one window of all rows.

    Args:
        read: The rows, with times.
        predictions: The rows with their outcomes; None if no row has one: then all rows count.
        timezone: Where days begin.
        panes: Length of the panes of a table, which no window may be shorter than.
        sampled: The fraction of the rows that was read.
    """
    lengths = dict[WindowLength, RowCut | None]()
    for name in LENGTHS:
        if panes and length(name) < length(panes):
            continue
        try:
            cut = cut_rows(read.rows, name, timezone, read.store)
        except BadInput:  # more windows than can be cut
            continue
        if len(cut.windows) == 1:
            return {**lengths, name: cut}
        if lengths or _suffice(cut, predictions, read.store, sampled):
            lengths[name] = cut
    return lengths or {LENGTHS[-1] if panes else "": None}


def _suffice(cut: RowCut, predictions: LabelledPredictions | None, store: RowStore, sampled: float) -> bool:
    """Return True if windows are few and have enough outcomes."""
    windows = len(cut.windows)
    if windows > MOST:
        return False
    group = store.join(cut.groups)
    rows, outcomes = np.zeros(windows + 1, np.int64), np.zeros(windows + 1, np.int64)
    for part in chunks_of(len(group)):
        rows += np.bincount(group[part] + 1, minlength=windows + 1)
        if predictions is not None:
            known = is_present(take_rows(predictions.actual, part))
            outcomes += np.bincount(group[part][known] + 1, minlength=windows + 1)
    store.release()
    counted = outcomes if outcomes.any() else rows
    return bool(np.median(counted[1:]) >= FEWEST * sampled)


def within_rows(evaluations: Iterable[Evaluation]) -> list[Evaluation]:
    """Return windows of several lengths, the shortest first, cut at the bounds of the shortest ones.

    No rows come before or after them, so a month of which the rows have two weeks is these two weeks. One of which they
    have three days is left out: a week has these rows.
    """
    ordered = [*evaluations]
    names = [*dict.fromkeys(one.window.name for one in ordered)]
    shortest = [one.window for one in ordered if one.window.name == names[0]]
    start, end = min(one.start for one in shortest), max(one.end for one in shortest)
    found = list[Evaluation]()
    for one in ordered:
        place = names.index(one.window.name)
        window = replace(one.window, start=max(one.window.start, start), end=min(one.window.end, end))
        has_all = (window.start, window.end) == (start, end)
        if window == one.window:
            found.append(one)
        elif has_all or window.end - window.start > length(names[place - 1]):
            found.append(replace(one, window=window))
    return found
