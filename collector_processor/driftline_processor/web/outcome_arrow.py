"""Outcomes in Parquet files and Arrow streams → the columns of :mod:`.outcome_columns`.

Both are read in batches, and their bytes counted as they are unpacked: a kilobyte of a dictionary can stand for a
gigabyte of texts.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
from driftline.relevant import relevant_text

from .bodies import TooLarge
from .outcome_columns import by_column
from .outcome_fields import SLICE, MalformedOutcomes
from .outcome_files import checked
from .outcome_rows import Parsed, concatenate

MAX_UNPACKED = 2**30
"""Bytes of columns that one document may come to."""

_BATCH_ROWS = 65_536
_INDEX = re.compile(r"__index_level_\d+__")


def parse_parquet(body: bytes, model: str | None, environment: str | None) -> Parsed:
    """Read a Parquet file whose columns are the fields of outcomes, slices as ``slice.NAME`` or a struct ``slices``.

    Raises :class:`MalformedOutcomes` for what is no Parquet file, lacks ``id`` or ``actual``, or has a column that is
    not known or of a type that cannot be used; :class:`.bodies.TooLarge` beyond ``MAX_UNPACKED``.
    """
    try:
        file = pq.ParquetFile(io.BytesIO(body))
        return _read(file.schema_arrow, file.iter_batches(_BATCH_ROWS), model, environment)
    except (pa.ArrowException, OSError) as error:
        raise MalformedOutcomes(f"this is no Parquet file that can be read: {error}") from None


def parse_arrow(body: bytes, model: str | None, environment: str | None) -> Parsed:
    """Read an Arrow IPC stream; see :func:`parse_parquet`."""
    try:
        stream = pa.ipc.open_stream(body)
        return _read(stream.schema, stream, model, environment)
    except (pa.ArrowException, OSError) as error:
        raise MalformedOutcomes(f"this is no Arrow stream that can be read: {error}") from None


def _read(schema: pa.Schema, batches: Iterable[pa.RecordBatch], model: str | None, environment: str | None) -> Parsed:
    checked(plain(schema.empty_table()))
    parts: list[Parsed] = []
    read = 0
    for table in _bounded(batches):
        parsed = by_column(table, model, environment)
        parsed.rejected = [(read + index, reason) for index, reason in parsed.rejected]
        parts.append(parsed)
        read += table.num_rows
    if not parts:
        return by_column(plain(schema.empty_table()), model, environment)
    return Parsed(concatenate([part.rows for part in parts]), [it for part in parts for it in part.rejected])


def _bounded(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    unpacked = 0
    for batch in batches:
        table = plain(pa.Table.from_batches([batch]))
        unpacked += table.nbytes
        if unpacked > MAX_UNPACKED:
            raise TooLarge
        yield table


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
    for value in column.to_pylist():
        try:
            texts.append(None if value is None else relevant_text(dict(value) if mapped else value))
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
        fields = [pa.field(field.name, _plain(field.type, name) or field.type) for field in kind]
        return pa.struct(fields) if any(_plain(field.type, name) for field in kind) else None
    return None
