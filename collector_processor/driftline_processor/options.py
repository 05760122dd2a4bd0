"""What the commands share: their options, and how they tell what went wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .files.address import file_or_address
from .files.errors import BadInput

if TYPE_CHECKING:
    from .core.performance.asked import Asked
    from .core.performance.objective import Objective
    from .runtime.config import Model

BAD_INPUT = 2

ROWS = "CSV, Parquet, JSON, or sqlite:///FILE?table=NAME"
Data = Annotated[list[Path], typer.Argument(metavar="DATA", help=f"Files of rows: {ROWS}.", parser=file_or_address)]
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


def models_of(option: str, file: Path) -> Mapping[str, Model]:
    """Return the models of a configuration that an option names. Raises :class:`BadInput` when it cannot be used."""
    from .runtime.config import ConfigError, load

    try:
        return load(file).models
    except ConfigError as error:
        raise BadInput(f"{option} {file}: {error}") from error


def objectives_of(written: Sequence[str]) -> tuple[Objective, ...]:
    """Read the objectives of an option. Raises :class:`BadInput` for what is none."""
    from .core.performance.objective import read_objective

    try:
        return tuple(read_objective(text) for text in written)
    except ValueError as error:
        raise BadInput(f"--objective {error}") from error


def performance_of(file: Path | None) -> dict[str, Asked]:
    """Return what a configuration asks of the performance of each of its models; nothing without one."""
    if file is None:
        return {}
    asked = {name: model.performance.asked for name, model in models_of("--performance", file).items()}
    if not asked:
        raise BadInput(f"--performance {file}: it names no model; write 'performance:' below one")
    return asked
