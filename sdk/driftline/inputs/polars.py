"""polars: a DataFrame is a batch, a Series is a row. polars itself is never imported.

A LazyFrame is not collected, because that could take minutes and twice the memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from driftline.loss_counters import NOT_COLLECTED, TOO_LARGE
from driftline.tables.table import Column

from .batch import Batch, FeatureTest, Unrecorded
from .row import LONGEST_ROW, MOST_VALUES, Row
from .values import Columns, column_of_array, column_of_values, name_in, unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

    from .batch import Reader

_NESTED = ("Struct",)
_BY_VALUE = (
    "List",
    "Array",
    "String",
    "Categorical",
    "Enum",
    "Time",
    "Decimal",
    "Object",
    "Binary",
    "Utf8",
    "Null",
    "Unknown",
)


def reader(kind: type) -> Reader | None:
    """Return the reader if the type is a DataFrame, a Series or a LazyFrame."""
    readers: dict[str, Reader] = {"DataFrame": PolarsFrame, "Series": read_series, "LazyFrame": _lazy}
    return readers.get(name_in(kind, "polars", *readers))


def column_reader(kind: type) -> Callable[[Any], NDArray[Any] | Column] | None:
    """Return the reader of a column if the type is a Series."""
    return series_column if name_in(kind, "polars", "Series") else None


def read_series(value: Any) -> Row | Unrecorded:
    """Read a Series as one row without names."""
    if len(value) > MOST_VALUES:
        return Unrecorded(TOO_LARGE, LONGEST_ROW)
    return None, tuple(value.to_list())


def _lazy(value: Any) -> Unrecorded:  # noqa: ARG001 - every reader has this signature
    return Unrecorded(NOT_COLLECTED, "a LazyFrame is not collected; pass a DataFrame to the function")


class PolarsFrame(Batch):
    """A polars DataFrame: a row per prediction, a column per feature. Its columns cannot be changed in place."""

    def __init__(self, frame: Any) -> None:
        self.frame = frame
        self.count = int(frame.height)
        self.cost = int(frame.estimated_size())

    def snapshot(self, id_field: str | None = None) -> Batch:  # noqa: ARG002 - its columns stay as they are
        """Share the columns, 0.5 µs: later changes of the frame create new columns."""
        return PolarsFrame(self.frame.clone())

    def names(self) -> tuple[str, ...] | None:
        """Return the column names."""
        return tuple(self.frame.columns)

    def values(self, at: int) -> Any:
        """Return a column, a Series."""
        return self.frame.to_series(at)

    def columns(self, names: tuple[str, ...], is_feature: FeatureTest) -> Columns:
        """Read the columns for which ``is_feature`` is true."""
        return {
            name: series_column(self.frame.to_series(index)) for index, name in enumerate(names) if is_feature(name)
        }


def series_column(series: Any) -> NDArray[Any] | Column:
    """Return a Series as numbers or a Column."""
    kind = type(series.dtype).__name__ if not isinstance(series.dtype, type) else series.dtype.__name__
    if kind in _NESTED:
        return unsupported(len(series), int(series.null_count()))
    if kind in _BY_VALUE:
        return column_of_values(series.to_list())
    values = series.to_numpy()  # of whole numbers with nulls: doubles, NaN where null
    return column_of_values(series.to_list()) if values.dtype.kind == "O" else column_of_array(np.asarray(values))
