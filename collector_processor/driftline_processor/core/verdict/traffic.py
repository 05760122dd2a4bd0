"""The traffic of a model, and its pace: when no data is a pause that is too long.

A pause is counted in open time, the hours of the week in which rows usually arrive, so nights and weekends of an
office-hours model are not pauses. A model has no data once a pause is longer than its own pauses make likely.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from driftline.tables.table import F64, I64
from msgspec import Struct

from driftline_processor.core.windows.improbable_times import ImprobableTimes
from driftline_processor.core.windows.window import DAY, HOUR, PANE, time_zone

PATIENCE = 2 * PANE
"""Nanoseconds that windows may wait if no deadline of their length is given."""


class Traffic(Struct, frozen=True):
    """Traffic and backlog of a model.

    Attributes:
        now: The present, unix nanoseconds.
        silent_since: Time of the newest row, if the next one is overdue by the model's own :class:`Pace`; else None.
        pause: Maximum expected pause, nanoseconds of open time.
        waiting: Number of windows that wait for evaluation.
        waiting_since: When the first of them began to wait, unix nanoseconds; None without any.
        patience: Nanoseconds that windows may wait.
        pending: Number of these that are past windows, or have waited too long.
        times: Improbable times of the newest predictions; None if they are usual.
    """

    now: int
    silent_since: int | None = None
    pause: int = 0
    waiting: int = 0
    waiting_since: int | None = None
    patience: int = PATIENCE
    pending: int = 0
    times: ImprobableTimes | None = None

    @property
    def silent(self) -> bool:
        """True if no rows arrive although the model's own pace expects them."""
        return self.silent_since is not None

    @property
    def is_behind(self) -> bool:
        """True if windows wait longer than ``patience``."""
        return self.waiting > 0 and self.waiting_since is not None and self.now - self.waiting_since > self.patience


Bools = npt.NDArray[np.bool_]

WEEK = 7 * DAY
"""Nanoseconds of a week."""

_HOURS = WEEK // HOUR
_YEAR = 365.25 * DAY
"""Nanoseconds of a year."""

_MONDAY = 3 * DAY
"""Offset of the epoch, a Thursday, from the Monday before."""

SEEN = DAY
"""Nanoseconds of traffic that a pace needs: one day and one night."""

FEWEST = 8
"""Number of pauses that a pace needs. Effect of other values of this and the next numbers: evidence/constants.json."""

AROUND_THE_CLOCK = 0.95
"""Fraction of hours with rows above which an hour of the week without observations counts as open."""

USUAL = 0.5
"""Fraction of weeks with rows above which an hour of the week is open."""

SCHEDULED = 0.9
"""Fraction of the hours with rows that must be open for a weekly schedule to be used."""

FALSE_A_YEAR = 0.2
"""False "no data" states per model and year that the limit allows for exponential pauses."""

TAIL = (0.1, 5, 50)
"""Fraction of all pauses used as the tail, with its minimum and maximum number of pauses."""

UNSURE = 2.0
"""Standard errors added to the mean of the tail."""

OUTAGE = 3.0
"""Ratio to the next longest pause above which a pause was an outage and is excluded from the pace."""


class Pace(Struct, frozen=True, eq=False):
    """The pace of a model's traffic.

    Attributes:
        open: bool (168,), the hours of the week, from Monday 0:00 in ``timezone``, in which rows usually arrive.
        limit: Nanoseconds of open time without a row after which the model has no data.
        timezone: The time zone of the model.
    """

    open: Bools
    limit: int
    timezone: str

    def silent_since(self, last: int, now: int, away: tuple[int, int] = (0, 0)) -> int | None:
        """Return ``last`` if no row arrived for longer than the limit, else None.

        Args:
            last: Time of the newest row, unix nanoseconds.
            now: The present.
            away: Period without a running receiver; it does not count.
        """
        ends = np.array([last, now, *(min(max(end, last), now) for end in away)], np.int64)
        began, ended, left, back = open_time(ends, self.open, self.timezone).tolist()
        return last if ended - began - max(0, back - left) > self.limit else None


def pace_of(arrivals: I64, now: int, timezone: str = "UTC") -> Pace | None:
    """Return the pace of a model; None with too little traffic.

    The limit is the pause that occurs :data:`FALSE_A_YEAR` times per year, if the tail of its pauses is exponential,
    with a mean increased by twice its standard error. ``simulations/silence.py`` measures the actual rate.

    Args:
        arrivals: int64 (n,), ascending, the panes of wall time with rows, unix nanoseconds.
        now: The present, unix nanoseconds.
        timezone: Time zone of the week.

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
    """Return the open time since a fixed moment, nanoseconds: int64 (n,).

    Args:
        moments: int64 (n,), unix nanoseconds.
        usual: bool (168,), the open hours of the week.
        timezone: Time zone of the week.
    """
    local = _local(moments, timezone)
    before = np.concatenate([[0], np.cumsum(usual)]) * HOUR
    week, rest = np.divmod(local, WEEK)
    hour, into = np.divmod(rest, HOUR)
    passed: I64 = week * before[-1] + before[hour] + usual[hour] * into
    return passed


def _open_hours(arrivals: I64, timezone: str) -> Bools:
    """Return the open hours of the week; all of them if traffic does not follow a weekly schedule.

    Hours after the last row are not used, since they may be an outage.
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
    """Return the pause that occurs :data:`FALSE_A_YEAR` times per year; ``pauses``: ascending. Both in nanoseconds."""
    share, fewest, most = TAIL
    m = min(max(int(share * len(pauses)), fewest), most, len(pauses) - 1)
    begins = pauses[-m - 1]
    mean = (pauses[-m:] - begins).mean() * (1 + UNSURE / np.sqrt(m))
    longer = mean * np.log(max(m * _YEAR / span / FALSE_A_YEAR, 1.0))
    limit = int(max(begins + longer, pauses[-1], begins + 2 * PANE))
    return -(-limit // PANE) * PANE


def _local(moments: I64, timezone: str) -> I64:
    """Return moments as nanoseconds of local time since a Monday, with one UTC offset per UTC day."""
    days, which = np.unique(moments // DAY, return_inverse=True)
    offsets = np.array([_offset(int(day), timezone) for day in days], np.int64)
    local: I64 = moments + offsets[which] + _MONDAY
    return local


@lru_cache(maxsize=4096)
def _offset(day: int, timezone: str) -> int:
    """Return the UTC offset at noon of a day since the epoch, nanoseconds."""
    noon = datetime(1970, 1, 1, 12, tzinfo=UTC) + timedelta(days=day)
    ahead = noon.astimezone(time_zone(timezone)).utcoffset() or timedelta()
    return round(ahead.total_seconds()) * 10**9
