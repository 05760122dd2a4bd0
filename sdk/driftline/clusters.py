"""Rows that belong together (of one customer, one machine) counted by group, so that it can be told how alike they are.

Twenty rows of one customer say less than twenty of as many. How much less is seen in how far the customers differ; and
since panes are sums, customers are hashed into 64 groups, and each target keeps its counts by group, over at most ten
cells. A group adds up over panes as everything does. No key leaves in them: 64 groups tell no customer from another.
"""

from __future__ import annotations

from zlib import crc32

import numpy as np

from .bins import Bins, Index
from .classes import number_text
from .strays import Stray
from .tables import F64, Column, PredictionTable, length

GROUPS = 64
"""Of 50 customers about 35 groups hold some: p-values then have some 28 degrees of freedom."""

CELLS = 10
"""Cells of a target in a group, neighbouring bins each."""

WIDTH = GROUPS * CELLS

PREFIX = "clusters:"
"""Of the parts, before the part of the target: ``clusters:feature:age``."""


def key_of(table: PredictionTable, name: str) -> Column | None:
    """Return the column of the key: the slice of this name, else the feature; None where the rows have neither."""
    return table.slices.get(name, table.features.get(name))


def groups_of(column: Column) -> Index:
    """Return the group of each row: intp (n,), -1 where the key is missing.

    17 and "17" are one key. The same everywhere and always: CRC-32 of the text, modulo 64.

    >>> groups_of(Column(codes=np.array([0, 1, -1]), labels=("anna", "17"))).tolist()
    [55, 2, -1]
    >>> groups_of(Column(numbers=np.array([17.0, np.nan]))).tolist()
    [2, -1]
    """
    groups = np.full(length(column), -1, dtype=np.intp)
    if column.numbers is not None:
        given = np.isfinite(column.numbers)
        values, at = np.unique(column.numbers[given], return_inverse=True)
        groups[given] = _hashed([number_text(value) for value in values.tolist()])[at]
    if column.codes is not None:
        given = column.codes >= 0
        groups[given] = _hashed(column.labels)[column.codes[given]]
    return groups


def clustered(groups: Index, index: Index, over: Bins) -> Stray:
    """Return where rows count in the part of a target: by group and cell, those with a key and a usable value.

    ``groups``: of each row. ``index``: the bin of each row (:func:`driftline.bins.assign`).
    """
    rows = np.flatnonzero((groups >= 0) & (index < over.size))
    return Stray(WIDTH, rows, groups[rows] * CELLS + cells(over.size)[index[rows]])


def cells(size: int) -> Index:
    """Return the cell of each of ``size`` bins: neighbours together, about as many in each.

    >>> cells(4).tolist(), np.bincount(cells(102)).tolist()
    ([0, 1, 2, 3], [11, 10, 10, 10, 10, 11, 10, 10, 10, 10])
    """
    return np.arange(size) * min(size, CELLS) // max(size, 1)


def by_group(part: F64) -> F64:
    """Return the counts of a part: float64 (groups, cells)."""
    return part.reshape(GROUPS, CELLS)


def _hashed(labels: list[str] | tuple[str, ...]) -> Index:
    return np.fromiter((crc32(label.encode(errors="surrogatepass")) % GROUPS for label in labels), np.intp, len(labels))
