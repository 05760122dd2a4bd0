"""The last point of each cumulative stream of business series, so that only the increase of the next one counts.

It is stored in the transaction of the increase, so that after kill -9 nothing is lost or counted twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import pyarrow as pa

from driftline_processor.core.business import BusinessKeys, BusinessPoint, CumulativePoint, added_since
from driftline_processor.core.windows.window import PANE

from .database import Connection, insert, mark, number, read, run

MOST_STREAMS: Final = 20_000
"""Maximum number of streams (attributes, process and its start). Points of further streams are rejected."""

SILENT: Final = 86_400 * 10**9
"""Nanoseconds of wall time after which an inactive stream may be replaced if there is no room."""

_FORGOTTEN: Final = "business_streams_forgotten"
"""Name of the mark with the end of the last removed stream."""

_COLUMNS = pa.schema(
    [
        ("model", pa.string()),
        ("name", pa.string()),
        ("stream", pa.binary()),
        ("process", pa.binary()),
        ("time", pa.int64()),
        ("received", pa.int64()),
        ("total", pa.float64()),
        ("counted", pa.float64()),
    ]
)

_Place = tuple[str, bytes]
"""Name of the series, and the stream."""


class _Last(NamedTuple):
    """The last point of a stream."""

    process: bytes
    time: int
    received: int
    total: float
    counted: float | None


class BusinessStreams:
    """All cumulative streams of business series. Not thread-safe.

    Args:
        connection: Connection to the store.
        declared: Name → configuration of a series.
        now: Unix nanoseconds, the start of observation of a new series.
        most: Maximum number of streams.
    """

    def __init__(
        self, connection: Connection, declared: Mapping[str, BusinessKeys], now: int, most: int = MOST_STREAMS
    ) -> None:
        self._declared, self._max_streams, self._swept = declared, most, 0
        self._forgotten = mark(connection, _FORGOTTEN)
        self._marked = self._forgotten
        self._began: dict[str, int] = {}
        for name in declared:
            began = f"business {name} began"
            self._began[name] = mark(connection, began)
            if not self._began[name]:
                self._began[name] = now
                connection.execute("INSERT INTO meta VALUES (?, ?)", [began, now])
        self._last: dict[_Place, _Last] = {}
        self._exports: dict[_Place, tuple[int, int]] = {}
        """Series and process → time of the last export and of the one before."""
        self._changed: set[_Place] = set()
        self._removed: set[_Place] = set()
        if declared:
            stored_streams = read(connection, f"SELECT {', '.join(_COLUMNS.names[1:])} FROM business_streams")
            for row in stored_streams.to_pylist():
                place = row.pop("name"), row.pop("stream")
                if place[0] in declared:
                    self._remember(place, _Last(**row))
            self._exports = {process: (latest, 0) for process, (latest, _) in self._exports.items()}

    def take(self, point: CumulativePoint, now: int) -> BusinessPoint | str | None:
        """Return the increase of a point, a reason for rejecting it, or None for a starting point.

        The first point of a stream counts in full if its start was observed or its process was seen before, because
        zero counts are not sent. Otherwise it is only the starting point.

        Args:
            point: A point of a declared series.
            now: Unix nanoseconds.
        """
        place = point.name, point.stream
        last = self._last.get(place)
        if last is None and not self._has_place(now):
            return "too_many_streams"
        if last is not None and point.time <= last.time:
            return "point_seen"
        before = self._previous_export(point)
        self._remember(place, _Last(point.process, point.time, now, point.total, point.counted))
        self._changed.add(place)
        listened = point.begin >= max(self._began[point.name] - PANE, self._forgotten, 1)
        if last is None and not listened and before <= self._forgotten:
            return None
        total, counted = (0.0, None) if last is None else (last.total, last.counted)
        return added_since(point, total, counted, self._declared[point.name].aggregation)

    def _previous_export(self, point: CumulativePoint) -> int:
        """Return the time of the process's last export before this point's, 0 without any."""
        latest, before = self._exports.get((point.name, point.process), (0, 0))
        return latest if latest < point.time else before

    def _remember(self, place: _Place, last: _Last) -> None:
        self._last[place] = last
        process = place[0], last.process
        latest, _ = self._exports.get(process, (0, 0))
        if last.time > latest:
            self._exports[process] = (last.time, latest)

    def _has_place(self, now: int) -> bool:
        """Return True if there is room for another stream, after removing inactive streams at most once per period."""
        if len(self._last) >= self._max_streams and self._swept != now:
            self._swept = now
            for place in [place for place, last in self._last.items() if last.received < now - SILENT]:
                self._forgotten = max(self._forgotten, self._last.pop(place).time)
                self._removed.add(place)
            alive = {(name, last.process) for (name, _), last in self._last.items()}
            self._exports = {process: ends for process, ends in self._exports.items() if process in alive}
        return len(self._last) < self._max_streams

    def write(self, connection: Connection) -> None:
        """Store the points of :meth:`take` in the current transaction."""
        changed, gone_streams = [stream for stream in self._changed if stream in self._last], self._removed
        places = [*self._changed, *gone_streams]
        self._changed, self._removed = set(), set()
        if not places:
            return
        columns = {
            "name": [name for name, _ in places],
            "stream": pa.array([stream for _, stream in places], pa.binary()),
        }
        condition = "b.name = i.name AND b.stream = i.stream"
        run(
            connection, f"DELETE FROM business_streams b USING incoming i WHERE {condition}", incoming=pa.table(columns)
        )
        rows = [
            {"model": self._declared[name].model, "name": name, "stream": stream, **self._last[name, stream]._asdict()}
            for name, stream in changed
        ]
        insert(connection, "business_streams", pa.Table.from_pylist(rows, _COLUMNS))
        if self._forgotten > self._marked:
            self._marked = self._forgotten
            connection.execute("INSERT INTO meta VALUES (?, ?)", [_FORGOTTEN, self._forgotten])


def forget_streams(connection: Connection, condition: str, value: str | int) -> None:
    """Delete streams, so that only new increases count if one of them returns.

    Args:
        connection: Connection to the store, inside a transaction or not.
        condition: SQL with one question mark.
        value: Its parameter.
    """
    newest = number(connection, f"SELECT max(time) FROM business_streams WHERE {condition}", value)
    if newest is not None:
        connection.execute("INSERT INTO meta VALUES (?, ?)", [_FORGOTTEN, newest])
        connection.execute(f"DELETE FROM business_streams WHERE {condition}", [value])
