"""Counts that wait for the next flush: of what the SDK says about itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Waiting(Generic[K]):
    """Count by a key of fixed words: a type, a reason, or a model and a reason.

    A race between two threads may lose one of two counts of the same instant, as with every counter that costs no lock.

    >>> waiting = Waiting[str]()
    >>> waiting.add("duplicate_name")
    >>> waiting.add("vector_length", 2)
    >>> waiting.drain(), waiting.drain()
    (Counter({'vector_length': 2, 'duplicate_name': 1}), Counter())
    """

    def __init__(self) -> None:
        self._counts: Counter[K] = Counter()

    def add(self, key: K, n: int = 1) -> None:
        """Count ``n`` more."""
        if n:
            self._counts[key] += n

    def drain(self) -> Counter[K]:
        """Return the counts since the last call."""
        counts, self._counts = self._counts, Counter()
        return counts
