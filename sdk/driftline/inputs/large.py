"""Values that are larger than a number or a short text: documents and vectors, as they wait in the buffer.

Neither is a ``str``, a number or a list: what does not know them cannot send them.
"""

from __future__ import annotations

from array import array
from sys import getsizeof
from typing import Any

import numpy as np

from driftline.excerpts import excerpt
from driftline.vocabulary import LOOKED_AT

LONGEST_VECTOR = 4096
"""Numbers of an embedding; a longer list is data, and stays where it is."""


class Document:
    """A text that is longer than a category. ``text``: its first 10,000 characters; ``length``: of the whole."""

    __slots__ = ("length", "text")

    def __init__(self, text: str) -> None:
        self.length = len(text)
        self.text = text if self.length <= LOOKED_AT else text[:LOOKED_AT]

    @property
    def cost(self) -> int:
        """Bytes that it takes, about."""
        return getsizeof(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Document) and (self.length, self.text) == (other.length, other.text)

    def __hash__(self) -> int:
        return hash((self.length, self.text))

    @property
    def as_id(self) -> str:
        """What an id that is so long begins with."""
        return self.text

    def label(self) -> str:
        """Return the text as a label of a column, which still knows how long the whole was."""
        return self.text if len(self.text) == self.length else excerpt(self.text, self.length)

    def __repr__(self) -> str:
        return f"<a text of {self.length} characters>"


class Vector:
    """A copy of an embedding. ``numbers``: float32 (k,); None of more than 4,096 numbers."""

    __slots__ = ("length", "numbers")

    def __init__(self, length: int, numbers: Any = None) -> None:
        self.length = length
        self.numbers = numbers

    @property
    def cost(self) -> int:
        """Bytes that it takes, about."""
        return 4 * self.length if self.numbers is not None else 0

    def __repr__(self) -> str:
        return f"<a vector of {self.length}>"


LARGE = (Document, Vector)


def vector_of(value: Any) -> Any:
    """Return a copy of a list, tuple, 1-D array or tensor of numbers; a single one is that number; else None.

    ``value``: a list, a tuple, or what has one dimension.

    >>> vector_of([0.5, 1]).numbers, vector_of([2.5]), vector_of(["a"]), vector_of([])
    (array([0.5, 1. ], dtype=float32), 2.5, None, None)
    """
    if isinstance(value, list | tuple):
        if len(value) > LONGEST_VECTOR:
            return Vector(len(value))
        try:
            numbers: Any = np.frombuffer(array("f", value), np.float32)  # 8 µs for 768; takes nothing but numbers
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
    if hasattr(value, "detach"):  # a tensor; one on a device would have to be waited for
        value = value.detach()
        if getattr(getattr(value, "device", None), "type", "cpu") != "cpu":
            return None
        value = value.float().numpy()
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if kind not in ("f", "i", "u", "b") or not isinstance(value, np.ndarray):
        return None
    with np.errstate(over="ignore"):  # beyond float32 is infinite
        return np.array(value, np.float32)
