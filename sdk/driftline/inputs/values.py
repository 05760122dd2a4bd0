"""Convert Python values and numpy arrays to a column of numbers, texts, times or vectors, with missing values."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftline.loss_counters import UNSUPPORTED_VALUE, UNUSABLE
from driftline.tables.ids import id_text
from driftline.tables.table import F64, Column
from driftline.tables.timestamps import seconds_of

from .row import clean_value, feature_value, unusable_kind
from .texts_and_vectors import LONGEST_VECTOR, TEXT_LIMIT, Document, Vector, column_of_vectors, vector_column

Columns = dict[str, NDArray[Any] | Column]
"""Name → numbers or booleans (n,), or a Column if there are texts or missing values of any kind."""


_NUMBERS = frozenset((float, int, bool))


_TEXTS = frozenset((str, Document))


_PLAIN = frozenset((*_NUMBERS, str, type(None)))


_VALUE_BYTES = 64


class UnusableColumn(list[Any]):
    """Plain values of a column, some of which cannot be recorded and are missing.

    Attributes:
        kind: Name of the type of the first of them.
    """

    kind: str


def tamed(values: list[Any], are_ids: bool = False) -> tuple[list[Any], int]:
    """Return n values as plain, small and immutable values, and their approximate size in bytes.

    A list of plain values is returned unchanged: 30 ns per value. ``are_ids``: other values become the texts of ids.
    """
    if values and _few_characters(values):
        return values, _VALUE_BYTES * len(values)
    kinds = set(map(type, values))
    plain = kinds <= _PLAIN
    if plain and str in kinds:
        texts = values if len(kinds) == 1 else [value for value in values if value.__class__ is str]
        plain = max(map(len, texts)) <= TEXT_LIMIT
    if plain:
        return values, _VALUE_BYTES * len(values)
    cleaned = list(map(id_text if are_ids else feature_value, values))
    pairs = zip(values, cleaned, strict=True)
    kind = next((kind for value, one in pairs if one is None and (kind := unusable_kind(value))), "")
    if kind:
        cleaned = UnusableColumn(cleaned)
        cleaned.kind = kind
    return cleaned, sum(getattr(value, "cost", _VALUE_BYTES) for value in cleaned)


def _few_characters(values: list[Any]) -> bool:
    """Return True for texts only, with a total length within the limit: 3 ns each, 30 ns with a check of each.

    A single text can still be too long. It is found when categories are read, as for the texts of Arrow.
    """
    samples = (values[0], values[len(values) // 2], values[-1])  # joining documents would copy them
    if not all(value.__class__ is str and len(value) <= TEXT_LIMIT for value in samples):
        return False
    try:
        return len("".join(values)) <= _VALUE_BYTES * len(values)
    except TypeError:  # one is not a text
        return False


def column_of_values(values: Sequence[Any]) -> NDArray[Any] | Column:
    """Return n Python values as a column, by their types and never by the content of a text: "17" stays a text.

    >>> column_of_values((1.5, None, 2))
    array([1.5, nan, 2. ])
    >>> column_of_values(("a", "b", None, "a")).codes
    array([ 0,  1, -1,  0], dtype=int32)
    >>> column_of_values((1, "a")).numbers
    array([ 1., nan])
    """
    kinds = set(map(type, values))
    if kinds <= _NUMBERS:
        return _numbers(values, kinds)
    if not kinds <= {*_NUMBERS, str, type(None)}:
        values = [feature_value(value) for value in values]
        kinds = set(map(type, values))
        if Vector in kinds:
            return column_of_vectors(values)
    if not kinds & _TEXTS:
        return _numbers([np.nan if value is None else value for value in values], kinds)
    if len(kinds) == 1:
        codes, categories = _categories(values)
        return Column(codes=codes, categories=categories)
    codes, categories = _categories([value if value.__class__ in _TEXTS else None for value in values])
    if kinds & _NUMBERS:
        plain = [value if value.__class__ in _NUMBERS else np.nan for value in values]
        return Column(_numbers(plain, kinds).astype(np.float64), codes, categories)
    return Column(codes=codes, categories=categories)


def column_of_clean(values: Sequence[Any]) -> NDArray[Any] | Column:
    """Return n values of :func:`~.row.clean` as a column, as :func:`column_of_values` does.

    If the first value is a float, most are: ``array`` accepts only numbers, so that the types need no check.

    >>> column_of_clean((1.5, True, 2)), column_of_clean((1.5, "2")).categories
    (array([1.5, 1. , 2. ]), ('2',))
    """
    if values[0].__class__ is float:
        try:
            return np.frombuffer(array("d", values))
        except TypeError:  # a text, or None
            pass
    return column_of_values(values)


def _numbers(values: Sequence[Any], kinds: set[type]) -> NDArray[Any]:
    if kinds == {bool}:
        return np.array(values, np.bool_)
    try:
        return np.array(values, np.float64)
    except OverflowError:  # a whole number beyond 1e308
        return np.array([clean_value(value) for value in values], np.float64)


def _categories(values: Sequence[Any]) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    index: defaultdict[Any, int] = defaultdict(count().__next__)  # a new text gets the next code: one pass
    if None in values:
        index[None] = -1
    codes = np.fromiter(map(index.__getitem__, values), np.int32, len(values))
    return codes, tuple(
        category.category() if category.__class__ is Document else category
        for category in index
        if category is not None
    )


def _masked(values: np.ma.MaskedArray[Any, Any]) -> NDArray[Any] | Column:
    """Return a masked array as a column; masked values are missing."""
    if values.dtype.kind in "fiub":
        return np.ma.filled(values.astype(np.float64), np.nan)
    plain = np.asarray(values.data).astype(object)
    plain[np.ma.getmaskarray(values)] = None
    return column_of_array(plain)


def column_of_array(values: NDArray[Any]) -> NDArray[Any] | Column:
    """Return an array as a column: numbers and booleans unchanged, times as unix seconds, texts as categories.

    Args:
        values: any dtype, (n,); or numbers (n, k), which are n vectors with k from 2 to 4,096.

    Raises:
        ValueError: for an array of other dimensions.

    >>> column_of_array(np.array(["1970-01-01T00:00:02", "NaT"], "datetime64[s]"))
    array([ 2., nan])
    """
    if isinstance(values, np.ma.MaskedArray):
        return _masked(values)
    values = np.asarray(values)  # slices of an np.matrix have two dimensions
    kind = values.dtype.kind
    if values.ndim == 2 and kind in "fiub" and 1 < values.shape[1] <= LONGEST_VECTOR:
        return vector_column(values)
    if values.ndim != 1:
        raise ValueError(f"a column must have one dimension, but the values have shape {values.shape}")
    if kind in "fiub":
        return values
    if kind in "mM":
        return seconds_of(values)
    if kind in "OUS":
        return column_of_values(values.tolist())
    return unsupported(len(values))


def column_of_any(values: Any) -> NDArray[Any] | Column:
    """Return n values as a column: an array, an object that converts to an array, or Python values.

    >>> column_of_any(["a", None]).codes
    array([ 0, -1], dtype=int32)
    """
    if isinstance(values, np.ndarray):
        return column_of_array(values)
    if hasattr(values, "to_numpy"):
        return column_of_array(np.asarray(values.to_numpy()))
    if hasattr(values, "__array__"):
        return column_of_array(np.asarray(values))
    if isinstance(values, Iterable) and not isinstance(values, str | bytes):
        return column_of_values(list(values))
    return column_of_array(np.asarray(values))


def unsupported(rows: int, missing: int = 0) -> F64:
    """Return missing values for n values that cannot be recorded, and count them without those already ``missing``."""
    UNUSABLE.add(UNSUPPORTED_VALUE, rows - missing)
    return np.full(rows, np.nan)


def by_code(codes: NDArray[Any], distinct: list[Any]) -> NDArray[Any] | Column:
    """Return n values from codes, -1 = missing, into distinct values of any kind.

    >>> by_code(np.array([1, -1, 0]), [7, 8])
    array([ 8., nan,  7.])
    """
    read = column_of_values(distinct)
    if not isinstance(read, Column):
        f64: F64 = np.append(read.astype(np.float64), np.nan)[codes]
        return f64
    numbers = None if read.numbers is None else np.append(read.numbers, np.nan)[codes]
    texts = None if read.codes is None else np.append(read.codes, np.int32(-1))[codes]
    return Column(numbers, texts, read.categories)


def name_in(kind: type, library: str, *names: str) -> str:
    """Return which of the names a type, or one of its bases, has in a library; "" if none.

    ``library``: a top-level package. A user's subclass counts as its base class.

    >>> from collections import OrderedDict
    >>> class Mine(OrderedDict): ...
    >>> name_in(Mine, "collections", "OrderedDict"), name_in(dict, "collections", "OrderedDict")
    ('OrderedDict', '')
    """
    for base in kind.__mro__:
        if base.__name__ in names and base.__module__.partition(".")[0] == library:
            return base.__name__
    return ""
