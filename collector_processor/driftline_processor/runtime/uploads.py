"""Files of outcomes that come in parts: which parts of which upload are on disk, and what became of their rows.

A part is written down in the transaction of its rows. So a part that was acknowledged is never taken twice, however
often it is sent, and whoever sends asks which part is next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from .store import Connection, insert, read

UPLOADS_KEPT = 30 * 86_400 * 10**9
"""How long after its last part an upload is remembered, nanoseconds."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an upload. ``number``: from 0; ``rejected``: rows of it that could not be read."""

    upload: str
    number: int
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of a part that is on disk. ``received``: unix nanoseconds."""

    digest: bytes
    accepted: int
    rejected: int
    received: int


@dataclass(frozen=True, slots=True)
class Upload:
    """What has come of an upload. ``next``: the first part that has not; ``faulty``: parts with rejected rows."""

    parts: int
    next: int
    accepted: int
    rejected: int
    received: int
    faulty: tuple[int, ...]


class Uploads:
    """The parts of the uploads of the last 30 days. One thread writes; any may ask what has come."""

    def __init__(self, connection: Connection, now: int) -> None:
        """Read what is remembered."""
        self._parts: dict[str, dict[int, Kept]] = {}
        self._new: list[dict[str, object]] = []
        for row in read(connection, "SELECT * FROM uploads ORDER BY received").to_pylist():
            kept = Kept(row["digest"], row["accepted"], row["rejected"], row["received"])
            self._parts.setdefault(row["upload"], {})[row["part"]] = kept
        self.expire(now)

    def known(self, part: Part, digest: bytes) -> tuple[Literal["new", "again", "other"], Kept | None]:
        """Say whether a part is new, was taken before, or was taken with other bytes; and what is known of it."""
        kept = self._parts.get(part.upload, {}).get(part.number)
        return "new" if kept is None else "again" if kept.digest == digest else "other", kept

    def add(self, part: Part, kept: Kept) -> None:
        """Remember a part that is taken in this transaction."""
        self._parts.setdefault(part.upload, {})[part.number] = kept
        said = {"digest": kept.digest, "accepted": kept.accepted, "rejected": kept.rejected, "received": kept.received}
        self._new.append({"upload": part.upload, "part": part.number, **said})

    def write(self, connection: Connection) -> None:
        """Append what :meth:`add` remembered, inside the caller's transaction."""
        new, self._new = self._new, []
        if new:
            insert(connection, "uploads", pa.Table.from_pylist(new))

    def found(self, upload: str) -> Upload | None:
        """Return what has come of an upload, None where nothing has."""
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
        """Forget uploads of which no part has come for 30 days."""
        for name in [
            name for name, parts in self._parts.items() if parts[next(reversed(parts))].received < now - UPLOADS_KEPT
        ]:
            del self._parts[name]


def forget_old_uploads(connection: Connection, now: int) -> None:
    """Delete uploads of which no part has come for 30 days, inside the caller's transaction."""
    old = "SELECT upload FROM uploads GROUP BY upload HAVING max(received) < ?"
    connection.execute(f"DELETE FROM uploads WHERE upload IN ({old})", [now - UPLOADS_KEPT])
