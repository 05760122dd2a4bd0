"""Gathers what a reference looked like in each season: from rows while a baseline is built, or from panes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .bins import Bins, CategoryBins, Index, assign
from .blocks import Cells, Stretches, targets
from .fold import ModelBins, decide, fold_by, target_score, usable_weight
from .pane import Pane
from .seasonality import Seasonality
from .seasons import LEAST_CYCLES, RANKS, Levelled, Seasons, kept_of
from .tables import F64, I64, Column, PredictionTable

if TYPE_CHECKING:
    from .gathering import Reference


@dataclass(slots=True)
class SeasonCounts:
    """Gathers a reference season by season: panes of seasons, and what their blocks hold, from rows or from panes.

    ``rough``: name of a target → float64 (seasons, bins), roughly how it lies in each season, by which ranks are told.
    ``stretches``: the blocks, None where there are none.
    """

    seasonality: Seasonality
    bins: ModelBins
    rough: Mapping[str, F64]
    stretches: Stretches | None
    _panes: dict[str, F64] = field(default_factory=dict)
    _below: dict[str, F64] = field(default_factory=dict)
    _cells: dict[str, Index] = field(default_factory=dict)
    _ranks: dict[str, F64] = field(default_factory=dict)
    _mixed: dict[str, F64] = field(default_factory=dict)
    _block_rows: F64 = field(init=False)

    def __post_init__(self) -> None:
        blocks = 0 if self.stretches is None else self.stretches.count
        self._block_rows = np.zeros((blocks, 3))
        for name, over in targets(self.bins).items():
            rough = self.rough.get(name)
            if rough is None or not rough.any():
                continue
            self._mixed[name] = np.zeros((blocks, self.seasonality.count))
            if isinstance(over, CategoryBins):
                self._cells[name] = Cells.of(rough, over.size).first
                width = len(self._cells[name])
            else:
                self._below[name], width = _below(rough[:, : over.size]), RANKS
            self._ranks[name] = np.zeros((blocks, width))

    def add(self, season: int, pane: Pane) -> None:
        """Add rows of one season."""
        wide = kept_of(self.bins, self.seasonality.count)
        for name, sums in pane.parts.items():
            if name == "rows" or name in wide:
                into = self._panes.setdefault(name, np.zeros((self.seasonality.count, wide.get(name, 3))))
                into[season, : len(sums)] += sums

    def add_block(self, block: int, season: int, pane: Pane) -> None:
        """Add rows of one season to their block."""
        self._block_rows[block] += pane.parts.get("rows", np.zeros(3))
        for name, over in targets(self.bins).items():
            counts = pane.parts.get(name)
            if counts is not None and name in self._ranks:
                index = np.flatnonzero(counts[: over.size])
                at = np.full(len(index), block), np.full(len(index), season)
                self.add_values(name, *at, index, counts[index])

    def add_block_rows(self, block: I64, weight: F64) -> None:
        """Count rows, each in its block."""
        count = len(self._block_rows)
        for at, values in enumerate((np.ones(len(weight)), weight, weight**2)):
            self._block_rows[:, at] += np.bincount(block, values, minlength=count)

    def add_values(self, name: str, block: I64, season: Index, index: Index, weight: F64) -> None:
        """Add usable values of a target: the block, season and bin of each, and its weight."""
        ranks, count = self._ranks[name], self.seasonality.count
        blocks = len(ranks)
        self._mixed[name] += np.bincount(block * count + season, weight, minlength=blocks * count).reshape(blocks, -1)
        if name in self._cells:
            cell = np.searchsorted(self._cells[name], index, side="right") - 1
            width = ranks.shape[1]
            ranks += np.bincount(block * width + cell, weight, minlength=blocks * width).reshape(blocks, width)
            return
        below = self._below[name]
        low, high = below[season, index], below[season, index + 1]
        apart = high - low
        for tenth in range(RANKS):
            start, end = tenth / RANKS, (tenth + 1) / RANKS
            inside = np.clip(np.minimum(high, end) - np.maximum(low, start), 0.0, None)
            point = (low >= start) & ((low < end) | (tenth == RANKS - 1))  # a bin that the rough look saw nothing in
            share = np.divide(inside, apart, out=point.astype(np.float64), where=apart > 0)
            ranks[:, tenth] += np.bincount(block, weight * share, minlength=blocks)

    def piece(self) -> Seasons | None:
        """Return what was gathered; None where no row has a time."""
        rows = self._panes.pop("rows", None)
        if rows is None or not rows.any():
            return None
        of = {name: counts for name, counts in self._panes.items() if counts.any()}
        held = np.flatnonzero(self._block_rows[:, 0] > 0)
        if self.stretches is None or len(held) < 2:
            return Seasons(self.seasonality, rows, of)
        starts = self.stretches.start + held.astype(np.int64) * self.stretches.length
        blocks = {name: self._levelled(name, of[name], held) for name in self._ranks if name in of}
        return Seasons(self.seasonality, rows, of, self.stretches.length, starts, self._block_rows[held], blocks)

    def _levelled(self, name: str, counts: F64, held: Index) -> Levelled:
        """What is left of each block when its seasons are taken out, as if all had the mean mix of them."""
        mixed, ranks = self._mixed[name][held], self._ranks[name][held]
        rows, total = mixed.sum(axis=1), mixed.sum()
        if name in self._cells:
            first = self._cells[name]
            usable = np.add.reduceat(counts[:, : targets(self.bins)[name].size], first, axis=1)
            own = usable.sum(axis=1, keepdims=True)
            shares = np.divide(usable, own, out=np.zeros_like(usable), where=own > 0)
            apart = ranks - mixed @ shares
        else:
            first = None
            apart = ranks - np.outer(rows, ranks.sum(axis=0) / max(total, 1e-300))
        share = ranks.sum(axis=0) / max(total, 1e-300)
        # The mean of a season holds the block itself, so the block lies closer to it than to others: by its share.
        season = mixed.sum(axis=0)
        own_share = np.divide(mixed**2, season, out=np.zeros_like(mixed), where=season > 0).sum(axis=1)
        left = 1 - np.divide(own_share, rows, out=np.zeros(len(rows)), where=rows > 0)
        usual = 1 - rows / max(total, 1e-300)
        grown = np.sqrt(np.clip(usual, 0.0, 1.0) / np.maximum(left, 1 / (2 * LEAST_CYCLES)))
        found = np.maximum(np.outer(rows, share) + apart * np.maximum(grown, 1.0)[:, np.newaxis], 0.0)
        return Levelled(first, np.array([[float(f"{value:.6g}") for value in row] for row in found.tolist()]))


class SeasonsGatherer:
    """Gathers the reference season by season, where that is asked for."""

    def __init__(self, reference: Reference) -> None:
        self._counts: SeasonCounts | None = None
        seasonality, sample = reference.seasonality, reference.sample
        if seasonality is None or not sample.time.any():
            return
        season = _season(seasonality, sample.time)
        rough = {name: np.zeros((seasonality.count, over.size + 2)) for name, over in targets(reference.bins).items()}
        for at, pane in enumerate(fold_by(sample, reference.bins, season, seasonality.count + 1)[:-1]):
            for name in rough:
                rough[name][at] += pane.parts.get(name, 0.0)
        self._counts = SeasonCounts(seasonality, reference.bins, rough, Stretches.of(sample.time))

    def add(self, table: PredictionTable, _actual: Column | None) -> None:
        """Take in more rows."""
        counts = self._counts
        if counts is None or not len(table):
            return
        season = _season(counts.seasonality, table.time)
        for at, pane in enumerate(fold_by(table, counts.bins, season, counts.seasonality.count + 1)[:-1]):
            if pane.rows:
                counts.add(at, pane)
        if counts.stretches is None:
            return
        block = counts.stretches.place(table.time)
        inside = (block < counts.stretches.count) & (season < counts.seasonality.count)
        weight = np.ones(len(table)) if table.weight is None else usable_weight(table.weight)
        counts.add_block_rows(block[inside], weight[inside])
        for name, over, index in _indices(table, counts.bins):
            usable = inside & (index < over.size)
            if name in counts.rough and counts.rough[name].any():
                counts.add_values(name, block[usable], season[usable], index[usable], weight[usable])

    def piece(self) -> Seasons | None:
        """Return what was gathered; None where nobody asked, or no row has a time."""
        return None if self._counts is None else self._counts.piece()


def _season(seasonality: Seasonality, times: I64) -> Index:
    """The season of each row; one more for rows without a time."""
    return np.where(times != 0, seasonality.of(times), seasonality.count)


def _indices(table: PredictionTable, bins: ModelBins) -> Iterator[tuple[str, Bins, Index]]:
    """The bin of every row, target by target."""
    columns: dict[str, Column] = {f"feature:{name}": column for name, column in table.features.items()}
    if table.scores is not None and len(table.scores):
        columns["score"] = Column(numbers=target_score(table.task, table.scores))
    codes = decide(table.task, table.scores, table.predicted)
    if len(codes):
        columns["class"] = Column(codes=codes, labels=(*table.task.classes, ""))
    for name, over in targets(bins).items():
        column = columns.get(name)
        if column is not None and (column.numbers is not None or column.codes is not None):
            yield name, over, assign(over, column)


def _below(counts: F64) -> F64:
    """The share of each season below each bin, float64 (seasons, bins + 1); of a season without rows that of all."""
    total = counts.sum(axis=1, keepdims=True)
    filled = np.where(total > 0, counts, counts.sum(axis=0))
    shares = filled / filled.sum(axis=1, keepdims=True)
    below = np.concatenate([np.zeros((len(counts), 1)), np.cumsum(shares, axis=1)], axis=1)
    return np.asarray(np.minimum(below, 1.0), dtype=np.float64)
