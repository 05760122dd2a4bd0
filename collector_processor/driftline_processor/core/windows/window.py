"""Windows of event time: start and end in a time zone, and when they close.

A window is named by its length: ``"5m"``, ``"1h"``, ``"1d"``, ``"1w"``, ``"1mo"``. Days begin at local midnight, so a
day has 23 or 25 hours when the clocks change; weeks begin on Monday, months on the first. Minutes and hours that divide
a day are counted from local midnight in elapsed time: all have their full length except the last of a day on which the
clocks change. Others ("25h") are counted from the local midnight of 1970-01-05, a Monday, across days.

Windows of one name are disjoint, cover all time, and consist of whole panes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from driftline.tables.table import I64
from msgspec import Struct

PANE = 300 * 10**9
"""Nanoseconds of event time in a pane: five minutes, aligned to the unix epoch."""

GRACE = 2 * PANE
"""Nanoseconds that the watermark must be past a window's end to close it: ten minutes."""

_SECOND = 10**9
"""Nanoseconds."""

HOUR, DAY = 3_600 * _SECOND, 86_400 * _SECOND
"""Nanoseconds; a day without a change of clocks."""

_UNITS = {"m": 60 * _SECOND, "h": HOUR}
_NAME = re.compile(r"(\d+)(m|h|d|w|mo)")
_FIRST_MONDAY = date(1970, 1, 5)


class Window(Struct, frozen=True):
    """A range of event time, ``[start, end)`` in unix nanoseconds.

    ``name`` is its configured name ("1h", "1d", "1mo"), or "" for a whole file.
    """

    name: str
    start: int
    end: int


def looks_a_day(length: int) -> float:
    """Return the number of windows per day, each a chance of a false alarm; 1.0 for a day and longer windows.

    Args:
        length: Nanoseconds of a window; 0 if rows have no time.

    >>> [looks_a_day(length) for length in (0, HOUR, DAY, 7 * DAY)]
    [1.0, 24.0, 1.0, 1.0]
    """
    return max(1.0, DAY / length) if length > 0 else 1.0


def pane_from(time: int) -> int:
    """Return the start of the first pane at or after ``time`` (unix nanoseconds).

    >>> pane_from(1), pane_from(PANE)
    (300000000000, 300000000000)
    """
    return -(-time // PANE) * PANE


class Length(NamedTuple):
    """A parsed window name: ``number`` times ``unit``."""

    number: int
    unit: Literal["m", "h", "d", "w", "mo"]


@lru_cache(maxsize=256)
def parse(name: str) -> Length:
    """Parse a window's name.

    Raises ``ValueError`` with the rule and the fix if it is not a length, or not a multiple of a pane.

    >>> parse("1mo")
    Length(number=1, unit='mo')
    >>> parse("25")
    Traceback (most recent call last):
    ValueError: '25' has no unit; use '25h' or '25m'
    >>> parse("7m")
    Traceback (most recent call last):
    ValueError: '7m' is not a multiple of 5 minutes; use '5m' or '10m'
    """
    match = _NAME.fullmatch(name)
    if match is None:
        if name.isdecimal():
            raise ValueError(f"'{name}' has no unit; use '{name}h' or '{name}m'")
        raise ValueError(f"'{name}' is not a window; use a number and m, h, d, w or mo, as in '1h', '1d' or '1mo'")
    count, unit = int(match[1]), match[2]
    if not 0 < count <= 10_000:
        raise ValueError(
            f"'{name}' is out of range; a window has 1 to 10000 units, as in '1{unit if unit != 'm' else 'h'}'"
        )
    if unit == "m" and count % 5:
        below = count - count % 5
        fix = f"'{below}m' or '{below + 5}m'" if below else "'5m'"
        raise ValueError(f"'{name}' is not a multiple of 5 minutes; use {fix}")
    return Length(count, unit)  # type: ignore[arg-type]  # the pattern admits exactly the literals


def time_zone(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name; raises ``ValueError`` if it is unknown.

    >>> time_zone("Mars/Olympus")
    Traceback (most recent call last):
    ValueError: 'Mars/Olympus' is not a time zone; use an IANA name, as in 'UTC' or 'Europe/Paris'
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"'{name}' is not a time zone; use an IANA name, as in 'UTC' or 'Europe/Paris'") from None


def window_of(name: str, time: int, tz: str = "UTC") -> Window:
    """Return the window of this name that contains ``time`` (unix nanoseconds) in the time zone ``tz``.

    Raises ``ValueError`` for an invalid name or an unknown time zone.

    >>> day = window_of("1d", 1_362_900_000 * 10**9, "America/New_York")  # 10 March 2013: the clocks go forward
    >>> (day.end - day.start) // (3600 * 10**9)
    23
    """
    return _window_of_pane(name, time - time % PANE, tz)


@lru_cache(maxsize=65_536)
def _window_of_pane(name: str, pane: int, tz: str) -> Window:
    count, unit = parse(name)
    zone = time_zone(tz)
    if unit in _UNITS:
        return _elapsed(name, count * _UNITS[unit], pane, zone)
    today = _local_date(pane, zone)
    if unit == "mo":
        month = (today.year * 12 + today.month - 1) // count * count
        return Window(name, _midnight(_month(month), zone), _midnight(_month(month + count), zone))
    days = count * (7 if unit == "w" else 1)
    first = today - timedelta(days=(today - _FIRST_MONDAY).days % days)
    return Window(name, _midnight(first, zone), _midnight(first + timedelta(days=days), zone))


def windows_back(name: str, end: int, tz: str = "UTC") -> Iterator[Window]:
    """Yield the windows of a name that begin before ``end`` (unix nanoseconds), the newest first, infinitely.

    >>> days = windows_back("1d", 2 * DAY)
    >>> [next(days).start // DAY for _ in range(3)]
    [1, 0, -1]
    """
    while True:
        window = window_of(name, end - 1, tz)
        yield window
        end = window.start


def hours_between(start: int, end: int, tz: str = "UTC") -> I64:
    """Return the starts of the hours of ``[start, end)``, unix nanoseconds, the first at ``start``: int64 (n,).

    >>> (hours_between(0, 2 * HOUR + PANE) // PANE).tolist(), hours_between(PANE, PANE).tolist()
    ([0, 12, 24], [])
    """
    inside = np.arange(window_of("1h", start, tz).end, end, HOUR, dtype=np.int64)
    return np.concatenate([np.array([start] * (start < end), np.int64), inside])


def before(time: int, length: str, tz: str = "UTC") -> int:
    """Return the time that is ``length`` before ``time`` (unix nanoseconds), rounded down to a pane.

    Days (also in hours), weeks and months are those of the calendar in the time zone ``tz``: at the same local time,
    whether or not the clocks changed.

    >>> noon = 1_362_931_200 * 10**9  # 10 March 2013, 12:00 in New York, where the clocks went forward in the night
    >>> [(noon - before(noon, length, "America/New_York")) // (3600 * 10**9) for length in ("24h", "25h")]
    [23, 25]
    """
    count, unit = parse(length)
    elapsed = count * _UNITS.get(unit, DAY)
    if unit in _UNITS and elapsed % DAY:
        return time - elapsed - (time - elapsed) % PANE
    zone = time_zone(tz)
    local = datetime.fromtimestamp(time // _SECOND, zone)
    if unit == "mo":
        month = _month(local.year * 12 + local.month - 1 - count)
        last = (_month(month.year * 12 + month.month) - timedelta(days=1)).day
        day = month.replace(day=min(local.day, last))
    else:
        day = local.date() - timedelta(days=elapsed // DAY * (7 if unit == "w" else 1))
    return _instant(datetime.combine(day, local.time()), zone)


def length(name: str) -> int:
    """Return the minimum length of windows of a name, in nanoseconds, for comparing names.

    >>> length("1d") > length("12h")
    True
    """
    count, unit = parse(name)
    return count * (_UNITS.get(unit) or DAY * {"d": 1, "w": 7, "mo": 28}[unit])


def closes_at(window: Window) -> int:
    """Return the watermark (unix nanoseconds) at which the window closes."""
    return window.end + GRACE


def closed_until(watermark: int) -> int:
    """Return the time (unix nanoseconds) up to which windows are closed, by their end."""
    return watermark - GRACE


def is_closed(window: Window, watermark: int) -> bool:
    """Return True if a model's watermark has passed the window's end by :data:`GRACE`."""
    return window.end <= closed_until(watermark)


def _elapsed(name: str, length: int, pane: int, zone: ZoneInfo) -> Window:
    """Return the window that contains a pane, of equal lengths from local midnight; the last one ends with the day."""
    if DAY % length:
        origin = _midnight(_FIRST_MONDAY, zone)
        start = pane - (pane - origin) % length
        return Window(name, start, start + length)
    today = _local_date(pane, zone)
    midnight, tomorrow = _midnight(today, zone), _midnight(today + timedelta(days=1), zone)
    start = pane - (pane - midnight) % length
    return Window(name, start, min(start + length, tomorrow))


def _local_date(time: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(time // _SECOND, zone).date()


def _month(months: int) -> date:
    return date(months // 12, months % 12 + 1, 1)


def _midnight(day: date, zone: ZoneInfo) -> int:
    """Return the first instant of a local day, on a pane's edge (zones off the five-minute grid are older than 1973).

    If the clocks skip midnight, the day begins after the gap: the skipped 00:00 with the offset before it is that
    instant.
    """
    return _instant(datetime(day.year, day.month, day.day), zone)


def _instant(local: datetime, zone: ZoneInfo) -> int:
    """Return the start of the pane that contains a local time."""
    since = local.replace(tzinfo=zone).astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    time = round(since.total_seconds()) * _SECOND
    return time - time % PANE
