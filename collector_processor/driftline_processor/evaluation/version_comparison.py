"""Versions of a model side by side, from stored sums alone, over the time in which both predicted.

When the versions of a model predicted, and the moments that none of their panes may hold within.

Two versions are compared over the time in which both predicted, hour by hour, and what counts there must not depend on
how long the panes are by now. So panes of a model with several versions roll up to hours and days in pieces, which end
where a version begins or ends, and where several predict they stay hours; and a moment that lies within a pane which
was long before anybody knew of it (a version whose rows come weeks late) stands for the end of that pane, for all
versions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import numpy as np
from driftline.panes.pane import Pane, merge
from driftline.tables.table import I64, ModelKey

from driftline_processor.core.versions import SideBySide, VersionInput, side_by_side
from driftline_processor.core.versions.losses import PARTS, stretches_from, swap_versions
from driftline_processor.core.windows.window import PANE, Window, hours_between, pane_from
from driftline_processor.join.version_pairs import pair_fold
from driftline_processor.store.arrow_tables import integers_of
from driftline_processor.store.database import Connection, mark, number, read
from driftline_processor.store.panes import part_width, read_window
from driftline_processor.store.series import Series, SeriesRegister

from .window_outcomes import StoredOutcomes

_STRETCHES = """
SELECT series, min(pane) AS start, max(pane + span) AS stop, fsum(value) FILTER (idx = 0) AS rows
FROM panes WHERE fold = '' AND part = 'rows' GROUP BY series
"""
_LONG = """
SELECT pane AS start, max(pane + span) AS stop FROM panes
WHERE list_contains(?, series) AND fold = '' AND part = 'rows' AND span > ? GROUP BY pane ORDER BY pane
"""


@dataclass(frozen=True, slots=True)
class VersionPeriod:
    """When a series predicted: ``[start, stop)`` of its panes, unix nanoseconds, and how many rows in all."""

    start: int
    stop: int
    rows: float


def version_periods(connection: Connection) -> dict[int, VersionPeriod]:
    """Return when each series predicted, by its number."""
    found = read(connection, _STRETCHES).to_pylist()
    return {row["series"]: VersionPeriod(row["start"], row["stop"], row["rows"] or 0.0) for row in found}


def versions_of(register: SeriesRegister, stretches: dict[int, VersionPeriod]) -> list[list[Series]]:
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
    stretches = version_periods(connection)
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


_log = logging.getLogger(__name__)

MOST = 20
"""Versions that are compared with the champion, those that predicted last."""

_ROWS = """
SELECT fsum(value) FROM panes
WHERE series = ? AND fold = '' AND part = 'rows' AND idx = 0 AND pane >= ? AND pane < ?
"""


@dataclass(slots=True)
class VersionWatch:
    """Compares the versions of all models. One thread calls :meth:`step`; any may read :meth:`of`."""

    connection: Connection
    register: SeriesRegister
    _shown: dict[tuple[str, str], tuple[SideBySide, ...]] = field(default_factory=dict)
    _seen: tuple[int, ...] = ()

    def step(self) -> bool:
        """Compare what there is now; False when nothing has come since the last time."""
        marks = ("joined_outcomes", "joined_predictions", "joined_seq")
        kept = [number(self.connection, f"SELECT count(*) FROM {table}") or 0 for table in ("predictions", "joined")]
        seen = (*kept, len(list(self.register)), *(mark(self.connection, name) for name in marks))
        if seen == self._seen:
            return False
        stretches = version_periods(self.connection)
        shown = {}
        for versions in versions_of(self.register, stretches):
            key = versions[0].key
            try:
                shown[key.environment, key.model] = tuple(self._compared(versions, stretches))
            except Exception:  # of one model, whatever it is: the others are compared
                _log.exception("the versions of %s could not be compared", key.model)
                shown[key.environment, key.model] = self.of(key)
        self._shown, self._seen = shown, seen
        return True

    def of(self, key: ModelKey) -> tuple[SideBySide, ...]:
        """Return the challengers of a model in an environment beside its champion, () where it has one version."""
        return self._shown.get((key.environment, key.model), ())

    def _compared(self, versions: list[Series], stretches: dict[int, VersionPeriod]) -> Iterator[SideBySide]:
        said = self.register.settings(versions[0].key.model).versions.named
        named = [series for series in versions if series.key.version == said.champion]
        champion = named[0] if named else max(versions, key=lambda one: (stretches[one.number].rows, -one.number))
        others = sorted(
            (series for series in versions if series is not champion),
            key=lambda one: (-stretches[one.number].stop, one.number),
        )
        shown = others[:MOST]
        mine = stretches[champion.number]
        theirs = [stretches[one.number] for one in shown]
        starts = [max(said.since, mine.start, one.start) for one in theirs]
        stops = [min(mine.stop, one.stop) for one in theirs]
        clear = clear_of_panes(self.connection, versions, [*starts, *stops]).tolist()
        for at, challenger in enumerate(shown):
            start, stop = clear[at], clear[at + len(shown)]
            yield self._pair(champion, challenger, start, max(start, stop))

    def _pair(self, champion: Series, challenger: Series, start: int, stop: int) -> SideBySide:
        settings = self.register.settings(champion.key.model)
        first, second = sorted((champion.number, challenger.number))
        fold = pair_fold(second)
        folds = read_window(self.connection, first, start, stop, lambda *_: 0, prefix=fold)
        pairs = folds.get(fold, Pane())
        if first != champion.number:
            pairs = swap_versions(pairs)
        hours = partial(self._hours, (champion, challenger), start, stop, settings.timezone)
        one, other = (self._side(series, start, stop, hours) for series in (champion, challenger))
        role = settings.versions.named.role(challenger.key.version)
        return side_by_side(one, other, pairs, role, (start, stop), settings.performance.asked)

    def _hours(self, versions: tuple[Series, Series], start: int, stop: int, timezone: str) -> list[Window]:
        """The hours of a stretch; those that a longer pane of either version holds are one."""
        hours = stretches_from(hours_between(start, stop, timezone), len(versions[0].task.classes))
        begins = clear_of_panes(self.connection, versions, hours.tolist())
        edges = np.unique(np.append(begins, stop)).tolist()
        return [Window("", *both) for both in pairwise(edges)]

    def _side(self, series: Series, start: int, stop: int, hours: Callable[[], list[Window]]) -> VersionInput:
        known = StoredOutcomes(self.connection)
        stretch = [Window("", start, stop)] if start < stop else []
        panes = known.panes(series, stretch, lambda _, part: part_width(part, None, series.task))
        rows = read(self.connection, _ROWS, series.number, start, stop).column(0)[0].as_py()
        return VersionInput(
            series.key.version,
            series.task,
            merge(panes),
            round(rows or 0.0),
            lambda: known.hours(series, hours(), PARTS),
        )
