"""n rows at once, and how Python values become a column."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftline.tables import Column
from driftline.vectors import column_of_vectors

from .large import Document, Vector
from .row import clean_value, feature_value

Columns = dict[str, NDArray[Any] | Column]
"""Name → numbers or booleans (n,), or a Column where there are texts or missing values of any kind."""

_NUMBERS = frozenset((float, int, bool))
_TEXTS = frozenset((str, Document))


class Batch:
    """A snapshot of n rows. ``count``: n; ``cost``: bytes that it holds, about."""

    count: int
    cost: int

    def names(self) -> tuple[str, ...] | None:
        """Return the feature names, or None where the input has none."""
        raise NotImplementedError

    def width(self) -> int:
        """Return the number of columns."""
        raise NotImplementedError

    def columns(self, names: tuple[str, ...]) -> Columns:
        """Turn the snapshot into columns of those names, in the order of :meth:`names`; on the background thread."""
        raise NotImplementedError


def column_of_values(values: Sequence[Any]) -> NDArray[Any] | Column:
    """Turn n Python values into a column, by their types and never by what a text looks like: "17" stays a text.

    >>> column_of_values((1.5, None, 2))
    array([1.5, nan, 2. ])
    >>> column_of_values(("a", "b", None, "a")).codes
    array([ 0,  1, -1,  0], dtype=int32)
    >>> column_of_values((1, "a")).numbers
    array([ 1., nan])
    """
    kinds = set(map(type, values))
    if kinds <= _NUMBERS:
        return _numbers(values, kinds)
    if not kinds <= {*_NUMBERS, str, type(None)}:
        values = [feature_value(value) for value in values]
        kinds = set(map(type, values))
        if Vector in kinds:
            return column_of_vectors(values)
    if not kinds & _TEXTS:
        return _numbers([np.nan if value is None else value for value in values], kinds)
    if len(kinds) == 1:
        codes, labels = _categories(values)
        return Column(codes=codes, labels=labels)
    codes, labels = _categories([value if value.__class__ in _TEXTS else None for value in values])
    if kinds & _NUMBERS:
        plain = [value if value.__class__ in _NUMBERS else np.nan for value in values]
        return Column(_numbers(plain, kinds).astype(np.float64), codes, labels)
    return Column(codes=codes, labels=labels)


def column_of_clean(values: Sequence[Any]) -> NDArray[Any] | Column:
    """Turn n values that :func:`~.row.clean` gave into a column, as :func:`column_of_values` does.

    Where the first is a float most are: an array takes numbers only, so that they need not be looked at twice.

    >>> column_of_clean((1.5, True, 2)), column_of_clean((1.5, "2")).labels
    (array([1.5, 1. , 2. ]), ('2',))
    """
    if values[0].__class__ is float:
        try:
            return np.frombuffer(array("d", values))
        except TypeError:  # a text, or None
            pass
    return column_of_values(values)


def _numbers(values: Sequence[Any], kinds: set[type]) -> NDArray[Any]:
    if kinds == {bool}:
        return np.array(values, np.bool_)
    try:
        return np.array(values, np.float64)
    except OverflowError:  # a whole number beyond 1e308
        return np.array([clean_value(value) for value in values], np.float64)


def _categories(values: Sequence[Any]) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    index: defaultdict[Any, int] = defaultdict(count().__next__)  # a new text gets the next code: one pass
    if None in values:
        index[None] = -1
    codes = np.fromiter(map(index.__getitem__, values), np.int32, len(values))
    return codes, tuple(label.label() if label.__class__ is Document else label for label in index if label is not None)
