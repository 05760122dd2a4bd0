"""Sampling of predictions to label next, with the probability with which each was chosen.

Rows are drawn with probabilities that grow with what a label of theirs would teach, and each says its own: a label that
comes back with ``weight`` 1 / probability leaves every estimate unbiased (Horvitz and Thompson 1952), however one-sided
the choice was. Every id has a lot for good, the same in all versions, because they share its label (permanent random
numbers: Ohlsson 1995), and those whose lots are least for their size are drawn, each with the probability that its lot
was below the first one which was passed over (priority sampling: Duffield, Lund and Thorup 2007, Journal of the ACM 54,
6). So a draw holds those before it: all rows that were ever drawn are one sample, and a row belongs to it with the
greatest of the probabilities that it was drawn with.
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
"""Least score of a row, so that every row may be chosen, and no weight is more than ten times another's."""

FEWEST = 0.05
"""Bins are put together until they hold this share of the rows of both sides: a rise must be one of many rows."""

GREAT_RISE = 4.0
"""Factor of a value's frequency from which it counts as fully drifted: from 5 to 20 % it adds 0.2 to PSI, which is
moderate."""


_SALT = 0x6C6162656C
"""The letters "label": lots are not those by which features are kept."""


class ChosenRows(Struct, frozen=True):
    """A sample of rows.

    Attributes:
        rows: int64 (k,), positions of the rows.
        probability: float64 (k,), probability of each row to be chosen.
    """

    rows: I64
    probability: F64


class LabelDraw(Struct, frozen=True):
    """Rows to label. ``again`` are rows that have a category already, and now stand for fewer rows."""

    new: ChosenRows
    again: ChosenRows


def uncertainty(task: Task, scores: F64 | None) -> F64 | None:
    """Return the uncertainty of the model about each row, 0 to 1: float64 (n,); None without scores.

    Binary: 1 at the threshold, 0 at a score of 0 or 1. Multiclass: 1 less what the likeliest class is ahead of the
    next. NaN scores are unsure: 1.

    >>> uncertainty(Task("binary", ("0", "1"), "1", 0.2), np.array([[0.2], [0.6], [1.0], [0.1]])).tolist()
    [1.0, 0.5, 0.0, 0.5]
    """
    return None if scores is None or not len(scores) else _UNCERTAINTY.of(task)(task, scores)


def _nearness_to_threshold(task: Task, scores: F64) -> F64 | None:
    if scores.shape[1] != 1:
        return None
    score, threshold = scores[:, 0], task.threshold
    room = np.where(score >= threshold, 1 - threshold, threshold)
    away = np.abs(score - threshold) / np.where(room > 0, room, 1.0)
    return np.asarray(np.nan_to_num(1 - np.clip(away, 0, 1), nan=1.0), dtype=np.float64)


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

    ``was``, ``now``: counts over the bins, then missing, then invalid. 0 = not at all, 1 = :data:`GREAT_RISE` times.
    Neighbouring bins of a number are put together until they hold :data:`FEWEST` of the rows, categories stand alone.
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
    """Return for each row the greatest rise of any of its values, 0 to 1: float64 (rows,).

    ``risen``: feature → its bins, and what :func:`bin_rise` says of them. A feature that a row lacks does not count, if
    the row has none at all: then nobody kept them.
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
    """Return the lot of each row, the same whenever one asks: float64 (n,), between 0 and 1.

    Other draws from the same numbers say nothing about it.

    Args:
        rows: int64 or uint64 (n,), numbers that rows keep for good, the same where they share a label.
    """
    return (hash_numbers(rows, _SALT).astype(np.float64) + 0.5) / 2.0**64


def draw_rows(sizes: F64, lot: F64, before: F64, most: int, reach: float = 1.0) -> LabelDraw:
    """Draw ``most`` rows to be labelled, with probabilities that grow with ``sizes``; all where there are no more.

    ``sizes``: float64 (n,), above 0; ``lot``: float64 (n,), of :func:`row_lots`. ``before``: float64 (n,), the
    probability with which a row was drawn that has been labelled since, NaN of those without a label. ``reach``: rows
    are here up to this lot only.

    >>> sizes, lot = np.array([1.0, 1.0, 1.0, 97.0]), np.array([0.3, 0.2, 0.6, 0.9])
    >>> first = draw_rows(sizes, lot, np.full(4, np.nan), 2).new
    >>> first.rows.tolist(), first.probability.round(2).tolist()
    ([1, 3], [0.3, 1.0])
    >>> second = draw_rows(sizes, lot, np.array([np.nan, 0.3, np.nan, 1.0]), 1)  # the two have come back
    >>> second.new.rows.tolist(), second.again.rows.tolist(), second.again.probability.round(2).tolist()
    ([0], [1], [0.6])
    """
    rank, asked = lot / sizes, np.isnan(before)
    waiting = rank[asked]
    next_one = np.partition(waiting, most)[most] if len(waiting) > most else np.inf
    probability = np.minimum(reach, sizes * next_one)
    new = np.flatnonzero(asked & (rank < next_one))
    # 1.01: a label whose weight was rounded on its way is still one of a row that was drawn
    again = np.flatnonzero((lot <= before * 1.01) & (before < probability))
    return LabelDraw(ChosenRows(new, probability[new]), ChosenRows(again, probability[again]))
