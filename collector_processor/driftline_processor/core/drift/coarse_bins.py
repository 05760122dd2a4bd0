"""Coarse bins: fine bins pooled until each has enough rows, and cells in which windows and periods are compared.

Statistics over fractions give every bin the same weight, so they need few bins with enough rows each.

Categories were selected from the reference rows that they are compared with: a category is kept if the reference has 10
rows of it. Of two equally frequent categories, the one that came up more often is kept. Its fraction is then too high,
and the fraction of ``other``, which contains the second category, is too low. With 100 categories (Zipf) and 1,000
rows, 8 % of the windows of 10,000 rows had a p-value below 0.01. Therefore the sum of both samples decides whether a
category is compared by itself: it is if the reference's expected rows are so many that it cannot have been dropped. All
other categories join ``other``. Without drift, and given the sums, the rows of the reference are then a random choice
among all rows, as the tests assume.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.reference_rows import MOST_SAMPLED
from driftline.baseline.sections.section import block_columns
from driftline.panes.bins import MOST_CATEGORIES, RARE, Bins, CategoryBins
from driftline.tables.table import F64, I64
from numpy.typing import NDArray

from driftline_processor.core.special_functions import betainc, ndtr

_NORMAL_FROM = 5.0
"""Rows of either outcome from which a fraction is approximately normal: Cochran's rule (1954)."""

SURE = 3.0
"""Standard deviations. A category with 25 expected rows has 9 or fewer, and is dropped, once in 4,500 times."""


def least_kept(reference: F64, others: I64) -> F64:
    """Return the minimum number of rows of a kept category: float64 (k,), 0 for columns without selected categories.

    The minimum is 10, or proportionally more if categories were selected from a sample of the rows. If the limit of
    categories was reached, it is the count of the rarest kept category, plus a safety margin if the rows are not those
    that the categories were selected from. A category with more rows than ``other`` cannot be part of ``other``.

    Args:
        reference: float64 (k, bins).
        others: int64 (k,), index of the bin ``other``, -1 = none.
    """
    chosen_rows = np.take_along_axis(reference, np.maximum(others, 0)[:, np.newaxis], axis=1)[:, 0]
    fewest_rows = RARE * np.maximum(1.0, reference.sum(axis=1) / MOST_SAMPLED)
    categories = _categories(reference, others) & (reference > 0)
    last = np.where(categories, reference, np.inf).min(axis=1, initial=np.inf)
    last = np.where(own_rows(reference, others), last, expected_rows_for(np.where(np.isfinite(last), last, 0.0)))
    fewest_rows = np.where((others >= MOST_CATEGORIES) & np.isfinite(last), np.maximum(fewest_rows, last), fewest_rows)
    return np.where(others >= 0, np.minimum(fewest_rows, np.maximum(chosen_rows, RARE)), 0.0)


def expected_rows_for(least: F64 | float) -> F64:
    """Return the expected rows from which a category almost certainly has at least ``least`` rows: float64 (...).

    >>> float(expected_rows_for(10.0)), float(expected_rows_for(100.0).round(1))
    (25.0, 134.8)
    """
    root: F64 = (SURE + np.sqrt(SURE**2 + 4 * np.asarray(least))) / 2
    return root**2


def unsure(reference: F64, current: F64, others: I64) -> Mask:
    """Return the categories that could as well be in ``other``: bool (k, bins), all False if ``other`` is empty.

    >>> was, now = np.array([[970.0, 20.0, 10.0]]), np.array([[480.0, 5.0, 15.0]])
    >>> unsure(was, now, np.array([2])).tolist()
    [[False, True, False]]
    """
    pooled = reference + current
    has_rows = np.take_along_axis(pooled, np.maximum(others, 0)[:, np.newaxis], axis=1) > 0
    n, m = reference.sum(axis=1, keepdims=True), current.sum(axis=1, keepdims=True)
    expected = pooled * np.divide(n, n + m, out=np.zeros_like(n), where=n + m > 0)  # a column may have no rows at all
    in_doubt: Mask = (
        _categories(reference, others)
        & has_rows
        & (expected < expected_rows_for(least_kept(reference, others))[:, np.newaxis])
    )
    return in_doubt & (pooled > 0)


def indistinct(reference: F64, current: F64, others: I64) -> F64:
    """Return the fraction of the reference's rows in ``other`` and in categories that could as well be: float64 (k,).

    If these rows change their categories among themselves, no test shows it.

    >>> indistinct(np.array([[970.0, 20.0, 10.0]]), np.array([[480.0, 5.0, 15.0]]), np.array([2])).round(3).tolist()
    [0.03]
    """
    hidden = unsure(reference, current, others)
    hidden |= np.arange(reference.shape[1]) == others[:, np.newaxis]
    total, rows = reference.sum(axis=1), np.where(hidden, reference, 0.0).sum(axis=1)
    fraction: F64 = np.divide(rows, total, out=np.zeros(len(total)), where=total > 0)
    return fraction


def in_other(which: Mask, counts: F64, others: I64) -> F64:
    """Return the counts with the rows of the bins ``which``, bool (k, bins), moved to ``other``.

    >>> in_other(np.array([[False, True, False]]), np.array([[970.0, 20.0, 10.0]]), np.array([2])).tolist()
    [[970.0, 0.0, 30.0]]
    """
    moved_counts = np.where(which, 0.0, counts)
    rows = np.flatnonzero(others >= 0)
    moved_counts[rows, others[rows]] += np.where(which, counts, 0.0).sum(axis=1)[rows]
    return moved_counts


def missed(reference: F64, others: I64) -> tuple[F64, F64]:
    """Return the mean number of rows that ``other`` lacks, and the error of that estimate: float64 (k,) twice.

    ``other`` lacks the rows of categories that would be in it with one row less: the minimum number of rows times the
    number of categories with exactly that many rows. At the limit of categories, only some of the categories with the
    minimum were kept; each of the others lets a category with one row more take its place. Both numbers of categories
    are extrapolated from those with a few more rows: the rarer categories are, the more of them there are, so a mean
    over neighbours is up to 40 % too low. The result is 0 if a category of the reference has fewer rows than the
    minimum: then these are not the rows it was selected from.

    Source: Good, "The population frequencies of species and the estimation of population parameters" (1953).

    >>> was, miss = missed(np.array([[970.0, 11.0, 10.0, 9.0]]), np.array([3]))
    >>> was.round(1).tolist(), miss.round(1).tolist()
    ([13.2], [12.1])
    """
    fewest_rows = least_kept(reference, others)
    categories = _categories(reference, others) & own_rows(reference, others)[:, np.newaxis]
    limited = (others >= MOST_CATEGORIES).astype(np.float64)
    wide = np.maximum(1.0, np.ceil(np.sqrt(fewest_rows) / 2))

    def count(start: F64, end: F64) -> F64:
        within = categories & (reference >= start[:, np.newaxis]) & (reference < end[:, np.newaxis])
        found: F64 = np.count_nonzero(within, axis=1).astype(np.float64)
        return found

    first = fewest_rows + limited  # at the limit, categories with the minimum are not all here
    near, beyond = count(first, first + wide), count(first + wide, first + 2 * wide)
    decay = np.maximum(1.0, (near + 1) / (beyond + 1))
    steps = ((wide - 1) / 2 + limited) / wide
    of_minimum, of_one_more = (near / wide * decay**step for step in (steps, steps - 1 / wide))
    kept = np.where(limited > 0, np.minimum(count(fewest_rows, first), of_minimum), of_minimum)
    dropped = 1 - np.divide(kept, of_minimum, out=np.ones_like(kept), where=of_minimum > 0)
    rows = kept * fewest_rows + dropped * of_one_more * (fewest_rows + 1)
    return rows, rows * np.sqrt((1 + steps) ** 2 / np.maximum(near, 1) + steps**2 / np.maximum(beyond, 1))


def own_rows(reference: F64, others: I64) -> Mask:
    """Return True if the categories were selected from these rows: bool (k,).

    That is so if each category has enough rows and the counts descend. Other rows are, for example, those of one hour,
    of one country or of a later period.
    """
    categories = _categories(reference, others)
    enough = (~categories | (reference >= RARE)).all(axis=1)
    falling = (~categories[:, 1:] | (reference[:, 1:] <= reference[:, :-1] * (1 + 1e-9))).all(axis=1)
    is_own: Mask = enough & falling & (others >= 0)
    return is_own


def other_moved(reference: F64, current: F64, others: I64) -> F64:
    """Return the p-value of ``other`` against all kept categories together: float64 (k,), 1 if it is unknown.

    It is the only test left if no category is certain, for example when a tenth of the rows are in a new category among
    300 rare ones. Two-sided, asymptotic, with the error of :func:`missed`.
    """
    n, m = reference.sum(axis=1), current.sum(axis=1)
    columns = np.maximum(others, 0)[:, np.newaxis]
    was, now = (np.take_along_axis(side, columns, axis=1)[:, 0] for side in (reference, current))
    more, off = missed(reference, others)
    p = (was + more + now) / (n + m)
    variance = p * (1 - p) * (1 / n + 1 / m) + (off**2 + more * least_kept(reference, others)) / n**2
    has_own_rows = own_rows(reference, others)
    few = np.minimum(p, 1 - p) * np.minimum(n, m) < _NORMAL_FROM
    z = np.divide(
        now / m - (was + more) / n, np.sqrt(np.maximum(variance, 0)), out=np.zeros(len(n)), where=variance > 0
    )
    return np.where(has_own_rows & ~few, np.minimum(1.0, 2 * ndtr(-np.abs(z))), 1.0)


def _categories(counts: F64, others: I64) -> Mask:
    """Return True for bins that are categories, which come before ``other``: bool (k, bins)."""
    is_category: Mask = np.arange(counts.shape[1]) < others[:, np.newaxis]
    return is_category


Mask = NDArray[np.bool_]

CELLS = 10
"""Cells of a number: deciles, or fewer parts of equal size if a tenth of the smaller sample has too few rows."""

EXPECTED = 4.75
"""Minimum expected count of a cell in both samples. The usual rule is 5. At 50 rows on 100 Zipf categories, the test
without pooling is 575 times too liberal at p = 5e-5. The limit is a little below 5 because a decile of the baseline has
exactly a tenth of its rows, so it expects exactly 5 of 50 rows: whether it is pooled would depend on the window, and
PSI would alarm five times too often.
"""

BESIDE = 10.0
"""Factor on the p-value of a rare bin, which is an additional test: it adds at most a tenth to the level of the main
test.
"""

CERTAIN = 0.01
"""A rare bin with a p-value up to this is shown, and counts in the effect, as a cell of its own."""


class Coarse(NamedTuple):
    """Counts over a few cells, one pair of samples per row; cells beyond those of a pair are empty.

    Attributes:
        reference: float64 (k, cells), rare bins pooled except those with more rows than chance explains.
        current: As ``reference``, of the window.
        pooled_reference: As ``reference``, with all rare bins pooled.
        pooled_current: As ``current``, with all rare bins pooled.
        p_rare: float64 (k,), p-value of the least likely rare bin.
    """

    reference: F64
    current: F64
    pooled_reference: F64
    pooled_current: F64
    p_rare: F64


def coarse(reference: F64, current: F64, *, ordered: bool, others: I64 | None = None) -> Coarse:
    """Pool the bins of two samples, float64 (k, bins) each, into coarse cells.

    ``ordered`` bins are first merged into the deciles of the reference. With fewer than 50 rows they are merged into
    fewer parts of equal size, since all deciles would be pooled into one. ``others``: int64 (k,), index of the bin
    ``other``, -1 = none; uncertain categories (:func:`unsure`) join it first.

    >>> shares = coarse(np.array([[50.0, 40.0, 9.0, 1.0]]), np.array([[50.0, 40.0, 8.0, 2.0]]), ordered=False)
    >>> shares.reference.tolist()
    [[10.0, 50.0, 40.0]]
    """
    if ordered:
        few = np.minimum(reference.sum(axis=-1), current.sum(axis=-1)) / EXPECTED
        reference, current = merged(parts(reference, np.clip(np.floor(few), 2, CELLS)), reference, current)
    if others is not None and (by_chance := unsure(reference, current, others)).any():
        return _of_chosen(reference, current, others, by_chance)
    pooled = merged(pool(reference, current), reference, current)
    is_unexpected, p_rare = unexpected(reference, current)
    if not is_unexpected.any():
        return Coarse(*pooled, *pooled, p_rare)
    return Coarse(*merged(pool_but(is_unexpected, reference, current), reference, current), *pooled, p_rare)


def _of_chosen(reference: F64, current: F64, others: I64, by_chance: Mask) -> Coarse:
    """Return the coarse counts if some categories, ``by_chance``: bool (k, bins), were kept by chance."""
    was, now = (in_other(by_chance, side, others) for side in (reference, current))
    pooled = merged(pool(was, now), was, now)
    is_unexpected, p_rare = unexpected(was, now)
    # rivals of a category include those hidden in ``other``: its rows divided by those of the category
    hidden = np.take_along_axis(reference + current, np.maximum(others, 0)[:, np.newaxis], axis=1)
    unexpected_alone, p_alone = unexpected(reference, current, hidden=hidden, only=by_chance)
    p_moved = np.minimum(1.0, BESIDE * other_moved(reference, current, others))
    moved = (p_moved <= CERTAIN) & by_chance.any(axis=1)
    p_rare = np.minimum(p_rare, p_alone)
    p_rare = np.where(moved, np.minimum(p_rare, p_moved), p_rare)
    is_unexpected |= unexpected_alone
    is_unexpected[moved, others[moved]] = True
    if not is_unexpected.any():
        return Coarse(*pooled, *pooled, p_rare)
    joining = by_chance & ~unexpected_alone & ~moved[:, np.newaxis]
    was, now = (in_other(joining, side, others) for side in (reference, current))
    return Coarse(*merged(pool_but(is_unexpected, was, now), was, now), *pooled, p_rare)


def parts(reference: F64, cells: F64 | float = CELLS) -> I64:
    """Return the coarse bin of each fine bin: int64 (..., bins), each with about the same part of the reference.

    ``cells``: number of parts, float64 (...). A fine bin belongs to the part that contains its middle row, so a value
    with more rows than a part keeps a bin of its own.

    >>> parts(np.full(100, 10.0))[[0, 9, 10, 99]].tolist()
    [0, 0, 1, 9]
    """
    total = np.cumsum(reference, axis=-1)
    middle: F64 = (total - reference / 2) / total[..., -1:]
    part_count = np.asarray(cells)[..., np.newaxis]
    # rounded, so that the cell of a middle of 0.3 does not depend on the order of additions
    cell: I64 = np.minimum(np.floor(np.round(middle * part_count, 9)), part_count - 1).astype(np.int64)
    return cell


def pool(reference: F64, current: F64) -> I64:
    """Return the cell of each bin: int64 (..., bins), with rare bins pooled so that each cell expects at least 5 rows.

    The expected count is that of the smaller sample without drift: (reference + current) × its fraction of all rows.
    Bins with a lower expected count share cell 0; until this cell expects 5 rows, the next smallest bin joins it. The
    choice depends only on the sums of both samples, so the test stays valid.

    >>> pool(np.array([50.0, 40.0, 1.0, 2.0]), np.array([50.0, 40.0, 1.0, 2.0])).tolist()
    [1, 0, 0, 0]
    """
    expected = _expected(reference, current)
    order = np.argsort(expected, axis=-1, kind="stable")
    ascending = np.take_along_axis(expected, order, axis=-1)
    total = np.cumsum(ascending, axis=-1)
    below = ascending < EXPECTED
    rare = np.count_nonzero(below, axis=-1, keepdims=True)
    any_rare = (np.where(below, ascending, 0.0)).sum(axis=-1, keepdims=True) > 0
    joined = np.count_nonzero(total < EXPECTED, axis=-1, keepdims=True) + 1
    rare = np.where(any_rare, np.maximum(rare, joined), rare)
    is_kept = np.argsort(order, axis=-1, kind="stable") >= rare
    cells: I64 = np.where(is_kept, np.cumsum(is_kept, axis=-1) - 1 + any_rare, 0).astype(np.int64)
    return cells


def pool_but(apart: Mask, reference: F64, current: F64) -> I64:
    """Return the cell of each bin as :func:`pool`, with a cell of its own, after the others, for each bin ``apart``.

    ``apart``: bool (..., bins).

    >>> pool_but(np.array([False, True, False]), np.array([60.0, 0.0, 40.0]), np.array([30.0, 20.0, 20.0])).tolist()
    [0, 2, 1]
    """
    cells = pool(np.where(apart, 0.0, reference), np.where(apart, 0.0, current))
    last = np.where(apart, -1, cells).max(axis=-1, keepdims=True)
    own_cells: I64 = np.where(apart, last + np.cumsum(apart, axis=-1), cells)
    return own_cells


def unexpected(
    reference: F64, current: F64, *, hidden: F64 | None = None, only: Mask | None = None
) -> tuple[Mask, F64]:
    """Return the rare bins with more rows than chance explains, bool (..., bins), and the smallest of their p-values.

    Compared with a large reference, a category that the reference never had is rare by :func:`pool` and would disappear
    in a pooled bin. Therefore each rare bin with at least 5 rows in the smaller sample is tested by itself and exactly:
    given the total of the bin, those rows are binomial. The p-value is the tail, times the number of rare bins, times
    10: next to another test at level a, it adds at most 0.1 a to the errors. It is 1 if there is no such bin.

    ``hidden``: float64 (..., 1), rows of both samples in bins that are not distinguished and could be like this bin.
    ``only``: bool (..., bins), the bins that are tested.

    >>> apart, p = unexpected(np.array([60_000.0, 40_000.0, 0.0]), np.array([300.0, 190.0, 10.0]))
    >>> apart.tolist(), bool(p < 1e-20)
    ([False, False, True], True)
    """
    expected = _expected(reference, current)
    small = reference.sum(axis=-1, keepdims=True) <= current.sum(axis=-1, keepdims=True)
    smaller = np.where(small, reference, current)
    rare = (expected > 0) & (expected < EXPECTED)
    looked_at = rare & (smaller >= EXPECTED)
    if only is not None:
        looked_at &= only
    p = np.ones(expected.shape)
    if looked_at.any():
        total, smaller_rows = (reference + current)[looked_at], smaller[looked_at]
        tail = betainc(smaller_rows, total - smaller_rows + 1, expected[looked_at] / total)
        rivals = np.broadcast_to(np.count_nonzero(rare, axis=-1, keepdims=True), rare.shape)[looked_at].astype(
            np.float64
        )
        if hidden is not None:
            rivals = rivals + np.broadcast_to(hidden, rare.shape)[looked_at] / total
        p[looked_at] = np.minimum(1.0, tail * rivals * BESIDE)
    return p <= CERTAIN, p.min(axis=-1, initial=1.0)


def merged(cell: I64, reference: F64, current: F64) -> tuple[F64, F64]:
    """Sum the bins of each cell: int64 (k, bins) → twice float64 (k, cells).

    >>> merged(np.array([[0, 1, 0]]), np.array([[1.0, 2.0, 3.0]]), np.array([[0.0, 1.0, 1.0]]))
    (array([[4., 2.]]), array([[1., 1.]]))
    """
    k, width = len(cell), int(cell.max(initial=0)) + 1
    flat = (cell + np.arange(k)[:, np.newaxis] * width).ravel()

    def summed(counts: F64) -> F64:
        return np.bincount(flat, counts.ravel(), minlength=k * width).astype(np.float64, copy=False).reshape(k, width)

    return summed(reference), summed(current)


def _expected(reference: F64, current: F64) -> F64:
    """Return the expected rows of the smaller sample in each bin without drift."""
    pooled_counts = reference + current
    n, m = reference.sum(axis=-1, keepdims=True), current.sum(axis=-1, keepdims=True)
    total = n + m
    expected: F64 = pooled_counts * np.divide(np.minimum(n, m), total, out=np.ones_like(total), where=total > 0)
    return expected


CATEGORIES = 10
"""The most frequent categories have a cell each, all others share one: as many cells as a number has."""


def grid(bins: Bins, reference: F64) -> I64:
    """Return the cell of each bin, then of missing and of invalid values: int64 (size + 2,).

    Cells of numbers are the deciles of the reference, and one beyond each of its outer edges. Cells of categories are
    the ten most frequent, all other categories of the baseline, and new categories. Missing and invalid values share
    the last cell.

    >>> from driftline.panes.bins import CategoryBins
    >>> grid(CategoryBins(("a", "b")), np.array([9.0, 1.0, 0.0, 0.0, 0.0])).tolist()
    [0, 1, 2, 3, 3]
    """
    usable = reference[: bins.size]
    if isinstance(bins, CategoryBins):
        known_cells = np.minimum(np.arange(bins.size - 1), CATEGORIES)
        cells = np.append(known_cells, known_cells[-1] + 1 if len(known_cells) else 0)
    elif not usable.any():
        cells = np.zeros(bins.size, np.int64)
    else:
        cells = parts(usable) + 1
        cells[0], cells[-1] = 0, cells.max() + 1
    _, dense = np.unique(cells, return_inverse=True)
    last = int(dense.max(initial=-1)) + 1
    return np.concatenate([dense, [last, last]]).astype(np.int64)


def cells_of_parts(baseline: Baseline, parts: Iterable[str]) -> dict[str, I64]:
    """Return the cell of each bin, as :func:`grid`, for those ``parts`` that the baseline has."""
    baseline_parts, bins = baseline.pane.parts, block_columns(baseline.bins)
    return {part: grid(bins[part], baseline_parts[part]) for part in parts if part in bins and part in baseline_parts}


def coarsen(counts: F64, cells: I64) -> F64:
    """Sum the bins of each cell: float64 (..., bins) → float64 (..., cells)."""
    flat = counts.reshape(-1, counts.shape[-1])
    width = int(cells.max()) + 1
    flat_cells = (cells + np.arange(len(flat))[:, np.newaxis] * width).ravel()
    summed = np.bincount(flat_cells, flat.ravel(), minlength=len(flat) * width).astype(np.float64, copy=False)
    return summed.reshape(*counts.shape[:-1], width)
