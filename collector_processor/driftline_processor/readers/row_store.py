"""Columns with one value per row, in memory for few rows and in a temporary file for many.

Scores, outcomes and times of ten million rows would need hundreds of megabytes. In a file they are read in chunks, and
their memory is released after use.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from driftline.tables.classes import class_column
from driftline.tables.table import Column
from numpy.typing import DTypeLike, NDArray

from driftline_processor.process_memory import give_back_tables

from .arrow_columns import class_values, column, mostly_numbers, whole_array, with_numbers
from .source import Source

MOST_IN_MEMORY = 1_000_000
"""Maximum number of rows in memory, a few dozen bytes each; also of a window that is evaluated from rows."""

CHUNK = 131_072
"""Rows per chunk of a file: a column of doubles is 1 MB, which fits the cache."""


def is_many(n: int) -> bool:
    """Return True for more rows than stay in memory."""
    return n > MOST_IN_MEMORY


def chunks_of(n: int) -> Iterator[slice]:
    """Yield slices of n rows in order: one if there are few, else one per chunk.

    >>> len(list(chunks_of(MOST_IN_MEMORY))), len(list(chunks_of(MOST_IN_MEMORY + 1)))
    (1, 8)
    """
    size = CHUNK if is_many(n) else max(1, n)
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def parts_of(n: int) -> int:
    """Return the number of partitions of n rows, each of which fits in memory."""
    return max(1, -(-n // MOST_IN_MEMORY))


def increases(values: NDArray[np.int64]) -> bool:
    """Return True if the values do not decrease."""
    if values.strides == (0,):  # one window of all rows
        return True
    stretches = (values[max(0, part.start - 1) : part.stop] for part in chunks_of(len(values)))
    return all(bool((stretch[1:] >= stretch[:-1]).all()) for stretch in stretches)


class RowStore:
    """Arrays with an entry per row.

    The file is unlinked as soon as it is created, so nothing remains after a kill. If the temporary folder is full,
    arrays stay in memory. The space of an array is freed with the array.
    """

    def __init__(self) -> None:
        self._maps = weakref.WeakSet[mmap.mmap]()

    def empty(self, n: int, dtype: DTypeLike) -> NDArray[Any]:
        """Return an uninitialised array of n entries."""
        kind = np.dtype(dtype)
        if not is_many(n):
            return np.empty(n, kind)
        try:
            with tempfile.TemporaryFile() as file:
                _reserve(file.fileno(), n * kind.itemsize)
                mapped = mmap.mmap(file.fileno(), n * kind.itemsize)
        except OSError:
            return np.empty(n, kind)
        self._maps.add(mapped)
        return np.frombuffer(mapped, kind)

    def full(self, n: int, value: float, dtype: DTypeLike) -> NDArray[Any]:
        """Return an array of n equal entries."""
        values = self.empty(n, dtype)
        for part in chunks_of(n):
            values[part] = value
        self.release()
        return values

    def keep(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the values, moved to the file if there are many."""
        return self.join([values])

    def join(self, parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Concatenate arrays. A single array that is small, or stored here, is returned unchanged."""
        total = sum(map(len, parts))
        if len(parts) == 1 and (not is_many(total) or self._holds(parts[0])):
            return parts[0]
        if not is_many(total):
            return np.concatenate(parts)
        kind = np.result_type(*(part.dtype for part in parts))
        width = int(np.prod(parts[0].shape[1:]))
        values = self.empty(total * width, kind).reshape(total, *parts[0].shape[1:])
        start = 0
        for part in parts:
            for chunk in chunks_of(len(part)):
                values[start + chunk.start : start + chunk.stop] = part[chunk]
            start += len(part)
        self.release()
        return values

    def take(self, values: NDArray[Any], places: NDArray[np.intp], missing: float) -> NDArray[Any]:
        """Return the values at some positions, ``missing`` for position -1."""
        if not len(values):
            return self.full(len(places), missing, values.dtype)
        taken_values = self.empty(len(places), values.dtype)
        for part in chunks_of(len(places)):
            taken_values[part] = values[places[part]]
            taken_values[part][places[part] < 0] = missing
        self.release()
        return taken_values

    def take_column(self, values: Column, places: NDArray[np.intp]) -> Column:
        """Return the values of a column at some positions, missing for position -1."""
        return Column(
            None if values.numbers is None else self.take(values.numbers, places, np.nan),
            None if values.codes is None else self.take(values.codes, places, -1),
            values.categories,
        )

    def release(self) -> None:
        """Release the memory of pages that were read or written; the values stay in the file."""
        if hasattr(mmap, "MADV_DONTNEED"):
            for mapped in self._maps:
                mapped.madvise(mmap.MADV_DONTNEED)

    def _holds(self, values: NDArray[Any]) -> bool:
        base: Any = values
        while isinstance(base, np.ndarray):
            base = base.base
        if isinstance(base, memoryview):
            base = base.obj
        return any(base is mapped for mapped in self._maps)


def _reserve(file: int, size: int) -> None:
    """Allocate the space on disk, because writing to a page without space would kill the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
        return
    zeros = bytes(1 << 20)
    for start in range(0, size, len(zeros)):
        os.write(file, zeros[: size - start])


class Reading(NamedTuple):
    """A column and how to read it.

    Attributes:
        name: The column.
        number: See :func:`~.arrow_columns.column`.
        classes: True for classes, which become codes of canonical texts.
    """

    name: str
    number: bool | None
    classes: bool = False


def gather_columns(source: Source, readings: Collection[Reading], store: RowStore) -> dict[Reading, Column]:
    """Read whole columns of a file; many rows in one pass of batches."""
    if not is_many(source.rows) or not readings:
        return {
            reading: _read(reading, whole_array(source.column(reading.name)), reading.number) for reading in readings
        }
    gathered = {reading: GatheredColumn(source.rows, store) for reading in readings}
    for start, batch in numbered_batches(source, {reading.name for reading in readings}):
        for reading, gathering in gathered.items():
            gathering.add(start, _read(reading, batch.column(reading.name), reading.number or False))
        store.release()
    give_back_tables()
    columns = {reading: gathering.column() for reading, gathering in gathered.items()}
    return {
        reading: with_numbers(values) if reading.number is None and mostly_numbers(values) else values
        for reading, values in columns.items()
    }


def _read(reading: Reading, values: pa.Array, number: bool | None) -> Column:
    return class_column(class_values(values, number)) if reading.classes else column(values, number)


def numbered_batches(source: Source, names: Collection[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield the named columns in batches, with the number of rows before each."""
    start = 0
    for batch in source.batches(names):
        yield start, batch
        start += batch.num_rows


class GatheredColumn:
    """One column, concatenated from batches that share one list of categories."""

    def __init__(self, rows: int, store: RowStore) -> None:
        """Create a column; ``rows``: maximum number of rows."""
        self._rows, self._store, self._end = rows, store, 0
        self._numbers: NDArray[np.float64] | None = None
        self._codes: NDArray[np.int32] | None = None
        self._categories: dict[str, int] = {}

    def add(self, start: int, part: Column) -> None:
        """Add the values of a batch that begins at row ``start``."""
        n = len(part.numbers) if part.numbers is not None else 0 if part.codes is None else len(part.codes)
        rows_here = slice(start, start + n)
        if part.numbers is not None and self._numbers is None:
            self._numbers = self._store.full(self._rows, np.nan, np.float64)
        if part.codes is not None and self._codes is None:
            self._codes = self._store.full(self._rows, -1, np.int32)
        if self._numbers is not None and part.numbers is not None:
            self._numbers[rows_here] = part.numbers
        if self._codes is not None and part.codes is not None:
            places = [self._categories.setdefault(category, len(self._categories)) for category in part.categories]
            self._codes[rows_here] = np.array([*places, -1], np.int32)[part.codes]

    def column(self) -> Column:
        """Return all values."""
        return Column(numbers=self._numbers, codes=self._codes, categories=tuple(self._categories))
