"""Record batches of Arrow: several as one table, groups of rows, and their columns in the words of Spark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

_TYPES = {
    pa.string(): "string",
    pa.binary(): "binary",
    pa.bool_(): "boolean",
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


def by_key(batch: pa.RecordBatch | pa.Table, names: Sequence[str]) -> Iterator[tuple[tuple[Any, ...], pa.Table]]:
    """Yield each combination of values, and its rows in their order.

    >>> batch = pa.RecordBatch.from_pydict({"model": ["a", "b", "a"], "n": [1, 2, 3]})
    >>> [(key, rows["n"].to_pylist()) for key, rows in by_key(batch, ["model"])]
    [(('a',), [1, 3]), (('b',), [2])]
    """
    rows = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
    numbered = rows.select([*names]).append_column("row", pa.array(np.arange(len(rows))))
    groups = numbered.group_by([*names], use_threads=False).aggregate([("row", "list")]).to_pydict()
    members = groups.pop("row_list")
    for key, places in zip(zip(*(groups[name] for name in names), strict=True), members, strict=True):
        yield key, rows.take(pa.array(places))
