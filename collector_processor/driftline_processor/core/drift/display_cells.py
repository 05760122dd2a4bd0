"""Display cells: about twenty fractions that a reader compares at a glance, labelled in the feature's unit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from driftline.panes.bins import TOLERANCE, Bins, CategoryBins, Index, NumberBins
from driftline.tables.classes import number_text
from driftline.tables.table import F64
from msgspec import Struct
from msgspec.structs import replace

MOST_VALUES = 16
"""Limit of distinct values that get a cell each."""

MOST_CATEGORIES = 12
"""Limit of categories that get a cell each, the most frequent of both samples: the space of a card on the page."""

OTHER = "other"
"""Label of the cell of all other categories, and of those that the baseline does not have."""

WIDTHS = 20
"""Cells of equal width of a number. Fewer would hide a second mode; more are noise at 1,000 rows."""

_SHOWN = 0.01
"""Fraction of the reference at either end that shares one cell: otherwise one outlier would squeeze all other values
into one cell.
"""

_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)
"""Round cell widths, times a power of ten."""

NOTHING = 1e-12
"""Fractions up to this count as empty: the rounding error of a sum."""

GREATEST = 1e300
"""Values beyond this limit are drawn at it: differences of greater numbers would overflow."""


class Cells(NamedTuple):
    """Fractions over the cells of a chart.

    Attributes:
        categories: Label of each cell.
        was: Fraction of the reference in each cell, float64 (cells,); the sum is 1.
        now: Fraction of the window in each cell, float64 (cells,); the sum is 1.
        edges: Texts of the edges between cells of equal width; empty for other cells.
    """

    categories: tuple[str, ...]
    was: F64
    now: F64
    edges: tuple[str, ...] = ()


def cells(bins: Bins, reference: F64, current: F64) -> Cells:
    """Return the display cells of counts over bins, without missing and invalid values. An empty sample is all zero.

    >>> from driftline.panes.bins import number_bins
    >>> drawn = cells(number_bins(np.array([0.0, 1.0])), np.array([0, 3, 0, 1, 0.0]), np.array([0, 1, 0, 1, 2.0]))
    >>> drawn.categories, drawn.now.tolist()
    (('0', '1', 'other values'), [0.25, 0.25, 0.5])
    """
    return draw([drawing(bins, reference)], np.asarray(current, np.float64)[np.newaxis])[0]


def drawing(bins: Bins, reference: F64) -> Drawing:
    """Return how the counts of a window are drawn next to a reference.

    Edges and labels of the cells are computed here, once per reference: two thirds of the work.
    """
    was = shares(reference)
    if isinstance(bins, CategoryBins):
        return FrequentCategories(bins.categories, was)
    atoms = np.flatnonzero(was[1:-1] > 0) + 1 if len(bins.edges) else np.empty(0, dtype=np.intp)
    if 0 < len(atoms) <= MOST_VALUES and _narrow(bins, atoms) and was[0] == 0 and was[-1] == 0:
        return _values(bins, atoms, was)
    return _widths(bins, was)


def draw(drawings: Sequence[Drawing], counts: F64) -> list[Cells]:
    """Draw many columns at once.

    Args:
        drawings: How each of k columns is drawn.
        counts: float64 (k, bins), of the windows; bins that a column does not have are empty.
    """
    total = counts.sum(axis=1, keepdims=True)
    now = np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)
    drawn_cells: list[Cells | None] = [None] * len(drawings)

    def fill(at: list[int], drawn: list[Cells]) -> None:
        for place, cells_of_column in zip(at, drawn, strict=True):
            drawn_cells[place] = cells_of_column

    if widths := {index: drawing for index, drawing in enumerate(drawings) if isinstance(drawing, EqualWidths)}:
        fill(list(widths), EqualWidths.draw(list(widths.values()), now[list(widths)]))
    if categories := {
        index: drawing for index, drawing in enumerate(drawings) if isinstance(drawing, FrequentCategories)
    }:
        fill(list(categories), FrequentCategories.draw(list(categories.values()), now[list(categories)]))
    if values := {index: drawing for index, drawing in enumerate(drawings) if isinstance(drawing, DistinctValues)}:
        fill(list(values), DistinctValues.draw(list(values.values()), now[list(values)]))
    return [cells_of_column for cells_of_column in drawn_cells if cells_of_column is not None]


class EqualWidths(Struct, frozen=True, eq=False):
    """A number in cells of equal width between round numbers.

    Attributes:
        categories: Label of each cell.
        texts: Text of each edge between cells; () if all values share a cell.
        before: intp (edges,), number of fine bins completely below each edge.
        within: intp (edges,), fine bin that contains each edge.
        part: float64 (edges,), part of that bin below the edge.
        was: float64 (cells,), fractions of the reference.
    """

    categories: tuple[str, ...]
    texts: tuple[str, ...]
    before: Index
    within: Index
    part: F64
    was: F64

    @staticmethod
    def over_cells(drawings: Sequence[EqualWidths], shares: F64) -> list[F64]:
        """Return fractions over fine bins, float64 (k, bins), as fractions over the cells of each drawing."""
        sizes = [len(drawing.part) for drawing in drawings]
        row = np.repeat(np.arange(len(drawings)), sizes)
        total = np.zeros((len(shares), shares.shape[1] + 1))
        np.cumsum(shares, axis=1, out=total[:, 1:])
        before = np.concatenate([drawing.before for drawing in drawings])
        within = np.concatenate([drawing.within for drawing in drawings])
        part = np.concatenate([drawing.part for drawing in drawings])
        inner = total[row, before] + part * shares[row, within]
        # all columns in one row, each from its lower open end to its upper one
        ends = np.cumsum(np.array(sizes, np.intp) + 2)
        below = np.zeros(int(ends[-1]))
        inside = np.ones(len(below), np.bool_)
        inside[ends - 1] = False
        inside[np.append(0, ends[:-1])] = False
        below[inside] = inner
        below[ends - 1] = total[:, -1]
        return _parted(np.diff(below), ends)

    @staticmethod
    def draw(drawings: Sequence[EqualWidths], now: F64) -> list[Cells]:
        """Draw fractions, float64 (k, bins)."""
        return [
            drawing._cells(spread_counts)
            for drawing, spread_counts in zip(drawings, EqualWidths.over_cells(drawings, now), strict=True)
        ]

    def _cells(self, now: F64) -> Cells:
        """Return the cells without an open cell at either end that is empty in both samples."""
        if not self.texts:
            return Cells(self.categories, self.was, now)
        first = 0 if max(self.was[0], now[0]) > NOTHING else 1
        last = len(self.categories) if max(self.was[-1], now[-1]) > NOTHING else len(self.categories) - 1
        return Cells(self.categories[first:last], self.was[first:last], now[first:last], self.texts[first : last - 1])


class DistinctValues(Struct, frozen=True, eq=False):
    """A number with few distinct values, one cell each.

    Attributes:
        categories: Label of each cell.
        atoms: intp (cells,), bin of each value.
        was: float64 (cells,), fractions of the reference.
    """

    categories: tuple[str, ...]
    atoms: Index
    was: F64

    @staticmethod
    def draw(drawings: Sequence[DistinctValues], now: F64) -> list[Cells]:
        """Draw fractions, float64 (k, bins)."""
        return [drawing._cells(counts) for drawing, counts in zip(drawings, now, strict=True)]

    def _cells(self, now: F64) -> Cells:
        shown_counts = now[self.atoms]
        remainder = float(now.sum() - shown_counts.sum())
        if remainder > NOTHING:
            return Cells(
                (*self.categories, "other values"), np.append(self.was, 0.0), np.append(shown_counts, remainder)
            )
        return Cells(self.categories, self.was, shown_counts)


class FrequentCategories(Struct, frozen=True, eq=False):
    """The frequent categories of both samples, and all others in one cell.

    Attributes:
        categories: Categories of the baseline.
        was: float64 (bins,), fractions of the reference.
    """

    categories: tuple[str, ...]
    was: F64

    @staticmethod
    def draw(drawings: Sequence[FrequentCategories], now: F64) -> list[Cells]:
        """Draw fractions, float64 (k, bins)."""
        width = max(len(drawing.was) for drawing in drawings)
        sizes = np.array([len(drawing.was) - 1 for drawing in drawings])
        greater = np.full((len(drawings), width), -1.0)
        for row, drawing in enumerate(drawings):
            greater[row, : len(drawing.was)] = drawing.was
        np.maximum(greater, np.where(greater < 0, greater, now[:, :width]), out=greater)
        greater[np.arange(width) >= sizes[:, np.newaxis]] = -1.0  # the bin of other categories is not a category
        # in the order of the baseline, so that a chart keeps its shape over time
        order = np.argsort(-greater, axis=1, kind="stable")[:, :MOST_CATEGORIES]
        cells = []
        for drawing, counts, size, first in zip(drawings, now, sizes.tolist(), order, strict=True):
            cells.append(drawing._cells(counts[: size + 1], np.sort(first[: min(MOST_CATEGORIES, size)])))
        return cells

    def _cells(self, now: F64, shown: Index) -> Cells:
        categories = [self.categories[category] for category in shown.tolist()]
        drawn_was, drawn_now = self.was[shown], now[shown]
        rest_was, rest_now = float(self.was.sum() - drawn_was.sum()), float(now.sum() - drawn_now.sum())
        if max(rest_was, rest_now) > NOTHING:
            return Cells((*categories, OTHER), np.append(drawn_was, rest_was), np.append(drawn_now, rest_now))
        return Cells(tuple(categories), drawn_was, drawn_now)


Drawing = EqualWidths | DistinctValues | FrequentCategories


def _parted(cells: F64, ends: Index) -> list[F64]:
    """Return the differences within each column, from the differences over all columns in one row."""
    starts = np.append(0, ends[:-1]).tolist()
    return [cells[start : end - 1] for start, end in zip(starts, ends.tolist(), strict=True)]


def shares(counts: F64) -> F64:
    """Return counts as fractions with sum 1; all 0 if the counts are."""
    total = float(counts.sum())
    return counts / total if total > 0 else np.zeros(len(counts))


def _narrow(bins: NumberBins, which: Index) -> bool:
    """Return True if each bin contains one value, as narrow as :func:`driftline.panes.bins.number_bins` makes it."""
    low, high = bins.edges[which - 1], bins.edges[which]
    return bool((high - low <= 1e-6 * np.maximum(np.abs(low), np.abs(high)) + 1e-300).all())


def _values(bins: NumberBins, atoms: Index, was: F64) -> DistinctValues:
    low, high = bins.edges[atoms - 1], bins.edges[atoms]
    middles = low + (high - low) / 2
    categories = tuple(_value_text(value) for value in middles.tolist())
    if len(set(categories)) < len(categories):
        categories = tuple(number_text(value) for value in middles.tolist())
    return DistinctValues(categories, atoms, was[atoms])


def _widths(bins: NumberBins, was: F64) -> EqualWidths:
    fine = np.clip(bins.edges, -GREATEST, GREATEST)
    edges = _nice_edges(fine, was)
    if len(edges) == 0:
        empty = np.empty(0, dtype=np.intp)
        return EqualWidths(("all",), (), empty, empty, np.empty(0), np.array([was.sum()]))
    texts = _edge_texts(tuple(edges.tolist()))
    categories = (f"< {texts[0]}", *(f"{low} – {high}" for low, high in pairwise(texts)), f"≥ {texts[-1]}")
    before, within, part = _edge_positions(fine, edges)
    widths = EqualWidths(categories, texts, before, within, part, was)
    return replace(widths, was=EqualWidths.over_cells([widths], was[np.newaxis])[0])


def _nice_edges(edges: F64, was: F64) -> F64:
    """Return 10 to 20 equidistant edges at round numbers, between the 1 % and the 99 % quantile of the reference."""
    if len(edges) < 2:
        return edges
    total = np.cumsum(was)[:-1]
    inside = np.flatnonzero((total >= _SHOWN) & (total <= 1 - _SHOWN))
    low, high = (edges[inside[0]], edges[inside[-1]]) if len(inside) > 1 else (edges[0], edges[-1])
    width = (high - low) / WIDTHS
    if width <= max(abs(low), abs(high)) * 1e-12 or width < 1e-300:  # no room for round numbers between
        return np.unique(edges[:: -(-len(edges) // WIDTHS)])
    power = 10.0 ** math.floor(math.log10(width))
    step = power * min(factor for factor in _ROUND if factor * power >= width * (1 - 1e-9))
    nice: F64 = np.arange(math.floor(low / step), math.ceil(high / step) + 1) * step
    inside_edges: F64 = nice[(nice >= edges[0]) & (nice <= edges[-1])]
    return inside_edges


def _edge_positions(fine: F64, coarse: F64) -> tuple[Index, Index, F64]:
    """Return per coarse edge: fine bins below it, the fine bin that contains it, and the part of that bin below it.

    Rows are spread evenly over an inner fine bin. Open bins belong to the open cells.
    """
    # slightly lower, so that an edge does not cut the bin that number_bins makes around a value, but by less than the
    # distance to the next edge, which matters if values vary by less than a millionth of themselves
    step = float(np.diff(coarse).min()) if len(coarse) > 1 else math.inf
    edges = coarse - np.minimum(np.abs(coarse) * 2 * TOLERANCE, step / 4)
    fine_bins = np.searchsorted(fine, edges, side="right") - 1
    low, high = fine[fine_bins], np.append(fine[1:], np.inf)[fine_bins]
    part = np.divide(edges - low, high - low, out=np.zeros(len(fine_bins)), where=high > low)
    part[(fine_bins >= len(fine) - 1) | (fine_bins < 0)] = 0.0
    return fine_bins + 1, np.minimum(np.maximum(fine_bins, 0) + (fine_bins >= 0), len(fine)), part


def _value_text(value: float) -> str:
    rounded = float(f"{value:.6g}") if abs(value) < 1e6 else float(round(value))
    return number_text(rounded)


@lru_cache(maxsize=4_096)  # a rolling reference has the same round numbers as on the day before
def _edge_texts(edges: tuple[float, ...]) -> tuple[str, ...]:
    """Return the edges with the fewest digits that distinguish them."""
    for digits in range(3, 17):
        texts = tuple(number_text(float(f"{edge:.{digits}g}")) for edge in edges)
        if len(set(texts)) == len(texts) and np.allclose([float(text) for text in texts], edges, rtol=1e-9, atol=0):
            return texts
    return tuple(number_text(edge) for edge in edges)
