"""The codec of columnar records, for senders and receivers: one column ↔ one byte string.

The last byte of a column is its kind, so that the values start at the first byte: they are aligned, and numpy reads
them without a copy. ``docs/reference/wire.md`` describes every kind.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .table import F64, Column, Text

Array = NDArray[Any]
Value = Array | Column | Text

_KINDS = {"d": "<f8", "f": "<f4", "q": "<i8", "i": "<i4", "h": "<i2", "b": "<i1"}
_DTYPES: dict[int, np.dtype[Any]] = {ord(kind): np.dtype(name) for kind, name in _KINDS.items()}
_BOOLEANS, _IDS, _TEXTS, _CATEGORIES, _MIXED = b"?vscm"
_CODES: dict[int, np.dtype[Any]] = {1: np.dtype("<u1"), 2: np.dtype("<u2"), 4: np.dtype("<u4")}
_WHOLE = tuple((name, _DTYPES[name[0]], 2.0**bits) for name, bits in ((b"b", 7), (b"h", 15), (b"i", 31), (b"q", 63)))
_TRAILER = struct.Struct("<IBB")  # trailer of categories: number of categories k, width of a code w, kind
_INT32 = np.dtype("<i4")


class ColumnError(ValueError):
    """The bytes are not a column of n rows. ``reason`` is a constant, for a counter."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def encode(columns: Mapping[str, Value]) -> dict[str, bytes]:
    r"""Encode columns of n rows each as the attribute map ``driftline.prediction.columns``.

    A column is a numpy array (numbers or booleans, (n,) or (n, k); ids as ``V16`` / ``V8``), a :class:`Column` (its
    vectors instead of their norms, if it has any) or a :class:`Text`. Numbers use the narrowest kind that can represent
    every value (``-0.0`` becomes 0 in an integer kind); an unsigned integer beyond int64 becomes the nearest double.

    Raises ``TypeError`` for any other array and ``ValueError`` for a :class:`Column` without values.

    >>> encode({"driftline.feature.value.age": np.array([31.0, 64.0])})
    {'driftline.feature.value.age': b'\x1f@b'}
    """
    return {name: encode_column(value) for name, value in columns.items()}


def encode_column(value: Value) -> bytes:
    """Encode one column; see :func:`encode`."""
    if isinstance(value, Text):
        return value.offsets.astype("<i4", copy=False).tobytes() + value.data + b"s"
    if not isinstance(value, Column):
        return _encode_array(value)
    numbers, codes = value.numbers, value.codes
    if value.vectors is not None:
        return value.vectors.astype("<f4", copy=False).tobytes() + b"f"
    if codes is not None and (numbers is None or np.isnan(numbers).all()):
        return _encode_categories(b"", codes, value.categories, _CATEGORIES)
    if numbers is None:
        raise ValueError("a Column requires numbers or category codes; if the column has no values, leave it out")
    if codes is None or (codes < 0).all():
        return _encode_array(numbers)
    return _encode_categories(numbers.astype("<f8", copy=False).tobytes(), codes, value.categories, _MIXED)


def decode(data: bytes, n: int) -> Value:
    r"""Decode one column of n rows; numbers, ids and texts are views on ``data``.

    Numbers have the width in which they were sent, (n,) or (n, k); categories and mixed values are a :class:`Column`;
    texts are a :class:`Text`. Raises :class:`ColumnError` if the bytes are not a column of n rows.

    >>> decode(b"\x1f@b", 2)
    array([31, 64], dtype=int8)
    >>> decode(encode_column(Column(codes=np.array([1, -1, 0], np.int32), categories=("AA", "UA"))), 3).codes
    array([ 1, -1,  0], dtype=int32)
    """
    if not data:
        raise ColumnError("column_length")
    kind = data[-1]
    dtype = _DTYPES.get(kind)
    if dtype is not None:
        if len(data) - 1 == n * dtype.itemsize:
            return np.frombuffer(data, dtype, n)
        return _decode_rows(data, dtype, n)
    if kind == _CATEGORIES:
        codes, categories = _decode_categories(data, 0, n)
        return Column(None, codes, categories)
    if kind == _MIXED:
        if len(data) < 8 * n:
            raise ColumnError("column_length")
        codes, categories = _decode_categories(data, 8 * n, n)
        return Column(np.frombuffer(data, "<f8", n), codes, categories)
    if kind == _TEXTS:
        return _decode_texts(data, n)
    if kind == _BOOLEANS:
        return _decode_rows(data, np.dtype(np.uint8), n).astype(np.bool_)
    if kind == _IDS:
        return _decode_rows(data, np.dtype("V8" if len(data) - 1 == 8 * n else "V16"), n)
    raise ColumnError("column_kind")


def decode_numbers(data: bytes) -> Array:
    r"""Decode one column of numbers whose length is not known.

    Raises :class:`ColumnError` if the bytes are not a column of numbers.

    >>> decode_numbers(b"\x1f@b")
    array([31, 64], dtype=int8)
    """
    dtype = _DTYPES.get(data[-1]) if data else None
    if dtype is None:
        raise ColumnError("column_kind")
    n, rest = divmod(len(data) - 1, dtype.itemsize)
    if rest:
        raise ColumnError("column_length")
    return np.frombuffer(data, dtype, n)


def texts(values: Iterable[str]) -> Text:
    r"""Encode texts as UTF-8; characters without an encoding (lone surrogates) become ``?``.

    >>> texts(["a", "", "é"])
    Text(offsets=array([0, 1, 1, 3], dtype=int32), data=b'a\xc3\xa9')
    """
    values = list(values)
    joined = "".join(values)
    if joined.isascii():  # a byte per character: no text needs a byte string of its own
        data, lengths = joined.encode(), list(map(len, values))
    else:
        parts = [value.encode("utf-8", "replace") for value in values]
        data, lengths = b"".join(parts), list(map(len, parts))
    offsets = np.zeros(len(values) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return Text(offsets, data)


def strings(text: Text) -> list[str]:
    """Return texts as Python strings.

    >>> strings(texts(["a", "", "é"]))
    ['a', '', 'é']
    """
    return _split(text.data, text.offsets.tolist())


def _encode_array(values: Array) -> bytes:
    kind = values.dtype.kind
    if kind == "b":
        return values.tobytes() + b"?"
    if kind == "V" and values.dtype.itemsize in (8, 16):
        return values.tobytes() + b"v"
    if kind == "f":
        return _encode_floats(values)
    if kind in "iu":
        low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
        for name, dtype, limit in _WHOLE:
            if -limit <= low and high < limit:
                return values.astype(dtype).tobytes() + name
        return values.astype("<f8").tobytes() + b"d"
    raise TypeError(f"a column of {values.dtype} cannot be sent; convert it to numbers, booleans, a Column or a Text")


def _encode_floats(values: F64 | Array) -> bytes:
    n = values.size
    if n == 0:
        return b"f"
    # For most columns, one value shows that they are not whole numbers or float32: 1 µs for 1,000 rows instead of 12.
    first = values.item(0)
    if first == first and array("f", (first,))[0] != first and not first.is_integer():
        return values.astype("<f8", copy=False).tobytes() + b"d"
    probes = (first, values.item(n // 2), values.item(n - 1))
    if all(map(float.is_integer, probes)):
        low, high = np.minimum.reduce(values, None), np.maximum.reduce(values, None)
        for name, dtype, limit in _WHOLE[:3]:
            if -limit <= low and high < limit:
                integers = values.astype(dtype)
                if (integers == values).all():
                    return integers.tobytes() + name
                break
    if values.dtype.itemsize <= 4:
        return values.astype("<f4", copy=False).tobytes() + b"f"
    if all(probe != probe or single == probe for probe, single in zip(probes, array("f", probes), strict=True)):
        with np.errstate(over="ignore"):
            single = values.astype("<f4")
            if ((single == values) | (values != values)).all():
                return single.tobytes() + b"f"
    return values.astype("<f8", copy=False).tobytes() + b"d"


def _encode_categories(head: bytes, codes: Array, categories: tuple[str, ...], kind: int) -> bytes:
    names = texts(categories)
    width = 1 if len(categories) < 2**8 else 2 if len(categories) < 2**16 else 4
    return b"".join(
        (
            head,
            (codes + 1).astype(_CODES[width]).tobytes(),
            names.offsets.astype("<i4", copy=False).tobytes(),
            names.data,
            _TRAILER.pack(len(categories), width, kind),
        )
    )


def _decode_rows(data: bytes, dtype: np.dtype[Any], n: int) -> Array:
    per_row, rest = divmod(len(data) - 1, n * dtype.itemsize) if n else (1, len(data) - 1)
    if rest or per_row < 1:
        raise ColumnError("column_length")
    values = np.frombuffer(data, dtype, n * per_row)
    return values if per_row == 1 else values.reshape(n, per_row)


def _decode_categories(data: bytes, start: int, n: int) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    end = len(data) - _TRAILER.size
    if end < start:
        raise ColumnError("column_length")
    k, width, _ = _TRAILER.unpack_from(data, end)
    dtype = _CODES.get(width)
    if dtype is None:
        raise ColumnError("column_codes")
    names = start + n * width
    if names + 4 * (k + 1) > end:
        raise ColumnError("column_length")
    codes = np.frombuffer(data, dtype, n, start)
    if n and np.maximum.reduce(codes) > k:
        raise ColumnError("column_codes")
    shifted = codes.astype(np.int32)
    shifted -= 1
    categories = data[names:end]
    return shifted, _categories(categories, k) if len(categories) < 4096 else _categories.__wrapped__(categories, k)


@lru_cache(maxsize=256)
def _categories(data: bytes, k: int) -> tuple[str, ...]:
    """Return the categories after their offsets; cached, because a sender rarely changes them."""
    offsets = np.frombuffer(data, _INT32, k + 1).tolist()
    letters = data[4 * (k + 1) :]
    if offsets[0] != 0 or offsets[-1] != len(letters) or offsets != sorted(offsets):
        raise ColumnError("column_offsets")
    try:
        return tuple(_split(letters, offsets))
    except UnicodeDecodeError:
        raise ColumnError("column_utf8") from None


def _decode_texts(data: bytes, n: int) -> Text:
    start = 4 * (n + 1)
    if len(data) - 1 < start:
        raise ColumnError("column_length")
    text = Text(np.frombuffer(data, _INT32, n + 1), data[start:-1])
    offsets, letters = text.offsets, text.data
    if offsets[0] != 0 or offsets[-1] != len(letters) or (offsets[1:] < offsets[:-1]).any():
        raise ColumnError("column_offsets")
    if not letters.isascii():
        try:
            letters.decode()
        except UnicodeDecodeError:
            raise ColumnError("column_utf8") from None
        starts = offsets[offsets < len(letters)]
        if ((np.frombuffer(letters, np.uint8)[starts] & 0xC0) == 0x80).any():  # an offset inside a character
            raise ColumnError("column_utf8")
    return text


def _split(data: bytes, offsets: list[int]) -> list[str]:
    if data.isascii():
        text = data.decode("ascii")
        return [text[a:b] for a, b in pairwise(offsets)]
    return [data[a:b].decode() for a, b in pairwise(offsets)]
