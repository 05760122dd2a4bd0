"""What Arrow streams and Parquet files come to, read from their own headers before anything of them is unpacked.

Six kilobytes of Arrow can stand for six gigabytes. Arrow itself believes what a header says, so headers are read here:
those of Arrow's messages (FlatBuffers, ``Message.fbs`` of the Arrow format 1.5), Parquet's footer, and the header of
each of its pages (Thrift's compact protocol, ``parquet.thrift`` 2.11), since a footer may lie.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from driftline_processor.core.decode.values import MAX_ROWS

from .bodies import TooLarge
from .outcome_fields import MalformedOutcomes
from .outcome_files import MAX_CELLS

MAX_UNPACKED: Final = 2**28
"""Bytes of columns that one document may come to: 256 for each of the most rows."""

MAX_PAGES: Final = 100_000
"""Pages of a Parquet file, dictionaries included; a million rows of 75 columns have some 4,000."""

_RECORD_BATCH, _DICTIONARY_BATCH = 3, 2
"""``MessageHeader`` of Message.fbs."""

_CODED: Final = {"PLAIN", "RLE", "BIT_PACKED", "RLE_DICTIONARY", "PLAIN_DICTIONARY"}
"""Encodings of texts that Arrow can leave as codes. In another, one text may be the beginning of every other."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a Parquet file may be read. ``rows``: together; ``coded``: columns of which only codes are read.

    The texts that codes stand for may come to terabytes, and are not made before that is known.
    """

    rows: int
    coded: list[str]


def check_stream(body: bytes) -> int:
    """Return the rows of an Arrow stream. Raises TooLarge, MalformedOutcomes, and what Arrow raises."""
    rows = cells = size = 0
    for message in pa.ipc.MessageReader.open_stream(pa.py_buffer(body)):
        metadata = message.metadata.to_pybytes()
        content = b"" if message.body is None else memoryview(message.body)
        try:
            table = _Table.root(metadata)
            kind = table.number(1, "B")
            if kind not in (_RECORD_BATCH, _DICTIONARY_BATCH):
                continue
            batch = table.table(2)
            if kind == _DICTIONARY_BATCH:
                batch = batch.table(1)
            else:
                rows += batch.number(0, "q")
            cells += sum(batch.structs(1, "qq")[::2])
            buffers = batch.structs(2, "qq")
            size += _unpacked(content, buffers[::2], buffers[1::2], packed=batch.has(3))
        except (struct.error, ValueError) as error:
            raise MalformedOutcomes(f"this is no Arrow stream that can be read: {error}") from None
        _check(rows, cells, size)
    return rows


def _unpacked(content: Any, offsets: tuple[int, ...], lengths: tuple[int, ...], packed: bool) -> int:
    """Return how many bytes buffers come to; a buffer of a packed batch begins with that number, -1 = not packed."""
    if not packed:
        return sum(lengths)
    said = (
        struct.unpack_from("<q", content, offset)[0] if length else 0
        for offset, length in zip(offsets, lengths, strict=True)
    )
    return sum(length if size == -1 else size for size, length in zip(said, lengths, strict=True))


def check_parquet(body: bytes, metadata: pq.FileMetaData) -> Reading:
    """Return how a Parquet file may be read. Raises TooLarge, MalformedOutcomes."""
    _check(metadata.num_rows, 0, 0)
    chunks = [
        metadata.row_group(group).column(place)
        for group in range(metadata.num_row_groups)
        for place in range(metadata.num_columns)
    ]
    if len(chunks) > MAX_PAGES:
        raise TooLarge(f"the file has more than {MAX_PAGES:,} pages; write larger row groups")
    _check(0, sum(max(chunk.num_values, 0) for chunk in chunks), sum(chunk.total_uncompressed_size for chunk in chunks))
    pages = cells = size = 0
    together = MAX_ROWS
    leaves = [metadata.schema.column(place) for place in range(metadata.num_columns)]
    texts = {one.path for one in leaves if one.physical_type == "BYTE_ARRAY" and one.logical_type.type != "DECIMAL"}
    for chunk in chunks:
        begins = [at for at in (chunk.dictionary_page_offset, chunk.data_page_offset) if at is not None and at > 0]
        at = min(begins, default=0)
        end = at + chunk.total_compressed_size
        largest = 0
        while at < min(end, len(body)):
            try:
                page, at = _page(body, at)
            except (struct.error, IndexError, ValueError):
                raise MalformedOutcomes("this is no Parquet file that can be read: a page has no header") from None
            pages, cells, size = pages + 1, cells + page[1], size + page[0]
            largest = max(largest, page[0])
            if pages > MAX_PAGES:
                raise TooLarge(f"the file has more than {MAX_PAGES:,} pages; write larger ones")
            _check(0, cells, size)
        path, other = chunk.path_in_schema, sorted(set(chunk.encodings) - _CODED)
        if other and path in texts:
            if "." in path:
                raise MalformedOutcomes(f"column {path[:80]!r} holds lists in {other[0]}; write it as PLAIN")
            texts.remove(path)
            together = min(together, max(1, MAX_UNPACKED // max(largest, 1)))
    return Reading(together, sorted(texts))


def _check(rows: int, cells: int, size: int) -> None:
    if rows > MAX_ROWS:
        raise TooLarge(f"the request holds more than {MAX_ROWS:,} rows; send it in parts")
    if cells > MAX_CELLS:
        raise TooLarge(f"the request holds more than {MAX_CELLS:,} cells; send it in parts")
    if size > MAX_UNPACKED:
        raise TooLarge(f"the columns come to more than {MAX_UNPACKED // 2**20} MiB; send it in parts")


class _Table:
    """A table of FlatBuffers whose bounds Arrow has verified."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        self._fields = at - struct.unpack_from("<i", data, at)[0]
        self._size = struct.unpack_from("<H", data, self._fields)[0]

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, struct.unpack_from("<I", data, 0)[0])

    def _place(self, field: int) -> int:
        """Return where the value of a field is, 0 where there is none."""
        entry = 4 + 2 * field
        offset = struct.unpack_from("<H", self._data, self._fields + entry)[0] if entry < self._size else 0
        return self._at + offset if offset else 0

    def has(self, field: int) -> bool:
        return self._place(field) > 0

    def number(self, field: int, form: str) -> int:
        place = self._place(field)
        return int(struct.unpack_from(f"<{form}", self._data, place)[0]) if place else 0

    def table(self, field: int) -> _Table:
        place = self._place(field)
        if not place:
            raise ValueError("a message lacks its header")
        return _Table(self._data, place + struct.unpack_from("<I", self._data, place)[0])

    def structs(self, field: int, form: str) -> tuple[int, ...]:
        """Return the numbers of all structs of a vector, one after the other."""
        place = self._place(field)
        if not place:
            return ()
        begin = place + struct.unpack_from("<I", self._data, place)[0]
        count = struct.unpack_from("<I", self._data, begin)[0]
        if count * struct.calcsize(f"<{form}") > len(self._data):
            raise ValueError("a vector is longer than its message")
        return struct.unpack_from(f"<{form * count}", self._data, begin + 4)


def _page(body: bytes, at: int) -> tuple[tuple[int, int], int]:
    """Return (bytes unpacked, values) of a page of Parquet, and where the next one begins."""
    found: dict[tuple[int, ...], int] = {}
    at = _thrift_struct(body, at, (), found)
    packed, unpacked = found.get((3,), -1), found.get((2,), -1)
    values = max(found.get((5, 1), 0), found.get((8, 1), 0), found.get((7, 1), 0))
    if packed < 0 or unpacked < 0 or at + packed > len(body):
        raise ValueError("a page is larger than its file")
    return (unpacked, values), at + packed


def _thrift_struct(body: bytes, at: int, path: tuple[int, ...], found: dict[tuple[int, ...], int]) -> int:
    """Read the whole numbers of a struct of Thrift's compact protocol, by the ids of fields; return where it ends."""
    if len(path) > 4:
        raise ValueError("a header nests too deeply")
    field = 0
    while head := body[at]:
        at += 1
        kind, delta = head & 15, head >> 4
        if delta:
            field += delta
        else:
            field, at = _varint(body, at)
            field = _signed(field)
        if kind in (4, 5, 6):  # i16, i32, i64
            number, at = _varint(body, at)
            found[*path, field] = _signed(number)
        elif kind == 12:
            at = _thrift_struct(body, at, (*path, field), found)
        elif kind == 8:  # binary: statistics
            size, at = _varint(body, at)
            at += size
        elif kind == 3:
            at += 1
        elif kind == 7:
            at += 8
        elif kind not in (1, 2):  # true and false; a page's header has no lists and no maps
            raise ValueError(f"a header holds a field of type {kind}")
    return at + 1


def _varint(body: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = body[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7
        if shift > 63:
            raise ValueError("a number has no end")


def _signed(zigzag: int) -> int:
    return (zigzag >> 1) ^ -(zigzag & 1)
