"""Read the columns of pandas and polars frames, Arrow tables, dicts of arrays and 2-D arrays.

The readers are those of a service's batches (:mod:`driftline.inputs`), so that a baseline and its service agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from driftline.tables.table import F64, Column, numbers_of

from .batch import Batch
from .column import read_column
from .readers import reader_for

FrameLike = Any
ArrayLike = Any


def columns_of(frame: FrameLike, names: Sequence[str] | None = None) -> dict[str, ArrayLike]:
    """Return the columns of a frame by name, in their own types; :func:`column_of` reads one.

    ``frame``: mapping of name to n values, or any batch that a service can predict (:mod:`driftline.inputs`). Columns
    without names get ``names``, else f0, f1, ... Raises ``ValueError`` for any other input, and for duplicate names.

    >>> list(columns_of(np.zeros((3, 2))))
    ['f0', 'f1']
    """
    columns: dict[str, ArrayLike] = {}
    for name, values in _pairs(frame, names):
        if name in columns:
            raise ValueError(f"there are two columns named {name!r}; rename one")
        columns[name] = values
    return columns


def column_names(frame: FrameLike) -> tuple[str, ...]:
    """Return the names of a frame's columns. The attribute ``columns`` of Arrow tables contains values, not names.

    >>> import pandas as pd
    >>> column_names(pd.DataFrame({"age": [31], 2: [1]}))
    ('age', '2')
    """
    names = getattr(frame, "column_names", None)
    return tuple(map(str, frame.columns if names is None else names))


def index_hint(frame: FrameLike, name: str) -> str:
    """Return the fix for a missing column if the index of a pandas DataFrame may hold it; "" otherwise.

    >>> import pandas as pd
    >>> index_hint(pd.DataFrame({"age": [31]}, index=pd.Index(["A-1"], name="id")), "id")
    "; 'id' is the index: use reset_index()"
    """
    index = getattr(frame, "index", None)
    names = tuple(getattr(index, "names", ()) or ())
    if name in names:
        return f"; {name!r} is the index: use reset_index()"
    if names == (None,) and getattr(getattr(index, "dtype", None), "kind", "i") not in "iu":
        return f"; if it is the index, use reset_index(names={name!r})"
    return ""


def column_of(values: ArrayLike) -> Column:
    """Return n values as a column: numbers, booleans (0, 1), texts, times (unix seconds), vectors of 2 to 4,096.

    None, NaN, NaT and masked values are missing. Raises ``ValueError`` for an array of other dimensions.

    >>> column_of(["a", 1, True, None]).numbers
    array([nan,  1.,  1., nan])
    """
    read = read_column(values)
    return read if isinstance(read, Column) else Column(numbers=read.astype(np.float64, copy=False))


def score_matrix(values: ArrayLike) -> F64:
    """Return scores as float64 (n, k) from n values or n rows of k values. Raises ``ValueError`` for other shapes."""
    array = _array(values)
    if array.dtype.kind not in "biuf":
        array = np.column_stack([numbers_of(column_of(column)) for column in np.atleast_2d(array.T)])
    if array.ndim == 1:
        array = array[:, np.newaxis]
    if array.ndim != 2:
        raise ValueError(f"scores must have one or two dimensions, but these scores have shape {array.shape}")
    return np.asarray(array, dtype=np.float64)


def is_time(values: ArrayLike) -> bool:
    """Return True if values are times: they order rows, but their drift has no meaning.

    >>> is_time(np.array(["2026-11-01"], "datetime64[D]"))
    True
    """
    kind = getattr(values, "dtype", getattr(values, "type", ""))
    return str(kind).lower().startswith(("datetime", "timestamp", "date"))


def category_columns(frame: FrameLike) -> set[str]:
    """Return the columns that have the type of a category, such as a ``Categorical`` of pandas.

    >>> import pandas as pd
    >>> category_columns(pd.DataFrame({"agent": pd.Categorical([1, 2]), "age": [31, 5]}))
    {'agent'}
    """
    if not (isinstance(frame, Mapping) or hasattr(frame, "columns")):
        return set()
    kinds = {name: getattr(values, "dtype", getattr(values, "type", "")) for name, values in _pairs(frame, None)}
    return {name for name, kind in kinds.items() if str(kind).startswith(("category", "dictionary"))}


def _pairs(frame: FrameLike, names: Sequence[str] | None) -> Iterable[tuple[str, ArrayLike]]:
    if isinstance(frame, Mapping) and not hasattr(frame, "shape"):  # one sparse layout of scipy is a dict
        return [(str(name), values) for name, values in frame.items()]
    read = reader_for(frame.__class__)(frame)
    if not isinstance(read, Batch):
        if hasattr(frame, "columns"):  # of an unknown library
            return [(str(name), frame[name]) for name in frame.columns]
        raise ValueError(
            f"X is {_described(frame)}; "
            "pass a DataFrame, a pyarrow Table, a dict of columns, a 2-D array or a list of rows"
        )
    own_names, width = read.names(), read.width()
    if own_names is None and names is not None and len(names) != width:
        raise ValueError(f"X has {width} columns, but features has {len(names)} names")
    column_names = own_names if own_names is not None else names or [f"f{index}" for index in range(width)]
    return [(str(name), read.values(index)) for index, name in enumerate(column_names)]


def _described(value: Any) -> str:
    name = f"a {type(value).__name__}"
    if hasattr(value, "shape"):
        return f"{name} of shape {value.shape}"
    return f"{name} of {len(value)}" if hasattr(value, "__len__") else name


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
