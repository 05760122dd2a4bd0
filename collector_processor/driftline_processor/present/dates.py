"""Dates for people: one format for sentences, and one for tables and axes.

A sentence has "4 November 2026, 06:30" or "4 to 10 November 2026"; a table and an axis have "2026-11-04 06:30".
The surface names the time zone once. Machines read :func:`~.wording.iso_time`.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, tzinfo

from driftline_processor.core.windows.window import time_zone

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
