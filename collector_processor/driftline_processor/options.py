"""What the commands share: their options, and how they tell what went wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from .files.errors import BadInput

BAD_INPUT = 2

Data = Annotated[list[Path], typer.Argument(metavar="DATA", help="Files of rows: CSV, Parquet or NDJSON.")]
Version = Annotated[str, typer.Option(metavar="V", help="The model's version.")]
Url = Annotated[str, typer.Option(metavar="URL", help="A running `driftline up`.")]
Out = Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Where the baseline goes (.json).")]


def say(sentence: str) -> None:
    """Tell something on stderr."""
    typer.echo(f"driftline: {sentence}", err=True)


@contextmanager
def one_sentence() -> Iterator[None]:
    """Tell bad input in one sentence and exit with 2."""
    try:
        yield
    except BadInput as error:
        say(str(error))
        raise typer.Exit(BAD_INPUT) from error
