"""Few bins of enough rows: what statistics over shares are computed on, since they count every bin as much as any."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from driftline.tables import F64, I64
from numpy.typing import NDArray
from scipy.special import betainc

from .chosen import in_other, other_moved, unsure

Mask = NDArray[np.bool_]

CELLS = 10
"""Cells of a number: deciles, or fewer parts of equal size where a tenth of the smaller sample is too little."""

EXPECTED = 4.75
"""The least expected count of a cell, in both samples: five, as is usual. At 50 rows on 100 Zipf categories the test
without pooling is 575 times too liberal at p = 5e-5. A little less than five, because a decile of the baseline holds
exactly a tenth of its rows, and so expects exactly 5 of 50: which are pooled would depend on the window, and PSI would
alarm five times too often."""

CERTAIN = 0.01
"""A rare bin less likely than this is shown, and counts in the effect, by itself."""


class Coarse(NamedTuple):
    """Counts over few cells, one pair a row; cells beyond those of a pair are empty.

    ``reference``, ``current``: float64 (k, cells), rare bins pooled but for those that hold more than chance explains.
    ``pooled_reference``, ``pooled_current``: the same with all rare bins pooled. ``p_rare``: float64 (k,), the p-value
    of the least likely rare bin.
    """

    reference: F64
    current: F64
    pooled_reference: F64
    pooled_current: F64
    p_rare: F64


def coarse(reference: F64, current: F64, *, ordered: bool, others: I64 | None = None) -> Coarse:
    """Put bins together: float64 (k, bins) each; ``ordered`` bins first into the deciles of the reference.

    Of fewer than 50 rows into as many equal parts as expect enough: deciles would all be pooled, and nothing be left.

    ``others``: int64 (k,), which bin holds all labels that are not kept, -1 = none; labels that were kept by chance
    join it first (:mod:`.chosen`).

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
    apart, p_rare = unexpected(reference, current)
    if not apart.any():
        return Coarse(*pooled, *pooled, p_rare)
    return Coarse(*merged(pool_but(apart, reference, current), reference, current), *pooled, p_rare)


def _of_chosen(reference: F64, current: F64, others: I64, by_chance: Mask) -> Coarse:
    """The same where labels, bool (k, bins), were kept by chance."""
    was, now = (in_other(by_chance, side, others) for side in (reference, current))
    pooled = merged(pool(was, now), was, now)
    apart, p_rare = unexpected(was, now)
    # a label by itself is among rivals, too, that are in ``other``: as many as have its rows
    hidden = np.take_along_axis(reference + current, np.maximum(others, 0)[:, np.newaxis], axis=1)
    alone, p_alone = unexpected(reference, current, hidden=hidden, only=by_chance)
    p_moved = np.minimum(1.0, 10 * other_moved(reference, current, others))
    moved = (p_moved <= CERTAIN) & by_chance.any(axis=1)
    p_rare = np.minimum(p_rare, p_alone)
    p_rare = np.where(moved, np.minimum(p_rare, p_moved), p_rare)
    apart |= alone
    apart[moved, others[moved]] = True
    if not apart.any():
        return Coarse(*pooled, *pooled, p_rare)
    joining = by_chance & ~alone & ~moved[:, np.newaxis]
    was, now = (in_other(joining, side, others) for side in (reference, current))
    return Coarse(*merged(pool_but(apart, was, now), was, now), *pooled, p_rare)


def parts(reference: F64, cells: F64 | float = CELLS) -> I64:
    """Return the coarse bin of each fine bin: int64 (..., bins), about an equal part of the reference each.

    ``cells``: how many parts, float64 (...). A fine bin belongs to the part in which its middle row lies, so a value
    with more rows than a part keeps a bin of its own.

    >>> parts(np.full(100, 10.0))[[0, 9, 10, 99]].tolist()
    [0, 0, 1, 9]
    """
    total = np.cumsum(reference, axis=-1)
    middle: F64 = (total - reference / 2) / total[..., -1:]
    many = np.asarray(cells)[..., np.newaxis]
    # rounded, because a middle of 0.3 must not fall to either side by the order of additions
    cell: I64 = np.minimum(np.floor(np.round(middle * many, 9)), many - 1).astype(np.int64)
    return cell


def pool(reference: F64, current: F64) -> I64:
    """Return the cell of each bin: int64 (..., bins), rare bins together so that each cell expects at least 5.

    Expected in the smaller sample without drift: (reference + current) × its share of all rows. Bins that expect less
    share cell 0; while that still expects less, the next smallest bin joins it. The choice depends only on the sums of
    both samples, so the test stays valid.

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
    kept = np.argsort(order, axis=-1, kind="stable") >= rare
    cells: I64 = np.where(kept, np.cumsum(kept, axis=-1) - 1 + any_rare, 0).astype(np.int64)
    return cells


def pool_but(apart: Mask, reference: F64, current: F64) -> I64:
    """Return the cell of each bin as :func:`pool`, but the bins ``apart``, bool (..., bins), have one each, the last.

    >>> pool_but(np.array([False, True, False]), np.array([60.0, 0.0, 40.0]), np.array([30.0, 20.0, 20.0])).tolist()
    [0, 2, 1]
    """
    cells = pool(np.where(apart, 0.0, reference), np.where(apart, 0.0, current))
    last = np.where(apart, -1, cells).max(axis=-1, keepdims=True)
    own: I64 = np.where(apart, last + np.cumsum(apart, axis=-1), cells)
    return own


def unexpected(
    reference: F64, current: F64, *, hidden: F64 | None = None, only: Mask | None = None
) -> tuple[Mask, F64]:
    """Return which rare bins, bool (..., bins), hold more than chance explains, and the p-value of the least likely.

    Beside a large reference a label that it never had, or a constant that changed, is rare by :func:`pool`, and would
    hide in a common bin. So a rare bin of which the smaller sample holds at least 5 rows is looked at by itself, and
    exactly: given the total of the bin, those rows are binomial. The p-value is that tail, times the number of rare
    bins, times 10: beside another test at level a it adds at most 0.1 a to its errors. 1 where there is none.

    ``hidden``: float64 (..., 1), rows of both samples whose bins are not told apart, and could be bins like this one.
    ``only``: bool (..., bins), the bins that are looked at.

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
        total, held = (reference + current)[looked_at], smaller[looked_at]
        tail = betainc(held, total - held + 1, expected[looked_at] / total)
        rivals = np.broadcast_to(np.count_nonzero(rare, axis=-1, keepdims=True), rare.shape)[looked_at].astype(
            np.float64
        )
        if hidden is not None:
            rivals = rivals + np.broadcast_to(hidden, rare.shape)[looked_at] / total
        p[looked_at] = np.minimum(1.0, tail * rivals * 10)
    return p <= CERTAIN, p.min(axis=-1, initial=1.0)


def merged(cell: I64, reference: F64, current: F64) -> tuple[F64, F64]:
    """Add up the bins of each cell: int64 (k, bins) → twice float64 (k, cells).

    >>> merged(np.array([[0, 1, 0]]), np.array([[1.0, 2.0, 3.0]]), np.array([[0.0, 1.0, 1.0]]))
    (array([[4., 2.]]), array([[1., 1.]]))
    """
    k, width = len(cell), int(cell.max(initial=0)) + 1
    flat = (cell + np.arange(k)[:, np.newaxis] * width).ravel()

    def summed(counts: F64) -> F64:
        return np.bincount(flat, counts.ravel(), minlength=k * width).astype(np.float64, copy=False).reshape(k, width)

    return summed(reference), summed(current)


def _expected(reference: F64, current: F64) -> F64:
    """Rows of the smaller sample in each bin, were there no drift."""
    both = reference + current
    n, m = reference.sum(axis=-1, keepdims=True), current.sum(axis=-1, keepdims=True)
    total = n + m
    expected: F64 = both * np.divide(np.minimum(n, m), total, out=np.ones_like(total), where=total > 0)
    return expected
