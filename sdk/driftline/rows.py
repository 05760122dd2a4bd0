"""The bounded buffer between the hot path and the background thread: one append, oldest out first."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Bounded(Generic[T]):
    """A queue bounded in bytes. Full, it drops the oldest and counts their rows.

    >>> queue = Bounded[str](limit=100)
    >>> queue.append("a", cost=60, rows=1), queue.append("b", cost=60, rows=2)
    (1, 2)
    >>> queue.drain(), queue.drops()
    (['b'], 1)
    """

    __slots__ = ("_bytes", "_dropped", "_items", "_limit", "_lock", "_rows")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.forget()

    def forget(self) -> None:
        """Be empty, with a lock of its own: after a fork the old one may be held by a thread that is not here."""
        self._lock = threading.Lock()
        self._items: deque[tuple[T, int, int]] = deque()
        self._bytes = 0
        self._rows = 0
        self._dropped = 0

    def append(self, item: T, cost: int, rows: int) -> int:
        """Add an item of about ``cost`` bytes; return how many rows wait."""
        with self._lock:
            self._items.append((item, cost, rows))
            self._bytes += cost
            self._rows += rows
            if self._bytes > self._limit:
                self._drop()
            return self._rows

    def _drop(self) -> None:
        while self._bytes > self._limit and self._items:
            _, cost, rows = self._items.popleft()
            self._bytes -= cost
            self._rows -= rows
            self._dropped += rows

    def drain(self) -> list[T]:
        """Take everything."""
        with self._lock:
            items, self._items = self._items, deque()
            self._bytes = self._rows = 0
        return [item for item, _, _ in items]

    def first(self) -> T | None:
        """Return the oldest item and leave it there."""
        with self._lock:
            return self._items[0][0] if self._items else None

    def remove(self, item: T) -> int:
        """Take the oldest item away if it is still that one; return its rows, 0 if it was dropped meanwhile."""
        with self._lock:
            if not self._items or self._items[0][0] is not item:
                return 0
            _, cost, rows = self._items.popleft()
            self._bytes -= cost
            self._rows -= rows
            return rows

    def drops(self) -> int:
        """Return how many rows were dropped since the last call."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0
            return dropped

    @property
    def rows(self) -> int:
        """How many rows wait."""
        return self._rows

    @property
    def size(self) -> int:
        """How many bytes wait, about."""
        return self._bytes
