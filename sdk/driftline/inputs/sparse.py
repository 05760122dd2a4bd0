"""scipy.sparse: a matrix or 2-D array is a batch, a 1-D array is a row. scipy is never imported.

Values that are not stored are 0, as in scipy. A batch stays sparse in the buffer; only recorded columns become dense,
one by one on the background thread, and at most ``MOST_CELLS`` values: the columns that the model names
(``feature_names=``, a baseline), or the first ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.loss_counters import TOO_LARGE, TOO_MANY_FEATURES, UNUSABLE

from .array import row_of_array
from .batch import Batch, FeatureTest, Unrecorded
from .row import LONGEST_ROW, MOST_VALUES, Row
from .values import Columns

if TYPE_CHECKING:
    from .batch import Reader

MOST_CELLS = 8_000_000
"""Maximum dense values of one batch: 64 MB during the conversion."""


def reader(kind: type) -> Reader | None:
    """Return the reader if the type is a sparse matrix or array."""
    is_sparse = any(base.__module__.startswith("scipy.sparse") for base in kind.__mro__)
    return read if is_sparse and hasattr(kind, "tocsc") else None


def read(value: Any) -> Row | Batch | Unrecorded:
    """Read a batch, or a row."""
    if len(value.shape) == 2:
        return SparseMatrix(value)
    if value.shape[0] > MOST_VALUES:
        return Unrecorded(TOO_LARGE, LONGEST_ROW)
    return row_of_array(value.toarray())


class SparseMatrix(Batch):
    """A sparse matrix: a row per prediction, a column per feature."""

    def __init__(self, matrix: Any) -> None:
        self.matrix = matrix
        self.count = int(matrix.shape[0])
        self.cost = 16 * int(matrix.nnz) + 8 * self.count
        self._by_column: Any = None

    def snapshot(self, id_field: str | None = None) -> Batch:  # noqa: ARG002 - its columns are numbers
        """Copy the stored values."""
        return SparseMatrix(self.matrix.copy())

    def width(self) -> int:
        """Return the number of columns."""
        return int(self.matrix.shape[1])

    def values(self, at: int) -> Any:
        """Return a dense column."""
        if self._by_column is None:
            self._by_column = self.matrix.tocsc()
            self._by_column.sum_duplicates()
        stored = self._by_column
        start, stop = stored.indptr[at], stored.indptr[at + 1]
        column = np.zeros(self.count, stored.dtype)
        column[stored.indices[start:stop]] = stored.data[start:stop]
        return column

    def columns(self, names: tuple[str, ...], is_feature: FeatureTest) -> Columns:
        """Convert feature columns to dense columns, up to the limit; the others are counted."""
        room = MOST_CELLS // max(1, self.count)
        chosen = [(index, name) for index, name in enumerate(names) if is_feature(name)]
        UNUSABLE.add(TOO_MANY_FEATURES, max(0, len(chosen) - room))
        return {name: self.values(position) for position, name in chosen[:room]}
