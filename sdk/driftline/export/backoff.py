"""Exponential backoff with a maximum pause, and what a receiver requests; also used by the processor's retries."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime


def next_pause(pause: float, first: float, longest: float) -> float:
    """Return the pause after ``pause``, in seconds: ``first`` after 0, else twice ``pause``, at most ``longest``.

    >>> next_pause(0.0, 1.0, 5.0), next_pause(2.0, 1.0, 5.0), next_pause(4.0, 1.0, 5.0)
    (1.0, 4.0, 5.0)
    """
    return min(2 * pause, longest) if pause else first


def doubling_pauses(first: float, longest: float) -> Iterator[float]:
    """Yield pauses without end, each twice the previous one.

    Args:
        first: First pause in seconds.
        longest: Maximum pause in seconds.

    >>> pauses = doubling_pauses(1.0, 5.0)
    >>> [next(pauses) for _ in range(4)]
    [1.0, 2.0, 4.0, 5.0]
    """
    pause = 0.0
    while True:
        pause = next_pause(pause, first, longest)
        yield pause


def seconds_to_wait(retry_after: str) -> float | None:
    """Return the seconds of a header ``Retry-After``, a number or an HTTP date (RFC 9110, section 10.2.3).

    Returns:
        None if the header is neither.

    >>> seconds_to_wait("30"), seconds_to_wait("Wed, 21 Oct 2015 07:28:00 GMT"), seconds_to_wait("soon")
    (30.0, 0.0, None)
    """
    with contextlib.suppress(ValueError):
        return max(0.0, float(retry_after))
    with contextlib.suppress(ValueError, OverflowError):
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    return None
