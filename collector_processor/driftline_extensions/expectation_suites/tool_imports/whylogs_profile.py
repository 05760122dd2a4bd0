"""Profiles of whylogs 1.x (``.bin``): protocol buffers with sketches of Apache DataSketches, read without whylogs.

A file is ``WHY1``, a segment header and a profile header, both with their length before them, then chunks. The messages
are those of ``whylogs_messages.proto``.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any

import numpy as np
from driftline_processor.otlp.message_classes import Message, message_classes
from google.protobuf.message import DecodeError

from driftline_extensions.expectation_suites.suite import SkippedCheck

from .column_summary import CategorySummary, NumberSummary, TableSummary, kll_sample

MAGIC = b"WHY1"
_KLL, _FREQUENT = 15, 10
"""Families of sketches in the preamble."""
_EMPTY, _SINGLE = 1, 4
"""Flags of a KLL sketch."""

_MESSAGES = message_classes(
    "driftline.whylogs",
    {
        "ProfileHeader": {
            "column_offsets": (2, "repeated ColumnOffsets"),
            "indexed_metric_paths": (5, "repeated MetricPath"),
        },
        "ColumnOffsets": {"key": (1, "string"), "value": (2, "ChunkOffsets")},
        "ChunkOffsets": {"offsets": (1, "repeated uint64")},
        "MetricPath": {"key": (1, "uint32"), "value": (2, "string")},
        "ChunkHeader": {"length": (3, "uint32")},
        "Chunk": {"components": (1, "repeated Component")},
        "Component": {"key": (1, "uint32"), "value": (2, "Metric")},
        "Metric": {"n": (2, "int64"), "frequent_items": (4, "Sketch"), "kll": (6, "Sketch")},
        "Sketch": {"sketch": (1, "bytes")},
    },
)

Metrics = dict[str, Message]
"""The metrics of a column by path."""


def read_profile(data: bytes) -> TableSummary:
    """Read the first profile of a file. Raises ``ValueError`` for a damaged file."""
    try:
        return _table(_columns(data))
    except (DecodeError, IndexError, KeyError, struct.error, UnicodeDecodeError, OverflowError) as error:
        raise ValueError("is not a complete profile of whylogs 1.x") from error


def _table(columns: dict[str, Metrics]) -> TableSummary:
    summaries, left_out = dict[str, NumberSummary | CategorySummary](), list[SkippedCheck]()
    for name, metrics in columns.items():
        summary = _summary(metrics)
        if summary is None:
            left_out.append(SkippedCheck(name, 0, "it is neither a number nor a text in all rows, or has no sketch"))
        else:
            summaries[name] = summary
    rows = max((_amount(metrics, "counts/n") for metrics in columns.values()), default=0.0)
    return TableSummary(int(rows), summaries, left_out)


def _summary(metrics: Metrics) -> NumberSummary | CategorySummary | None:
    """Return the distribution of a column; None if its values have several types, or it has no sketch."""
    numbers = _amount(metrics, "types/fractional") + _amount(metrics, "types/integral")
    texts, flags = _amount(metrics, "types/string"), _amount(metrics, "types/boolean")
    if sum(map(bool, (numbers, texts, flags))) != 1:
        return None
    if flags:
        true = _amount(metrics, "counts/true")
        return NumberSummary(flags, np.array([0.0, 1.0]), np.array([flags - true, true]))
    if numbers:
        sketch = metrics["distribution/kll"].kll.sketch if "distribution/kll" in metrics else b""
        return NumberSummary(numbers, *_read_kll(sketch)) if sketch else None
    path = "frequent_items/frequent_strings"
    sketch = metrics[path].frequent_items.sketch if path in metrics else b""
    return CategorySummary(texts, _read_frequent_items(sketch)) if sketch else None


def _amount(metrics: Metrics, path: str) -> float:
    return float(metrics[path].n) if path in metrics else 0.0


def _columns(data: bytes) -> dict[str, Metrics]:
    """Return the metrics of each column by the path of the metric."""
    if data[: len(MAGIC)] != MAGIC:
        raise ValueError("is not a profile of whylogs 1.x: it does not begin with 'WHY1'")
    _, start = _delimited(data, len(MAGIC))
    header, start = _delimited(data, start)
    profile = _MESSAGES["ProfileHeader"].FromString(header)
    paths = {path.key: path.value for path in profile.indexed_metric_paths}
    columns = dict[str, Metrics]()
    for column in profile.column_offsets:
        metrics = columns.setdefault(column.key, {})
        for offset in column.value.offsets:
            chunk_header, at = _delimited(data, start + offset)
            length = _MESSAGES["ChunkHeader"].FromString(chunk_header).length
            chunk = _MESSAGES["Chunk"].FromString(data[at : at + length])
            metrics |= {paths[component.key]: component.value for component in chunk.components}
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


def _delimited(data: bytes, at: int) -> tuple[bytes, int]:
    """Return the message at a place, before which its length stands, and the place after it."""
    length = shift = 0
    while True:
        byte = data[at]
        length |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            break
    if at + length > len(data):
        raise IndexError("the data end within a message")
    return data[at : at + length], at + length
