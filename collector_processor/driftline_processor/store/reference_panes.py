"""Past panes over a baseline's bins as a reference: by period, by whole day, by season, and rolling.

A rolling reference is the model's own panes of the last 30 days, say. Panes stay five minutes for two weeks and hours
for a quarter, so a month has up to 5,000 stored rows per bin. Therefore whole past days are summed once and stored: a
month then reads thirty sums per bin. A day is summed again if one of its rows arrives late. Days are those of the
model's time zone, counted over one baseline's bins.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Protocol

import numpy as np
import pyarrow as pa
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.seasons import Seasons, seasons_of_panes
from driftline.baseline.sections.time_blocks import TimeGrid
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64
from driftline.tables.timestamps import HOUR, AnySeasonality, Seasonality
from msgspec import Struct

from driftline_processor.core.labels.delay import PART as DELAY
from driftline_processor.core.outcomes.coverage import DISTRIBUTED, MAPPED, count_missing_rows
from driftline_processor.core.reference.cold_start import grow_reference, reference_span
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.reference.rolling import Rolling, rolling_reference
from driftline_processor.core.reference.season import grid_of, season_borders
from driftline_processor.core.windows.window import PANE, Window

from .database import Connection, insert, number, read, transaction
from .pane_memory import PaneMemory
from .panes import KEEP_HOURS, part_width, performance_fold, read_sums
from .pruning import Condition
from .series import Series
from .slices import slices_between

MOST_STRETCHES = 16 << 20
"""Maximum bytes of cached periods. In its first days a reference of 20 features has about 100 of 50 kB each."""

_PLAIN = ("rows", "duration", DISTRIBUTED, MAPPED)
"""Parts of a pane that are read in addition to its bins."""

_NOTES = {DISTRIBUTED, MAPPED, "guessed", "unknown"}
"""Parts, or prefixes of parts, about how rows arrived, not about their values."""


class CountedPanes(Protocol):
    """The panes of a model over the bins of one baseline."""

    def starts(self, since: int, until: int) -> I64:
        """Return the starts of the panes between two times, ascending: int64 (n,)."""

    def panes(self, stretches: Sequence[tuple[int, int]]) -> list[Pane]:
        """Return one pane per period, as :func:`read_counted` does."""

    def longest(self, since: int, until: int, length: int) -> int | None:
        """Return the end of the last pane longer than ``length``, in nanoseconds; None without any."""


class StoredPast(Struct, frozen=True):
    """Panes over the bins of ``like``, read from the store."""

    connection: Connection
    series: Series
    like: Baseline

    def starts(self, since: int, until: int) -> I64:
        """Return the starts of the panes between two times, ascending: int64 (n,)."""
        return counted_panes(self.connection, self.series.number, self.like.fold, since, until)

    def panes(self, stretches: Sequence[tuple[int, int]]) -> list[Pane]:
        """Return one pane per period, as :func:`read_counted` does."""
        return read_counted(self.connection, self.series, self.like, stretches)

    def longest(self, since: int, until: int, length: int) -> int | None:
        """Return the end of the last pane longer than ``length``, in nanoseconds; None without any."""
        longer = (
            "SELECT max(pane + span) FROM panes WHERE series = ? AND fold = ? AND pane >= ? AND pane < ? AND span > ?"
        )
        return number(self.connection, longer, self.series.number, self.like.fold, since, until, length)


_Stretch = tuple[int, str, int, int]
"""Series, fold, start and end."""


class KeptStretches:
    """Cache of the periods of a growing reference, most of which it needs again. Not thread-safe.

    Args:
        most: Maximum bytes of sums; least recently used periods are dropped first.
    """

    def __init__(self, most: int = MOST_STRETCHES) -> None:
        self._most, self.bytes = most, 0
        self._kept: OrderedDict[_Stretch, Pane] = OrderedDict()

    def get(self, stretch: _Stretch) -> Pane | None:
        """Return a cached pane, which must not be changed; None if it is not cached."""
        if stretch in self._kept:
            self._kept.move_to_end(stretch)
        return self._kept.get(stretch)

    def put(self, stretch: _Stretch, pane: Pane) -> None:
        """Add a pane."""
        self._kept[stretch] = pane
        self.bytes += _bytes_of(pane)
        while self.bytes > self._most:
            self.bytes -= _bytes_of(self._kept.popitem(last=False)[1])

    def forget(self, series: int, starts: I64) -> None:
        """Drop the periods of a series that contain panes; ``starts``: of the panes, ascending."""
        for key in [key for key in self._kept if key[0] == series]:
            if np.searchsorted(starts, key[2]) < np.searchsorted(starts, key[3]):
                self.bytes -= _bytes_of(self._kept.pop(key))

    def clear(self) -> None:
        """Clear the cache."""
        self._kept.clear()
        self.bytes = 0


def _bytes_of(pane: Pane) -> int:
    # 200: bytes of overhead per part: an array and its dictionary entry
    return sum(sums.nbytes + 200 for sums in pane.parts.values())


class RememberedPast(Struct, frozen=True):
    """Panes over the bins of ``like``, read through the cache."""

    memory: PaneMemory
    kept: KeptStretches
    series: Series
    like: Baseline

    def starts(self, since: int, until: int) -> I64:
        """Return the starts of the panes between two times, ascending: int64 (n,)."""
        return self.memory.starts(self.series, self.like.fold, since, until)

    def panes(self, stretches: Sequence[tuple[int, int]]) -> list[Pane]:
        """Return one pane per period, as :func:`read_counted` does."""
        over = self.series.number, self.like.fold
        counts_by_stretch = {stretch: self.kept.get((*over, *stretch)) for stretch in stretches}
        lacking = [stretch for stretch, pane in counts_by_stretch.items() if pane is None]
        steps = [Window("", *stretch) for stretch in lacking]
        counted = self.memory.counted(self.series, self.like.fold, steps, lambda part: part in _PLAIN)
        for stretch, counts in zip(lacking, counted, strict=True):
            counts_by_stretch[stretch] = reference_pane = _without_notes(counts, self.like)
            self.kept.put((*over, *stretch), reference_pane)
        return [stretch_counts for stretch in stretches if (stretch_counts := counts_by_stretch[stretch]) is not None]

    def longest(self, since: int, until: int, length: int) -> int | None:
        """Return the end of the last pane longer than ``length``, in nanoseconds; None without any."""
        return self.memory.longest(self.series, self.like.fold, since, until, length)


def read_counted(
    connection: Connection,
    series: Series,
    like: Baseline,
    stretches: Sequence[tuple[int, int]],
    outcomes: bool = False,
) -> list[Pane]:
    """Return one pane per consecutive period ``[start, end)``; some are empty.

    Only counts over the bins of ``like``, by its ``fold``, with the rows and durations of the same panes.
    ``outcomes``: include their outcomes.
    """
    first, last = stretches[0][0], stretches[-1][1]
    over = (series.number, first, last, like.fold)
    performance = performance_fold(series.task)
    query = "SELECT DISTINCT pane FROM panes WHERE series = ? AND pane >= ? AND pane < ? AND fold = ?"
    counted = read(connection, query, *over).column("pane").to_numpy()
    # search here, because a join by inequality in DuckDB takes ten times as long as all the rest
    ends = np.array([end for _, end in stretches], np.int64)
    place = pa.table({"pane": counted, "stretch": np.searchsorted(ends, counted, side="right")})
    folds = (like.fold, performance, "") if outcomes else (like.fold, "")

    def wanted(fold: str, part: str) -> bool:
        # the delay of outcomes is not a property of the model
        return part in _PLAIN if not fold else fold == like.fold or part != DELAY

    condition = f"series = ? AND pane >= ? AND pane < ? AND fold IN ({', '.join('?' * len(folds))})"
    within = Condition(condition, (*over[:3], *folds))
    rows = read(
        connection,
        "SELECT stretch, fold, part, idx, fsum(value) AS value FROM sums JOIN place USING (pane)"
        " GROUP BY stretch, fold, part, idx ORDER BY stretch, part, fold",
        sums=read_sums(connection, within, wanted=wanted),
        place=place,
    )
    panes = [Pane() for _ in stretches]
    for stretch, fold, part, index, values in _runs(rows):
        like_fold = like if fold == like.fold else None
        sums = np.zeros(max(part_width(part, like_fold, series.task), int(index.max()) + 1))
        sums[index] = values
        panes[stretch].parts[part] = sums
    return [_without_notes(pane, like) for pane in panes]


def _without_notes(pane: Pane, like: Baseline) -> Pane:
    count_missing_rows(pane, like.bins)
    return Pane({name: sums for name, sums in pane.parts.items() if name.partition(":")[0] not in _NOTES})


def counted_panes(connection: Connection, series: int, fold: str, since: int, until: int) -> I64:
    """Return the starts of the panes between two times over the bins of a baseline, ascending."""
    query = "SELECT DISTINCT pane FROM panes WHERE series = ? AND fold = ? AND pane >= ? AND pane < ? ORDER BY pane"
    rows = read(connection, query, series, fold, since, until)
    return np.asarray(rows.column("pane").to_numpy(), dtype=np.int64)


def _runs(rows: pa.Table) -> list[tuple[int, str, str, I64, F64]]:
    """Return the entries of each part of each period: period, fold, part, positions and sums."""
    if not rows.num_rows:
        return []
    stretch, index, value = (rows.column(name).to_numpy() for name in ("stretch", "idx", "value"))
    fold, part = (rows.column(name).combine_chunks().dictionary_encode() for name in ("fold", "part"))
    over, code = fold.indices.to_numpy(), part.indices.to_numpy()
    folds, names = fold.dictionary.to_pylist(), part.dictionary.to_pylist()
    edges = [0, *(np.flatnonzero(np.diff(stretch) | np.diff(code) | np.diff(over)) + 1).tolist(), len(stretch)]
    return [
        (int(stretch[begin]), folds[over[begin]], names[code[begin]], index[begin:end], value[begin:end])
        for begin, end in pairwise(edges)
    ]


_Day = tuple[int, str, int, int]
"""Series, fold, start and end."""

_NOTHING = ""
"""The part that marks a day without rows."""


class DailyPanes:
    """Reads periods by whole days. Not thread-safe."""

    def __init__(self, connection: Connection) -> None:
        """Read which days are stored."""
        self._connection = connection
        day_rows = connection.execute("SELECT DISTINCT series, fold, day, stop FROM days").fetchall()
        self._kept: set[_Day] = set(day_rows)

    def forget(self, series: int, panes: Collection[int]) -> None:
        """Delete the days of a series that contain changed panes, by start."""
        starts = np.sort(np.fromiter(panes, np.int64, len(panes)))
        self._delete([day for day in self._kept if day[0] == series and _holds(day, starts)])

    def panes(self, series: Series, like: Baseline, stretches: Sequence[Window], closed: int) -> list[Pane]:
        """Return one pane per period, as :func:`read_counted` does, and store those of whole days.

        ``closed``: the time before which days have ended; later ones are not stored, because rows still arrive.
        """
        panes: dict[Window, Pane] = {}
        stretchs = [
            stretch for stretch in stretches if (series.number, like.fold, stretch.start, stretch.end) in self._kept
        ]
        if stretchs:
            panes |= self._read(series, like, stretchs)
        for run in _runs_of_days([stretch for stretch in stretches if stretch not in panes]):
            counted = read_counted(self._connection, series, like, [(stretch.start, stretch.end) for stretch in run])
            panes |= zip(run, counted, strict=True)
            oldest = stretches[-1].end - KEEP_HOURS  # older panes are days already
            self._keep(
                series,
                like,
                {stretch: panes[stretch] for stretch in run if oldest <= stretch.start and stretch.end <= closed},
            )
        return [panes[stretch] for stretch in stretches]

    def _read(self, series: Series, like: Baseline, days: Sequence[Window]) -> dict[Window, Pane]:
        rows = read(
            self._connection,
            "SELECT day, part, sums FROM days WHERE series = ? AND fold = ? AND day >= ? AND day < ?",
            *(series.number, like.fold, days[0].start, days[-1].end),
        )
        lists = rows.column("sums").combine_chunks()
        sums, ends = lists.values.to_numpy(), lists.offsets.to_pylist()
        panes = {day.start: Pane() for day in days}
        runs = zip(rows.column("day").to_pylist(), rows.column("part").to_pylist(), pairwise(ends), strict=True)
        for day, part, (first, last) in runs:
            if day in panes and part != _NOTHING:
                panes[day].parts[part] = sums[first:last]
        return {day: panes[day.start] for day in days}

    def _keep(self, series: Series, like: Baseline, days: dict[Window, Pane]) -> None:
        """Store days, and delete those whose panes are now days themselves."""
        if not days:
            return
        oldest = max(day.end for day in days) - KEEP_HOURS
        self._delete([day for day in self._kept if day[0] == series.number and day[2] < oldest])
        entries = [
            (day, *part) for day, pane in days.items() for part in (pane.parts or {_NOTHING: np.zeros(0)}).items()
        ]
        ends = np.cumsum([0, *(len(sums) for _, _, sums in entries)])
        lists = pa.ListArray.from_arrays(
            pa.array(ends.astype(np.int32)), pa.array(np.concatenate([sums for _, _, sums in entries]))
        )
        rows = {
            "series": pa.repeat(pa.scalar(series.number, pa.int32()), len(entries)),
            "fold": pa.repeat(pa.scalar(like.fold), len(entries)),
            "day": pa.array([day.start for day, _, _ in entries], pa.int64()),
            "stop": pa.array([day.end for day, _, _ in entries], pa.int64()),
            "part": pa.array([part for _, part, _ in entries], pa.string()),
            "sums": lists,
        }
        with transaction(self._connection):
            insert(self._connection, "days", pa.table(rows))
        self._kept.update((series.number, like.fold, day.start, day.end) for day in days)

    def _delete(self, days: Sequence[_Day]) -> None:
        for series, fold, start, _ in days:
            self._connection.execute(
                "DELETE FROM days WHERE series = ? AND fold = ? AND day = ?", [series, fold, start]
            )
        self._kept.difference_update(days)


def _holds(day: _Day, starts: I64) -> bool:
    return bool(np.searchsorted(starts, day[2]) < np.searchsorted(starts, day[3]))


def _runs_of_days(stretches: Sequence[Window]) -> Iterator[list[Window]]:
    """Yield runs of consecutive periods."""
    run: list[Window] = []
    for stretch in stretches:
        if run and run[-1].end != stretch.start:
            yield run
            run = []
        run.append(stretch)
    if run:
        yield run


_QUARTER = HOUR // 4


def season_mix(memory: PaneMemory, series: Series, window: Window, seasons: Seasons) -> F64:
    """Return the weight of a window's rows by season: float64 (seasons,).

    A rolled-up pane over several seasons is distributed like the reference.
    """
    seasonality = seasons.seasonality
    weights = memory.weights(
        series,
        window.start,
        window.end,
        seasonality.length,
        lambda time: seasonality.of(time) == seasonality.of(time + HOUR - PANE),
    )
    start, span, weight = (np.array(column) for column in zip(*weights, strict=True)) if weights else (np.zeros(0),) * 3
    short = span <= seasonality.length
    mix = np.bincount(seasonality.of(start[short].astype(np.int64)), weight[short], minlength=seasonality.count).astype(
        np.float64
    )
    for begin, length, rows in [weight_row for weight_row in weights if weight_row[1] > seasonality.length]:
        season = seasonality.of(np.arange(begin, begin + length, _QUARTER))
        share = np.bincount(season, seasons.rows[season, 1] + 1e-9, minlength=seasonality.count)
        mix += rows * share / share.sum()
    return mix


def add_seasons(
    past: CountedPanes, baseline: Baseline, since: int, until: int, seasonality: AnySeasonality
) -> Baseline:
    """Return a baseline of past panes, made from ``baseline``, with its seasons.

    Panes longer than a season are in none of them. If there are no shorter panes, ``baseline`` itself is returned.
    """
    clock = seasonality if isinstance(seasonality, Seasonality) else seasonality.clock
    since = max(since, past.longest(since, until, clock.length) or since)
    if since >= until:
        return baseline
    blocks = grid_of(baseline.extras.blocks)
    edges = season_borders(since, until, clock, blocks)
    panes = past.panes(list(pairwise(edges.tolist())))
    seasons = seasons_of_panes(seasonality, baseline.bins, blocks, edges[:-1], panes)
    return replace(baseline, extras=replace(baseline.extras, seasons=seasons))


MOST_BYTES = 64 << 20
"""Maximum bytes of references in memory: 0.2 MB per reference of 20 features, 50 % more with hourly seasons."""


def _size(reference: Reference) -> int:
    """Return the approximate bytes of the sums of a reference."""
    baseline = reference.baseline
    blocks, seasons = baseline.extras.blocks, baseline.extras.seasons
    counted = [*baseline.pane.parts.values()]
    counted += [] if blocks is None else [block.counts for block in blocks.by_part.values()]
    counted += (
        [] if seasons is None else [*seasons.by_part.values(), *(block.counts for block in seasons.blocks.values())]
    )
    return sum(sums.nbytes for sums in counted)


class RollingReferences:
    """Reads references and caches them until one of their panes changes. Not thread-safe."""

    def __init__(self, connection: Connection, memory: PaneMemory, share: float = 1.0) -> None:
        """Create an empty cache.

        Args:
            connection: Connection of the using thread.
            memory: Cache of recent panes.
            share: Fraction of the bytes of memory for references.
        """
        self._connection, self._days, self._memory = connection, DailyPanes(connection), memory
        self._stretches = KeptStretches(int(share * MOST_STRETCHES))
        self._most = int(share * MOST_BYTES)
        self._kept: dict[tuple[int, str, int, int], Reference] = {}
        self._sizes: dict[tuple[int, str, int, int], int] = {}

    def forget(self, series: int, panes: Collection[int]) -> None:
        """Drop the references and days of a series that contain changed panes, by start."""
        self._days.forget(series, panes)
        starts = np.sort(np.fromiter(panes, np.int64, len(panes)))
        self._stretches.forget(series, starts)
        for key in [key for key in self._kept if key[0] == series]:
            if np.searchsorted(starts, key[2]) < np.searchsorted(starts, key[3]):
                del self._kept[key], self._sizes[key]

    def clear(self) -> None:
        """Drop all references, but no days, after rows moved between slices, which days do not separate."""
        self._stretches.clear()
        self._kept.clear()
        self._sizes.clear()

    def compared(
        self,
        series: Series,
        baseline: Baseline,
        rolling: Rolling,
        window: Window,
        timezone: str,
        closed: int,
        seasonality: AnySeasonality | None = None,
    ) -> Reference:
        """Return the reference of a window; ``baseline``: the baseline whose bins were used.

        ``closed``: the time before which windows are closed. ``seasonality``: separate the reference by these seasons.
        """
        stretches = rolling.stretches(window, timezone)
        key = (series.number, baseline.digest, stretches[0].start, stretches[-1].end)
        reference = self._kept.pop(key, None)
        if reference is None:
            ends = (stretches[0].start, stretches[-1].end)
            panes = self._days.panes(series, baseline, stretches, closed)
            slices = partial(slices_between, self._connection, series, baseline, *ends)
            reference = rolling_reference(baseline, rolling, stretches, panes, slices)
            if seasonality is not None and reference.baseline is not baseline:
                past = StoredPast(self._connection, series, reference.baseline)
                seasons = add_seasons(past, reference.baseline, *ends, seasonality)
                reference = reference._replace(baseline=seasons)
        self._keep(key, reference)
        return reference

    def cold(
        self,
        series: Series,
        baseline: Baseline,
        window: Window,
        seasonality: AnySeasonality | None = None,
    ) -> Reference:
        """Return the reference of a window with a learned baseline: the baseline and the rows before the window."""
        ends = reference_span(baseline, window.start)
        if ends is None:
            return Reference(baseline)
        key = (series.number, baseline.digest, *ends)
        reference = self._kept.pop(key, None)
        if reference is None:
            reference = self._grown(series, baseline, *ends, seasonality)
        self._keep(key, reference)
        return reference

    def _grown(
        self,
        series: Series,
        baseline: Baseline,
        since: int,
        until: int,
        seasonality: AnySeasonality | None,
    ) -> Reference:
        past = RememberedPast(self._memory, self._stretches, series, baseline)
        starts = past.starts(since, until)
        stretches = TimeGrid.of(np.append(starts, since)) if len(starts) else None
        if stretches is None:
            return grow_reference(baseline, None, ())
        ends = [stretches.start + index * stretches.length for index in range(stretches.count + 1)]
        ends = [min(max(end, since), until) for end in ends]
        panes = past.panes(list(pairwise(ends)))
        reference = grow_reference(baseline, stretches, panes)
        if seasonality is not None and reference.baseline is not baseline:
            seasons = add_seasons(past, reference.baseline, since, until, seasonality)
            reference = reference._replace(baseline=seasons)
        return reference

    def _keep(self, key: tuple[int, str, int, int], reference: Reference) -> None:
        """Add a reference as the most recently used."""
        self._kept[key] = reference
        if key not in self._sizes:
            self._sizes[key] = _size(reference)
        while sum(self._sizes.values()) > self._most and len(self._kept) > 1:
            oldest = next(iter(self._kept))
            del self._kept[oldest], self._sizes[oldest]
