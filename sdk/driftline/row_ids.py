"""The ids of n rows, laid out as they travel: one text behind the other, without a Python string per row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .columns import texts
from .faults import FAULTS
from .ids import id_text
from .tables import I32, Text

_MOST_REMEMBERED = 5000
"""Rows of a record; suffixes of these numbers are made once per process: 0.3 MB."""

_suffixes: tuple[list[bytes], I32] | None = None


def numbered(prefix: str, n: int) -> Text:
    """Return the made-up ids of a batch, ``<prefix>.0`` to ``<prefix>.<n-1>``: 15 µs for 1,000 rows.

    >>> numbered("a", 2)
    Text(offsets=array([0, 3, 6], dtype=int32), data=b'a.0a.1')
    """
    parts, ends = _numbers(n)
    start = prefix.encode("utf-8", "replace")
    offsets = ends[: n + 1] + np.arange(0, (n + 1) * len(start), len(start) or 1, dtype=np.int32)[: n + 1]
    return Text(offsets, start.join(parts[: n + 1]))


def given(values: Sequence[object], prefix: str) -> Text:
    """Return the ids of n rows as they were given, and ``<prefix>.<i>`` where row i has none.

    >>> given([17.0, None, " b "], "a").data
    b'17a.1b'
    """
    try:
        ids = [id_text(value) for value in values]
    except Exception as fault:  # one of them
        FAULTS.swallow("ids", fault)
        ids = [_text_of(value) for value in values]
    return texts([text or f"{prefix}.{i}" for i, text in enumerate(ids)] if "" in ids else ids)


def _text_of(value: object) -> str:
    """Return the text of an id, empty where it cannot be read."""
    try:
        return id_text(value)
    except Exception as fault:
        FAULTS.swallow("id", fault)
        return ""


def joined(parts: Sequence[Text]) -> Text:
    """Return the ids of several batches as one.

    >>> joined([numbered("a", 1), numbered("b", 2)]).offsets
    array([0, 3, 6, 9], dtype=int32)
    """
    starts = np.cumsum([0, *(len(part.data) for part in parts[:-1])]).tolist()
    offsets = [part.offsets[:-1] + np.int32(start) for part, start in zip(parts, starts, strict=True)]
    end = np.array([starts[-1] + len(parts[-1].data)], np.int32)
    return Text(np.concatenate([*offsets, end]), b"".join([part.data for part in parts]))


def cut(text: Text, start: int, stop: int) -> Text:
    """Return rows ``start`` to ``stop``.

    >>> cut(numbered("a", 3), 1, 2)
    Text(offsets=array([0, 3], dtype=int32), data=b'a.1')
    """
    offsets = text.offsets[start : stop + 1]
    return Text(offsets - offsets[0], text.data[int(offsets[0]) : int(offsets[-1])])


def _numbers(n: int) -> tuple[list[bytes], I32]:
    """Return ``""``, ``.0``, ``.1``, ..., and where each ends."""
    global _suffixes
    if _suffixes is not None and n <= _MOST_REMEMBERED:
        return _suffixes
    parts = [b"", *(b".%d" % i for i in range(max(n, _MOST_REMEMBERED)))]
    ends = np.cumsum([len(part) for part in parts], dtype=np.int32)
    if n <= _MOST_REMEMBERED:
        _suffixes = parts, ends
    return parts, ends
