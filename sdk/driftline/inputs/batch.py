"""n rows at once, and how Python values become a column."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftline.loss_counters import TOO_LARGE
from driftline.tables.table import Column

from .large import Document, Vector, column_of_vectors
from .row import TEXT_LIMIT, clean_value, feature_value

Columns = dict[str, NDArray[Any] | Column]
"""Name → numbers or booleans (n,), or a Column where there are texts or missing values of any kind."""

Wanted = Callable[[str], bool]
"""Says whether a column of that name is read."""

_NUMBERS = frozenset((float, int, bool))
_TEXTS = frozenset((str, Document))
_PLAIN = frozenset((*_NUMBERS, str, type(None)))
_VALUE_BYTES = 64


MOST_BYTES = 24 * 2**20
"""Bytes of one snapshot: with it in the buffer of 32 MiB, other rows still have room."""


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """An input whose features cannot be recorded. ``reason``: one of :mod:`driftline.loss_counters`; ``fix``: what to
    do.

    ``rows``: how many it has, where that is known; None = one, or who knows.
    """

    reason: str
    fix: str = ""
    rows: int | None = None


class Batch:
    """n rows as they were given, without a copy; :meth:`kept` is their snapshot.

    ``count``: n; ``cost``: bytes that a snapshot holds, about.
    """

    count: int
    cost: int

    def kept(self) -> Batch | Unrecorded:
        """Return the snapshot, which no later change reaches, unless it is larger than ``MOST_BYTES``."""
        if self.cost > MOST_BYTES:
            return self._too_large()
        kept = self.snapshot()
        return kept if kept.cost <= MOST_BYTES else kept._too_large()

    def _too_large(self) -> Unrecorded:
        room = max(1, self.count * MOST_BYTES // self.cost)
        fix = f"of a call at most {MOST_BYTES >> 20} MiB of features are recorded; predict {room:,} rows at a time"
        return Unrecorded(TOO_LARGE, fix, self.count)

    def snapshot(self) -> Batch:
        """Return a copy; itself where nobody can change it."""
        raise NotImplementedError

    def names(self) -> tuple[str, ...] | None:
        """Return the feature names, or None where the input has none."""
        raise NotImplementedError

    def width(self) -> int:
        """Return the number of columns."""
        raise NotImplementedError

    def values(self, at: int) -> Any:
        """Return one column as it is held: :func:`~.column.read_column` reads it."""
        raise NotImplementedError

    def columns(self, names: tuple[str, ...], wanted: Wanted) -> Columns:
        """Read the columns that are wanted, on the background thread; ``names`` are theirs, in order.

        ``wanted``: is asked once per column, in order.
        """
        from .column import read_column

        return {name: read_column(self.values(at)) for at, name in enumerate(names) if wanted(name)}


class Featureless(Batch):
    """n rows of which nothing is known but that they were predicted."""

    def __init__(self, rows: int) -> None:
        self.count = rows
        self.cost = 0

    def snapshot(self) -> Batch:
        return self

    def names(self) -> tuple[str, ...] | None:
        return ()

    def width(self) -> int:
        return 0


def tamed(values: list[Any]) -> tuple[list[Any], int]:
    """Return n values, each a plain, small and immutable one, and the bytes that they take, about.

    What holds plain ones is returned as it is: 30 ns a value.
    """
    if values and _few_characters(values):
        return values, _VALUE_BYTES * len(values)
    kinds = set(map(type, values))
    plain = kinds <= _PLAIN
    if plain and str in kinds:
        texts = values if len(kinds) == 1 else [value for value in values if value.__class__ is str]
        plain = max(map(len, texts)) <= TEXT_LIMIT
    if plain:
        return values, _VALUE_BYTES * len(values)
    values = [feature_value(value) for value in values]
    return values, sum(getattr(value, "cost", _VALUE_BYTES) for value in values)


def _few_characters(values: list[Any]) -> bool:
    """Say whether all are texts, together no longer than what counts for them: 3 ns each, and 30 by type and length.

    One among them may be long. That is found where labels are read, as in the texts of Arrow.
    """
    some = (values[0], values[len(values) // 2], values[-1])  # to join documents would copy them
    if not all(value.__class__ is str and len(value) <= TEXT_LIMIT for value in some):
        return False
    try:
        return len("".join(values)) <= _VALUE_BYTES * len(values)
    except TypeError:  # one is no text
        return False


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
