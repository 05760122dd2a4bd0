"""Silences of the configuration and of people: whom they cover, until when, and who ended them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from glob import escape
from typing import Any, Final

import pyarrow as pa
import xxhash
from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.config.policies import Silence
from driftline_processor.core.audit_chain import Entry
from driftline_processor.present.times import date_words
from driftline_processor.present.wording import iso_time, without_half_surrogates
from driftline_processor.store.audit_log import AuditLog
from driftline_processor.store.database import Connection, UnreadableRows, insert, read

from .alerts import Alert

MOST: Final = 10_000
"""Upper limit of stored silences; the oldest are deleted first."""


class NamedSilence(Struct, frozen=True):
    """A silence with its author.

    Attributes:
        id: Its id; for a configured silence its name.
        silence: Whom it covers, and when. It ends early if somebody ends it.
        by: The person; "" = the configuration.
        why: The reason.
        planned: Its planned end, unix nanoseconds.
        ended_by: Person who ended it early; "" = nobody.
    """

    id: str
    silence: Silence
    by: str = ""
    why: str = ""
    planned: int = 0
    ended_by: str = ""


class Silences:
    """All silences. Written by one thread, read by any.

    Args:
        configured: Silences of the configuration, by name.
        connection: Connection of the writing thread.
        unreadable: Called with rows that cannot be read.
        audit: Every change is an entry of it, in the same transaction.

    Attributes:
        stored: Silences of people, the oldest first.
    """

    def __init__(
        self,
        configured: Mapping[str, Silence],
        connection: Connection,
        unreadable: UnreadableRows,
        audit: AuditLog,
    ) -> None:
        self._connection, self._audit = connection, audit
        self._configured = tuple(NamedSilence(name, silence) for name, silence in configured.items())
        rows = read(connection, "FROM silences ORDER BY since").to_pylist()
        self.stored: Sequence[NamedSilence] = tuple(
            silence for _, silence in unreadable.skipped("silences", rows, _named)
        )

    def record_configured(self, now: int) -> None:
        """Record the silences of the configuration that are not over in the audit log, unless they are there."""
        names = ("subject", "model", "words")
        configured = [
            replace(entry, time=0, words=f"{entry.words}, from {date_words(entry.time)}")
            for one in self._configured
            if now < one.silence.until
            for entry in silence_entries(one)
        ]
        if configured:
            recorded, _ = self._audit.entries(kinds=["silenced"], limit=MOST)
            places = {tuple(getattr(entry, name) for name in names) for entry in recorded}
            self._audit.append(
                *(one for one in configured if tuple(getattr(one, name) for name in names) not in places)
            )

    @property
    def all(self) -> Sequence[NamedSilence]:
        """All silences: those of the configuration, then those of people, the oldest first."""
        return (*self._configured, *self.stored)

    def covering(self, alert: Alert, now: int) -> NamedSilence | None:
        """Return the silence that suppresses the notification of an alert for longest; None without one."""
        covers = (one for one in self.all if one.silence.covers(alert.model, alert.environment, alert.policy, now))
        return max(covers, key=lambda one: one.silence.until, default=None)

    def of_model(self, model: str, now: int) -> list[NamedSilence]:
        """Return the current silences of a model, of any policy."""
        return [one for one in self.all if one.silence.since <= now < one.silence.until and one.silence.names(model)]

    def record(
        self, model: str, environment: str, policy: str, by: str, why: str, now: int, until: int
    ) -> NamedSilence:
        """Store a silence that begins now, and return it.

        Args:
            model: Name of the model.
            environment: Environment of the model; "" = all.
            policy: Name of the policy; "" = all.
            by: The person.
            why: The reason.
            now: Wall time, unix nanoseconds.
            until: The end, likewise.
        """
        model, environment, policy, by, why = map(without_half_surrogates, (model, environment, policy, by, why))
        id = xxhash.xxh3_64_hexdigest("\0".join((model, environment, policy, by, str(now))).encode())
        row = {"id": id, "model": model, "environment": environment, "policy": policy, "since": now, "until": until}
        row |= {"by": by, "why": why, "ended": None, "ended_by": ""}
        remaining = (*self.stored, silence := _named(row))[-MOST:]
        removed_ids = [one.id for one in self.stored[: len(self.stored) + 1 - len(remaining)]]
        (entry,) = silence_entries(silence)
        entry = replace(entry, model=model)
        with self._audit.transaction(self._connection, [entry]):
            if removed_ids:
                self._connection.execute("DELETE FROM silences WHERE list_contains(?, id)", [removed_ids])
            insert(self._connection, "silences", pa.Table.from_pylist([row], _COLUMNS))
        self.stored = remaining
        return silence

    def end(self, id: str, by: str, now: int) -> NamedSilence | None:
        """End a person's silence now, and return it; None if there is none. A silence that is over stays as it is."""
        stored = next((one for one in self.stored if one.id == id), None)
        if stored is None or stored.silence.until <= now:
            return stored
        by = without_half_surrogates(by)
        ended = replace(stored, silence=stored.silence.model_copy(update={"until": now}), ended_by=by)
        with self._audit.transaction(self._connection, [end_entry(ended)]):
            self._connection.execute("UPDATE silences SET ended = ?, ended_by = ? WHERE id = ?", [now, by, id])
        self.stored = tuple(ended if one.id == id else one for one in self.stored)
        return ended


def silence_entries(named: NamedSilence) -> Iterator[Entry]:
    """Yield the entries of the audit log for the begin of a silence: one per pattern of models."""
    silence = named.silence
    policies = "" if silence.policies == ("*",) else f" of {', '.join(silence.policies)}"
    for pattern in silence.models:
        yield Entry(
            kind="silenced",
            model=pattern,
            environment="" if silence.environments == ("*",) else ", ".join(silence.environments),
            subject=named.id,
            words=f"no notifications{policies} until {date_words(named.planned or silence.until)}",
            by=named.by,
            why=named.why,
            time=silence.since,
        )


def end_entry(named: NamedSilence) -> Entry:
    """Return the entry of the audit log for the early end of a silence by a person."""
    (entry,) = silence_entries(named)
    return replace(entry, time=named.silence.until, words="the silence was ended", by=named.ended_by, why="")


def silence_json(named: NamedSilence) -> dict[str, Any]:
    """Return a silence in the format of the API."""
    silence = named.silence
    return {
        "id": named.id,
        "models": silence.models,
        "environments": silence.environments,
        "policies": silence.policies,
        "since": iso_time(silence.since),
        "until": iso_time(silence.until),
        "by": named.by or None,
        "why": named.why,
        "ended_by": named.ended_by or None,
    }


_COLUMNS = pa.schema(
    [
        *((name, pa.string()) for name in ("id", "model", "environment", "policy")),
        *((name, pa.int64()) for name in ("since", "until")),
        *((name, pa.string()) for name in ("by", "why")),
        ("ended", pa.int64()),
        ("ended_by", pa.string()),
    ]
)


def _named(row: Mapping[str, Any]) -> NamedSilence:
    silence = Silence.model_construct(
        models=(escape(row["model"]),),
        environments=(escape(row["environment"]) or "*",),
        policies=(escape(row["policy"]) or "*",),
        since=row["since"],
        until=row["until"] if row["ended"] is None else row["ended"],
    )
    return NamedSilence(row["id"], silence, row["by"], row["why"], row["until"], row["ended_by"])
