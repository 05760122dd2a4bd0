"""Lists and tuples: of numbers, they are one row; of rows (dicts, objects, lists, arrays), they are a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.faults import FAULTS
from driftline.loss_counters import TOO_LARGE, UNSUPPORTED_INPUT, UNSUPPORTED_VALUE, UNUSABLE

from .batch import MOST_BYTES, Batch, FeatureTest, Unrecorded
from .row import LONGEST_ROW, MOST_VALUES, SCALARS, Row, Unusable, clean, cost_of
from .values import Columns, column_of_clean, column_of_values

if TYPE_CHECKING:
    from .batch import Reader

_CELL = 32  # approximate bytes per value in a tuple
_ROW = 64
_NOTHING: Row = ((), ())


def reader(kind: type, reader_for: Callable[[type], Reader]) -> Reader | None:
    """Return the reader if the type is a list or tuple.

    Args:
        kind: Type of the input.
        reader_for: Returns the reader of an element's type.
    """
    return partial(_read, reader_for) if issubclass(kind, list | tuple) else None


def _read(reader_for: Callable[[type], Reader], value: list[Any] | tuple[Any, ...]) -> Row | Batch | Unrecorded:
    """Read a batch if the first element is a row, or a row if it is a scalar.

    Rows are copied when they are read. An element of a batch that is not a row is a row without features, and is
    counted.
    """
    if not value:
        return Rows([])
    first = value[0]
    if isinstance(first, SCALARS):
        if len(value) > MOST_VALUES:
            return Unrecorded(TOO_LARGE, LONGEST_ROW)
        return None, tuple(value)
    if (room := _room(first, len(value))) < len(value):
        return Unrecorded(TOO_LARGE, f"predict {room:,} rows at a time", len(value))
    if isinstance(first, Mapping):
        return Rows(_mappings(value))
    if isinstance(first, list | tuple) or (isinstance(first, np.ndarray) and first.ndim == 1):
        return Rows([_row(element) for element in value])
    rows: list[Row] = []
    for element in value:
        try:
            row = reader_for(element.__class__)(element)
        except Exception as fault:
            row = _no_row(fault)
        if not isinstance(row, tuple):
            if not rows:
                return Unrecorded(UNSUPPORTED_INPUT, rows=len(value))
            row = _no_row()
        rows.append(row)
    if all(names is None and len(values) == 1 for names, values in rows):
        return None, tuple(values[0] for _, values in rows)
    return Rows(rows)


def _room(first: Any, rows: int) -> int:
    """Return the maximum number of rows as wide as the first."""
    width = len(first) if hasattr(first, "__len__") else 1
    return (
        rows
        if width <= MOST_VALUES and rows * (_ROW + _CELL * width) <= MOST_BYTES
        else max(1, MOST_BYTES // (_ROW + _CELL * width))
    )


def _mappings(value: list[Any] | tuple[Any, ...]) -> list[Row]:
    names: Any = None
    rows: list[Row] = []
    for element in value:
        if not isinstance(element, Mapping):
            rows.append(_no_row())
            continue
        try:
            element_keys = tuple(element)
            names = names if element_keys == names else element_keys  # one tuple per key set, not one per row
            rows.append((names, tuple(element.values())))
        except Exception as fault:  # the other rows are valid
            rows.append(_no_row(fault))
    return rows


def _row(element: Any) -> Row:
    try:
        if isinstance(element, np.ndarray) and element.ndim == 1:
            return None, tuple(element.tolist())
        if isinstance(element, list | tuple):
            return getattr(element, "_fields", None), tuple(element)
    except Exception as fault:
        return _no_row(fault)
    return _no_row()


def _no_row(fault: Exception | None = None) -> Row:
    if fault is not None:
        FAULTS.swallow("row", fault)
    UNUSABLE.add(UNSUPPORTED_VALUE)
    return _NOTHING


class Rows(Batch):
    """Copied rows; their names can differ. An element that is not a row is a row without features.

    The values of a snapshot are clean.
    """

    def __init__(self, rows: list[Row], cost: int | None = None) -> None:
        self.rows = rows
        self.count = len(rows)
        self.cost = sum(_CELL * len(values) for _, values in rows) + _ROW * len(rows) if cost is None else cost

    def snapshot(self, id_field: str | None = None) -> Batch:
        """Clean the values, which are copied already."""
        rows: list[Row] = []
        last_names: Any = ()
        id_index: int | None = None
        for row in self.rows:
            if row is _NOTHING:
                rows.append(row)
                continue
            names, values = row
            if names is not last_names:
                last_names = names
                id_index = None if names is None or id_field not in names else names.index(id_field)
            try:
                rows.append((names, clean(values, id_index)))
            except Exception as fault:  # the other rows are valid
                rows.append(_no_row(fault))
        return Rows(rows, self.cost + sum(cost_of(values) for _, values in rows))

    def names(self) -> tuple[str, ...] | None:
        """Return the names of the first row, then further names of later rows; None if no row has names."""
        first = self.rows[0][0] if self.rows else None
        if all(names is first for names, _ in self.rows):
            return first
        all_names = dict.fromkeys(name for names, _ in self.rows for name in names or ())
        return tuple(all_names) if all_names or first is not None else None

    def width(self) -> int:
        """Return the number of values of the longest row."""
        return max((len(values) for _, values in self.rows), default=0)

    def values(self, at: int) -> Any:
        """Return a column as a list of values, None if a row lacks it."""
        names = self.names()
        if names is None:
            return [values[at] if at < len(values) else None for _, values in self.rows]
        name = names[at]
        positions = (
            row_names.index(name) if row_names is not None and name in row_names else -1 for row_names, _ in self.rows
        )
        return [row[1][place] if place >= 0 else None for place, row in zip(positions, self.rows, strict=True)]

    def strangers(self) -> int:
        """Return the number of elements that are not rows."""
        return sum(row is _NOTHING for row in self.rows)

    def unusable(self, names: tuple[str, ...]) -> dict[str, str]:
        """Return the columns with values that cannot be recorded, from the rows that have any."""
        rows = ((row_names or names, row) for row_names, row in self.rows if isinstance(row, Unusable))
        return {row_names[at]: kind for row_names, row in rows for at, kind in row.kinds.items()}

    def columns(self, names: tuple[str, ...], is_feature: FeatureTest) -> Columns:
        """Convert rows to columns; rows with other names are matched by name, with missing values."""
        first_names = self.rows[0][0] if self.rows else None
        if all(names is first_names or names == first_names for names, _ in self.rows) and self._rectangular():
            columns = zip(*(values for _, values in self.rows), strict=True)
            chosen = ((name, column) for name, column in zip(names, columns, strict=False) if is_feature(name))
            return {name: column_of_clean(column) for name, column in chosen}
        return self._by_name(names, is_feature)

    def _rectangular(self) -> bool:
        return len({len(values) for _, values in self.rows}) == 1

    def _by_name(self, names: tuple[str, ...], is_feature: FeatureTest) -> Columns:
        columns: dict[str, list[Any]] = {name: [None] * self.count for name in names if is_feature(name)}
        for position, (row_names, values) in enumerate(self.rows):
            for name, value in zip(row_names or names, values, strict=False):
                column = columns.get(name)
                if column is not None:
                    column[position] = value
        return {name: column_of_values(column) for name, column in columns.items()}
