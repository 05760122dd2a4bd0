"""numpy arrays: one dimension is a row, two dimensions are a batch of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.loss_counters import TOO_LARGE, UNSUPPORTED_INPUT

from .batch import Batch, FeatureTest, Unrecorded
from .row import LONGEST_ROW, MOST_VALUES, Row
from .values import Columns, tamed

if TYPE_CHECKING:
    from .batch import Reader

_NUMERIC = "fiub"
_READABLE = "fiubmMOUS"


def reader(kind: type) -> Reader | None:
    """Return the reader if the type is an array."""
    return read if issubclass(kind, np.ndarray) else None


def read(value: np.ndarray[Any, Any]) -> Row | Batch | Unrecorded:
    """Read a row, or a batch of rows, by the number of dimensions."""
    if value.dtype.names is not None:
        return _structured(value)
    if value.dtype.kind not in _READABLE or value.ndim > 2:
        return Unrecorded(UNSUPPORTED_INPUT, rows=len(value) if value.ndim > 1 else None, is_row=value.ndim > 2)
    return Matrix(value) if value.ndim == 2 else row_of_array(value)


def row_of_array(value: np.ndarray[Any, Any]) -> Row | Unrecorded:
    """Return the values of a 1-D array, or of an array with a single value, as a row without names."""
    if value.size > MOST_VALUES:
        return Unrecorded(TOO_LARGE, LONGEST_ROW)
    if isinstance(value, np.ma.MaskedArray) or value.dtype.kind not in "mM":
        return None, tuple(value.tolist()) if value.ndim else (value.item(),)
    return None, tuple(value.reshape(-1))


class Matrix(Batch):
    """A 2-D array: a row per prediction, a column per feature."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array = array if isinstance(array, np.ma.MaskedArray) else np.asarray(array)  # a matrix has no columns
        self.count = len(array)
        self.cost = array.nbytes

    def snapshot(self, id_field: str | None = None) -> Batch:  # noqa: ARG002 - its columns have no names
        """Copy the values: 1,000 rows of 20 doubles cost 2 µs."""
        if self.array.dtype.kind == "O":
            return Lists([np.asarray(column).tolist() for column in self.array.T], self.count)
        return Matrix(self.array.copy())

    def width(self) -> int:
        """Return the number of columns."""
        return int(self.array.shape[1])

    def values(self, at: int) -> Any:
        """Return a column, which is a view."""
        return self.array[:, at]

    def columns(self, names: tuple[str, ...], is_feature: FeatureTest) -> Columns:
        """Split into columns; numbers in one step: 12 µs for 1,000 rows of 20, instead of 18 µs."""
        if self.array.dtype.kind in _NUMERIC and not isinstance(self.array, np.ma.MaskedArray):
            columns = np.ascontiguousarray(np.asarray(self.array).T)
            return {name: columns[index] for index, name in enumerate(names) if is_feature(name)}
        return super().columns(names, is_feature)


class Lists(Batch):
    """Columns of plain Python values, or of numbers in an array: the snapshot of arrays of objects."""

    def __init__(
        self, columns: list[Any], rows: int, names: tuple[str, ...] | None = None, id_field: str | None = None
    ) -> None:
        own_names = names or [""] * len(columns)
        tame_columns = [
            (one, one.nbytes) if isinstance(one, np.ndarray) else tamed(one, name == id_field)
            for name, one in zip(own_names, columns, strict=True)
        ]
        self._columns = [column for column, _ in tame_columns]
        self._names = names
        self.count = rows
        self.cost = sum(cost for _, cost in tame_columns)

    def names(self) -> tuple[str, ...] | None:
        """Return the given names."""
        return self._names

    def width(self) -> int:
        """Return the number of columns."""
        return len(self._columns)

    def values(self, at: int) -> Any:
        """Return a column, a list."""
        return self._columns[at]


def texts_as_rows(row: Row, names: tuple[str, ...] | None) -> Batch:
    """Return n texts without names as n rows of one text, if the result has a value for each; else they are one row.

    Args:
        row: The texts as one row.
        names: Name of the feature of n rows.
    """
    batch = Lists([list(row[1])], len(row[1]), names)
    batch.row = row
    return batch


def _structured(value: np.ndarray[Any, Any]) -> Row | Batch | Unrecorded:
    names = tuple(value.dtype.names or ())
    if value.ndim > 1:
        return Unrecorded(UNSUPPORTED_INPUT, rows=len(value), is_row=value.ndim > 2)
    return (names, tuple(value.item())) if value.ndim == 0 else Structured(value)


class Structured(Batch):
    """A 1-D structured array: a field per feature."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array = array
        self.count = len(array)
        self.cost = array.nbytes

    def snapshot(self, id_field: str | None = None) -> Batch:
        """Copy the values."""
        if self.array.dtype.hasobject:
            names = self.names() or ()
            return Lists([self.array[name].tolist() for name in names], self.count, names, id_field)
        return Structured(self.array.copy())

    def names(self) -> tuple[str, ...] | None:
        """Return the names of the fields."""
        return tuple(self.array.dtype.names or ())

    def values(self, at: int) -> Any:
        """Return a field; a field of arrays as a list of its arrays."""
        field = self.array[(self.array.dtype.names or ())[at]]
        return field if field.ndim == 1 else field.tolist()
