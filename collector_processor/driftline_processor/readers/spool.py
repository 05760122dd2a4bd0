"""Batches of rows that are parsed once and read several times: in memory, or in a temporary file if there are many."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Collection, Iterator
from typing import IO, NamedTuple

import pyarrow as pa
import pyarrow.ipc

MOST_IN_MEMORY = 64 << 20
"""Maximum bytes of columns per file in memory."""

BATCH, BATCH_CELLS = 131_072, 64 * 131_072
"""Rows per batch: 1 MB per column of doubles, which stays in the cache between two steps. A batch of more than 64
columns has fewer rows, so that it is 64 MB at most.
"""


def batch_rows(columns: int) -> int:
    """Return the number of rows per batch.

    >>> batch_rows(20), batch_rows(1_000)
    (131072, 8388)
    """
    return min(BATCH, BATCH_CELLS // max(1, columns))


class _Place(NamedTuple):
    """Position of one column of one batch in the temporary file."""

    offset: int
    size: int


class _StoredBatch(NamedTuple):
    rows: int
    places: dict[str, _Place]


class Spool:
    """The batches of one file, with individual schemas.

    The temporary file has no name, so it disappears with the process. If it cannot be written, batches stay in memory.
    """

    def __init__(self, most: int | None = None) -> None:
        """Create a spool; ``most``: bytes in memory, by default :data:`MOST_IN_MEMORY`."""
        self._max_bytes = MOST_IN_MEMORY if most is None else most
        self._in_memory: list[pa.RecordBatch] = []
        self._stored: list[_StoredBatch] = []
        self._bytes = self.rows = 0
        self._file: IO[bytes] | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        """Add the next rows."""
        self.rows += batch.num_rows
        self._bytes += batch.nbytes
        self._in_memory.append(batch)
        if self._bytes > self._max_bytes:
            self._store_held()

    def batches(self, names: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Yield the named columns of all rows, as far as each batch has them."""
        for stored in self._stored:
            stored_columns = {name: self._read(stored.places[name]) for name in stored.places if name in names}
            yield pa.RecordBatch.from_pydict(stored_columns) if stored_columns else no_columns(stored.rows)
        for batch in self._in_memory:
            columns = [name for name in batch.schema.names if name in names]
            yield batch.select(columns) if columns else no_columns(batch.num_rows)

    def _store_held(self) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the spool
                weakref.finalize(self, self._file.close)
            while self._in_memory:
                batch = self._in_memory[0]
                places = {name: self._write(batch.column(index)) for index, name in enumerate(batch.schema.names)}
                self._stored.append(_StoredBatch(batch.num_rows, places))
                del self._in_memory[0]
        except OSError:
            self._max_bytes = 1 << 62

    def _write(self, values: pa.Array) -> _Place:
        assert self._file is not None
        sink = pa.BufferOutputStream()
        batch = pa.RecordBatch.from_arrays([values], names=["v"])
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        data = sink.getvalue()
        offset = self._file.seek(0, 2)
        self._file.write(data)
        return _Place(offset, data.size)

    def _read(self, place: _Place) -> pa.Array:
        assert self._file is not None
        self._file.seek(place.offset)
        return pa.ipc.open_stream(self._file.read(place.size)).read_next_batch().column(0)


def no_columns(rows: int) -> pa.RecordBatch:
    """Return a batch of ``rows`` rows without columns."""
    return pa.RecordBatch.from_struct_array(pa.Array.from_buffers(pa.struct([]), rows, [None]))


def equal_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the rows in batches of :func:`batch_rows` rows; the last may be smaller."""
    waiting, rows = list[pa.RecordBatch](), 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        size = batch_rows(batch.num_columns)
        while rows >= size:
            table = pa.Table.from_batches(waiting)
            [full] = table.slice(0, size).combine_chunks().to_batches()
            waiting, rows = table.slice(size).to_batches(), rows - size
            yield full
    if rows:
        yield from pa.Table.from_batches(waiting).combine_chunks().to_batches()
