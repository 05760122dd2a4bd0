"""The one error policy: what goes wrong inside Driftline never reaches the program that it watches.

An internal error is swallowed, counted by its type, and logged once per step and kind: by its type and where in our
code it came to be, never with its message or a traceback, which often hold a value of somebody's row ("could not
convert string to float: '078-05-1120'"). Driftline's own tests raise instead, so that no bug hides behind the policy.
"""

from __future__ import annotations

import logging
from collections import Counter

from .waiting import Waiting

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
        self._counts = Waiting[str]()
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
                "further ones are only counted",
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
    found = "an unknown line"
    at = error.__traceback__
    while at is not None:
        module = str(at.tb_frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] in ("driftline", "driftline_integrations"):
            found = f"{module}:{at.tb_lineno}"
        at = at.tb_next
    return found


FAULTS = Faults()
