"""When the versions of a model predicted, and the moments that none of their panes may hold within.

Two versions are compared over the time in which both predicted, hour by hour, and what counts there must not depend on
how long the panes are by now. So panes of a model with several versions roll up to hours and days in pieces, which end
where a version begins or ends, and where several predict they stay hours; and a moment that lies within a pane which
was long before anybody knew of it (a version whose rows come weeks late) stands for the end of that pane, for all
versions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from driftline.tables import I64

from driftline_processor.core.window import PANE, hours_between, pane_from

from .rows import integers_of
from .series import Series, SeriesRegister
from .store import Connection, read

_STRETCHES = """
SELECT series, min(pane) AS start, max(pane + span) AS stop, fsum(value) FILTER (idx = 0) AS rows
FROM panes WHERE fold = '' AND part = 'rows' GROUP BY series
"""
_LONG = """
SELECT pane AS start, max(pane + span) AS stop FROM panes
WHERE list_contains(?, series) AND fold = '' AND part = 'rows' AND span > ? GROUP BY pane ORDER BY pane
"""


@dataclass(frozen=True, slots=True)
class Stretch:
    """When a series predicted: ``[start, stop)`` of its panes, unix nanoseconds, and how many rows in all."""

    start: int
    stop: int
    rows: float


def stretches_of(connection: Connection) -> dict[int, Stretch]:
    """Return when each series predicted, by its number."""
    found = read(connection, _STRETCHES).to_pylist()
    return {row["series"]: Stretch(row["start"], row["stop"], row["rows"] or 0.0) for row in found}


def versions_of(register: SeriesRegister, stretches: dict[int, Stretch]) -> list[list[Series]]:
    """Return the series of each model and environment that predicted as several versions."""
    of_model: dict[tuple[str, str], list[Series]] = {}
    for series in register:
        if series.number in stretches:
            of_model.setdefault((series.key.environment, series.key.model), []).append(series)
    return [versions for versions in of_model.values() if len(versions) > 1]


def clear_of_panes(connection: Connection, versions: Sequence[Series], moments: Iterable[int]) -> I64:
    """Return moments at which no stored pane of a model's versions is cut in two: each as it is, or what ends later.

    ``moments``: unix nanoseconds; the result is int64 of the same length, whole panes.
    """
    clear = np.array([pane_from(moment) for moment in moments], np.int64)
    long = read(connection, _LONG, [series.number for series in versions], PANE)
    if not len(long):
        return clear
    starts, reached = integers_of(long, "start"), np.maximum.accumulate(integers_of(long, "stop"))
    while True:
        before = np.searchsorted(starts, clear)
        later = np.where(before > 0, np.maximum(clear, reached[before - 1]), clear)
        if np.array_equal(later, clear):
            return clear
        clear = later


def cuts_of(connection: Connection, register: SeriesRegister) -> dict[int, I64]:
    """Return where the panes of each series must not roll up to one: series → int64 (n,), ascending.

    That is where a version of its model begins or ends, from when on its versions are compared, and every hour of the
    time in which several predict; nothing for models of one version. A shadow is compared by requests, and needs none.
    """
    stretches = stretches_of(connection)
    cuts: dict[int, I64] = {}
    for versions in versions_of(register, stretches):
        own = {one.number: (stretches[one.number].start, stretches[one.number].stop) for one in versions}
        settings = register.settings(versions[0].key.model)
        since = settings.versions.since
        shared = clear_of_panes(connection, versions, [since, *(moment for both in own.values() for moment in both)])
        heard = [one for one in versions if settings.versions.named.role(one.key.version) != "shadow"]
        hours = _together([own[one.number] for one in heard], since, settings.timezone)
        cuts |= {number: np.unique([*shared, *both, *hours]) for number, both in own.items()}
    return cuts


def _together(stretches: Sequence[tuple[int, int]], since: int, timezone: str) -> I64:
    """The hours, by their beginnings, in which more than one of some stretches of time lies."""
    begun = np.array([start for start, _ in stretches], np.int64)
    ended = np.array([stop for _, stop in stretches], np.int64)
    hours = hours_between(max(int(begun.min(initial=2**62)), since), int(ended.max(initial=0)), timezone)
    open_ones = np.searchsorted(np.sort(begun), hours, "right") - np.searchsorted(np.sort(ended), hours, "right")
    return hours[open_ones > 1]
