"""What people pass to ``predict``, one kind a file.

:func:`reader_for` looks a value's type up once and remembers the answer. A reader takes a snapshot: what it returns
does not change when ``predict`` changes its input, and holds on to nothing larger than it needs. It returns one of

- ``Row``, one prediction: a tuple of names (None where the input has none) and values, both tuples;
- :class:`Batch`, n predictions: turned into columns later, on the background thread;
- None: the input cannot be recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .batch import Batch, Columns
from .row import Row

Reader = Callable[[Any], "Row | Batch | None"]

READERS: dict[type, Reader] = {}


def reader_for(kind: type) -> Reader:
    """Return the reader of values of that type; found once per type."""
    reader = READERS.get(kind)
    if reader is None:
        reader = READERS[kind] = _find(kind)
    return reader


def read(value: Any) -> Row | Batch | None:
    """Take a snapshot of one input.

    >>> read({"age": 31, "plan": "basic"})
    (('age', 'plan'), (31, 'basic'))
    >>> read([{"age": 31}, {"age": 64}]).count
    2
    """
    return reader_for(value.__class__)(value)


def _find(kind: type) -> Reader:
    from . import array, frame, mapping, objects, rows, scalar

    finders = (mapping.reader, array.reader, frame.reader, objects.reader, rows.reader, scalar.reader)
    for find in finders:
        reader = find(kind)
        if reader is not None:
            return reader
    return _unknown


def _unknown(value: Any) -> None:  # noqa: ARG001 - every reader has this signature
    return None


__all__ = ["READERS", "Batch", "Columns", "Reader", "Row", "read", "reader_for"]
