"""Pauses between attempts that double up to a longest one; the processor's retries use them, too."""

from __future__ import annotations

from collections.abc import Iterator


def next_pause(pause: float, first: float, longest: float) -> float:
    """Return the pause after ``pause``, in seconds: ``first`` after none, else twice as long, at most ``longest``.

    >>> next_pause(0.0, 1.0, 5.0), next_pause(2.0, 1.0, 5.0), next_pause(4.0, 1.0, 5.0)
    (1.0, 4.0, 5.0)
    """
    return min(2 * pause, longest) if pause else first


def doubling_pauses(first: float, longest: float) -> Iterator[float]:
    """Yield pauses without end, each twice the one before.

    Args:
        first: The first pause, in seconds.
        longest: Seconds that no pause exceeds.

    >>> pauses = doubling_pauses(1.0, 5.0)
    >>> [next(pauses) for _ in range(4)]
    [1.0, 2.0, 4.0, 5.0]
    """
    pause = 0.0
    while True:
        pause = next_pause(pause, first, longest)
        yield pause
