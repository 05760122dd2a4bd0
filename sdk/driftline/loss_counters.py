"""Counts of predictions and values that could not be recorded, by reason, until the next flush."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class PendingCounts(Generic[K]):
    """Count by a key of fixed words: a type, a reason, or a model and a reason.

    A race between two threads may lose one of two counts of the same instant, as with every counter that costs no lock.

    >>> waiting = PendingCounts[str]()
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


UNSUPPORTED_INPUT = "unsupported_input"
"""An input that is neither a row nor a batch of rows."""
NOT_COLLECTED = "not_collected"
"""A lazy frame: collecting it is the caller's to do."""
ON_DEVICE = "on_device"
"""A tensor on an accelerator: copying it would make the caller wait for the device."""
TOO_LARGE = "too_large"
"""A batch of more than 24 MiB, or a row of more than 100,000 values."""
UNREADABLE_INPUT = "unreadable_input"
"""An input that raises where it is read, such as an object whose own methods do."""
UNREAD_RESULT = "unread_result"
"""A result that is no score, class, value or ranking."""
SCORE_NOT_A_NUMBER = "score_not_a_number"
"""A score that is NaN or infinite, or a text among numbers."""


UNRECORDED = PendingCounts[tuple[str, str]]()
"""Model and reason → predictions."""


UNDECLARED_TEXT = "undeclared_text"
"""A text of more than 256 characters that no ``text_features=`` names: it stays home."""
VECTOR_LENGTH = "vector_length"
"""A vector of another length than most of its feature's, or a value that is none among vectors."""
VECTOR_TOO_LONG = "vector_too_long"
"""A vector of more than 4,096 numbers."""
UNSUPPORTED_VALUE = "unsupported_value"
"""A value that is no number, text, boolean or time: a nested object, a complex number, an element that is no row."""
TOO_MANY_FEATURES = "too_many_features"
"""A column beyond the first 1,000 features, or beyond the cells that are made of a sparse batch."""
DUPLICATE_NAME = "duplicate_name"
"""A column whose name an earlier one has."""
NO_SUCH_FIELD = "no_such_field"
"""A time or a slice that is to come from a field which the input does not have."""


UNUSABLE = PendingCounts[str]()
"""Reason → values."""
