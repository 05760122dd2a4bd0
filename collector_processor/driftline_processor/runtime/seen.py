"""What was taken in already: digests of requests and ids of batches, each kept for a while.

Senders deliver at least once: an exporter that lost the acknowledgement sends the same bytes again. A digest that is
here makes the resend an acknowledged no-op.
"""

from __future__ import annotations

import numpy as np
import xxhash
from numpy.typing import NDArray

from .store import Connection, read

REQUESTS_KEPT = 15 * 60 * 10**9
BATCHES_KEPT = 7 * 86_400 * 10**9
"""How long a digest of a request and the id of a batch are remembered, nanoseconds."""

_FEW = 65_536


def digest_of(data: bytes) -> bytes:
    """Return the 16 bytes of xxh3-128 by which a request or a batch id is known."""
    return xxhash.xxh3_128_digest(data)


class Seen:
    """A set of digests of one table, each with the wall time at which it came.

    The newest are a dict; every 65,536 of them become one sorted array of 16 bytes each, so that the batch ids of a
    week of a large installation take megabytes, not gigabytes.
    """

    def __init__(self, connection: Connection, table: str, keep: int, now: int) -> None:
        """Read what is remembered from ``table`` (``requests`` or ``batches``); ``keep`` in nanoseconds."""
        self._table, self._keep = table, keep
        self._recent: dict[bytes, int] = {}
        self._blocks: list[tuple[int, NDArray[np.void]]] = []
        rows = read(
            connection, f"SELECT digest, received FROM {table} WHERE received >= ? ORDER BY received", now - keep
        )
        for digest, received in zip(rows.column(0).to_pylist(), rows.column(1).to_pylist(), strict=True):
            self.add(digest, received)

    def __contains__(self, digest: bytes) -> bool:
        if digest in self._recent:
            return True
        if not self._blocks:
            return False
        wanted = np.frombuffer(digest, _SORTABLE)
        return any(_holds(block, wanted) for _, block in self._blocks)

    def add(self, digest: bytes, received: int) -> None:
        """Remember a digest."""
        self._recent[digest] = received
        if len(self._recent) >= _FEW:
            block = np.frombuffer(b"".join(self._recent), _SORTABLE)
            self._blocks.append((received, np.sort(block, order=("high", "low"))))
            self._recent.clear()

    def expire(self, now: int) -> None:
        """Forget what is older than ``keep``; whole blocks at a time, so a little later than promised, never before."""
        self._blocks = [(newest, block) for newest, block in self._blocks if newest >= now - self._keep]
        if self._recent and next(iter(self._recent.values())) < now - 2 * self._keep:
            self._recent = {digest: at for digest, at in self._recent.items() if at >= now - self._keep}

    def write(self, connection: Connection, digests: list[bytes], received: int) -> None:
        """Append digests to the table, inside the caller's transaction."""
        if digests:
            connection.execute(f"INSERT INTO {self._table} SELECT unnest(?), ?", [digests, received])


_SORTABLE = np.dtype([("high", ">u8"), ("low", ">u8")])


def _holds(block: NDArray[np.void], wanted: NDArray[np.void]) -> bool:
    first, last = (np.searchsorted(block["high"], wanted["high"], side)[0] for side in ("left", "right"))
    return bool((block["low"][first:last] == wanted["low"]).any())
