"""A deadline that all parts of a step share."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from msgspec import Struct


class Deadline(Struct, frozen=True):
    """A deadline in seconds from its creation. ``clock``: monotonic seconds.

    >>> deadline = Deadline(20.0, begun=100.0, clock=lambda: 104.0)
    >>> deadline.left, deadline.share(0.25).left, deadline.share(0.1).passed
    (16.0, 1.0, True)
    """

    seconds: float
    begun: float
    clock: Callable[[], float]

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], float] = time.monotonic) -> Deadline:
        """Return a deadline some seconds from now."""
        return cls(seconds, clock(), clock)

    def share(self, share: float) -> Deadline:
        """Return the deadline of a part, which ends after this fraction of the whole, from its beginning."""
        return Deadline(self.seconds * share, self.begun, self.clock)

    @property
    def left(self) -> float:
        """Remaining seconds, 0 after the deadline."""
        return max(0.0, self.begun + self.seconds - self.clock())

    @property
    def timeout(self) -> float | None:
        """The same as a timeout: None without a deadline."""
        return None if math.isinf(self.seconds) else self.left

    @property
    def passed(self) -> bool:
        """Return True after the deadline."""
        return self.left <= 0


NEVER = Deadline(math.inf, 0.0, time.monotonic)
"""No deadline."""
