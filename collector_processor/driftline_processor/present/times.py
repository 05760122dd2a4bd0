"""Write moments and windows in the time zone of a model: a moment as in ISO 8601, a window as a calendar names it."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from driftline_processor.core.windows.window import Window

from .numbers import many

_DAY = 86_400 * 10**9


def ago(then: int, now: int) -> str:
    """Say how long ago a moment was, both unix nanoseconds.

    >>> ago(0, 90 * 10**9), ago(0, 3 * 86400 * 10**9), ago(10**9, 0)
    ('1 min ago', '3 days ago', 'now')
    """
    seconds = (now - then) / 1e9
    if seconds < 2:
        return "now"
    if seconds < 60:
        return f"{seconds:.0f} s ago"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min ago"
    if seconds < 2 * 86_400:
        return f"{seconds // 3600:.0f} h ago"
    return f"{seconds // 86_400:.0f} days ago"


def of_another_day(received: int, last: int, timezone: str = "UTC") -> str:
    """Say of when the newest row is, where it arrived more than a day later; else "".

    >>> of_another_day(5 * 10**9, 4 * 10**9), of_another_day(86400 * 10**11, 0)
    ('', ', of 1970-01-01 00:00')
    """
    return f", of {moment(last, timezone)}" if abs(received - last) > _DAY else ""


def plain_duration(nanoseconds: int) -> str:
    """Write a duration in the largest unit that it fills, as people say it.

    >>> hour = 3600 * 10**9
    >>> plain_duration(12 * hour), plain_duration(24 * hour), plain_duration(100 * hour), plain_duration(10**9)
    ('12 hours', '1 day', '4 days', '1 second')
    """
    seconds = nanoseconds / 1e9
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            return many(round(seconds / size), unit)
    return many(round(seconds), "second")


def moment(time: int, timezone: str = "UTC") -> str:
    """Write unix nanoseconds as minutes of a time zone's clock.

    >>> moment(1372636800 * 10**9)
    '2013-07-01 00:00'
    """
    return _local(time, timezone).strftime("%Y-%m-%d %H:%M")


def day(time: int, timezone: str = "UTC") -> str:
    """Write the day of unix nanoseconds.

    >>> day(1372636800 * 10**9)
    '1 Jul 2013'
    """
    local = _local(time, timezone)
    return f"{local.day} {local:%b %Y}"


def window_name(window: Window, timezone: str = "UTC") -> str:
    """Name a window as a calendar does, by its days where it begins and ends at midnight.

    >>> july, day = 1372636800 * 10**9, 86400 * 10**9
    >>> window_name(Window("1d", july, july + day)), window_name(Window("1mo", july, july + 31 * day))
    ('Mon 1 July 2013', 'July 2013')
    >>> window_name(Window("1w", july, july + 7 * day)), window_name(Window("", july, july + 7 * day))
    ('1 Jul 2013 – 7 Jul 2013', '1 Jul 2013 – 7 Jul 2013')
    >>> window_name(Window("1h", july, july + day // 24)), window_name(Window("", july, july + 30 * day // 24))
    ('1 July 2013, 00:00 – 01:00', '1 Jul 2013, 00:00 – 2 Jul 2013, 06:00')
    >>> window_name(Window("", 0, 0))
    'all rows'
    """
    if window.start == window.end:
        return "all rows"
    start, end, last = (_local(time, timezone) for time in (window.start, window.end, window.end - 1))
    if window.name == "1mo":
        return f"{start:%B %Y}"
    if (start.hour, start.minute, end.hour, end.minute) == (0, 0, 0, 0) or window.name.endswith(("d", "w", "mo")):
        if start.date() == last.date():
            return f"{start:%a} {start.day} {start:%B %Y}"
        return f"{start.day} {start:%b %Y} – {last.day} {last:%b %Y}"
    if window.end - window.start > _DAY:
        return f"{start.day} {start:%b %Y}, {start:%H:%M} – {end.day} {end:%b %Y}, {end:%H:%M}"
    return f"{start.day} {start:%B %Y}, {start:%H:%M} – {end:%H:%M}"


def window_label(window: Window, timezone: str = "UTC") -> str:
    """Name a window in at most 13 characters, for a column of a table.

    >>> window_label(Window("1h", 1372636800 * 10**9, 1372640400 * 10**9))
    '1 Jul 00:00'
    >>> window_label(Window("1w", 1372636800 * 10**9, 1373241600 * 10**9)), window_label(Window("", 0, 0))
    ('1 Jul 2013', 'all rows')
    """
    if window.start == window.end:
        return "all rows"
    start = _local(window.start, timezone)
    if window.name.endswith("mo"):
        return f"{start:%b %Y}"
    return f"{start.day} {start:%b %Y}" if window.name.endswith(("d", "w")) else f"{start.day} {start:%b %H:%M}"


def window_tick(window: Window, timezone: str = "UTC") -> str:
    """Name a window in the few characters that an axis has.

    >>> window_tick(Window("1d", 1372636800 * 10**9, 1372723200 * 10**9))
    '1 Jul'
    """
    start = _local(window.start, timezone)
    if window.name.endswith("mo"):
        return f"{start:%b %Y}"
    if window.name.endswith(("d", "w")):
        return f"{start.day} {start:%b}"
    return f"{start:%H:%M}" if (start.hour, start.minute) != (0, 0) else f"{start.day} {start:%b}"


def range_ticks(first: Window, last: Window, timezone: str = "UTC") -> tuple[str, str]:
    """Name both ends of a range in the few characters that an axis has, with the year where it spans more than one.

    >>> july, day = 1372636800 * 10**9, 86400 * 10**9
    >>> at = [Window("1d", july + days * day, july + (days + 1) * day) for days in (0, 9, 365)]
    >>> range_ticks(at[0], at[1]), range_ticks(at[0], at[2])
    (('1 Jul', '10 Jul'), ('1 Jul 2013', '1 Jul 2014'))
    """
    one_year = _local(first.start, timezone).year == _local(last.start, timezone).year
    if one_year or first.name.endswith("mo"):
        return window_tick(first, timezone), window_tick(last, timezone)
    return day(first.start, timezone), day(last.start, timezone)


@lru_cache(maxsize=64)
def _zone(timezone: str) -> tzinfo:
    try:
        return ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):
        return UTC


def _local(time: int, timezone: str) -> datetime:
    # A clock far in the future must not break the page: the calendar ends with the year 9999.
    return datetime.fromtimestamp(min(max(time // 10**9, 0), 253_402_000_000), _zone(timezone))
