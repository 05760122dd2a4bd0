"""The pace of a model's traffic: at which hours of the week rows come, and how long its pauses are.

A pause is counted in open time, the hours of the week in which rows usually come: nights and weekends of a model that
works by day are none of it. A model is silent once a pause is longer than its own pauses make likely.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from driftline.tables.table import F64, I64
from msgspec import Struct

from driftline_processor.core.windows.window import DAY, HOUR, PANE, time_zone

Bools = npt.NDArray[np.bool_]

WEEK = 7 * DAY
"""Nanoseconds of a week."""

_HOURS = WEEK // HOUR
_YEAR = 365.25 * DAY
"""Nanoseconds of a year."""

_MONDAY = 3 * DAY
"""The epoch was a Thursday: so long after a Monday."""

SEEN = DAY
"""Nanoseconds of traffic without which no pace is known: one day and one night."""

FEWEST = 8
"""Pauses without which no pace is known. What other values of this and the next numbers do: docs/data/constants.md."""

AROUND_THE_CLOCK = 0.95
"""Share of hours with rows from which on an hour of the week that was not seen yet is taken to be open."""

USUAL = 0.5
"""Share of weeks in which an hour of the week has rows, for it to be open."""

SCHEDULED = 0.9
"""Share of rows' hours that are open, for the traffic to follow the hours of the week at all."""

FALSE_A_YEAR = 0.2
"""False silences of one model in a year that the limit allows where pauses are exponential."""

TAIL = (0.1, 5, 50)
"""Share of all pauses that are the tail by which longer ones are judged, at least and at most so many."""

UNSURE = 2.0
"""By how many standard errors the tail may be longer than it was seen to be."""

OUTAGE = 3.0
"""A pause so many times as long as the next longest was a silence itself, and is no part of the pace."""


class Pace(Struct, frozen=True, eq=False):
    """The pace of a model.

    Attributes:
        open: bool (168,), the hours of the week, from Monday 0:00 of ``timezone``, in which rows usually come.
        limit: Nanoseconds of open time without a row after which the model is silent.
        timezone: The model's.
    """

    open: Bools
    limit: int
    timezone: str

    def silent_since(self, last: int, now: int, away: tuple[int, int] = (0, 0)) -> int | None:
        """Return ``last`` where no row came for longer than the limit; None where it may be a pause.

        Args:
            last: When the newest row came, unix nanoseconds.
            now: The present.
            away: A stretch in which nobody listened; it does not count.
        """
        ends = np.array([last, now, *(min(max(end, last), now) for end in away)], np.int64)
        began, ended, left, back = open_time(ends, self.open, self.timezone).tolist()
        return last if ended - began - max(0, back - left) > self.limit else None


def pace_of(arrivals: I64, now: int, timezone: str = "UTC") -> Pace | None:
    """Return the pace of a model; None where too little is known of it.

    The limit is where the tail of its own pauses, taken as exponential and made longer by twice its standard error, is
    passed :data:`FALSE_A_YEAR` times a year. ``simulations/silence.py`` measures how often that is.

    Args:
        arrivals: int64 (n,), ascending, the panes of wall time in which rows came, unix nanoseconds.
        now: The present, unix nanoseconds.
        timezone: The model's, in which its week is counted.

    Example:
        >>> days = np.arange(28 * 288, dtype=np.int64) * PANE
        >>> office = days[(days % DAY // HOUR >= 9) & (days % DAY // HOUR < 17)]
        >>> pace = pace_of(office, 28 * DAY)
        >>> int(pace.open.sum()), pace.limit // PANE
        (56, 3)
    """
    arrivals = arrivals[arrivals <= now]
    if len(arrivals) <= FEWEST or now - int(arrivals[0]) < SEEN:
        return None
    usual = _open_hours(arrivals, timezone)
    pauses = np.sort(np.diff(open_time(arrivals, usual, timezone)))
    pauses = pauses[pauses > 0].astype(np.float64)
    while len(pauses) > FEWEST and pauses[-1] > max(OUTAGE * pauses[-2], 2 * HOUR):
        pauses = pauses[:-1]
    if len(pauses) < FEWEST:
        return None
    return Pace(usual, _limit(pauses, now - int(arrivals[0])), timezone)


def open_time(moments: I64, usual: Bools, timezone: str) -> I64:
    """Return how much open time has passed at each moment since a fixed one, nanoseconds: int64 (n,).

    Args:
        moments: int64 (n,), unix nanoseconds.
        usual: bool (168,), the open hours of the week.
        timezone: The one in which the week is counted.
    """
    local = _local(moments, timezone)
    before = np.concatenate([[0], np.cumsum(usual)]) * HOUR
    week, rest = np.divmod(local, WEEK)
    hour, into = np.divmod(rest, HOUR)
    passed: I64 = week * before[-1] + before[hour] + usual[hour] * into
    return passed


def _open_hours(arrivals: I64, timezone: str) -> Bools:
    """Return the open hours of the week; all of them where traffic does not follow the week.

    Hours after the last row tell nothing: whether they are a silence is the question.
    """
    hours = np.arange(int(arrivals[0]) // HOUR, int(arrivals[-1]) // HOUR + 1, dtype=np.int64)
    active = np.zeros(len(hours), bool)
    active[arrivals // HOUR - hours[0]] = True
    place = _local(hours * HOUR, timezone) % WEEK // HOUR
    seen = np.bincount(place, minlength=_HOURS)
    held = np.bincount(place, active, minlength=_HOURS)
    always = bool(active.mean() >= AROUND_THE_CLOCK)
    usual: Bools = np.where(seen == 0, always, held >= USUAL * np.maximum(seen, 1))
    followed = (usual[place] & active).sum() >= SCHEDULED * active.sum()
    return usual if followed else np.ones(_HOURS, bool)


def _limit(pauses: F64, span: int) -> int:
    """Return the pause that comes :data:`FALSE_A_YEAR` times a year; ``pauses``: ascending, of ``span`` nanoseconds."""
    share, fewest, most = TAIL
    m = min(max(int(share * len(pauses)), fewest), most, len(pauses) - 1)
    begins = pauses[-m - 1]
    mean = (pauses[-m:] - begins).mean() * (1 + UNSURE / np.sqrt(m))
    longer = mean * np.log(max(m * _YEAR / span / FALSE_A_YEAR, 1.0))
    limit = int(max(begins + longer, pauses[-1], begins + 2 * PANE))
    return -(-limit // PANE) * PANE


def _local(moments: I64, timezone: str) -> I64:
    """Return moments as nanoseconds of local time since a Monday, as the offset of their UTC day says."""
    days, which = np.unique(moments // DAY, return_inverse=True)
    offsets = np.array([_offset(int(day), timezone) for day in days], np.int64)
    local: I64 = moments + offsets[which] + _MONDAY
    return local


@lru_cache(maxsize=4096)
def _offset(day: int, timezone: str) -> int:
    """Return how far local time is ahead of UTC at noon of a day since the epoch, nanoseconds."""
    noon = datetime(1970, 1, 1, 12, tzinfo=UTC) + timedelta(days=day)
    ahead = noon.astimezone(time_zone(timezone)).utcoffset() or timedelta()
    return round(ahead.total_seconds()) * 10**9
