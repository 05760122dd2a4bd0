"""Scan for the slice with the strongest evidence: Kulldorff's statistic over cells of one or two features.

A feature is cut into cells of about equally many rows; a slice consists of ranges of cells, or of one category.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations
from math import inf, log

import numpy as np
from driftline.panes.bins import Bins, CategoryBins, Index, NumberBins
from driftline.tables.classes import number_text
from driftline.tables.table import F64
from msgspec import Struct
from numpy.typing import NDArray

from driftline_processor.core.evaluation import SliceCondition
from driftline_processor.core.special_functions import xlogy

FINE, COARSE = 20, 10
"""Cells of a single feature, and of a feature in a pair: 210 ranges, and 55 times 55 of them (evidence/constants.json).
"""

MOST_CATEGORIES = 64
"""Maximum number of categories per feature, those with most rows."""


RARE_OR_NEW = "= rare or new category"
"""Text of the slice of all categories without a bin: the baseline had them in too few rows for one, or not at all."""

Written = Callable[[], SliceCondition]
"""Function that returns the condition of a choice."""


class FeatureCells(Struct, frozen=True, eq=False):
    """The cells of a feature. ``cell``: intp (n,), cell of each row.

    ``chosen``: float64 (choices, cells), 1 if a cell is part of a choice. ``conditions``: one per choice, created on
    demand, since few of thousands are shown.
    """

    feature: str
    cell: Index
    chosen: F64
    conditions: tuple[Written, ...]


def cut_feature(feature: str, bins: Bins, codes: Index, cells: int, fewest_rows: int) -> FeatureCells | None:
    """Return the cells of one feature; None if no choice has between ``fewest_rows`` rows and half of them.

    ``codes``: intp (n,), the bin of each row, as :func:`driftline.panes.bins.assign` returns it. Choices are ranges of
    ordered cells, and single categories, missing and invalid values.
    """
    counts = np.bincount(codes, minlength=bins.size + 2)[: bins.size + 2].astype(np.float64)
    if isinstance(bins, CategoryBins):
        places, chosen, conditions = category_choices(feature, bins, counts, fewest_rows)
    else:
        places, chosen, conditions = range_choices(feature, bins, counts, cells)
    rows = chosen @ np.bincount(places, counts, minlength=chosen.shape[1])
    usable = (rows >= fewest_rows) & (rows <= len(codes) / 2)
    if not usable.any():
        return None
    kept_choices = np.flatnonzero(usable).tolist()
    return FeatureCells(feature, places[codes], chosen[usable], tuple(conditions[index] for index in kept_choices))


def category_choices(
    feature: str, bins: CategoryBins, counts: F64, fewest_rows: int
) -> tuple[Index, F64, list[Written]]:
    """Return a cell for each category with enough rows, and one for all others, which is not a choice."""
    order = np.argsort(-counts, kind="stable")[:MOST_CATEGORIES]
    kept_categories = order[counts[order] >= fewest_rows]
    places = np.full(len(counts), len(kept_categories), np.intp)
    places[kept_categories] = np.arange(len(kept_categories))
    chosen = np.eye(len(kept_categories), len(kept_categories) + 1)
    return places, chosen, [partial(_category, feature, bins, category) for category in kept_categories.tolist()]


def _category(feature: str, bins: CategoryBins, category: int) -> SliceCondition:
    if category < len(bins.categories):
        return SliceCondition(feature, f"= {bins.categories[category]}", category=bins.categories[category])
    if category == len(bins.categories):
        return SliceCondition(feature, RARE_OR_NEW, category="")
    return _absent(feature, category - bins.size)


def range_choices(feature: str, bins: NumberBins, counts: F64, cells: float) -> tuple[Index, F64, list[Written]]:
    """Return every range of cells, and missing and invalid values. ``cells``: inf = each bin with rows is a cell."""
    inner = counts[: bins.size]
    before = (
        np.cumsum(inner) - inner / 2
    )  # by its middle, so that a value with many rows does not include its neighbours
    total = max(float(inner.sum()), 1.0)
    raw = np.arange(bins.size) if cells == inf else np.minimum((before * cells / total).astype(np.intp), int(cells) - 1)
    _, place = np.unique(raw[inner > 0], return_inverse=True)
    number = int(place.max()) + 1 if len(place) else 0
    filled = np.flatnonzero(inner > 0)
    places = np.zeros(bins.size + 2, np.intp)
    places[filled] = place
    places[bins.size], places[bins.size + 1] = number, number + 1
    first, last = np.triu_indices(number)
    cell_numbers = np.arange(number)
    chosen = np.zeros((len(first) + 2, number + 2))
    chosen[:-2, :number] = (cell_numbers >= first[:, np.newaxis]) & (cell_numbers <= last[:, np.newaxis])
    chosen[-2, number] = chosen[-1, number + 1] = 1.0
    ends = [(int(filled[place == cell][0]), int(filled[place == cell][-1])) for cell in range(number)]
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
    """Return the range in words; a bin around one value is named by the value."""
    lowest, greatest = _value(bins, first), _value(bins, last)
    if first == last and lowest is not None:
        return f"= {lowest}"
    begin = "" if low is None else f"of {lowest} or more" if lowest is not None else f"of {_number(low)} or more"
    end = "" if high is None else f"of {greatest} or less" if greatest is not None else f"below {_number(high)}"
    if begin and end:
        begin = f"from {lowest if lowest is not None else _number(low or 0.0)}"
        end = f"to {greatest}" if greatest is not None else f"to {end}"
    return " ".join(part for part in (begin, end) if part) or "of any value"


def _value(bins: NumberBins, bin_index: int) -> str | None:
    """Return the only value of a bin, None for a wider bin."""
    if bin_index == 0 or bin_index >= len(bins.edges):
        return None
    low, high = float(bins.edges[bin_index - 1]), float(bins.edges[bin_index])
    if high - low > 1e-6 * max(abs(low), abs(high)) + 1e-300:
        return None
    return _number(low + (high - low) / 2)


def _number(value: float) -> str:
    return number_text(float(f"{value:.4g}") if abs(value) < 10_000 else float(round(value)))


def _absent(feature: str, offset: int) -> SliceCondition:
    if offset == 0:
        return SliceCondition(feature, "missing", absent="missing")
    return SliceCondition(feature, "of another type", absent="invalid")


Mask = NDArray[np.bool_]


class Candidate(Struct, frozen=True):
    """A slice by one or two features.

    Attributes:
        cuts: Cells of each feature.
        choice: Index of the choice of each feature.
        gain: Log likelihood ratio less the log of the number of choices, so that two features must explain more than
            one.
    """

    cuts: tuple[FeatureCells, ...]
    choice: tuple[int, ...]
    gain: float

    def rows(self) -> Mask:
        """Return True for rows in the slice: bool (n,)."""
        inside = np.ones(len(self.cuts[0].cell), np.bool_)
        for cut, choice in zip(self.cuts, self.choice, strict=True):
            inside &= cut.chosen[choice, cut.cell] > 0
        return inside


def best_slice(
    fine: Sequence[FeatureCells], coarse: Sequence[FeatureCells], rows: Mask, weight: F64, loss: F64, min_rows: int
) -> Candidate | None:
    """Return the choice of one feature of ``fine``, or two of ``coarse``, with the largest statistic.

    ``rows``: rows to search, bool (n,). ``weight``: float64 (n,), ``loss``: float64 (n,), at least 0. The slice has at
    least ``min_rows`` rows, and at most half. None if no choice has larger losses than the other rows.

    The statistic is that of Kulldorff (1997, A spatial scan statistic) for sums X of N rows in total and x of n inside,
    x log(x / e) + (X - x) log((X - x) / (X - e)) with e = X n / N, divided by the dispersion of the losses.
    """
    window = _SearchedRows(rows, weight, loss, min_rows)
    if window.dispersion <= 0:
        return None
    of_one = _singles(fine, window)
    of_two = _pairs(coarse, window)
    candidates = [candidate for candidate in (of_one, of_two) if candidate is not None]
    return max(candidates, key=lambda candidate: candidate.gain) if candidates else None


class _SearchedRows:
    """The searched rows with their total sums."""

    def __init__(self, rows: Mask, weight: F64, loss: F64, fewest_rows: int) -> None:
        self.at = np.flatnonzero(rows)
        self.weight = weight[self.at]
        self.losses = self.weight * loss[self.at]
        self.min_rows = fewest_rows
        self.number, self.total, self.sum = len(self.at), float(self.weight.sum()), float(self.losses.sum())
        self.even = bool(np.all(self.weight == self.weight[:1]))
        self.dispersion = 0.0
        if self.sum > 0:
            mean = self.sum / self.total
            deviations = self.losses - self.weight * mean  # for the variance of their sums
            self.dispersion = float(deviations @ deviations) / self.sum
        self.costly = np.flatnonzero(self.losses)

    def sums(self, cell: NDArray[np.intp], size: int) -> tuple[F64, F64, F64]:
        """Return rows, weight and weighted loss of each cell."""
        rows = np.bincount(cell, minlength=size).astype(np.float64)
        lost = np.bincount(cell[self.costly], self.losses[self.costly], size).astype(np.float64, copy=False)
        if self.even:
            return rows, rows * float(self.weight[0]), lost
        return rows, np.bincount(cell, self.weight, size).astype(np.float64, copy=False), lost

    def ratio(self, rows: F64, weight: F64, lost: F64) -> F64:
        """Return the log likelihood ratio of each choice; -inf for unusable sizes, or smaller losses than elsewhere."""
        expected = self.sum * weight / self.total
        usable = (rows >= self.min_rows) & (rows <= self.number / 2) & (lost > expected)
        x, e = lost[usable], expected[usable]  # less than half of the choices of a pair
        rest, rest_expected = np.maximum(self.sum - x, 0.0), np.maximum(self.sum - e, 1e-300)
        ratios = np.full(lost.shape, -np.inf)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios[usable] = (xlogy(x, x / e) + xlogy(rest, rest / rest_expected)) / self.dispersion
        return ratios


def _singles(cuts: Sequence[FeatureCells], window: _SearchedRows) -> Candidate | None:
    candidates: list[tuple[float, FeatureCells, int]] = []
    choices = 0
    for cut in cuts:
        rows, weight, lost = (cut.chosen @ sums for sums in window.sums(cut.cell[window.at], cut.chosen.shape[1]))
        ratios = window.ratio(rows, weight, lost)
        choices += len(ratios)
        candidates.append((float(ratios.max()), cut, int(ratios.argmax())))
    if not candidates:
        return None
    ratio, cut, choice = max(candidates, key=lambda candidate: candidate[0])
    return Candidate((cut,), (choice,), ratio - log(choices)) if np.isfinite(ratio) else None


def _pairs(cuts: Sequence[FeatureCells], window: _SearchedRows) -> Candidate | None:
    best_of: tuple[float, tuple[FeatureCells, ...], tuple[int, ...]] | None = None
    choices = 0
    cells = [cut.cell[window.at] for cut in cuts]
    for first, second in combinations(range(len(cuts)), 2):
        a, b = cuts[first], cuts[second]
        wide, high = a.chosen.shape[1], b.chosen.shape[1]
        sums = window.sums(cells[first] * high + cells[second], wide * high)
        rows, weight, lost = (a.chosen @ sums_of_cells.reshape(wide, high) @ b.chosen.T for sums_of_cells in sums)
        ratios = window.ratio(rows, weight, lost)
        choices += ratios.size
        best_place = int(ratios.argmax())
        ratio = float(ratios.flat[best_place])
        if np.isfinite(ratio) and (best_of is None or ratio > best_of[0]):
            best_of = ratio, (a, b), tuple(int(place) for place in np.unravel_index(best_place, ratios.shape))
    return None if best_of is None else Candidate(best_of[1], best_of[2], best_of[0] - log(choices))
