"""Numbers with names: a mapping from class to score, one per row, or a frame or Series whose labels are the classes.

The names decide the order, not the position: ``{"yes": 0.7, "no": 0.3}`` and a frame with the columns yes and no are
the scores of the classes ("no", "yes").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftline.tables.classes import class_text
from driftline.tables.table import F64

MOST_NAMES = 10_000
_NUMBERS = (int, float, np.number, Decimal, Fraction)
_COLUMNS = (list, tuple, np.ndarray)


@dataclass(frozen=True, slots=True, eq=False)
class NamedScores:
    """A snapshot of numbers with names.

    Attributes:
        names: Name of each column: keys of the mappings, or labels of the frame or Series.
        values: Numbers (n, k), or (k,) for a single mapping; NaN if a row has no number of that name.
        has_all: False if some rows lack a name.
        is_ordered: True if the position has a meaning without the names, as in a frame.
        description: The ``UnreadResult`` that describes the result, for messages.
    """

    names: Sequence[Any]
    values: NDArray[Any]
    has_all: bool
    is_ordered: bool
    description: Any

    def by_class(self, classes: tuple[str, ...]) -> NDArray[Any] | None:
        """Return the numbers with one column per class, in the order of the classes; None if the names are others.

        One of two classes is enough: the other one has the rest.

        >>> scores = of_mapping({"yes": 0.75}, None)
        >>> scores.by_class(("no", "yes")), scores.by_class(("0", "1"))
        (array([0.25, 0.75]), None)
        """
        if len(self.names) > len(classes):
            return None
        columns = dict(zip(map(class_text, self.names), self.values.T, strict=True))
        if columns.keys() == {*classes} and self.has_all:
            return np.stack([columns[name] for name in classes], axis=-1)
        if len(classes) != 2 or not columns.keys() <= {*classes} or self.is_ordered:
            return None
        nothing = np.full_like(self.values.T[0], np.nan)
        first, second = (columns.get(name, nothing) for name in classes)
        scores = np.stack([np.where(np.isnan(first), 1 - second, first), np.where(np.isnan(second), 1 - first, second)])
        return None if ((scores < 0) | (scores > 1)).any() else scores.T


def of_mapping(mapping: Mapping[Any, Any], description: Any) -> NamedScores | None:
    """Return a mapping of numbers, or of columns with one number per row; None for any other mapping."""
    if not 0 < len(mapping) <= MOST_NAMES:
        return None
    values = list(mapping.values())
    if isinstance(values[0], _NUMBERS):
        rows = _numbers([values])
        return None if rows is None else NamedScores(tuple(mapping), rows[0], True, False, description)
    if not all(isinstance(value, _COLUMNS) and len(value) == len(values[0]) for value in values):
        return None
    columns = _numbers(values)
    return None if columns is None else NamedScores(tuple(mapping), columns.T, True, False, description)


def of_mappings(rows: Sequence[Mapping[Any, Any]], description: Any) -> NamedScores | None:
    """Return mappings of numbers, one per row; None for any other mappings."""
    if not all(isinstance(value, _NUMBERS) for value in rows[0].values()):
        return None
    has_all = all(row.keys() == rows[0].keys() for row in rows)
    names = tuple(rows[0]) if has_all else tuple(dict.fromkeys(name for row in rows for name in row))
    if not 0 < len(names) <= MOST_NAMES or (not has_all and len(names) > 2):
        return None
    values = _numbers([[row.get(name, np.nan) for name in names] for row in rows])
    return None if values is None else NamedScores(names, values, has_all, False, description)


def of_rows(rows: Sequence[NamedScores], description: Any) -> NamedScores | None:
    """Return numbers with names of single rows, such as one Series per row, as those of n rows; None for others."""
    if any(row.values.ndim != 1 for row in rows):
        return None
    mappings = [dict(zip(row.names, row.values.tolist(), strict=True)) for row in rows]
    named = of_mappings(mappings, description)
    return named and replace(named, is_ordered=named.has_all and rows[0].is_ordered)


def _numbers(values: Sequence[Any]) -> F64 | None:
    """Return numbers as float64 (n, k); None if some are not numbers, or if the rows have different lengths."""
    try:
        array = np.array(values)
    except ValueError:
        return None
    has_numbers = array.dtype.kind in "fiu" or (
        array.dtype.kind == "O" and array.ndim == 2 and all(isinstance(value, _NUMBERS) for value in array.flat)
    )
    return array.astype(np.float64) if array.ndim == 2 and has_numbers else None
