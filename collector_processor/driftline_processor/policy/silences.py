"""Silences of the configuration and of people: whom they cover, until when, and who ended them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from glob import escape
from typing import Any, Final

import pyarrow as pa
import xxhash
from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.config.policies import Silence
from driftline_processor.present.wording import iso_time, without_half_surrogates
from driftline_processor.store.database import Connection, UnreadableRows, insert, read, transaction

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
    """

    def __init__(self, configured: Mapping[str, Silence], connection: Connection, unreadable: UnreadableRows) -> None:
        self._connection = connection
        self._configured = tuple(NamedSilence(name, silence) for name, silence in configured.items())
        rows = read(connection, "FROM silences ORDER BY since").to_pylist()
        self._stored = tuple(silence for _, silence in unreadable.skipped("silences", rows, _named))

    @property
    def all(self) -> Sequence[NamedSilence]:
        """All silences: those of the configuration, then those of people, the oldest first."""
        return (*self._configured, *self._stored)

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
        remaining = (*self._stored, silence := _named(row))[-MOST:]
        removed_ids = [one.id for one in self._stored[: len(self._stored) + 1 - len(remaining)]]
        with transaction(self._connection):
            if removed_ids:
                self._connection.execute("DELETE FROM silences WHERE list_contains(?, id)", [removed_ids])
            insert(self._connection, "silences", pa.Table.from_pylist([row], _COLUMNS))
        self._stored = remaining
        return silence

    def end(self, id: str, by: str, now: int) -> NamedSilence | None:
        """End a person's silence now, and return it; None if there is none. A silence that is over stays as it is."""
        stored = next((one for one in self._stored if one.id == id), None)
        if stored is None or stored.silence.until <= now:
            return stored
        by = without_half_surrogates(by)
        ended = replace(stored, silence=stored.silence.model_copy(update={"until": now}), ended_by=by)
        with transaction(self._connection):
            self._connection.execute("UPDATE silences SET ended = ?, ended_by = ? WHERE id = ?", [now, by, id])
        self._stored = tuple(ended if one.id == id else one for one in self._stored)
        return ended


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
