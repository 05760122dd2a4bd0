"""Options that commands share, options from classes, and the output of errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from driftline_processor.readers.addresses import file_or_address
from driftline_processor.readers.column_options import ColumnOptions, OptionField, listed_names, options_of
from driftline_processor.readers.errors import BadInput

BAD_INPUT = 2

ROWS = "CSV, Parquet, JSON, or sqlite:///FILE?table=NAME"
Data = Annotated[list[Path], typer.Argument(metavar="DATA", help=f"Files of rows: {ROWS}.", parser=file_or_address)]
Version = Annotated[str, typer.Option(metavar="V", help="The model's version.")]
Url = Annotated[str, typer.Option(metavar="URL", help="URL of a running `driftline up`.")]
Out = Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="File for the baseline (.json).")]


def say(sentence: str) -> None:
    """Print a sentence on stderr."""
    typer.echo(f"driftline: {sentence}", err=True)


@contextmanager
def report_bad_input() -> Iterator[None]:
    """Print bad input in one sentence and exit with 2."""
    try:
        yield
    except BadInput as error:
        say(str(error))
        raise typer.Exit(BAD_INPUT) from error


def takes_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replace a command's parameter of type :class:`ColumnOptions` by an option per field.

    Typer reads the options of a command from its signature, so the signature is rewritten.
    """
    hints = get_type_hints(command, include_extras=True)
    [place] = [name for name, hint in hints.items() if isinstance(hint, type) and issubclass(hint, ColumnOptions)]
    model: type[ColumnOptions] = hints[place]
    offered = options_of(model)

    @wraps(command)
    def with_options(**arguments: Any) -> None:
        options = {name: _value(field, arguments.pop(name)) for name, field in offered.items()}
        command(**{place: model(**options)}, **arguments)

    parameters: list[Parameter] = []
    for name, parameter in signature(command).parameters.items():
        if name == place:
            parameters += map(_parameter, offered.values())
        else:
            parameters.append(parameter.replace(annotation=hints[name], kind=Parameter.KEYWORD_ONLY))
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    vars(with_options)["__signature__"] = signature(command).replace(parameters=parameters)
    return with_options


def _parameter(field: OptionField) -> Parameter:
    """Return an option as a parameter for Typer."""
    kind, default, described = field.kind, field.default, field.option
    meaning = described.help + ("; repeatable." if described.repeated else ".")
    if field.listed:
        kind, default = (list[str] | None, None) if described.repeated else (str, "")
    option = f"--{field.name.replace('_', '-')}"
    typed = typer.Option(option, metavar=described.metavar or None, help=meaning)
    return Parameter(field.name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, typed])


def _value(field: OptionField, value: Any) -> Any:
    """Return the value of a field from its option's value."""
    if not field.listed:
        return value
    return listed_names(value) if isinstance(value, str) else tuple(value or ())
