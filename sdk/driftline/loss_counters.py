"""Counts of predictions and values that could not be recorded, by reason, until the next flush."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class PendingCounts(Generic[K]):
    """Counts by a constant key: a type, a reason, or a model and a reason.

    There is no lock, so a race between two threads can lose a count.

    >>> waiting = PendingCounts[str]()
    >>> waiting.add("duplicate_name")
    >>> waiting.add("vector_length", 2)
    >>> waiting.drain(), waiting.drain()
    (Counter({'vector_length': 2, 'duplicate_name': 1}), Counter())
    """

    def __init__(self) -> None:
        self._counts: Counter[K] = Counter()

    def add(self, key: K, n: int = 1) -> None:
        """Add ``n`` to the count of a key."""
        if n:
            self._counts[key] += n

    def drain(self) -> Counter[K]:
        """Return the counts since the last call, and reset them."""
        counts, self._counts = self._counts, Counter()
        return counts


UNSUPPORTED_INPUT = "unsupported_input"
"""An input that is neither a row nor a batch of rows."""
NOT_COLLECTED = "not_collected"
"""A lazy frame. The caller must collect it."""
ON_DEVICE = "on_device"
"""A tensor on an accelerator. Copying it would make the caller wait for the device."""
TOO_LARGE = "too_large"
"""A batch of more than 24 MiB, or a row of more than 100,000 values."""
UNREADABLE_INPUT = "unreadable_input"
"""An input that raises when it is read, such as an object whose own methods raise."""
UNREAD_RESULT = "unread_result"
"""A result that is not a score, class, value or ranking."""
SCORE_NOT_A_NUMBER = "score_not_a_number"
"""A score that is NaN or infinite, or a text among numbers."""


UNRECORDED = PendingCounts[tuple[str, str]]()
"""Model and reason → predictions."""


VECTOR_LENGTH = "vector_length"
"""A vector whose length differs from most vectors of the feature, or a value that is not a vector among vectors."""
VECTOR_TOO_LONG = "vector_too_long"
"""A vector of more than 4,096 numbers."""
UNSUPPORTED_VALUE = "unsupported_value"
"""A value that is not a number, text, boolean or time: a nested object, a complex number, an element that is not a row.
"""
TOO_MANY_FEATURES = "too_many_features"
"""A column after the first 1,000 features, or beyond the limit of cells of a sparse batch."""
DUPLICATE_NAME = "duplicate_name"
"""A column with the name of an earlier column."""
NO_SUCH_FIELD = "no_such_field"
"""A time or a slice whose selector names a field that the input does not have."""
UNREADABLE_TIME = "unreadable_time"
"""A time of a prediction that is not a datetime, ISO 8601 or a unix time."""

UNUSABLE_OUTCOME = "unusable_outcome"
"""An outcome without an id or an actual, or with an invalid time or number."""


class UnusableCounts(PendingCounts[str]):
    """Counts of values by reason; :meth:`within` also returns those of one step."""

    def __init__(self) -> None:
        super().__init__()
        self._step = threading.local()

    def add(self, key: str, n: int = 1) -> None:
        """Add ``n`` to the count of a reason."""
        super().add(key, n)
        step: Counter[str] | None = getattr(self._step, "counts", None)
        if step is not None and n:
            step[key] += n

    @contextmanager
    def within(self) -> Iterator[Counter[str]]:
        """Return the counts that this thread adds in the block.

        >>> counts = UnusableCounts()
        >>> with counts.within() as step:
        ...     counts.add("vector_length", 2)
        >>> step
        Counter({'vector_length': 2})
        """
        step = self._step.counts = Counter[str]()
        try:
            yield step
        finally:
            self._step.counts = None


UNUSABLE = UnusableCounts()
"""Reason → values."""
