"""``driftline state backup``, ``restore`` and ``check``: copies of the state, and checks of them."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from driftline_processor.readers.errors import BadInput

from .connection import Connection
from .option_parameters import HERE, connects, for_a_reader_that_may_leave, report_bad_input

app = typer.Typer(help="Back up, restore and check the state of a processor.", no_args_is_help=True)

DAMAGED = 1


@app.callback()
def state() -> None:
    """Back up, restore and check the state of a processor."""


@app.command()
@connects
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File for the backup (.tar); it must not exist.")],
    server: Connection = HERE,
) -> None:
    """Write a backup of a running processor: its database and its log of requests, as they are at one moment.

    This command needs the capability `admin`. The file contains all stored rows, and only you can read it.
    """
    with report_bad_input():
        from driftline_processor.store.archive import ArchiveError, unpack

        from . import client

        if file.exists():
            raise BadInput(f"{file}: exists already; use another name")
        client.fetch_backup(server, file)
        try:
            manifest = unpack(file)
        except (ArchiveError, OSError) as error:
            file.unlink(missing_ok=True)
            raise BadInput(f"{error}; make the backup again") from error
        size = file.stat().st_size
        typer.echo(f"{file}: {size:,} bytes, schema {manifest.schema}, of {manifest.created}")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")],
    into: Annotated[Path, typer.Option("--into", metavar="DIR", help="An empty or new directory.")],
) -> None:
    """Write a backup into a directory, which `driftline up` can then use as its storage.directory."""
    with report_bad_input():
        manifest_text = _restore(file, into)
        os.sync()
        typer.echo(f"{into}: restored {manifest_text}; start driftline with storage.directory: {into}")


def _restore(file: Path, into: Path) -> str:
    from driftline_processor.store.archive import ArchiveError, unpack

    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise BadInput(f"--into: {into} is not an empty directory; use an empty or a new one")
    created = not into.exists()
    try:
        into.mkdir(mode=0o700, parents=True, exist_ok=True)
        manifest = unpack(file, into)
    except (ArchiveError, OSError) as error:
        for path in into.iterdir() if into.exists() else ():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if created and into.exists():
            into.rmdir()
        raise BadInput(str(error) if isinstance(error, ArchiveError) else f"{file}: {error.strerror}") from error
    return f"schema {manifest.schema}, of {manifest.created}"


@app.command()
def check(
    place: Annotated[Path, typer.Argument(metavar="DIR|FILE", help="A storage directory, or the file of a backup.")],
) -> None:
    """Read a state or a backup completely, and compare all checksums. This command changes nothing.

    Exit codes: 0 = no damage, 1 = damaged, 2 = there is no state, or a process uses it.
    """
    with report_bad_input():
        from driftline_processor.maintenance.state_check import NotAState, check_state, lines
        from driftline_processor.store.archive import DamagedArchiveError

        if not place.exists():
            raise BadInput(f"{place}: does not exist; use the directory of storage.directory, or a backup")
        try:
            if place.is_dir():
                report = check_state(place)
            else:
                with tempfile.TemporaryDirectory(dir=place.parent, prefix=".driftline-check-") as folder:
                    _restore(place, Path(folder))
                    report = check_state(Path(folder))
        except NotAState as error:
            raise BadInput(str(error)) from error
        except BadInput as error:
            if not isinstance(error.__cause__, DamagedArchiveError):
                raise
            typer.echo(str(error))
            raise typer.Exit(DAMAGED) from error
        except OSError as error:
            raise BadInput(f"{place}: cannot be checked: {error.strerror}") from error
        with for_a_reader_that_may_leave():
            typer.echo("\n".join(lines(report)))
    if report.damages:
        raise typer.Exit(DAMAGED)
