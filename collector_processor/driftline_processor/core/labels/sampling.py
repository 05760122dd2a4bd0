"""Sample predictions to label next, with the probability of each.

Rows are sampled with probabilities that grow with the value of their label: a label that returns with ``weight`` 1 /
probability leaves every estimate unbiased (Horvitz and Thompson 1952). Every id has a permanent random number, the same
in all versions, since they share its label (Ohlsson 1995). The rows with the smallest random number relative to their
size are sampled, each with the probability that its number was below that of the first row not sampled (priority
sampling: Duffield, Lund and Thorup 2007, Journal of the ACM 54, 6). So a sample contains the earlier ones: all rows
ever sampled form one sample, and a row belongs to it with the largest of its probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from driftline.panes.bins import Bins, CategoryBins, assign
from driftline.tables.table import F64, I64, Column, length
from driftline.tables.task import PerKind, Task
from msgspec import Struct

from driftline_processor.core.drift.display_cells import shares
from driftline_processor.core.stable_hash import U64, hash_numbers

Reason = Literal["uncertain", "drifted", "weak"]
REASONS: tuple[Reason, ...] = ("uncertain", "drifted", "weak")

FLOOR = 0.1
"""Minimum score of a row, so that every row can be sampled, and weights differ by at most a factor of ten."""

FEWEST = 0.05
"""Minimum fraction of the rows per bin; smaller neighbouring bins are merged."""

GREAT_RISE = 4.0
"""Factor of a value's frequency from which it counts as fully drifted: from 5 to 20 % adds 0.2 to PSI, which is
moderate.
"""


_SALT = 0x6C6162656C
"""The letters "label", so that these random numbers differ from those for keeping features."""


class ChosenRows(Struct, frozen=True):
    """A sample of rows.

    Attributes:
        rows: int64 (k,), positions of the rows.
        probability: float64 (k,), sampling probability of each row.
    """

    rows: I64
    probability: F64


class LabelDraw(Struct, frozen=True):
    """Rows to label. ``redraw`` are rows that have a label already and now have a larger probability."""

    new: ChosenRows
    redraw: ChosenRows


def uncertainty(task: Task, scores: F64 | None) -> F64 | None:
    """Return the uncertainty of the model about each row, 0 to 1: float64 (n,); None without scores.

    Binary: 1 at the threshold, 0 at a score of 0 or 1. Multiclass: 1 less the margin between the two largest scores.
    NaN scores: 1.

    >>> uncertainty(Task("binary", ("0", "1"), "1", 0.2), np.array([[0.2], [0.6], [1.0], [0.1]])).tolist()
    [1.0, 0.5, 0.0, 0.5]
    """
    return None if scores is None or not len(scores) else _UNCERTAINTY.of(task)(task, scores)


def _nearness_to_threshold(task: Task, scores: F64) -> F64 | None:
    if scores.shape[1] != 1:
        return None
    score, threshold = scores[:, 0], task.threshold
    room = np.where(score >= threshold, 1 - threshold, threshold)
    distance = np.abs(score - threshold) / np.where(room > 0, room, 1.0)
    return np.asarray(np.nan_to_num(1 - np.clip(distance, 0, 1), nan=1.0), dtype=np.float64)


def _nearness_of_classes(_task: Task, scores: F64) -> F64 | None:
    if scores.shape[1] < 2:
        return None
    first = np.partition(np.nan_to_num(scores), -2, axis=1)
    return np.asarray(np.clip(1 - (first[:, -1] - first[:, -2]), 0, 1), dtype=np.float64)


def _not_known(_task: Task, _scores: F64) -> None:
    return None


_UNCERTAINTY: PerKind[Callable[[Task, F64], F64 | None]] = PerKind(
    binary=_nearness_to_threshold,
    multiclass=_nearness_of_classes,
    regression=_not_known,
    ranking=_not_known,
    unknown=_not_known,
)


def bin_rise(bins: Bins, was: F64, now: F64) -> F64:
    """Return the rise in frequency of each bin, 0 to 1: float64 (size + 2,), missing and invalid last.

    ``was``, ``now``: counts over the bins, then missing, then invalid. 1 = :data:`GREAT_RISE` times. Neighbouring bins
    of a number are merged until they hold :data:`FEWEST` of the rows, categories are not merged.
    """
    group = np.arange(len(was))
    if not isinstance(bins, CategoryBins):
        held = np.cumsum((shares(was) + shares(now))[: bins.size] / 2)
        group[: bins.size] = np.unique(np.minimum(held / FEWEST, 1 / FEWEST - 1).astype(int), return_inverse=True)[1]
    before, after = (np.bincount(group, counts, minlength=len(was)) for counts in (was, now))
    cells = len(np.unique(group))
    ratio = ((after + 0.5) / (after.sum() + 0.5 * cells)) / ((before + 0.5) / (before.sum() + 0.5 * cells))
    return np.asarray(np.clip(np.log(ratio) / np.log(GREAT_RISE), 0, 1)[group], dtype=np.float64)


def drift_of_rows(risen: Mapping[str, tuple[Bins, F64]], features: Mapping[str, Column], rows: int) -> F64:
    """Return for each row the maximum rise of its values, 0 to 1: float64 (rows,).

    ``risen``: feature → its bins, and its :func:`bin_rise`. Features without stored values are ignored.
    """
    most = np.zeros(rows)
    for name, (bins, greater) in risen.items():
        column = features.get(name)
        if column is not None and length(column) == rows:
            most = np.maximum(most, greater[assign(bins, column)])
    return most


def weakness_of_rows(slices: Mapping[str, Column], badness: Mapping[str, float], rows: int) -> F64:
    """Return for each row the badness of the worst of its slices, 0 to 1: float64 (rows,).

    ``badness``: ``key=value`` → 0 to 1.
    """
    worst = np.zeros(rows)
    for key, column in slices.items():
        if column.codes is None:
            continue
        by_code = np.array([*(badness.get(f"{key}={category}", 0.0) for category in column.categories), 0.0])
        worst = np.maximum(worst, by_code[column.codes])
    return worst


def row_lots(rows: I64 | U64) -> F64:
    """Return the permanent random number of each row: float64 (n,), between 0 and 1.

    It is independent of other samples from the same numbers.

    Args:
        rows: int64 or uint64 (n,), permanent numbers of rows, equal for rows that share a label.
    """
    return (hash_numbers(rows, _SALT).astype(np.float64) + 0.5) / 2.0**64


def draw_rows(sizes: F64, lot: F64, before: F64, most: int, reach: float = 1.0) -> LabelDraw:
    """Sample ``most`` rows to label, with probabilities that grow with ``sizes``; all rows if there are fewer.

    ``sizes``: float64 (n,), above 0; ``lot``: float64 (n,), of :func:`row_lots`. ``before``: float64 (n,), the
    probability of rows that were labelled since, NaN for rows without a label. ``reach``: maximum random number of the
    available rows.

    >>> sizes, lot = np.array([1.0, 1.0, 1.0, 97.0]), np.array([0.3, 0.2, 0.6, 0.9])
    >>> first = draw_rows(sizes, lot, np.full(4, np.nan), 2).new
    >>> first.rows.tolist(), first.probability.round(2).tolist()
    ([1, 3], [0.3, 1.0])
    >>> second = draw_rows(sizes, lot, np.array([np.nan, 0.3, np.nan, 1.0]), 1)  # the two have come back
    >>> second.new.rows.tolist(), second.redraw.rows.tolist(), second.redraw.probability.round(2).tolist()
    ([0], [1], [0.6])
    """
    rank, unlabelled = lot / sizes, np.isnan(before)
    waiting = rank[unlabelled]
    next_one = np.partition(waiting, most)[most] if len(waiting) > most else np.inf
    probability = np.minimum(reach, sizes * next_one)
    new = np.flatnonzero(unlabelled & (rank < next_one))
    # 1.01: tolerates the rounding of a label's weight
    again = np.flatnonzero((lot <= before * 1.01) & (before < probability))
    return LabelDraw(ChosenRows(new, probability[new]), ChosenRows(again, probability[again]))
