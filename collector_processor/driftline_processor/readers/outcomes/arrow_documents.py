"""Read outcomes in Parquet files and Arrow streams, and check their size before they are decompressed.

Both are read in batches while their decompressed bytes are counted, because six kilobytes can expand to six gigabytes.
Arrow trusts the headers, so they are checked here: those of Arrow's messages (FlatBuffers, ``Message.fbs`` of the
Arrow format 1.5), Parquet's footer, and the header of each page (Thrift's compact protocol, ``parquet.thrift`` 2.11),
because a footer may be forged.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.ipc
from driftline.outputs.rankings import relevant_text
from driftline.tables.ranked_items import MOST_ITEMS
from msgspec import Struct

from driftline_processor.core.decode.attributes import MAX_ROWS
from driftline_processor.core.decode.untrusted_json import TooLarge
from driftline_processor.core.lazy_modules import pc, pq

from .column_reader import convert_columns
from .documents import MAX_CELLS, MAX_COLUMNS, check_columns, check_rows
from .fields import SLICE, MalformedOutcomes
from .outcome_rows import ParsedDocument, join_parts

MAX_UNPACKED: Final = 2**28
"""Maximum bytes of columns per document: 256 per row of the largest document."""

MAX_PAGES: Final = 100_000
"""Maximum number of pages of a Parquet file, with dictionaries; a million rows of 75 columns have about 4,000."""

_RECORD_BATCH, _DICTIONARY_BATCH = 3, 2
"""Values of ``MessageHeader`` in Message.fbs."""

_CODED: Final = {"PLAIN", "RLE", "BIT_PACKED", "RLE_DICTIONARY", "PLAIN_DICTIONARY"}
"""Encodings of texts that Arrow can keep as codes. In other encodings one text may be the prefix of all others."""


class ParquetPlan(Struct, frozen=True):
    """How to read a Parquet file.

    The decoded texts may be terabytes, so they are not created before their size is known.

    Attributes:
        rows: Total number of rows.
        coded: Columns that are read as codes.
    """

    rows: int
    coded: list[str]


def check_stream(body: bytes) -> int:
    """Return the number of rows of an Arrow stream. Raises TooLarge, MalformedOutcomes, and errors of Arrow."""
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
            raise MalformedOutcomes(f"this is not a valid Arrow stream: {error}") from None
        _check(rows, cells, size)
    return rows


def _unpacked(content: Any, offsets: tuple[int, ...], lengths: tuple[int, ...], packed: bool) -> int:
    """Return the decompressed bytes of buffers; a compressed buffer begins with this number, -1 = not compressed."""
    if not packed:
        return sum(lengths)
    message = (
        struct.unpack_from("<q", content, offset)[0] if length else 0
        for offset, length in zip(offsets, lengths, strict=True)
    )
    return sum(length if size == -1 else size for size, length in zip(message, lengths, strict=True))


def check_parquet(body: bytes, metadata: Any) -> ParquetPlan:
    """Return how to read a Parquet file. Raises TooLarge, MalformedOutcomes."""
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
    total_rows = MAX_ROWS
    leaves = [metadata.schema.column(place) for place in range(metadata.num_columns)]
    texts = {
        leave.path for leave in leaves if leave.physical_type == "BYTE_ARRAY" and leave.logical_type.type != "DECIMAL"
    }
    for chunk in chunks:
        begins = [
            offset
            for offset in (chunk.dictionary_page_offset, chunk.data_page_offset)
            if offset is not None and offset > 0
        ]
        offset = min(begins, default=0)
        end = offset + chunk.total_compressed_size
        largest = 0
        while offset < min(end, len(body)):
            try:
                page, offset = _page(body, offset)
            except (struct.error, IndexError, ValueError):
                raise MalformedOutcomes("this is not a valid Parquet file: a page has no header") from None
            pages, cells, size = pages + 1, cells + page[1], size + page[0]
            largest = max(largest, page[0])
            if pages > MAX_PAGES:
                raise TooLarge(f"the file has more than {MAX_PAGES:,} pages; write larger pages")
            _check(0, cells, size)
        path, encodings = chunk.path_in_schema, sorted(set(chunk.encodings) - _CODED)
        if encodings and path in texts:
            if "." in path:
                raise MalformedOutcomes(
                    f"column {path[:80]!r} contains lists with the encoding {encodings[0]}; use the encoding PLAIN"
                )
            texts.remove(path)
            total_rows = min(total_rows, max(1, MAX_UNPACKED // max(largest, 1)))
    return ParquetPlan(total_rows, sorted(texts))


def _check(rows: int, cells: int, size: int) -> None:
    if rows > MAX_ROWS:
        raise TooLarge(f"the request has more than {MAX_ROWS:,} rows; send it in parts")
    if cells > MAX_CELLS:
        raise TooLarge(f"the request has more than {MAX_CELLS:,} cells; send it in parts")
    if size > MAX_UNPACKED:
        raise TooLarge(f"the columns are larger than {MAX_UNPACKED // 2**20} MiB; send them in parts")


class _Table:
    """A table of FlatBuffers whose bounds Arrow has verified."""

    def __init__(self, data: bytes, offset: int) -> None:
        self._data, self._at = data, offset
        self._fields = offset - struct.unpack_from("<i", data, offset)[0]
        self._size = struct.unpack_from("<H", data, self._fields)[0]

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, struct.unpack_from("<I", data, 0)[0])

    def _place(self, field: int) -> int:
        """Return the position of a field's value, 0 if missing."""
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
            raise ValueError("a message has no header")
        return _Table(self._data, place + struct.unpack_from("<I", self._data, place)[0])

    def structs(self, field: int, form: str) -> tuple[int, ...]:
        """Return the numbers of all structs of a vector, concatenated."""
        place = self._place(field)
        if not place:
            return ()
        begin = place + struct.unpack_from("<I", self._data, place)[0]
        count = struct.unpack_from("<I", self._data, begin)[0]
        if count * struct.calcsize(f"<{form}") > len(self._data):
            raise ValueError("a vector is longer than its message")
        return struct.unpack_from(f"<{form * count}", self._data, begin + 4)


def _page(body: bytes, offset: int) -> tuple[tuple[int, int], int]:
    """Return (decompressed bytes, values) of a page of Parquet, and the start of the next one."""
    numbers_by_path: dict[tuple[int, ...], int] = {}
    offset = _thrift_struct(body, offset, (), numbers_by_path)
    packed, unpacked = numbers_by_path.get((3,), -1), numbers_by_path.get((2,), -1)
    values = max(numbers_by_path.get((5, 1), 0), numbers_by_path.get((8, 1), 0), numbers_by_path.get((7, 1), 0))
    if packed < 0 or unpacked < 0 or offset + packed > len(body):
        raise ValueError("a data page is larger than the file that contains it")
    return (unpacked, values), offset + packed


def _thrift_struct(body: bytes, offset: int, path: tuple[int, ...], numbers_by_path: dict[tuple[int, ...], int]) -> int:
    """Read the integers of a struct in Thrift's compact protocol by field id; return its end."""
    if len(path) > 4:
        raise ValueError("a header is nested too deeply")
    field = 0
    while head := body[offset]:
        offset += 1
        kind, delta = head & 15, head >> 4
        if delta:
            field += delta
        else:
            field, offset = _varint(body, offset)
            field = _signed(field)
        if kind in (4, 5, 6):  # i16, i32, i64
            number, offset = _varint(body, offset)
            numbers_by_path[*path, field] = _signed(number)
        elif kind == 12:
            offset = _thrift_struct(body, offset, (*path, field), numbers_by_path)
        elif kind == 8:  # binary: statistics
            size, offset = _varint(body, offset)
            offset += size
        elif kind == 3:
            offset += 1
        elif kind == 7:
            offset += 8
        elif kind not in (1, 2):  # true and false; a page's header has no lists and no maps
            raise ValueError(f"a header contains a field of type {kind}, which is not allowed there")
    return offset + 1


def _varint(body: bytes, offset: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = body[offset]
        offset += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, offset
        shift += 7
        if shift > 63:
            raise ValueError("a number is not terminated")


def _signed(zigzag: int) -> int:
    return (zigzag >> 1) ^ -(zigzag & 1)


_BATCH_ROWS = 65_536
_INDEX = re.compile(r"__index_level_\d+__")


def parse_parquet(body: bytes, model: str | None, environment: str | None) -> ParsedDocument:
    """Read a Parquet file whose columns are the fields of outcomes, slices as ``slice.NAME`` or a struct ``slices``.

    Raises :class:`MalformedOutcomes` for other files, for a missing ``id`` or ``actual``, and for a column with an
    unknown name or an unsupported type; :class:`TooLarge` for too many rows or bytes.
    """
    try:
        metadata = pq.read_metadata(io.BytesIO(body))
        check_rows(metadata.num_rows)
        _check_columns(metadata.num_columns)
        reading = check_parquet(body, metadata)
        file = pq.ParquetFile(io.BytesIO(body), read_dictionary=reading.coded)
        return _read(file.schema_arrow, file.iter_batches(min(reading.rows, _BATCH_ROWS)), model, environment)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise MalformedOutcomes(f"this is not a valid Parquet file: {str(error)[:200]}") from None


def parse_arrow(body: bytes, model: str | None, environment: str | None) -> ParsedDocument:
    """Read an Arrow IPC stream; see :func:`parse_parquet`."""
    try:
        check_rows(check_stream(body))
        stream = pa.ipc.open_stream(body)
        return _read(stream.schema, stream, model, environment)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise MalformedOutcomes(f"this is not a valid Arrow stream: {str(error)[:200]}") from None


def _read(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], model: str | None, environment: str | None
) -> ParsedDocument:
    _check_columns(len(schema))
    for field in schema:
        _check_type(field.type, field.name)
    check_columns(plain_table(schema.empty_table()))
    parts = [convert_columns(table, model, environment) for table in _bounded(batches)]
    return join_parts(parts) if parts else convert_columns(plain_table(schema.empty_table()), model, environment)


def _check_columns(columns: int) -> None:
    if columns > MAX_COLUMNS:
        raise MalformedOutcomes(f"there are {columns:,} columns, but at most {MAX_COLUMNS} are allowed")


def _check_type(kind: pa.DataType, name: str) -> None:
    """Raise :class:`MalformedOutcomes` for nested types that outcomes cannot have, which may be very slow to read."""
    waiting = [(kind, 1)]
    for _ in range(MAX_COLUMNS):
        if not waiting:
            return
        nested_type, depth = waiting.pop()
        # 4: maximum nesting of types; the deepest supported is a dictionary in a struct or a list
        if depth > 4:
            break
        if pa.types.is_dictionary(nested_type):
            waiting.append((nested_type.value_type, depth + 1))
        waiting += [(nested_type.field(place).type, depth + 1) for place in range(nested_type.num_fields)]
    raise MalformedOutcomes(
        f"column {name[:80]!r} is nested too deeply; an outcome may contain only values, lists and slices"
    )


def _bounded(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    rows = unpacked = 0
    for batch in batches:
        rows += batch.num_rows
        check_rows(rows)
        unpacked += sum(_dense_bytes(column) for column in batch.columns)
        if unpacked > MAX_UNPACKED:
            raise TooLarge(f"the columns are larger than {MAX_UNPACKED // 2**20} MiB; send them in parts")
        _check_offsets(batch)
        yield plain_table(pa.Table.from_batches([batch]))


def _check_offsets(batch: pa.RecordBatch) -> None:
    """Raise ``ArrowInvalid`` for invalid lengths, which Arrow does not check before it reads memory.

    UTF-8 is checked when texts are read.
    """
    for column in batch.columns:
        text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        binary = pa.binary() if pa.types.is_string(column.type) else pa.large_binary()
        (column.cast(binary) if text else column).validate(full=True)


def _dense_bytes(column: pa.Array) -> int:
    """Return the bytes of a column with its texts in every row."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        values = column.dictionary
        if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
            return int(values.nbytes / max(len(values), 1) * len(column) + column.indices.nbytes)
        sizes = pc.take(pc.binary_length(values), column.indices)
        return int(pc.sum(sizes).as_py() or 0) + 8 * len(column)
    if pa.types.is_string_view(kind):
        sizes = np.frombuffer(column.buffers()[1], np.int32)[::4][column.offset : column.offset + len(column)]
        return int(sizes.astype(np.int64).sum()) + 8 * len(column)
    if pa.types.is_struct(kind):
        return sum(_dense_bytes(column.field(place)) for place in range(kind.num_fields))
    if _holds_items(kind):
        return _dense_bytes(column.values) + int(column.nbytes)
    return int(column.nbytes)


def plain_table(table: pa.Table) -> pa.Table:
    """Return a table with the column types that outcomes are read from, casting equivalent types.

    Row numbers that pandas writes as a column are removed.

    >>> plain_table(pa.table({"actual": pa.array([1], pa.uint8()), "time": pa.array([0], pa.date32())})).schema.types
    [DataType(int64), TimestampType(timestamp[s])]
    """
    table = table.drop_columns([name for name in table.column_names if _INDEX.fullmatch(name)])
    kinds = [_plain(column.type, column.name) for column in table.schema]
    # A time beyond 64 bits becomes negative, so that only its row is rejected.
    columns = [
        column.cast(kind, safe=False) if kind else column for column, kind in zip(table.columns, kinds, strict=True)
    ]
    named_columns = zip(table.column_names, columns, strict=True)
    return pa.table(
        [
            _relevant(column) if name == "actual" and _holds_items(column.type) else column
            for name, column in named_columns
        ],
        names=table.column_names,
    )


def _holds_items(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind))


def _relevant(column: pa.ChunkedArray) -> pa.Array:
    """Return the relevance in rankings as JSON; null for a value with an invalid item."""
    mapped = pa.types.is_map(column.type)
    texts: list[str | None] = []
    for value in column:
        items = None if not value.is_valid or len(value) > MOST_ITEMS else value.as_py()
        try:
            texts.append(None if items is None else relevant_text(dict(items) if mapped else items))
        except ValueError:
            texts.append(None)
    return pa.array(texts, pa.string())


def _plain(kind: pa.DataType, name: str) -> pa.DataType | None:
    """Return the type to cast a column to, None if it is read unchanged or not at all."""
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type, name) or kind.value_type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    is_integer = pa.types.is_uint64(kind) or (pa.types.is_decimal(kind) and kind.scale == 0)
    if is_integer and (name in ("id", "item", "slices") or name.startswith(SLICE)):
        return pa.string()
    if pa.types.is_uint64(kind) and name in ("actual", "weight", "value"):
        return pa.float64()
    if pa.types.is_integer(kind) and not pa.types.is_int64(kind):
        return pa.int64()
    if pa.types.is_float16(kind) or pa.types.is_float32(kind) or pa.types.is_decimal(kind):
        return pa.float64()
    if pa.types.is_date(kind):
        return pa.timestamp("s")
    if pa.types.is_struct(kind):
        inner = [_plain(field.type, name) for field in kind]
        named_fields = zip(kind, inner, strict=True)
        return (
            pa.struct([pa.field(field.name, inner_type or field.type) for field, inner_type in named_fields])
            if any(inner)
            else None
        )
    return None
