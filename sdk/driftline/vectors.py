"""Embeddings: n vectors of one length are a column, watched by their L2 norm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .inputs.large import LONGEST_VECTOR, Vector
from .tables import Column
from .unusable import UNUSABLE, VECTOR_LENGTH, VECTOR_TOO_LONG


def vector_column(vectors: NDArray[Any]) -> Column:
    """Return n vectors (n, k) as a column: float32, and their L2 norms as its numbers; NaN where one holds a NaN.

    >>> vector_column(np.array([[3.0, 4.0], [np.nan, np.nan]])).numbers
    array([ 5., nan])
    """
    single = vectors.astype(np.float32, copy=False)
    return Column(np.sqrt(np.einsum("ij,ij->i", single, single, dtype=np.float64)), vectors=single)


def column_of_vectors(values: Sequence[Any]) -> Column:
    """Turn n values of which some are :class:`~.inputs.large.Vector` into a column, of the length that most have.

    Vectors of another length, or longer than 4,096, and whatever else is there are missing and counted.

    >>> vectors = [Vector(2, np.array([3, 4], np.float32)), None, Vector(1, np.ones(1, np.float32))]
    >>> column_of_vectors(vectors).vectors.tolist()
    [[3.0, 4.0], [nan, nan], [nan, nan]]
    >>> UNUSABLE.drain()
    Counter({'vector_length': 1})
    """
    lengths = Counter(value.length for value in values if isinstance(value, Vector) and value.numbers is not None)
    too_long = sum(isinstance(value, Vector) and value.length > LONGEST_VECTOR for value in values)
    UNUSABLE.add(VECTOR_TOO_LONG, too_long)
    if not lengths:
        return Column(np.full(len(values), np.nan))
    k, kept = lengths.most_common(1)[0]
    rows = np.full((len(values), k), np.nan, np.float32)
    for row, value in enumerate(values):
        if isinstance(value, Vector) and value.length == k:
            rows[row] = value.numbers
    UNUSABLE.add(VECTOR_LENGTH, sum(value is not None for value in values) - kept - too_long)
    return vector_column(rows)
