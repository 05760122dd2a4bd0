"""One row: names and plain values, both tuples."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any, SupportsFloat

import numpy as np

from driftline.loss_counters import UNSUPPORTED_VALUE, UNUSABLE
from driftline.tables.ids import id_text
from driftline.tables.text import sendable
from driftline.tables.timestamps import seconds_of

from .texts_and_vectors import LARGE, TEXT_LIMIT, Document, Vector, short_text, vector_of
from .vocabulary import LOOKED_AT

MOST_VALUES = 100_000
"""Maximum values of one row; a larger one is an image or a document, not features."""
LONGEST_ROW = f"a row has at most {MOST_VALUES:,} features"

SCALARS = (bool, int, float, str, type(None), np.generic, Decimal, Fraction)

_MOST_BYTES = 4 * LOOKED_AT
_INT64 = range(-(2**63), 2**63)
_SMALL = frozenset((float, bool, type(None)))
_EASY = frozenset((float, int, str, bool, type(None)))
"""Types of which every value can be recorded."""
_LARGE = frozenset(LARGE)
_TIMES = (date, time, timedelta, np.datetime64, np.timedelta64)

Row = tuple[tuple[str, ...] | None, tuple[Any, ...]]
"""One row of features: names, None if the input has none (an array, a list of numbers), and values.

A reader returns the values as they are given, because the row may contain its id; :func:`clean` makes features of them.

A plain tuple, because a named tuple costs 0.3 µs, a tenth of the budget of a snapshot.
"""


class Sparse(tuple[Any, ...]):
    """The values of a row with possibly missing values; a plain tuple has none missing."""

    __slots__ = ()


class Large(Sparse):
    """The values of a row with documents or vectors.

    Attributes:
        cost: Approximate size of these in bytes.
    """

    cost: int


class Unusable(Large):
    """The values of a row with values that cannot be recorded, which are missing.

    Attributes:
        kinds: Position of a value → name of its type.
    """

    kinds: dict[int, str]


def row_of(values: Iterable[Any]) -> Sparse:
    """Return clean values as a row, with the size of its documents and vectors."""
    row = Sparse(values)
    if _LARGE.isdisjoint(map(type, row)):
        return row
    large = Large(row)
    large.cost = _cost_within(row)
    return large


def _cost_within(values: tuple[Any, ...]) -> int:
    return sum(value.cost for value in values if value.__class__ is Document or value.__class__ is Vector)


def cost_of(values: tuple[Any, ...] | None) -> int:
    """Return the approximate bytes of the documents and vectors of a row."""
    return values.cost if isinstance(values, Large) else 0


def clean(values: tuple[Any, ...], id_index: int | None = None) -> tuple[Any, ...]:
    """Return the values as plain, small and immutable values: float, int, bool, str, or None if missing.

    Twenty plain values cost 0.5 µs; a row with anything else is copied to a ``Sparse``. A numpy scalar becomes its
    ``item()``; another kind of number (Decimal, Fraction) and an integer beyond int64 become a float, which may be
    infinite; a date, time or duration its :func:`seconds`; a text of more than ``TEXT_LIMIT`` characters a
    :class:`Document`; several numbers a :class:`Vector`. A value that cannot be recorded is missing, and a lone
    surrogate in a text becomes a question mark. An id is not a feature: the value at ``id_index`` becomes the
    text of the id, which would be lost with a UUID, or differ with an integer beyond int64.

    >>> clean((1, 2.5, "a", True, None, {"b": 2}, 10**400, [1, 2], "a" * 300))
    (1, 2.5, 'a', True, None, None, inf, <a vector of 2>, <a text of 300 characters>)
    """
    for value in values:
        kind = type(value)
        if kind is float:
            continue
        if kind is str:
            if len(value) > TEXT_LIMIT or (not value.isascii() and sendable(value) is not value):
                break
        elif kind is int:
            if value not in _INT64:
                break
        elif kind is not bool:
            break
    else:
        return values
    if id_index is not None:
        id = id_text(values[id_index]) or None
        values = (*values[:id_index], None, *values[id_index + 1 :])
    cleaned = [value if type(value) in _SMALL else feature_value(value) for value in values]
    kinds: dict[int, str] = {}
    if None in cleaned and not _EASY.issuperset(map(type, values)):
        unusable = ((at, unusable_kind(value)) for at, value in enumerate(values) if cleaned[at] is None)
        kinds = {at: name for at, name in unusable if name}
    if id_index is not None:
        cleaned[id_index] = id
    return unusable_row(cleaned, kinds) if kinds else row_of(cleaned)


def unusable_row(cleaned: Iterable[Any], kinds: dict[int, str]) -> Unusable:
    """Return clean values as a row with values that could not be recorded. ``kinds``: position → name of the type."""
    row = Unusable(cleaned)
    row.cost, row.kinds = _cost_within(row), kinds
    return row


def unusable_kind(value: Any) -> str:
    """Return the name of the type of a value that cannot be recorded; "" for a missing value.

    >>> unusable_kind({"b": 2}), unusable_kind(None), unusable_kind([])
    ('dict', '', '')
    """
    name = value.__class__.__name__
    return "" if value is None or name == "NAType" or (isinstance(value, list | tuple) and not value) else name


def feature_value(value: Any) -> Any:
    """Return one feature value as :func:`clean` does: a time becomes a number, but elsewhere a text."""
    if isinstance(value, _TIMES):
        return seconds(value)
    if isinstance(value, str | bytes):
        if len(value) <= TEXT_LIMIT:
            return clean_value(value)
        return Document(value if isinstance(value, str) else value[:_MOST_BYTES].decode("utf-8", "replace"))
    if isinstance(value, Document | Vector):
        return value
    if isinstance(value, list | tuple) or getattr(value, "ndim", None) == 1:
        vector = vector_of(value)
        if vector is None and len(value):
            UNUSABLE.add(UNSUPPORTED_VALUE)
        return vector
    return clean_value(value)


def slice_value(value: Any) -> Any:
    """Return the value of a feature as that of a slice: a long text is a category, and a vector is missing.

    >>> slice_value(1), len(slice_value(feature_value("a" * 300))), slice_value(feature_value([1.0, 2.0]))
    (1, 217, None)
    """
    if value.__class__ is Document:
        return short_text(value.category())
    return None if value.__class__ is Vector else value


def clean_value(value: Any) -> Any:
    """Return one value as a float, int, bool or str, or None if it cannot be recorded; see :func:`clean`."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()
    if type(value) in _SMALL:
        return value
    if isinstance(value, str):
        return sendable(short_text(str.__str__(value)))  # `str` of a text that is also an Enum is its name
    if isinstance(value, int):  # an IntEnum, too
        integer = int.__pos__(value)  # `in range` is immediate for an int, but iterates for other types
        return integer if integer in _INT64 else number(integer)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, bytes):
        return short_text(value[:_MOST_BYTES].decode("utf-8", "replace"))
    if isinstance(value, Enum):
        return clean_value(value.value)
    if hasattr(value, "isoformat"):  # a date or a time
        return str(value.isoformat())
    if hasattr(value, "__float__") and not hasattr(value, "__len__"):
        try:
            return number(value)
        except (TypeError, ValueError):
            pass
    if value.__class__.__name__ != "NAType":  # pandas.NA
        UNUSABLE.add(UNSUPPORTED_VALUE)
    return None


def seconds(value: Any) -> float:
    """Return a time as unix seconds (UTC without a time zone), a time of day or a duration as its seconds.

    The readers of frames and files do the same, so that a baseline and its service agree. NaT is NaN.

    >>> seconds(datetime(1970, 1, 1, 0, 1)), seconds(date(1970, 1, 2)), seconds(np.timedelta64(1500, "ms"))
    (60.0, 86400.0, 1.5)
    """
    if isinstance(value, np.datetime64 | np.timedelta64):
        return float(seconds_of(np.asarray(value)))
    if value != value:  # pandas' NaT is a datetime
        return math.nan
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, time):
        return value.hour * 3600 + value.minute * 60 + value.second + value.microsecond / 1e6
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    return float((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp())


def number(value: SupportsFloat) -> float:
    """Return a number as the nearest double; an integer outside the range of doubles is infinite.

    >>> number(10**400), number(-(10**400)), number(True)
    (inf, -inf, 1.0)
    """
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]  # what overflows can be compared


def read_scalar(value: Any) -> Row:
    """Return a number, text or missing value as a row of one; its feature has the name of the parameter."""
    return None, (value,)
