"""Write columns of rows to a file of any format; an id of any size stays an integer."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def _as_columns(columns: dict[str, list[Any]], path: Path) -> None:
    types = {"id": pa.decimal128(20, 0)} if any(value and value < 0 for value in columns["id"]) else {"id": pa.uint64()}
    table = pa.table({name: pa.array(values, types.get(name)) for name, values in columns.items()})
    pq.write_table(table, path)


def _as_lines(columns: dict[str, list[Any]], path: Path) -> None:
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    path.write_text(json.dumps(rows) if path.suffix == ".json" else "\n".join(map(json.dumps, rows)))


def _as_cells(columns: dict[str, list[Any]], path: Path) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([list(columns), *zip(*columns.values(), strict=True)])


FILES: dict[str, Callable[[dict[str, list[Any]], Path], None]] = {
    "parquet": _as_columns,
    "ndjson": _as_lines,
    "json": _as_lines,
    "csv": _as_cells,
}
