"""The loss of the reference rows per cell of each feature: what the model's errors were in each slice of one feature.

A window's change in a slice is compared with that of the other rows, so that a slice that was always harder to predict
is not reported.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from driftline.panes.bins import RARE, Bins, CategoryBins, Index, assign
from driftline.panes.model_bins import ModelBins
from driftline.privacy.rules import FeatureFilter
from driftline.tables.classes import class_column
from driftline.tables.performance_columns import usable_weight
from driftline.tables.row_losses import RowLoss, losses_of
from driftline.tables.table import F64, I64, Column, PredictionTable, take_rows
from driftline.tables.task import Task

from .section import Section, check_first, check_shape, rounded
from .slices import values_of
from .time_blocks import LENGTHS, TimeGrid, first_bins

if TYPE_CHECKING:
    from driftline.baseline.reference_rows import ReferenceSetup

CELLS = 20
"""Cells of a number with about equally many rows: 3 kB of JSON per feature."""

GREATEST_LOG_LOSS = 7.0
"""Greatest log loss of a row, that of a probability of 0.001: a few rows that a model was sure of are not a slice."""

LEAST_ROWS = 200
"""Minimum number of labelled rows of a baseline."""

LEAST_DAYS = 5
"""Minimum number of time blocks of a day or longer for the variance between days."""

_DAY = LENGTHS[4]


@dataclass(frozen=True, slots=True, eq=False)
class CellLosses:
    """The losses of the labelled rows of one part, per cell.

    Attributes:
        first: intp (cells,), first bin of each cell, ascending from 0.
        sums: float64 (4, cells + 2), sums of the weight, the squared weight, the weighted loss and the weighted squared
            loss of each cell, of missing and of invalid values.
        between: float64 (cells + 2,), variance between days of the mean loss less that of all other rows; None with too
            few days.
    """

    first: Index
    sums: F64
    between: F64 | None = None

    def cell_of_bin(self, size: int) -> Index:
        """Return the cell of each bin, and of missing and invalid values: intp (size + 2,)."""
        cells = np.searchsorted(self.first, np.arange(size), side="right") - 1
        return np.concatenate([cells, len(self.first) + np.arange(2)])

    def check(self) -> None:
        """Raise ``ValueError`` if the arrays do not fit the cells."""
        check_shape("sums", self.sums, 4, len(self.first) + 2)
        if self.between is not None:
            check_shape("between", self.between, len(self.first) + 2)


@dataclass(frozen=True, slots=True, eq=False)
class LossByPart(Section):
    """Losses per cell of each feature, and per value of each slice key that is not a feature.

    Attributes:
        by: The loss.
        by_part: ``feature:NAME`` or ``slice:KEY`` → losses.
        values: Values of each slice key.
        days: Number of days with outcomes; 0 if the variance between days is unknown.
        level: Variance between days of the mean loss of all rows.
    """

    by: RowLoss
    by_part: Mapping[str, CellLosses]
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    days: float = 0.0
    level: float = 0.0

    def bins(self, bins: ModelBins) -> dict[str, Bins]:
        """Return the bins of each part."""
        return {part: over for part, over in part_bins(bins, self.values).items() if part in self.by_part}

    def check_bins(self, bins: ModelBins) -> None:
        """Raise ``ValueError`` for a part without bins, and for cells outside its bins."""
        over = part_bins(bins, self.values)
        for part, losses in self.by_part.items():
            if part not in over:
                raise ValueError(f"{part!r} is counted but has no bins")
            check_first(losses.first, over[part].size, part)

    def leaving(self, features: FeatureFilter) -> Self | None:
        """Return the parts whose bins no rule changes."""
        names = {*features.plain, *self.values}
        parts = {part: losses for part, losses in self.by_part.items() if part.partition(":")[2] in names}
        return replace(self, by_part=parts) if parts else None

    def without(self, keys: Collection[str]) -> Self:
        """Return the losses without some slice keys."""
        parts = {part: losses for part, losses in self.by_part.items() if part.removeprefix("slice:") not in keys}
        values = {key: names for key, names in self.values.items() if key not in keys}
        return replace(self, by_part=parts, values=values)


def part_bins(bins: ModelBins, values: Mapping[str, tuple[str, ...]]) -> dict[str, Bins]:
    """Return the bins of each feature, and of each slice key, by the name of the part."""
    of_features: dict[str, Bins] = {f"feature:{name}": over for name, over in bins.features.items()}
    return of_features | {f"slice:{key}": CategoryBins(names) for key, names in values.items()}


def bin_of_part(
    part: str, over: Bins, features: Mapping[str, Column], slices: Mapping[str, Column], rows: I64 | None = None
) -> Index | None:
    """Return the bin of each row in a part: intp (n,); None without the column. ``rows``: some rows; None = all."""
    kind, _, name = part.partition(":")
    column = (features if kind == "feature" else slices).get(name)
    if column is None or (column.numbers is None and column.codes is None):
        return None
    column = column if rows is None else take_rows(column, rows)
    return assign(over, column if kind == "feature" else class_column(column))


def row_loss(task: Task, scores: F64 | None, predicted: Column | None, actual: Column) -> tuple[RowLoss, F64] | None:
    """Return the loss of each row, float64 (n,), NaN if unknown: the log loss, else the error; None without losses.

    The arguments are those of :func:`driftline.tables.row_losses.losses_of`.
    """
    losses = losses_of(task, scores, predicted, actual)
    by: RowLoss | None = next((name for name in ("log_loss", "absolute_error", "error") if name in losses), None)
    return None if by is None else (by, limited(by, losses[by]))


def limited(by: RowLoss, loss: F64) -> F64:
    """Return losses within :data:`GREATEST_LOG_LOSS`."""
    return np.minimum(loss, GREATEST_LOG_LOSS) if by == "log_loss" else loss


def loss_sums(bin_index: Index, size: int, weight: F64, loss: F64) -> F64:
    """Return the sums of weight, squared weight, weighted loss and weighted squared loss per bin: float64 (4, size)."""
    weighted = weight * loss
    columns = weight, weight**2, weighted, weighted * loss
    return np.stack([np.bincount(bin_index, values, minlength=size) for values in columns]).astype(np.float64)


class LossByPartGatherer:
    """Gathers the losses of reference rows."""

    def __init__(self, reference: ReferenceSetup) -> None:
        self._bins = reference.bins
        sliced = reference.sample.slices
        self._values = {
            key: values_of(column, least=RARE) for key, column in sliced.items() if key not in reference.bins.features
        }
        self._parts = part_bins(self._bins, self._values)
        self._grid = TimeGrid.of(reference.sample.time)
        self._by: RowLoss | None = None
        self._sums: dict[str, F64] = {}

    def add(self, table: PredictionTable, actual: Column | None) -> None:
        """Add rows."""
        losses = None if actual is None else row_loss(table.task, table.scores, table.predicted, actual)
        if losses is None or self._by not in (None, losses[0]):
            return
        self._by, loss = losses
        usable = np.isfinite(loss)
        weight = np.where(usable, 1.0 if table.weight is None else usable_weight(table.weight), 0.0)
        loss, blocks = np.where(usable, loss, 0.0), self._blocks
        place = np.zeros(len(table), np.int64) if self._grid is None else self._grid.place(table.time)
        for part, over in self._parts.items():
            bin_index, size = bin_of_part(part, over, table.features, table.slices), over.size + 2
            at = np.full(len(table), over.size, np.intp) if bin_index is None else bin_index
            sums = loss_sums(place * size + at, blocks * size, weight, loss).reshape(4, blocks, size)
            self._sums[part] = self._sums[part] + sums if part in self._sums else sums

    def piece(self) -> LossByPart | None:
        """Return the losses; None with too few outcomes."""
        by_block = next(iter(self._sums.values()), np.zeros((4, 1, 1))).sum(axis=2)
        if self._by is None or by_block[0].sum() < LEAST_ROWS:
            return None
        by_part, days, level = {part: self._cells(part) for part in self._sums}, 0.0, 0.0
        if self._grid is not None and any(losses.between is not None for losses in by_part.values()):
            days = float(np.count_nonzero(by_block[0, :-1])) * self._grid.length / _DAY
            level = self._a_day(variance_of_blocks(by_block[:, :-1, np.newaxis]))[0]
        return LossByPart(self._by, by_part, self._values, days, float(level))

    @property
    def _blocks(self) -> int:
        return 1 if self._grid is None else self._grid.count + 1

    def _cells(self, part: str) -> CellLosses:
        over, sums = self._parts[part], self._sums[part]
        size = over.size
        whole = isinstance(over, CategoryBins)
        first = np.arange(size) if whole else first_bins(sums[0, :, :size].sum(axis=0), CELLS)
        cells = np.concatenate([np.add.reduceat(sums[:, :, :size], first, axis=2), sums[:, :, size:]], axis=2)
        in_days = cells[:, :-1]
        days = np.count_nonzero(in_days[0].sum(axis=1))
        known = self._grid is not None and self._grid.length >= _DAY and days >= LEAST_DAYS
        rest = in_days.sum(axis=2, keepdims=True) - in_days
        between = self._a_day(variance_of_blocks(in_days, rest)) if known else None
        return CellLosses(first, rounded(cells.sum(axis=1)), between)

    def _a_day(self, variance: F64) -> F64:
        """Return the variance of a day from that of a block of independent days."""
        return rounded(variance * (1.0 if self._grid is None else self._grid.length / _DAY), 4)


def variance_of_blocks(sums: F64, rest: F64 | None = None) -> F64:
    """Return the variance between blocks of the mean loss of each cell, less that of other rows: float64 (cells,).

    By moments (DerSimonian and Laird 1986), at least 0.

    Args:
        sums: float64 (4, blocks, cells), see :func:`loss_sums`.
        rest: The same of the other rows.
    """
    apart, expected = _means(sums)
    weight = sums[0]
    if rest is not None:
        rest_mean, rest_expected = _means(rest)
        apart, expected, weight = apart - rest_mean, expected + rest_expected, np.where(rest[0] > 0, weight, 0.0)
    whole = np.maximum(weight.sum(axis=0), 1e-300)
    mean = (weight * apart).sum(axis=0) / whole
    seen = (weight * (apart - mean) ** 2).sum(axis=0) - (weight * (1 - weight / whole) * expected).sum(axis=0)
    scale = whole - (weight**2).sum(axis=0) / whole
    variance: F64 = np.where(scale > 0, np.maximum(seen, 0.0) / np.maximum(scale, 1e-300), 0.0)
    return variance


def _means(sums: F64) -> tuple[F64, F64]:
    """Return the mean loss of each block and cell, and its variance if rows were independent: (blocks, cells) each."""
    weight, squares, loss, _ = sums
    total, _, total_loss, total_second = np.maximum(sums.sum(axis=1), 1e-300)
    variance = np.maximum(total_second / total - (total_loss / total) ** 2, 0.0)
    safe = np.where(weight > 0, weight, 1.0)
    return loss / safe, variance * squares / safe**2
