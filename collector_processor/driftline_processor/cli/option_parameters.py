"""Options that commands share, options from classes, and the output of errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, get_origin, get_type_hints

import typer

from driftline_processor.readers.addresses import file_or_address
from driftline_processor.readers.column_options import OptionField, Options, listed_names, options_of
from driftline_processor.readers.errors import BadInput

from .connection import DEFAULT_URL, Connection

BAD_INPUT = 2

ROWS = "CSV, Parquet, JSON, or sqlite:///FILE?table=NAME"
Data = Annotated[list[Path], typer.Argument(metavar="DATA", help=f"Files of rows: {ROWS}.", parser=file_or_address)]
Version = Annotated[str, typer.Option(metavar="V", help="The model's version.")]
Out = Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="File for the baseline (.json).")]

By = Annotated[
    str,
    typer.Option(
        "--by", metavar="NAME", help="Your name. The command is refused if you are logged in under another name."
    ),
]


def tell(*lines: str, err: bool = False) -> None:
    """Print lines without the control characters that names from telemetry and files may contain."""
    from driftline_processor.present.wording import printable

    typer.echo("\n".join(map(printable, lines)), err=err)


def say(sentence: str) -> None:
    """Print a sentence on stderr."""
    tell(*f"driftline: {sentence}".split("\n"), err=True)


@contextmanager
def for_a_reader_that_may_leave() -> Iterator[None]:
    """Print an answer; if its reader leaves, such as ``head``, go on, since the exit code is part of the answer."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except SystemExit:  # of rich, which has done the same
        pass


@contextmanager
def report_bad_input() -> Iterator[None]:
    """Print bad input in one sentence and exit with 2."""
    try:
        yield
    except BadInput as error:
        say(str(error))
        raise typer.Exit(BAD_INPUT) from error


HERE = Connection(DEFAULT_URL)
"""A processor on this machine, at its default address."""

NOT_GIVEN = Connection()
"""The same processor, for commands that need to know whether ``--url`` is given."""

URL = typer.Option("--url", metavar="URL", help="URL of a running `driftline up`.")

_TRUST = {
    "ca_file": (
        "DRIFTLINE_CA_FILE",
        "Certificates (PEM) of the authorities that you trust. Default: the certificates of the system.",
    ),
    "cert_file": ("DRIFTLINE_CERT_FILE", "Your certificate (PEM), if the processor requires one."),
    "key_file": ("DRIFTLINE_KEY_FILE", "The key (PEM) of --cert-file."),
    "token_file": (
        "DRIFTLINE_TOKEN_FILE",
        "File with your token. Default: the token of a processor that you run on this machine.",
    ),
}


def warn_of_exposed_token(server: Connection) -> None:
    """Print a warning if others in the network can read the token of a file."""
    if server.exposes_token:
        say(f"warning: the token travels unencrypted to {server.address}; use https://")


def connects(command: Callable[..., None]) -> Callable[..., None]:
    """Replace a command's parameter of type :class:`Connection` by the options of a connection.

    The URL is the option ``--url``, or the option or argument of an ``Annotated[Connection, ...]``; its default is that
    of the parameter.
    """
    hints = get_type_hints(command, include_extras=True)
    [(place, url)] = [(name, of_url) for name, hint in hints.items() if (of_url := _url_of(hint)) is not None]

    @wraps(command)
    def with_connection(**arguments: Any) -> None:
        options = {name: arguments.pop(name) for name in _TRUST}
        server = Connection(arguments.pop("url"), **options)
        warn_of_exposed_token(server)
        command(**{place: server}, **arguments)

    parameters: list[Parameter] = []
    for name, parameter in signature(command).parameters.items():
        if name != place:
            parameters.append(parameter.replace(annotation=hints[name], kind=Parameter.KEYWORD_ONLY))
            continue
        kind, default = Parameter.KEYWORD_ONLY, parameter.default.url
        parameters.append(Parameter("url", kind, default=default, annotation=Annotated[str, url]))
        for option, (variable, meaning) in _TRUST.items():
            flag = f"--{option.replace('_', '-')}"
            typed = typer.Option(flag, metavar="FILE", envvar=variable, help=meaning)
            parameters.append(Parameter(option, kind, default=None, annotation=Annotated[Path | None, typed]))
    _rewrite(with_connection, command, parameters)
    return with_connection


def _url_of(hint: Any) -> Any:
    """Return the option or argument of the URL if a parameter is a connection, or None."""
    if hint is Connection:
        return URL
    return hint.__metadata__[0] if get_origin(hint) is Annotated and hint.__origin__ is Connection else None


def _rewrite(replaced: Callable[..., None], command: Callable[..., None], parameters: list[Parameter]) -> None:
    """Give a command other parameters: Typer reads the options of a command from its signature."""
    replaced.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    vars(replaced)["__signature__"] = signature(command).replace(parameters=parameters)


def takes_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replace a command's parameter of a type of :class:`Options` by an option per field."""
    hints = get_type_hints(command, include_extras=True)
    [place] = [name for name, hint in hints.items() if isinstance(hint, type) and issubclass(hint, Options)]
    model: type[Options] = hints[place]
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
    _rewrite(with_options, command, parameters)
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
