"""Scan for the slice that says most against the others: Kulldorff's statistic over cells of one or two features.

A feature cut into cells of about as many rows each, and the ranges and categories that a slice may consist of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from math import log

import numpy as np
from driftline.panes.bins import Bins, CategoryBins, Index, NumberBins
from driftline.tables.classes import number_text
from driftline.tables.table import F64
from numpy.typing import NDArray

from driftline_processor.core.evaluation import SliceCondition
from driftline_processor.core.special_functions import xlogy

FINE, COARSE = 20, 10
"""Cells of a feature by itself, and of one of a pair: 210 ranges, and 55 times 55 of them (docs/data/constants.md)."""

MOST_CATEGORIES = 64
"""Categories of a category that are looked at: those with most rows."""


Written = Callable[[], SliceCondition]
"""Writes the condition of a choice in words."""


@dataclass(frozen=True, slots=True, eq=False)
class FeatureCells:
    """``cell``: intp (n,), that of each row. ``chosen``: float64 (choices, cells), 1 where a cell is part of a choice.

    ``conditions``: one a choice, written when somebody asks for it: of thousands a few are told.
    """

    feature: str
    cell: Index
    chosen: F64
    conditions: tuple[Written, ...]


def cut_feature(feature: str, bins: Bins, codes: Index, cells: int, least: int) -> FeatureCells | None:
    """Cut the rows of one feature; None where no choice has between ``least`` rows and half of them.

    ``codes``: intp (n,), the bin of each row, as :func:`driftline.panes.bins.assign` gives it. Ordered cells are
    chosen by
    ranges, categories, missing and invalid values one by one.
    """
    counts = np.bincount(codes, minlength=bins.size + 2)[: bins.size + 2].astype(np.float64)
    if isinstance(bins, CategoryBins):
        places, chosen, conditions = _categories(feature, bins, counts, least)
    else:
        places, chosen, conditions = _ranges(feature, bins, counts, cells)
    rows = chosen @ np.bincount(places, counts, minlength=chosen.shape[1])
    usable = (rows >= least) & (rows <= len(codes) / 2)
    if not usable.any():
        return None
    kept = np.flatnonzero(usable).tolist()
    return FeatureCells(feature, places[codes], chosen[usable], tuple(conditions[at] for at in kept))


def _categories(feature: str, bins: CategoryBins, counts: F64, least: int) -> tuple[Index, F64, list[Written]]:
    """Return a cell for each category with enough rows, and one for all others, which is no choice."""
    order = np.argsort(-counts, kind="stable")[:MOST_CATEGORIES]
    kept = order[counts[order] >= least]
    places = np.full(len(counts), len(kept), np.intp)
    places[kept] = np.arange(len(kept))
    chosen = np.eye(len(kept), len(kept) + 1)
    return places, chosen, [partial(_category, feature, bins, at) for at in kept.tolist()]


def _category(feature: str, bins: CategoryBins, at: int) -> SliceCondition:
    if at < len(bins.categories):
        return SliceCondition(feature, f"= {bins.categories[at]}", category=bins.categories[at])
    if at == len(bins.categories):
        return SliceCondition(feature, "= a category the baseline does not have", category="")
    return _absent(feature, at - bins.size)


def _ranges(feature: str, bins: NumberBins, counts: F64, cells: int) -> tuple[Index, F64, list[Written]]:
    """Every range of cells, and missing and invalid values each by themselves."""
    inner = counts[: bins.size]
    before = np.cumsum(inner) - inner / 2  # by its middle: a value with many rows does not pull its neighbours in
    total = max(float(inner.sum()), 1.0)
    raw = np.minimum((before * cells / total).astype(np.intp), cells - 1)
    _, place = np.unique(raw[inner > 0], return_inverse=True)
    number = int(place.max()) + 1 if len(place) else 0
    filled = np.flatnonzero(inner > 0)
    places = np.zeros(bins.size + 2, np.intp)
    places[filled] = place
    places[bins.size], places[bins.size + 1] = number, number + 1
    first, last = np.triu_indices(number)
    at = np.arange(number)
    chosen = np.zeros((len(first) + 2, number + 2))
    chosen[:-2, :number] = (at >= first[:, np.newaxis]) & (at <= last[:, np.newaxis])
    chosen[-2, number] = chosen[-1, number + 1] = 1.0
    ends = [(int(filled[place == one][0]), int(filled[place == one][-1])) for one in range(number)]
    conditions = [
        partial(_range, feature, bins, ends[low][0], ends[high][1], open_low=low == 0, open_high=high == number - 1)
        for low, high in zip(first.tolist(), last.tolist(), strict=True)
    ]
    return places, chosen, [*conditions, partial(_absent, feature, 0), partial(_absent, feature, 1)]


def _range(feature: str, bins: NumberBins, first: int, last: int, *, open_low: bool, open_high: bool) -> SliceCondition:
    low = None if open_low or first == 0 else float(bins.edges[first - 1])
    high = None if open_high or last == len(bins.edges) else float(bins.edges[last])
    return SliceCondition(feature, _text(bins, low, high, first, last), low, high)


def _text(bins: NumberBins, low: float | None, high: float | None, first: int, last: int) -> str:
    """In words; a bin around one value is called by the value."""
    least, greatest = _value(bins, first), _value(bins, last)
    if first == last and least is not None:
        return f"= {least}"
    begin = "" if low is None else f"of {least} or more" if least is not None else f"of {_number(low)} or more"
    end = "" if high is None else f"of {greatest} or less" if greatest is not None else f"below {_number(high)}"
    if begin and end:
        begin = f"from {least if least is not None else _number(low or 0.0)}"
        end = f"to {greatest}" if greatest is not None else f"to {end}"
    return " ".join(part for part in (begin, end) if part) or "of any value"


def _value(bins: NumberBins, at: int) -> str | None:
    """Return the only value of a bin, None for a wider bin."""
    if at == 0 or at >= len(bins.edges):
        return None
    low, high = float(bins.edges[at - 1]), float(bins.edges[at])
    if high - low > 1e-6 * max(abs(low), abs(high)) + 1e-300:
        return None
    return _number(low + (high - low) / 2)


def _number(value: float) -> str:
    return number_text(float(f"{value:.4g}") if abs(value) < 10_000 else float(round(value)))


def _absent(feature: str, which: int) -> SliceCondition:
    if which == 0:
        return SliceCondition(feature, "missing", absent="missing")
    return SliceCondition(feature, "of another type", absent="invalid")


Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A slice by one or two features.

    Attributes:
        cuts: Cells of each feature.
        choice: Index of the choice of each feature.
        gain: Log likelihood ratio less the log of the number of choices of one or of two features: two features must
            explain more than one.
    """

    cuts: tuple[FeatureCells, ...]
    choice: tuple[int, ...]
    gain: float

    def rows(self) -> Mask:
        """Return True for rows in the slice: bool (n,)."""
        inside = np.ones(len(self.cuts[0].cell), np.bool_)
        for cut, at in zip(self.cuts, self.choice, strict=True):
            inside &= cut.chosen[at, cut.cell] > 0
        return inside


def best_slice(
    fine: Sequence[FeatureCells], coarse: Sequence[FeatureCells], rows: Mask, weight: F64, loss: F64, least: int
) -> Candidate | None:
    """Return the choice of one feature of ``fine``, or of two of ``coarse``, in which losses are greatest.

    ``rows``: where to look, bool (n,). ``weight``: float64 (n,), ``loss``: float64 (n,), at least 0. At least ``least``
    rows are in it, and at most half. None where no choice has greater losses than the rest.

    The statistic is that of Kulldorff (1997, A spatial scan statistic) for sums X of N rows in all and x of n inside,
    x log(x / e) + (X - x) log((X - x) / (X - e)) with e = X n / N, over the dispersion of the losses.
    """
    whole = _Whole(rows, weight, loss, least)
    if whole.dispersion <= 0:
        return None
    of_one = _singles(fine, whole)
    of_two = _pairs(coarse, whole)
    found = [one for one in (of_one, of_two) if one is not None]
    return max(found, key=lambda one: one.gain) if found else None


class _Whole:
    """All rows that are searched, and what they come to."""

    def __init__(self, rows: Mask, weight: F64, loss: F64, least: int) -> None:
        self.at = np.flatnonzero(rows)
        self.weight = weight[self.at]
        self.lost = self.weight * loss[self.at]
        self.least = least
        self.number, self.total, self.sum = len(self.at), float(self.weight.sum()), float(self.lost.sum())
        self.even = bool(np.all(self.weight == self.weight[:1]))
        self.dispersion = 0.0
        if self.sum > 0:
            mean = self.sum / self.total
            spread = self.lost - self.weight * mean  # as sums of them vary
            self.dispersion = float(spread @ spread) / self.sum
        self.costly = np.flatnonzero(self.lost)

    def sums(self, cell: NDArray[np.intp], size: int) -> tuple[F64, F64, F64]:
        """Rows, weight and weighted loss of each cell."""
        rows = np.bincount(cell, minlength=size).astype(np.float64)
        lost = np.bincount(cell[self.costly], self.lost[self.costly], size).astype(np.float64, copy=False)
        if self.even:
            return rows, rows * float(self.weight[0]), lost
        return rows, np.bincount(cell, self.weight, size).astype(np.float64, copy=False), lost

    def ratio(self, rows: F64, weight: F64, lost: F64) -> F64:
        """Return the log likelihood ratio of each choice; -inf for one too small or large, or better than the rest."""
        expected = self.sum * weight / self.total
        usable = (rows >= self.least) & (rows <= self.number / 2) & (lost > expected)
        x, e = np.where(usable, lost, 0.0), np.where(usable, expected, 1.0)
        rest, rest_expected = np.maximum(self.sum - x, 0.0), np.maximum(self.sum - e, 1e-300)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = xlogy(x, x / e) + xlogy(rest, rest / rest_expected)
        return np.where(usable, found / self.dispersion, -np.inf)


def _singles(cuts: Sequence[FeatureCells], whole: _Whole) -> Candidate | None:
    found: list[tuple[float, FeatureCells, int]] = []
    choices = 0
    for cut in cuts:
        rows, weight, lost = (cut.chosen @ sums for sums in whole.sums(cut.cell[whole.at], cut.chosen.shape[1]))
        ratios = whole.ratio(rows, weight, lost)
        choices += len(ratios)
        found.append((float(ratios.max()), cut, int(ratios.argmax())))
    if not found:
        return None
    ratio, cut, at = max(found, key=lambda one: one[0])
    return Candidate((cut,), (at,), ratio - log(choices)) if np.isfinite(ratio) else None


def _pairs(cuts: Sequence[FeatureCells], whole: _Whole) -> Candidate | None:
    best_of: tuple[float, tuple[FeatureCells, ...], tuple[int, ...]] | None = None
    choices = 0
    cells = [cut.cell[whole.at] for cut in cuts]
    for one, other in combinations(range(len(cuts)), 2):
        a, b = cuts[one], cuts[other]
        wide, high = a.chosen.shape[1], b.chosen.shape[1]
        sums = whole.sums(cells[one] * high + cells[other], wide * high)
        rows, weight, lost = (a.chosen @ some.reshape(wide, high) @ b.chosen.T for some in sums)
        ratios = whole.ratio(rows, weight, lost)
        choices += ratios.size
        at = int(ratios.argmax())
        ratio = float(ratios.flat[at])
        if np.isfinite(ratio) and (best_of is None or ratio > best_of[0]):
            best_of = ratio, (a, b), tuple(int(place) for place in np.unravel_index(at, ratios.shape))
    return None if best_of is None else Candidate(best_of[1], best_of[2], best_of[0] - log(choices))
