"""Rows in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pyarrow as pa

from .errors import Say, say_columns_of_one_name
from .memory import Rows
from .source import with_several_types
from .spool import batch_rows, no_columns


class TableSource:
    """Rows in memory as columns: a table, or a file that was read completely."""

    def __init__(self, path: Rows, table: pa.Table, say: Say, by_looks: Collection[str] = ()) -> None:
        names = table.schema.names
        if say_columns_of_one_name(str(path), names, say):
            table = table.select([i for i, name in enumerate(names) if names.index(name) == i])
        self.path, self.by_looks = str(path), by_looks
        self.schema = with_several_types(table.schema, self.by_looks)
        self.rows = len(table)
        self._table = table

    def batches(self, names: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows in batches."""
        selected_table = self._table.select([name for name in self.schema.names if name in names])
        if selected_table.num_columns:
            yield from selected_table.to_batches(max_chunksize=batch_rows(selected_table.num_columns))
        else:
            yield no_columns(self.rows)

    def column(self, name: str) -> pa.ChunkedArray:
        """Return one column of all rows."""
        return self._table.column(name)
