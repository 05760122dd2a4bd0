"""Rows of a record batch by the values of some columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa


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
