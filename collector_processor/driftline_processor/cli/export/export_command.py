"""`driftline export`: the results of a processor as tables of Parquet, Delta Lake or Apache Iceberg."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from driftline_processor.cli.connection import Connection
from driftline_processor.cli.option_parameters import HERE, connects, report_bad_input
from driftline_processor.core.lazy_modules import pc, pq
from driftline_processor.readers.errors import BadInput

from .exported_days import ExportedDay, Manifest
from .places import ResultPlace, TableFormat, open_place

if TYPE_CHECKING:
    from driftline_processor.cli.client import TableSelection


@connects
def export(
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="DIR|URI",
            help="Directory, or s3://BUCKET/PREFIX, gs://BUCKET/PREFIX. For Iceberg: CATALOG.NAMESPACE.",
        ),
    ],
    format: Annotated[
        TableFormat, typer.Option(metavar="FORMAT", help="Format of the tables: parquet, delta or iceberg.")
    ] = "parquet",
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
    """Write windows, drift, metrics, verdicts and alerts as tables for SQL: Parquet, Delta Lake or Apache Iceberg.

    If you run the command again, it writes only the days with new or revised results.
    """
    with report_bad_input():
        from driftline_processor.cli import client

        selection = client.TableSelection(sorted(set(model or ())), sorted(set(window or ())))
        revisions = client.fetch_table_days(server, selection, since)
        place = open_place(to, format)
        manifest = _read_manifest(place, selection)
        changed = [day for day, revision in revisions.items() if _revision(manifest, day) != revision]
        written = sum(_export_day(server, selection, place, manifest, day, revisions[day]) for day in changed)
        what = "files written" if format == "parquet" else "partitions written"
        typer.echo(_summary(place.shown, changed, f"{written:,} {what}", len(revisions)))


def _summary(place: str, changed: Sequence[str], written: str, days: int) -> str:
    if not days:
        return f"{place}: no window has ended yet, so nothing was written"
    if not changed:
        return f"{place}: no new results, {days:,} days unchanged"
    period = f"{changed[0]} to {changed[-1]}"
    return f"{place}: {len(changed):,} of {days:,} days changed ({period}), {written}"


def _revision(manifest: Manifest, day: str) -> str:
    exported = manifest.days.get(day)
    return "" if exported is None else exported.revision


def _read_manifest(place: ResultPlace, selection: TableSelection) -> Manifest:
    models, windows = list(selection.models), list(selection.windows)
    manifest = place.manifest()
    if manifest is None:
        return Manifest(models, windows)
    if (manifest.models, manifest.windows) != (models, windows):
        before = ", ".join(manifest.models) or "all models"
        lengths = ", ".join(manifest.windows) or "all lengths"
        raise BadInput(
            f"--to {place.shown} has the tables of {before}, windows of {lengths}; "
            "use the same --model and --window, or another place"
        )
    return manifest


def _export_day(
    server: Connection, selection: TableSelection, place: ResultPlace, manifest: Manifest, day: str, revision: str
) -> int:
    """Write the tables of a day that changed, then the manifest; return the number of written tables."""
    import xxhash

    before = manifest.days.get(day)
    digests: dict[str, str] = {}
    written = 0
    with tempfile.TemporaryDirectory(prefix="driftline-export-") as directory:
        for table, file in _fetch_day(server, selection, day, Path(directory)).items():
            if table == "alerts" and before is not None:
                _keep_forgotten(place, day, file)
            digests[table] = xxhash.xxh3_128_hexdigest(file.read_bytes())
            if before is None or before.tables.get(table) != digests[table]:
                place.replace(table, day, file)
                written += 1
    manifest.days[day] = ExportedDay(revision, digests)
    place.record(manifest, day)
    return written


def _fetch_day(server: Connection, selection: TableSelection, day: str, directory: Path) -> dict[str, Path]:
    """Return the files of the tables of a day, in a directory."""
    from driftline_processor.cli import client
    from driftline_processor.present.result_schema import TABLES

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


def _keep_forgotten(place: ResultPlace, day: str, file: Path) -> None:
    """Add the alerts that were exported before and that the processor has forgotten since."""
    import pyarrow as pa

    before = place.read("alerts", day)
    if before is None:
        return
    now = pq.read_table(file, partitioning=None)
    rows = before.select(now.column_names).cast(now.schema)
    forgotten = rows.filter(pc.invert(pc.is_in(rows["id"], value_set=now["id"].combine_chunks())))
    if len(forgotten):
        alerts = pa.concat_tables([now, forgotten])
        pq.write_table(alerts.sort_by([("first_seen", "ascending"), ("id", "ascending")]), file, compression="zstd")
