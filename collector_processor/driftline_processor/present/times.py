"""Moments and windows as people read them, in the time zone of a model."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from driftline_processor.core.windows.window import Window


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


def seen(received: int, last: int, now: int, timezone: str = "UTC") -> str:
    """Say when the newest row arrived, and of when it is where that is another day.

    >>> seen(5 * 10**9, 4 * 10**9, 10 * 10**9), seen(86400 * 10**11, 0, 86400 * 10**11)
    ('5 s ago', 'now, of 1970-01-01 00:00')
    """
    return ago(received, now) + (f", of {moment(last, timezone)}" if abs(received - last) > 86_400 * 10**9 else "")


def moment(time: int, timezone: str = "UTC") -> str:
    """Write unix nanoseconds as minutes of a time zone's clock.

    >>> moment(1372636800 * 10**9)
    '2013-07-01 00:00'
    """
    return _local(time, timezone).strftime("%Y-%m-%d %H:%M")


def span(window: Window, timezone: str = "UTC") -> str:
    """Name a window as a calendar does.

    >>> span(Window("1d", 1372636800 * 10**9, 1372723200 * 10**9))
    'Mon 1 July 2013'
    >>> span(Window("1h", 1372636800 * 10**9, 1372640400 * 10**9))
    '1 July 2013, 00:00 – 01:00'
    >>> span(Window("1mo", 1372636800 * 10**9, 1375315200 * 10**9))
    'July 2013'
    """
    start, end = _local(window.start, timezone), _local(window.end, timezone)
    if window.name == "1d":
        return f"{start:%a} {start.day} {start:%B %Y}"
    if window.name == "1mo":
        return f"{start:%B %Y}"
    if window.name.endswith(("d", "w", "mo")):
        last = _local(window.end - 1, timezone)
        return f"{start.day} {start:%b %Y} – {last.day} {last:%b %Y}"
    day = f"{start.day} {start:%B %Y}, {start:%H:%M}"
    return (
        f"{day} – {end:%H:%M}"
        if window.end - window.start <= 86_400 * 10**9
        else f"{day} – {moment(window.end, timezone)}"
    )


def when(window: Window, timezone: str = "UTC") -> str:
    """Name a window in at most 13 characters.

    >>> when(Window("1h", 1372636800 * 10**9, 1372640400 * 10**9)), when(Window("1w", 1372636800 * 10**9, 0))
    ('1 Jul 00:00', '1 Jul 2013')
    """
    start = _local(window.start, timezone)
    if window.name.endswith("mo"):
        return f"{start:%b %Y}"
    return f"{start.day} {start:%b %Y}" if window.name.endswith(("d", "w")) else f"{start.day} {start:%b %H:%M}"


def tick(window: Window, timezone: str = "UTC") -> str:
    """Name a window in the few characters that an axis has.

    >>> tick(Window("1d", 1372636800 * 10**9, 1372723200 * 10**9))
    '1 Jul'
    """
    start = _local(window.start, timezone)
    if window.name.endswith("mo"):
        return f"{start:%b %Y}"
    if window.name.endswith(("d", "w")):
        return f"{start.day} {start:%b}"
    return f"{start:%H:%M}" if (start.hour, start.minute) != (0, 0) else f"{start.day} {start:%b}"


@lru_cache(maxsize=64)
def _zone(timezone: str) -> tzinfo:
    try:
        return ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):
        return UTC


def _local(time: int, timezone: str) -> datetime:
    # A clock far in the future must not break the page: the calendar ends with the year 9999.
    return datetime.fromtimestamp(min(max(time // 10**9, 0), 253_402_000_000), _zone(timezone))
