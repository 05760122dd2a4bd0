"""Arrow arrays as the columns that a fold reads: numbers, categories, ids. No row is touched in Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from driftline.tables import F64, Column

MOSTLY = 0.9
"""A text column of which at least this share is written as numbers is a number column with stray texts in it."""

_WHOLE = r"^([+-]?\d+)\.0+$"


def is_comparable(kind: pa.DataType) -> bool:
    """Say whether values of this type are numbers or categories: not nested, no point in time."""
    return _plain(kind) and not pa.types.is_temporal(_value_type(kind))


def is_time(kind: pa.DataType) -> bool:
    """Say whether a value of this type names a point in time."""
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def is_nested(kind: pa.DataType) -> bool:
    """Say whether values of this type are lists, structs or anything else that is neither number, text nor time."""
    return not _plain(kind)


def column(array: pa.Array, number: bool | None = None) -> Column:
    """Turn an Arrow array of n values into a :class:`Column`.

    Numbers, booleans, decimals, times (as unix seconds) become float64 with NaN for null; texts become codes.
    ``number``: whether the feature is known to be one; then texts that are written as numbers are read as such, and the
    others stay texts (and count as invalid). None: decide by :data:`MOSTLY`.

    >>> column(pa.array(["12", "x", None]), number=True)
    Column(numbers=array([12., nan, nan]), codes=array([-1,  0, -1], dtype=int32), labels=('x',))
    """
    kind = array.type
    if pa.types.is_dictionary(kind) and not _is_text(kind.value_type):
        return column(array.dictionary_decode(), number)
    if not _is_text(_value_type(kind)):
        return Column(numbers=numbers(array))
    codes, labels = _codes(array)
    if number is False or not labels:
        return Column(codes=codes, labels=labels)
    values = np.array([_number(label) for label in labels], dtype=np.float64)
    written = ~np.isnan(values)
    if number is None:
        counts = np.bincount(codes[codes >= 0], minlength=len(labels))
        if counts[written].sum() < MOSTLY * counts.sum() or not written.any():
            return Column(codes=codes, labels=labels)
    rank = np.where(written, -1, np.cumsum(~written) - 1).astype(np.int32)
    stray = tuple(label for label, is_number in zip(labels, written.tolist(), strict=True) if not is_number)
    read = np.append(values, np.nan)[codes]
    return Column(numbers=read, codes=np.append(rank, np.int32(-1))[codes] if stray else None, labels=stray)


def numbers(array: pa.Array) -> F64:
    """Return an array of numbers, booleans, decimals or times (unix seconds) as float64 (n,), NaN for null.

    >>> numbers(pa.array([True, None])).tolist()
    [1.0, nan]
    """
    kind = array.type
    if pa.types.is_null(kind):
        return np.full(len(array), np.nan)
    if pa.types.is_temporal(kind):
        array = _seconds(array)
    elif not pa.types.is_float64(kind):
        array = array.cast(pa.float64(), safe=False)
    return np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.float64)


def ids(array: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Return ids as texts, null where there is none: 17, 17.0 and "17" are one id.

    >>> ids(pa.array([17.0, None, 0.5])).to_pylist()
    ['17', None, '0.5']
    """
    kind = array.type
    if pa.types.is_dictionary(kind):
        return ids(array.cast(kind.value_type))
    if pa.types.is_floating(kind):
        array = pc.if_else(pc.is_nan(array), None, array)
    if not pa.types.is_string(kind):
        array = array.cast(pa.string())
    if not pa.types.is_integer(kind):
        array = pc.replace_substring_regex(pc.utf8_trim_whitespace(array), _WHOLE, r"\1")
    return pc.if_else(pc.equal(array, ""), None, array)


def whole_column(array: pa.ChunkedArray, number: bool | None = None) -> Column:
    """Turn a whole chunked column into one :class:`Column`."""
    if pa.types.is_dictionary(array.type):
        array = array.unify_dictionaries()
    combined = array.combine_chunks()
    if isinstance(combined, pa.ChunkedArray):  # no chunk at all, or more text than one array can hold
        combined = combined.cast(pa.large_string()).combine_chunks() if combined.num_chunks else pa.array([])
    return column(combined, number)


def _plain(kind: pa.DataType) -> bool:
    kind = _value_type(kind)
    return bool(pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind) or _is_text(kind))


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
    )


def _codes(array: pa.Array) -> tuple[Any, tuple[str, ...]]:
    """Codes (int32, -1 = null) and labels; bytes that are no UTF-8 (a CSV in Latin-1) keep a readable label."""
    if pa.types.is_string_view(array.type) or pa.types.is_binary_view(array.type):
        array = array.cast(pa.large_string() if pa.types.is_string_view(array.type) else pa.large_binary())
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    indices = array.indices
    codes = (indices.fill_null(-1) if indices.null_count else indices).to_numpy().astype(np.int32, copy=False)
    labels = array.dictionary.to_pylist()
    if None in labels:  # a dictionary may hold null as a value
        at = labels.index(None)
        codes = np.where(codes == at, np.int32(-1), codes)
        labels[at] = ""
    return codes, tuple(label if isinstance(label, str) else label.decode("utf-8", "replace") for label in labels)


def _seconds(array: pa.Array) -> pa.Array:
    kind = array.type
    if pa.types.is_date32(kind) or pa.types.is_date64(kind):
        array, kind = array.cast(pa.timestamp("ms")), pa.timestamp("ms")
    per_second = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[kind.unit]
    whole = array.cast(pa.int32() if kind.bit_width == 32 else pa.int64())
    return pc.divide(whole.cast(pa.float64(), safe=False), per_second)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
