"""scipy.sparse: a matrix or array of two dimensions is a batch, an array of one is a row. scipy is never imported.

What is not stored is 0, as everywhere in scipy. A batch stays sparse while it waits; only the columns that are recorded
are made dense, one by one in the background, and at most ``MOST_CELLS`` of them: the columns that the model names
(``feature_names=``, a baseline), or the first ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.loss_counters import TOO_LARGE, TOO_MANY_FEATURES, UNUSABLE

from .array import row_of_array
from .batch import Batch, FeatureTest, Unrecorded
from .row import MOST_VALUES, Row
from .values import Columns

if TYPE_CHECKING:
    from .batch import Reader

MOST_CELLS = 8_000_000
"""Values, stored or not, that are made of one batch: 64 MB while it is converted."""


def reader(kind: type) -> Reader | None:
    """Return the reader of sparse matrices and arrays, if it is one."""
    is_sparse = any(base.__module__.startswith("scipy.sparse") for base in kind.__mro__)
    return read if is_sparse and hasattr(kind, "tocsc") else None


def read(value: Any) -> Row | Batch | Unrecorded:
    """Read a batch, or a row."""
    if len(value.shape) == 2:
        return SparseMatrix(value)
    if value.shape[0] > MOST_VALUES:
        return Unrecorded(TOO_LARGE, f"a row has at most {MOST_VALUES:,} features")
    return row_of_array(value.toarray())


class SparseMatrix(Batch):
    """A sparse matrix: a row per prediction, a column per feature."""

    def __init__(self, matrix: Any) -> None:
        self.matrix = matrix
        self.count = int(matrix.shape[0])
        self.cost = 16 * int(matrix.nnz) + 8 * self.count
        self._by_column: Any = None

    def snapshot(self) -> Batch:
        """Copy what is stored."""
        return SparseMatrix(self.matrix.copy())

    def names(self) -> tuple[str, ...] | None:
        """Return None: a matrix has no names."""
        return None

    def width(self) -> int:
        """Return the number of columns."""
        return int(self.matrix.shape[1])

    def values(self, at: int) -> Any:
        """Return a column, dense."""
        if self._by_column is None:
            self._by_column = self.matrix.tocsc()
            self._by_column.sum_duplicates()
        stored = self._by_column
        start, stop = stored.indptr[at], stored.indptr[at + 1]
        column = np.zeros(self.count, stored.dtype)
        column[stored.indices[start:stop]] = stored.data[start:stop]
        return column

    def columns(self, names: tuple[str, ...], is_feature: FeatureTest) -> Columns:
        """Make the is_feature columns dense, as many as there is room for; the others are counted."""
        room = MOST_CELLS // max(1, self.count)
        chosen = [(index, name) for index, name in enumerate(names) if is_feature(name)]
        UNUSABLE.add(TOO_MANY_FEATURES, max(0, len(chosen) - room))
        return {name: self.values(position) for position, name in chosen[:room]}
