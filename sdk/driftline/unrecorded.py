"""What could not be recorded of predictions that were made, counted by model and reason, until the next flush."""

from __future__ import annotations

from collections import Counter


class Unrecorded:
    """Count parts of predictions that are not recorded.

    A race between two threads may lose one of two counts of the same instant, as with every counter that costs no lock.

    >>> unrecorded = Unrecorded()
    >>> unrecorded.add("churn", "request_too_large")
    >>> unrecorded.drain()
    Counter({('churn', 'request_too_large'): 1})
    """

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, model: str, reason: str) -> None:
        """Count one. ``reason``: a fixed word."""
        self._counts[model, reason] += 1

    def drain(self) -> Counter[tuple[str, str]]:
        """Return the counts since the last call."""
        counts, self._counts = self._counts, Counter()
        return counts


UNRECORDED = Unrecorded()
