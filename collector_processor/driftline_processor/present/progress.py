"""Progress of long work, which a terminal or a notebook shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias, TypeVar

Progress: TypeAlias = Callable[[int, int, str], None]
"""Callback with the done amount, the total and the step: ``(131_072, 1_000_000, "Counting rows")``.

A total of 0 is unknown. A step begins with 0 done, and a new step ends the previous one.
"""

T = TypeVar("T")


def no_progress(done: int, total: int, what: str) -> None:
    """Ignore the progress."""


def report_parts(
    parts: Iterable[T], total: int, what: str, progress: Progress, size: Callable[[T], int]
) -> Iterator[T]:
    """Yield parts of work and report the progress after each; ``size``: size of a part in units of ``total``.

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
