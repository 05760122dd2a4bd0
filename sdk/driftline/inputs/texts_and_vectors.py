"""Values larger than a number or a short text: documents, their excerpts, and embedding vectors.

They are not ``str``, number or list, so that code that does not handle them cannot export them. Embeddings are a column
of n vectors of one length, monitored by their L2 norm.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Sequence
from sys import getsizeof
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftline.loss_counters import UNUSABLE, VECTOR_LENGTH, VECTOR_TOO_LONG
from driftline.tables.table import Column
from driftline.tables.text import sendable

from .vocabulary import LOOKED_AT

TEXT_LIMIT = 256
"""Maximum characters of a text value; of a longer text, the first characters and a hash are kept."""

_KEPT = 200
"""Characters of a long text that are kept before its hash."""


class Excerpt(str):
    """The first characters of a text.

    Attributes:
        full_length: Number of characters of the whole text.
    """

    __slots__ = ("full_length",)

    full_length: int


def excerpt(text: str, full_length: int) -> Excerpt:
    """Return the kept part of a truncated text.

    >>> full_length(excerpt("Dear", 4711)), full_length("Dear")
    (4711, 4)
    """
    part = Excerpt(text)
    part.full_length = full_length
    return part


def full_length(text: str) -> int:
    """Return the number of characters of a text, or of the whole text of an excerpt."""
    return text.full_length if isinstance(text, Excerpt) else len(text)


def short_text(text: str, longest: int = TEXT_LIMIT) -> str:
    """Return a text that is usable as a category: of a longer one its first 200 characters and a hash.

    The hash is that of the first 10,000 characters and the length, because a service keeps no more of a text.

    >>> short_text("AA"), len(short_text("x" * 1_000_000))
    ('AA', 217)
    """
    if len(text) <= longest:
        return text
    read = f"{text[:LOOKED_AT]}{full_length(text)}".encode("utf-8", "replace")
    return f"{sendable(text[:_KEPT])}…{hashlib.blake2b(read, digest_size=8).hexdigest()}"


LONGEST_VECTOR = 4096
"""Maximum length of an embedding; a longer list is data, and is not exported."""


class Document:
    """A text that is longer than a category.

    Args:
        text: Its first 10,000 characters; ``length``: characters of the whole text.
    """

    __slots__ = ("length", "text")

    def __init__(self, text: str) -> None:
        self.length = len(text)
        self.text = text if self.length <= LOOKED_AT else text[:LOOKED_AT]

    @property
    def cost(self) -> int:
        """Approximate size in bytes."""
        return getsizeof(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Document) and (self.length, self.text) == (other.length, other.text)

    def __hash__(self) -> int:
        return hash((self.length, self.text))

    @property
    def as_id(self) -> str:
        """Return the beginning of a long id."""
        return self.text

    def category(self) -> str:
        """Return the text as a category of a column, which keeps the length of the whole text."""
        return self.text if len(self.text) == self.length else excerpt(self.text, self.length)

    def __repr__(self) -> str:
        return f"<a text of {self.length} characters>"


class Vector:
    """A copy of an embedding.

    Args:
        numbers: float32 (k,); None if there are more than 4,096 numbers.
    """

    __slots__ = ("length", "numbers")

    def __init__(self, length: int, numbers: Any = None) -> None:
        self.length = length
        self.numbers = numbers

    @property
    def cost(self) -> int:
        """Approximate size in bytes."""
        return 4 * self.length if self.numbers is not None else 0

    def __repr__(self) -> str:
        return f"<a vector of {self.length}>"


LARGE = (Document, Vector)


def vector_of(value: Any) -> Any:
    """Return a copy of a list, tuple, 1-D array or tensor of numbers; a single number as a number; else None.

    Args:
        value: A list, a tuple, or an object with one dimension.

    >>> vector_of([0.5, 1]).numbers, vector_of([2.5]), vector_of(["a"]), vector_of([])
    (array([0.5, 1. ], dtype=float32), 2.5, None, None)
    """
    if isinstance(value, list | tuple):
        if len(value) > LONGEST_VECTOR:
            return Vector(len(value))
        try:
            numbers: Any = np.frombuffer(array("f", value), np.float32)  # 8 µs for 768; accepts only numbers
        except (TypeError, ValueError, OverflowError):
            return None
    else:
        if len(value) > LONGEST_VECTOR:
            return Vector(len(value))
        numbers = _copied(value)
    if numbers is None or not len(numbers):
        return None
    return Vector(len(numbers), numbers) if len(numbers) > 1 else float(numbers[0])


def _copied(value: Any) -> Any:
    if hasattr(value, "detach"):  # a tensor; reading one on a device would wait
        value = value.detach()
        if getattr(getattr(value, "device", None), "type", "cpu") != "cpu":
            return None
        value = value.float().numpy()
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if kind not in ("f", "i", "u", "b") or not isinstance(value, np.ndarray):
        return None
    with np.errstate(over="ignore"):  # values beyond float32 become infinite
        return np.array(value, np.float32)


def vector_column(vectors: NDArray[Any]) -> Column:
    """Return n vectors (n, k) as a column: float32, with their L2 norms as numbers; NaN for a vector with NaN.

    >>> vector_column(np.array([[3.0, 4.0], [np.nan, np.nan]])).numbers
    array([ 5., nan])
    """
    single = vectors.astype(np.float32, copy=False)
    return Column(np.sqrt(np.einsum("ij,ij->i", single, single, dtype=np.float64)), vectors=single)


def column_of_vectors(values: Sequence[Any]) -> Column:
    """Return n values, some of them :class:`Vector`, as a column of the most common length.

    Vectors of another length, or longer than 4,096, and other values are missing and counted.

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
    k, vector_count = lengths.most_common(1)[0]
    rows = np.full((len(values), k), np.nan, np.float32)
    for row, value in enumerate(values):
        if isinstance(value, Vector) and value.length == k:
            rows[row] = value.numbers
    UNUSABLE.add(VECTOR_LENGTH, sum(value is not None for value in values) - vector_count - too_long)
    return vector_column(rows)
