"""Scores and slices of rows as bytes and texts: Spark passes lists and maps to Python ten times slower than these."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from driftline.tables.classes import class_column
from driftline.tables.table import F64, Column

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
    from driftline_processor.core.lazy_modules import pc

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
