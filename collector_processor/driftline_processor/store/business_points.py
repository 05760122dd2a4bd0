"""The points of business series: stored with the requests that brought them, and in memory for those who look."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from driftline_processor.core.business import MOST_POINTS, BusinessKeys, BusinessPoint, BusinessSeries

from .database import Connection, insert, read, run

_COLUMNS = pa.schema(
    [
        ("model", pa.string()),
        ("name", pa.string()),
        ("stream", pa.binary()),
        ("time", pa.int64()),
        ("value", pa.float64()),
        ("weight", pa.float64()),
    ]
)

_NUMBER = "row_number() OVER (PARTITION BY name ORDER BY time DESC)"
"""The how manieth of its series a point is, the newest first."""

_Points = dict[tuple[bytes, int], BusinessPoint]


class BusinessPoints:
    """All points. One thread takes them; any may read series.

    Args:
        connection: Where they are stored.
        declared: Name → what the configuration says of a series; points of others are not read.
    """

    def __init__(self, connection: Connection, declared: Mapping[str, BusinessKeys]) -> None:
        self._declared = declared
        self._lock = threading.Lock()
        self._points: dict[str, _Points] = {name: {} for name in declared}
        self._series: dict[str, BusinessSeries] = {}
        if declared:
            newest = f"QUALIFY {_NUMBER} <= {MOST_POINTS} ORDER BY time"
            rows = read(connection, f"SELECT name, stream, time, value, weight FROM business {newest}").to_pylist()
            self.take(BusinessPoint(**row) for row in rows)

    def write(self, connection: Connection, points: Sequence[BusinessPoint]) -> None:
        """Store points in the transaction that is under way; one of the same time and stream replaces an older one."""
        newest = {(one.name, one.stream, one.time): one for one in points if one.name in self._declared}
        if not newest:
            return
        rows = [{"model": self._declared[one.name].model, **one._asdict()} for one in newest.values()]
        table = pa.Table.from_pylist(rows, _COLUMNS)
        known = "b.name = i.name AND b.stream = i.stream AND b.time = i.time"
        run(connection, f"DELETE FROM business b USING incoming i WHERE {known}", incoming=table)
        insert(connection, "business", table)

    def take(self, points: Iterable[BusinessPoint]) -> None:
        """Show points that are stored."""
        with self._lock:
            for one in points:
                if (known := self._points.get(one.name)) is None:
                    continue
                known[one.stream, one.time] = one
                self._series.pop(one.name, None)
            for known in self._points.values():
                if len(known) > MOST_POINTS:
                    oldest = sorted(known, key=lambda place: place[1])[: len(known) - MOST_POINTS * 9 // 10]
                    for place in oldest:
                        del known[place]

    def of(self, model: str) -> tuple[BusinessSeries, ...]:
        """Return the series of a model; the same objects as long as nothing of them has changed."""
        return tuple(self._one(keys) for keys in self._declared.values() if keys.model == model)

    def _one(self, keys: BusinessKeys) -> BusinessSeries:
        with self._lock:
            found = self._series.get(keys.name)
            if found is None:
                found = self._series[keys.name] = BusinessSeries.of(keys, self._points[keys.name].values())
            return found


def forget_old_points(connection: Connection, before: int) -> None:
    """Delete points of before a time, unix nanoseconds, and the oldest of series that have too many."""
    connection.execute("DELETE FROM business WHERE time < ?", [before])
    many = f"SELECT name FROM business GROUP BY name HAVING count(*) > {MOST_POINTS}"
    beyond = f"SELECT rowid FROM business WHERE name IN ({many}) QUALIFY {_NUMBER} > {MOST_POINTS}"
    connection.execute(f"DELETE FROM business WHERE rowid IN ({beyond})")
