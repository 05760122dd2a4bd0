"""Columns of the SDK as Arrow arrays."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from driftline.tables.table import F64, Column, Text


def text_array(text: Text) -> pa.StringArray:
    """Return texts as an Arrow array without a copy."""
    return pa.StringArray.from_buffers(len(text), pa.py_buffer(text.offsets), pa.py_buffer(text.data))


def category_array(column: Column | None, n: int) -> pa.Array:
    """Return the texts of a column, null for missing values."""
    if column is None or column.codes is None:
        return pa.nulls(n, pa.string())
    return pa.array(column.categories, pa.string()).take(pa.array(column.codes, mask=column.codes < 0))


def number_array(numbers: F64 | None, n: int) -> pa.Array:
    """Return numbers, null for NaN."""
    return pa.nulls(n, pa.float64()) if numbers is None else pa.array(numbers, mask=np.isnan(numbers))
