"""The options that commands share, those that say which column plays which part, and how errors are said.

What the commands share: their options, and how they tell what went wrong.

The options that say which column is what, written down once for every command that reads rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from driftline_processor.readers.addresses import file_or_address
from driftline_processor.readers.errors import BadInput

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
def report_bad_input() -> Iterator[None]:
    """Tell bad input in one sentence and exit with 2."""
    try:
        yield
    except BadInput as error:
        say(str(error))
        raise typer.Exit(BAD_INPUT) from error


def _text(metavar: str, help: str, *names: str) -> Any:
    return Annotated[str, typer.Option(*names, metavar=metavar, help=help)]


_OPTIONS: dict[str, Any] = {
    "model": _text("NAME", "The model's name."),
    "version": Version,
    "task": _text("binary|multiclass|regression|ranking", "What the model predicts."),
    "score": _text("COL[,COL]", "Score column; one per class for multiclass."),
    "predicted": _text("COL", "The decided class, or the value."),
    "actual": _text("COL", "What really happened."),
    "time": _text("COL", "When it was predicted."),
    "id": _text("COL", "The prediction id, which outcomes refer to.", "--id"),
    "classes": _text("X,Y", "The classes, in the order of the score columns."),
    "positive_class": _text("X", "The class whose probability the score is."),
    "threshold": Annotated[float | None, typer.Option(metavar="T", help="The score from which on it is predicted.")],
    "quantiles": _text("0.1,0.5,0.9", "The levels that a regression predicts, in the order of the score columns."),
    "features": _text("COL,COL", "The features; else all other columns."),
    "text_features": _text("COL,COL", "Features that are documents, or 'none'; else those that look like it."),
    "slices": _text("COL,COL", "Look at drift value by value of these, too: a country, a plan."),
    "seasonality": _text(
        "hour|weekday|hour_of_week|none",
        "Compare with the same hours, weekdays or hours of the week; else as the reference repeats; 'none' with all.",
    ),
    "timezone": _text("ZONE", "By whose clock, as 'Europe/Paris'; else UTC, or the baseline's."),
    "ignore_time": Annotated[
        bool,
        typer.Option(
            "--ignore-time", help="Take the reference's rows for independent: do not ask how its days and hours differ."
        ),
    ],
    "items": _text("COL", "Of a ranking, the items, best first: lists, or their JSON."),
    "version_column": _text("COL", "Which version predicted: with outcomes, versions are compared side by side."),
    "latency": _text("COL", "How long each call took, in seconds; a name that ends in _ms: in milliseconds."),
    "error": _text("COL", "By which error a call failed; empty, 0 or false where it returned."),
    "decimal": _text("MARK", "The decimal mark of numbers in a CSV: '.' or ','; else '.'."),
    "thousands": _text("MARK", "The mark between thousands in a CSV: comma, point, space or apostrophe; else none."),
    "date_format": _text("FORMAT", "The format of times in a CSV that are not ISO 8601, such as '%d/%m/%Y'."),
    "cluster": _text("COL", "Rows of one value belong together: one customer's, one machine's."),
}
"""Field of ``files.roles.ColumnOptions`` → its option; one whose field is a tuple takes a list with commas."""


_DEFAULTS: dict[str, Any] = {"threshold": None, "ignore_time": False}
"""Field of ``ColumnOptions`` → its default, where that is no text."""


def takes_columns(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, in the place of its argument ``columns``, an option for each field of ``ColumnOptions``.

    Typer reads the options of a command from its signature, so that is what is written anew.
    """
    hints = get_type_hints(command, localns={"ColumnOptions": object}, include_extras=True)

    @wraps(command)
    def with_columns(**given: Any) -> None:
        from driftline_processor.readers.column_roles import ColumnOptions

        said = {field.name: given.pop(field.name) for field in fields(ColumnOptions)}
        many = {field.name for field in fields(ColumnOptions) if field.default == ()}
        read: dict[str, Any] = {name: _listed(value) if name in many else value for name, value in said.items()}
        command(columns=ColumnOptions(**read), **given)

    parameters: list[Parameter] = []
    for parameter in signature(command).parameters.values():
        if parameter.name != "columns":
            parameters.append(parameter.replace(annotation=hints[parameter.name], kind=Parameter.KEYWORD_ONLY))
            continue
        for name, option in _OPTIONS.items():
            default = _DEFAULTS.get(name, "")
            parameters.append(Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=option))
    with_columns.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    vars(with_columns)["__signature__"] = signature(command).replace(parameters=parameters)
    return with_columns


def _listed(names: str) -> tuple[str, ...]:
    """Return the names of a list with commas.

    >>> _listed("age, plan,")
    ('age', 'plan')
    """
    return tuple(name.strip() for name in names.split(",") if name.strip())
