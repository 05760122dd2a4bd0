"""Interruptions: when a model was silent, or its windows waited too long, noted as the keeper sees it.

Neither follows from windows: how long a pause may be is learned from arrivals that are not kept for ever, and while the
processor is away nobody listens. So both are stored, in the transaction that stores the state of the verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import pyarrow as pa
from msgspec import Struct, field
from msgspec.structs import replace

from driftline_processor.core.verdict import Traffic
from driftline_processor.store.database import Connection, insert, number, read
from driftline_processor.store.panes import KEEP_DAYS

InterruptionKind = Literal["no_data", "lagging"]


class Interruption(Struct, frozen=True):
    """A time in which nothing could be said of a model. Times are unix nanoseconds of the wall clock.

    Attributes:
        kind: No row came, or windows waited too long to be evaluated.
        since: When the row before the silence came, or when the first window began to wait.
        until: When a row came again, or when no window was late any more; None while it lasts.
        pause: Of a silence: nanoseconds of open time that the model pauses at most; 0 of a backlog.
    """

    kind: InterruptionKind
    since: int
    until: int | None = None
    pause: int = 0


class SeenTraffic(Struct, frozen=True):
    """What the keeper sees of a series.

    Attributes:
        traffic: Its traffic and backlog.
        received: When the newest row of the model in its environment came, unix nanoseconds; 0 where none has.
        siblings: The series of all versions of the model in its environment.
    """

    traffic: Traffic
    received: int
    siblings: tuple[int, ...]


class Interruptions(Struct):
    """The interruptions of all series, those that last and those of the past. One thread notes; any may read.

    Args:
        connection: Where they are kept.
    """

    connection: Connection
    _known: dict[int, tuple[Interruption, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read what is kept."""
        query = "SELECT series, kind, since, until, pause FROM interruptions ORDER BY series, since, kind"
        rows = read(self.connection, query).to_pylist()
        for row, one in self.connection.unreadable.skipped("interruptions", rows, _interruption):
            self._known[row["series"]] = (*self.of(row["series"]), one)

    def of(self, series: int) -> tuple[Interruption, ...]:
        """Return the interruptions of a series, the oldest first."""
        return self._known.get(series, ())

    def lasting(self, series: int, kind: InterruptionKind) -> Interruption | None:
        """Return the interruption of a series that lasts; None where there is none."""
        return next(
            (
                interruption
                for interruption in self.of(series)
                if interruption.kind == kind and interruption.until is None
            ),
            None,
        )

    def changed(self, seen: Mapping[int, SeenTraffic], in_use: Mapping[int, object], now: int) -> _Changes:
        """Return what is to be kept anew: series → all of its interruptions.

        A silence ends with a row alone. One begins only for a series that counts for its model.

        Args:
            seen: What is known of each series.
            in_use: The series that count.
            now: The wall clock, unix nanoseconds.
        """
        changes, oldest = _Changes(), now - KEEP_DAYS
        for series, one in seen.items():
            before = self.of(series)
            after = [self._ended(past, one, now) for past in before if past.until is None or past.until > oldest]
            lasting_kinds = {past.kind for past in after if past.until is None}
            traffic = one.traffic
            if series in in_use and traffic.silent_since is not None and "no_data" not in lasting_kinds:
                after.append(Interruption("no_data", traffic.silent_since, None, traffic.pause))
            if (
                series in in_use
                and traffic.behind
                and traffic.waiting_since is not None
                and "lagging" not in lasting_kinds
            ):
                after.append(Interruption("lagging", traffic.waiting_since))
            if (
                changed := tuple(sorted(after, key=lambda interruption: (interruption.since, interruption.kind)))
            ) != before:
                changes[series] = changed
        return changes

    def write(self, changes: _Changes) -> None:
        """Keep what has changed, inside the caller's transaction."""
        rows = [
            {
                "series": series,
                "kind": interruption.kind,
                "since": interruption.since,
                "until": interruption.until,
                "pause": interruption.pause,
            }
            for series, change in changes.items()
            for interruption in change
        ]
        self.connection.execute("DELETE FROM interruptions WHERE list_contains(?, series)", [list(changes)])
        insert(self.connection, "interruptions", pa.Table.from_pylist(rows, _COLUMNS))

    def take(self, changes: _Changes) -> None:
        """Show what has changed, once it is kept."""
        self._known = {**self._known, **changes}

    def _ended(self, interruption: Interruption, seen_traffic: SeenTraffic, now: int) -> Interruption:
        """Return an interruption with its end, where that has come."""
        if interruption.until is not None:
            return interruption
        if interruption.kind == "no_data":
            return (
                replace(interruption, until=self._first_row(interruption, seen_traffic))
                if seen_traffic.received > interruption.since
                else interruption
            )
        return (
            interruption if seen_traffic.traffic.behind else replace(interruption, until=max(now, interruption.since))
        )

    def _first_row(self, silence: Interruption, seen_traffic: SeenTraffic) -> int:
        """Return when the first row after a silence came; of distributions, the newest that is known."""
        query = "SELECT min(received) FROM predictions WHERE received > ? AND list_contains(?, series)"
        return number(self.connection, query, silence.since, list(seen_traffic.siblings)) or seen_traffic.received


_Changes = dict[int, tuple[Interruption, ...]]

_COLUMNS = pa.schema(
    [
        ("series", pa.int32()),
        ("kind", pa.string()),
        ("since", pa.int64()),
        ("until", pa.int64()),
        ("pause", pa.int64()),
    ]
)


def _interruption(row: Mapping[str, object]) -> Interruption:
    kind, since, until, pause = row["kind"], row["since"], row["until"], row["pause"]
    if kind not in ("no_data", "lagging") or not isinstance(since, int):
        raise ValueError(f"an interruption must have the kind no_data or lagging and a start, not {kind} and {since}")
    return Interruption(
        "no_data" if kind == "no_data" else "lagging",
        since,
        until if isinstance(until, int) else None,
        pause if isinstance(pause, int) else 0,
    )
