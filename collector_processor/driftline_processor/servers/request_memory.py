"""The memory of requests under way: one limit for all receivers together (``limits.request_bytes``).

A receiver opens a :class:`MemoryClaim` for each request, lets it grow as bytes arrive, and closes it when it has
answered.
Where the limit is reached, the request that asks for more is refused (senders come again), and requests whose senders
have fallen silent are ended, so that nobody who stops half-way keeps others out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from driftline_processor.memory_ceiling import MemoryCeiling
from driftline_processor.receipts import Overloaded

_SMALL = 2**20
"""Bytes. A request up to this size may use all of the limit; larger ones leave a quarter of it to small ones."""

SILENT = 2.0
"""Seconds without a byte after which a request is ended where others need its room."""


HOLDING = "driftline.holding"
"""Key of an HTTP request's holding in its ASGI scope."""


class ExceedsRequestMemory(Exception):  # noqa: N818 - what the answer says
    """The request is larger than the limit leaves to any request; sending it again would not help."""


class MemoryClaim:
    """The bytes that one request holds.

    Args:
        end: Ends the request from any thread, where others need its room.
    """

    def __init__(self, memory: RequestMemory, end: Callable[[], object] | None, now: float) -> None:
        self._memory = memory
        self._end = end
        self.size = 0
        self.heard = now

    @property
    def ceiling(self) -> MemoryCeiling:
        """The ceiling of the process."""
        return self._memory.ceiling

    def grow(self, size: int) -> None:
        """Hold ``size`` bytes more.

        Raises:
            Overloaded: There is no room now.
            ExceedsRequestMemory: There never is.
        """
        self._memory.take(self, size)

    def close(self) -> None:
        """Hold nothing any more; once is enough."""
        self._memory.give_back(self)

    def end(self) -> None:
        """End the request, whose sender is silent."""
        if self._end is not None:
            self._end()


class RequestMemory:
    """The bytes of all requests under way. Any thread may use it.

    Args:
        limit: Bytes.
        clock: Seconds that only grow.
        ceiling: Of the whole process.

    >>> memory = RequestMemory(limit=4 * 2**20)
    >>> request = memory.open()
    >>> request.grow(1000)
    >>> memory.used
    1000
    >>> request.close()
    >>> memory.used
    0
    """

    def __init__(
        self, limit: int, clock: Callable[[], float] = time.monotonic, ceiling: MemoryCeiling | None = None
    ) -> None:
        self.limit, self.ceiling = limit, ceiling or MemoryCeiling()
        self.used = 0
        self._clock = clock
        self._holdings: set[MemoryClaim] = set()
        self._lock = threading.Lock()

    @property
    def largest(self) -> int:
        """Return the greatest size of one request, bytes."""
        return self._room(self.limit)

    def open(self, end: Callable[[], object] | None = None) -> MemoryClaim:
        """Return the holding of a request that has begun.

        Args:
            end: See :class:`MemoryClaim`.
        """
        return MemoryClaim(self, end, self._clock())

    @property
    def short(self) -> bool:
        """Return True where nothing more should be taken in beside what is under way."""
        return self.used > _SMALL and self.ceiling.pressed

    def has_room(self, size: int) -> bool:
        """Return True where a request of ``size`` bytes would be taken now."""
        with self._lock:
            return self.used + size <= self._room(size) and not self.short

    def take(self, holding: MemoryClaim, size: int) -> None:
        """Let ``holding`` grow by ``size`` bytes, see :meth:`MemoryClaim.grow`."""
        now = self._clock()
        with self._lock:
            holding.heard = now
            needed_bytes = holding.size + size
            if needed_bytes > self.largest:
                raise ExceedsRequestMemory
            if not size or (self.used + size <= self._room(needed_bytes) and not self.short):
                holding.size = needed_bytes
                self.used += size
                self._holdings.add(holding)
                return
            silent = [holding for holding in self._holdings if now - holding.heard >= SILENT]
        for silent_request in silent:
            silent_request.end()
        raise Overloaded

    def give_back(self, holding: MemoryClaim) -> None:
        """Take back what ``holding`` holds."""
        with self._lock:
            self.used -= holding.size
            holding.size = 0
            self._holdings.discard(holding)

    def _room(self, needed_bytes: int) -> int:
        return self.limit if needed_bytes <= _SMALL else self.limit * 3 // 4


def hold(scope: Mapping[str, Any], size: int) -> None:
    """Count ``size`` bytes more for an HTTP request, such as unpacking made; see :meth:`MemoryClaim.grow`."""
    holding = scope.get(HOLDING)
    if isinstance(holding, MemoryClaim):
        holding.grow(size)


def ceiling_of(scope: Mapping[str, Any]) -> MemoryCeiling:
    """Return the ceiling of the process that an HTTP request came to."""
    holding = scope.get(HOLDING)
    return holding.ceiling if isinstance(holding, MemoryClaim) else MemoryCeiling()
