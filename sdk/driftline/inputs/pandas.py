"""pandas: a DataFrame is a batch, a Series is a row. pandas itself is never imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from driftline.loss_counters import TOO_LARGE
from driftline.tables.table import Column
from driftline.tables.timestamps import seconds_of

from .array import Lists
from .arrow import array_column
from .batch import Batch, FeatureTest, Unrecorded
from .row import LONGEST_ROW, MOST_VALUES, Row
from .values import Columns, by_code, column_of_values, name_in, tamed

if TYPE_CHECKING:
    from collections.abc import Callable

    from .batch import Reader


def reader(kind: type) -> Reader | None:
    """Return the reader if the type is a DataFrame or Series, or a subclass such as a GeoDataFrame."""
    readers: dict[str, Reader] = {"DataFrame": Frame, "Series": read_series}
    return readers.get(name_in(kind, "pandas", "DataFrame", "Series"))


def column_reader(kind: type) -> Callable[[Any], NDArray[Any] | Column] | None:
    """Return the reader of a column if the type is a Series, an Index or an array of pandas."""
    return series_column if name_in(kind, "pandas", "Series", "Index", "ExtensionArray") else None


def read_series(value: Any) -> Row | Batch | Unrecorded:
    """Read a Series as one row, as from ``frame.iloc[0]`` and ``frame.apply(f, axis=1)``.

    The index of a row contains names. A Series with numbers as its index, such as ``frame["amount"]``, is a column of n
    rows if its result has a value per row.
    """
    names, is_column = tuple(map(str, value.index)), len(value) > 1 and value.index.dtype.kind in "iu"
    if len(value) > MOST_VALUES and not is_column:
        return Unrecorded(TOO_LARGE, LONGEST_ROW)
    if not is_column:
        return names, tuple(value.tolist())
    values = value.tolist()
    column = Lists([values], len(values), None if value.name is None else (str(value.name),))
    column.row = names, tuple(values)
    column.index = value.index
    return column


_ROOM = 64
"""Bytes of buffers per text up to which the whole buffer counts: the size of a text as a Python object."""


class Frame(Batch):
    """A DataFrame: a row per prediction, a column per feature."""

    def __init__(self, frame: Any, categories: list[Any] | None = None) -> None:
        self.frame = frame
        self.count = len(frame)
        self.index = frame.index
        self._categories = frame.columns.tolist() if categories is None else categories  # 20 in 4 µs, one by one in 40
        self.cost = 8 * self.count * max(1, len(self._categories))

    def snapshot(self, id_field: str | None = None) -> Batch:
        """Copy the frame. Immutable texts in Arrow memory are shared; Python objects become plain values."""
        objects: list[int] = []
        texts = 0
        for index, dtype in enumerate(self.frame.dtypes.tolist()):
            if _holds_objects(dtype):
                objects.append(index)
            elif dtype.kind == "O":
                texts += _bytes_of(self.values(index).array)
        copy = (
            _Split(self.frame.copy(), self._categories, objects, id_field)
            if objects
            else Frame(self.frame.copy(), self._categories)
        )
        copy.cost += texts
        return copy

    def names(self) -> tuple[str, ...] | None:
        """Return the column names."""
        return tuple(map(str, self._categories))

    def index_names(self) -> tuple[str, ...]:
        """Return the names of the index."""
        return tuple(str(name) for name in self.frame.index.names if name is not None)

    def values(self, at: int) -> Any:
        """Return a column as a Series; by its name if the names are unique, which is twice as fast."""
        return self.frame[self._categories[at]] if self.frame.columns.is_unique else self.frame.iloc[:, at]

    def columns(self, names: tuple[str, ...], is_feature: FeatureTest) -> Columns:
        """Read all columns, in half the time of reading them one by one."""
        chosen = [index for index, name in enumerate(names) if is_feature(name)]
        if 2 * len(chosen) > len(names):
            series = self._all()
            return {names[position]: _column(series[position]) for position in chosen}
        return {names[position]: _column(self.values(position)) for position in chosen}

    def _all(self) -> list[Any]:
        return [series for _, series in self.frame.items()]


class _Split(Frame):
    """A snapshot of a DataFrame with columns of Python objects, which became lists of plain values."""

    def __init__(self, frame: Any, categories: list[Any], objects: list[int], id_field: str | None) -> None:
        super().__init__(frame, categories)
        self._lists: dict[int, list[Any]] = {}
        changed = False
        for index in objects:
            elements = super().values(index).tolist()
            self._lists[index], cost = tamed(elements, str(categories[index]) == id_field)
            self.cost += cost
            changed |= self._lists[index] is not elements
        if changed:  # else the column holds what the list holds, and to take it out costs as much as all of this
            for index in objects:
                frame.isetitem(index, 0.0)

    def values(self, at: int) -> Any:
        return self._lists[at] if at in self._lists else super().values(at)

    def _all(self) -> list[Any]:
        return [self._lists.get(index, series) for index, series in enumerate(super()._all())]


def _holds_objects(dtype: Any) -> bool:
    if isinstance(dtype, np.dtype):
        return dtype.kind == "O"
    return getattr(dtype, "storage", "") == "python"


def _bytes_of(array: Any) -> int:
    """Return the approximate bytes of a column that is not a numpy array.

    The size of Arrow's buffers is known at once; the part of a slice takes 2 µs to compute. It is only computed for
    large buffers: if a frame is predicted in slices, each slice holds the buffers of the whole frame.
    """
    if getattr(array.dtype, "storage", "") == "pyarrow":
        total_bytes: int = array.__arrow_array__().get_total_buffer_size()
        if total_bytes <= _ROOM * len(array):
            return total_bytes
    return int(array.nbytes)


def _column(series: Any) -> NDArray[Any] | Column:
    """Return a column of a frame: a list of plain values, or a Series."""
    return column_of_values(series) if isinstance(series, list) else series_column(series)


def series_column(series: Any) -> NDArray[Any] | Column:
    """Return a Series, an Index or an array of pandas as numbers or a Column."""
    dtype = series.dtype
    kind = getattr(dtype, "kind", "O")
    if isinstance(dtype, np.dtype) and kind in "fiub":
        return np.asarray(series.to_numpy())
    if hasattr(dtype, "pyarrow_dtype"):
        return array_column(getattr(series, "array", series).__arrow_array__())
    if getattr(dtype, "name", "") in ("str", "string"):
        codes, categories = series.array.factorize() if hasattr(series, "array") else series.factorize()
        return Column(codes=codes.astype(np.int32), categories=tuple(categories.tolist()))
    categorical = getattr(series, "cat", series)
    if getattr(categorical, "categories", None) is not None and hasattr(categorical, "codes"):
        return by_code(np.asarray(categorical.codes, np.int32), categorical.categories.tolist())
    if kind in "fiub":  # pandas' nullable numbers: Int64, Float64, boolean
        return np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan))
    if kind in "mM":  # times with a time zone are stored in UTC
        unit = np.datetime_data(dtype)[0] if isinstance(dtype, np.dtype) else getattr(dtype, "unit", "ns")
        return seconds_of(np.asarray(series.to_numpy(dtype=f"{kind}8[{unit}]")))
    missing = np.asarray(series.isna(), np.bool_)
    values = series.astype(object).tolist()
    return column_of_values(
        [None if is_missing else value for value, is_missing in zip(values, missing.tolist(), strict=True)]
    )
