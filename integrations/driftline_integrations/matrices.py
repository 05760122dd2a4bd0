"""The matrices of boosters: filled once, and read back on the background thread, which costs what predicting costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from driftline.inputs import READERS
from driftline.inputs.batch import Batch, Columns, Wanted
from driftline.inputs.column import read_column
from driftline.tables import F64

MOST_CELLS = 4_000_000
"""What is read back at most, 32 MB as doubles: a sparse matrix of text features would be gigabytes."""


Categories = Mapping[int, Any]
"""By the place of a feature, what its codes stand for: a pyarrow array."""


def _none() -> Categories:
    return {}


class Matrix(Batch):
    """n rows of m features. ``read``: returns them, float64 (n, m), NaN where missing; ``names``: of the features.

    ``categories``: returns what the codes among them stand for, as far as the matrix knows it.
    """

    def __init__(
        self,
        rows: int,
        width: int,
        names: tuple[str, ...] | None,
        read: Callable[[], F64],
        categories: Callable[[], Categories] = _none,
    ) -> None:
        self.count = rows
        self.cost = 8 * rows * width
        self._names = names
        self._width = width
        self._read = read
        self._categories = categories

    def names(self) -> tuple[str, ...] | None:
        """Return the names that the matrix was filled with."""
        return self._names

    def width(self) -> int:
        """Return the number of features."""
        return self._width

    def snapshot(self) -> Batch:
        """Return itself: nobody can change what a matrix was filled with."""
        return self

    def columns(self, names: tuple[str, ...], wanted: Wanted) -> Columns:
        """Read the rows; no features where they are too many."""
        if not 0 < self.count * self._width <= MOST_CELLS:
            return {}
        values, categories = self._read(), self._categories()
        return {
            name: values[:, i] if i not in categories else labelled(values[:, i], categories[i])
            for i, name in enumerate(names)
            if wanted(name)
        }


def labelled(codes: F64, labels: Any) -> Any:
    """Return a column of categories as anybody else's is read. ``codes``: NaN where missing; ``labels``: pyarrow array.

    >>> import pyarrow
    >>> labelled(np.array([1.0, np.nan]), pyarrow.array(["basic", "pro"])).labels
    ('basic', 'pro')
    """
    import pyarrow

    missing = ~((codes >= 0) & (codes < len(labels)))
    places = pyarrow.array(np.where(missing, 0, codes).astype(np.int32), mask=missing)
    return read_column(pyarrow.DictionaryArray.from_arrays(places, labels))


def itself(value: Any) -> Any:
    """Return what is a snapshot already."""
    return value


READERS[Matrix] = itself


def rows_of_matrix(
    rows: int,
    width: int,
    names: tuple[str, ...] | None,
    read: Callable[[], F64],
    categories: Callable[[], Categories] = _none,
) -> Any:
    """Return what the SDK records: one row with its values, which ride on its span, or n rows that are read later."""
    if rows != 1 or width > MOST_CELLS:
        return Matrix(rows, width, names, read, categories)
    values = read()[0] if width else np.empty(0)
    known = categories()
    if not known:
        return values if names is None else dict(zip(names, values.tolist(), strict=True))
    row = [_label(code, known[i]) if i in known else code for i, code in enumerate(values.tolist())]
    return row if names is None else dict(zip(names, row, strict=True))


def _label(code: float, labels: Any) -> Any:
    return labels[int(code)].as_py() if 0 <= code < len(labels) else None


def dense(csr: Any) -> F64:
    """Return a scipy CSR matrix (n, m) as rows; what is not stored is missing, and not 0.

    >>> from scipy.sparse import csr_matrix
    >>> dense(csr_matrix(([1.5, 0.0], ([0, 1], [0, 1])), shape=(2, 2))).tolist()
    [[1.5, nan], [nan, 0.0]]
    """
    values = np.full(csr.shape, np.nan)
    values[np.repeat(np.arange(csr.shape[0]), np.diff(csr.indptr)), csr.indices] = csr.data
    return values
