"""Business series: what the company counts, such as conversion or revenue, in the windows of a model, by event time.

A point belongs to the window that holds its time. One that is sent again for the same time and attributes replaces the
one before, so revised values change past windows. A window knows its value once the series has gone past its end:
half of a day's revenue is no fall.
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
"""Points of one series that are kept: of one a minute those of four months. The oldest go first."""

PREFIX: Final = "business "
"""What the name of a series begins with in a condition."""


class BusinessPoint(NamedTuple):
    """One point of a series.

    Attributes:
        name: Of the series.
        stream: 16 bytes, the same for points of the same attributes.
        time: Unix nanoseconds.
        value: What was counted or measured.
        weight: How many things the value is the mean of; 1 of a plain number.
    """

    name: str
    stream: bytes
    time: int
    value: float
    weight: float = 1.0


class CumulativePoint(NamedTuple):
    """One point of a stream that counts everything since its beginning.

    Attributes:
        name: Of the series.
        process: 16 bytes, the same for points of one process, scope and beginning, which come together.
        stream: 16 bytes, the same for points of one process, scope and beginning that have the same attributes.
        begin: Unix nanoseconds; 0 if unknown.
        time: Unix nanoseconds, the end of what is counted.
        total: The sum of everything that was counted.
        counted: How many things the total is the sum of; None of a plain sum.
    """

    name: str
    process: bytes
    stream: bytes
    begin: int
    time: int
    total: float
    counted: float | None = None


class BusinessKeys(NamedTuple):
    """What the configuration says of a series.

    Attributes:
        name: Of the series.
        model: Name of the model beside which it stands.
        unit: Its unit, as UCUM has it; "" = not known.
        aggregation: What of the points of a window stands for it.
        source: Where its points come from, in words; "" = not known.
    """

    name: str
    model: str
    unit: str
    aggregation: Aggregation
    source: str = ""


class BusinessReading(NamedTuple):
    """How far the query of a series has been read.

    Attributes:
        name: Of the series.
        query: 8 bytes that tell the query from another one, with which the streams of its points begin.
        until: Unix nanoseconds, the latest time of a row that was taken; 0 of none.
    """

    name: str
    query: bytes
    until: int


def added_since(
    point: CumulativePoint, total: float, counted: float | None, aggregation: Aggregation
) -> BusinessPoint | None:
    """Return what a cumulative point adds to the point before it; None if that is no value.

    A sum that fell has been reset, and so has a histogram of which the count fell: all that it counts is new.

    Args:
        point: The newer point.
        total: Of the point before, 0 of none.
        counted: Of the point before, 0 or None of none.
        aggregation: What of the points of a window stands for it: nothing counted is a sum of 0, and has no mean.

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
    """The points of a series, in the order of time.

    Attributes:
        keys: What the configuration says of it.
        time: int64 (n,), unix nanoseconds, ascending.
        value: float64 (n,).
        weight: float64 (n,), above 0.
        spacing: The usual time between two points, nanoseconds; 0 of fewer than two.
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

        None if no point lies in it, where more of them may come, and where the sum is beyond what a number holds.

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
                newest = self.time[first:last] == self.time[last - 1]  # of several streams the sum of their newest
                value = float(values[newest].sum())
        return value if math.isfinite(value) else None


def values_in(series: Sequence[BusinessSeries], window: Window) -> dict[str, float]:
    """Return the known values of a window, by the name of the series."""
    return {
        business_series.keys.name: value
        for business_series in series
        if (value := business_series.value_in(window)) is not None
    }
