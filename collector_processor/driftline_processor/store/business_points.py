"""The points of business series, stored with their requests and in memory for readers."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from driftline_processor.core.business import (
    MOST_POINTS,
    BusinessKeys,
    BusinessPoint,
    BusinessReading,
    BusinessSeries,
)

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
"""SQL: the rank of a point in its series, newest first."""

_TOGETHER = 1_000
"""Points per comparison with the stored ones."""

_READING_COLUMNS = pa.schema(
    [("model", pa.string()), ("name", pa.string()), ("query", pa.binary()), ("until", pa.int64())]
)

_Points = dict[tuple[bytes, int], BusinessPoint]


class BusinessPoints:
    """All points of business series. One thread writes; any thread may read.

    Args:
        connection: Connection to the store.
        declared: Name → configuration of a series; points of other series are ignored.
    """

    def __init__(self, connection: Connection, declared: Mapping[str, BusinessKeys]) -> None:
        self._declared = declared
        self._lock = threading.Lock()
        self._points: dict[str, _Points] = {name: {} for name in declared}
        self._series: dict[str, BusinessSeries] = {}
        self._readings: dict[str, BusinessReading] = {}
        if declared:
            newest = f"QUALIFY {_NUMBER} <= {MOST_POINTS} ORDER BY time"
            rows = read(connection, f"SELECT name, stream, time, value, weight FROM business {newest}").to_pylist()
            self.take(BusinessPoint(**row) for row in rows)
            for row in read(connection, "SELECT name, query, until FROM business_readings").to_pylist():
                self._readings[row["name"]] = BusinessReading(**row)

    def write(
        self, connection: Connection, points: Sequence[BusinessPoint], readings: Sequence[BusinessReading] = ()
    ) -> None:
        """Store points in the current transaction; a point replaces an older one of the same time and stream.

        ``readings``: progress of the queries of their series. Points of another query of the series are deleted,
        because it may have grouped the rows differently.
        """
        self._write_readings(connection, readings)
        newest = {(point.name, point.stream, point.time): point for point in points if point.name in self._declared}
        if not newest:
            return
        rows = [{"model": self._declared[point.name].model, **point._asdict()} for point in newest.values()]
        table = pa.Table.from_pylist(rows, _COLUMNS)
        condition = "b.name = i.name AND b.stream = i.stream AND b.time = i.time"
        run(connection, f"DELETE FROM business b USING incoming i WHERE {condition}", incoming=table)
        insert(connection, "business", table)

    def _write_readings(self, connection: Connection, readings: Sequence[BusinessReading]) -> None:
        newest = {reading.name: reading for reading in readings if reading.name in self._declared}
        if not newest:
            return
        for newest_reading in newest.values():
            if (before := self._readings.get(newest_reading.name)) is not None and before.query != newest_reading.query:
                connection.execute(
                    "DELETE FROM business WHERE name = ? AND starts_with(hex(stream), ?)",
                    [newest_reading.name, before.query.hex().upper()],
                )
        rows = [{"model": self._declared[reading.name].model, **reading._asdict()} for reading in newest.values()]
        table = pa.Table.from_pylist(rows, _READING_COLUMNS)
        run(connection, "DELETE FROM business_readings b USING incoming i WHERE b.name = i.name", incoming=table)
        insert(connection, "business_readings", table)

    def reading(self, name: str) -> BusinessReading | None:
        """Return the progress of the query of a series, None if it never ran."""
        return self._readings.get(name)

    def spacing(self, name: str) -> int:
        """Return the typical time between two points of a series, in nanoseconds; 0 for fewer than two."""
        return self._series_of(self._declared[name]).spacing

    def changed(self, points: Sequence[BusinessPoint]) -> list[BusinessPoint]:
        """Return the points that differ from the stored ones."""
        changed_points: list[BusinessPoint] = []
        for start in range(0, len(points), _TOGETHER):
            with self._lock:  # hold it briefly, because ingestion waits for it
                points_read = points[start : start + _TOGETHER]
                changed_points += [
                    changed_point
                    for changed_point in points_read
                    if self._points.get(changed_point.name, {}).get((changed_point.stream, changed_point.time))
                    != changed_point
                ]
        return changed_points

    def take(self, points: Iterable[BusinessPoint], readings: Iterable[BusinessReading] = ()) -> None:
        """Publish stored points and readings."""
        with self._lock:
            for reading in readings:
                before = self._readings.get(reading.name)
                if before is not None and before.query != reading.query and reading.name in self._points:
                    points_by_place = self._points[reading.name]
                    self._points[reading.name] = {
                        place: stored_point
                        for place, stored_point in points_by_place.items()
                        if not place[0].startswith(before.query)
                    }
                    self._series.pop(reading.name, None)
                self._readings[reading.name] = reading
            for point in points:
                if (known_points := self._points.get(point.name)) is None:
                    continue
                known_points[point.stream, point.time] = point
                self._series.pop(point.name, None)
            for known_points in self._points.values():
                if len(known_points) > MOST_POINTS:
                    oldest = sorted(known_points, key=lambda place: place[1])[
                        : len(known_points) - MOST_POINTS * 9 // 10
                    ]
                    for place in oldest:
                        del known_points[place]

    def of(self, model: str) -> tuple[BusinessSeries, ...]:
        """Return the series of a model; unchanged series are the same objects."""
        return tuple(self._series_of(keys) for keys in self._declared.values() if keys.model == model)

    def _series_of(self, keys: BusinessKeys) -> BusinessSeries:
        with self._lock:
            business_series = self._series.get(keys.name)
            if business_series is None:
                business_series = self._series[keys.name] = BusinessSeries.of(keys, self._points[keys.name].values())
            return business_series


def forget_old_points(connection: Connection, before: int) -> None:
    """Delete points before a time, unix nanoseconds, and the oldest points of series with too many."""
    connection.execute("DELETE FROM business WHERE time < ?", [before])
    many = f"SELECT name FROM business GROUP BY name HAVING count(*) > {MOST_POINTS}"
    beyond = f"SELECT rowid FROM business WHERE name IN ({many}) QUALIFY {_NUMBER} > {MOST_POINTS}"
    connection.execute(f"DELETE FROM business WHERE rowid IN ({beyond})")
