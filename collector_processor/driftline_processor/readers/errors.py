"""Errors in a file, a column or an option that the user named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

from driftline_processor.core.nearest_names import listed

Say: TypeAlias = Callable[[str], None]
"""Tells the user, one sentence a call, what was guessed, left out or could not be used."""


_IN_PYTHON: ContextVar[bool] = ContextVar("in_python", default=False)


@contextmanager
def arguments_of_python() -> Iterator[None]:
    """Write options as keyword arguments of Python until the block ends, not as options of the command line."""
    token = _IN_PYTHON.set(True)
    try:
        yield
    finally:
        _IN_PYTHON.reset(token)


def are_arguments() -> bool:
    """Return whether options are keyword arguments of Python."""
    return _IN_PYTHON.get()


def option_text(name: str, value: str = "") -> str:
    """Return how the user writes an option.

    Args:
        name: Name of the option's field.
        value: Value that belongs to it.

    >>> option_text("reference_last", "30d")
    '--reference-last 30d'
    >>> with arguments_of_python():
    ...     option_text("reference_last", "30d")
    'reference_last="30d"'
    """
    if are_arguments():
        return f'{name}="{value}"' if value else f"{name}="
    return f"--{name.replace('_', '-')} {value}".strip()


def about_option(name: str, problem: str, value: str = "") -> str:
    """Return a sentence about an option, which begins with the option as the user writes it.

    >>> about_option("score", "no column 'scor'")
    "--score: no column 'scor'"
    >>> with arguments_of_python():
    ...     about_option("score", "no column 'scor'")
    "score: no column 'scor'"
    """
    return f"{option_text(name, value).removesuffix('=')}: {problem}"


class BadInput(Exception):  # noqa: N818 - the state of a file or an option, not a failure of the program
    """A file, a column or an option that cannot be used; the exit code is 2.

    Attributes:
        problem: The rule that is broken, and the fix.
        option: Name of the field of the option with the problem, "" if the problem names a file.
    """

    def __init__(self, problem: str, field: str = "", value: str = "") -> None:
        """Make the error; its text begins with the option as the user writes it.

        Args:
            problem: The rule that is broken, and the fix.
            field: Name of the field of the option with the problem.
            value: Value of the option that the text repeats.
        """
        super().__init__(about_option(field, problem, value) if field else problem)
        self.problem, self.option = problem, field


def missing_option(name: str, fix: str) -> BadInput:
    """Return the error of an option that is required and was not given.

    Args:
        name: Name of the option's field.
        fix: What the user should write.
    """
    error = BadInput(f"{option_text(name)} is missing: {fix}")
    error.option = name
    return error


def say_columns_of_one_name(path: str, names: Sequence[str], say: Say) -> list[str]:
    """Say which names several columns of a file have, and return them; the first column of each is read."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        say(f"{path}: {listed(twice)}: several columns have the same name; the first is read")
    return twice
