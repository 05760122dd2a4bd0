"""Exported tables as Parquet files: one for each table and day."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import DecodeError, json

from driftline_processor.core.lazy_modules import pq
from driftline_processor.readers.errors import BadInput

from .exported_days import Manifest
from .table_folder import TableFolder

if TYPE_CHECKING:
    import pyarrow as pa

MANIFEST: Final = "_driftline_export.json"
"""File of a folder with what was exported. Spark, Hive and Athena ignore names that begin with an underscore."""


class ParquetFiles:
    """A Parquet file for each table and day, in a directory or a bucket."""

    def __init__(self, to: str) -> None:
        self._folder = TableFolder(to)
        self.shown = self._folder.shown

    def manifest(self) -> Manifest | None:
        """Return what was exported before; None if nothing was."""
        content = self._folder.read(MANIFEST)
        try:
            return None if content is None else json.decode(content, type=Manifest)
        except DecodeError:
            raise BadInput(
                f"--to {self.shown}: {MANIFEST} is damaged; remove it, and all days are written again"
            ) from None

    def read(self, table: str, day: str) -> pa.Table | None:
        """Return the rows of a day; None if there are none."""
        import pyarrow as pa

        path = _path(table, day)
        content = self._folder.read(path)
        try:
            return None if content is None else pq.read_table(pa.BufferReader(content))
        except pa.ArrowException:
            raise BadInput(f"{path} is not a Parquet file; remove it, and run the command again") from None

    def replace(self, table: str, day: str, file: Path) -> None:
        """Write or replace the rows of a day with those of a Parquet file."""
        self._folder.put(_path(table, day), file)

    def record(self, manifest: Manifest, day: str) -> None:  # noqa: ARG002 - the file has all days
        """Store what was exported of a day."""
        self._folder.write(MANIFEST, json.format(json.encode(manifest), indent=1))


def _path(table: str, day: str) -> str:
    return f"{table}/day={day}/part-0.parquet"
