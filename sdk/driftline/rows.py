"""The bounded buffer between the hot path and the background thread: one append, oldest out first."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Bounded(Generic[T]):
    """A queue bounded in bytes. Full, it drops the oldest and counts their rows.

    ``measure``: gives an item's bytes, about, and its rows; asked only when one leaves, so that adding one is cheap.
    ``dropped``: told of each item that is dropped.

    Adding takes no lock, which on the hot path costs as much as the rest of it: the end of a deque is thread-safe, and
    the sums are bounds, not books. Only what takes items out is serialised.

    >>> queue = Bounded[bytes](limit=100, measure=lambda item: (len(item), 1))
    >>> queue.append(b"a" * 60, 60, 1), queue.append(b"b" * 50, 50, 1)
    (1, 1)
    >>> queue.drain() == [b"b" * 50], queue.drops()
    (True, 1)
    """

    __slots__ = ("_bytes", "_dropped", "_items", "_limit", "_lock", "_measure", "_rows", "_tell")

    def __init__(
        self,
        limit: int,
        measure: Callable[[T], tuple[int, int]],
        dropped: Callable[[T], object] | None = None,
    ) -> None:
        self._limit = limit
        self._measure = measure
        self._tell = dropped
        self.forget()

    def forget(self) -> None:
        """Be empty, with a lock of its own: after a fork the old one may be held by a thread that is not here."""
        self._lock = threading.Lock()
        self._items: deque[T] = deque()
        self._bytes = 0
        self._rows = 0
        self._dropped = 0

    def append(self, item: T, cost: int, rows: int) -> int:
        """Add an item of about ``cost`` bytes; return how many rows wait."""
        self._items.append(item)
        self._bytes += cost
        self._rows += rows
        if self._bytes > self._limit:
            self._drop()
        return self._rows

    def _drop(self) -> None:
        dropped: list[T] = []
        with self._lock:
            while self._bytes > self._limit and self._items:
                item, rows = self._take()
                self._dropped += rows
                dropped.append(item)
        if self._tell is not None:
            for item in dropped:  # without the lock: a span may end with it, and an exporter predict
                self._tell(item)

    def _take(self) -> tuple[T, int]:
        """Take the oldest item out, with the lock held. Return it and its rows."""
        item = self._items.popleft()
        cost, rows = self._measure(item)
        self._bytes -= cost
        self._rows -= rows
        if not self._items:  # two threads may have lost an addition between them: begin anew
            self._bytes = self._rows = 0
        return item, rows

    def drain(self) -> list[T]:
        """Take everything that is there now."""
        with self._lock:
            take = self._items.popleft
            taken = [take() for _ in range(len(self._items))]
            left = [self._measure(item) for item in list(self._items)]  # what came meanwhile: little, or nothing
            self._bytes, self._rows = sum(cost for cost, _ in left), sum(rows for _, rows in left)
            return taken

    def first(self) -> T | None:
        """Return the oldest item and leave it there."""
        with self._lock:
            return self._items[0] if self._items else None

    def remove(self, item: T) -> None:
        """Take the oldest item away, unless it was dropped meanwhile."""
        with self._lock:
            if self._items and self._items[0] is item:
                self._take()

    def drops(self) -> int:
        """Return how many rows were dropped since the last call."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0
            return dropped

    @property
    def rows(self) -> int:
        """How many rows wait."""
        return self._rows
