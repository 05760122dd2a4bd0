"""Times as unix nanoseconds, read from any common format, and their seasons: hour of the day, weekday."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from .table import F64, I64, Column

_UNITS = ((253_402_300_800.0, 10**9), (1e14, 10**6), (1e17, 10**3), (2.0**63, 1))
"""Numbers below the first limit are seconds; then milliseconds, microseconds, nanoseconds.

The first limit is the year 10000 in seconds: the 9999-12-31 of many databases must not become milliseconds of 1978.
"""
_FINER = re.compile(r"[.,]\d{6}(\d{1,3})")
_INT64 = range(-(2**63), 2**63)


def nanoseconds_per_unit(size: float) -> int:
    """Return the nanoseconds per unit of a unix time, from its magnitude. All readers of times use this rule.

    >>> nanoseconds_per_unit(1795161600), nanoseconds_per_unit(1795161600e3)
    (1000000000, 1000000)
    """
    return next((unit for limit, unit in _UNITS if size < limit), 1)


def instant(value: object) -> int:
    """Return unix nanoseconds, 0 if missing.

    Raises ``ValueError`` for any other value, and for times outside the years 1677 to 2262, the range of 64-bit
    nanoseconds, such as the 9999-12-31 of many databases.

    Args:
        value: A datetime or pandas Timestamp (UTC without a time zone), a numpy datetime64, an ISO 8601 text, or unix
            seconds, milliseconds, microseconds or nanoseconds, distinguished by their magnitude.

    >>> instant(datetime(2026, 11, 20, 8, tzinfo=UTC)) == instant("2026-11-20T08:00:00Z") == instant(1795161600)
    True
    >>> instant("2026-11-20T08:00:00.123456789Z")
    1795161600123456789
    """
    nanoseconds = _nanoseconds(value)
    if nanoseconds not in _INT64:
        raise ValueError(f"{value!r} is not a time between the years 1677 and 2262")
    return nanoseconds


def _nanoseconds(value: Any) -> int:
    if value is None or value == "" or value != value:
        return 0
    if isinstance(value, str):
        finer = _FINER.search(value)  # than Python's own datetime
        return _nanoseconds(datetime.fromisoformat(value)) + (int(finer[1].ljust(3, "0")) if finer else 0)
    if hasattr(value, "astype") and getattr(getattr(value, "dtype", None), "kind", "") == "M":
        whole, rest = _parts(value)
        return int(whole) * 10**9 + int(rest)
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        nanoseconds = getattr(aware, "nanosecond", 0)  # a pandas Timestamp
        seconds = int(aware.replace(microsecond=0).timestamp()) if nanoseconds == 0 else int(aware.timestamp() // 1)
        return seconds * 1_000_000_000 + aware.microsecond * 1000 + nanoseconds
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 2**63:
        raise ValueError(f"{value!r} is not a time; use a datetime, an ISO 8601 string or unix seconds, ms, µs or ns")
    return value * nanoseconds_per_unit(value) if isinstance(value, int) else _to_nanoseconds(value)


def seconds_of(times: NDArray[Any]) -> F64:
    """Return times as unix seconds, durations as seconds; NaT is NaN. The years may exceed those of nanoseconds.

    Args:
        times: Datetime64 or timedelta64 (n,) of any unit.

    >>> seconds_of(np.array(["9999-12-31", "NaT"], "datetime64[us]"))
    array([2.53402214e+11,            nan])
    """
    whole, rest = _parts(times)
    return np.where(np.isnat(times), np.nan, whole + rest / 1e9)


def _parts(times: Any) -> tuple[Any, Any]:
    """Return whole seconds and the remaining nanoseconds as int64: one unit of nanoseconds for both can overflow."""
    whole = times.astype(f"{times.dtype.kind}8[s]")
    return whole.astype(np.int64), (times - whole.astype(times.dtype)).astype("m8[ns]").astype(np.int64)


def _to_nanoseconds(value: float) -> int:
    unit = nanoseconds_per_unit(value)
    return round(value * (unit // 1_000)) * 1_000 if unit >= 1_000 else int(value)


def instants(values: NDArray[Any] | Column) -> I64:
    """Return n unix nanoseconds, 0 if a value is missing or not a time; each distinct text is parsed once.

    Numbers are read to the microsecond.

    Args:
        values: Numbers (n,), with units distinguished as in :func:`instant`, or a column of texts and numbers.

    >>> instants(np.array([1795161600.123456, 1795161600000, -5.0])).tolist()
    [1795161600123456000, 1795161600000000000, 0]
    """
    column = values if isinstance(values, Column) else Column(numbers=np.asarray(values, np.float64))
    numbers, codes = column.numbers, column.codes
    n = len(numbers) if numbers is not None else 0 if codes is None else len(codes)
    times = np.zeros(n, np.int64)
    if numbers is not None:
        low = np.nextafter(0.0, 1.0)
        for limit, unit in _UNITS:
            in_range = (numbers >= low) & (numbers < min(limit, 2.0**63 / unit))
            fine = 1_000 if unit >= 1_000 else 1  # a double holds today's seconds to 0.24 µs: to whole ones it is exact
            times[in_range] = np.rint(numbers[in_range] * (unit // fine)).astype(np.int64) * fine
            low = limit
    if codes is not None:
        read = np.array([_or_zero(category) for category in column.categories] or [0], np.int64)
        times = np.where(codes >= 0, read[codes], times)
    return times


def _or_zero(text: str) -> int:
    try:
        return instant(text)
    except ValueError:
        return 0


Kind = Literal["hour", "weekday", "hour_of_week"]
KINDS: tuple[Kind, ...] = get_args(Kind)

HOUR = 3_600 * 10**9
DAY, WEEK = 24 * HOUR, 168 * HOUR

_QUARTER = HOUR // 4
"""Offsets of time zones are multiples of a quarter of an hour since 1973, so one look-up serves all times in a quarter.
"""

_COUNTS: dict[Kind, int] = {"hour": 24, "weekday": 7, "hour_of_week": 168}
_MONDAY = 4 * DAY  # 1970-01-05


@dataclass(frozen=True, slots=True)
class Seasonality:
    """The season of a time: ``kind`` "hour" (0 to 23), "weekday" (0 = Monday), "hour_of_week" (0 to 167).

    Raises ``ValueError`` for another kind.

    Attributes:
        timezone: IANA name of the time zone of hours and days.
    """

    kind: Kind
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"seasonality is {self.kind!r}; it must be one of {', '.join(KINDS)}")

    @property
    def count(self) -> int:
        """Return the number of seasons."""
        return _COUNTS[self.kind]

    @property
    def cycle(self) -> int:
        """Return the length of the cycle of all seasons in nanoseconds: a day or a week."""
        return DAY if self.kind == "hour" else WEEK

    @property
    def length(self) -> int:
        """Return the length of a season in nanoseconds: an hour or a day."""
        return DAY if self.kind == "weekday" else HOUR

    def of(self, times: I64) -> NDArray[np.intp]:
        """Return the season of each time: intp (n,).

        Args:
            times: int64 (n,), unix nanoseconds.

        >>> Seasonality("hour", "America/New_York").of(np.array([1_767_243_600 * 10**9]))  # 05:00 UTC
        array([0])
        """
        of_week = (self.local(times) - _MONDAY) % WEEK
        if self.kind == "hour":
            return np.asarray(of_week % DAY // HOUR, dtype=np.intp)
        return np.asarray(of_week // self.length, dtype=np.intp)

    def local(self, times: I64) -> I64:
        """Return times in the time zone: int64 (n,), nanoseconds since 1970-01-01 00:00 local time.

        >>> Seasonality("hour", "Asia/Kolkata").local(np.array([0])) // HOUR * 2
        array([10])
        """
        if self.timezone == "UTC":
            return times
        quarter, positions = np.unique(times // _QUARTER, return_inverse=True)
        zone = ZoneInfo(self.timezone)
        offset = np.array(
            [_offset(quarter_number * (_QUARTER // 10**9), zone) for quarter_number in quarter.tolist()], np.int64
        )
        local: I64 = times + offset[positions] * 10**9
        return local

    def around(self, season: int, radius: int) -> list[int]:
        """Return a season with the ``radius`` seasons before and after it.

        >>> Seasonality("hour").around(0, 2)
        [22, 23, 0, 1, 2]
        """
        return list(dict.fromkeys((season + distance) % self.count for distance in range(-radius, radius + 1)))


@dataclass(frozen=True, slots=True)
class UnknownSeasonality:
    """A request to detect the seasons of reference rows; there may be none.

    Attributes:
        timezone: IANA name of the time zone of hours and days.
    """

    timezone: str = "UTC"

    @property
    def clock(self) -> Seasonality:
        """The seasonality by hours in the time zone."""
        return Seasonality("hour", self.timezone)


AnySeasonality = Seasonality | UnknownSeasonality
"""Given seasons, or a request to detect them."""


def _offset(second: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(second, zone).utcoffset()
    return 0 if offset is None else round(offset.total_seconds())
