"""Pauses between attempts that double up to a longest one; the processor's retries use them, too."""

from __future__ import annotations

from collections.abc import Iterator


def doubling_pauses(first: float, longest: float) -> Iterator[float]:
    """Yield pauses without end, each twice the one before.

    Args:
        first: The first pause, in seconds.
        longest: Seconds that no pause exceeds.

    >>> pauses = doubling_pauses(1.0, 5.0)
    >>> [next(pauses) for _ in range(4)]
    [1.0, 2.0, 4.0, 5.0]
    """
    pause = first
    while True:
        yield pause
        pause = min(2 * pause, longest)
