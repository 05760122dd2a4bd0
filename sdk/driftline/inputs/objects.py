"""Mappings, and objects with declared fields (dataclasses, pydantic models, named tuples): one row each.

Mappings are dict and all others (TypedDict, MappingProxyType, a request's parameters).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.loss_counters import TOO_LARGE

from .batch import Batch, Unrecorded
from .column import values_of
from .row import LONGEST_ROW, MOST_VALUES, Row

if TYPE_CHECKING:
    from .batch import Reader

_CELL = 64  # approximate bytes per value of a column
NO_COLUMNS = frozenset((float, int, str, bool, type(None)))
"""Most types of a value. If the first value of a row has one of them, the row is not a mapping of columns."""


def reader(kind: type) -> Reader | None:
    """Return a reader of the type's fields, if it declares any.

    For a pydantic model that allows extra fields, these are features too. Computed fields are not, because they were
    not part of the input, and the caller would wait for their code.
    """
    names = fields(kind)
    get = _values(names)
    if isinstance(getattr(kind, "model_fields", None), dict) and hasattr(kind, "model_extra"):
        return _with_extra(names, get)
    return (lambda value: (names, get(value))) if names else None


def _values(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """Return the function that reads the values of an object's fields."""
    if not names:
        return lambda _: ()
    get = attrgetter(*names)
    return get if len(names) > 1 else lambda value: (get(value),)


def _with_extra(names: tuple[str, ...], get: Callable[[Any], tuple[Any, ...]]) -> Reader:
    def read(value: Any) -> Row | Unrecorded:
        extra = value.model_extra
        if not extra:
            return names, get(value)
        if len(names) + len(extra) > MOST_VALUES:
            return Unrecorded(TOO_LARGE, LONGEST_ROW)
        return (*names, *extra), (*get(value), *extra.values())

    return read


def fields(kind: type) -> tuple[str, ...]:
    """Return the declared field names of a type; () if there are none."""
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    declared: Any = getattr(kind, "model_fields", None)  # pydantic
    if isinstance(declared, dict):
        return tuple(declared)
    declared = getattr(kind, "_fields", None)  # a named tuple
    if isinstance(declared, tuple) and issubclass(kind, tuple):
        return declared
    declared = getattr(kind, "__struct_fields__", None)  # msgspec
    if isinstance(declared, tuple):
        return declared
    declared = getattr(kind, "__attrs_attrs__", None)
    if declared is not None:
        return tuple(field.name for field in declared)
    return ()


def mapping_reader(kind: type) -> Reader | None:
    """Return the reader if the type is a mapping."""
    return read_mapping if issubclass(kind, Mapping) else None


def read_mapping(value: Mapping[str, Any]) -> Row | Batch | Unrecorded:
    """Read a mapping as one row; a mapping of equally long columns is a batch if its result has a value per row."""
    if len(value) > MOST_VALUES:
        return Unrecorded(TOO_LARGE, LONGEST_ROW)
    names, values = tuple(value), tuple(value.values())
    if not are_columns(values):
        return names, values
    return MappedColumns(names, values)


def are_columns(values: tuple[Any, ...], has_vector_rows: bool = False) -> bool:
    """Return True for columns of one length: lists, arrays, Series, or mappings with equal keys, as pandas writes JSON.

    ``has_vector_rows``: whether lists of numbers are known to be vectors.

    >>> are_columns(([30, 40], ["NO", "SE"])), are_columns(([0.5, 0.25], 3)), are_columns(({"0": 30}, {"0": "NO"}))
    (True, False, True)
    """
    if not values:
        return False
    first = values[0]
    if isinstance(first, Mapping):
        # one nested object, such as {"user": {"id": 7}}, is not a column; pandas numbers its rows
        if len(first) < 2 and not all(str(key).isdigit() for key in first):
            return False
        return bool(first) and all(isinstance(one, Mapping) and one.keys() == first.keys() for one in values)
    if not _is_column(first) or not len(first):
        return False
    if has_vector_rows and isinstance(first, list | tuple | np.ndarray) and isinstance(first[0], float):
        return False
    return all(_is_column(one) and len(one) == len(first) for one in values)


def _is_column(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return True
    is_column = value.ndim == 1 if hasattr(value, "ndim") else hasattr(value, "to_list") or hasattr(value, "to_pylist")
    return is_column and str(getattr(value, "device", "cpu")).startswith("cpu")


class MappedColumns(Batch):
    """A copy of columns: n rows, or one row with a vector per feature, whichever fits the result."""

    def __init__(self, names: tuple[Any, ...], values: tuple[Any, ...]) -> None:
        columns = tuple(map(_copy_column, values))
        self.count = len(columns[0])
        self.cost = _CELL * self.count * len(columns)
        self._names, self._columns = names, columns
        self.row = names, columns

    def names(self) -> tuple[str, ...] | None:
        """Return the keys of the mapping."""
        return tuple(map(str, self._names))

    def snapshot(self, id_field: str | None = None) -> Batch:
        """Return columns of one row as a batch; the result decides about others."""
        return self.as_batch(id_field) if self.count == 1 else self

    def as_batch(self, id_field: str | None = None) -> Batch:
        """Return the columns as n rows."""
        from .array import Lists

        return Lists(list(self._columns), self.count, self.names(), id_field)


def _copy_column(column: Any) -> Any:
    if isinstance(column, np.ndarray):
        return column.copy() if column.dtype.kind in "fiubmM" else column.tolist()
    return list(column.values()) if isinstance(column, Mapping) else values_of(column)
