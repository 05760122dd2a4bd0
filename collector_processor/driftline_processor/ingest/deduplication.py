"""Deduplicate requests and batches by digest.

Senders deliver at least once: after a lost acknowledgement an exporter sends the same bytes again. A request with a
stored digest is acknowledged without effect, unless the data of its model were deleted in the meantime.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import product

import numpy as np
import xxhash
from numpy.typing import NDArray

from driftline_processor.store.database import Connection, read, set_mark

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

    def __init__(
        self, connection: Connection, table: str, keep: int, now: int, deletions: Collection[int] = ()
    ) -> None:
        """Read the digests of ``table`` (``requests`` or ``batches``); ``keep`` in nanoseconds.

        ``deletions``: times of deletions. An array has only the time of its newest digest, so it contains none from
        before and after a deletion.
        """
        self._table, self._keep = table, keep
        self._recent: dict[bytes, int] = {}
        self._blocks: list[tuple[int, NDArray[np.void]]] = []
        rows = read(
            connection, f"SELECT digest, received FROM {table} WHERE received >= ? ORDER BY received", now - keep
        )
        remaining = sorted(deletions)
        for digest, received in zip(rows.column(0).to_pylist(), rows.column(1).to_pylist(), strict=True):
            while remaining and remaining[0] < received:
                self._close(remaining.pop(0))
            self.add(digest, received)
        if remaining:
            self._close(remaining[0])

    def __contains__(self, digest: bytes) -> bool:
        return self.received(digest) is not None

    def received(self, digest: bytes) -> int | None:
        """Return when a digest was added last, at most; None for an unknown one."""
        if digest in self._recent:
            return self._recent[digest]
        if not self._blocks:
            return None
        digest_value = np.frombuffer(digest, _SORTABLE)
        return next((newest for newest, block in reversed(self._blocks) if _holds(block, digest_value)), None)

    def add(self, digest: bytes, received: int) -> None:
        """Add a digest."""
        self._recent[digest] = received
        if len(self._recent) >= _FEW:
            self._close(received)

    def _close(self, newest: int) -> None:
        """Convert the newest digests to an array."""
        if self._recent:
            block = np.frombuffer(b"".join(self._recent), _SORTABLE)
            self._blocks.append((newest, np.sort(block, order=("high", "low"))))
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


_DELETED = "deleted "
"""Prefix of the marks of deletions, which contain digests instead of the deleted names."""


class DeletedModels:
    """When data of models were deleted: data that were received before are not recognised as repeated.

    Attributes:
        times: Times of deletions, unix nanoseconds.
    """

    def __init__(self, connection: Connection) -> None:
        query = "SELECT name, max(value) AS time FROM meta WHERE starts_with(name, ?) GROUP BY name"
        self._time_of: dict[str, int] = {
            row["name"]: row["time"] for row in read(connection, query, _DELETED).to_pylist()
        }
        self.times = frozenset(self._time_of.values())

    def last(self, model: str, version: str | None = None, environment: str | None = None) -> int:
        """Return the time of the last deletion of these data; 0 without any.

        ``version``, ``environment``: None for data without one, such as outcomes.
        """
        if not self._time_of:
            return 0
        places = product({None, version}, {(None,), () if environment is None else (environment,)})
        return max(self._time_of.get(_deletion_mark(model, of, *place), 0) for of, place in places)


def note_deletion(
    connection: Connection, model: str, versions: Collection[str], environment: str | None, now: int
) -> None:
    """Note that a model was deleted, or some versions of it (empty = all), in one environment (None = all).

    Data without an environment were deleted as well, since they may belong to any: their marks have no environment.
    """
    for version, place in product(versions or (None,), ((environment,), ())):
        set_mark(connection, _deletion_mark(model, version, *place), now)


def forget_old_deletions(connection: Connection, now: int) -> None:
    """Delete the notes of deletions before which no digest was stored."""
    connection.execute("DELETE FROM meta WHERE starts_with(name, ?) AND value < ?", [_DELETED, now - BATCHES_KEPT])


def _deletion_mark(*place: str | None) -> str:
    return _DELETED + digest_of(repr(place).encode()).hex()
