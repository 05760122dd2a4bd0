"""The samples of an estimator's call: n rows, as arrays, data frames, texts or the matrices of boosters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from driftline.inputs.batch import Batch, FeatureTest
from driftline.inputs.column import read_column
from driftline.inputs.readers import READERS
from driftline.inputs.values import Columns
from driftline.tables.table import F64

DOCUMENT = "text"
"""Name of the only feature if samples are texts, as for a vectorizer."""


def rows_of(samples: Any) -> Any:
    """Return the samples to record: a row for one sample, else the samples unchanged.

    >>> rows_of(np.array([[1.0, 2.0]]))
    array([1., 2.])
    >>> rows_of(["free money"]), rows_of(["free money", "hello"])["text"].tolist()
    ({'text': 'free money'}, ['free money', 'hello'])
    """
    if isinstance(samples, np.ndarray):
        if samples.ndim == 2 and len(samples) == 1:
            return samples[0]
        return _documents(samples.tolist()) if samples.ndim == 1 and samples.dtype.kind in "OU" else samples
    if isinstance(samples, list | tuple):
        if samples and isinstance(samples[0], str):
            return _documents(samples)
        return samples[0] if len(samples) == 1 else samples
    if getattr(samples, "ndim", 0) == 1 and hasattr(samples, "tolist"):  # a Series of texts
        values = samples.tolist()
        return _documents(values) if values and isinstance(values[0], str) else samples
    if hasattr(samples, "columns") and getattr(samples, "shape", (0,))[0] == 1 and hasattr(samples, "to_numpy"):
        return dict(zip(map(str, samples.columns), samples.to_numpy()[0].tolist(), strict=True))  # itertuples: 5 times
    return samples


def _documents(texts: Any) -> Any:
    if len(texts) == 1:
        return {DOCUMENT: texts[0]}
    rows = np.empty(len(texts), [(DOCUMENT, object)])
    rows[DOCUMENT] = texts
    return rows


MOST_CELLS = 4_000_000
"""Maximum cells to read back, 32 MB as doubles: a sparse matrix of text features would be gigabytes."""


Categories = Mapping[int, Any]
"""Index of a feature → its categories, a pyarrow array."""


def _none() -> Categories:
    return {}


class Matrix(Batch):
    """n rows of m features.

    Args:
        names: Names of the features.
        read: Returns the rows, float64 (n, m), NaN if missing.
        categories: Returns the categories of codes in the rows, as far as the matrix has them.
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
        """Return the given names."""
        return self._names

    def width(self) -> int:
        """Return the number of features."""
        return self._width

    def snapshot(self) -> Batch:
        """Return the batch itself: the matrix is immutable."""
        return self

    def columns(self, names: tuple[str, ...], is_feature: FeatureTest) -> Columns:
        """Read the rows; no features if there are too many cells."""
        if not 0 < self.count * self._width <= MOST_CELLS:
            return {}
        values, categories = self._read(), self._categories()
        return {
            name: values[:, i] if i not in categories else category_column(values[:, i], categories[i])
            for i, name in enumerate(names)
            if is_feature(name)
        }


def category_column(codes: F64, categories: Any) -> Any:
    """Return codes and their categories as a column.

    Args:
        codes: NaN if missing.
        categories: Pyarrow array.

    >>> import pyarrow
    >>> category_column(np.array([1.0, np.nan]), pyarrow.array(["basic", "pro"])).categories
    ('basic', 'pro')
    """
    import pyarrow

    missing = ~((codes >= 0) & (codes < len(categories)))
    places = pyarrow.array(np.where(missing, 0, codes).astype(np.int32), mask=missing)
    return read_column(pyarrow.DictionaryArray.from_arrays(places, categories))


def same_matrix(value: Any) -> Any:
    """Return the batch itself, which is already a snapshot."""
    return value


READERS[Matrix] = same_matrix


def rows_of_matrix(
    rows: int,
    width: int,
    names: tuple[str, ...] | None,
    read: Callable[[], F64],
    categories: Callable[[], Categories] = _none,
) -> Any:
    """Return the samples to record: one row with its values for the span, or n rows that are read later."""
    if rows != 1 or width > MOST_CELLS:
        return Matrix(rows, width, names, read, categories)
    values = read()[0] if width else np.empty(0)
    category_table = categories()
    if not category_table:
        return values if names is None else dict(zip(names, values.tolist(), strict=True))
    row = [
        _category(code, category_table[i]) if i in category_table else code for i, code in enumerate(values.tolist())
    ]
    return row if names is None else dict(zip(names, row, strict=True))


def _category(code: float, categories: Any) -> Any:
    return categories[int(code)].as_py() if 0 <= code < len(categories) else None


def dense_rows(csr: Any) -> F64:
    """Return a scipy CSR matrix (n, m) as rows; values that are not stored are missing, not 0.

    >>> from scipy.sparse import csr_matrix
    >>> dense_rows(csr_matrix(([1.5, 0.0], ([0, 1], [0, 1])), shape=(2, 2))).tolist()
    [[1.5, nan], [nan, 0.0]]
    """
    values = np.full(csr.shape, np.nan)
    values[np.repeat(np.arange(csr.shape[0]), np.diff(csr.indptr)), csr.indices] = csr.data
    return values
