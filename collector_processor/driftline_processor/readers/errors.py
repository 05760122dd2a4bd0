"""Errors in a file, a column or an option that the user named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

from driftline_processor.core.nearest_names import listed

Say: TypeAlias = Callable[[str], None]
"""Called with one sentence per guessed, ignored or unusable input."""


def quiet(_: str) -> None:
    """Ignore a sentence that another read of the same columns reports."""


_IN_PYTHON: ContextVar[bool] = ContextVar("in_python", default=False)


@contextmanager
def arguments_of_python() -> Iterator[None]:
    """Write options in messages as Python arguments, not command-line options, within the block."""
    token = _IN_PYTHON.set(True)
    try:
        yield
    finally:
        _IN_PYTHON.reset(token)


def are_arguments() -> bool:
    """Return True if options are Python arguments."""
    return _IN_PYTHON.get()


def option_text(name: str, value: str = "") -> str:
    """Return an option as the user writes it.

    Args:
        name: Field name of the option.
        value: Its value.

    >>> option_text("reference_last", "30d")
    '--reference-last 30d'
    >>> with arguments_of_python():
    ...     option_text("reference_last", "30d")
    'reference_last="30d"'
    """
    if are_arguments():
        return f'{name}="{value}"' if value else f"{name}="
    quoted = f"'{value}'" if " " in value else value
    return f"--{name.replace('_', '-')} {quoted}".strip()


def about_option(name: str, problem: str, value: str = "") -> str:
    """Return a sentence that starts with the option as the user writes it.

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
        problem: The broken rule and the fix.
        option: Field name of the option, "" if the problem names a file.
    """

    def __init__(self, problem: str, field: str = "", value: str = "") -> None:
        """Create the error; its text begins with the option as the user writes it.

        Args:
            problem: The broken rule and the fix.
            field: Field name of the option.
            value: Value of the option, which is repeated in the text.
        """
        super().__init__(about_option(field, problem, value) if field else problem)
        self.problem, self.option = problem, field


class NoRows(BadInput):
    """A file without rows: an error only if no other file of the same set has rows."""


def missing_option(name: str, fix: str) -> BadInput:
    """Return the error for a missing required option.

    Args:
        name: Field name of the option.
        fix: What the user should write.
    """
    error = BadInput(f"{option_text(name)} is missing: {fix}")
    error.option = name
    return error


def say_columns_of_one_name(path: str, names: Sequence[str], say: Say) -> list[str]:
    """Report and return names that several columns of a file share; the first column of each is read."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        say(f"{path}: {listed(twice)}: several columns have the same name; the first is read")
    return twice
