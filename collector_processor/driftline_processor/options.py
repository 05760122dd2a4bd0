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
Model = Annotated[str, typer.Option(metavar="NAME", help="The model's name.")]
Version = Annotated[str, typer.Option(metavar="V", help="The model's version.")]
TaskKind = Annotated[str, typer.Option(metavar="binary|multiclass|regression|ranking", help="What the model predicts.")]
Score = Annotated[str, typer.Option(metavar="COL[,COL]", help="Score column; one per class for multiclass.")]
Predicted = Annotated[str, typer.Option(metavar="COL", help="The decided class, or the value.")]
Actual = Annotated[str, typer.Option(metavar="COL", help="What really happened.")]
Time = Annotated[str, typer.Option(metavar="COL", help="When it was predicted.")]
Id = Annotated[str, typer.Option("--id", metavar="COL", help="The prediction id, which outcomes refer to.")]
Classes = Annotated[str, typer.Option(metavar="X,Y", help="The classes, in the order of the score columns.")]
Positive = Annotated[str, typer.Option(metavar="X", help="The class whose probability the score is.")]
Threshold = Annotated[float | None, typer.Option(metavar="T", help="The score from which on it is predicted.")]
TextFeatures = Annotated[
    str, typer.Option(metavar="COL,COL", help="Features that are documents, or 'none'; else those that look like it.")
]
Cluster = Annotated[
    str, typer.Option(metavar="COL", help="Rows of one value belong together: one customer's, one machine's.")
]
Features = Annotated[str, typer.Option(metavar="COL,COL", help="The features; else all other columns.")]


Url = Annotated[str, typer.Option(metavar="URL", help="A running `driftline up`.")]
Out = Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Where the baseline goes (.json).")]


def listed(names: str) -> tuple[str, ...]:
    """Return the names of a list with commas.

    >>> listed("age, plan,")
    ('age', 'plan')
    """
    return tuple(name.strip() for name in names.split(",") if name.strip())


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
