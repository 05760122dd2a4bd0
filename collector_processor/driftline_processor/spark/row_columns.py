"""Scores, slices and ranked items of rows as bytes and texts: Spark passes lists ten times slower to Python."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from driftline.tables.classes import class_column
from driftline.tables.table import F64, Column, Items

from driftline_processor.core.arrow_arrays import category_array
from driftline_processor.core.lazy_modules import pc
from driftline_processor.store import arrow_tables

_NUMBER = np.dtype("<f8")


def scores_array(scores: F64 | None, n: int) -> pa.Array:
    """Return several scores per row as bytes of float64, little-endian; null without them.

    >>> scores_of(scores_array(np.array([[0.2, 0.8]]), 1), 2).tolist()
    [[0.2, 0.8]]
    """
    if scores is None:
        return pa.nulls(n, pa.binary())
    data = np.ascontiguousarray(scores, _NUMBER)
    width = pa.binary(data.shape[1] * _NUMBER.itemsize)
    return pa.FixedSizeBinaryArray.from_buffers(width, n, [None, pa.py_buffer(data.tobytes())]).cast(pa.binary())


def scores_of(scores: pa.Array, classes: int) -> F64:
    """Return the scores of rows: float64 (n, classes), NaN for a row without, or with those of other classes."""
    found = np.full((len(scores), classes), np.nan)
    sizes = np.asarray(scores.is_valid()) & (_lengths(scores) == classes * _NUMBER.itemsize)
    data = b"".join(scores.filter(pa.array(sizes)).to_pylist())
    found[sizes] = np.frombuffer(data, _NUMBER).reshape(-1, classes)
    return found


def _lengths(scores: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.asarray(pc.fill_null(pc.binary_length(scores), 0), np.int64)


def slices_array(slices: Mapping[str, Column], n: int) -> pa.Array:
    """Return the slices of each row as an object of JSON; null if no row has a slice.

    >>> column = Column(codes=np.array([0, -1], np.int32), categories=("north",))
    >>> slices_array({"region": column}, 2).to_pylist()
    ['{"region": "north"}', '{}']
    """
    if not slices:
        return pa.nulls(n, pa.string())
    texts = {key: class_column(column) for key, column in slices.items()}
    codes = np.stack([np.full(n, -1) if text.codes is None else text.codes for text in texts.values()], axis=1)
    unique, place = np.unique(codes, axis=0, return_inverse=True)
    named = list(texts.items())
    objects = [
        json.dumps({key: text.categories[code] for (key, text), code in zip(named, row, strict=True) if code >= 0})
        for row in unique.tolist()
    ]
    return pa.array(objects, pa.string()).take(pa.array(place.reshape(-1)))


_BETWEEN = "\x1f"
"""Between two items: ASCII's unit separator, which no sensible item contains."""


def items_array(items: Items | None, n: int) -> pa.Array:
    """Return the items of each ranking as one text, best first; null without them.

    >>> ids = Column(codes=np.array([1, 0, 0], np.int32), categories=("p4", "p17"))
    >>> texts = items_array(Items(np.array([0, 2, 2, 3], np.int32), ids), 3)
    >>> found = items_of(texts, pa.nulls(3, pa.int64()))
    >>> found.offsets.tolist(), [found.ids.categories[code] for code in found.ids.codes.tolist()]
    ([0, 2, 2, 3], ['p17', 'p4', 'p4'])
    """
    if items is None:
        return pa.nulls(n, pa.string())
    ids = pc.fill_null(category_array(items.ids, int(items.offsets[-1])), "")
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(items.offsets), ids), _BETWEEN)


def items_of(texts: pa.Array, left_out: pa.Array) -> Items:
    """Return the items of rankings, without scores; ``left_out``: number of further ones, null = 0."""
    known = pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
    return arrow_tables.items_of(pa.table({"items": pc.split_pattern(known, _BETWEEN), "left_out": left_out}))


def slices_of(objects: pa.Array, keys: Sequence[str]) -> dict[str, Column]:
    """Return the slices of rows by key."""
    encoded = objects.dictionary_encode()
    values = [json.loads(text) for text in encoded.dictionary.to_pylist()]
    place = np.asarray(encoded.indices.fill_null(len(values)), np.int64)
    found = {}
    for key in keys:
        categories = tuple(dict.fromkeys(value[key] for value in values if key in value))
        codes = [categories.index(value[key]) if key in value else -1 for value in values]
        found[key] = Column(codes=np.array([*codes, -1], np.int32)[place], categories=categories)
    return found
