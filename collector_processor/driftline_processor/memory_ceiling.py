"""The memory ceiling of the process (``limits.memory``), its shares, and the admission of work.

=====================  =========================================================================================
share                  contents
=====================  =========================================================================================
the process itself     :data:`PROCESS` bytes: modules, threads, and the tables of the current block of the analysis
requests               a sixth of the rest: bodies of running requests, see :mod:`.servers.request_memory`
database               a quarter of the rest: memory of DuckDB
work                   half of the rest: checking, decompressing and parsing of bodies
caches                 unused parts of work and database, see :func:`share_of_caches`
=====================  =========================================================================================

Shares are estimates, so resident memory is measured too: above :data:`PRESSED` of the ceiling free memory is
returned to the system, and no work begins while other work is running, or for :data:`ALONE` seconds if none is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from . import process_memory
from .expected_wait import MOST_WAIT
from .receipts import Overloaded

PROCESS = 512 << 20
"""Bytes of the process without requests: 230 MB with all libraries, and 250 MB for a block of 16 MiB as tables."""

DEFAULT_MEMORY, LEAST_MEMORY = 2 << 30, 1 << 30
"""Bytes: parsing 32 MiB of outcomes in JSON needs 740 MB; the minimum is twice PROCESS."""

_REQUESTS, _DATABASE, _WORK = 6, 4, 2
"""Shares as divisors of the rest: a sixth, a quarter, a half."""

PRESSED = 0.85
"""Fraction of the ceiling above which no work begins; the margin is for running work with low estimates."""

ALONE = 2.0
"""Seconds for which work waits above :data:`PRESSED` though no other runs: what finished last may still wait to be
stored. It begins afterwards, or it never would in a process whose caches take as much.
"""

PROTOBUF, JSON = 8, 24
"""Bytes of memory per byte of a body: in protobuf and in JSON.

Measured: 4 for spans of 20 attributes, 26 for a megabyte of empty messages; 17 for OTLP and 23 for outcomes in
JSON.
"""

_DOCUMENT, _ROWS = 3, 320 << 20
"""Bytes of memory per byte of another table of outcomes, and for the maximum number of rows (measured)."""

_LOOK_EVERY = 0.02
"""Seconds between measurements of resident memory."""

_TRIM_EVERY = 1.0
"""Seconds between returns of memory to the system, which take some milliseconds."""


def share_of_caches(limit: int) -> float:
    """Return the fraction of their maximum that caches may use: 1 from the default ceiling on, less below it.

    Panes, references, row keys and evaluations in memory use at most 430 MiB; the rest is read from the store.

    >>> share_of_caches(LEAST_MEMORY), share_of_caches(8 << 30)
    (0.5, 1.0)
    """
    return min(1.0, limit / DEFAULT_MEMORY)


class NeedsMoreMemory(Exception):  # noqa: N818 - what the answer says
    """A request needs more memory than the whole share of work; a retry would not help."""

    def __init__(self, needed: int, most: int) -> None:
        super().__init__(
            f"reading the request needs about {needed >> 20} MiB of memory, but limits.memory leaves {most >> 20} MiB "
            "for it; split it into smaller requests"
        )


class MemoryCeiling:
    """The memory of the process. Thread-safe.

    Args:
        limit: Maximum bytes.
        measured: Returns the resident bytes of the process; None = the system's number.
        clock: Monotonic seconds.

    >>> ceiling = MemoryCeiling(2 << 30)
    >>> [share >> 20 for share in (ceiling.requests, ceiling.database, ceiling.work)]
    [256, 384, 768]
    """

    def __init__(
        self,
        limit: int = DEFAULT_MEMORY,
        measured: Callable[[], int] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        rest = limit - PROCESS
        self.limit = limit
        self.requests, self.database, self.work = rest // _REQUESTS, rest // _DATABASE, rest // _WORK
        self._measured, self._clock = measured or process_memory.resident, clock
        self._changed = threading.Condition()
        self._working = 0
        self._looked = self._trimmed = -_TRIM_EVERY
        self._above = False

    @property
    def pressed(self) -> bool:
        """Return True if no work should begin, even after free memory was returned to the system."""
        now = self._clock()
        if now - self._looked >= _LOOK_EVERY:
            self._looked = now
            above = self._measured() > PRESSED * self.limit
            if above and now - self._trimmed >= _TRIM_EVERY:
                self._trimmed = now
                process_memory.give_back_memory()
                above = self._measured() > PRESSED * self.limit
            self._above = above
        return self._above

    def sentence(self) -> str | None:
        """Return a sentence if memory is short, else None."""
        if not self.pressed:
            return None
        return (
            f"the process uses more than {PRESSED:.0%} of limits.memory ({self.limit >> 20} MiB): senders are asked "
            "to retry; raise limits.memory if this persists"
        )

    def of_document(self, size: int) -> int:
        """Return the bytes for parsing a table of outcomes that is not JSON; at most the whole share."""
        return min(self.work, _DOCUMENT * size + _ROWS)

    @contextmanager
    def working(self, needed: int, patience: float = MOST_WAIT) -> Iterator[None]:
        """Work on a body within a ``with`` block, after waiting for memory.

        Args:
            needed: Bytes of memory.
            patience: Maximum seconds to wait.

        Raises:
            NeedsMoreMemory: More is needed than the whole share.
            Overloaded: There was no memory in time.
        """
        if needed > self.work:
            raise NeedsMoreMemory(needed, self.work)
        # 4 << 20: maximum bytes of work that is not counted, such as a JSON body of 170 kB
        if needed <= 4 << 20:
            yield
            return
        began = self._clock()
        end = began + patience
        with self._changed:
            while True:
                now = self._clock()
                waits = self._working + needed > self.work or (self._working > 0 and self.pressed)
                alone = not self._working and now < min(end, began + ALONE) and self.pressed
                if not (waits or alone):
                    break
                if waits and now >= end:
                    raise Overloaded
                # 0.1: seconds between checks while waiting for memory
                self._changed.wait(min(max(end - now, 0.0), 0.1))  # memory may be freed without a notification
            self._working += needed
        try:
            yield
        finally:
            with self._changed:
                self._working -= needed
                self._changed.notify_all()
