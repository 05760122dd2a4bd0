"""A deadline: one time for all parts of a step together."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from msgspec import Struct


class Deadline(Struct, frozen=True):
    """So many seconds from when it was made. ``clock``: seconds that never go back.

    >>> deadline = Deadline(20.0, begun=100.0, clock=lambda: 104.0)
    >>> deadline.left, deadline.share(0.25).left, deadline.share(0.1).passed
    (16.0, 1.0, True)
    """

    seconds: float
    begun: float
    clock: Callable[[], float]

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], float] = time.monotonic) -> Deadline:
        """Return a deadline so many seconds from now."""
        return cls(seconds, clock(), clock)

    def share(self, share: float) -> Deadline:
        """Return the deadline of a part: it begins with the whole, and ends when this share of it is over."""
        return Deadline(self.seconds * share, self.begun, self.clock)

    @property
    def left(self) -> float:
        """Seconds that are left, 0 when none are."""
        return max(0.0, self.begun + self.seconds - self.clock())

    @property
    def timeout(self) -> float | None:
        """The same for what waits: None where there is no end."""
        return None if math.isinf(self.seconds) else self.left

    @property
    def passed(self) -> bool:
        """Return True where the time is over."""
        return self.left <= 0


NEVER = Deadline(math.inf, 0.0, time.monotonic)
"""There is time for everything."""
