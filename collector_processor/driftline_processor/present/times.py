"""Dates, ages, durations and names of windows for people: one format for sentences, and one for tables and axes.

A sentence has "4 November 2026, 06:30" or "4 to 10 November 2026"; a table and an axis have "2026-11-04 06:30".
The surface names the time zone once. Machines read :func:`~.wording.iso_time`.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, tzinfo

from driftline_processor.core.windows.window import Window, time_zone

from .numbers import many

_DAY = 86_400 * 10**9
_LAST_MOMENT = 253_402_000_000
"""Unix seconds near the end of the year 9999, the last year of the calendar."""


def date_words(time: int, timezone: str = "UTC", *, days: bool = False) -> str:
    """Return a date for a sentence, with the time of day unless it is midnight.

    Args:
        time: Unix nanoseconds.
        timezone: IANA name of the clock.
        days: Whether the time of day is left out.

    >>> date_words(1_372_636_800 * 10**9), date_words(1_373_774_340 * 10**9)
    ('1 July 2013', '14 July 2013, 03:59')
    """
    at = local_time(time, timezone)
    return f"{at.day} {at:%B %Y}" if days or (at.hour, at.minute) == (0, 0) else f"{at.day} {at:%B %Y, %H:%M}"


def month_words(time: int, timezone: str = "UTC") -> str:
    """Return the month for a sentence.

    >>> month_words(1_372_636_800 * 10**9)
    'July 2013'
    """
    return f"{local_time(time, timezone):%B %Y}"


def span_words(start: int, end: int, timezone: str = "UTC", *, days: bool = False) -> str:
    """Return a period for a sentence: by days, by hours within one day, else by both ends.

    Args:
        start: Unix nanoseconds.
        end: Unix nanoseconds, exclusive.
        timezone: IANA name of the time zone.
        days: Whether the time of day is left out, even if the period begins or ends within a day.

    >>> july, hour = 1_372_636_800 * 10**9, 3600 * 10**9
    >>> span_words(july, july + 744 * hour), span_words(july, july + 24 * hour), span_words(july, july + hour)
    ('1 to 31 July 2013', '1 July 2013', '1 July 2013, 00:00 to 01:00')
    >>> span_words(july, july + 30 * hour), span_words(july - 48 * hour, july + 24 * hour)
    ('1 July 2013 to 2 July 2013, 06:00', '29 June to 1 July 2013')
    """
    ends = [local_time(moment, timezone) for moment in (start, max(start, end - 1), end)]
    first, last, after = ends
    whole = days or (first.hour, first.minute, after.hour, after.minute) == (0, 0, 0, 0)
    if first.date() == last.date():
        hours = "" if whole else f", {first:%H:%M} to {after:%H:%M}"
        return f"{first.day} {first:%B %Y}{hours}"
    if not whole:
        return f"{date_words(start, timezone)} to {date_words(end, timezone)}"
    before, until = (f"{moment.day} {moment:%B %Y}".split() for moment in (first, last))
    while len(before) > 1 and before[-1] == until[len(before) - 1]:
        before.pop()
    return f"{' '.join(before)} to {' '.join(until)}"


def on_words(start: int, end: int, timezone: str = "UTC", *, days: bool = False) -> str:
    """Return a period for a sentence as :func:`span_words` does, with "on", or with "from" for several days.

    >>> july, hour = 1_372_636_800 * 10**9, 3600 * 10**9
    >>> on_words(july, july + 24 * hour), on_words(july, july + 48 * hour, days=True)
    ('on 1 July 2013', 'from 1 to 2 July 2013')
    """
    span = span_words(start, end, timezone, days=days)
    return f"{'from' if ' to ' in span and (days or ':' not in span) else 'on'} {span}"


def date_label(time: int, timezone: str = "UTC", *, days: bool = False) -> str:
    """Return a date for a table or an axis; ``days``: without the time of day.

    >>> date_label(1_372_636_800 * 10**9), date_label(1_372_636_800 * 10**9, days=True)
    ('2013-07-01 00:00', '2013-07-01')
    """
    return f"{local_time(time, timezone):{'%Y-%m-%d' if days else '%Y-%m-%d %H:%M'}}"


def month_label(time: int, timezone: str = "UTC") -> str:
    """Return the month for a table or an axis.

    >>> month_label(1_372_636_800 * 10**9)
    '2013-07'
    """
    return f"{local_time(time, timezone):%Y-%m}"


def local_time(time: int, timezone: str) -> datetime:
    """Return unix nanoseconds as local time, in UTC if this machine does not know the time zone.

    Times after the end of the calendar are clipped, so that a wrong clock does not break a page.
    """
    zone: tzinfo = UTC
    with suppress(ValueError):
        zone = time_zone(timezone)
    return datetime.fromtimestamp(min(max(time // 10**9, 0), _LAST_MOMENT), zone)


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
    return end_words(window.end, timezone, days=window.name.endswith(("d", "w", "mo")))


def ends_a_day(end: int, timezone: str = "UTC") -> bool:
    """Return True if the exclusive end of a period is midnight."""
    after = local_time(end, timezone)
    return (after.hour, after.minute) == (0, 0)


def end_words(end: int, timezone: str = "UTC", *, days: bool = False) -> str:
    """Return the exclusive end of a period for a sentence: its last day, or the time.

    Args:
        end: Unix nanoseconds.
        timezone: IANA name of the time zone.
        days: Whether the time of day is left out, even if the period ends within a day.

    >>> end_words(1372636800 * 10**9), end_words(1372640400 * 10**9), end_words(1372640400 * 10**9, days=True)
    ('30 June 2013', '1 July 2013, 01:00', '1 July 2013')
    """
    if days or ends_a_day(end, timezone):
        return date_words(end - 1, timezone, days=True)
    return date_words(end, timezone)


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


def since_words(time: int | None, timezone: str, *, days: bool = False, earliest: int | None = None) -> str:
    """Return " since ..."; "" if the time is unknown.

    Args:
        time: The time, unix nanoseconds.
        timezone: Time zone of the words.
        days: Without the time of day.
        earliest: The first possible time, if only a range is known; a range of days or more has no times of day.
    """
    if time is None:
        return ""
    if earliest is not None:
        days = days or time - earliest >= _DAY
        span = span_words(earliest, time + 1 if days else time, timezone, days=days)
        return f" since between {span}".replace(" to ", " and ")
    return f" since {date_words(time, timezone, days=days)}"
