"""Exponential backoff with a maximum pause; also used by the processor's retries."""

from __future__ import annotations

from collections.abc import Iterator


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
