"""Business series, such as conversion or revenue, in the windows of a model, by event time.

A point belongs to the window that contains its time. A point with the same time and attributes replaces the earlier
one, so revised values change past windows. A window has a value only once the series has passed its end: half of a
day's revenue is not a drop.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

import numpy as np
from driftline.tables.table import F64, I64
from msgspec import Struct, field

from .windows.window import Window

Aggregation = Literal["mean", "sum", "last"]

MOST_POINTS: Final = 200_000
"""Maximum points per series, the newest ones: four months with one point per minute."""

PREFIX: Final = "business "
"""Prefix of series names in a condition."""


class BusinessPoint(NamedTuple):
    """One point of a series.

    Attributes:
        name: Name of the series.
        stream: 16 bytes, equal for points with equal attributes.
        time: Unix nanoseconds.
        value: The count or measurement.
        weight: Number of things that the value is the mean of; 1 for a plain number.
    """

    name: str
    stream: bytes
    time: int
    value: float
    weight: float = 1.0


class CumulativePoint(NamedTuple):
    """One point of a cumulative stream.

    Attributes:
        name: Name of the series.
        process: 16 bytes, equal for points of one process, scope and start, which arrive together.
        stream: 16 bytes, equal for points of one process, scope and start with equal attributes.
        begin: Unix nanoseconds; 0 if unknown.
        time: Unix nanoseconds, the end of the counted period.
        total: The sum since ``begin``.
        counted: Number of values in the total; None for a plain sum.
    """

    name: str
    process: bytes
    stream: bytes
    begin: int
    time: int
    total: float
    counted: float | None = None


class BusinessKeys(NamedTuple):
    """The configuration of a series.

    Attributes:
        name: Name of the series.
        model: Name of the model.
        unit: Its unit (UCUM); "" = unknown.
        aggregation: Aggregation of the points in a window.
        source: Description of the source of its points; "" = unknown.
    """

    name: str
    model: str
    unit: str
    aggregation: Aggregation
    source: str = ""


class BusinessReading(NamedTuple):
    """The read position of a series' query.

    Attributes:
        name: Name of the series.
        query: 8 bytes that identify the query and prefix the streams of its points.
        until: Latest time of a row that was read, unix nanoseconds; 0 without any.
    """

    name: str
    query: bytes
    until: int


def added_since(
    point: CumulativePoint, total: float, counted: float | None, aggregation: Aggregation
) -> BusinessPoint | None:
    """Return the increase of a cumulative point since the previous point; None if it has no value.

    A sum that fell was reset, and so was a histogram whose count fell: the whole total is new.

    Args:
        point: The newer point.
        total: Total of the previous point, 0 without one.
        counted: Count of the previous point, 0 or None without one.
        aggregation: Aggregation in a window: without new counts the sum is 0, and there is no mean.

    >>> point = CumulativePoint("revenue", b"", b"", 1, 9, 30.0)
    >>> added_since(point, 20.0, None, "sum").value, added_since(point, 40.0, None, "sum").value
    (10.0, 30.0)
    """
    if point.counted is None:
        value, weight = (point.total if point.total < total else point.total - total), 1.0
    else:
        counted = counted or 0.0
        reset = point.counted < counted
        weight = point.counted if reset else point.counted - counted
        grown = point.total if reset else point.total - total
        if not weight and aggregation != "sum":
            return None
        value, weight = (grown / weight, weight) if weight else (0.0, 1.0)
    return BusinessPoint(point.name, point.stream, point.time - 1, value, weight) if math.isfinite(value) else None


class BusinessSeries(Struct, frozen=True, eq=False):
    """The points of a series, sorted by time.

    Attributes:
        keys: Its configuration.
        time: int64 (n,), unix nanoseconds, ascending.
        value: float64 (n,).
        weight: float64 (n,), above 0.
        spacing: Median time between points, nanoseconds; 0 with fewer than two.
    """

    keys: BusinessKeys
    time: I64
    value: F64
    weight: F64
    spacing: int = field(default=0)

    @classmethod
    def of(cls, keys: BusinessKeys, points: Iterable[BusinessPoint]) -> BusinessSeries:
        """Return the series of points in any order."""
        sorted_points = sorted(points, key=lambda point: point.time)
        time = np.array([point.time for point in sorted_points], np.int64)
        steps = np.diff(np.unique(time))
        value, weight = (np.array([point[position] for point in sorted_points], np.float64) for position in (3, 4))
        return cls(keys, time, value, weight, int(np.median(steps)) if len(steps) else 0)

    def value_in(self, window: Window) -> float | None:
        """Return the value of a window.

        None without points in it, if more may arrive, or if the sum is not finite.

        >>> keys = BusinessKeys("conversion", "shop", "1", "mean")
        >>> points = [BusinessPoint("conversion", b"", hour, hour / 10) for hour in (0, 1, 2, 3)]
        >>> series = BusinessSeries.of(keys, points)
        >>> series.value_in(Window("", 0, 2)), series.value_in(Window("", 2, 4)), series.value_in(Window("", 3, 5))
        (0.05, 0.25, None)
        """
        first, last = np.searchsorted(self.time, (window.start, window.end))
        if first == last or int(self.time[-1]) + max(self.spacing, 1) < window.end:
            return None
        values, weights = self.value[first:last], self.weight[first:last]
        with np.errstate(over="ignore", invalid="ignore"):
            if self.keys.aggregation == "mean":
                value = float((values * weights).sum() / weights.sum())
            elif self.keys.aggregation == "sum":
                value = float((values * weights).sum())
            else:
                newest = self.time[first:last] == self.time[last - 1]  # the newest value of each stream, summed
                value = float(values[newest].sum())
        return value if math.isfinite(value) else None


def values_in(series: Sequence[BusinessSeries], window: Window) -> dict[str, float]:
    """Return the known values in a window, by the name of the series."""
    return {
        business_series.keys.name: value
        for business_series in series
        if (value := business_series.value_in(window)) is not None
    }
