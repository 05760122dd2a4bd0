"""Ages, durations, and names of windows, with the date formats of ``present/dates.py``."""

from __future__ import annotations

from collections.abc import Iterable

from driftline_processor.core.windows.window import Window
from driftline_processor.present.dates import (
    date_label,
    date_words,
    local_time,
    month_label,
    month_words,
    span_words,
)

from .numbers import many

_DAY = 86_400 * 10**9


def ago(then: int, now: int) -> str:
    """Return the age of a time; both in unix nanoseconds.

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
    """Return the time of the newest row if it arrived more than a day later; else "".

    >>> of_another_day(5 * 10**9, 4 * 10**9), of_another_day(86400 * 10**11, 0)
    ('', ', with the time 1 January 1970')
    """
    return f", with the time {date_words(last, timezone)}" if abs(received - last) > _DAY else ""


def common_zone(zones: Iterable[str]) -> str:
    """Return the common time zone of a page; "" if there are several.

    >>> common_zone(["UTC", "UTC"]), common_zone(["UTC", "Asia/Tokyo"]), common_zone([])
    ('UTC', '', 'UTC')
    """
    zone_names = {*zones} or {"UTC"}
    return zone_names.pop() if len(zone_names) == 1 else ""


def plain_duration(nanoseconds: int) -> str:
    """Return a duration in the largest unit that fits.

    >>> hour = 3600 * 10**9
    >>> plain_duration(12 * hour), plain_duration(24 * hour), plain_duration(100 * hour), plain_duration(10**9)
    ('12 hours', '1 day', '4 days', '1 second')
    """
    seconds = nanoseconds / 1e9
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            return many(round(seconds / size), unit)
    return many(round(seconds), "second")


def window_name(window: Window, timezone: str = "UTC") -> str:
    """Return the name of a window for a sentence; calendar days if it begins and ends at midnight.

    >>> july, day = 1372636800 * 10**9, 86400 * 10**9
    >>> window_name(Window("1d", july, july + day)), window_name(Window("1mo", july, july + 31 * day))
    ('1 July 2013', 'July 2013')
    >>> window_name(Window("1w", july, july + 7 * day)), window_name(Window("1h", july, july + day // 24))
    ('1 to 7 July 2013', '1 July 2013, 00:00 to 01:00')
    >>> window_name(Window("", 0, 0))
    'all rows'
    """
    if window.start == window.end:
        return "all rows"
    if window.name == "1mo":
        return month_words(window.start, timezone)
    return span_words(window.start, window.end, timezone, days=window.name.endswith(("d", "w", "mo")))


def window_end(window: Window, timezone: str = "UTC") -> str:
    """Return the end of a window: its last day if it ends at midnight, else the time; "" for all rows.

    >>> july, day = 1372636800 * 10**9, 86400 * 10**9
    >>> window_end(Window("1mo", july, july + 31 * day)), window_end(Window("1h", july, july + day // 24))
    ('31 July 2013', '1 July 2013, 01:00')
    >>> window_end(Window("", 0, 0))
    ''
    """
    if window.start == window.end:
        return ""
    if window.name.endswith(("d", "w", "mo")):
        return date_words(window.end - 1, timezone, days=True)
    return end_words(window.end, timezone)


def ends_a_day(end: int, timezone: str = "UTC") -> bool:
    """Return True if the exclusive end of a period is midnight."""
    after = local_time(end, timezone)
    return (after.hour, after.minute) == (0, 0)


def end_words(end: int, timezone: str = "UTC") -> str:
    """Return the exclusive end of a period for a sentence: its last day, or the time.

    >>> end_words(1372636800 * 10**9), end_words(1372640400 * 10**9)
    ('30 June 2013', '1 July 2013, 01:00')
    """
    return date_words(end - 1, timezone, days=True) if ends_a_day(end, timezone) else date_words(end, timezone)


def end_label(end: int, timezone: str = "UTC") -> str:
    """Return the exclusive end of a period for a table.

    >>> end_label(1372636800 * 10**9), end_label(1372640400 * 10**9)
    ('2013-06-30', '2013-07-01 01:00')
    """
    return date_label(end - 1, timezone, days=True) if ends_a_day(end, timezone) else date_label(end, timezone)


def lasted_words(since: int | None, until: int, timezone: str = "UTC") -> str:
    """Return begin and end of a past period, with a leading space.

    >>> july, day = 1372636800 * 10**9, 86400 * 10**9
    >>> lasted_words(july, july + 2 * day), lasted_words(july, july + day), lasted_words(None, july)
    (' from 1 July 2013 until 2 July 2013', ' on 1 July 2013', ' until 30 June 2013')
    """
    last = end_words(until, timezone)
    if since is None:
        return f" until {last}"
    first = date_words(since, timezone)
    return f" on {first}" if first == last else f" from {first} until {last}"


def window_label(window: Window, timezone: str = "UTC") -> str:
    """Return the begin of a window as its name for a table or an axis.

    >>> window_label(Window("1h", 1372636800 * 10**9, 1372640400 * 10**9))
    '2013-07-01 00:00'
    >>> window_label(Window("1w", 1372636800 * 10**9, 1373241600 * 10**9)), window_label(Window("", 0, 0))
    ('2013-07-01', 'all rows')
    """
    if window.start == window.end:
        return "all rows"
    if window.name.endswith("mo"):
        return month_label(window.start, timezone)
    begins, ends = (local_time(time, timezone) for time in (window.start, window.end))
    midnight = (begins.hour, begins.minute, ends.hour, ends.minute) == (0, 0, 0, 0)
    return date_label(window.start, timezone, days=midnight or window.name.endswith(("d", "w")))
