"""The hour of the day, the weekday or the hour of the week of a time, where a model lives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from .tables import I64

Kind = Literal["hour", "weekday", "hour_of_week"]
KINDS: tuple[Kind, ...] = get_args(Kind)

HOUR = 3_600 * 10**9
DAY, WEEK = 24 * HOUR, 168 * HOUR

_QUARTER = HOUR // 4
"""Offsets of time zones are whole quarters of an hour, since 1973 everywhere: one look-up serves all times in it."""

_COUNTS: dict[Kind, int] = {"hour": 24, "weekday": 7, "hour_of_week": 168}
_MONDAY = 4 * DAY  # 1970-01-05


@dataclass(frozen=True, slots=True)
class Seasonality:
    """Which season a time belongs to: ``kind`` "hour" (0 to 23), "weekday" (0 = Monday), "hour_of_week" (0 to 167).

    ``timezone``: an IANA name; hours and days are those of the clock there. Raises ``ValueError`` for another kind.
    """

    kind: Kind
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"seasonality is {self.kind!r}; it must be one of {', '.join(KINDS)}")

    @property
    def count(self) -> int:
        """How many seasons there are."""
        return _COUNTS[self.kind]

    @property
    def cycle(self) -> int:
        """How long it takes until all seasons have been, nanoseconds: a day or a week."""
        return DAY if self.kind == "hour" else WEEK

    @property
    def length(self) -> int:
        """How long a season is, nanoseconds: an hour or a day."""
        return DAY if self.kind == "weekday" else HOUR

    def of(self, times: I64) -> NDArray[np.intp]:
        """Return the season of each time: intp (n,); ``times``: int64 (n,), unix nanoseconds.

        >>> Seasonality("hour", "America/New_York").of(np.array([1_767_243_600 * 10**9]))  # 05:00 UTC
        array([0])
        """
        if self.timezone == "UTC":
            local = times
        else:
            quarter, at = np.unique(times // _QUARTER, return_inverse=True)
            zone = ZoneInfo(self.timezone)
            offset = np.array([_offset(one * (_QUARTER // 10**9), zone) for one in quarter.tolist()], np.int64)
            local = times + offset[at] * 10**9
        of_week = (local - _MONDAY) % WEEK
        if self.kind == "hour":
            return np.asarray(of_week % DAY // HOUR, dtype=np.intp)
        return np.asarray(of_week // self.length, dtype=np.intp)

    def around(self, season: int, radius: int) -> list[int]:
        """Return a season and as many of those before it as of those after it.

        >>> Seasonality("hour").around(0, 2)
        [22, 23, 0, 1, 2]
        """
        return list(dict.fromkeys((season + apart) % self.count for apart in range(-radius, radius + 1)))


def _offset(second: int, zone: ZoneInfo) -> int:
    found = datetime.fromtimestamp(second, zone).utcoffset()
    return 0 if found is None else round(found.total_seconds())
