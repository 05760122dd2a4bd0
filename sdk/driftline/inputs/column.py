"""Read one column of n values of any library. The meaning of values is decided only here.

A service's batches and the baseline are both read here, so that they agree. None, NaN, NaT and masked values are
missing. Booleans stay booleans. A time becomes its unix seconds. Values that cannot be recorded are missing, and are
counted.

The library is identified by the module name of the type, without importing any library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftline.tables.table import Column

from .values import column_of_any

ColumnReader = Callable[[Any], NDArray[Any] | Column]

_READERS: dict[type, ColumnReader] = {}


def read_column(values: Any) -> NDArray[Any] | Column:
    """Return n values as numbers or booleans (n,), or as a Column if there are texts.

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


def _find(kind: type) -> ColumnReader:
    if issubclass(kind, np.ndarray | list | tuple):
        return column_of_any
    for module in library_readers(libraries_of(kind)):
        reader: ColumnReader | None = module.column_reader(kind)
        if reader is not None:
            return reader
    return column_of_any


LISTS = ("to_pylist", "to_list", "tolist")


def values_of(column: Any) -> list[Any]:
    """Return the values of a column of any library as they are, without reading them.

    >>> values_of(np.array([17, 2**53 + 1]))
    [17, 9007199254740993]
    """
    if not isinstance(column, np.ndarray) or column.dtype.kind not in "mM":  # of nanoseconds, numpy makes integers
        for method in LISTS:
            if hasattr(column, method):
                return list(getattr(column, method)())
    return list(column)


def libraries_of(kind: type) -> set[str]:
    """Return the top-level packages of a type and its bases.

    >>> import numpy as np
    >>> sorted(libraries_of(np.ndarray))
    ['builtins', 'numpy']
    """
    return {base.__module__.partition(".")[0] for base in kind.__mro__}


def library_readers(libraries: set[str]) -> Iterator[Any]:
    """Yield the module of this package for each library of a type; only those are imported.

    Each module has ``reader`` and ``column_reader``: from a type, they return the reader of its values, or None.
    """
    if "pandas" in libraries:
        from . import pandas

        yield pandas
    if "polars" in libraries:
        from . import polars

        yield polars
    if "pyarrow" in libraries:
        from . import arrow

        yield arrow
    if "torch" in libraries:
        from . import torch

        yield torch
