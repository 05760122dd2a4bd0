"""Estimate how long a request would wait for its acknowledgement, from the waiting requests and recent writes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from .receipts import Overloaded

MOST_WAIT = 3.0
"""Maximum expected seconds until an acknowledgement; beyond it a request is rejected, so that its sender retries.

Exporters give up after ten seconds and retry anyway; a third of that tolerates an inaccurate estimate.
"""

_SHORTEST_RETRY, _LONGEST_RETRY = 1.0, 2.0
"""Seconds. Python's exporter gives up if the delay exceeds its deadline."""

_KEPT = 0.9
"""Weight of all earlier groups at each new one: about the last ten groups count, some 50 ms on an idle disk."""

_USUAL_BYTE = 1e-8
"""Seconds per byte above the usual size of a group: 100 MB/s, a slow disk."""


def refuse_late(expected: float) -> None:
    """Raise :class:`Overloaded` if the expected wait in seconds is too long."""
    if expected > MOST_WAIT:
        raise Overloaded(min(max(expected - MOST_WAIT, _SHORTEST_RETRY), _LONGEST_RETRY))


class GroupPace:
    """The seconds of a group of requests: a constant plus a term per byte.

    A group of the size of the latest ones takes as long as they did on average; each byte above that adds a fixed
    time. One thread writes and notes groups; other threads must hold the lock of that thread to read.

    Args:
        clock: Monotonic seconds.

    >>> pace = GroupPace()
    >>> for size in (0, 10_000_000) * 20:
    ...     pace.note(size, 0.01 + size / 1e8)
    >>> round(pace.seconds(groups=3, size=50_000_000), 2)
    0.53
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._groups = self._bytes = self._seconds = 0.0
        self._began: float | None = None
        self._size = 0

    def begin(self, size: int) -> None:
        """Note that a group of ``size`` bytes is being written."""
        self._began, self._size = self._clock(), size

    def end(self) -> None:
        """Note that the current group is written."""
        if self._began is not None:
            self.note(self._size, self._clock() - self._began)
        self._began = None

    def give_up(self) -> None:
        """Note that the current group has failed; its time is ignored."""
        self._began = None

    def note(self, size: int, seconds: float) -> None:
        """Add the time of a group."""
        self._groups = self._groups * _KEPT + 1
        self._bytes = self._bytes * _KEPT + size
        self._seconds = self._seconds * _KEPT + seconds

    def seconds(self, groups: int, size: int) -> float:
        """Return the expected seconds of ``groups`` groups with ``size`` bytes in total."""
        usual_bytes, usual_seconds = self._bytes / max(self._groups, 1.0), self._seconds / max(self._groups, 1.0)
        return groups * usual_seconds + max(0.0, size - groups * usual_bytes) * _USUAL_BYTE

    @property
    def left(self) -> float:
        """Return the expected remaining seconds of the current group, 0 without one.

        A group that exceeds its expected time is expected to take that long again.
        """
        if self._began is None:
            return 0.0
        elapsed = self._clock() - self._began
        expected = self.seconds(1, self._size)
        return expected - elapsed if expected > elapsed else elapsed


def groups_of(waiting: int, most: int, size: int, most_bytes: int) -> int:
    """Return the number of groups for ``waiting`` requests of ``size`` bytes in total.

    >>> groups_of(waiting=300, most=256, size=1000, most_bytes=8 << 20)
    2
    """
    return max(math.ceil(waiting / most), math.ceil(size / most_bytes))
