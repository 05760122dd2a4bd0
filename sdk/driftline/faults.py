"""The error policy: a fault inside Driftline never reaches the program, and one bad row never its neighbours.

An internal error is swallowed, counted by its type, and logged once per step and kind. The log names its type and its
place in our code, never its message or a traceback, which often hold a value of somebody's row ("could not convert
string to float: '078-05-1120'"). Driftline's own tests raise instead, so that no bug hides behind the policy.

What fails as a whole is done again in halves, down to the one bad row.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

from .loss_counters import PendingCounts

logger = logging.getLogger("driftline")


class Faults:
    """Count internal errors; log the first of each kind; raise them all while ``raising`` is set.

    >>> faults = Faults()
    >>> faults.swallow("snapshot", ValueError("odd"))
    >>> faults.drain()
    Counter({'ValueError': 1})
    """

    def __init__(self) -> None:
        self.raising = False
        self._counts = PendingCounts[str]()
        self._logged: set[tuple[str, type[BaseException]]] = set()

    def swallow(self, step: str, error: BaseException) -> None:
        """Deal with an error caught in ``step`` (a fixed word); call it in the ``except`` block."""
        self._counts.add(type(error).__name__)
        if self.raising:
            raise error
        if (step, type(error)) not in self._logged:
            self._logged.add((step, type(error)))
            logger.warning(
                "driftline: internal error in %s (%s at %s); predictions are not affected, "
                "and further errors are only counted",
                step,
                type(error).__name__,
                position(error),
            )

    def drain(self) -> Counter[str]:
        """Return the counts since the last call: type → errors."""
        return self._counts.drain()

    def once(self, kind: str) -> bool:
        """Return True the first time it is asked for ``kind``: lines that are logged once per process."""
        key = (kind, BaseException)
        if key in self._logged:
            return False
        self._logged.add(key)
        return True

    def reset(self) -> None:
        """Forget what was counted and logged: a forked child starts anew."""
        self._counts.drain()
        self._logged = set()


def position(error: BaseException) -> str:
    """Return the innermost line of Driftline that an error passed, as ``driftline.convert:57``.

    >>> position(ValueError("raised nowhere"))
    'an unknown line'
    """
    line = "an unknown line"
    traceback = error.__traceback__
    while traceback is not None:
        module = str(traceback.tb_frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] in ("driftline", "driftline_integrations"):
            line = f"{module}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return line


FAULTS = Faults()


T = TypeVar("T")
Result = TypeVar("Result")

MOST_FAILURES = 500
"""Failures of one flush after which what fails is given up whole. One bad row of 5,000 costs 14, twenty cost 190; where
all are bad there is nothing to be found, and to look for it would keep the background busy for seconds."""


def retry_in_halves(rows: Sequence[T], make: Callable[[Sequence[T]], Result], step: str) -> list[Result]:
    """Return what ``make`` gives for all rows at once, or else for as many of them at once as it can.

    A row for which it raises alone is left out. Whatever it raises is a fault in ``step``.

    >>> retry_in_halves([4, 2, 0, 1], lambda rows: [8 // row for row in rows], "division")
    [[2, 4], [8]]
    """
    results: list[Result] = []
    waiting = [rows]
    failures = 0
    while waiting:
        part = waiting.pop()
        try:
            results.append(make(part))
        except Exception as error:
            FAULTS.swallow(step, error)
            failures += 1
            if len(part) > 1 and failures < MOST_FAILURES:
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]  # the first half is next: rows stay in order
    return results
