"""Convert Arrow arrays to the columns of a fold: numbers, categories, ids, without Python loops over rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from driftline.inputs.texts_and_vectors import LONGEST_VECTOR, vector_column
from driftline.tables.classes import EXACT, with_exact_integers
from driftline.tables.ids import id_text
from driftline.tables.table import F64, Column
from numpy.typing import NDArray

from driftline_processor.core.lazy_modules import pc

MOSTLY = 0.9
"""Minimum fraction of numbers in a text column that is read as numbers with a few invalid texts."""

_BOOLEANS = {"true": 1.0, "false": 0.0}

NUMBER = "\f"
"""Begins a number in a column of several types, whose values are all texts here: 12 is a number, and "12" is a text.
White space, so that an id or a score is read as without it.
"""

_NUMBER, _ZEROS = r"-?(0|[1-9]\d*)", r"^0+(?=\d+$)"
_WHOLE = r"^([+-]?\d+)\.0+$"


def is_time(kind: pa.DataType) -> bool:
    """Return True if values of this type are points in time."""
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def is_number(kind: pa.DataType) -> bool:
    """Return True if values of this type are integers or floating-point numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def is_nested(kind: pa.DataType) -> bool:
    """Return True for lists, structs and other types that are not numbers, texts or times."""
    return not _plain(kind)


def is_text(kind: pa.DataType) -> bool:
    """Return True if values of this type are texts, or codes of texts.

    >>> is_text(pa.string()), is_text(pa.dictionary(pa.int32(), pa.string())), is_text(pa.int64())
    (True, True, False)
    """
    return _is_text(_value_type(kind))


def is_vector(kind: pa.DataType) -> bool:
    """Return True if values of this type are vectors: lists of floating-point numbers, such as embeddings.

    >>> is_vector(pa.list_(pa.float32())), is_vector(pa.list_(pa.float64(), 3)), is_vector(pa.list_(pa.int64()))
    (True, True, False)
    """
    return is_number_list(kind) and bool(pa.types.is_floating(kind.value_type))


def column(array: pa.Array, number: bool | None = None) -> Column:
    """Convert an Arrow array of n values to a :class:`Column`.

    Numbers, booleans, decimals, times and durations (in seconds) become float64 with NaN for null; texts become codes;
    lists of floats become vectors, missing if their length is not the most common one.
    ``number``: True reads numeric texts as numbers and keeps other texts, which count as invalid: for a numeric
    feature in a file without types. False keeps all texts. None decides by :data:`MOSTLY`. Numbers
    of a column of several types, which are marked (:data:`NUMBER`), are always numbers.

    >>> column(pa.array(["12", "x", None]), number=True)
    Column(numbers=array([12., nan, nan]), codes=array([-1,  0, -1], dtype=int32), categories=('x',), vectors=None)
    """
    kind = array.type
    if pa.types.is_dictionary(kind) and not _is_text(kind.value_type):
        return column(array.dictionary_decode(), number)
    if is_vector(kind):
        return _vectors(array)
    if not is_text(kind):
        return Column(numbers=numbers(array))
    codes, categories = _codes(array)
    texts = Column(codes=codes, categories=categories)
    if any(category.startswith(NUMBER) for category in categories):
        marked = [_number(category) if category.startswith(NUMBER) else np.nan for category in categories]
        texts = _with_values(texts, np.array(marked, np.float64))
    if number is False or (number is None and not mostly_numbers(texts)):
        return texts
    return with_numbers(texts)


def class_values(array: pa.Array, number: bool | None = None) -> Column:
    """Convert classes to a :class:`Column` as :func:`column` does; their integers keep all their digits.

    >>> class_values(pa.array([7, 2**53 + 1, None])).categories
    ('9007199254740993',)
    """
    values = column(array, number)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_decimal(array.type) and array.type.scale == 0:
        assert values.numbers is not None
        beyond = np.flatnonzero(np.abs(values.numbers) >= EXACT)
        integers = np.zeros(len(array), object)
        integers[beyond] = [int(value) for value in array.take(positions(beyond)).to_pylist()]
        return with_exact_integers(values, integers)
    return with_exact_integers(values, values_of(array, 0)) if pa.types.is_integer(array.type) else values


def mostly_numbers(texts: Column) -> bool:
    """Return True if most texts of a column are numbers, see :data:`MOSTLY`.

    >>> mostly_numbers(column(pa.array(["1", "2", None]), number=False)), mostly_numbers(Column())
    (True, False)
    """
    if texts.codes is None or not texts.categories:
        return False
    is_number = ~np.isnan(_category_numbers(texts.categories))
    counts = np.bincount(texts.codes[texts.codes >= 0], minlength=len(texts.categories))
    return bool(is_number.any() and counts[is_number].sum() >= MOSTLY * counts.sum())


def are_number_codes(categories: Sequence[str]) -> bool:
    """Return True if two texts are one number, such as the codes 1.1 and 1.10; 1 and 1.0 are one code.

    >>> are_number_codes(("1.1", "1.10")), are_number_codes(("1", "1.0", "2.5"))
    (True, False)
    """
    numbers = _category_numbers(categories)
    numeric = [category for category, number in zip(categories, numbers.tolist(), strict=True) if number == number]
    return len({_written_alike(category) for category in numeric}) > len(np.unique(numbers[~np.isnan(numbers)]))


def with_numbers(texts: Column) -> Column:
    """Return a column whose numeric texts are numbers; other texts stay."""
    if texts.codes is None or not texts.categories:
        return texts
    return _with_values(texts, _category_numbers(texts.categories))


def _with_values(texts: Column, values: F64) -> Column:
    """Return a column in which categories with a value, float64 (k,), are numbers."""
    assert texts.codes is not None
    stray = np.isnan(values)
    rank = np.where(stray, np.cumsum(stray) - 1, -1).astype(np.int32)
    categories = tuple(
        category for category, is_stray in zip(texts.categories, stray.tolist(), strict=True) if is_stray
    )
    read = np.append(values, np.nan)[texts.codes]
    return Column(
        numbers=read if texts.numbers is None else np.where(np.isnan(texts.numbers), read, texts.numbers),
        codes=np.append(rank, np.int32(-1))[texts.codes] if categories else None,
        categories=categories,
    )


def _category_numbers(categories: Sequence[str]) -> F64:
    return np.array([_number(category) for category in categories], dtype=np.float64)


def numbers(array: pa.Array) -> F64:
    """Return numbers, booleans, decimals, times or durations (both in seconds) as float64 (n,), NaN for null.

    >>> numbers(pa.array([True, None])).tolist()
    [1.0, nan]
    """
    kind = array.type
    if pa.types.is_null(kind):
        return np.full(len(array), np.nan)
    if pa.types.is_temporal(kind):
        return _seconds(array)
    if not pa.types.is_float64(kind):
        array = array.cast(pa.float64(), safe=False)
    return np.asarray(values_of(array, float("nan")), dtype=np.float64)


def values_of(array: pa.Array | pa.ChunkedArray, missing: float) -> Any:
    """Return integers or doubles as a numpy array, ``missing`` for null; a read-only view if possible.

    Arrow's own conversions import pandas if it is installed, which costs a quarter of a second. So buffers are read
    here, and :func:`positions` creates the only kind of array that is passed back.
    """
    array = one_array(array)
    n = len(array)
    dtype = np.dtype("float64" if pa.types.is_float64(array.type) else str(array.type))
    buffer = array.buffers()[1]
    if buffer is None:
        return np.full(n, missing, dtype)
    values = np.frombuffer(buffer, dtype, count=array.offset + n)[array.offset :]
    return np.where(valid_of(array), values, dtype.type(missing)) if array.null_count else values


def valid_of(array: pa.Array | pa.ChunkedArray) -> NDArray[np.bool_]:
    """Return which values are valid: bool (n,)."""
    array = one_array(array)
    if pa.types.is_null(array.type):
        return np.zeros(len(array), np.bool_)
    buffer = array.buffers()[0]
    return np.ones(len(array), np.bool_) if buffer is None else _bits(buffer, array.offset, len(array))


def truth_of(array: pa.Array | pa.ChunkedArray) -> NDArray[np.bool_]:
    """Return an array of booleans as numpy's; null is False."""
    array = one_array(array)
    return _bits(array.buffers()[1], array.offset, len(array)) & valid_of(array)


def mask_of(which: NDArray[np.bool_]) -> pa.Array:
    """Return booleans as an array for Arrow's ``filter`` and ``if_else``."""
    packed = np.packbits(which, bitorder="little").tobytes()
    return pa.Array.from_buffers(pa.bool_(), len(which), [None, pa.py_buffer(packed)])


def positions(at: NDArray[np.intp]) -> pa.Array:
    """Return positions as an array for Arrow's ``take``."""
    return pa.Array.from_buffers(pa.int64(), len(at), [None, pa.py_buffer(at.astype(np.int64).tobytes())])


def one_array(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return the rows of all chunks as one array."""
    if not isinstance(array, pa.ChunkedArray):
        return array
    combined = array.combine_chunks()
    if not isinstance(combined, pa.ChunkedArray):
        return combined
    # no chunk at all, or more text than the offsets of one array can address
    return pa.concat_arrays([chunk.cast(pa.large_string()) for chunk in combined.chunks] or [pa.nulls(0)])


def ids(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return ids as texts, null for null or empty ids: 17, 17.0 and "17" are one id.

    Texts, integers and integers that became doubles are converted at once, other values one by one: a double has no
    integer of 2^53 or more, and UUIDs, decimals and times have the texts of :func:`~driftline.tables.ids.id_text`.

    >>> ids(pa.array([17.0, None, 0.5])).to_pylist(), ids(pa.array([2**64 - 1], pa.uint64())).to_pylist()
    (['17', None, '0.5'], ['18446744073709551615'])
    """
    array = one_array(array)
    kind = array.type
    if pa.types.is_dictionary(kind):
        return ids(array.cast(kind.value_type))
    if is_text(kind) and not _is_bytes(kind):
        texts = array if pa.types.is_string(kind) else array.cast(pa.string())
        return pc.replace_substring_regex(pc.utf8_trim_whitespace(texts), _WHOLE, r"\1")
    if pa.types.is_integer(kind) or pa.types.is_null(kind):
        return array.cast(pa.string())
    if pa.types.is_floating(kind):
        number = values_of(array.cast(pa.float64()), np.nan)
        if (np.isnan(number) | ((np.floor(number) == number) & (np.abs(number) < EXACT))).all():
            whole = np.where(np.isnan(number), 0, number).astype(np.int64)
            return pa.array(whole, mask=np.isnan(number)).cast(pa.string())
    return pa.array([id_text(value) or None for value in array.to_pylist()], pa.string())


def whole_column(array: pa.ChunkedArray, number: bool | None = None) -> Column:
    """Turn a whole chunked column into one :class:`Column`."""
    return column(whole_array(array), number)


def whole_array(array: pa.ChunkedArray) -> pa.Array:
    """Return the rows of all chunks as one array, with one dictionary of categories."""
    return one_array(array.unify_dictionaries() if pa.types.is_dictionary(array.type) else array)


def _vectors(array: pa.Array) -> Column:
    lengths = values_of(pc.list_value_length(array), -1).astype(np.int64)
    vector_lengths = lengths[(lengths >= 2) & (lengths <= LONGEST_VECTOR)]
    if len(vector_lengths) == 0:
        return Column(numbers=np.full(len(array), np.nan))
    k = int(np.bincount(vector_lengths).argmax())
    rows = list_rows(array, k, np.float32)
    return vector_column(rows)


def list_rows(array: pa.Array, k: int, dtype: Any = np.float64) -> Any:
    """Return lists of k numbers as rows (n, k); NaN for lists of another length."""
    usable = values_of(pc.list_value_length(array), -1) == k
    rows = np.full((len(array), k), np.nan, dtype)
    flat = pc.list_flatten(array.take(positions(np.flatnonzero(usable)))).cast(pa.float64())
    rows[usable] = values_of(flat, np.nan).astype(dtype).reshape(-1, k)
    return rows


def is_number_list(kind: pa.DataType) -> bool:
    """Return True if values of this type are lists of numbers.

    >>> is_number_list(pa.list_(pa.int64())), is_number_list(pa.list_(pa.string())), is_number_list(pa.int64())
    (True, False, False)
    """
    types = pa.types
    lists = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    return bool(lists and (types.is_floating(kind.value_type) or types.is_integer(kind.value_type)))


def _bits(buffer: pa.Buffer, offset: int, n: int) -> NDArray[np.bool_]:
    bits = np.unpackbits(np.frombuffer(buffer, np.uint8), count=offset + n, bitorder="little")
    return bits[offset:].astype(np.bool_)


def _plain(kind: pa.DataType) -> bool:
    kind = _value_type(kind)
    return bool(pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind) or _is_text(kind))


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind) or _is_bytes(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))


def _codes(array: pa.Array) -> tuple[Any, tuple[str, ...]]:
    """Return codes (int32, -1 = null) and categories; invalid UTF-8 (a CSV in Latin-1) gets a readable category."""
    if pa.types.is_string_view(array.type) or pa.types.is_binary_view(array.type):
        array = array.cast(pa.large_string() if pa.types.is_string_view(array.type) else pa.large_binary())
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    codes = values_of(array.indices, -1).astype(np.int32, copy=False)
    categories = array.dictionary.to_pylist()
    if None in categories:  # a dictionary may hold null as a value
        null_code = categories.index(None)
        codes = np.where(codes == null_code, np.int32(-1), codes)
        categories[null_code] = ""
    return codes, tuple(
        category if isinstance(category, str) else category.decode("utf-8", "replace") for category in categories
    )


def _seconds(array: pa.Array) -> F64:
    kind = array.type
    if pa.types.is_date(kind):
        array, kind = array.cast(pa.timestamp("ms")), pa.timestamp("ms")
    integers = array.cast(pa.int32() if kind.bit_width == 32 else pa.int64())
    per_second = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[kind.unit]
    return np.where(valid_of(integers), values_of(integers, 0) / per_second, np.nan)


def as_known(texts: Column, known: Sequence[str]) -> Column:
    """Return a column of a CSV with the baseline's spelling of its categories.

    ``True`` becomes ``true``, and ``1.0``, which pandas writes for integers in a column with missing values, becomes
    ``1``. Blanks around a category are those after a comma. If the baseline has whole numbers, codes have no leading
    zeros there.

    >>> as_known(Column(codes=np.array([0]), categories=("01000",)), ["1000", "20"]).categories
    ('1000',)
    >>> as_known(Column(codes=np.array([0, 1, 2]), categories=("True", "1.0", " x")), ["true", "1", "x"]).categories
    ('true', '1', 'x')
    """
    if texts.codes is None:
        return texts
    # a column of booleans has the categories 1 and 0
    category_by_form = {word: code for word, code in (("true", "1"), ("false", "0")) if code in known}
    category_by_form |= {_written_alike(category): category for category in known}
    are_numbers = all(re.fullmatch(_NUMBER, category) for category in known)
    category_codes = {
        category: category_by_form[alike]
        for category in set(texts.categories).difference(known)
        if (alike := _written_alike(category, are_numbers)) in category_by_form
    }
    return (
        replace(texts, categories=tuple(category_codes.get(category, category) for category in texts.categories))
        if category_codes
        else texts
    )


def _written_alike(category: str, are_numbers: bool = False) -> str:
    """Return the common form of several spellings of a value; ``are_numbers``: leading zeros mean nothing."""
    category = category.strip()
    if are_numbers:
        category = re.sub(_ZEROS, "", category)
    if category.lower() in _BOOLEANS:
        return category.lower()
    return re.sub(_WHOLE, r"\1", category)  # 1.10 and 1.1 may be two codes


def _number(text: str) -> float:
    text = text.strip()
    try:
        # float() also reads 1_000, as Python writes numbers in its source, and the digits of other scripts
        return float("" if "_" in text or not text.isascii() else text)
    except ValueError:
        return _BOOLEANS.get(text.lower(), float("nan"))
