"""One column of n values, of whatever library: the one place where its meaning is decided.

A service's batches and the baseline that they are compared with are both read here, so that they agree. None, NaN, NaT
and masked values are missing; booleans are booleans; a time is its unix seconds; what cannot be recorded is missing and
counted.

Whose type it is, by the names of its modules: no library is imported to look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftline.loss_counters import UNSUPPORTED_VALUE, UNUSABLE
from driftline.tables.table import F64, Column

from .batch import column_of_values
from .large import LONGEST_VECTOR, vector_column

_READERS: dict[type, Callable[[Any], NDArray[Any] | Column]] = {}


def read_column(values: Any) -> NDArray[Any] | Column:
    """Return n values as numbers or booleans (n,), or as a Column where there are texts.

    An array of n vectors of 2 to 4,096 numbers is a column of vectors. Raises ``ValueError`` for other dimensions.

    >>> read_column(np.array(["1970-01-01T00:00:02", "NaT"], "datetime64[s]"))
    array([ 2., nan])
    >>> read_column(["a", None]).codes
    array([ 0, -1], dtype=int32)
    """
    kind = values.__class__
    reader = _READERS.get(kind)
    if reader is None:
        reader = _READERS[kind] = _find(kind)
    return reader(values)


def _find(kind: type) -> Callable[[Any], NDArray[Any] | Column]:
    from . import arrow, pandas, polars, tensor

    if issubclass(kind, np.ma.MaskedArray):
        return _masked
    if issubclass(kind, np.ndarray):
        return _array
    for find in (pandas.column_reader, polars.column_reader, arrow.column_reader, tensor.column_reader):
        reader = find(kind)
        if reader is not None:
            return reader
    return _anything


def _masked(values: np.ma.MaskedArray[Any, Any]) -> NDArray[Any] | Column:
    if values.dtype.kind in "fiub":
        return np.ma.filled(values.astype(np.float64), np.nan)
    plain = np.asarray(values.data).astype(object)
    plain[np.ma.getmaskarray(values)] = None
    return _array(plain)


def _array(values: NDArray[Any]) -> NDArray[Any] | Column:
    values = np.asarray(values)  # of an np.matrix every part has two dimensions
    kind = values.dtype.kind
    if values.ndim == 2 and kind in "fiub" and 1 < values.shape[1] <= LONGEST_VECTOR:
        return vector_column(values)
    if values.ndim != 1:
        raise ValueError(f"a column has one dimension, but the values have shape {values.shape}")
    if kind in "fiub":
        return values
    if kind in "mM":
        return seconds_of(values)
    if kind in "OUS":
        return column_of_values(values.tolist())
    return unsupported(len(values))


def _anything(values: Any) -> NDArray[Any] | Column:
    if hasattr(values, "to_numpy"):
        return _array(np.asarray(values.to_numpy()))
    if hasattr(values, "__array__"):
        return _array(np.asarray(values))
    if isinstance(values, Iterable) and not isinstance(values, str | bytes):
        return column_of_values(list(values))
    return _array(np.asarray(values))


def seconds_of(times: NDArray[Any]) -> F64:
    """Return points in time as unix seconds, durations as seconds; NaT is NaN.

    ``times``: datetime64 or timedelta64 (n,) of any unit.
    """
    unit = "datetime64[ns]" if times.dtype.kind == "M" else "timedelta64[ns]"
    return np.where(np.isnat(times), np.nan, times.astype(unit).astype(np.int64) / 1e9)


def unsupported(rows: int, missing: int = 0) -> F64:
    """Return the column of values that cannot be recorded, of which ``missing`` are missing anyway, and count them."""
    UNUSABLE.add(UNSUPPORTED_VALUE, rows - missing)
    return np.full(rows, np.nan)


def by_code(codes: NDArray[Any], distinct: list[Any]) -> NDArray[Any] | Column:
    """Return n values from their codes, -1 = missing, into distinct values of any kind.

    >>> by_code(np.array([1, -1, 0]), [7, 8])
    array([ 8., nan,  7.])
    """
    read = column_of_values(distinct)
    if not isinstance(read, Column):
        found: F64 = np.append(read.astype(np.float64), np.nan)[codes]
        return found
    numbers = None if read.numbers is None else np.append(read.numbers, np.nan)[codes]
    texts = None if read.codes is None else np.append(read.codes, np.int32(-1))[codes]
    return Column(numbers, texts, read.labels)


def name_in(kind: type, library: str, *names: str) -> str:
    """Return which of the names the type, or one of its bases, has in a library; "" where none.

    ``library``: a top-level package. A class of the user that inherits from one counts as that one.

    >>> from collections import OrderedDict
    >>> class Mine(OrderedDict): ...
    >>> name_in(Mine, "collections", "OrderedDict"), name_in(dict, "collections", "OrderedDict")
    ('OrderedDict', '')
    """
    for base in kind.__mro__:
        if base.__name__ in names and base.__module__.partition(".")[0] == library:
            return base.__name__
    return ""
