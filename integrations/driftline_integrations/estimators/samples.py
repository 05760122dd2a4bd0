"""The samples of an estimator's call: n rows, as arrays, data frames, texts or the matrices of boosters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from driftline.inputs.batch import Batch, FeatureTest
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


class Matrix(Batch):
    """n rows of m features.

    Args:
        names: Names of the features.
        read: Returns the rows, float64 (n, m), NaN if missing.
    """

    def __init__(
        self,
        rows: int,
        width: int,
        names: tuple[str, ...] | None,
        read: Callable[[], F64],
    ) -> None:
        self.count = rows
        self.cost = 8 * rows * width
        self._names = names
        self._width = width
        self._reader = read

    def names(self) -> tuple[str, ...] | None:
        """Return the given names."""
        return self._names

    def width(self) -> int:
        """Return the number of features."""
        return self._width

    def columns(self, names: tuple[str, ...], is_feature: FeatureTest) -> Columns:
        """Read the rows; no features if there are too many cells."""
        if not 0 < self.count * self._width <= MOST_CELLS:
            return {}
        values = self._reader()
        return {name: values[:, i] for i, name in enumerate(names) if is_feature(name)}


def rows_of_matrix(rows: int, width: int, names: tuple[str, ...] | None, read: Callable[[], F64]) -> Any:
    """Return the samples to record: one row with its values for the span, or n rows that are read later."""
    if rows != 1 or width > MOST_CELLS:
        return Matrix(rows, width, names, read)
    values = read()[0] if width else np.empty(0)
    return values if names is None else dict(zip(names, values.tolist(), strict=True))


def dense_rows(csr: Any) -> F64:
    """Return a scipy CSR matrix (n, m) as rows; values that are not stored are missing, not 0.

    >>> from scipy.sparse import csr_matrix
    >>> dense_rows(csr_matrix(([1.5, 0.0], ([0, 1], [0, 1])), shape=(2, 2))).tolist()
    [[1.5, nan], [nan, 0.0]]
    """
    values = np.full(csr.shape, np.nan)
    values[np.repeat(np.arange(csr.shape[0]), np.diff(csr.indptr)), csr.indices] = csr.data
    return values
