"""How often a model that only pauses is called silent, and how soon one that stopped is: evidence/silence.json."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from driftline.tables.table import I64
from driftline_processor.core.verdict.traffic import open_time, pace_of
from driftline_processor.core.windows.window import DAY, HOUR, PANE
from driftline_processor.ingest.transaction import KEPT

from simulations.frame import Figures, Random, Row, Table, table_of

WEEKS = 13
"""Of traffic of each model, before it stops."""

MONDAY = 20_003 * DAY
SPAN = WEEKS * 7 * DAY
Traffic = Callable[[Random], I64]
"""Draws when rows come, nanoseconds since a Monday, ascending."""


@dataclass(frozen=True)
class Served(Row):
    """``what``: how rows come."""

    what: str


def at_random(an_hour: float, rng: Random, when: Callable[[I64], np.ndarray] | None = None) -> I64:
    """Return times at random, so many an hour; ``when``: which of them are kept."""
    times = np.sort(rng.integers(0, SPAN, rng.poisson(an_hour * SPAN / HOUR)))
    return times if when is None else times[when(times)]


def office(times: I64) -> np.ndarray:
    hour, day = times % DAY // HOUR, times // DAY % 7
    return (hour >= 9) & (hour < 17) & (day < 5)


def weekdays(times: I64) -> np.ndarray:
    return times // DAY % 7 < 5


def day_and_night(an_hour: float, rng: Random) -> I64:
    """Return times at random, twenty times as many by day as by night."""
    times = at_random(an_hour, rng)
    return times[rng.random(len(times)) < 0.525 + 0.475 * np.sin(2 * np.pi * (times % DAY) / DAY)]


def batches(every: int, jitter: int, rng: Random, when: Callable[[I64], np.ndarray] | None = None) -> I64:
    """Return times of a job of ten minutes that begins at a time of its own, more or less."""
    starts = np.arange(every // 2, SPAN, every, dtype=np.int64)
    starts = starts if when is None else starts[when(starts)]
    starts = starts + rng.normal(0, jitter, len(starts)).astype(np.int64)
    times = np.sort((starts[:, np.newaxis] + np.arange(0, 10 * 60 * 10**9, 60 * 10**9)).ravel())
    return times[(times >= 0) & (times < SPAN)]


def bursts(mean: int, deviation: float, rng: Random) -> I64:
    """Return times with log-normal pauses between them: a heavy tail."""
    pauses = rng.lognormal(np.log(mean) - deviation**2 / 2, deviation, int(6 * SPAN / mean))
    times = np.cumsum(pauses)
    return times[times < SPAN].astype(np.int64)


def outage(draw: Traffic, rng: Random) -> I64:
    """Return traffic that stopped for twelve hours, a week before its end."""
    times = draw(rng)
    begins = SPAN - 7 * DAY
    return times[(times < begins) | (times > begins + 12 * HOUR)]


def silences(draw: Traffic, models: int, rng: Random) -> Figures:
    """Return the false silences of a model in a year, and hours from the last row until one that stopped is silent."""
    false, days, hours = 0, 0, []
    for _ in range(models):
        panes = np.unique((MONDAY + draw(rng)) // PANE * PANE)
        for day in range(2, WEEKS * 7):
            now = MONDAY + day * DAY
            known = panes[(panes >= now - KEPT) & (panes < now)]
            pace = pace_of(known, now)
            if pace is None:
                continue
            coming = np.concatenate([known[-1:], panes[(panes >= now) & (panes < now + DAY)]])
            days += 1
            false += int((np.diff(open_time(coming, pace.open, "UTC")) > pace.limit).sum())
        last = int(panes[-1])
        hours.append(_until_silent(panes[panes >= last - KEPT], last))
    found = np.array(hours)
    return {
        "a_year": false / max(days, 1) * 365.25,
        "median": float(np.median(found)),
        "most": float(np.quantile(found, 0.9, method="higher")),
    }


def _until_silent(known: I64, last: int) -> float:
    pace = pace_of(known, last + PANE)
    if pace is None:
        return float("inf")
    moments = last + np.arange(0, 60 * DAY, PANE, dtype=np.int64)
    passed = open_time(moments, pace.open, "UTC")
    late = np.flatnonzero(passed - passed[0] > pace.limit)
    return float((moments[late[0]] - last) / HOUR) if len(late) else float("inf")


def _rows() -> Iterator[Served]:
    def row(name: str, draw: Traffic, what: str, models: int = 60) -> Served:
        return Served(f"silence-{name}", partial(silences, draw), models, what)

    yield row("busy", partial(at_random, 1000), "1,000 rows an hour, at random", 10)
    yield row("12-an-hour", partial(at_random, 12), "12 an hour")
    yield row("1-an-hour", partial(at_random, 1), "1 an hour")
    yield row("6-a-day", partial(at_random, 0.25), "6 a day")
    yield row("day-and-night", partial(day_and_night, 40), "20 an hour, by night a twentieth of that by day")
    yield row("office", partial(at_random, 400, when=office), "400 an hour, Monday to Friday, 9 to 17", 20)
    yield row("quiet-office", partial(at_random, 6, when=office), "6 an hour, Monday to Friday, 9 to 17")
    yield row("weekdays", partial(at_random, 30, when=weekdays), "30 an hour, Monday to Friday")
    yield row("hourly", partial(batches, HOUR, 120 * 10**9), "a batch an hour, give or take two minutes")
    yield row("daily", partial(batches, DAY, 600 * 10**9), "a batch a day, give or take ten minutes")
    yield row("daily-late", partial(batches, DAY, 2 * HOUR), "a batch a day, give or take two hours")
    yield row("weekday-batch", partial(batches, DAY, 600 * 10**9, when=weekdays), "a batch each working day")
    yield row(
        "outage", partial(outage, partial(at_random, 60)), "60 an hour, and an outage of twelve hours a week ago", 20
    )
    yield row(
        "bursts", partial(bursts, HOUR // 6, 1.5), "6 an hour, in bursts: log-normal pauses, standard deviation 1.5"
    )


ROWS = {row.name: row for row in _rows()}


def _hours(value: float) -> str:
    if not np.isfinite(value):
        return "never"
    return f"{value * 60:.0f} min" if value < 1 else f"{value:.1f} h" if value < 10 else f"{value:.0f} h"


def _told(_: Served, found: Figures) -> list[str]:
    return [f"{found['a_year']:.2f}", _hours(found["median"]), _hours(found["most"]), f"{found['windows']}"]


HEAD = ["how rows come", "false silences a year", "silent after, half of the stops", "nine of ten", "models"]
SILENCE = Table("silence", ROWS, table_of(ROWS, HEAD, _told))
