"""The error policy: an error inside Driftline never reaches the program, and a bad row never affects other rows.

An exception of a signal handler is not an error inside Driftline: it reaches the program wherever it is raised.

An internal error is caught, counted by its type, and logged once per step and type. The log line contains the type and
the position in Driftline's code, never the message or a traceback, which often contain a value of a row ("could not
convert string to float: '078-05-1120'"). Driftline's own tests raise the error instead.

If a batch fails, it is processed again in halves, down to the bad row.
"""

from __future__ import annotations

import sysconfig
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

from .guarded_log import is_from_signal
from .guarded_log import logger as logger
from .loss_counters import PendingCounts

_OWN = ("driftline", "driftline_integrations")
_LIBRARIES = (sysconfig.get_path("stdlib"), "<frozen")


class Faults:
    """Counts of internal errors. The first error of each kind is logged; all are raised while ``raising`` is set.

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
        """Count and log an error that was caught in ``step`` (a constant); call it in the ``except`` block.

        Raises the error if it is not ours; see :meth:`let_signals_pass`.
        """
        self.let_signals_pass(error)
        self._counts.add(type(error).__name__)
        if self.raising:
            raise error
        code = position_outside(error)  # the same code may raise in several steps of one call
        if (code or step, type(error)) not in self._logged:
            self._logged.add((code or step, type(error)))
            kind, own_code = type(error).__name__, position(error)
            if code:
                logger.warning(
                    "driftline: %s was raised at %s, which Driftline called (%s, %s); predictions are not affected, "
                    "but what it reads there is missing, and further errors are only counted",
                    kind, code, step, own_code,
                )  # fmt: skip
            else:
                logger.warning(
                    "driftline: internal error in %s (%s at %s); predictions are not affected, "
                    "and further errors are only counted",
                    step, kind, own_code,
                )  # fmt: skip

    def let_signals_pass(self, error: BaseException) -> None:
        """Raise an error again that a signal handler of the program raised while our code ran, such as a time limit."""
        if is_from_signal(error):
            raise error

    def drain(self) -> Counter[str]:
        """Return the counts since the last call: type → number of errors."""
        return self._counts.drain()

    def once(self, kind: str) -> bool:
        """Return True for the first call with ``kind`` in this process: for lines that are logged once."""
        key = (kind, BaseException)
        if key in self._logged:
            return False
        self._logged.add(key)
        return True

    def reset(self) -> None:
        """Clear the counts and the set of logged kinds, in a forked child."""
        self._counts.drain()
        self._logged = set()


def position(error: BaseException) -> str:
    """Return the innermost line of Driftline in an error's traceback, as ``driftline.convert:57``.

    >>> position(ValueError("raised nowhere"))
    'an unknown line'
    """
    line = "an unknown line"
    traceback = error.__traceback__
    while traceback is not None:
        module = str(traceback.tb_frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] in _OWN:
            line = f"{module}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return line


def position_outside(error: BaseException) -> str:
    """Return the line of the program's code that raised an error, as ``shop.service:17``; "" if no such code did.

    It is a selector or a method of an object. The code of libraries and of Driftline is not the program's.

    >>> position_outside(ValueError("raised nowhere"))
    ''
    """
    traceback, innermost = error.__traceback__, None
    while traceback is not None:
        innermost, traceback = traceback, traceback.tb_next
    if innermost is None:
        return ""
    frame = innermost.tb_frame
    module, file = str(frame.f_globals.get("__name__", "")), frame.f_code.co_filename
    if module.partition(".")[0] in _OWN or file.startswith(_LIBRARIES) or "-packages" in file:
        return ""
    return f"{module}:{innermost.tb_lineno}"


FAULTS = Faults()


T = TypeVar("T")
Result = TypeVar("Result")

MOST_FAILURES = 500
"""Failures per flush after which a failing part is dropped as a whole. One bad row of 5,000 costs 14 failures, twenty
cost 190; if all rows are bad, the search would block the background thread for seconds.
"""


def retry_in_halves(rows: Sequence[T], make: Callable[[Sequence[T]], Result], step: str) -> list[Result]:
    """Return the result of ``make`` for all rows, or for the largest parts of them for which it does not raise.

    A row for which ``make`` raises alone is left out. Each error is a fault in ``step``.

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
                waiting += [part[middle:], part[:middle]]  # the first half is processed next, so rows stay in order
    return results
