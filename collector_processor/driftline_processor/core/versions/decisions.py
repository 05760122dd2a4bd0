"""What two versions decided of the same requests, by what came true: what they cost follows, whatever the matrix.

A matrix of costs may be written long after the rows came, and changed; sums of costs would have to be made anew of rows
that have expired. So rows are counted by actual class, decided class of the first and of the second version.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from driftline.pane import Pane
from driftline.sparse import Sparse, cells
from driftline.tables import F64, I32, I64

from .sums import Paired

DECISIONS: Final = "decisions:"
"""Prefix of the part, before the number of classes k: number of rows, Σw and Σw² of each of k³ cells, row-major."""

MOST_CLASSES: Final = 50
"""Of models with more classes the cells are too many, and pairs are not compared by what they cost."""


def fold_decisions(
    classes: int, actual: I32, first: I32, second: I32, weight: F64, group: I64, groups: int
) -> dict[str, Sparse]:
    """Count requests that both versions scored: part → sums of each group.

    ``actual``, ``first``, ``second``: codes of the actual class and of what either version decided, int32 (n,); a row
    counts where all three are below ``classes`` and not negative. ``weight``: float64 (n,), of usable weights;
    ``group``: int64 (n,), 0 <= group < groups.

    >>> codes = np.array([1, 0, 1], np.int32)
    >>> found = fold_decisions(2, codes, codes, np.ones(3, np.int32), np.ones(3), np.zeros(3, np.int64), 1)
    >>> found["decisions:2"].dense(1)[0, :8].tolist()
    [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0]
    """
    if not 0 < classes <= MOST_CLASSES:
        return {}
    told = (weight > 0) & np.logical_and.reduce([(one >= 0) & (one < classes) for one in (actual, first, second)])
    rows = np.flatnonzero(told)
    rows = rows[np.argsort(group[rows], kind="stable")]
    if not len(rows):
        return {}
    cell = (actual[rows].astype(np.int64) * classes + first[rows]) * classes + second[rows]
    moment = np.tile(np.arange(3), len(rows))
    w = weight[rows]
    columns = np.stack([np.ones(len(rows)), w, w**2], axis=1)
    at = np.repeat(cell, 3) + moment * classes**3
    return {f"{DECISIONS}{classes}": cells(np.repeat(group[rows], 3), at, columns.reshape(-1), groups, 3 * classes**3)}


def paired_cost(pane: Pane, costs: F64) -> Paired:
    """Return the sums of what pairs cost; all 0 where there are none. ``costs``: float64 (k, k), actual × decided.

    Classes that were learned later come behind those that were known.
    """
    sums = np.zeros(len(Paired._fields))
    for part, counted in pane.parts.items():
        if part.startswith(DECISIONS):
            rows, weight, squared = _cube(part, counted)
            own = costs[: len(rows), : len(rows)]
            one, other = own[:, :, np.newaxis], own[:, np.newaxis, :]
            d = other - one
            columns = (rows, weight, squared, weight * one, weight * other, squared * d, squared * d**2)
            sums += [float(column.sum()) for column in columns]
    return Paired(*sums.tolist())


def turned(part: str, counted: F64) -> F64:
    """Return the sums with the versions in each other's place."""
    found: F64 = _cube(part, counted).swapaxes(2, 3).reshape(-1)
    return found


def _cube(part: str, counted: F64) -> F64:
    """float64 (3, k, k, k); zeros at the end are not stored."""
    classes = int(part.removeprefix(DECISIONS))
    whole = np.zeros(3 * classes**3)
    whole[: len(counted)] = counted
    return whole.reshape(3, classes, classes, classes)
