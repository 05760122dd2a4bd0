"""The memory of running requests: one limit for all receivers together (``limits.request_bytes``).

A receiver opens a :class:`MemoryClaim` per request, grows it as bytes arrive, and closes it after the answer. If the
limit is reached, the request that needs more is rejected (senders retry), and requests with inactive senders are
ended, so that an interrupted sender does not block others.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from driftline_processor.memory_ceiling import MemoryCeiling
from driftline_processor.receipts import Overloaded

_SMALL = 2**20
"""Bytes of a small request, which may use the whole limit; larger requests leave a quarter of it free."""

SILENT = 2.0
"""Seconds without a byte after which a request may be ended if others need its memory."""


HOLDING = "driftline.holding"
"""Key of an HTTP request's memory claim in its ASGI scope."""


class ExceedsRequestMemory(Exception):  # noqa: N818 - what the answer says
    """The request is larger than the limit for any request; a retry would not help."""


class MemoryClaim:
    """The bytes of one request.

    Args:
        end: Ends the request from any thread, if others need its memory.
    """

    def __init__(self, memory: RequestMemory, end: Callable[[], object] | None, now: float) -> None:
        self._memory = memory
        self._end = end
        self.size = 0
        self.heard = now

    @property
    def ceiling(self) -> MemoryCeiling:
        """The memory ceiling of the process."""
        return self._memory.ceiling

    def grow(self, size: int) -> None:
        """Claim ``size`` more bytes.

        Raises:
            Overloaded: There is no memory now.
            ExceedsRequestMemory: The request is too large.
        """
        self._memory.take(self, size)

    def close(self) -> None:
        """Release all bytes; idempotent."""
        self._memory.give_back(self)

    def end(self) -> None:
        """End the request, whose sender is inactive."""
        if self._end is not None:
            self._end()


class RequestMemory:
    """The bytes of all running requests. Thread-safe.

    Args:
        limit: Maximum bytes.
        clock: Monotonic seconds.
        ceiling: Memory ceiling of the process.

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
        """Return the maximum bytes of one request."""
        return self._room(self.limit)

    def open(self, end: Callable[[], object] | None = None) -> MemoryClaim:
        """Return the memory claim of a new request.

        Args:
            end: See :class:`MemoryClaim`.
        """
        return MemoryClaim(self, end, self._clock())

    @property
    def short(self) -> bool:
        """Return True if no further request should be accepted now."""
        return self.used > _SMALL and self.ceiling.pressed

    def has_room(self, size: int) -> bool:
        """Return True if a request of ``size`` bytes would be accepted now."""
        with self._lock:
            return self.used + size <= self._room(size) and not self.short

    def take(self, holding: MemoryClaim, size: int) -> None:
        """Grow a claim by ``size`` bytes, see :meth:`MemoryClaim.grow`."""
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
        """Release the bytes of a claim."""
        with self._lock:
            self.used -= holding.size
            holding.size = 0
            self._holdings.discard(holding)

    def _room(self, needed_bytes: int) -> int:
        return self.limit if needed_bytes <= _SMALL else self.limit * 3 // 4


def hold(scope: Mapping[str, Any], size: int) -> None:
    """Claim ``size`` more bytes for an HTTP request, for instance after decompression; see :meth:`MemoryClaim.grow`."""
    holding = scope.get(HOLDING)
    if isinstance(holding, MemoryClaim):
        holding.grow(size)


def ceiling_of(scope: Mapping[str, Any]) -> MemoryCeiling:
    """Return the memory ceiling of the process from an HTTP request."""
    holding = scope.get(HOLDING)
    return holding.ceiling if isinstance(holding, MemoryClaim) else MemoryCeiling()
