"""Rows and baselines in memory: tables of any library, and a built baseline.

No table library is imported: the type or the methods of a table determine its conversion to Arrow.
"""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Number
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
from driftline.baseline.baseline import Baseline
from driftline.inputs.column import libraries_of
from msgspec import Struct

from .arrow_columns import NUMBER
from .errors import BadInput


class MemoryRows(Struct, frozen=True, eq=False):
    """A table of rows.

    Attributes:
        name: Its name in messages.
        table: Its columns.
        mixed: Columns with several types, whose values are all texts here.
        library: The package of the table, such as ``pandas``.
    """

    name: str
    table: pa.Table
    mixed: frozenset[str] = frozenset()
    library: str = ""

    def __str__(self) -> str:
        return self.name


class MemoryBaseline(Struct, frozen=True, eq=False):
    """A built baseline; messages use the name of its model."""

    baseline: Baseline

    def __str__(self) -> str:
        return self.baseline.model


Rows: TypeAlias = Path | MemoryRows
"""Rows: a file, or a table in memory."""

Reference: TypeAlias = Rows | MemoryBaseline
"""A reference: rows, or a built baseline, in a file or in memory."""


def read_table(value: object, name: str) -> MemoryRows:
    """Return a table of any library as columns, without the index of a pandas DataFrame.

    Args:
        value: A pandas or polars DataFrame, an Arrow table, a mapping of columns, or an object with
            ``__arrow_c_stream__`` or ``__dataframe__``.
        name: Its name in messages.

    Raises:
        BadInput: The value is not a table, or Arrow cannot convert it.
    """
    libraries = libraries_of(type(value))
    library = next((library_name for library_name in ("pandas", "polars", "pyarrow") if library_name in libraries), "")
    mixed: list[str] = []
    try:
        if library == "pandas":
            table, mixed = _pandas_columns(value)
        else:
            arrow_table = _arrow_table(value)
            if arrow_table is None:
                raise BadInput(f"{name}: {_no_table(value)}")
            table = arrow_table
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise BadInput(f"{name}: cannot be read as a table: {str(error).strip().splitlines()[0]}") from error
    if not table.num_columns:
        raise BadInput(f"{name}: the table has no columns")
    if not table.num_rows:
        raise BadInput(f"{name}: the table has columns but no rows")
    return MemoryRows(name, table, frozenset(mixed), library)


def _arrow_table(value: Any) -> pa.Table | None:
    """Return a table as Arrow's; None for other values."""
    if isinstance(value, pa.Table):
        return value
    if hasattr(value, "__arrow_c_stream__"):
        return _from_stream(value)
    if hasattr(value, "__dataframe__"):
        from pyarrow.interchange import from_dataframe

        return from_dataframe(value)
    if isinstance(value, Mapping):
        return pa.table({str(name): _of_mapping(str(name), values) for name, values in value.items()})
    if isinstance(value, pa.RecordBatch):
        return pa.Table.from_batches([value])
    return None


def _from_stream(value: Any) -> pa.Table:
    """Return a table from its Arrow stream; a conversion error names the column."""
    try:
        return pa.table(value)
    except (pa.ArrowException, NotImplementedError):
        for name in getattr(value, "columns", ()):
            try:
                pa.table(value.select([name]))
            except Exception as error:  # any error of the library about its column
                raise ValueError(f"column {str(name)!r}: {error}; cast the column, or leave it out") from error
        raise


def _of_mapping(name: str, values: Any) -> Any:
    """Return the values of a column as Arrow's; the error for a number that is too large names the column."""
    if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
        raise ValueError(
            f"column {name!r} is the single value {values!r:.40}, but a mapping has a list or an array per column; "
            "if each mapping is a row, pass pandas.DataFrame(rows)"
        )
    try:
        return pa.array(values) if isinstance(values, list | tuple) else values
    except OverflowError as error:
        raise _too_large(name) from error


def _too_large(name: str) -> ValueError:
    return ValueError(
        f"column {name!r}: an integer has more than 64 bits; cast the column to another type, or leave it out"
    )


def _pandas_columns(frame: Any) -> tuple[pa.Table, list[str]]:
    """Return the columns of a DataFrame, and the names of columns with several types, as texts."""
    if not hasattr(frame, "columns"):
        raise TypeError(f"{type(frame).__name__} is a single column; pass a DataFrame")
    arrays, mixed = list[pa.Array](), list[str]()
    names = [str(name) for name in frame.columns]
    for index, name in enumerate(names):
        series = frame.iloc[:, index]
        series = series.sparse.to_dense() if hasattr(series, "sparse") else series
        try:
            array = _pandas_array(series)
        except OverflowError as error:
            raise _too_large(name) from error
        if array is None:
            array = pa.array(_texts(series), pa.string())
            mixed += [name] if series.dtype == object else []
        arrays.append(array)
    return pa.Table.from_arrays(arrays, names=names), mixed


def _pandas_array(series: Any) -> pa.Array | pa.ChunkedArray | None:
    """Return a column as Arrow's; None if Arrow has no type for its values, such as periods."""
    try:
        array = pa.array(series, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError):
        return None
    kind = array.type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return None if isinstance(kind, pa.BaseExtensionType) else array


def _texts(series: Any) -> list[str | None]:
    """Return values as texts: numbers with a mark."""
    texts = [None if missing else str(value) for value, missing in zip(series, series.isna(), strict=True)]
    if series.dtype != object:
        return texts
    return [
        f"{NUMBER}{text}" if isinstance(value, Number) and text is not None else text
        for value, text in zip(series, texts, strict=True)
    ]


def _no_table(value: object) -> str:
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    lazy = "; call its collect() first" if hasattr(value, "collect") else ""
    return f"{kind} is not a table{lazy}; pass a pandas or polars DataFrame, an Arrow table, or the path of a file"
