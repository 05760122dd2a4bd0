"""The bins of one feature: edges or categories, the assignment of rows to them, and their counts.

Bins are chosen once, from the reference rows, and are part of the baseline; every window is one search and one
``bincount`` over them. Numbers have quantile bins, because sentinels and outliers make auto-scaled histograms useless;
categories have a bin per frequent category.

For many values, a table of equal cells replaces the binary search: a cell rarely contains more than one edge, so the
bin is that of the cell, plus one if the value has passed the edge. It costs 4 ns per value, a binary search over 100
edges 39 ns, with the same result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from driftline.tables.classes import number_text
from driftline.tables.table import F64, I64, Column

CELLS = 4_096

MIN_LOOKUP_VALUES = 1_024
"""Minimum number of values for a table, which costs as much as searching 600 values. Tables of 64 kB or more are not
kept, because a process can have thousands of features.
"""

_BLOCK = 16_384
"""Values processed at a time, so that intermediate results fit in the CPU cache."""


@dataclass(frozen=True, slots=True, eq=False)
class BinLookup:
    """Cells of equal width over the edges; values outside belong to the first or the last cell.

    The cell is a non-decreasing function of the value, also after rounding. So every edge in an earlier cell is below
    the value, and every edge in a later cell above it.

    Attributes:
        before: Number of edges in the cells before each cell, intp (CELLS,).
        edges: Edges in each cell, padded with NaN: one float64 (CELLS,) per edge of the fullest cell.
    """

    low: float
    scale: float
    before: Index
    edges: tuple[F64, ...]

    @classmethod
    def of(cls, edges: F64) -> Self | None:
        """Create a table of edges, float64 (k,), strictly increasing; None if a search is as fast.

        >>> BinLookup.of(np.array([0.0, 1e-9, 2e-9, 3e-9, 1.0])) is None
        True
        """
        if len(edges) < 2:
            return None
        low, high = float(edges[0]), float(edges[-1])
        with np.errstate(over="ignore"):
            scale = float(np.float64(CELLS) / (np.float64(high) - np.float64(low)))
        if not 0 < scale < np.inf:
            return None
        lookup = cls(low, scale, np.zeros(CELLS, dtype=np.intp), ())
        cells = lookup._cell(edges, np.empty(len(edges)))
        counts = np.bincount(cells, minlength=CELLS)
        most_edges = int(counts.max())
        # 3: edges in one cell. Where edges crowd more than that, as those of heavy tails do, a binary search is as
        # quick.
        if most_edges > 3:
            return None
        before = np.cumsum(counts) - counts
        rank = np.arange(len(edges)) - before[cells]
        tables = np.full((most_edges, CELLS), np.nan)
        tables[rank, cells] = edges
        return cls(low, scale, before, tuple(tables))

    def search(self, values: F64) -> Index:
        """Return ``searchsorted(edges, values, side="right")`` of float64 (n,): intp (n,); NaN in any bin.

        >>> BinLookup.of(np.array([0.0, 1.0, 2.0])).search(np.array([-np.inf, 0.0, 0.5, 1.0, 7.0])).tolist()
        [0, 1, 1, 2, 3]
        """
        index = np.empty(len(values), dtype=np.intp)
        room, passed = np.empty(_BLOCK), np.empty(_BLOCK, dtype=np.bool_)
        for start in range(0, len(values), _BLOCK):
            block, block_index = values[start : start + _BLOCK], index[start : start + _BLOCK]
            block_room, beyond = room[: len(block)], passed[: len(block)]
            cells = self._cell(block, block_room)
            np.take(self.before, cells, out=block_index, mode="clip")
            for edges in self.edges:
                np.take(edges, cells, out=block_room, mode="clip")
                np.greater_equal(block, block_room, out=beyond)
                np.add(block_index, beyond, out=block_index)
        return index

    def _cell(self, values: F64, room: F64) -> Index:
        """Return the cell of each value; ``room``: float64 (n,), is overwritten."""
        with np.errstate(over="ignore", invalid="ignore"):
            np.subtract(values, self.low, out=room, dtype=np.float64)
            np.multiply(room, self.scale, out=room)
        np.fmax(room, 0.0, out=room)  # of NaN, too
        np.fmin(room, CELLS - 1.0, out=room)
        return room.astype(np.intp)


def search(edges: F64, values: F64) -> Index:
    """Return ``searchsorted(edges, values, side="right")``, faster for many values; NaN can have any bin.

    >>> search(np.array([0.0, 1.0]), np.array([0.5, 1.0])).tolist()
    [1, 2]
    """
    cells = BinLookup.of(edges) if len(values) >= MIN_LOOKUP_VALUES else None
    return np.searchsorted(edges, values, side="right") if cells is None else cells.search(values)


Index = NDArray[np.intp]

QUANTILES: F64 = np.concatenate([[0.001], np.arange(1, 100) / 100, [0.999]])
"""Levels of the edges of continuous features. Values outside the outer edges are in open bins. One outlier of 1e9
among more than 1,000 rows moves no edge; among fewer rows it moves only the outer edges.
"""

ATOM = 0.01
"""A value with more than this fraction of the rows has its own bin."""

TOLERANCE = 2.0**-23
"""Relative half-width of such a bin, so that it also contains the value rounded to float32."""

RARE = 10
"""Minimum rows of a category with its own bin; rarer categories are too rare to compare, and possibly personal."""

MOST_CATEGORIES = 200
LONGEST_CATEGORY = 256

SCORE_BINS = 4098
"""The fixed grid for probabilities: exact 0, 4,096 bins of logit over [-16, 16], exact 1."""

_PER_LOGIT = 4096 / 32


@dataclass(frozen=True, slots=True, eq=False)
class NumberBins:
    """Bins of a number: bin i is ``[edges[i - 1], edges[i])``; the outer two are open.

    Attributes:
        edges: float64, strictly increasing, finite; empty if the reference had no finite value.
    """

    edges: F64

    @property
    def size(self) -> int:
        """Number of bins; counts have two more entries, for missing and invalid."""
        return len(self.edges) + 1

    def check(self) -> None:
        """Raise ``ValueError`` if the edges do not increase."""
        if self.edges.ndim != 1 or (self.edges[1:] <= self.edges[:-1]).any():
            raise ValueError("edges must increase strictly")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NumberBins) and np.array_equal(self.edges, other.edges)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class CategoryBins:
    """Bins of a category: one bin per listed category, and the last bin for all other texts."""

    categories: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of bins; counts have two more entries, for missing and invalid."""
        return len(self.categories) + 1

    def check(self) -> None:
        """Raise ``ValueError`` for duplicate categories."""
        if len(set(self.categories)) < len(self.categories):
            raise ValueError("categories must be distinct strings")


Bins = NumberBins | CategoryBins


def count(bins: Bins, column: Column, weight: F64 | None = None) -> F64:
    """Return the weight per bin, then of missing values, then of invalid values: float64 (size + 2,).

    Infinities, and texts in a number feature, are invalid. In a category feature, a number is its text: 17.0 is "17".
    ``weight``: float64 (n,), None = 1 each.

    >>> count(NumberBins(np.array([0.0, 1.0])), Column(numbers=np.array([-1.0, 0.0, 0.5, 1.0, np.nan, np.inf])))
    array([1., 2., 1., 1., 1.])
    """
    index = assign(bins, column)
    return np.bincount(index, weight, minlength=bins.size + 2).astype(np.float64, copy=False)


def assign(bins: Bins, column: Column) -> Index:
    """Return the bin of each row: intp (n,); ``size`` = missing, ``size + 1`` = invalid.

    A column without numbers and codes has no rows.
    """
    if isinstance(bins, NumberBins):
        return _assign_numbers(bins, column)
    return _assign_categories(bins, column)


def _assign_numbers(bins: NumberBins, column: Column) -> Index:
    if column.numbers is None:
        if column.codes is None:
            return np.empty(0, dtype=np.intp)
        return np.where(column.codes >= 0, bins.size + 1, bins.size)
    values = column.numbers
    index = search(bins.edges, values)
    finite = np.isfinite(values)
    if not finite.all():  # NaN and infinities have a wrong bin; only columns with such values pay for the correction
        index[~finite] = np.where(np.isnan(values[~finite]), bins.size, bins.size + 1)
        if column.codes is not None:
            index[~finite & (column.codes >= 0)] = bins.size + 1
    return index


def _assign_categories(bins: CategoryBins, column: Column) -> Index:
    bin_of = {category: position for position, category in enumerate(bins.categories)}
    other_bin, missing, invalid = len(bins.categories), bins.size, bins.size + 1
    index: Index | None = None
    if column.codes is not None:
        lookup = np.fromiter(
            (bin_of.get(category, other_bin) for category in column.categories), np.intp, len(column.categories)
        )
        index = np.append(lookup, missing)[column.codes]  # code -1 reads the last entry
    if column.numbers is not None:
        values = column.numbers
        if index is None:
            index = np.full(len(values), missing, dtype=np.intp)
        position_of_number = {
            number: position for category, position in bin_of.items() if (number := _number(category)) is not None
        }
        is_given = ~np.isnan(values)
        if position_of_number and is_given.any():
            numbers = np.array(sorted(position_of_number))
            nearest = np.minimum(np.searchsorted(numbers, values), len(numbers) - 1)
            positions = np.array([position_of_number[number] for number in numbers.tolist()], dtype=np.intp)
            index[is_given] = np.where(numbers[nearest] == values, positions[nearest], other_bin)[is_given]
        else:
            index[is_given] = other_bin
        index[np.isinf(values)] = invalid
    return np.empty(0, dtype=np.intp) if index is None else index


def _number(category: str) -> float | None:
    """Return the number of a category, so that 17.0 matches "17"; None if the category is not the text of a number."""
    try:
        number = float(category)
    except ValueError:
        return None
    return number if number_text(number) == category else None


def number_bins(values: F64) -> NumberBins:
    """Choose bins from the reference values of a feature: float64 (n,), NaN and infinities are left out.

    Up to 50 distinct values have one bin each, and the gaps between them are bins for values that are not in the
    reference. Otherwise there are 100 quantile bins between the 0.1 % and the 99.9 % quantile and an open bin at either
    end; a value with more than 1 % of the rows (zero, a sentinel, a default) has its own bin.

    Evidently and NannyML use equal widths between minimum and maximum, so that one outlier of 1e9 puts all other values
    into one bin and hides a real shift. Here the outlier is in an open bin.

    >>> number_bins(np.array([0.0, 0.0, 1.0])).size
    5
    >>> number_bins(np.arange(10_000.0)).size
    102
    """
    ordered = np.sort(values[np.isfinite(values)])
    if len(ordered) == 0:
        return NumberBins(np.empty(0))
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    distinct = ordered[starts]
    # 50: maximum number of distinct values with one bin each
    if len(distinct) <= 50:
        return NumberBins(_edges(*_around(distinct, np.arange(len(distinct)))))
    counts = np.diff(np.append(starts, len(ordered)))
    low, high = _around(distinct, np.flatnonzero(counts > ATOM * len(ordered)))
    # halved, because the difference of two values near the largest float overflows
    quantiles = np.quantile(ordered / 2, QUANTILES) * 2
    index = np.searchsorted(low, quantiles, side="right") - 1
    inside = (index >= 0) & (quantiles < np.append(high, -np.inf)[index])
    return NumberBins(_edges(quantiles[~inside], low, high))


def anonymous_number_bins(values: F64, fewest: int = RARE) -> NumberBins:
    """Choose bins whose edges are not values of fewer than ``fewest`` rows: float64 (n,), only finite values count.

    For bins that are kept when single rows must be deleted, see docs/instrument/privacy.md. A value with at least
    ``fewest`` rows, and more than 1 % of all rows, has its own bin. All other edges are numbers with few digits between
    two values, with at least ``fewest`` rows between two edges and outside the outer edges. So the edges do not show
    extreme values.

    >>> anonymous_number_bins(np.append(np.arange(1_000.0), 31337.777)).edges[-2:]
    array([980.5, 990.5])
    >>> anonymous_number_bins(np.array([0.0] * 30 + [1.0] * 20 + [31337.777] * 3)).size
    5
    >>> anonymous_number_bins(np.arange(9.0)).size
    1
    """
    ordered = np.sort(values[np.isfinite(values)])
    distinct, counts = np.unique(ordered, return_counts=True)
    heavy = counts >= max(fewest, ATOM * len(ordered))
    low, high = _around(distinct[heavy], np.arange(np.count_nonzero(heavy)))
    rest = np.repeat(distinct[~heavy], counts[~heavy])
    bins = min(100, len(rest) // fewest)
    before = np.rint(np.arange(1, bins) * len(rest) / max(bins, 1)).astype(np.intp)  # rows below each edge
    steps = np.flatnonzero(rest[1:] > rest[:-1]) + 1
    steps = steps[(steps >= fewest) & (steps <= len(rest) - fewest)]
    if not len(steps) or not len(before):
        return NumberBins(_edges(low, high))
    nearest = np.unique(steps[np.minimum(np.searchsorted(steps, before), len(steps) - 1)])
    chosen, last = [], 0
    for cut in nearest.tolist():
        if cut - last >= fewest:
            chosen.append(between(float(rest[cut - 1]), float(rest[cut])))
            last = cut
    quantiles = np.array(chosen)
    inside = np.searchsorted(low, quantiles, side="right") > np.searchsorted(high, quantiles, side="right")
    return NumberBins(_edges(quantiles[~inside], low, high))


def between(low: float, high: float) -> float:
    """Return the number with fewest digits that is more than ``low`` and at most ``high``.

    >>> between(1234.56, 1287.01), between(0.0, 31337.777), between(-0.2, 0.3)
    (1260.0, 20000.0, 0.0)
    """
    if low < 0 < high:
        return 0.0
    middle = low / 2 + high / 2
    for digits in range(1, 17):
        number = float(f"{middle:.{digits}g}")
        if low < number < high:
            return number
    return middle if low < middle else high


def _around(distinct: F64, chosen: Index) -> tuple[F64, F64]:
    """Return edges ``[low, high)`` around chosen distinct values, at most to the middle between neighbours."""
    values = distinct[chosen]
    reach = np.abs(values) * TOLERANCE
    middle = np.concatenate([[-np.inf], distinct[:-1] / 2 + distinct[1:] / 2, [np.inf]])
    with np.errstate(over="ignore"):  # no value and no edge can exceed the largest float
        low = np.minimum(np.maximum(values - reach, middle[chosen]), values)
        high = np.maximum(np.minimum(values + reach, middle[chosen + 1]), np.nextafter(values, np.inf))
    return low, high


def _edges(*parts: F64) -> F64:
    edges = np.unique(np.concatenate(parts))
    return edges[np.isfinite(edges)]


def category_bins(column: Column) -> CategoryBins:
    """Choose categories from the reference values of a feature: at least 10 rows each, at most 200, frequent first.

    Categories longer than 256 characters count as ``other``, to limit the size of a baseline.

    >>> category_bins(Column(codes=np.repeat([0, 1, 2], [5, 20, 30]), categories=("rare", "b", "a"))).categories
    ('a', 'b')
    """
    counts_by_category: dict[str, int] = {}
    if column.codes is not None:
        counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.categories))
        for category, times in zip(column.categories, counts.tolist(), strict=False):
            counts_by_category[category] = counts_by_category.get(category, 0) + times
    if column.numbers is not None:
        numbers, times_each = np.unique(column.numbers[np.isfinite(column.numbers)], return_counts=True)
        for number, times in zip(numbers.tolist(), times_each.tolist(), strict=True):
            category = number_text(number)
            counts_by_category[category] = counts_by_category.get(category, 0) + times
    frequent = [
        (-times, category)
        for category, times in counts_by_category.items()
        if times >= RARE and len(category) <= LONGEST_CATEGORY
    ]
    return CategoryBins(tuple(category for _, category in sorted(frequent)[:MOST_CATEGORIES]))


def bins_for(column: Column, anonymous: bool = False) -> Bins:
    """Choose bins from the reference values of a feature: categories if texts outnumber numbers, else numbers.

    ``anonymous``: no edge is the value of only a few rows, see :func:`anonymous_number_bins`; category bins never are.

    >>> bins_for(Column(numbers=np.array([1.0, 2.0, np.nan])))
    NumberBins(edges=array([0.99999988, 1.00000012, 1.99999976, 2.00000024]))
    """
    texts = 0 if column.codes is None else int(np.count_nonzero(column.codes >= 0))
    numbers = 0 if column.numbers is None else int(np.count_nonzero(~np.isnan(column.numbers)))
    if texts > numbers:
        return category_bins(column)
    values = np.empty(0) if column.numbers is None else column.numbers
    return anonymous_number_bins(values) if anonymous else number_bins(values)


def score_bin(scores: F64) -> I64:
    """Return the bin of each probability on the fixed grid: int64 (n,), 0 = exact 0, ``SCORE_BINS - 1`` = exact 1.

    The grid is the same for all models, 1/128 wide on the logit scale, so that panes can be merged, and the error of
    the area under the ROC curve is at most 1e-4 after a shift of scores. Scores must be in [0, 1].

    >>> score_bin(np.array([0.0, 0.5, 1.0])).tolist()
    [0, 2049, 4097]
    """
    with np.errstate(divide="ignore"):
        logit = np.log(scores) - np.log1p(-scores)
    inner = np.clip(np.floor((np.clip(logit, -17, 17) + 16) * _PER_LOGIT), 0, SCORE_BINS - 3).astype(np.int64) + 1
    return np.where(scores <= 0, 0, np.where(scores >= 1, SCORE_BINS - 1, inner))


def score_centers() -> F64:
    """Return the middle score of each bin of the fixed grid: float64 (SCORE_BINS,); exact 0 and 1 are unchanged.

    >>> score_centers()[[0, 2049, SCORE_BINS - 1]].round(4).tolist()
    [0.0, 0.501, 1.0]
    """
    logit = (np.arange(SCORE_BINS - 2) + 0.5) / _PER_LOGIT - 16
    return np.concatenate([[0.0], 1 / (1 + np.exp(-logit)), [1.0]])


def score_edges() -> F64:
    """Return the minimum score of each bin of the fixed grid: float64 (SCORE_BINS,).

    >>> score_edges()[[0, 2049, -1]].tolist()
    [0.0, 0.5, 1.0]
    """
    inner = 1 / (1 + np.exp(16 - np.arange(SCORE_BINS - 2) / _PER_LOGIT))
    inner[0] = np.nextafter(0.0, 1.0)
    return np.concatenate([[0.0], inner, [1.0]])
