"""The one ceiling of the process's memory (``limits.memory``): the share of each part, and the work that must fit in.

=====================  =========================================================================================
share                  what it holds
=====================  =========================================================================================
the process itself     :data:`PROCESS` bytes: modules, threads, and the tables of the block that is analysed
requests               a sixth of the rest: bodies under way, see :mod:`.servers.request_memory`
database               a quarter of the rest: what DuckDB keeps in memory
work                   half of the rest: what checking, unpacking and reading of documents makes of bodies
caches                 what work and the database leave, see :func:`share_of_caches`
=====================  =========================================================================================

Shares are estimates. So resident memory is measured, too: above :data:`PRESSED` of the ceiling nothing new begins while
anything else is under way, and memory that nobody uses goes back to the system.
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
"""Bytes of the process without requests: 230 MB with all libraries, and some 250 for a block of 16 MiB as tables."""

DEFAULT_MEMORY, LEAST_MEMORY = 2 << 30, 1 << 30
"""Bytes: a document of outcomes of 32 MiB in JSON takes 740 MB while it is read; the least is twice PROCESS."""

_REQUESTS, _DATABASE, _WORK = 6, 4, 2
"""Which part of the rest is the share: a sixth, a quarter, a half."""

PRESSED = 0.85
"""Share of the ceiling above which nothing new begins: the rest is for what is under way and was estimated too low."""

PROTOBUF, JSON = 8, 24
"""Bytes of memory for each byte of a body: of one that is checked, and of one in JSON.

Measured: 4 for spans of 20 attributes, 26 for a megabyte of empty messages; 17 for OTLP and 23 for outcomes in JSON.
"""

_DOCUMENT, _ROWS = 3, 320 << 20
"""Bytes of memory for each byte of a table of outcomes in another format, and for the most rows of one (measured)."""

_LOOK_EVERY = 0.02
"""Seconds from one look at resident memory to the next."""

_TRIM_EVERY = 1.0
"""Seconds from one return of memory to the system to the next: it takes some milliseconds."""


def share_of_caches(limit: int) -> float:
    """Return which part caches may take of what they take at most: all from the default ceiling on, less below it.

    Panes, references, keys of rows and evaluations in memory take 430 MiB at most; the store has what they leave out.

    >>> share_of_caches(LEAST_MEMORY), share_of_caches(8 << 30)
    (0.5, 1.0)
    """
    return min(1.0, limit / DEFAULT_MEMORY)


class NeedsMoreMemory(Exception):  # noqa: N818 - what the answer says
    """The work on a request needs more than the share of all work; sending it again would not help."""

    def __init__(self, needed: int, most: int) -> None:
        super().__init__(
            f"reading the request needs about {needed >> 20} MiB of memory, but limits.memory leaves {most >> 20} MiB "
            "for it; split it into smaller requests"
        )


class MemoryCeiling:
    """The memory of the process. Any thread may use it.

    Args:
        limit: Bytes.
        measured: Returns the bytes that the process takes; None to ask the system.
        clock: Seconds that only grow.

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
        """Return True where nothing new should begin; give back what nobody uses before saying so."""
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
        """Say that memory is short; None while it is not."""
        if not self.pressed:
            return None
        return (
            f"the process uses more than {PRESSED:.0%} of limits.memory ({self.limit >> 20} MiB): senders are asked "
            "to retry; raise limits.memory if this persists"
        )

    def of_document(self, size: int) -> int:
        """Return the bytes that reading a table of outcomes takes that is no JSON; at most the whole share."""
        return min(self.work, _DOCUMENT * size + _ROWS)

    @contextmanager
    def working(self, needed: int, patience: float = MOST_WAIT) -> Iterator[None]:
        """Work on a body within a ``with`` block, once there is memory for it.

        Args:
            needed: Bytes of memory.
            patience: Seconds to wait.

        Raises:
            NeedsMoreMemory: There never is so much.
            Overloaded: There is not in time.
        """
        if needed > self.work:
            raise NeedsMoreMemory(needed, self.work)
        # 4 << 20: bytes of work that is not counted: a body of 170 kB in JSON
        if needed <= 4 << 20:
            yield
            return
        end = self._clock() + patience
        with self._changed:
            while self._working and (self._working + needed > self.work or self.pressed):
                if (left := end - self._clock()) <= 0:
                    raise Overloaded
                # 0.1: seconds from one look of who waits for memory to the next
                self._changed.wait(min(left, 0.1))  # memory may come back with nobody to tell of it
            self._working += needed
        try:
            yield
        finally:
            with self._changed:
                self._working -= needed
                self._changed.notify_all()
