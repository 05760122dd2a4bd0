"""pandas: a DataFrame is a batch, a Series is a row. pandas itself is never imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.tables import Column

from .batch import Batch, Columns, column_of_values
from .row import Row, clean

if TYPE_CHECKING:
    from . import Reader


def reader(kind: type) -> Reader | None:
    """Return the reader of DataFrames or Series, if it is one (or a subclass, such as a GeoDataFrame)."""
    for base in kind.__mro__:
        if base.__module__.partition(".")[0] == "pandas":
            if base.__name__ == "DataFrame":
                return Frame
            if base.__name__ == "Series":
                return read_series
    return None


def read_series(value: Any) -> Row:
    """A Series is one row, as ``frame.iloc[0]`` and ``frame.apply(f, axis=1)`` give it."""
    return tuple(map(str, value.index)), clean(tuple(value.tolist()))


class Frame(Batch):
    """A copy of a DataFrame: a row per prediction, a column per feature."""

    def __init__(self, frame: Any) -> None:
        self.frame = frame.copy()
        self.count = len(frame)
        self.cost = 64 * self.count * max(1, frame.shape[1]) + _texts_cost(self.frame)

    def names(self) -> tuple[str, ...] | None:
        """Return the column names."""
        return tuple(map(str, self.frame.columns))

    def width(self) -> int:
        """Return the number of columns."""
        return int(self.frame.shape[1])

    def columns(self, names: tuple[str, ...]) -> Columns:
        """Read column by column; numbers as they are, categories by their codes, anything else value by value."""
        columns = (series for _, series in self.frame.items())  # half of what iloc costs
        return {name: series_column(series) for name, series in zip(names, columns, strict=True)}


def _texts_cost(frame: Any) -> int:
    """Return the bytes of all texts, which the buffer holds on to: 10 µs a column of Arrow's, 80 of 1,000 objects."""
    objects = [at for at, dtype in enumerate(frame.dtypes) if getattr(dtype, "kind", "O") == "O"]
    return sum(int(frame.iloc[:, at].memory_usage(index=False, deep=True)) for at in objects)


def series_column(series: Any) -> Any:
    """Return a Series as an array of numbers or a Column."""
    kind = getattr(series.dtype, "kind", "O")
    if isinstance(series.dtype, np.dtype) and kind in "fiub":
        return series.to_numpy()
    if kind in "fiub" and not hasattr(series, "cat"):  # pandas' nullable numbers: Int64, Float64, boolean
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    if getattr(series.dtype, "name", "") in ("str", "string"):
        codes, labels = series.array.factorize()
        return Column(codes=codes.astype(np.int32), labels=tuple(labels.tolist()))
    missing = series.isna().to_numpy(dtype=np.bool_)
    values = series.astype(object).tolist()
    return column_of_values([None if gone else value for value, gone in zip(values, missing.tolist(), strict=True)])
