"""Readers of the inputs of ``predict``, found by type.

:func:`reader_for` looks a value's type up once and caches the result, without importing any library. A reader returns

- ``Row``, one prediction: a tuple of names (None if the input has none) and a tuple of values; a snapshot;
- :class:`Batch`, n predictions, not copied: :meth:`Batch.bounded_snapshot` is the snapshot, which does not change when
  ``predict`` changes its input. It is converted to columns later, on the background thread;
- :class:`Unrecorded`: the input cannot be recorded, with the reason.

A baseline is read by the same readers (:mod:`driftline.inputs.dataframes`), so that it and its service agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from driftline.loss_counters import UNSUPPORTED_INPUT

from .batch import Batch, Reader, Unrecorded
from .column import libraries_of, library_readers
from .row import SCALARS, read_scalar

READERS: dict[type, Reader] = {}


def reader_for(kind: type) -> Reader:
    """Return the reader of values of this type; cached per type."""
    reader = READERS.get(kind)
    if reader is None:
        reader = READERS[kind] = _find(kind)
    return reader


def _find(kind: type) -> Reader:
    if issubclass(kind, Batch):  # an integration has read it
        return _itself
    for find in _finders(kind):
        reader = find(kind)
        if reader is not None:
            return reader
    return _unknown


def _finders(kind: type) -> Iterator[Callable[[type], Reader | None]]:
    """Yield the functions that may find a reader, the most specific first; only required modules are imported."""
    libraries = libraries_of(kind)
    if "scipy" in libraries:  # before mappings: one sparse layout is a dict
        from . import sparse

        yield sparse.reader
    from . import objects

    yield objects.mapping_reader
    if "numpy" in libraries:
        from . import array

        yield array.reader
    for module in library_readers(libraries):
        yield module.reader
    yield objects.reader
    from . import lists

    yield lambda kind: lists.reader(kind, reader_for)
    yield lambda kind: read_scalar if issubclass(kind, SCALARS) else None


def _itself(value: Batch) -> Batch:
    return value


def _unknown(value: Any) -> Unrecorded:  # noqa: ARG001 - every reader has this signature
    return Unrecorded(UNSUPPORTED_INPUT)
