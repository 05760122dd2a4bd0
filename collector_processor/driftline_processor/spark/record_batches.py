"""Record batches of Arrow: together, as bytes, by key, by kind, and with the column types of Spark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from driftline.tables.table import I64

Kind = Literal["pane", "row", "outcome", "label", "waiting", "rejected"]

NO_DAY = "none"
"""Value of ``day`` of what belongs to no day."""

REJECTED = pa.schema([("reason", pa.string()), ("rows", pa.int64())])
"""How many rows were not used, and why."""

PACKED = pa.schema([("packed", pa.binary())])
"""A table as bytes, see :func:`pack_table`."""

_DAY = 86_400 * 10**9

_TYPES = {
    pa.string(): "string",
    pa.binary(): "binary",
    pa.bool_(): "boolean",
    pa.int32(): "int",
    pa.int64(): "bigint",
    pa.float64(): "double",
}


def ddl_of(schema: pa.Schema) -> str:
    """Return the columns of a schema as Spark declares them.

    >>> ddl_of(pa.schema([("model", pa.string()), ("start", pa.int64())]))
    'model string, start bigint'
    """
    return ", ".join(f"{field.name} {_TYPES[field.type]}" for field in schema)


def together(batches: Iterable[pa.RecordBatch], least: int) -> Iterator[pa.Table]:
    """Yield the rows of batches in tables of at least so many rows, except the last.

    >>> batch = pa.RecordBatch.from_pydict({"n": [1, 2]})
    >>> [table.num_rows for table in together([batch] * 3, 3)]
    [4, 2]
    """
    waiting, rows = list[pa.RecordBatch](), 0
    for batch in batches:
        waiting.append(batch)
        rows += len(batch)
        if rows >= least:
            yield pa.Table.from_batches(waiting)
            waiting, rows = [], 0
    if rows:
        yield pa.Table.from_batches(waiting)


def positions_by_key(rows: pa.Table, names: Sequence[str]) -> Iterator[tuple[tuple[Any, ...], I64]]:
    """Yield each combination of values, and the positions of its rows in their order: int64 (n,).

    >>> table = pa.table({"model": ["a", "b", "a"]})
    >>> [(key, positions.tolist()) for key, positions in positions_by_key(table, ["model"])]
    [(('a',), [0, 2]), (('b',), [1])]
    """
    numbered = rows.select([*names]).append_column("row", pa.array(np.arange(len(rows))))
    groups = numbered.group_by([*names], use_threads=False).aggregate([("row", "list")]).combine_chunks()
    members = groups["row_list"].combine_chunks()
    positions, ends = np.asarray(members.flatten()), np.cumsum(np.asarray(members.value_lengths()))
    keys = zip(*(groups[name].to_pylist() for name in names), strict=True)
    yield from zip(keys, np.split(positions, ends[:-1]) if len(ends) else [], strict=True)


def by_key(batch: pa.RecordBatch | pa.Table, names: Sequence[str]) -> Iterator[tuple[tuple[Any, ...], pa.Table]]:
    """Yield each combination of values, and its rows in their order.

    >>> batch = pa.RecordBatch.from_pydict({"model": ["a", "b", "a"], "n": [1, 2, 3]})
    >>> [(key, rows["n"].to_pylist()) for key, rows in by_key(batch, ["model"])]
    [(('a',), [1, 3]), (('b',), [2])]
    """
    rows = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
    for key, positions in positions_by_key(rows, names):
        yield key, rows if len(positions) == len(rows) else rows.take(pa.array(positions))


def pack_table(table: pa.Table) -> bytes:
    """Return a table as bytes: a stream of Arrow.

    >>> unpack_table(pack_table(pa.table({"n": [1, 2]})))["n"].to_pylist()
    [1, 2]
    """
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def unpack_table(packed: bytes | pa.Buffer) -> pa.Table:
    """Return the table of :func:`pack_table`."""
    return pa.ipc.open_stream(packed).read_all()


def days_of(times: I64) -> pa.Array:
    """Return the days of unix nanoseconds in UTC as texts; :data:`NO_DAY` for 0.

    >>> days_of(np.array([1_795_564_800 * 10**9, 0])).to_pylist()
    ['2026-11-25', 'none']
    """
    days, place = np.unique(np.where(times, times // _DAY, np.iinfo(np.int64).min), return_inverse=True)
    texts = [str(day) for day in days.astype("datetime64[D]")]
    return pa.array([NO_DAY if text == "NaT" else text for text in texts], pa.string()).take(pa.array(place))


def as_kind(
    kind: Kind, day: pa.Array | str | None, batch: pa.RecordBatch | pa.Table, schema: pa.Schema
) -> pa.RecordBatch:
    """Return rows of one kind with the columns of all kinds, of which the first are ``kind`` and ``day``."""
    n = len(batch)
    rows = batch.combine_chunks().to_batches()[0] if isinstance(batch, pa.Table) and n else batch
    columns = [
        rows.column(field.name).cast(field.type) if field.name in rows.schema.names and n else pa.nulls(n, field.type)
        for field in schema
    ]
    columns[0] = pa.repeat(pa.scalar(kind), n)
    columns[1] = day if isinstance(day, pa.Array) else pa.repeat(pa.scalar(day or NO_DAY), n)
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def rejected_rows(counts: Mapping[str, int], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the counts of what was not used as rows of all kinds; nothing without any."""
    found = {reason: rows for reason, rows in counts.items() if rows > 0}
    if found:
        columns = {"reason": list(found), "rows": list(found.values())}
        yield as_kind("rejected", None, pa.RecordBatch.from_pydict(columns, REJECTED), schema)
