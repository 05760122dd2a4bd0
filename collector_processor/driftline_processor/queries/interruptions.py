"""Interruptions: periods without data or with a lag of windows, recorded while they happen.

They cannot be computed from windows: the normal pause is learned from arrivals that are deleted later, and a
stopped processor receives nothing. So both are stored in the transaction of the verdict's state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import pyarrow as pa
from msgspec import Struct, field
from msgspec.structs import replace

from driftline_processor.core.verdict.traffic import Traffic
from driftline_processor.store.database import Connection, insert, number, read
from driftline_processor.store.panes import KEEP_DAYS

InterruptionKind = Literal["no_data", "lagging"]


class Interruption(Struct, frozen=True):
    """A period in which the model cannot be evaluated. Times are unix nanoseconds of the wall clock.

    Attributes:
        kind: No row arrived, or windows waited too long for evaluation.
        since: Arrival of the last row before it, or when the first window began to wait.
        until: Arrival of the next row, or when no window was late any more; None while it is open.
        pause: Without data: normal upper limit of the model's pauses, nanoseconds of open time; 0 for a lag.
    """

    kind: InterruptionKind
    since: int
    until: int | None = None
    pause: int = 0


class SeenTraffic(Struct, frozen=True):
    """Current traffic of a series.

    Attributes:
        traffic: Its traffic and backlog.
        received: Arrival of the newest row of the model in its environment, unix nanoseconds; 0 without rows.
        siblings: The series of all versions of the model in its environment.
    """

    traffic: Traffic
    received: int
    siblings: tuple[int, ...]


class Interruptions(Struct):
    """The past and open interruptions of all series. Written by one thread, read by any.

    Args:
        connection: Connection to their table.
    """

    connection: Connection
    _by_series: dict[int, tuple[Interruption, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read the stored interruptions."""
        query = "SELECT series, kind, since, until, pause FROM interruptions ORDER BY series, since, kind"
        rows = read(self.connection, query).to_pylist()
        for row, interruption in self.connection.unreadable.skipped("interruptions", rows, _interruption):
            self._by_series[row["series"]] = (*self.of(row["series"]), interruption)

    def of(self, series: int) -> tuple[Interruption, ...]:
        """Return the interruptions of a series, oldest first."""
        return self._by_series.get(series, ())

    def lasting(self, series: int, kind: InterruptionKind) -> Interruption | None:
        """Return the open interruption of a series; None if there is none."""
        return next(
            (
                interruption
                for interruption in self.of(series)
                if interruption.kind == kind and interruption.until is None
            ),
            None,
        )

    def changed(self, seen: Mapping[int, SeenTraffic], in_use: Mapping[int, object], now: int) -> _Changes:
        """Return the changes to store: series → all of its interruptions.

        A period without data ends only with a row. It begins only for a series in use.

        Args:
            seen: Current traffic by series.
            in_use: The series in use.
            now: Wall time, unix nanoseconds.
        """
        changes, oldest = _Changes(), now - KEEP_DAYS
        for series, seen_traffic in seen.items():
            before = self.of(series)
            after = [
                self._ended(past, seen_traffic, now) for past in before if past.until is None or past.until > oldest
            ]
            lasting_kinds = {past.kind for past in after if past.until is None}
            traffic = seen_traffic.traffic
            if series in in_use and traffic.silent_since is not None and "no_data" not in lasting_kinds:
                after.append(Interruption("no_data", traffic.silent_since, None, traffic.pause))
            if (
                series in in_use
                and traffic.is_behind
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
        """Store changes within the caller's transaction."""
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
        """Apply stored changes in memory."""
        self._by_series = {**self._by_series, **changes}

    def _ended(self, interruption: Interruption, seen_traffic: SeenTraffic, now: int) -> Interruption:
        """Return an interruption with its end if it has ended."""
        if interruption.until is not None:
            return interruption
        if interruption.kind == "no_data":
            return (
                replace(interruption, until=self._first_row(interruption, seen_traffic))
                if seen_traffic.received > interruption.since
                else interruption
            )
        return (
            interruption
            if seen_traffic.traffic.is_behind
            else replace(interruption, until=max(now, interruption.since))
        )

    def _first_row(self, silence: Interruption, seen_traffic: SeenTraffic) -> int:
        """Return the arrival of the first row after a pause; for distributions, the newest known arrival."""
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
