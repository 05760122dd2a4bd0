"""pyarrow: a Table or RecordBatch is a batch, an Array is a row. pyarrow itself is never imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from driftline.loss_counters import NOT_COLLECTED, TOO_LARGE
from driftline.tables.table import Column

from .batch import Batch, FeatureTest, Unrecorded
from .row import LONGEST_ROW, MOST_VALUES, Row
from .values import Columns, by_code, column_of_array, column_of_values, name_in, unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

    from .batch import Reader

_TABLES = ("Table", "RecordBatch")
_ARRAYS = ("Array", "ChunkedArray")
_LAZY = ("RecordBatchReader", "Dataset", "Scanner")


def reader(kind: type) -> Reader | None:
    """Return the reader if the type is a table, an array or a stream of batches."""
    if name_in(kind, "pyarrow", *_TABLES):
        return ArrowTable
    if name_in(kind, "pyarrow", *_ARRAYS):
        return read_array
    return _lazy if name_in(kind, "pyarrow", *_LAZY) else None


def column_reader(kind: type) -> Callable[[Any], NDArray[Any] | Column] | None:
    """Return the reader of a column if the type is an array."""
    return array_column if name_in(kind, "pyarrow", *_ARRAYS) else None


def read_array(value: Any) -> Row | Unrecorded:
    """Read an array as one row without names."""
    if len(value) > MOST_VALUES:
        return Unrecorded(TOO_LARGE, LONGEST_ROW)
    return None, tuple(value.to_pylist())


def _lazy(value: Any) -> Unrecorded:
    return Unrecorded(NOT_COLLECTED, f"a {type(value).__name__} is not supported; pass a Table to the function")


class ArrowTable(Batch):
    """A Table or a RecordBatch: a row per prediction, a column per feature. It is immutable, so it is not copied."""

    def __init__(self, table: Any) -> None:
        self.table = table
        self.count = int(table.num_rows)
        self.cost = int(table.nbytes)

    def names(self) -> tuple[str, ...] | None:
        """Return the column names."""
        return tuple(self.table.schema.names)

    def values(self, at: int) -> Any:
        """Return a column, an array."""
        return self.table.column(at)

    def columns(self, names: tuple[str, ...], is_feature: FeatureTest) -> Columns:
        """Read the columns for which ``is_feature`` is true."""
        return {name: array_column(self.table.column(index)) for index, name in enumerate(names) if is_feature(name)}


def array_column(values: Any) -> NDArray[Any] | Column:
    """Return an array, in one or several chunks, as numbers or a Column."""
    kind = str(values.type)
    if kind.startswith(("struct", "map", "dense_union", "sparse_union")):
        return unsupported(len(values), int(values.null_count))
    if kind in ("string", "large_string"):
        values = values.dictionary_encode()
        kind = "dictionary"
    if kind.startswith("dictionary"):
        return _dictionary(values)
    if kind.startswith(("int", "uint", "halffloat", "float", "double", "timestamp", "duration", "date")):
        return column_of_array(np.asarray(values.to_numpy(zero_copy_only=False)))
    if kind == "bool" and not values.null_count:
        return np.asarray(values.to_numpy(zero_copy_only=False))
    return column_of_values(values.to_pylist())


def _dictionary(values: Any) -> NDArray[Any] | Column:
    if hasattr(values, "unify_dictionaries"):  # in chunks
        values = values.unify_dictionaries().combine_chunks()
    if hasattr(values, "chunks"):
        return column_of_values(values.to_pylist())
    codes = values.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return by_code(codes, values.dictionary.to_pylist())
