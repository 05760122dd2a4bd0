"""numpy arrays: one dimension is a row, two are a batch of rows."""

from __future__ import annotations

from sys import getsizeof
from typing import TYPE_CHECKING, Any

import numpy as np

from .batch import Batch, Columns, column_of_values
from .row import Row, clean

if TYPE_CHECKING:
    from . import Reader

NUMERIC = "fiub"


def reader(kind: type) -> Reader | None:
    """Return the reader of arrays, if it is one."""
    return read if issubclass(kind, np.ndarray) else None


def read(value: np.ndarray[Any, Any]) -> Row | Batch | None:
    """Copy the values; 1,000 rows of 20 doubles cost 2 µs."""
    if value.dtype.names is not None:
        return _structured(value)
    if value.ndim == 2:
        return Matrix(value.copy()) if value.dtype.kind in "fiubOUS" else None
    if value.ndim == 1:
        return None, clean(tuple(value if value.dtype.kind in "mM" else value.tolist()))
    if value.ndim == 0:
        return None, clean((value.item(),))
    return None


class Matrix(Batch):
    """A copy of a 2-D array: a row per prediction, a column per feature."""

    def __init__(self, values: np.ndarray[Any, Any]) -> None:
        self.values = values
        self.count = len(values)
        self.cost = values.nbytes + (sum(map(getsizeof, values.flat)) if values.dtype.kind == "O" else 0)

    def names(self) -> tuple[str, ...] | None:
        """An array names nothing."""
        return None

    def width(self) -> int:
        """Return the number of columns."""
        return int(self.values.shape[1])

    def columns(self, names: tuple[str, ...]) -> Columns:
        """Split by column; object and text columns are read value by value."""
        if self.values.dtype.kind in NUMERIC:
            columns = np.ascontiguousarray(self.values.T)  # at once: 12 µs for 1,000 rows of 20; column by column 18
            return {name: columns[i] for i, name in enumerate(names)}
        return {name: column_of_values(self.values[:, i].tolist()) for i, name in enumerate(names)}


def _structured(value: np.ndarray[Any, Any]) -> Row | Batch | None:
    names = value.dtype.names
    if names is None or value.ndim > 1:
        return None
    if value.ndim == 0:
        return tuple(names), clean(tuple(value.item()))
    return _Structured(value.copy())


class _Structured(Batch):
    """A copy of a 1-D structured array: a field per feature."""

    def __init__(self, values: np.ndarray[Any, Any]) -> None:
        self.values = values
        self.count = len(values)
        self.cost = values.nbytes

    def names(self) -> tuple[str, ...] | None:
        names = self.values.dtype.names
        return None if names is None else tuple(names)

    def width(self) -> int:
        return len(self.values.dtype.names or ())

    def columns(self, names: tuple[str, ...]) -> Columns:
        fields = {name: self.values[own] for name, own in zip(names, self.values.dtype.names or (), strict=True)}
        return {
            name: field if field.ndim == 1 and field.dtype.kind in NUMERIC else column_of_values(field.tolist())
            for name, field in fields.items()
        }
