"""Profiles of whylogs 1.x (``.bin``): protocol buffers with sketches of Apache DataSketches, read without whylogs.

A file is ``WHY1``, a segment header and a profile header, both with their length before them, then chunks. The numbers
of fields are those of ``whylogs_messages.proto``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from driftline_extensions.expectation_suites.suite import SkippedCheck

from .column_summary import CategorySummary, NumberSummary, TableSummary, kll_sample

MAGIC = b"WHY1"
_KLL, _FREQUENT = 15, 10
"""Families of sketches in the preamble."""
_EMPTY, _SINGLE = 1, 4
"""Flags of a KLL sketch."""

Fields = dict[int, list[Any]]


def read_profile(data: bytes) -> TableSummary:
    """Read the first profile of a file. Raises ``ValueError`` for a damaged file."""
    try:
        return _table(_columns(data))
    except (IndexError, KeyError, struct.error, UnicodeDecodeError, OverflowError) as error:
        raise ValueError("is not a complete profile of whylogs 1.x") from error


def _table(columns: dict[str, dict[str, Fields]]) -> TableSummary:
    summaries, left_out, rows = dict[str, NumberSummary | CategorySummary](), list[SkippedCheck](), 0.0
    for name, metrics in columns.items():

        def amount(metric: str, metrics: dict[str, Fields] = metrics) -> float:
            return float(metrics.get(metric, {}).get(2, [0])[0])

        rows = max(rows, amount("counts/n"))
        numbers = amount("types/fractional") + amount("types/integral")
        texts, flags = amount("types/string"), amount("types/boolean")
        if numbers and not texts and not flags and 6 in metrics.get("distribution/kll", {}):
            sketch = _message(metrics["distribution/kll"][6][0])[1][0]
            values, weights = _read_kll(sketch)
            summaries[name] = NumberSummary(numbers, values, weights)
        elif flags and not numbers and not texts:
            true = amount("counts/true")
            summaries[name] = NumberSummary(flags, np.array([0.0, 1.0]), np.array([flags - true, true]))
        elif texts and not numbers and not flags and 4 in metrics.get("frequent_items/frequent_strings", {}):
            sketch = _message(metrics["frequent_items/frequent_strings"][4][0])[1][0]
            summaries[name] = CategorySummary(texts, _read_frequent_items(sketch))
        else:
            left_out.append(SkippedCheck(name, 0, "it is neither a number nor a text in all rows, or has no sketch"))
    return TableSummary(int(rows), summaries, left_out)


def _columns(data: bytes) -> dict[str, dict[str, Fields]]:
    """Return the metrics of each column: name of the metric → fields of its message."""
    if data[: len(MAGIC)] != MAGIC:
        raise ValueError("is not a profile of whylogs 1.x: it does not begin with 'WHY1'")
    _, start = _delimited(data, len(MAGIC))
    header, start = _delimited(data, start)
    profile = _message(header)
    names = {}
    for entry in profile.get(5, []):  # indexed_metric_paths
        fields = _message(entry)
        names[fields.get(1, [0])[0]] = fields[2][0].decode()
    columns = dict[str, dict[str, Fields]]()
    for entry in profile.get(2, []):  # column_offsets
        fields = _message(entry)
        metrics = columns.setdefault(fields[1][0].decode(), {})
        for packed in _message(fields[2][0]).get(1, []):
            for offset in [packed] if isinstance(packed, int) else list(_varints(packed)):
                chunk, at = _delimited(data, start + offset)
                body = data[at : at + _message(chunk)[3][0]]
                for component in _message(body).get(1, []):
                    parts = _message(component)
                    metrics[names[parts.get(1, [0])[0]]] = _message(parts[2][0])
    return columns


def _read_kll(sketch: bytes) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Read a KLL sketch of doubles."""
    integers, _, family, flags = sketch[:4]
    if family != _KLL:
        raise ValueError(f"has a sketch of family {family} instead of KLL ({_KLL})")
    if flags & _EMPTY:
        return kll_sample([])
    if flags & _SINGLE:
        return kll_sample([np.frombuffer(sketch, "<f8", 1, 4 * integers)])
    count = sketch[18]
    levels = struct.unpack_from(f"<{count}I", sketch, 4 * integers)
    items = np.frombuffer(sketch, "<f8", offset=4 * (integers + count) + 16)  # after the least and greatest value
    bounds = [*(level - levels[0] for level in levels), len(items)]
    return kll_sample([items[low:high] for low, high in pairwise(bounds)])


def _read_frequent_items(sketch: bytes) -> dict[str, float]:
    """Read a sketch of frequent strings: the rows that each certainly has."""
    integers, _, family = sketch[:3]
    if family != _FREQUENT:
        raise ValueError(f"has a sketch of family {family} instead of frequent items ({_FREQUENT})")
    if integers < 4:
        return {}
    (count,) = struct.unpack_from("<I", sketch, 8)
    at = 8 * integers
    weights = struct.unpack_from(f"<{count}Q", sketch, at)
    at += 8 * count
    items = dict[str, float]()
    for weight in weights:
        (length,) = struct.unpack_from("<I", sketch, at)
        items[sketch[at + 4 : at + 4 + length].decode()] = float(weight)
        at += 4 + length
    return items


# -- protocol buffers ------------------------------------------------------------------------------------------------


def _message(data: bytes) -> Fields:
    """Return the values of each field: integers, doubles, or bytes."""
    fields, at = Fields(), 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        value: Any
        if kind == 0:
            value, at = _varint(data, at)
        elif kind == 1:
            (value,), at = struct.unpack_from("<d", data, at), at + 8
        elif kind == 2:
            value, at = _delimited(data, at)
        elif kind == 5:
            (value,), at = struct.unpack_from("<f", data, at), at + 4
        else:
            raise IndexError(f"wire type {kind}")
        fields.setdefault(key >> 3, []).append(value)
    return fields


def _delimited(data: bytes, at: int) -> tuple[bytes, int]:
    length, at = _varint(data, at)
    if at + length > len(data):
        raise IndexError("the data end within a message")
    return data[at : at + length], at + length


def _varints(data: bytes) -> Iterator[int]:
    at = 0
    while at < len(data):
        value, at = _varint(data, at)
        yield value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise IndexError("a number has more than ten bytes")
