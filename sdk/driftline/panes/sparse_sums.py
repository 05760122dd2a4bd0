"""Sparse sums of many groups: 4,098 bins of 26,000 panes are never dense."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np

from driftline.tables.table import F64, I64


@dataclass(frozen=True, slots=True, eq=False)
class Sparse:
    """One part of many panes: the sum ``value[i]`` belongs to pane ``group[i]``, entry ``index[i]`` of ``width``.

    Each entry appears once, and no sum is zero.
    """

    width: int
    group: I64
    index: I64
    value: F64

    @classmethod
    def of(cls, sums: F64) -> Self:
        """Convert dense sums, float64 (groups, width)."""
        group, index = np.nonzero(sums)
        return cls(sums.shape[1], group, index, sums[group, index])

    def dense(self, groups: int) -> F64:
        """Return the dense sums: float64 (groups, width).

        >>> Sparse(3, np.array([1]), np.array([2]), np.array([4.0])).dense(2).tolist()
        [[0.0, 0.0, 0.0], [0.0, 0.0, 4.0]]
        """
        sums = np.zeros((groups, self.width))
        sums[self.group, self.index] = self.value
        return sums


def cells(group: I64, cell: I64, weight: F64 | None, groups: int, width: int) -> Sparse:
    """Sum weights by group and cell. ``group``: int64 (n,), sorted, below ``groups``; ``cell``: below ``width``.

    >>> found = cells(np.array([0, 0, 2]), np.array([1, 1, 0]), None, 3, 2)
    >>> found.group.tolist(), found.index.tolist(), found.value.tolist()
    ([0, 2], [1, 0], [2.0, 1.0])
    """
    # 1 << 22: maximum cells of a dense vector, 32 MB
    at_once = max(1, (1 << 22) // max(1, width))
    if groups <= at_once or len(group) == 0:
        return _cells(group, cell, weight, groups, width)
    ends = np.searchsorted(group, np.arange(0, groups + at_once, at_once)).tolist()
    pieces = [
        _cells(group[start:end], cell[start:end], None if weight is None else weight[start:end], at_once, width)
        for start, end in pairwise(ends)
        if end > start
    ]
    return join_parts(width, pieces)


def _cells(group: I64, cell: I64, weight: F64 | None, groups: int, width: int) -> Sparse:
    """Return the sums of groups that are less than ``groups`` after the first group."""
    first = int(group[0]) if len(group) else 0
    key = (group - first) * width + cell
    size = groups * width
    # 32: maximum cells per row for which a dense vector is faster than sorting
    if size <= 32 * len(key) or size <= 1_024:
        sums = np.bincount(key, weight, minlength=size)
        filled = np.flatnonzero(sums)
        value = sums[filled].astype(np.float64, copy=False)
    else:
        filled, inverse = np.unique(key, return_inverse=True)
        value = np.bincount(inverse, weight, minlength=len(filled)).astype(np.float64, copy=False)
        if not value.all():
            filled, value = filled[value != 0], value[value != 0]
    return Sparse(width, filled // width + first, filled % width, value)


def columns(group: I64, values: Sequence[F64], width: int, cells: Sequence[int] | None = None) -> Sparse:
    """Sum columns of values by group, with pairwise summation for precision.

    ``group``: int64 (n,), sorted; ``values``: float64 (n,) each; ``cells``: entry of each column, default 0, 1, ...

    >>> columns(np.array([3, 3, 5]), [np.array([1.0, 2.0, 0.0])], 4, [2]).value.tolist()
    [3.0]
    """
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    present = group[starts]
    pieces = []
    for entry, column in zip(range(len(values)) if cells is None else cells, values, strict=True):
        sums = np.add.reduceat(column, starts) if len(starts) else np.empty(0)
        filled = np.flatnonzero(sums)
        pieces.append(Sparse(width, present[filled], np.full(len(filled), entry), sums[filled]))
    return join_parts(width, pieces)


def join_parts(width: int, pieces: Sequence[Sparse]) -> Sparse:
    """Combine sums with distinct entries into one part."""
    if not pieces:
        return Sparse(width, np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    return Sparse(
        width,
        np.concatenate([piece.group for piece in pieces]),
        np.concatenate([piece.index for piece in pieces]),
        np.concatenate([piece.value for piece in pieces]),
    )


def shifted(sums: Sparse, width: int, step: int, offset: int) -> Sparse:
    """Return the same sums as every ``step``-th entry of a wider part, from ``offset`` on."""
    return Sparse(width, sums.group, sums.index * step + offset, sums.value)
