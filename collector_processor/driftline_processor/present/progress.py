"""How far long work is: the work says it, and a terminal or a notebook shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias, TypeVar

Progress: TypeAlias = Callable[[int, int, str], None]
"""Hears how much of a step is done, of how much, and what the step is: ``(131_072, 1_000_000, "Counting rows")``.

A total of 0 says that nobody knows how much there is. A step begins with 0 done, and a new step ends the one before it.
"""

T = TypeVar("T")


def no_progress(done: int, total: int, what: str) -> None:
    """Show nothing."""


def report_parts(
    parts: Iterable[T], total: int, what: str, progress: Progress, size: Callable[[T], int]
) -> Iterator[T]:
    """Yield parts of work, and say after each how many of ``total`` are done; ``size``: of a part.

    >>> heard: list[tuple[int, int, str]] = []
    >>> list(report_parts(["ab", "c"], 3, "Counting", lambda *said: heard.append(said), len))
    ['ab', 'c']
    >>> heard
    [(0, 3, 'Counting'), (2, 3, 'Counting'), (3, 3, 'Counting')]
    """
    finished = 0
    progress(finished, total, what)
    for part in parts:
        yield part
        finished += size(part)
        progress(finished, total, what)
