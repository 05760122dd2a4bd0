"""One bad row never takes its neighbours with it: what fails as a whole is done in halves, down to the one row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from .faults import FAULTS

T = TypeVar("T")
Made = TypeVar("Made")

MOST_FAILURES = 500
"""Failures of one flush after which what fails is given up whole. One bad row of 5,000 costs 14, twenty cost 190; where
all are bad there is nothing to be found, and to look for it would keep the background busy for seconds."""


def spared(rows: Sequence[T], make: Callable[[Sequence[T]], Made], step: str) -> list[Made]:
    """Return what ``make`` gives for all rows at once, or else for as many of them at once as it can.

    A row for which it raises alone is left out. Whatever it raises is a fault in ``step``.

    >>> spared([4, 2, 0, 1], lambda rows: [8 // row for row in rows], "division")
    [[2, 4], [8]]
    """
    made: list[Made] = []
    waiting = [rows]
    failures = 0
    while waiting:
        some = waiting.pop()
        try:
            made.append(make(some))
        except Exception as error:
            FAULTS.swallow(step, error)
            failures += 1
            if len(some) > 1 and failures < MOST_FAILURES:
                middle = len(some) // 2
                waiting += [some[middle:], some[:middle]]  # the first half is next: rows stay in order
    return made
