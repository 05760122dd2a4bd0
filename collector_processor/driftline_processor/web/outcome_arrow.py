"""Outcomes in Parquet files and Arrow streams → the columns of :mod:`.outcome_columns`.

Both are read in batches, and their bytes counted as they are unpacked: a kilobyte of a dictionary can stand for a
gigabyte of texts.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.parquet as pq
from driftline.items import MOST_ITEMS
from driftline.relevant import relevant_text

from .arrow_sizes import MAX_UNPACKED, check_parquet, check_stream
from .bodies import TooLarge
from .outcome_columns import by_column
from .outcome_fields import SLICE, MalformedOutcomes
from .outcome_files import MAX_COLUMNS, check_rows, checked
from .outcome_rows import Parsed, together

_BATCH_ROWS = 65_536
_INDEX = re.compile(r"__index_level_\d+__")
_DEEPEST = 4
"""Types within each other; the deepest that is read is a dictionary in a struct or a list."""


def parse_parquet(body: bytes, model: str | None, environment: str | None) -> Parsed:
    """Read a Parquet file whose columns are the fields of outcomes, slices as ``slice.NAME`` or a struct ``slices``.

    Raises :class:`MalformedOutcomes` for what is no Parquet file, lacks ``id`` or ``actual``, or has a column that is
    not known or of a type that cannot be used; :class:`.bodies.TooLarge` for more rows or bytes than are read at once.
    """
    try:
        metadata = pq.read_metadata(io.BytesIO(body))
        check_rows(metadata.num_rows)
        _check_columns(metadata.num_columns)
        reading = check_parquet(body, metadata)
        file = pq.ParquetFile(io.BytesIO(body), read_dictionary=reading.coded)
        return _read(file.schema_arrow, file.iter_batches(min(reading.rows, _BATCH_ROWS)), model, environment)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise MalformedOutcomes(f"this is no Parquet file that can be read: {str(error)[:200]}") from None


def parse_arrow(body: bytes, model: str | None, environment: str | None) -> Parsed:
    """Read an Arrow IPC stream; see :func:`parse_parquet`."""
    try:
        check_rows(check_stream(body))
        stream = pa.ipc.open_stream(body)
        return _read(stream.schema, stream, model, environment)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise MalformedOutcomes(f"this is no Arrow stream that can be read: {str(error)[:200]}") from None


def _read(schema: pa.Schema, batches: Iterable[pa.RecordBatch], model: str | None, environment: str | None) -> Parsed:
    _check_columns(len(schema))
    for field in schema:
        _check_type(field.type, field.name)
    checked(plain(schema.empty_table()))
    parts = [by_column(table, model, environment) for table in _bounded(batches)]
    return together(parts) if parts else by_column(plain(schema.empty_table()), model, environment)


def _check_columns(columns: int) -> None:
    if columns > MAX_COLUMNS:
        raise MalformedOutcomes(f"there are {columns:,} columns; at most {MAX_COLUMNS} are read")


def _check_type(kind: pa.DataType, name: str) -> None:
    """Raise :class:`MalformedOutcomes` for types within types that no outcome has: reading them may take for ever."""
    waiting = [(kind, 1)]
    for _ in range(MAX_COLUMNS):
        if not waiting:
            return
        one, depth = waiting.pop()
        if depth > _DEEPEST:
            break
        if pa.types.is_dictionary(one):
            waiting.append((one.value_type, depth + 1))
        waiting += [(one.field(place).type, depth + 1) for place in range(one.num_fields)]
    raise MalformedOutcomes(f"column {name[:80]!r} nests too many types; an outcome holds values, lists and slices")


def _bounded(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    rows = unpacked = 0
    for batch in batches:
        rows += batch.num_rows
        check_rows(rows)
        unpacked += sum(_dense_bytes(column) for column in batch.columns)
        if unpacked > MAX_UNPACKED:
            raise TooLarge(f"the columns come to more than {MAX_UNPACKED // 2**20} MiB; send it in parts")
        _check_offsets(batch)
        yield plain(pa.Table.from_batches([batch]))


def _check_offsets(batch: pa.RecordBatch) -> None:
    """Raise ``ArrowInvalid`` where lengths lie, which nothing in Arrow looks at before it reads memory by them.

    That texts are UTF-8 is looked at where they are read.
    """
    for column in batch.columns:
        text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        binary = pa.binary() if pa.types.is_string(column.type) else pa.large_binary()
        (column.cast(binary) if text else column).validate(full=True)


def _dense_bytes(column: pa.Array) -> int:
    """Return how many bytes a column comes to once its texts stand in every row."""
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


def plain(table: pa.Table) -> pa.Table:
    """Return a table with the few types of columns that outcomes are read from, where another stands for one of them.

    Without the row numbers that pandas writes as a column.

    >>> plain(pa.table({"actual": pa.array([1], pa.uint8()), "time": pa.array([0], pa.date32())})).schema.types
    [DataType(int64), TimestampType(timestamp[s])]
    """
    table = table.drop_columns([name for name in table.column_names if _INDEX.fullmatch(name)])
    kinds = [_plain(column.type, column.name) for column in table.schema]
    # What is beyond 64 bits of a time is none: it is negative then, and the row alone is rejected.
    columns = [
        column.cast(kind, safe=False) if kind else column for column, kind in zip(table.columns, kinds, strict=True)
    ]
    named = zip(table.column_names, columns, strict=True)
    return pa.table(
        [_relevant(column) if name == "actual" and _holds_items(column.type) else column for name, column in named],
        names=table.column_names,
    )


def _holds_items(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind))


def _relevant(column: pa.ChunkedArray) -> pa.Array:
    """What was relevant in rankings, as JSON; null where a value names what is no item."""
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
    """Return the type that a column's type is cast to, None where it is read as it is, or not at all."""
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type, name) or kind.value_type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    whole = pa.types.is_uint64(kind) or (pa.types.is_decimal(kind) and kind.scale == 0)
    if whole and (name in ("id", "item", "slices") or name.startswith(SLICE)):
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
        named = zip(kind, inner, strict=True)
        return pa.struct([pa.field(field.name, one or field.type) for field, one in named]) if any(inner) else None
    return None
