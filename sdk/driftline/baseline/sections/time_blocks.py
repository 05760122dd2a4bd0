"""Coarse distributions and performance per time block of the reference: the normal variation between blocks.

Rows of one day, or of one customer, are correlated. If the blocks of a reference differ more than independent rows
would, a window that differs as much is within normal variation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from driftline.panes.bins import SCORE_BINS, Index, NumberBins
from driftline.panes.model_bins import ModelBins
from driftline.panes.pane import Pane
from driftline.privacy.rules import FeatureFilter
from driftline.tables.table import F64, I64

from .section import MOST_BLOCKS, Section, block_columns, check_blocks, check_first, check_shape, rounded, sizes

CELLS = 10
"""Cells of a column in a block; up to twice as many if single bins are heavy. 60 blocks of 10 cells are 2 kB of JSON
per feature, about as much as its bins.
"""

_MINUTE = 60 * 10**9
_HOUR = 60 * _MINUTE
_DAY = 1_440 * _MINUTE
LENGTHS = (5 * _MINUTE, 15 * _MINUTE, 60 * _MINUTE, 360 * _MINUTE, _DAY, 7 * _DAY, 28 * _DAY, 364 * _DAY)
"""Possible lengths of blocks in nanoseconds. Each divides the next, so that blocks can be merged into longer blocks."""

TELLING = 25.0
"""Minimum mean number of rows per short interval; windows with fewer rows are inconclusive."""

_MONDAY = 4 * _DAY  # 1970-01-05


_STEP = 300 * 10**9
"""Five minutes in nanoseconds."""


@dataclass(frozen=True, slots=True)
class Period(Section):
    """Time of the first and of the last row, unix nanoseconds."""

    first: int
    last: int

    @classmethod
    def of(cls, times: I64) -> Self | None:
        """Return the period of times, int64 (n,), 0 = unknown; None if all are unknown."""
        timed = times[times != 0]
        return cls(int(timed.min()), int(timed.max())) if len(timed) else None

    def joined(self, other: Self | None) -> Self:
        """Return the period that contains both.

        >>> Period(3, 5).joined(Period(1, 4))
        Period(first=1, last=5)
        """
        return self if other is None else type(self)(min(self.first, other.first), max(self.last, other.last))

    def widened(self) -> Self:
        """Round the period outwards to five minutes, as panes are, so that it does not reveal the time of a row.

        >>> Period(300_000_000_001, 300_000_000_002).widened()
        Period(first=300000000000, last=599999999999)
        """
        return type(self)(self.first - self.first % _STEP, self.last - self.last % _STEP + _STEP - 1)

    def check(self) -> None:
        """Raise ``ValueError`` if the period ends before it begins."""
        if self.first > self.last:
            raise ValueError("must be two times in unix nanoseconds, the earlier time first")


@dataclass(frozen=True, slots=True)
class TimeGrid:
    """Time blocks of one length from ``start`` on (unix nanoseconds); weeks begin on Monday.

    A day begins at midnight UTC, or at the hour with the fewest rows around it if these are less than half of those at
    midnight UTC, which can be the middle of the evening locally.
    """

    start: int
    length: int
    count: int

    @classmethod
    def of(cls, times: I64) -> Self | None:
        """Choose at most 60 blocks for times, int64 (n,), 0 = unknown; None if all times are in one block.

        The length is the shortest possible of 5 and 15 minutes, 1 and 6 hours, a day, a week, 4 and 52 weeks, ...; at
        least a day if the times cover a week or more. Outliers of more than 1,000 times are ignored.

        >>> TimeGrid.of(np.arange(1, 9) * _DAY)
        TimeGrid(start=86400000000000, length=86400000000000, count=8)
        """
        timed = times[times != 0]
        if not len(timed):
            return None
        low, high = int(timed.min()), int(timed.max())
        inner = np.sort(timed)[[int(0.001 * (len(timed) - 1)), int(np.ceil(0.999 * (len(timed) - 1)))]].tolist()
        # 4.0: times farther away than this multiple of the range of the middle 99.8 % are outliers
        if len(timed) > 1_000 and high - low > 4.0 * (inner[1] - inner[0]):
            low, high = inner
        length = _DAY if high - low >= 7 * _DAY else LENGTHS[0]  # hours of the day normally differ
        begin = _quietest_hour(timed) if length == _DAY else 0
        while _floor(high, length, begin) - _floor(low, length, begin) >= MOST_BLOCKS * length:
            length = next((longer for longer in LENGTHS if longer > length), 2 * length)
        start = _floor(low, length, begin)
        count = (_floor(high, length, begin) - start) // length + 1
        return cls(start, length, count) if count > 1 else None

    def place(self, times: I64) -> I64:
        """Return the block of each time, int64 (n,); ``count`` if it is in no block or unknown."""
        blocks = (times - self.start) // self.length
        return np.where((times != 0) & (blocks >= 0) & (blocks < self.count), blocks, self.count)

    @property
    def short(self) -> int:
        """Length of the short interval of each block: an hour; five minutes for blocks of up to an hour; 0 = none."""
        return _HOUR if self.length > _HOUR else LENGTHS[0] if self.length > LENGTHS[0] else 0

    @property
    def shorts(self) -> I64:
        """Start of the short interval of each block, int64 (count,): at a different time of day in each block.

        >>> days = TimeGrid.of(np.arange(1, 9) * _DAY)
        >>> ((days.shorts - days.start) // _HOUR % 24).tolist()
        [0, 11, 22, 9, 20, 7, 18, 5]
        """
        if not self.short:
            return np.zeros(0, np.int64)
        many = self.length // self.short
        # 0.38: the short stretch of a block is so much of a block later than that of the one before, about the golden
        # ratio: those of neighbouring blocks are at other times of the day, and all together at every one
        step = next(step for step in range(int(0.38 * many), many + 2) if step and math.gcd(step, many) == 1)
        indices = np.arange(self.count, dtype=np.int64)
        begin: I64 = self.start + indices * self.length + indices * step % many * self.short
        return begin

    def halves(self, times: I64) -> I64:
        """Return twice the block of each time, plus one in its short interval: int64 (n,), see :meth:`place`."""
        place = self.place(times)
        if not self.short:
            return 2 * place
        begin = np.append(self.shorts, np.iinfo(np.int64).max)[place]
        in_short: I64 = ((times >= begin) & (times - begin < self.short)).astype(np.int64)
        return 2 * place + in_short


def _floor(time: int, length: int, begin: int) -> int:
    first = _MONDAY + begin
    return (time - first) // length * length + first


def _quietest_hour(times: I64) -> int:
    """Return the start of days, nanoseconds after midnight UTC."""
    rows = np.bincount(times // _HOUR % 24, minlength=24)
    cut_rows = np.minimum(rows, np.roll(rows, 1))  # rows that are divided if a day begins at that hour
    hour = int(cut_rows.argmin())
    return hour * _HOUR if 2 * cut_rows[hour] < cut_rows[0] else 0


def first_bins(rows: F64, cells: int = CELLS) -> Index:
    """Return the first bin of each of about so many cells of equal weight: intp (cells,).

    A bin with the weight of a cell is a cell by itself. ``rows``: float64 (bins,), weight of each bin.
    """
    before = np.cumsum(rows) - rows
    least_rows = max(float(rows.sum()), 1.0) / cells
    level, heavy = np.floor(before / least_rows + 1e-9), rows >= least_rows
    return np.flatnonzero(np.concatenate([[True], (level[1:] > level[:-1]) | heavy[1:] | heavy[:-1]]))


@dataclass(frozen=True, slots=True, eq=False)
class BlockCounts:
    """One column per block: ``counts`` float64 (blocks, cells), weights of rows with a usable value.

    Attributes:
        first: intp (cells,), first bin of each cell, from 0 on, ascending: a cell is adjacent bins.
        missing: float64 (blocks,), weights of rows without a usable value; None if not counted.
        outside: float64 (blocks,), weights of numbers in the two open bins; None for categories, or if not counted.
    """

    first: Index
    counts: F64
    missing: F64 | None = None
    outside: F64 | None = None

    @classmethod
    def of(cls, counts: F64, size: int) -> Self:
        """Choose cells from counts over the bins: float64 (blocks, at least ``size``).

        A cell has about a tenth of the weight; a bin with that weight is a cell by itself.

        >>> BlockCounts.of(np.array([[50.0, 1.0, 1.0, 48.0]]), 4).first
        array([0, 1, 3])
        """
        first = first_bins(counts[:, :size].sum(axis=0))
        return cls(first, np.add.reduceat(counts[:, :size], first, axis=1))

    def coarsen(self, counts: F64) -> F64:
        """Convert counts over the bins, float64 (..., at least their number), to counts over the cells."""
        width = counts.shape[-1] if counts.shape[-1] > self.first[-1] else int(self.first[-1]) + 1
        return np.add.reduceat(counts[..., :width], self.first, axis=-1)

    def check(self) -> None:
        """Raise ``ValueError`` if the counts do not fit the cells or the number of blocks."""
        blocks = len(self.counts)
        check_shape("counts", self.counts, blocks, len(self.first))
        for name, counts in (("missing", self.missing), ("outside", self.outside)):
            if counts is not None:
                check_shape(name, counts, blocks)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class TimeBlocks(Section):
    """Coarse histograms of up to 60 time blocks with rows, oldest first.

    Attributes:
        length: Length of a block in nanoseconds.
        starts: int64 (b,), unix nanoseconds.
        rows: float64 (b, 3), number, sum of weights and of squared weights.
        by_part: Name of a pane's part (``feature:NAME``, ``score``, ``class``) → its cells.
        shorts: Blocks of the short intervals (an hour of a day), over the same cells, if they have enough rows: the
            additional variation of a window that is shorter than a block.
    """

    length: int
    starts: I64
    rows: F64
    by_part: Mapping[str, BlockCounts]
    shorts: TimeBlocks | None = None

    @classmethod
    def folded(
        cls, stretches: TimeGrid, panes: Sequence[Pane], bins: ModelBins, short: Sequence[Pane] = ()
    ) -> Self | None:
        """Create blocks from one pane per block of a grid; None if fewer than two have rows.

        ``short``: the panes of the short intervals (:attr:`TimeGrid.shorts`), if known.
        """
        starts = stretches.start + np.arange(len(panes), dtype=np.int64) * stretches.length
        blocks = cls.of_panes(stretches.length, starts, panes, bins)
        return None if blocks is None else blocks.and_short(stretches.short, stretches.shorts, short)

    @classmethod
    def of_panes(cls, length: int, starts: I64, panes: Sequence[Pane], bins: ModelBins) -> Self | None:
        """Create blocks from one pane per start; None if fewer than two have rows."""
        filled = [index for index, pane in enumerate(panes) if pane.rows]
        if len(filled) < 2:
            return None
        counts_by_name = {}
        for name, over in block_columns(bins).items():
            size = over.size
            no_counts = np.zeros(size + 2)
            counts = np.stack([panes[index].parts.get(name, no_counts) for index in filled])
            if counts[:, :size].any():
                numbers = isinstance(over, NumberBins) and len(over.edges) > 0
                counts_by_name[name] = replace(
                    BlockCounts.of(counts, size),
                    missing=counts[:, size:].sum(axis=1),
                    outside=counts[:, 0] + counts[:, size - 1] if numbers else None,
                )
        return cls(length, starts[filled], np.stack([panes[index].parts["rows"] for index in filled]), counts_by_name)

    def and_short(self, length: int, starts: I64, panes: Sequence[Pane]) -> Self:
        """Add short intervals of one length with these starts."""
        filled = [index for index, pane in enumerate(panes) if pane.rows]
        if len(filled) < 2 or sum(panes[index].rows for index in filled) < TELLING * len(filled):
            return self
        counts_by_name = {}
        for name, cells in self.by_part.items():
            parts = [panes[index].parts.get(name) for index in filled]
            no_counts = np.zeros_like(cells.counts[0])
            counts_by_name[name] = BlockCounts(
                cells.first, np.stack([no_counts if part is None else cells.coarsen(part[:-2]) for part in parts])
            )
        rows = np.stack([panes[index].parts["rows"] for index in filled])
        return replace(self, shorts=type(self)(length, starts[filled], rows, counts_by_name))

    def check(self) -> None:
        """Raise ``ValueError`` for blocks that do not fit each other."""
        check_blocks(self.length, self.starts, self.rows)
        for name, cells in self.by_part.items():
            check_shape(f"the counts of {name!r}", cells.counts, len(self.starts), len(cells.first))
        if self.shorts is not None and not all(
            name in self.by_part and np.array_equal(cells.first, self.by_part[name].first)
            for name, cells in self.shorts.by_part.items()
        ):
            raise ValueError("the short blocks (shorts) must have the same cells as the blocks")

    def check_bins(self, bins: ModelBins) -> None:
        """Raise ``ValueError`` for a part without bins, and for cells outside its bins."""
        for name, size in sizes(self.by_part, bins):
            check_first(self.by_part[name].first, size, name)

    def leaving(self, features: FeatureFilter) -> Self | None:
        """Return the blocks without features whose bins a rule changes."""
        shorts = None if self.shorts is None else self.shorts.leaving(features)
        return replace(self, by_part=features.plain_parts(self.by_part), shorts=shorts)


PARTS = ("outcomes", "confusion", "losses", "percentage", "quantiles", "score_negative", "score_positive")
"""Parts of a pane from which performance is computed."""

EXPECTED = "expected"
"""Part with the estimate of the block: a confusion, or the sums of :mod:`~driftline.baseline.sections.estimation`."""

MIN_OUTCOMES = 20
"""Minimum number of outcomes of a block."""

SCORE_CELLS = 30
"""Cells of scores in a block: the error of the area under the curve is at most 0.01, and equal in each block."""


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeBlocks:
    """Reference performance per time block, or per block of consecutive rows.

    Attributes:
        length: Length of a block in nanoseconds, or in rows.
        panes: Panes of the blocks with enough outcomes, in order, with :data:`PARTS` and :data:`EXPECTED`; scores
            are merged to 30 cells.
    """

    length: int
    panes: Sequence[Pane]

    @classmethod
    def of(cls, length: int, panes: Sequence[Pane]) -> Self | None:
        """Create blocks from panes with outcomes; None if fewer than two have enough outcomes."""
        telling = [pane for pane in panes if pane.parts["outcomes"][0] >= MIN_OUTCOMES]
        if len(telling) < 2:
            return None
        places = _places(telling)
        rounded_panes = []
        for pane in telling:
            parts = {name: pane.parts[name] for name in (*PARTS, EXPECTED) if name in pane.parts}
            for name in ("score_negative", "score_positive"):
                if name in parts:
                    parts[name] = np.bincount(places, parts[name], minlength=SCORE_BINS).astype(np.float64, copy=False)
            rounded_panes.append(Pane({name: rounded(sums) for name, sums in parts.items()}))
        return cls(length, rounded_panes)

    def check(self) -> None:
        """Raise ``ValueError`` for panes of other parts, or of too many blocks."""
        if self.length <= 0:
            raise ValueError("length must be a whole number above 0")
        if not 2 <= len(self.panes) <= MOST_BLOCKS:
            raise ValueError(f"panes must be a list of 2 to {MOST_BLOCKS} panes")
        for pane in self.panes:
            if "outcomes" not in pane.parts or not pane.parts.keys() <= {*PARTS, EXPECTED}:
                raise ValueError(f"panes must have outcomes, and no other parts than {', '.join((*PARTS, EXPECTED))}")


def _places(panes: Sequence[Pane]) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
    """Return the representative of each bin of the score grid: the middle bin of its thirtieth of all rows."""
    total = np.zeros(SCORE_BINS)
    for pane in panes:
        for name in ("score_negative", "score_positive"):
            total += pane.parts.get(name, 0.0)
    reached = np.cumsum(total) - total / 2
    cell = np.minimum((reached * SCORE_CELLS / max(total.sum(), 1e-300)).astype(np.intp), SCORE_CELLS - 1)
    bins = np.arange(SCORE_BINS)
    weight = np.bincount(cell, total, minlength=SCORE_CELLS)
    middle = np.bincount(cell, total * bins, minlength=SCORE_CELLS) / np.maximum(weight, 1e-300)
    where: np.ndarray[tuple[int, ...], np.dtype[np.intp]] = np.round(middle).astype(np.intp)[cell]
    return where
