"""The reference by season (hour of the day, weekday or hour of the week), gathered from rows or from panes.

A window is compared with a mixture of the season histograms in its own proportions
(:mod:`driftline_processor.core.reference.season`). The variation within a season is measured by time blocks, as in
:mod:`driftline.baseline.sections.time_blocks`, over the rank of each value within its season. So a normal noon has no
effect, and a noon that differs from other noons has.

If the user does not set the seasons, they are detected (:mod:`.cycles`), and only the columns with a cycle have sums
per season.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self, TypeVar
from zoneinfo import ZoneInfo

import numpy as np

from driftline.panes.bins import Bins, CategoryBins, Index, assign
from driftline.panes.embedding_projection import WIDTH
from driftline.panes.model_bins import ModelBins
from driftline.panes.pane import Pane
from driftline.panes.pca import Joint, widths
from driftline.privacy.rules import FeatureFilter
from driftline.tables.performance_columns import decide, usable_weight
from driftline.tables.table import F64, I64, Column, PredictionTable
from driftline.tables.timestamps import HOUR, AnySeasonality, Seasonality, UnknownSeasonality

from .cycles import MOST_TESTED, Cycles, counted_by_hour, find_cycles, hours_of_rows
from .section import Section, block_columns, check_blocks, check_first, check_shape, sizes
from .time_blocks import TELLING, BlockCounts, TimeGrid

if TYPE_CHECKING:
    from driftline.baseline.reference_rows import ReferenceSetup


T = TypeVar("T")

RANKS = 10
"""Rank cells per block: tenths of the rows of a season."""

MOST_TOGETHER = 10_000
"""Maximum number of joint sums of features, over all seasons; 20 features in 24 hours have 5,600. With more, the sums
would be larger than the histograms, and correlations are not compared.
"""

_TOGETHER = ("pca", "pairs", "unpaired")
"""Parts with joint sums of all features."""

LEAST_CYCLES = 2
"""Days, or weeks, that the reference must cover: one cycle does not show the variation between cycles."""


@dataclass(frozen=True, slots=True, eq=False)
class Deseasonalized:
    """One column per block, without the effect of its seasons: float64 (blocks, cells), weights of rows.

    For a number, the cells are ranks within the season; for categories, neighbouring categories from ``first`` on.
    """

    first: Index | None
    counts: F64


@dataclass(frozen=True, slots=True, eq=False)
class SeasonShorts:
    """The short interval of each block (an hour of a day), without the effect of its season.

    Attributes:
        length: Length in nanoseconds.
        starts: int64 (b,).
        rows: float64 (b, 3).
        by_part: Name of a part → float64 (b, cells), over the cells of its blocks.
    """

    length: int
    starts: I64
    rows: F64
    by_part: Mapping[str, F64]

    def check(self) -> None:
        """Raise ``ValueError`` for intervals that do not fit each other."""
        check_blocks(self.length, self.starts, self.rows)


@dataclass(frozen=True, slots=True, eq=False)
class Seasons(Section):
    """The reference by season.

    Attributes:
        rows: float64 (seasons, 3), number, sum of weights and of squared weights.
        by_part: Name of a pane's part → float64 (seasons, width).
        length: Length of a block in nanoseconds, 0 = no blocks.
        starts: int64 (b,).
        block_rows: float64 (b, 3).
        blocks: Name of a part → the column in each block.
        is_detected: True if the seasons were detected, False if the user set them.
        shorts: Short interval of each block; None if there is none, or it has too few rows.
    """

    seasonality: Seasonality
    rows: F64
    by_part: Mapping[str, F64]
    length: int = 0
    starts: I64 = field(default_factory=lambda: np.zeros(0, np.int64))
    block_rows: F64 = field(default_factory=lambda: np.zeros((0, 3)))
    blocks: Mapping[str, Deseasonalized] = field(default_factory=dict)
    is_detected: bool = False
    shorts: SeasonShorts | None = None

    def check(self) -> None:
        """Raise ``ValueError`` for a wrong number of seasons or blocks."""
        seasons = self.seasonality.count
        check_timezone(self.seasonality.timezone)
        check_shape("rows", self.rows, seasons, 3)
        for name, counts in self.by_part.items():
            check_shape(f"the counts of {name!r}", counts, seasons, counts.shape[-1])
        if self.length:
            check_blocks(self.length, self.starts, self.block_rows)
        for name, block in self.blocks.items():
            width = RANKS if block.first is None else len(block.first)
            check_shape(f"the blocks of {name!r}", block.counts, len(self.starts), width)
        if self.shorts is not None:
            for name, counts in self.shorts.by_part.items():
                if name not in self.blocks:
                    raise ValueError(f"shorts: {name!r} has no blocks")
                shape = len(self.shorts.starts), self.blocks[name].counts.shape[1]
                check_shape(f"the shorts of {name!r}", counts, *shape)

    def check_bins(self, bins: ModelBins) -> None:
        """Raise ``ValueError`` for parts without bins, and for sums of another width."""
        widths_by_part, columns = part_widths(bins), block_columns(bins)
        for name, counts in self.by_part.items():
            if name not in widths_by_part:
                raise ValueError(f"{name!r} is counted but has no bins")
            check_shape(f"the counts of {name!r}", counts, self.seasonality.count, widths_by_part[name])
        for name, size in sizes(self.blocks, bins):
            first = self.blocks[name].first
            if isinstance(columns[name], CategoryBins) != (first is not None):
                raise ValueError(
                    f"blocks: the entry of {name!r} must list the first bin of each cell if the feature has "
                    "categories, and must have no such list if the feature has numbers"
                )
            if first is not None:
                check_first(first, size, name)

    def leaving(self, features: FeatureFilter) -> Self | None:
        """Return the seasons without features whose bins a rule changes, and without joint sums of all features."""

        def plain(parts: Mapping[str, T]) -> dict[str, T]:
            features_alone = {name: part for name, part in parts.items() if name not in _TOGETHER}
            return features.plain_parts(features_alone)

        shorts = None if self.shorts is None else replace(self.shorts, by_part=plain(self.shorts.by_part))
        return replace(self, by_part=plain(self.by_part), blocks=plain(self.blocks), shorts=shorts)


def part_widths(bins: ModelBins) -> dict[str, int]:
    """Return the width of every part that can be kept by season."""
    wide = {name: over.size + 2 for name, over in block_columns(bins).items()}
    wide |= {f"embedding:{name}": 1 + WIDTH for name in bins.projections}
    return wide | (widths(len(bins.space.names)) if bins.space is not None else {})


def stored_widths(bins: ModelBins, seasons: int) -> dict[str, int]:
    """Return the width of every part that is kept by season, without joint sums that are too large."""
    wide = part_widths(bins)
    if wide.get("pairs", 0) * seasons > MOST_TOGETHER:
        wide = {name: width for name, width in wide.items() if name not in ("pairs", "unpaired")}
    return wide


def check_timezone(timezone: str) -> None:
    """Raise ``ValueError`` for an unknown time zone."""
    try:
        ZoneInfo(timezone)
    except (OSError, ValueError, KeyError):
        raise ValueError(f"timezone={timezone!r} is not a time zone; use an IANA name such as 'Europe/Paris'") from None


@dataclass(slots=True)
class _StretchRanks:
    """Counts per interval: of all blocks, or of their short intervals.

    Attributes:
        rows: float64 (b, 3), number, sum of weights and of squared weights.
        mixed: Name of a column → float64 (b, seasons), weight of its rows in each season.
        ranks: Name of a column → float64 (b, cells), by rank or category.
    """

    rows: F64
    mixed: dict[str, F64] = field(default_factory=dict)
    ranks: dict[str, F64] = field(default_factory=dict)


@dataclass(slots=True)
class SeasonCounts:
    """Gathers a reference by season, from rows or from panes: sums per season and per block.

    Attributes:
        rough: Name of a column → float64 (seasons, bins), approximate distribution per season, from which ranks are
            computed.
        stretches: The blocks, None without blocks.
        parts: Names of the columns with a cycle; None = all, because the user set the seasons.
    """

    seasonality: Seasonality
    bins: ModelBins
    rough: Mapping[str, F64]
    stretches: TimeGrid | None
    parts: frozenset[str] | None = None
    _width_by_part: dict[str, int] = field(init=False)
    _panes: dict[str, F64] = field(default_factory=dict)
    _below: dict[str, F64] = field(default_factory=dict)
    _cells: dict[str, Index] = field(default_factory=dict)
    _blocks: _StretchRanks = field(init=False)
    _short: _StretchRanks = field(init=False)

    def __post_init__(self) -> None:
        blocks = 0 if self.stretches is None else self.stretches.count
        self._blocks, self._short = _StretchRanks(np.zeros((blocks, 3))), _StretchRanks(np.zeros((blocks, 3)))
        wide = stored_widths(self.bins, self.seasonality.count)
        self._width_by_part = {name: width for name, width in wide.items() if self.keeps(name)}
        for name, over in block_columns(self.bins).items():
            rough = self.rough.get(name)
            if rough is None or not rough.any() or not self.keeps(name):
                continue
            if isinstance(over, CategoryBins):
                self._cells[name] = BlockCounts.of(rough, over.size).first
                width = len(self._cells[name])
            else:
                self._below[name], width = _below(rough[:, : over.size]), RANKS
            for stretches in (self._blocks, self._short):
                stretches.mixed[name] = np.zeros((blocks, self.seasonality.count))
                stretches.ranks[name] = np.zeros((blocks, width))

    def keeps(self, name: str) -> bool:
        """Return True if a part is kept. Joint sums of all features always are."""
        if self.parts is None or name in _TOGETHER:
            return True
        return name.replace("embedding:", "feature:") in self.parts

    def add(self, season: int, pane: Pane) -> None:
        """Add rows of one season."""
        for name, sums in pane.parts.items():
            if name == "rows" or name in self._width_by_part:
                self._into(name)[season, : len(sums)] += sums

    def add_all(self, name: str, sums: F64) -> None:
        """Add one part of all seasons: float64 (seasons, width). Parts that are not kept are ignored."""
        if name == "rows" or name in self._width_by_part:
            self._into(name)[:, : sums.shape[1]] += sums

    def _into(self, name: str) -> F64:
        return self._panes.setdefault(name, np.zeros((self.seasonality.count, self._width_by_part.get(name, 3))))

    def add_block(self, block: int, season: int, pane: Pane, *, short: bool) -> None:
        """Add rows of one season to their block; ``short``: also to its short interval."""
        halves = np.array([2 * block + short])
        for stretches, _ in self._stretches(halves):
            stretches.rows[block] += pane.parts.get("rows", np.zeros(3))
        for name, over in block_columns(self.bins).items():
            counts = pane.parts.get(name)
            if counts is not None and name in self._blocks.ranks:
                index = np.flatnonzero(counts[: over.size])
                self.add_values(name, np.repeat(halves, len(index)), np.full(len(index), season), index, counts[index])

    def add_block_rows(self, halves: I64, weight: F64) -> None:
        """Count rows per block; ``halves``: int64 (n,), see :meth:`TimeGrid.halves`."""
        for stretches, chosen in self._stretches(halves):
            block, row_weight = halves[chosen] // 2, weight[chosen]
            for power, values in enumerate((np.ones(len(row_weight)), row_weight, row_weight**2)):
                stretches.rows[:, power] += np.bincount(block, values, minlength=len(stretches.rows))

    def _stretches(self, halves: I64) -> Iterator[tuple[_StretchRanks, slice | Index]]:
        """Yield the blocks with all rows, and the short intervals with their rows."""
        yield self._blocks, slice(None)
        in_short = np.flatnonzero(halves % 2)
        if len(in_short):
            yield self._short, in_short

    def add_values(self, name: str, halves: I64, season: Index, index: Index, weight: F64) -> None:
        """Add usable values of a column, with season and bin; ``halves``: see :meth:`TimeGrid.halves`."""
        for stretches, chosen in self._stretches(halves):
            self._add_values(stretches, name, halves[chosen] // 2, season[chosen], index[chosen], weight[chosen])

    def _add_values(
        self, stretches: _StretchRanks, name: str, block: I64, season: Index, index: Index, weight: F64
    ) -> None:
        ranks, count = stretches.ranks[name], self.seasonality.count
        blocks = len(ranks)
        stretches.mixed[name] += np.bincount(block * count + season, weight, minlength=blocks * count).reshape(
            blocks, -1
        )
        if name in self._cells:
            cell = np.searchsorted(self._cells[name], index, side="right") - 1
            width = ranks.shape[1]
            ranks += np.bincount(block * width + cell, weight, minlength=blocks * width).reshape(blocks, width)
            return
        below = self._below[name]
        low, high = below[season, index], below[season, index + 1]
        difference = high - low
        for tenth in range(RANKS):
            start, end = tenth / RANKS, (tenth + 1) / RANKS
            inside = np.clip(np.minimum(high, end) - np.maximum(low, start), 0.0, None)
            point = (low >= start) & ((low < end) | (tenth == RANKS - 1))  # a bin that the rough look saw nothing in
            share = np.divide(inside, difference, out=point.astype(np.float64), where=difference > 0)
            ranks[:, tenth] += np.bincount(block, weight * share, minlength=blocks)

    def piece(self) -> Seasons | None:
        """Return the sums by season; None if no row has a time."""
        rows = self._panes.pop("rows", None)
        if rows is None or not rows.any():
            return None
        counts_by_name = {name: counts for name, counts in self._panes.items() if counts.any()}
        filled = np.flatnonzero(self._blocks.rows[:, 0] > 0)
        is_detected = self.parts is not None
        if self.stretches is None or len(filled) < 2:
            return Seasons(self.seasonality, rows, counts_by_name, is_detected=is_detected)
        starts = self.stretches.start + filled.astype(np.int64) * self.stretches.length
        blocks = {
            name: Deseasonalized(
                self._cells.get(name), self._levelled(self._blocks, name, counts_by_name[name], filled)
            )
            for name in self._blocks.ranks
            if name in counts_by_name
        }
        block_arguments = (self.stretches.length, starts, self._blocks.rows[filled], blocks)
        return Seasons(
            self.seasonality, rows, counts_by_name, *block_arguments, is_detected, self._shorts(counts_by_name)
        )

    def _shorts(self, counts_by_name: Mapping[str, F64]) -> SeasonShorts | None:
        """Return the short intervals; None if they have too few rows."""
        rows, grid = self._short.rows, self.stretches
        filled = np.flatnonzero(rows[:, 0] > 0)
        if grid is None or len(filled) < 2 or rows[filled, 0].sum() < TELLING * len(filled):
            return None
        counts = {
            name: self._levelled(self._short, name, counts_by_name[name], filled)
            for name in self._short.ranks
            if name in counts_by_name
        }
        return SeasonShorts(grid.short, grid.shorts[filled], rows[filled], counts)

    def _levelled(self, stretches: _StretchRanks, name: str, counts: F64, filled: Index) -> F64:
        """Remove the effect of seasons from intervals, as if all had the mean mix of seasons: float64 (b, cells)."""
        mixed, ranks = stretches.mixed[name][filled], stretches.ranks[name][filled]
        rows = mixed.sum(axis=1)
        of_all = self._blocks.ranks[name].sum(axis=0)  # the means are those of all rows
        total = of_all.sum()
        if name in self._cells:
            first = self._cells[name]
            usable = np.add.reduceat(counts[:, : block_columns(self.bins)[name].size], first, axis=1)
            usable_rows = usable.sum(axis=1, keepdims=True)
            shares = np.divide(usable, usable_rows, out=np.zeros_like(usable), where=usable_rows > 0)
            deviation = ranks - mixed @ shares
        else:
            deviation = ranks - np.outer(rows, of_all / max(total, 1e-300))
        share = of_all / max(total, 1e-300)
        # The mean of a season includes the block itself, so the block is closer to it, by its fraction of the rows.
        season = self._blocks.mixed[name].sum(axis=0)
        own_share = np.divide(mixed**2, season, out=np.zeros_like(mixed), where=season > 0).sum(axis=1)
        left = 1 - np.divide(own_share, rows, out=np.zeros(len(rows)), where=rows > 0)
        usual = 1 - rows / max(total, 1e-300)
        grown = np.sqrt(np.clip(usual, 0.0, 1.0) / np.maximum(left, 1 / (2 * LEAST_CYCLES)))
        levelled = np.maximum(np.outer(rows, share) + deviation * np.maximum(grown, 1.0)[:, np.newaxis], 0.0)
        return np.array([[float(f"{value:.6g}") for value in row] for row in levelled.tolist()])


class SeasonsGatherer:
    """Gathers the reference by season, with seasons that the user set or that were detected."""

    def __init__(self, reference: ReferenceSetup) -> None:
        self._counts: SeasonCounts | None = None
        seasonality, sample, parts = reference.seasonality, reference.sample, None
        if seasonality is None or not sample.time.any():
            return
        columns = block_columns(reference.bins)
        every = list(_indices(sample, reference.bins))
        if isinstance(seasonality, UnknownSeasonality):
            cycles = _cycles(seasonality, sample, every)
            if cycles.kind is None:
                return
            seasonality, parts = Seasonality(cycles.kind, seasonality.timezone), cycles.parts
        season, count = _season(seasonality, sample.time), seasonality.count
        weight = _weight(sample)
        rough = {name: np.zeros((count, over.size + 2)) for name, over in columns.items()}
        for name, over, index in every:
            if parts is None or name in parts:
                rough[name] += _by_season(season, index, weight, count, over.size + 2)
        self._counts = SeasonCounts(seasonality, reference.bins, rough, TimeGrid.of(sample.time), parts)

    def add(self, table: PredictionTable, _actual: Column | None) -> None:
        """Add rows."""
        counts = self._counts
        if counts is None or not len(table):
            return
        seasons, season, weight = counts.seasonality.count, _season(counts.seasonality, table.time), _weight(table)
        squares = np.column_stack([np.ones(len(table)), weight, weight**2])
        rows = [np.bincount(season, squared_weight, minlength=seasons + 1)[:seasons] for squared_weight in squares.T]
        counts.add_all("rows", np.column_stack(rows))
        space, names = counts.bins.space, counts.bins.features
        joint = Joint(space, len(table)) if space is not None and space.names_in(names) else None
        halves = None if counts.stretches is None else counts.stretches.halves(table.time)
        inside = season < seasons
        if halves is not None and counts.stretches is not None:
            inside &= halves < 2 * counts.stretches.count
            counts.add_block_rows(halves[inside], weight[inside])
        columns = block_columns(counts.bins)
        present = set()
        for name, over, index in _indices(table, counts.bins):
            present.add(name)
            if joint is not None:
                joint.add(name.removeprefix("feature:"), index, bool((index >= over.size).any()))
            if not counts.keeps(name):
                continue
            counts.add_all(name, _by_season(season, index, weight, seasons, over.size + 2))
            if halves is not None and counts.rough[name].any():
                usable = inside & (index < over.size)
                counts.add_values(name, halves[usable], season[usable], index[usable], weight[usable])
        for name in columns.keys() - present:  # a column that these rows lack is missing in every row
            size = columns[name].size
            lacking = np.full(len(table), size, dtype=np.intp)
            counts.add_all(name, _by_season(season, lacking, weight, seasons, size + 2))
        given_weight = None if table.weight is None else weight
        for name, projection in counts.bins.projections.items():
            column = table.features.get(name)
            if column is not None and column.vectors is not None and counts.keeps(f"embedding:{name}"):
                sums = projection.sums(column.vectors, given_weight, season.astype(np.int64), seasons + 1)
                counts.add_all(f"embedding:{name}", sums[:-1])
        if joint is not None:
            for name, sums in joint.sums(given_weight, season.astype(np.int64), seasons + 1).items():
                counts.add_all(name, sums[:-1])

    def piece(self) -> Seasons | None:
        """Return the sums by season; None without seasons, or if no row has a time."""
        return None if self._counts is None else self._counts.piece()


def seasons_of_panes(
    seasonality: AnySeasonality, bins: ModelBins, stretches: TimeGrid | None, starts: I64, panes: Sequence[Pane]
) -> Seasons | None:
    """Return the sums of panes by season; None without rows, or without given or detected seasons.

    Args:
        seasonality: Seasons, or the request to detect them.
        bins: Bins over which the panes were counted.
        stretches: Time blocks, whose borders are borders of panes; None without blocks.
        starts: int64 (p,), start of each pane, unix nanoseconds; no pane crosses the border of an hour or season.
        panes: One pane per start.
    """
    filled = [index for index, pane in enumerate(panes) if pane.rows]
    starts, panes = starts[filled], [panes[season_index] for season_index in filled]
    columns, parts = block_columns(bins), None
    if not filled:
        return None
    if isinstance(seasonality, UnknownSeasonality):
        hours, first = np.unique(starts // HOUR * HOUR, return_index=True)
        counts = {}
        for name, over in columns.items():
            no_counts = np.zeros(over.size + 2)
            counts[name] = np.add.reduceat(np.stack([pane.parts.get(name, no_counts) for pane in panes]), first)
        cycles = find_cycles(seasonality.clock, hours, counts, columns)
        if cycles.kind is None:
            return None
        seasonality, parts = Seasonality(cycles.kind, seasonality.timezone), cycles.parts
    season = seasonality.of(starts)
    rough = {name: np.zeros((seasonality.count, over.size + 2)) for name, over in columns.items()}
    for season_index, pane in zip(season.tolist(), panes, strict=True):
        for name in rough:
            rough[name][season_index] += pane.parts.get(name, 0.0)
    season_counts = SeasonCounts(seasonality, bins, rough, stretches, parts)
    halves = np.zeros(len(season), np.int64) if stretches is None else stretches.halves(starts)
    for season_index, half, pane in zip(season.tolist(), halves.tolist(), panes, strict=True):
        season_counts.add(season_index, pane)
        if stretches is not None and half < 2 * stretches.count:
            season_counts.add_block(half // 2, season_index, pane, short=bool(half % 2))
    return season_counts.piece()


def _cycles(unknown: UnknownSeasonality, sample: PredictionTable, indices: Sequence[tuple[str, Bins, Index]]) -> Cycles:
    """Return the cycles of a sample, from at most 25,000 of its rows."""
    sampled = slice(None, None, max(1, -(-len(sample) // MOST_TESTED)))
    hours, place = hours_of_rows(sample.time[sampled])
    weight = _weight(sample)[sampled]
    counts = counted_by_hour(place, len(hours), [(name, over, index[sampled], weight) for name, over, index in indices])
    return find_cycles(unknown.clock, hours, counts, {name: over for name, over, _ in indices})


def _weight(table: PredictionTable) -> F64:
    return np.ones(len(table)) if table.weight is None else usable_weight(table.weight)


def _by_season(season: Index, index: Index, weight: F64, seasons: int, width: int) -> F64:
    """Return counts by season, float64 (seasons, width); rows without a time have the index after the last season."""
    counts = np.bincount(season * width + index, weight, minlength=(seasons + 1) * width)
    return counts.astype(np.float64, copy=False).reshape(seasons + 1, width)[:-1]


def _season(seasonality: Seasonality, times: I64) -> Index:
    """Return the season of each row; ``seasonality.count`` for rows without a time."""
    return np.where(times != 0, seasonality.of(times), seasonality.count)


def _indices(table: PredictionTable, bins: ModelBins) -> Iterator[tuple[str, Bins, Index]]:
    """Yield the bin of every row, column by column."""
    columns: dict[str, Column] = {f"feature:{name}": column for name, column in table.features.items()}
    if table.scores is not None and len(table.scores):
        columns["score"] = Column(numbers=table.task.monitored_score(table.scores))
    codes = decide(table.task, table.scores, table.predicted)
    if len(codes):
        columns["class"] = Column(codes=codes, categories=(*table.task.classes, ""))
    for name, over in block_columns(bins).items():
        column = columns.get(name)
        if column is not None and (column.numbers is not None or column.codes is not None):
            yield name, over, assign(over, column)


def _below(counts: F64) -> F64:
    """Return the cumulative fraction below each bin by season, float64 (seasons, bins + 1).

    A season without rows has the fractions of all seasons.
    """
    total = counts.sum(axis=1, keepdims=True)
    filled = np.where(total > 0, counts, counts.sum(axis=0))
    shares = filled / filled.sum(axis=1, keepdims=True)
    below = np.concatenate([np.zeros((len(counts), 1)), np.cumsum(shares, axis=1)], axis=1)
    return np.asarray(np.minimum(below, 1.0), dtype=np.float64)
