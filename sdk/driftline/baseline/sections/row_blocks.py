"""Rows without times: whether their order matters, and the performance of blocks of consecutive rows.

Rows that a machine wrote one after the other are often autocorrelated: a turbine that is predicted badly now is
predicted badly in the next hour. An interval that counts them as independent is too short. So if the losses of blocks
of consecutive rows differ more than those of shuffled rows would, intervals come from these blocks, as they come from
days if rows have times. If rows are sorted by their outcome or their score, or are joined class by class, blocks differ
for that reason only, so their order does not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from driftline.panes.outcome_sums import LabelledRows, fold_outcomes_by
from driftline.panes.pane import Pane, add_pane, merge
from driftline.tables.classes import class_codes
from driftline.tables.performance_columns import actual_numbers, decide
from driftline.tables.table import F64, I32, I64, Column, PredictionTable, length
from driftline.tables.task import Task

from .section import MOST_BLOCKS, Section
from .time_blocks import OutcomeBlocks

if TYPE_CHECKING:
    from driftline.baseline.reference_rows import ReferenceSetup

FEWEST_ROWS = 30
"""Minimum rows of a block. Blocks count as independent, so intervals are too short if rows are autocorrelated over
several blocks.
"""

FEWEST_BLOCKS = 5
"""Minimum blocks: fewer show too little of how blocks differ."""

MOST_TESTED = 100_000
"""Rows, from the first on, of which a reference tests whether the order matters; their losses fit in memory."""

_SURELY = 3.09
"""Standard deviations of the normal distribution: one of 1,000 files of independent rows gets intervals by blocks."""


def block_of_rows(rows: int) -> I64:
    """Return the block of each of consecutive rows: int64 (rows,), blocks of equal size; all 0 for too few rows.

    >>> [int(block_of_rows(n).max()) + 1 for n in (149, 150, 1_000, 10_000)]
    [1, 5, 33, 60]
    """
    blocks = min(MOST_BLOCKS, rows // FEWEST_ROWS)
    return np.arange(rows) * (blocks if blocks >= FEWEST_BLOCKS else 1) // max(rows, 1)


def losses_in_order(task: Task, scores: F64 | None, predicted: Column | None, actual: Column) -> F64:
    """Return the loss, the outcome and the scores of the rows with an outcome: float64 (n, 2 + k).

    Args:
        task: The task of the model.
        scores: float64 (n, k), as in :class:`~driftline.tables.table.PredictionTable`.
        predicted: The class that the service decided; None = derive it from the scores.
        actual: The outcomes.
    """
    rows = length(actual)
    columns = np.empty((rows, 0)) if scores is None or len(scores) != rows else scores
    if task.predicts_number:
        truth = actual_numbers(actual)
        value = task.monitored_score(columns) if columns.shape[1] else np.full(rows, np.nan)
        with np.errstate(invalid="ignore", over="ignore"):
            losses = np.abs(value - truth)
    else:
        codes, decided = class_codes(actual, task.classes), decide(task, scores, predicted)
        if codes is None or len(decided) != rows:
            return np.empty((0, 2 + columns.shape[1]))
        usable = (codes >= 0) & (codes < len(task.classes)) & (decided >= 0)
        truth, losses = codes.astype(np.float64), (decided != codes).astype(np.float64)
        if columns.shape[1] and task.are_probabilities(columns).all():
            losses = -_probability_of(task, columns, np.where(usable, codes, 0))
        losses[~usable] = np.nan
    return np.column_stack([losses, truth, columns])[np.isfinite(losses)]


def order_matters(rows: F64, task: Task) -> bool:
    """Return True if the losses of consecutive rows are autocorrelated, and the rows are not sorted.

    The test is that of Kruskal and Wallis (1952) over blocks of rows: the mean ranks of the blocks have a chi-squared
    distribution if rows are independent, whatever the distribution of their losses.

    ``rows``: see :func:`losses_in_order`.

    >>> calm, stormy = np.tile([1.0, 5.0, 9.0], 100), np.repeat([1.0, 9.0, 5.0], 100)
    >>> task, columns = Task("regression"), (stormy, calm, np.sort(calm))
    >>> [order_matters(np.column_stack([stormy, column]), task) for column in columns]
    [True, True, False]
    >>> order_matters(np.column_stack([calm, stormy]), task)
    False
    """
    if not _blocks_differ(rows[:, 0]) or any(_is_sorted(column) for column in rows[:, 1:].T):
        return False
    return task.predicts_number or not _is_grouped(rows[:, 1])


def _probability_of(task: Task, scores: F64, codes: I32) -> F64:
    """Return the probability that a model gave to a class of each row, float64 (n,)."""
    if scores.shape[1] == len(task.classes):
        return np.take_along_axis(scores, codes[:, np.newaxis].astype(np.intp), axis=1)[:, 0]
    return np.where(codes == task.positive, scores[:, 0], 1 - scores[:, 0])


def _blocks_differ(losses: F64) -> bool:
    """Return True if blocks of losses differ significantly more than those of shuffled rows would."""
    block = block_of_rows(len(losses))
    freedom = int(block[-1]) if len(block) else 0
    if not freedom:
        return False
    _, at, many = np.unique(losses, return_inverse=True, return_counts=True)
    rank = (np.cumsum(many) - many / 2)[at]
    variance = float(rank.var(ddof=1))
    if variance <= 0:
        return False
    rows = np.bincount(block)
    means = np.bincount(block, rank) / rows
    squares = float(rows @ (means - rank.mean()) ** 2) / variance
    # Wilson and Hilferty (1931): the cube root of a chi-squared number is nearly normal
    spread = 2 / (9 * freedom)
    return bool((squares / freedom) ** (1 / 3) > 1 - spread + _SURELY * spread**0.5)


def _is_sorted(values: F64) -> bool:
    """Return True if values rise or fall, and never both."""
    steps = np.diff(values)
    return bool(steps.any()) and bool((steps >= 0).all() or (steps <= 0).all())


def _is_grouped(codes: F64) -> bool:
    """Return True if there are several classes, and all rows of a class are next to each other."""
    return 0 < int(np.count_nonzero(np.diff(codes))) < len(np.unique(codes))


@dataclass(frozen=True, slots=True, eq=False)
class RowBlocks(Section):
    """Performance of blocks of consecutive rows, of a reference without times whose rows are autocorrelated.

    Attributes:
        outcomes: The blocks; their length is a number of rows.
    """

    outcomes: OutcomeBlocks


class RowBlocksGatherer:
    """Keeps the sums of at most 60 blocks, which grow with the number of rows, and the first losses."""

    def __init__(self, reference: ReferenceSetup) -> None:
        self._has_times = bool(reference.sample.time.any())
        self._panes: list[Pane] = []
        self._size, self._rows = FEWEST_ROWS, 0
        self._first: list[F64] = []
        self._task: Task | None = None

    def add(self, table: PredictionTable, actual: Column | None) -> None:
        """Add rows."""
        if self._has_times or actual is None or not len(table) or table.task.ranks_items:
            return
        self._task, total = table.task, self._rows + len(table)
        if self._rows < MOST_TESTED:
            self._first.append(losses_in_order(table.task, table.scores, table.predicted, actual))
        while total > MOST_BLOCKS * self._size:
            self._size *= 2
            self._panes = [merge(self._panes[at : at + 2]) for at in range(0, len(self._panes), 2)]
        place = np.arange(self._rows, total) // self._size
        first, blocks = int(place[0]), int(place[-1] - place[0]) + 1
        labelled = LabelledRows(table.scores, table.predicted, actual, table.weight)
        sums = fold_outcomes_by(table.task, labelled, place - first, blocks)
        dense = {name: part.dense(blocks) for name, part in sums.items()}
        self._panes += [Pane() for _ in range(first + blocks - len(self._panes))]
        for at in range(blocks):
            add_pane(self._panes[first + at], Pane({name: part[at] for name, part in dense.items()}))
        self._rows = total

    def piece(self) -> RowBlocks | None:
        """Return the blocks; None if rows have times, or if their order does not matter."""
        if self._task is None or not order_matters(np.concatenate(self._first)[:MOST_TESTED], self._task):
            return None
        telling = [pane for pane in self._panes if "outcomes" in pane.parts]
        outcomes = OutcomeBlocks.of(self._size, telling)
        return None if outcomes is None else RowBlocks(outcomes)
