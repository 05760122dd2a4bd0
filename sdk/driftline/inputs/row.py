"""One row: names and plain values, both tuples."""

from __future__ import annotations

import math
from enum import Enum
from typing import Any, SupportsFloat

TEXT_LIMIT = 256
"""Characters kept of a text value; a feature longer than that is a document, and stays where it is."""

_INT64 = range(-(2**63), 2**63)
_SMALL = frozenset((float, bool, type(None)))

Row = tuple[tuple[str, ...] | None, tuple[Any, ...]]
"""One row of features: names, None where the input has none (an array, a list of numbers), and clean values.

A plain tuple: a named one costs 0.3 µs to make, a tenth of what the whole snapshot may.
"""


class Sparse(tuple[Any, ...]):
    """The values of a row of which some may be missing; in a plain tuple none is."""

    __slots__ = ()


def clean(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the values, each a plain, small and immutable one: float, int, bool, str, or None where it is missing.

    Twenty plain values cost 0.5 µs; a row that holds anything else is copied, into a ``Sparse``. A numpy scalar becomes
    what its ``item()`` gives; a number of another kind (Decimal, Fraction) and a whole number beyond int64 a float,
    which may be infinite; a text is cut at ``TEXT_LIMIT`` characters; what cannot be recorded is missing.

    >>> clean((1, 2.5, "a", True, None, [1, 2], 10**400))
    (1, 2.5, 'a', True, None, None, inf)
    """
    for value in values:
        kind = value.__class__
        if kind is float:
            continue
        if kind is str:
            if len(value) > TEXT_LIMIT:
                break
        elif kind is int:
            if value not in _INT64:
                break
        elif kind is not bool:
            break
    else:
        return values
    return Sparse([value if value.__class__ in _SMALL else clean_value(value) for value in values])


def clean_value(value: Any) -> Any:
    """Return one value as a float, int, bool or str, or None where it cannot be recorded; see :func:`clean`."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()
    if value.__class__ in _SMALL:
        return value
    if isinstance(value, str):
        return str(value)[:TEXT_LIMIT]
    if isinstance(value, int):  # an IntEnum, too
        return int(value) if value in _INT64 else number(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, bytes):
        return value[:TEXT_LIMIT].decode("utf-8", "replace")
    if isinstance(value, Enum):
        return clean_value(value.value)
    if hasattr(value, "isoformat"):  # a date or a time
        return str(value.isoformat())
    if hasattr(value, "__float__") and not hasattr(value, "__len__"):
        try:
            return number(value)
        except (TypeError, ValueError):
            return None
    return None


def number(value: SupportsFloat) -> float:
    """Return a number as the double that stands for it; a whole number beyond all doubles is infinite.

    >>> number(10**400), number(-(10**400)), number(True)
    (inf, -inf, 1.0)
    """
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]  # what overflows can be compared
