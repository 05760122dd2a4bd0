"""Lists and tuples: of numbers they are one row, of rows (dicts, objects, lists, arrays) they are a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .batch import Batch, Columns, column_of_clean, column_of_values
from .row import Row, clean, cost_of

if TYPE_CHECKING:
    from . import Reader

_CELL = 32  # bytes that one value of a row costs in a tuple, about


def reader(kind: type) -> Reader | None:
    """Return the reader of lists and tuples, if it is one."""
    return read if issubclass(kind, list | tuple) else None


def read(value: list[Any] | tuple[Any, ...]) -> Row | Batch | None:
    """Look at the first element: a row of its own makes it a batch, a scalar makes it a row."""
    from . import reader_for

    if not value:
        return Rows([])
    first = value[0]
    if isinstance(first, Mapping):
        names: Any = None
        rows: list[Row] = []
        for element in value:
            own = tuple(element)
            names = names if own == names else own  # one tuple per key set, not one per row
            rows.append((names, clean(tuple(element.values()))))
        return Rows(rows)
    if isinstance(first, list | tuple) or (isinstance(first, np.ndarray) and first.ndim == 1):
        return Rows([_row(element) for element in value])
    rows = []
    for element in value:
        row = reader_for(element.__class__)(element)
        if not isinstance(row, tuple):
            return None
        rows.append(row)
    if all(names is None and len(values) == 1 for names, values in rows):
        return None, tuple(values[0] for _, values in rows)
    return Rows(rows)


def _row(element: Any) -> Row:
    names = getattr(element, "_fields", None)
    values = element.tolist() if isinstance(element, np.ndarray) else element
    return names, clean(tuple(values))


class Rows(Batch):
    """Rows one by one; they need not have the same names."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.count = len(rows)
        self.cost = sum(_CELL * len(values) + cost_of(values) for _, values in rows) + 64 * len(rows)

    def names(self) -> tuple[str, ...] | None:
        """Return the names of the first row."""
        return self.rows[0][0] if self.rows else None

    def width(self) -> int:
        """Return the number of values of the first row."""
        return len(self.rows[0][1]) if self.rows else 0

    def columns(self, names: tuple[str, ...]) -> Columns:
        """Turn rows into columns; rows of other names are matched by name, and lack what they lack."""
        own = self.names()
        if all(names is own or names == own for names, _ in self.rows) and self._rectangular():
            columns = zip(*(values for _, values in self.rows), strict=True)
            return {name: column_of_clean(column) for name, column in zip(names, columns, strict=False)}
        return self._by_name(names)

    def _rectangular(self) -> bool:
        return len({len(values) for _, values in self.rows}) == 1

    def _by_name(self, names: tuple[str, ...]) -> Columns:
        columns: dict[str, list[Any]] = {}
        for position, (own, values) in enumerate(self.rows):
            for name, value in zip(own or names, values, strict=False):
                column = columns.get(str(name))
                if column is None:
                    column = columns[str(name)] = [None] * self.count
                column[position] = value
        return {name: column_of_values(column) for name, column in columns.items()}
