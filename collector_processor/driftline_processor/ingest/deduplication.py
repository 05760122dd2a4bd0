"""Deduplicate requests by digest, and files of outcomes by upload and part.

Senders deliver at least once: after a lost acknowledgement an exporter sends the same bytes again. A request with a
stored digest is acknowledged without effect.

Files of outcomes arrive in parts. A part is stored in the transaction of its rows, so an acknowledged part is never
counted twice, and senders can query the next part.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
import xxhash
from msgspec import Struct
from numpy.typing import NDArray

from driftline_processor.store.database import Connection, insert, read

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


UPLOADS_KEPT = 30 * 86_400 * 10**9
"""Nanoseconds for which an upload is stored after its last part."""


class UploadPart(Struct, frozen=True):
    """One part of an upload.

    Attributes:
        number: From 0.
        rejected: Number of unreadable rows.
    """

    upload: str
    number: int
    rejected: int = 0


class StoredPart(Struct, frozen=True):
    """A stored part of an upload.

    Attributes:
        received: Unix nanoseconds.
    """

    digest: bytes
    accepted: int
    rejected: int
    received: int


class Upload(Struct, frozen=True):
    """The progress of an upload.

    Attributes:
        next: The first missing part.
        faulty: Parts with rejected rows.
    """

    parts: int
    next: int
    accepted: int
    rejected: int
    received: int
    faulty: tuple[int, ...]


class Uploads:
    """The parts of the uploads of the last 30 days. One thread writes; any thread may read."""

    def __init__(self, connection: Connection, now: int) -> None:
        """Read the stored parts."""
        self._parts: dict[str, dict[int, StoredPart]] = {}
        self._new: list[dict[str, object]] = []
        for row in read(connection, "SELECT * FROM uploads ORDER BY received").to_pylist():
            stored_part = StoredPart(row["digest"], row["accepted"], row["rejected"], row["received"])
            self._parts.setdefault(row["upload"], {})[row["part"]] = stored_part
        self.expire(now)

    def known(self, part: UploadPart, digest: bytes) -> tuple[Literal["new", "again", "other"], StoredPart | None]:
        """Return whether a part is new, stored, or stored with other bytes, and the stored part."""
        stored_part = self._parts.get(part.upload, {}).get(part.number)
        return "new" if stored_part is None else "again" if stored_part.digest == digest else "other", stored_part

    def add(self, part: UploadPart, stored_part: StoredPart) -> None:
        """Add a part of the current transaction."""
        self._parts.setdefault(part.upload, {})[part.number] = stored_part
        fields = {
            "digest": stored_part.digest,
            "accepted": stored_part.accepted,
            "rejected": stored_part.rejected,
            "received": stored_part.received,
        }
        self._new.append({"upload": part.upload, "part": part.number, **fields})

    def write(self, connection: Connection) -> None:
        """Append the parts of :meth:`add`, inside the caller's transaction."""
        new, self._new = self._new, []
        if new:
            insert(connection, "uploads", pa.Table.from_pylist(new))

    def found(self, upload: str) -> Upload | None:
        """Return the progress of an upload, None if nothing has arrived."""
        parts = dict(self._parts.get(upload, {}))
        if not parts:
            return None
        return Upload(
            len(parts),
            next(number for number in range(len(parts) + 1) if number not in parts),
            sum(part.accepted for part in parts.values()),
            sum(part.rejected for part in parts.values()),
            max(part.received for part in parts.values()),
            tuple(sorted(number for number, part in parts.items() if part.rejected)),
        )

    def expire(self, now: int) -> None:
        """Remove uploads without a new part for 30 days."""
        for name in [
            name for name, parts in self._parts.items() if parts[next(reversed(parts))].received < now - UPLOADS_KEPT
        ]:
            del self._parts[name]


def forget_old_uploads(connection: Connection, now: int) -> None:
    """Delete uploads without a new part for 30 days, inside the caller's transaction."""
    old = "SELECT upload FROM uploads GROUP BY upload HAVING max(received) < ?"
    connection.execute(f"DELETE FROM uploads WHERE upload IN ({old})", [now - UPLOADS_KEPT])
