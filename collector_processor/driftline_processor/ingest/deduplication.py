"""Deduplicate requests and batches by digest.

Senders deliver at least once: after a lost acknowledgement an exporter sends the same bytes again. A request with a
stored digest is acknowledged without effect.
"""

from __future__ import annotations

import numpy as np
import xxhash
from numpy.typing import NDArray

from driftline_processor.store.database import Connection, read

REQUESTS_KEPT = 15 * 60 * 10**9
BATCHES_KEPT = 7 * 86_400 * 10**9
"""Nanoseconds for which the digest of a request and the id of a batch are stored."""

_FEW = 65_536


def digest_of(data: bytes) -> bytes:
    """Return the xxh3-128 digest of a request or a batch id, 16 bytes."""
    return xxhash.xxh3_128_digest(data)


class SeenDigests:
    """A set of digests of one table, with their wall time of arrival.

    The newest are in a dict; every 65,536 of them become a sorted array of 16 bytes each, so that a week of batch ids
    takes megabytes instead of gigabytes.
    """

    def __init__(self, connection: Connection, table: str, keep: int, now: int) -> None:
        """Read the digests of ``table`` (``requests`` or ``batches``); ``keep`` in nanoseconds."""
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
        digest_value = np.frombuffer(digest, _SORTABLE)
        return any(_holds(block, digest_value) for _, block in self._blocks)

    def add(self, digest: bytes, received: int) -> None:
        """Add a digest."""
        self._recent[digest] = received
        if len(self._recent) >= _FEW:
            block = np.frombuffer(b"".join(self._recent), _SORTABLE)
            self._blocks.append((received, np.sort(block, order=("high", "low"))))
            self._recent.clear()

    def expire(self, now: int) -> None:
        """Remove digests older than ``keep``, in whole blocks and so a little later, never earlier."""
        self._blocks = [(newest, block) for newest, block in self._blocks if newest >= now - self._keep]
        if self._recent and next(iter(self._recent.values())) < now - 2 * self._keep:
            self._recent = {digest: time for digest, time in self._recent.items() if time >= now - self._keep}

    def write(self, connection: Connection, digests: list[bytes], received: int) -> None:
        """Append digests to the table, inside the caller's transaction."""
        if digests:
            connection.execute(f"INSERT INTO {self._table} SELECT unnest(?), ?", [digests, received])


_SORTABLE = np.dtype([("high", ">u8"), ("low", ">u8")])


def _holds(block: NDArray[np.void], digest_value: NDArray[np.void]) -> bool:
    first, last = (np.searchsorted(block["high"], digest_value["high"], side)[0] for side in ("left", "right"))
    return bool((block["low"][first:last] == digest_value["low"]).any())
