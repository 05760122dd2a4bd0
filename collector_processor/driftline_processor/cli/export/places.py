"""What a place of exported tables does, and which place a format has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Protocol

from .exported_days import Manifest
from .lake_tables import DeltaTables, IcebergTables
from .parquet_files import ParquetFiles

if TYPE_CHECKING:
    import pyarrow as pa

TableFormat = Literal["parquet", "delta", "iceberg"]


class ResultPlace(Protocol):
    """A place with the tables of results. All methods raise ``BadInput`` with the place and the reason.

    Attributes:
        shown: The place for messages, without a key that its URI may contain.
    """

    shown: str

    def manifest(self) -> Manifest | None:
        """Return what was exported before; None if nothing was."""

    def read(self, table: str, day: str) -> pa.Table | None:
        """Return the rows of a day; None if there are none."""

    def replace(self, table: str, day: str, file: Path) -> None:
        """Write or replace the rows of a day with those of a Parquet file. A reader sees the old rows or the new."""

    def record(self, manifest: Manifest, day: str) -> None:
        """Store what was exported of a day, after its tables."""


_PLACES: Final[Mapping[TableFormat, Callable[[str], ResultPlace]]] = {
    "parquet": ParquetFiles,
    "delta": DeltaTables,
    "iceberg": IcebergTables,
}


def open_place(to: str, format: TableFormat) -> ResultPlace:
    """Return the place of ``--to``; nothing is written yet. Raises BadInput."""
    return _PLACES[format](to)
