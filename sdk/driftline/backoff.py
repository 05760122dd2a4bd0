"""When a request that did not arrive is sent again: by the background at growing distances, by a flush more often."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from .channel import Delivery, State

LONGEST_PAUSE = 30.0
"""Seconds between two attempts of the background where a receiver is long away."""
SHORTEST_AFTER, LONGEST_AFTER = 0.25, 300.0
"""Seconds that a receiver may ask for: "at once" is no reason to send without a pause, nor "next year" not to send."""
FLUSH_PAUSES = (0.25, 0.5, 1.0)
"""Seconds between the attempts of a flush, for which somebody waits; the last holds for all further ones."""
TEMPORARY: frozenset[State] = frozenset(("unreachable", "retry", "unsupported"))
"""After these another attempt may succeed."""
BUSY: frozenset[State] = frozenset(("retry",))
"""After this one somebody is there, and asks for another attempt."""


class Backoff:
    """The pauses between attempts: 1, 2, 4, ... 30 seconds, or what the receiver asks for.

    >>> backoff = Backoff()
    >>> backoff.fail(); backoff.fail(); backoff.pause
    2.0
    >>> backoff.succeed(); backoff.seconds()
    0.0
    """

    def __init__(self) -> None:
        self.pause = 0.0
        self._until = 0.0  # monotonic seconds

    def fail(self, after: float | None = None) -> None:
        """Wait longer than before. ``after``: as many seconds as the receiver asks for, if it does."""
        self.pause = min(LONGEST_PAUSE, max(1.0, 2 * self.pause))
        self._until = time.monotonic() + (
            self.pause if after is None else min(max(SHORTEST_AFTER, after), LONGEST_AFTER)
        )

    def succeed(self) -> None:
        """Begin with the shortest pause after the next failure."""
        self.pause = self._until = 0.0

    def skip(self) -> None:
        """Let the next attempt be at once."""
        self._until = 0.0

    def seconds(self) -> float:
        """Return how long to wait before the next attempt."""
        return max(0.0, self._until - time.monotonic())


def attempt_until(
    deadline: float,
    attempt: Callable[[], Delivery | None],
    again: Collection[State],
    sleep: Callable[[float], object] = time.sleep,
) -> Delivery | None:
    """Call ``attempt`` until it returns no failure, or one after which no further attempt is of use before a deadline.

    ``deadline``: monotonic seconds. ``again``: the states after which it is called again. Returns the last failure.

    >>> answers = [Delivery("retry", "503"), None]
    >>> attempt_until(time.monotonic() + 60, lambda: answers.pop(0), TEMPORARY, sleep=print)
    0.25
    """
    pauses = list(FLUSH_PAUSES)
    while (failure := attempt()) is not None and failure.state in again:
        pause = pauses.pop(0) if len(pauses) > 1 else pauses[0]
        pause = pause if failure.after is None else max(SHORTEST_AFTER, failure.after)
        if time.monotonic() + pause >= deadline:
            break
        sleep(pause)
    return failure
