"""The audit log in the state file: entries are appended in a chain of hashes, and outlive what they are about.

Entries of frequent kinds are grouped: the first of a minute is written at once, those that follow within the minute are
summed into one entry, so that neither a script that reads rows nor a guessed password can fill the disk. If there are
more entries than ``storage.audit`` allows, those of frequent kinds are removed first, so that a sender cannot push
the decisions of people out of the log.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from msgspec import Struct
from msgspec.structs import asdict, replace

from driftline_processor.access.principal import CURRENT_SENDER
from driftline_processor.core.audit_chain import START, Entry, EntryKind, Head, anchor, hash_document
from driftline_processor.health import Labels
from driftline_processor.present.wording import iso_time, short, without_half_surrogates
from driftline_processor.receipts import StorageOutage

from .database import (
    AUDIT_KEY,
    Connection,
    DatabaseError,
    StorageError,
    Store,
    insert,
    number,
    read,
    read_batches,
    synced,
    transaction,
)

GROUPED: Final[frozenset[EntryKind]] = frozenset({"rows_read", "outcomes_sent", "panes_sent", "login", "login_failed"})
"""Kinds of entries that are summed per minute. Baselines that services send are also summed."""

_FREQUENT: Final = f"(kind IN {(*sorted(GROUPED),)} OR kind = 'baseline_set' AND \"by\" = '')"
"""The same entries as a condition of SQL."""

_REMOVED: Final = """
SELECT before + 1, seq - 1, previous, after FROM (
    SELECT seq, previous, lag(seq, 1, 0) OVER (ORDER BY seq) AS before, lag(hash) OVER (ORDER BY seq) AS after
    FROM audit WHERE {}) WHERE seq > before + 1 ORDER BY seq"""
"""Ranges between the entries of a condition: first, last, hash of the last, and hash of the entry before the first."""

MINUTE: Final = 60 * 10**9

MOST_GROUPS: Final = 20
"""Upper limit of groups of a kind within a minute; the rest is summed as "others" per person."""

MOST_LATE: Final = 10_000
"""Upper limit of entries that are kept in memory during an outage of the storage."""

LONGEST: Final = 1_000
"""Upper limit of characters per field."""

HEAD_EVERY: Final = 600 * 10**9
"""Nanoseconds between two heads in the metrics, because each head is a time series of its own."""


class AuditLimits(Struct, frozen=True):
    """How long entries are kept.

    Attributes:
        age: Nanoseconds.
        entries: Number of entries.
    """

    age: int
    entries: int


class _Group(Struct):
    """Entries of one kind, person and subject within a minute: its begin, and what is not written yet."""

    since: int
    entry: Entry
    count: int = 0


class AuditLog:
    """The audit log. Thread-safe: an entry is on disk when the call returns.

    Args:
        store: The state file.
        clock: Unix nanoseconds.
        limits: How long entries are kept; None = forever.
    """

    def __init__(
        self, store: Store, clock: Callable[[], int] = time.time_ns, limits: AuditLimits | None = None
    ) -> None:
        self._store, self._clock, self._limits = store, clock, limits
        self._key = _key(store.path.parent / AUDIT_KEY)
        self._head: Head | None = None
        self._stamped = 0
        self._groups: dict[tuple[str, ...], _Group] = {}
        self._late: list[Entry] = []
        self._shown: tuple[int, Head] | None = None

    def append(self, *entries: Entry) -> list[Entry]:
        """Write entries in one transaction, or add them to their groups; return the written ones.

        Raises StorageOutage, except for entries of groups: these are written after the outage.
        """
        with self._store.appending:
            single = [one for entry in map(_by_sender, entries) if (one := self._grouped(entry)) is not None]
            if not single:
                return []
            try:
                return self._write(single)
            except StorageOutage:
                if not all(map(_is_frequent, single)):
                    raise
                for entry in single:
                    self._groups[_group_of(entry)].count += _count(entry)
                return []

    def append_or_keep(self, entry: Entry) -> None:
        """Write an entry; if that fails, it is kept in memory until :meth:`flush`."""
        with self._store.appending:
            try:
                self._write([entry])
            except (StorageOutage, DatabaseError):
                if len(self._late) < MOST_LATE:
                    self._late.append(replace(entry, time=entry.time or self._clock()))

    @contextmanager
    def transaction(self, connection: Connection, entries: Sequence[Entry]) -> Iterator[None]:
        """Commit the block together with entries, or roll both back; the block may add entries."""
        with ExitStack() as until_commit:
            written: list[Entry] = []
            groups: dict[tuple[str, ...], _Group] | None = None
            try:
                with transaction(connection):
                    yield
                    if entries:
                        until_commit.enter_context(self._store.appending)
                        groups = {key: replace(group) for key, group in self._groups.items()}
                        single = [
                            one for entry in map(_by_sender, entries) if (one := self._grouped(entry)) is not None
                        ]
                        written = self._insert(connection, single) if single else []
            except BaseException:
                self._head = None  # a failed commit may be on disk nevertheless
                self._groups = self._groups if groups is None else groups
                raise
            if written:
                self._committed(written)

    def flush(self) -> None:
        """Write the sums of groups whose minute is over, and entries that could not be written before."""
        self._flush(self._clock() - MINUTE)
        _ = self.head  # read again after an error

    def close(self) -> None:
        """Write all sums. In an outage they are lost."""
        with suppress(StorageOutage):
            self._flush(self._clock() + MINUTE)

    def prune(self) -> None:
        """Remove entries beyond the limits, and note each removed range as an entry with the hashes around it.

        Entries that are too old are removed. If there are too many, those of frequent kinds are removed first; the
        oldest of other kinds only if these alone are too many.
        """
        if self._limits is None:
            return
        with self._store.appending, self._store.watched(), self._connected() as connection:
            head, limit = self._read_head(connection), self._limits.entries
            since = self._clock() - self._limits.age
            young = number(connection, "SELECT min(seq) FROM audit WHERE time >= ?", since) or head.sequence
            # a tenth more than the limit may remain, so that not every tidying removes a few
            total = number(connection, "SELECT count(*) FROM audit WHERE seq >= ?", young) or 0
            frequent = self._before_newest(connection, limit, young) if total > limit + limit // 10 else 0
            lasting = number(connection, f"SELECT count(*) FROM audit WHERE seq >= ? AND NOT {_FREQUENT}", young) or 0
            if lasting > limit + limit // 10:
                young = max(young, self._before_newest(connection, limit, young, f"NOT {_FREQUENT}") + 1)
            kept = f"seq >= {young} AND NOT (seq <= {frequent} AND {_FREQUENT})"
            before = connection.execute(_REMOVED.format("true")).fetchall()
            removed = [one for one in connection.execute(_REMOVED.format(kept)).fetchall() if one not in before]
            if removed:
                with self.transaction(connection, [_removal(*one) for one in removed]):
                    connection.execute(f"DELETE FROM audit WHERE NOT ({kept})")

    @staticmethod
    def _before_newest(connection: Connection, limit: int, first: int, condition: str = "true") -> int:
        """Return the number of the newest entry that is older than the ``limit`` newest ones of a condition."""
        query = f"SELECT seq FROM audit WHERE seq >= ? AND {condition} ORDER BY seq DESC LIMIT 1 OFFSET {limit}"
        rows = connection.execute(query, [first]).fetchall()
        return int(rows[0][0]) if rows else 0

    def digest(self, value: str) -> str:
        """Return the keyed digest of a prediction id or a data subject: HMAC-SHA256 in hexadecimal digits."""
        return hmac.new(self._key, without_half_surrogates(value).encode(), hashlib.sha256).hexdigest()

    @property
    def head(self) -> Head:
        """The last entry. Raises StorageOutage."""
        if (head := self._head) is not None:
            return head
        with self._store.appending:
            with self._store.reading() as connection:
                self._head = head = self._read_head(connection)
            return head

    def gauges(self) -> dict[tuple[str, Labels], float]:
        """Return (metric name, labels) → value; empty while the last entry is unknown. Does not wait."""
        head, now = self._head, self._clock()
        if head is None or not head.sequence:
            return {}
        if self._shown is None or not 0 <= now - self._shown[0] < HEAD_EVERY:
            self._shown = now, head
        shown = self._shown[1]
        return {
            (m.DRIFTLINE_AUDIT_ENTRIES, ()): float(head.sequence),
            (m.DRIFTLINE_AUDIT_HEAD, ((a.DRIFTLINE_AUDIT_HASH, shown.hash),)): float(shown.sequence),
        }

    def entries(
        self,
        model: str = "",
        kinds: Collection[str] = (),
        period: tuple[int, int] | None = None,
        limit: int = 1_000,
        skip: int = 0,
    ) -> tuple[list[Entry], int]:
        """Return entries, newest first, and the number of all that match.

        Args:
            model: Only this model, with the configured silences that cover it.
            kinds: Only these kinds.
            period: Only entries of this time: begin and end, unix nanoseconds.
            limit: Maximum number of entries.
            skip: Number of newest entries to leave out.
        """
        conditions, parameters = ["true"], list[object]()
        if model:
            conditions.append("(model = ? OR (kind = 'silenced' AND \"by\" = '' AND ? GLOB model))")
            parameters += [_clean(model)] * 2
        if kinds:
            conditions.append("list_contains(?, kind)")
            parameters.append([*kinds])
        if period is not None:
            conditions.append("time >= ? AND time < ?")
            parameters += period
        source = f"FROM audit WHERE {' AND '.join(conditions)}"
        with self._store.reading() as connection:
            found = number(connection, f"SELECT count(*) {source}", *parameters) or 0
            newest = read(connection, f"{source} ORDER BY seq DESC LIMIT {limit} OFFSET {skip}", *parameters)
        return [*map(_entry, newest.to_pylist())], found

    def oldest_first(self, since: int = 1) -> Iterator[Entry]:
        """Yield all entries in the order of the chain, from one consistent snapshot."""
        with self._store.reading() as connection:
            for batch in read_batches(connection, "FROM audit WHERE seq >= ? ORDER BY seq", 10_000, since):
                yield from map(_entry, batch.to_pylist())

    # -- writing, with the lock held ----------------------------------------------------------------------------------

    def _write(self, entries: Sequence[Entry]) -> list[Entry]:
        with self._store.watched(), self._connected() as connection:
            try:
                with transaction(connection):
                    written = self._insert(connection, entries)
            except BaseException:
                self._head = None
                raise
            self._committed(written)
            return written

    def _committed(self, written: Sequence[Entry]) -> None:
        self._head = Head(written[-1].sequence, written[-1].hash)
        if self._stamped:
            self._store.acknowledge_only_here(self._stamped)

    def _insert(self, connection: Connection, entries: Sequence[Entry]) -> list[Entry]:
        head, now, written = self._head or self._read_head(connection), self._clock(), []
        for entry in entries:
            entry = replace(_cleaned(entry), sequence=head.sequence + 1, previous=head.hash, time=entry.time or now)
            entry = replace(entry, hash=hash_document(entry_document(entry)))
            head = Head(entry.sequence, entry.hash)
            written.append(entry)
        insert(connection, "audit", pa.Table.from_pylist([*map(_row, written)], _COLUMNS))
        # what Driftline itself did is repeated with the requests that are read again
        by_people = any(entry.by for entry in written)
        self._stamped = self._store.stamp_only_here(connection, now) if by_people else 0
        return written

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        connection = self._store.connect()
        try:
            yield connection
        finally:
            connection.close()

    @staticmethod
    def _read_head(connection: Connection) -> Head:
        rows = connection.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetchall()
        return Head(rows[0][0], rows[0][1].hex()) if rows else Head(0, START)

    def _grouped(self, entry: Entry) -> Entry | None:
        """Return an entry to write now; None if it was added to its group."""
        if not _is_frequent(entry):
            return entry
        now, key = self._clock(), _group_of(entry)
        if key not in self._groups and sum(one[0] == entry.kind for one in self._groups) >= MOST_GROUPS:
            # still with the name: nobody hides what they read behind twenty other reads
            entry = replace(entry, subject="others", model="", environment="")
            key = _group_of(entry)
            self._groups.setdefault(key, _Group(now, entry))
        if (group := self._groups.get(key)) is not None:
            group.count += _count(entry)
            if group.entry.why != entry.why:
                group.entry = replace(group.entry, why="")  # the sum is about several
            return None
        self._groups[key] = _Group(now, entry)
        return entry

    def _flush(self, before: int) -> None:
        """Write the sums of groups that began before a time."""
        with self._store.appending:
            over = {key: group for key, group in self._groups.items() if group.since <= before}
            sums = [replace(group.entry, count=group.count, time=0) for group in over.values() if group.count]
            if waiting := [*self._late, *sums]:
                self._write(waiting)
            self._late.clear()
            now = self._clock()
            for key, group in over.items():
                if group.count:  # the next sum of a group that goes on is written a minute later
                    self._groups[key] = _Group(now, group.entry)
                else:
                    del self._groups[key]


def entry_document(entry: Entry) -> dict[str, Any]:
    """Return an entry in the format of the API and of an export, from which its hash is computed."""
    fields = asdict(entry)
    return {
        **fields,
        "time": iso_time(entry.time),
        "by": entry.by or None,
        "how": entry.how or None,
        "alert": entry.alert or None,
        "digests": list(entry.digests),
    }


def _removal(first: int, last: int, previous: bytes, after: bytes | None) -> Entry:
    return Entry(
        kind="pruned",
        subject=anchor(last, previous.hex()),
        words=f"entries {first} to {last} were removed",
        why="storage.audit",
        digests=() if after is None else (after.hex(),),
    )


def _is_frequent(entry: Entry) -> bool:
    return entry.kind in GROUPED or (entry.kind == "baseline_set" and not entry.by)


def _count(entry: Entry) -> int:
    return 1 if entry.count is None else entry.count


def _by_sender(entry: Entry) -> Entry:
    """Return an entry with how its person logged in, for the request that the current context answers."""
    sender = CURRENT_SENDER.get()
    return entry if sender is None or not entry.by or entry.how else replace(entry, how=sender.login)


def _group_of(entry: Entry) -> tuple[str, ...]:
    return entry.kind, entry.by, entry.how, entry.model, entry.environment, entry.subject, entry.words


def _cleaned(entry: Entry) -> Entry:
    return replace(entry, **{name: _clean(text) for name, text in asdict(entry).items() if isinstance(text, str)})


def _clean(text: str) -> str:
    return short(without_half_surrogates(text), LONGEST)


_COLUMNS: Final = pa.schema(
    [
        *((name, pa.int64()) for name in ("seq", "time")),
        *((name, pa.string()) for name in ("kind", "by", "how", "model", "environment")),
        *((name, pa.string()) for name in ("subject", "words", "why", "alert")),
        ("count", pa.int64()),
        ("digests", pa.list_(pa.string())),
        *((name, pa.binary()) for name in ("previous", "hash")),
    ]
)


def _row(entry: Entry) -> dict[str, Any]:
    row = {**asdict(entry), "seq": entry.sequence, "digests": list(entry.digests)}
    return {**row, "previous": bytes.fromhex(entry.previous), "hash": bytes.fromhex(entry.hash)}


def _entry(row: dict[str, Any]) -> Entry:
    fields = {name: row[name] for name in _COLUMNS.names if name != "seq"}
    fields |= {"sequence": row["seq"], "digests": tuple(row["digests"])}
    return Entry(**{**fields, "previous": row["previous"].hex(), "hash": row["hash"].hex()})


def read_audit_key(file: Path) -> bytes:
    """Return the key of digests from its file. Raises FileNotFoundError, or StorageError if it cannot be used."""
    try:
        key = bytes.fromhex(file.read_text().strip())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StorageError(f"storage.directory: {file} cannot be read ({error}); restore it from a backup") from error
    except ValueError:  # neither digits nor text
        key = b""
    if len(key) != 32:
        raise StorageError(
            f"storage.directory: {file} is not a key of 64 hexadecimal digits; restore it from a backup, or move it "
            "away: then digests in earlier entries of the audit log can no longer be matched"
        )
    return key


def _key(file: Path) -> bytes:
    """Return the key of digests, which is created once. Raises StorageError."""
    with suppress(FileNotFoundError):
        return read_audit_key(file)
    key = secrets.token_bytes(32)
    draft = file.with_suffix(".draft")
    try:
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(f"{key.hex()}\n")
            out.flush()
            os.fsync(out.fileno())
        os.replace(draft, file)
    except OSError as error:
        raise StorageError(f"storage.directory: {file} cannot be written ({error.strerror})") from error
    synced(file.parent)
    return key
