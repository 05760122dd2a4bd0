"""Exported tables of Delta Lake and Apache Iceberg, written by their libraries."""

from __future__ import annotations

import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any, ClassVar, Final

from msgspec import DecodeError, ValidationError, json

from driftline_processor.core.lazy_modules import pq
from driftline_processor.readers.errors import BadInput

from .exported_days import Manifest
from .table_folder import without_key

if TYPE_CHECKING:
    import pyarrow as pa

EXPORTED_DAYS: Final = "exported_days"
"""Table of a lake with what was exported."""


class LakeTables(ABC):
    """Tables of a lake that are partitioned by ``day``, with one more for what was exported.

    A day is replaced in one transaction of its table.

    Attributes:
        name: Name of the format.
        library: Name of the package that writes it.
    """

    name: ClassVar[str]
    library: ClassVar[str]

    def __init__(self, to: str) -> None:
        self._to = to.rstrip("/")
        self.shown = without_key(to)

    def manifest(self) -> Manifest | None:
        """Return what was exported before; None if nothing was."""
        with self._report():
            rows = self._read(EXPORTED_DAYS, None)
        if rows is None or not len(rows):
            return None
        try:
            days = [json.decode(text, type=Manifest) for text in rows["manifest"].to_pylist()]
        except (DecodeError, ValidationError, KeyError, TypeError):
            raise BadInput(
                f"--to {self.shown}: the table {EXPORTED_DAYS} is damaged; remove it, and all days are written again"
            ) from None
        return Manifest(days[0].models, days[0].windows, {day: one for part in days for day, one in part.days.items()})

    def read(self, table: str, day: str) -> pa.Table | None:
        """Return the rows of a day; None if there are none."""
        with self._report():
            return self._read(table, day)

    def replace(self, table: str, day: str, file: Path) -> None:
        """Write or replace the rows of a day with those of a Parquet file."""
        self._put(table, day, pq.read_table(file, partitioning=None))

    def record(self, manifest: Manifest, day: str) -> None:
        """Store what was exported of a day."""
        import pyarrow as pa

        one = Manifest(manifest.models, manifest.windows, {day: manifest.days[day]})
        self._put(EXPORTED_DAYS, day, pa.table({"manifest": [json.encode(one).decode()]}))

    def _put(self, table: str, day: str, rows: pa.Table) -> None:
        """Store rows with their day. All columns may be null, so that a later release can add and leave out some."""
        import pyarrow as pa

        rows = rows.append_column("day", pa.repeat(pa.scalar(day), len(rows)))
        with self._report():
            self._replace(table, day, rows.cast(pa.schema([column.with_nullable(True) for column in rows.schema])))

    @contextmanager
    def _report(self) -> Iterator[None]:
        """Turn whatever a library raises into one line: each of them has its own errors, also for the network."""
        try:
            yield
        except ImportError:
            raise BadInput(
                f"--format {self.name}: {self.library} is not installed: pip install {self.library}"
            ) from None
        except Exception as error:
            reason = shorten(re.sub("\x1b\\[[0-9;]*m", "", str(error)), 300, placeholder=" …") or type(error).__name__
            raise BadInput(f"--to {self.shown}: {reason}") from None

    @abstractmethod
    def _read(self, table: str, day: str | None) -> pa.Table | None:
        """Return the rows of a day, or of all; None if there is no such table."""

    @abstractmethod
    def _replace(self, table: str, day: str, rows: pa.Table) -> None:
        """Write or replace the rows of a day, which have it in the column ``day``."""


def _day_is(day: str) -> str:
    return f"day = '{day}'"


class DeltaTables(LakeTables):
    """Tables of Delta Lake in a directory or a bucket; the environment has the credentials of the bucket."""

    name, library = "delta", "deltalake"

    def _read(self, table: str, day: str | None) -> pa.Table | None:
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        try:
            opened = DeltaTable(f"{self._to}/{table}")
        except TableNotFoundError:
            return None
        return opened.to_pyarrow_table(filters=None if day is None else [("day", "=", day)])

    def _replace(self, table: str, day: str, rows: pa.Table) -> None:
        from deltalake import write_deltalake

        write_deltalake(
            f"{self._to}/{table}", rows,
            mode="overwrite", predicate=_day_is(day), partition_by="day", schema_mode="merge",
        )  # fmt: skip


class IcebergTables(LakeTables):
    """Tables of Apache Iceberg in a namespace of a catalog that pyiceberg's configuration names."""

    name, library = "iceberg", "pyiceberg"

    def __init__(self, to: str) -> None:
        super().__init__(to)
        if "/" in to or "." not in to:
            raise BadInput(f"--to {self.shown}: with --format iceberg, use CATALOG.NAMESPACE, such as lake.driftline")
        self._catalog_name, _, self._namespace = to.partition(".")
        self._opened: Any = None

    @property
    def _catalog(self) -> Any:
        if self._opened is None:
            from pyiceberg.catalog import load_catalog

            self._opened = load_catalog(self._catalog_name)
        return self._opened

    def _read(self, table: str, day: str | None) -> pa.Table | None:
        from pyiceberg.exceptions import NoSuchTableError

        try:
            opened = self._catalog.load_table(f"{self._namespace}.{table}")
        except NoSuchTableError:
            return None
        return (opened.scan() if day is None else opened.scan(_day_is(day))).to_arrow()

    def _replace(self, table: str, day: str, rows: pa.Table) -> None:
        name = f"{self._namespace}.{table}"
        if not self._catalog.table_exists(name):
            self._catalog.create_namespace_if_not_exists(self._namespace)
            with self._catalog.create_table_transaction(name, rows.schema) as creation, creation.update_spec() as spec:
                spec.add_identity("day")
        with warnings.catch_warnings(), self._catalog.load_table(name).transaction() as change:
            warnings.filterwarnings("ignore", "Delete operation did not match any records")  # the day is new
            with change.update_schema() as columns:
                columns.union_by_name(rows.schema)
            change.overwrite(rows, _day_is(day))
