"""Panes as rows of a table: sums of bytes, which merge by addition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
import numpy as np
import pyarrow as pa
from driftline.batch_panes import MadePane
from driftline.panes.pane import Pane, merge
from driftline.tables.table import F64, ModelKey

from .record_batches import ddl_of

SCHEMA = pa.schema(
    [
        ("model", pa.string()),
        ("version", pa.string()),
        ("environment", pa.string()),
        ("slice", pa.string()),
        ("start", pa.int64()),
        ("newest", pa.int64()),
        ("sums", pa.binary()),
    ]
)
"""One row per pane. ``newest``: time of its newest row; both times are unix nanoseconds."""

KEY = ("model", "version", "environment", "slice", "start")
"""The columns of equal panes."""

DDL = ddl_of(SCHEMA)
"""The same columns for Spark."""

_encode, _decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(dict[str, bytes]).decode

_ROUNDING = 1e-9
"""Fraction of a sum below which what remains after a retraction is a rounding error."""


def pack(sums: Mapping[str, F64]) -> bytes:
    """Return the sums of a pane as bytes.

    >>> unpack(pack({"rows": np.array([2.0, 2.0, 2.0])}))["rows"].tolist()
    [2.0, 2.0, 2.0]
    """
    return _encode({part: np.ascontiguousarray(values, np.float64).tobytes() for part, values in sums.items()})


def unpack(packed: bytes) -> dict[str, F64]:
    """Return the sums of a pane."""
    return {part: np.frombuffer(values) for part, values in _decode(packed).items()}


def to_batch(key: ModelKey, panes: Sequence[MadePane], newest: Mapping[int, int], sign: int = 1) -> pa.RecordBatch:
    """Return the panes of one model as rows.

    Args:
        key: Model, version and environment.
        panes: Its panes.
        newest: Start of a pane → time of its newest row, unix nanoseconds.
        sign: -1 = the sums are subtracted, since the outcomes of these rows were corrected.
    """
    n = len(panes)
    columns = {
        "model": [key.model] * n,
        "version": [key.version] * n,
        "environment": [key.environment] * n,
        "slice": [pane.slice for pane in panes],
        "start": [pane.start for pane in panes],
        "newest": [newest[pane.start] for pane in panes],
        "sums": [pack({part: sign * values for part, values in pane.sums.items()}) for pane in panes],
    }
    return pa.RecordBatch.from_pydict(columns, SCHEMA)


def merge_rows(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the merged panes of rows that are sorted by :data:`KEY`; one pane at a time is in memory."""
    key: tuple[object, ...] | None = None
    equal: list[dict[str, F64]] = []
    newest = 0
    for batch in batches:
        columns = batch.to_pydict()
        for *row, row_newest, sums in zip(*(columns[name] for name in (*KEY, "newest", "sums")), strict=True):
            if key is not None and tuple(row) != key:
                yield _merged(key, newest, equal)
                equal, newest = [], 0
            key = tuple(row)
            equal.append(unpack(sums))
            newest = max(newest, row_newest)
    if key is not None:
        yield _merged(key, newest, equal)


def _merged(key: tuple[object, ...], newest: int, equal: Sequence[Mapping[str, F64]]) -> pa.RecordBatch:
    sums = dict(equal[0]) if len(equal) == 1 else _sum(equal)
    row = dict(zip(SCHEMA.names, (*key, newest, pack(sums)), strict=True))
    return pa.RecordBatch.from_pylist([row], SCHEMA)


def _sum(equal: Sequence[Mapping[str, F64]]) -> dict[str, F64]:
    """Add sums; what remains of a retracted sum by rounding is 0."""
    total = merge(Pane(dict(sums)) for sums in equal).parts
    if any((values < 0).any() for sums in equal for values in sums.values()):
        sizes = merge(Pane({part: np.abs(values) for part, values in sums.items()}) for sums in equal).parts
        total = {part: np.where(np.abs(sums) <= _ROUNDING * sizes[part], 0.0, sums) for part, sums in total.items()}
    return {part: sums for part, sums in total.items() if part == "rows" or sums.any()}


def made_panes(rows: pa.Table) -> list[MadePane]:
    """Return the panes of one model, version and environment, all rows first."""
    columns = rows.select(["start", "slice", "sums"]).to_pydict()
    panes = [MadePane(start, name, unpack(sums)) for start, name, sums in zip(*columns.values(), strict=True)]
    return sorted(panes, key=lambda pane: (bool(pane.slice), pane.slice, pane.start))
