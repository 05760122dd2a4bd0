"""How many windows wait to be evaluated and since when, how far a backfill is, and the sentences about both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from driftline_processor.core.windows.window import DAY, HOUR
from driftline_processor.core.wording import duration

SECOND = 10**9

LONG = 60 * SECOND
"""From so long a wait on people are told of it, or from the deadline on where that is longer."""

TOLD_FROM = 10 * SECOND
"""A backfill that began less than ten seconds ago, or ends within as many, is not worth a sentence."""


class Backlog(NamedTuple):
    """The windows that wait.

    Attributes:
        windows: Number of windows that are due.
        since: Since when the longest of them waits, unix nanoseconds; 0 without any.
        late: From when on people are told of the live ones, unix nanoseconds; 0 without any.
        resting: Number of windows that were touched and are not due yet.
        past: How many of ``windows`` are of a backfill, of late outcomes or of corrections: nothing makes them late.
    """

    windows: int = 0
    since: int = 0
    late: int = 0
    resting: int = 0
    past: int = 0

    def pending_windows(self, now: int) -> int:
        """Return how many windows have numbers that are not those of their rows: past ones, and late live ones."""
        return self.windows if self.long(now) else self.past

    def long(self, now: int) -> bool:
        """Return True where a live window has waited so long that its numbers are not those of its rows."""
        return bool(self.late) and now >= self.late

    @property
    def patience(self) -> int:
        """How long the windows may wait, in nanoseconds."""
        return max(0, self.late - self.since) if self.late else LONG


class Backfill(NamedTuple):
    """How far the past windows are judged.

    Attributes:
        judged: Windows that were judged since some wait.
        waiting: Windows that wait.
        since: Since when some wait, unix nanoseconds.
        rate: Windows judged a second lately; 0 where that is not known yet, or changes.
    """

    judged: int = 0
    waiting: int = 0
    since: int = 0
    rate: float = 0.0

    @property
    def left(self) -> int | None:
        """Nanoseconds until all are judged; None where the rate is not known."""
        return round(self.waiting / self.rate * SECOND) if self.rate else None

    def long(self, now: int) -> bool:
        """Return True where people are told of it: it has lasted a while, and goes on for a while."""
        left = self.left
        return bool(self.waiting) and now - self.since >= TOLD_FROM and (left is None or left >= TOLD_FROM)


def windows_wait(backlog: Backlog, now: int) -> str:
    """Say how many windows wait, and since when.

    >>> windows_wait(Backlog(2, 0), 3600 * SECOND)
    '2 windows wait to be evaluated, the longest for 1h: what is shown of them is older than their rows'
    """
    waiting_text = "1 window waits" if backlog.windows == 1 else f"{backlog.windows:,} windows wait"
    pronoun, their = ("it", "its") if backlog.windows == 1 else ("them", "their")
    waited = duration(now - backlog.since)
    longest = f"for {waited}" if backlog.windows == 1 else f"the longest for {waited}"
    return f"{waiting_text} to be evaluated, {longest}: what is shown of {pronoun} is older than {their} rows"


def lags_sentence(lags: Mapping[str, int]) -> str:
    """Say how late the windows of each length are; "" where none is.

    >>> lags_sentence({"5m": 0, "1h": 95 * SECOND, "1d": 240 * SECOND})
    'windows of 1h are 1m35s late, of 1d 4m'
    """
    late = [(name, duration(lag)) for name, lag in lags.items() if lag >= SECOND]
    first, rest = late[:1], late[1:]
    return "".join(
        [*(f"windows of {name} are {lag} late" for name, lag in first), *(f", of {n} {lag}" for n, lag in rest)]
    )


def backfill_sentence(backfill: Backfill) -> str:
    """Say how far a backfill is, and how long it goes on.

    >>> backfill_sentence(Backfill(12_400, 37_600, 0, 209.0))
    'Past windows are being judged: 12,400 of 50,000, about 3 min left'
    """
    left = backfill.left
    time_left = "how long it takes is not known yet" if left is None else f"about {_about(left)} left"
    judged_windows, total = backfill.judged, backfill.judged + backfill.waiting
    return f"Past windows are being judged: {judged_windows:,} of {total:,}, {time_left}"


_STEPS = ((DAY, 2 * DAY, "days"), (HOUR, 2 * HOUR, "h"), (60 * SECOND, 90 * SECOND, "min"), (SECOND, 0, "s"))
"""Unit of a rough duration, from which length on it is used, and its word."""


def _about(nanoseconds: int) -> str:
    """Return a duration in its largest unit.

    >>> [_about(seconds * SECOND) for seconds in (0, 59, 200, 7_300, 400_000)]
    ['1 s', '59 s', '3 min', '2 h', '5 days']
    """
    unit, _, word = next(step for step in _STEPS if nanoseconds >= step[1])
    return f"{max(1, round(nanoseconds / unit)):,} {word}"
