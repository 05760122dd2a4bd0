"""`driftline export`: the results of a processor as Parquet tables in a directory or a bucket."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from msgspec import DecodeError, Struct, field, json

from driftline_processor.readers.errors import BadInput

from .connection import Connection
from .option_parameters import HERE, connects, report_bad_input
from .table_folder import TableFolder

if TYPE_CHECKING:
    from .client import TableSelection

MANIFEST: Final = "_driftline_export.json"
"""File of a place with what was exported. Spark, Hive and Athena ignore names that begin with an underscore."""


class ExportedDay(Struct, frozen=True):
    """A day that was exported.

    Attributes:
        revision: Its revision in ``GET /v1/tables``.
        tables: Table → digest of its file.
    """

    revision: str
    tables: Mapping[str, str]


class Manifest(Struct):
    """What was exported to a place.

    Attributes:
        models: The names of ``--model``; empty = all.
        windows: The names of ``--window``; empty = all.
        days: Day → its revision and files.
    """

    models: list[str] = field(default_factory=list)
    windows: list[str] = field(default_factory=list)
    days: dict[str, ExportedDay] = field(default_factory=dict)


@connects
def export(
    to: Annotated[
        str,
        typer.Option("--to", metavar="DIR|URI", help="Directory, or s3://BUCKET/PREFIX, gs://BUCKET/PREFIX."),
    ],
    model: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this model; repeatable. Default: all models.")
    ] = None,
    window: Annotated[
        list[str] | None, typer.Option(metavar="1d", help="Only windows of this length; repeatable. Default: all.")
    ] = None,
    since: Annotated[
        str, typer.Option("--from", metavar="90d", help="First day to write: a time, or a duration before now.")
    ] = "",
    server: Connection = HERE,
) -> None:
    """Write windows, drift, metrics, verdicts and alerts as Parquet tables, for SQL.

    If you run the command again, it writes only the days with new or revised results.
    """
    with report_bad_input():
        from . import client

        selection = client.TableSelection(sorted(set(model or ())), sorted(set(window or ())))
        revisions = client.fetch_table_days(server, selection, since)
        folder = TableFolder(to)
        manifest = _read_manifest(folder, selection)
        changed = [day for day, revision in revisions.items() if _revision(manifest, day) != revision]
        files = sum(_export_day(server, selection, folder, manifest, day, revisions[day]) for day in changed)
        typer.echo(_summary(folder.shown, changed, files, len(revisions)))


def _summary(place: str, changed: Sequence[str], files: int, days: int) -> str:
    if not days:
        return f"{place}: no window has ended yet, so nothing was written"
    if not changed:
        return f"{place}: no new results, {days:,} days unchanged"
    period = f"{changed[0]} to {changed[-1]}"
    return f"{place}: {len(changed):,} of {days:,} days changed ({period}), {files:,} files written"


def _revision(manifest: Manifest, day: str) -> str:
    exported = manifest.days.get(day)
    return "" if exported is None else exported.revision


def _read_manifest(folder: TableFolder, selection: TableSelection) -> Manifest:
    models, windows = list(selection.models), list(selection.windows)
    content = folder.read(MANIFEST)
    if content is None:
        return Manifest(models, windows)
    try:
        manifest = json.decode(content, type=Manifest)
    except DecodeError:
        raise BadInput(
            f"--to {folder.shown}: {MANIFEST} is damaged; remove it, and all days are written again"
        ) from None
    if (manifest.models, manifest.windows) != (models, windows):
        before = ", ".join(manifest.models) or "all models"
        lengths = ", ".join(manifest.windows) or "all lengths"
        raise BadInput(
            f"--to {folder.shown} has the tables of {before}, windows of {lengths}; "
            "use the same --model and --window, or another directory"
        )
    return manifest


def _export_day(
    server: Connection, selection: TableSelection, folder: TableFolder, manifest: Manifest, day: str, revision: str
) -> int:
    """Write the tables of a day that changed, then the manifest; return the number of written files."""
    import xxhash

    before = manifest.days.get(day)
    digests: dict[str, str] = {}
    written = 0
    with tempfile.TemporaryDirectory(prefix="driftline-export-") as directory:
        for table, file in _fetch_day(server, selection, day, Path(directory)).items():
            path = f"{table}/day={day}/part-0.parquet"
            if table == "alerts" and before is not None:
                _keep_forgotten(folder, path, file)
            digests[table] = xxhash.xxh3_128_hexdigest(file.read_bytes())
            if before is None or before.tables.get(table) != digests[table]:
                folder.put(path, file)
                written += 1
    manifest.days[day] = ExportedDay(revision, digests)
    folder.write(MANIFEST, json.format(json.encode(manifest), indent=1))
    return written


def _fetch_day(server: Connection, selection: TableSelection, day: str, directory: Path) -> dict[str, Path]:
    """Return the files of the tables of a day, in a directory."""
    from driftline_processor.present.result_schema import TABLES

    from . import client

    archive = directory / "tables.tar"
    client.fetch_tables(server, selection, day, archive)
    files = {table: directory / f"{table}.parquet" for table in TABLES}
    try:
        with tarfile.open(archive) as tar:
            for file in files.values():
                content = tar.extractfile(file.name)
                if content is None:
                    raise KeyError(file.name)
                with content, file.open("wb") as target:
                    shutil.copyfileobj(content, target)
    except (tarfile.TarError, KeyError):
        raise BadInput(f"{server.address}: the tables of {day} are incomplete; try again") from None
    except OSError as error:
        raise BadInput(f"{directory}: cannot be written: {error.strerror}") from None
    archive.unlink()
    return files


def _keep_forgotten(folder: TableFolder, path: str, file: Path) -> None:
    """Add the alerts that were exported before and that the processor has forgotten since."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import parquet

    content = folder.read(path)
    if content is None:
        return
    now = parquet.read_table(file, partitioning=None)
    try:
        before = parquet.read_table(pa.BufferReader(content))
    except pa.ArrowException:
        raise BadInput(f"{path} is not a Parquet file; remove it, and run the command again") from None
    forgotten = before.filter(pc.invert(pc.is_in(before["id"], value_set=now["id"].combine_chunks())))
    if len(forgotten):
        alerts = pa.concat_tables([now, forgotten.select(now.column_names).cast(now.schema)])
        parquet.write_table(
            alerts.sort_by([("first_seen", "ascending"), ("id", "ascending")]), file, compression="zstd"
        )
