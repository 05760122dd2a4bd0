"""How long a request would wait for its acknowledgement, from what waits before it and what was lately written."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from .receipts import Overloaded

MOST_WAIT = 3.0
"""Seconds of waiting for an acknowledgement beyond which a request is refused, so that it is sent again later.

Exporters give up after ten and send again in any case; a third of that leaves room for an estimate that is wrong.
"""

_SHORTEST_RETRY, _LONGEST_RETRY = 1.0, 2.0
"""Seconds: Python's exporter gives up when it is told to wait longer than its deadline."""

_KEPT = 0.9
"""Weight of all former groups at each new one: the last ten decide, some 50 ms on a quiet disk."""

_USUAL_BYTE = 1e-8
"""Seconds for a byte before anything is known: 100 MB/s, a disk of the slow kind."""

_USUAL_SPREAD = float(1 << 20)
"""Bytes by which groups must differ before their own seconds for a byte count more than the usual ones."""


def refuse_late(expected: float) -> None:
    """Raise :class:`Overloaded` for an expected wait that is too long; ``expected``: seconds."""
    if expected > MOST_WAIT:
        raise Overloaded(min(max(expected - MOST_WAIT, _SHORTEST_RETRY), _LONGEST_RETRY))


class GroupPace:
    """The seconds that a group of requests takes: so many in any case, and so many for each byte.

    A line through the latest groups (weighted least squares); where they are all of one size, a byte costs what is
    usual. One thread writes groups and notes them; whoever else reads holds the lock under which that thread notes.

    Args:
        clock: Seconds that only grow.

    >>> pace = GroupPace()
    >>> for size in (0, 10_000_000) * 20:
    ...     pace.note(size, 0.01 + size / 1e8)
    >>> round(pace.seconds(groups=3, size=50_000_000), 2)
    0.53
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._groups = self._bytes = self._seconds = self._squares = self._products = 0.0
        self._began: float | None = None
        self._size = 0

    def begin(self, size: int) -> None:
        """Note that a group of ``size`` bytes is under way."""
        self._began, self._size = self._clock(), size

    def end(self) -> None:
        """Note that the group under way is written."""
        if self._began is not None:
            self.note(self._size, self._clock() - self._began)
        self._began = None

    def give_up(self) -> None:
        """Note that the group under way has failed: what it took says nothing about the next."""
        self._began = None

    def note(self, size: int, seconds: float) -> None:
        """Take a group into account."""
        self._groups = self._groups * _KEPT + 1
        self._bytes = self._bytes * _KEPT + size
        self._seconds = self._seconds * _KEPT + seconds
        self._squares = self._squares * _KEPT + float(size) * size
        self._products = self._products * _KEPT + size * seconds

    def seconds(self, groups: int, size: int) -> float:
        """Return the seconds that so many groups of together ``size`` bytes take."""
        if not self._groups:
            return size * _USUAL_BYTE
        mean, usual = self._bytes / self._groups, self._seconds / self._groups
        variance = max(0.0, self._squares / self._groups - mean * mean)
        covariance = self._products / self._groups - mean * usual
        weight = _USUAL_SPREAD * _USUAL_SPREAD / self._groups
        for_byte = max(0.0, (covariance + weight * _USUAL_BYTE) / (variance + weight))
        return groups * max(0.0, usual - for_byte * mean) + size * for_byte

    @property
    def left(self) -> float:
        """Return the seconds that the group under way still takes, 0 where none is.

        One that has taken longer than expected is taken to need as long again.
        """
        if self._began is None:
            return 0.0
        elapsed = self._clock() - self._began
        expected = self.seconds(1, self._size)
        return expected - elapsed if expected > elapsed else elapsed


def groups_of(waiting: int, most: int, size: int, most_bytes: int) -> int:
    """Return in how many groups so many requests of ``size`` bytes are written.

    >>> groups_of(waiting=300, most=256, size=1000, most_bytes=8 << 20)
    2
    """
    return max(math.ceil(waiting / most), math.ceil(size / most_bytes))
