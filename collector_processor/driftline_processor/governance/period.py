"""The period of a scorecard or review: a quarter, or a range of days."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from driftline_processor.core.windows.window import DAY, Window
from driftline_processor.present.times import date_words, span_words

USUAL_DAYS = 90
"""Length of the default period in days: a quarter."""

_QUARTER = re.compile(r"(\d{4})-?[Qq]([1-4])")
_AGO = re.compile(r"-?(\d{1,4})d")


class Period(NamedTuple):
    """A period.

    Attributes:
        start: Unix nanoseconds.
        end: Unix nanoseconds, exclusive.
        name: ``2026Q3``; "" if it is not a quarter.
    """

    start: int
    end: int
    name: str = ""

    @property
    def words(self) -> str:
        """The period in words."""
        days = span_words(self.start, self.end, days=True)
        return f"{self.name}, {days}" if self.name else days

    def holds(self, window: Window) -> bool:
        """Return True if a window ends within the period."""
        return self.start < window.end <= self.end

    def meets(self, since: int | None, until: int | None) -> bool:
        """Return True if something overlaps the period; None is an unknown begin, or no end."""
        return (since is None or since < self.end) and (until is None or until > self.start)

    @property
    def days(self) -> float:
        """Length in days."""
        return (self.end - self.start) / DAY


def read_period(quarter: str, since: str, until: str, now: int) -> Period:
    """Return the requested period; by default the last 90 days.

    Args:
        quarter: ``2026Q3``, a calendar quarter in UTC; "" = use the days.
        since: The first day in ISO 8601, or ``-30d`` before the end; "" = the default length.
        until: The day after the last one; "" = now.
        now: Clock of the models, unix nanoseconds.

    Raises:
        ValueError: The period is invalid; the message contains the rule and the fix.

    >>> read_period("2026Q3", "", "", 0).words
    '2026Q3, 1 July to 30 September 2026'
    >>> read_period("2026Q5", "", "", 0)
    Traceback (most recent call last):
    ValueError: '2026Q5' is not a quarter; use for example 2026Q3
    """
    if quarter:
        match = _QUARTER.fullmatch(quarter.strip())
        if match is None or not 1970 <= int(match[1]) < 9999:
            raise ValueError(f"'{quarter:.20}' is not a quarter; use for example 2026Q3")
        if since or until:
            raise ValueError("a period is either a quarter, or from one day to another; remove one of the two")
        year, first = int(match[1]), 3 * int(match[2]) - 2
        after = datetime(year + first // 10, (first + 2) % 12 + 1, 1, tzinfo=UTC)
        return Period(_time(datetime(year, first, 1, tzinfo=UTC)), _time(after), f"{year}Q{match[2]}")
    end = _day("to", until) if until else now
    ago = _AGO.fullmatch(since.strip()) if since else None
    start = _day("from", since) if since and ago is None else end - (int(ago[1]) if ago else USUAL_DAYS) * DAY
    if start >= end:
        days = f"'from' ({date_words(start)}) is not before 'to' ({date_words(end)})"
        raise ValueError(f"{days}; put the earlier day first")
    return Period(start, end)


def _day(name: str, text: str) -> int:
    try:
        parsed = datetime.fromisoformat(text.strip())
        if not 1970 <= parsed.year < 9999:
            raise ValueError
        return _time(parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise ValueError(f"{name}: '{text:.40}' is not a day; use for example 2026-07-01, or -30d") from None


def _time(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1_000
