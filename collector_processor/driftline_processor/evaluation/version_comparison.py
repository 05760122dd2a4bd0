"""Compare versions of a model from stored sums, and find the moments at which their panes must be cut.

Two versions are compared over the time in which both predicted, hour by hour, and the result must not depend on the
roll-up of panes. Therefore panes of a model with several versions roll up in pieces that end where a version begins or
ends, and stay hours while several versions predict. If a moment lies within a pane that was rolled up before (a
version whose rows arrive weeks late), the end of that pane replaces it for all versions.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
from driftline.panes.pane import Pane, merge
from driftline.tables.table import F64, I64, ModelKey
from msgspec import Struct, field

from driftline_processor.core.versions.losses import PARTS, swap_versions
from driftline_processor.core.versions.side_by_side import SideBySide, VersionInput, VersionPeriod, compare_versions
from driftline_processor.core.windows.window import PANE, Window, hours_between, pane_from
from driftline_processor.join.version_pairs import pair_fold
from driftline_processor.store.arrow_tables import integers_of
from driftline_processor.store.database import Connection, mark, number, read
from driftline_processor.store.panes import part_width, read_calls, read_sums, read_window
from driftline_processor.store.pruning import Condition
from driftline_processor.store.series import Series, SeriesRegister

from .store_source import StoredOutcomes

_log = logging.getLogger(__name__)

_STRETCHES = """
SELECT series, min(pane) AS start, max(pane + span) AS stop, fsum(value) FILTER (idx = 0) AS rows
FROM sums GROUP BY series
"""
_LONG = "SELECT pane AS start, max(pane + span) AS stop FROM sums GROUP BY pane ORDER BY pane"


def _counts_rows(_: str, part: str) -> bool:
    return part == "rows"


def version_periods(connection: Connection, register: SeriesRegister) -> dict[int, VersionPeriod]:
    """Return when each series predicted, by its number."""
    sums = read_sums(connection, Condition("fold = ''", ()), wanted=_counts_rows)
    by_number, rows = register.by_number(), read(connection, _STRETCHES, sums=sums).to_pylist()
    return {
        row["series"]: VersionPeriod(
            by_number[row["series"]].key.version, row["start"], row["stop"], row["rows"] or 0.0
        )
        for row in rows
        if row["series"] in by_number
    }


def versions_of(register: SeriesRegister, periods: dict[int, VersionPeriod]) -> list[list[Series]]:
    """Return the series of each model and environment that predicted as several versions."""
    of_model: dict[tuple[str, str], list[Series]] = {}
    for series in register:
        if series.number in periods:
            of_model.setdefault((series.key.environment, series.key.model), []).append(series)
    return [versions for versions in of_model.values() if len(versions) > 1]


class LongPanes:
    """The stored panes of a model's versions that are longer than five minutes."""

    def __init__(self, connection: Connection, versions: Sequence[Series]) -> None:
        """Read where they are."""
        numbers = [series.number for series in versions]
        among = Condition(f"series IN ({', '.join('?' * len(numbers))}) AND fold = '' AND span > ?", (*numbers, PANE))
        rows = read(connection, _LONG, sums=read_sums(connection, among, wanted=_counts_rows))
        self._starts, self._reached = integers_of(rows, "start"), np.maximum.accumulate(integers_of(rows, "stop"))

    def edges(self, moments: Iterable[int]) -> I64:
        """Return the moments, each moved to the end of the pane that contains it; int64, whole panes."""
        clear = np.array([pane_from(moment) for moment in moments], np.int64)
        while len(self._starts):
            before = np.searchsorted(self._starts, clear)
            later_edges = np.where(before > 0, np.maximum(clear, self._reached[before - 1]), clear)
            if np.array_equal(later_edges, clear):
                break
            clear = later_edges
        return clear


def cuts_of(connection: Connection, register: SeriesRegister) -> dict[int, I64]:
    """Return the moments at which panes must not be merged: series → int64 (n,), ascending.

    These are the moments at which a version begins or ends or its comparison starts, and every hour in which several
    versions predict. Models of one version have none. Shadow versions are compared by request and need none.
    """
    periods = version_periods(connection, register)
    cuts: dict[int, I64] = {}
    for versions in versions_of(register, periods):
        stretch_by_number = {
            version.number: (periods[version.number].start, periods[version.number].stop) for version in versions
        }
        settings = register.settings(versions[0].key.model)
        since = settings.versions.since
        shared = LongPanes(connection, versions).edges(
            [since, *(moment for period in stretch_by_number.values() for moment in period)]
        )
        served_versions = [
            version for version in versions if settings.versions.names.role(version.key.version) != "shadow"
        ]
        hours = _together(
            [stretch_by_number[version_heard.number] for version_heard in served_versions], since, settings.timezone
        )
        cuts |= {number: np.unique([*shared, *period, *hours]) for number, period in stretch_by_number.items()}
    return cuts


def _together(stretches: Sequence[tuple[int, int]], since: int, timezone: str) -> I64:
    """Return the starts of the hours that lie in more than one period."""
    starts = np.array([start for start, _ in stretches], np.int64)
    ends = np.array([stop for _, stop in stretches], np.int64)
    hours = hours_between(max(int(starts.min(initial=2**62)), since), int(ends.max(initial=0)), timezone)
    open_ones = np.searchsorted(np.sort(starts), hours, "right") - np.searchsorted(np.sort(ends), hours, "right")
    return hours[open_ones > 1]


class VersionWatch(Struct):
    """Compares the versions of all models. One thread calls :meth:`step`; any thread may call :meth:`of`."""

    connection: Connection
    register: SeriesRegister
    _comparisons: dict[tuple[str, str], tuple[SideBySide, ...]] = field(default_factory=dict)
    _last_state: tuple[int, ...] = ()

    def step(self) -> None:
        """Update the comparisons if there is anything new."""
        marks = ("joined_outcomes", "joined_predictions", "joined_seq")
        row_counts = [
            number(self.connection, f"SELECT count(*) FROM {table}") or 0 for table in ("predictions", "joined")
        ]
        state = (*row_counts, len(list(self.register)), *(mark(self.connection, name) for name in marks))
        if state == self._last_state:
            return
        periods = version_periods(self.connection, self.register)
        comparisons = {}
        for versions in versions_of(self.register, periods):
            key = versions[0].key
            try:
                comparisons[key.environment, key.model] = tuple(self._compared(versions, periods))
            except Exception:  # an error of one model must not stop the others
                _log.exception("the versions of %s could not be compared", key.model)
                comparisons[key.environment, key.model] = self.of(key)
        self._comparisons, self._last_state = comparisons, state

    def of(self, key: ModelKey) -> tuple[SideBySide, ...]:
        """Return the comparisons of challengers with the champion, () for a model with one version."""
        return self._comparisons.get((key.environment, key.model), ())

    def _compared(self, versions: list[Series], periods: dict[int, VersionPeriod]) -> Iterator[SideBySide]:
        settings = self.register.settings(versions[0].key.model)
        source = StoredVersions(self.connection, versions, [periods[series.number] for series in versions])
        metric_names = settings.performance.settings
        # 20: maximum number of compared versions, the most recent ones
        return compare_versions(source, settings.versions.names, settings.timezone, metric_names, 20)


class StoredVersions:
    """The versions of a model in the store."""

    def __init__(self, connection: Connection, versions: Sequence[Series], periods: Sequence[VersionPeriod]) -> None:
        self._connection, self._versions, self.periods = connection, versions, periods
        self._outcomes, self._long_panes = StoredOutcomes(connection), LongPanes(connection, versions)

    def pane_edges(self, moments: I64) -> I64:
        """Return the moments, moved so that they cut no stored pane."""
        return self._long_panes.edges(moments.tolist())

    def side(self, version: int, start: int, stop: int) -> VersionInput:
        """Return the sums of a version in a period."""
        series = self._versions[version]
        stretch = [Window("", start, stop)] if start < stop else []
        panes = self._outcomes.panes(series, stretch, lambda _, part: part_width(part, None, series.task))
        within = Condition("series = ? AND fold = '' AND pane >= ? AND pane < ?", (series.number, start, stop))
        sums = read_sums(self._connection, within, wanted=_counts_rows)
        rows = read(self._connection, "SELECT fsum(value) FROM sums WHERE idx = 0", sums=sums).column(0)[0].as_py()
        pane = merge([*panes, read_calls(self._connection, series.number, start, stop)])
        return VersionInput(series.key.version, series.task, pane, round(rows or 0.0))

    def by_hour(self, version: int, edges: I64) -> Mapping[str, F64]:
        """Return the losses of a version between consecutive edges."""
        hours = [Window("", *interval) for interval in pairwise(edges.tolist())]
        return self._outcomes.hours(self._versions[version], hours, PARTS)

    def pairs(self, champion: int, challenger: int, start: int, stop: int) -> Pane:
        """Return the sums of requests that both versions scored, stored with the series of the smaller number."""
        numbers = self._versions[champion].number, self._versions[challenger].number
        first, second = sorted(numbers)
        fold = pair_fold(second)
        folds = read_window(self._connection, first, start, stop, lambda *_: 0, prefix=fold)
        pairs = folds.get(fold, Pane())
        return pairs if numbers[0] == first else swap_versions(pairs)
