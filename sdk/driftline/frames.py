"""Read whatever holds columns: pandas and polars frames, Arrow tables, dicts of arrays, 2-D arrays.

By what they can do, never by what they are: pandas, polars and pyarrow are not imported here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .inputs.batch import column_of_values
from .tables import F64, Column

FrameLike = Any
ArrayLike = Any


def columns_of(frame: FrameLike, names: Sequence[str] | None = None) -> dict[str, ArrayLike]:
    """Return the columns of a frame by name, as it holds them; :func:`column_of` reads one.

    ``frame``: pandas or polars DataFrame, pyarrow Table, mapping of name to n values, or 2-D array (n, m), whose
    columns are called by ``names``, else f0, f1, ... Raises ``ValueError`` for anything else, and for two columns of
    one name.

    >>> list(columns_of(np.zeros((3, 2))))
    ['f0', 'f1']
    """
    columns: dict[str, ArrayLike] = {}
    for name, values in _pairs(frame, names):
        if name in columns:
            raise ValueError(f"there are two columns named {name!r}; rename one")
        columns[name] = values
    return columns


def column_of(values: ArrayLike) -> Column:
    """Return n values as a column: numbers, booleans (0, 1), texts, times (unix seconds).

    None, NaN, NaT and masked values are missing. Raises ``ValueError`` when the values are not one-dimensional.

    >>> column_of(["a", 1, True, None]).numbers
    array([nan,  1.,  1., nan])
    """
    codes = getattr(getattr(values, "cat", None), "codes", None)  # a pandas categorical
    if codes is not None:
        categories = column_of(list(values.cat.categories))
        at = np.asarray(codes, dtype=np.int32)
        numbers = None if categories.numbers is None else np.append(categories.numbers, np.nan)[at]
        texts = None if categories.codes is None else np.append(categories.codes, np.int32(-1))[at]
        return Column(numbers, texts, categories.labels)
    array = _array(values)
    if array.ndim != 1:
        raise ValueError(f"a column has one dimension, but the values have shape {array.shape}")
    if array.dtype.kind in "biuf":
        return Column(numbers=array.astype(np.float64, copy=False))
    if array.dtype.kind in "Mm":
        unit = "datetime64[ns]" if array.dtype.kind == "M" else "timedelta64[ns]"
        seconds = array.astype(unit).astype(np.int64) / 1e9
        return Column(numbers=np.where(np.isnat(array), np.nan, seconds))
    if array.dtype.kind in "US":
        labels, inverse = np.unique(array.astype(str), return_inverse=True)
        return Column(codes=inverse.astype(np.int32), labels=tuple(labels.tolist()))
    read = column_of_values(array.tolist())
    return read if isinstance(read, Column) else Column(numbers=read.astype(np.float64, copy=False))


def score_matrix(values: ArrayLike) -> F64:
    """Return scores as float64 (n, k) from n values or n rows of k values. Raises ``ValueError`` for other shapes."""
    array = _array(values)
    if array.dtype.kind not in "biuf":
        array = np.column_stack([_numbers(column_of(column)) for column in np.atleast_2d(array.T)])
    if array.ndim == 1:
        array = array[:, np.newaxis]
    if array.ndim != 2:
        raise ValueError(f"scores have one or two dimensions, but these have shape {array.shape}")
    return np.asarray(array, dtype=np.float64)


def is_time(values: ArrayLike) -> bool:
    """Say whether values are points in time: they place a row, but drift of the calendar says nothing.

    >>> is_time(np.array(["2026-11-01"], "datetime64[D]"))
    True
    """
    kind = getattr(values, "dtype", getattr(values, "type", ""))
    return str(kind).lower().startswith(("datetime", "timestamp", "date"))


def length(column: Column) -> int:
    """Return how many rows a column has; 0 when it holds no value at all."""
    values = column.codes if column.numbers is None else column.numbers
    return 0 if values is None else len(values)


def concatenate(columns: Sequence[Column]) -> Column:
    """Return the rows of several columns as one.

    >>> parts = [Column(numbers=np.array([1.0])), Column(codes=np.array([0], np.int32), labels=("a",))]
    >>> concatenate(parts).codes
    array([-1,  0], dtype=int32)
    """
    if len(columns) == 1:
        return columns[0]
    vectors = [column.vectors for column in columns if column.vectors is not None]
    if len(vectors) == len(columns) and len({rows.shape[1] for rows in vectors}) == 1:
        norms = np.concatenate([column.numbers for column in columns if column.numbers is not None])
        return Column(norms, vectors=np.concatenate(vectors))
    index: dict[str, int] = {}
    numbers, codes = [], []
    for column in columns:
        n = length(column)
        numbers.append(np.full(n, np.nan) if column.numbers is None else column.numbers)
        lookup = np.array([*(index.setdefault(label, len(index)) for label in column.labels), -1], dtype=np.int32)
        codes.append(np.full(n, -1, dtype=np.int32) if column.codes is None else lookup[column.codes])
    return Column(
        np.concatenate(numbers) if any(column.numbers is not None for column in columns) else None,
        np.concatenate(codes) if any(column.codes is not None for column in columns) else None,
        tuple(index),
    )


def _pairs(frame: FrameLike, names: Sequence[str] | None) -> Iterable[tuple[str, ArrayLike]]:
    if isinstance(frame, Mapping):
        return [(str(name), values) for name, values in frame.items()]
    if hasattr(frame, "column_names") and hasattr(frame, "column"):  # pyarrow
        return [(str(name), frame.column(at)) for at, name in enumerate(frame.column_names)]
    if hasattr(frame, "columns"):
        if hasattr(frame, "iloc"):  # pandas; by position, because names may repeat
            return [(str(name), frame.iloc[:, at]) for at, name in enumerate(frame.columns)]
        return [(str(name), frame[name]) for name in frame.columns]
    array = _array(frame)
    if array.dtype.names:
        return [(name, array[name]) for name in array.dtype.names]
    if array.ndim != 2:
        raise ValueError(
            f"X is a {type(frame).__name__} of shape {array.shape}; "
            "pass a DataFrame, a pyarrow Table, a dict of columns or a 2-D array"
        )
    if names is not None and len(names) != array.shape[1]:
        raise ValueError(f"X has {array.shape[1]} columns, but features names {len(names)}")
    return list(zip(names or [f"f{at}" for at in range(array.shape[1])], array.T, strict=True))


def _array(values: ArrayLike) -> Any:
    if isinstance(values, np.ma.MaskedArray):
        plain = values.data.astype(object)
        plain[np.ma.getmaskarray(values)] = None
        return plain
    if isinstance(values, np.ndarray):
        return values
    if hasattr(values, "to_numpy"):
        try:
            return values.to_numpy(zero_copy_only=False)  # pyarrow arrays; chunked ones always copy
        except TypeError:
            return np.asarray(values.to_numpy())
    if isinstance(values, Iterable) and not isinstance(values, str | bytes):
        values = list(values)
    if isinstance(values, list) and not any(hasattr(row, "__len__") and not _text(row) for row in values):
        return np.fromiter(values, dtype=object, count=len(values))  # np.asarray would turn [1, "a"] into texts
    return np.asarray(values)


def _text(value: object) -> bool:
    return isinstance(value, str | bytes)


def _numbers(column: Column) -> F64:
    return np.full(length(column), np.nan) if column.numbers is None else column.numbers
