"""Where `driftline export` writes: Parquet files, or tables of Delta Lake or Apache Iceberg."""

from __future__ import annotations

import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Protocol

from msgspec import DecodeError, Struct, ValidationError, field, json

from driftline_processor.core.lazy_modules import pq
from driftline_processor.readers.errors import BadInput

from .table_folder import TableFolder, without_key

if TYPE_CHECKING:
    import pyarrow as pa

TableFormat = Literal["parquet", "delta", "iceberg"]

MANIFEST: Final = "_driftline_export.json"
"""File of a folder with what was exported. Spark, Hive and Athena ignore names that begin with an underscore."""

EXPORTED_DAYS: Final = "exported_days"
"""Table of a lake with what was exported."""


class ExportedDay(Struct, frozen=True):
    """A day that was exported.

    Attributes:
        revision: Its revision in ``GET /v1/tables``.
        tables: Table → digest of its rows.
    """

    revision: str
    tables: Mapping[str, str]


class Manifest(Struct):
    """What was exported to a place.

    Attributes:
        models: The names of ``--model``; empty = all.
        windows: The names of ``--window``; empty = all.
        days: Day → its revision and tables.
    """

    models: list[str] = field(default_factory=list)
    windows: list[str] = field(default_factory=list)
    days: dict[str, ExportedDay] = field(default_factory=dict)


class ResultPlace(Protocol):
    """A place with the tables of results. All methods raise :class:`BadInput` with the place and the reason.

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


def open_place(to: str, format: TableFormat) -> ResultPlace:
    """Return the place of ``--to``; nothing is written yet. Raises BadInput."""
    return _PLACES[format](to)


class ParquetFiles:
    """A Parquet file for each table and day, in a directory or a bucket."""

    def __init__(self, to: str) -> None:
        self._folder = TableFolder(to)
        self.shown = self._folder.shown

    def manifest(self) -> Manifest | None:  # noqa: D102 - ResultPlace says it
        content = self._folder.read(MANIFEST)
        try:
            return None if content is None else json.decode(content, type=Manifest)
        except DecodeError:
            raise BadInput(
                f"--to {self.shown}: {MANIFEST} is damaged; remove it, and all days are written again"
            ) from None

    def read(self, table: str, day: str) -> pa.Table | None:  # noqa: D102
        import pyarrow as pa

        path = _path(table, day)
        content = self._folder.read(path)
        try:
            return None if content is None else pq.read_table(pa.BufferReader(content))
        except pa.ArrowException:
            raise BadInput(f"{path} is not a Parquet file; remove it, and run the command again") from None

    def replace(self, table: str, day: str, file: Path) -> None:  # noqa: D102
        self._folder.put(_path(table, day), file)

    def record(self, manifest: Manifest, day: str) -> None:  # noqa: D102, ARG002 - the file has all days
        self._folder.write(MANIFEST, json.format(json.encode(manifest), indent=1))


def _path(table: str, day: str) -> str:
    return f"{table}/day={day}/part-0.parquet"


class _Lake(ABC):
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
        with self._report():
            return self._read(table, day)

    def replace(self, table: str, day: str, file: Path) -> None:
        self._put(table, day, pq.read_table(file, partitioning=None))

    def record(self, manifest: Manifest, day: str) -> None:
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


class DeltaTables(_Lake):
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


class IcebergTables(_Lake):
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


_PLACES: Final[Mapping[TableFormat, type[ParquetFiles] | type[DeltaTables] | type[IcebergTables]]] = {
    "parquet": ParquetFiles,
    "delta": DeltaTables,
    "iceberg": IcebergTables,
}
