"""Past panes over a baseline's bins as a reference: by period, by whole day, by season, and rolling.

A rolling reference is the model's own panes of the last 30 days, say. Periods are summed from the panes in memory, and
kept until one of their panes changes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.seasons import Seasons, seasons_of_panes
from driftline.baseline.sections.time_blocks import TimeGrid
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64
from driftline.tables.timestamps import HOUR, AnySeasonality, Seasonality
from msgspec import Struct

from driftline_processor.core.outcomes.coverage import DISTRIBUTED, MAPPED, count_missing_rows
from driftline_processor.core.reference.cold_start import grow_reference, reference_span
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.reference.rolling import Ranges, ReferencePeriods, Rolling, rolling_reference
from driftline_processor.core.reference.season import grid_of, season_borders
from driftline_processor.core.windows.window import PANE, Window

from .database import Connection
from .pane_memory import PaneMemory
from .series import Series
from .slices import slices_between

MOST_STRETCHES = 16 << 20
"""Maximum bytes of cached periods. In its first days a reference of 20 features has about 100 of 50 kB each."""

PLAIN = ("rows", "duration", DISTRIBUTED, MAPPED)
"""Parts of a pane that are read in addition to its bins."""

_NOTES = {DISTRIBUTED, MAPPED, "guessed", "unknown"}
"""Parts, or prefixes of parts, about how rows arrived, not about their values."""


_Stretch = tuple[int, str, int, int]
"""Series, fold, start and end."""

_Place = tuple[int, str, Ranges, Ranges]
"""Series, digest of the baseline, and the ranges that are in a reference and that are left out."""


class KeptStretches:
    """Cache of the periods of a growing reference, most of which it needs again. Not thread-safe.

    Args:
        most: Maximum bytes of sums; least recently used periods are dropped first.
    """

    def __init__(self, most: int = MOST_STRETCHES) -> None:
        self._max_bytes, self.bytes = most, 0
        self._panes: OrderedDict[_Stretch, Pane] = OrderedDict()

    def get(self, stretch: _Stretch) -> Pane | None:
        """Return a cached pane, which must not be changed; None if it is not cached."""
        if stretch in self._panes:
            self._panes.move_to_end(stretch)
        return self._panes.get(stretch)

    def put(self, stretch: _Stretch, pane: Pane) -> None:
        """Add a pane."""
        self._panes[stretch] = pane
        self.bytes += _bytes_of(pane)
        while self.bytes > self._max_bytes:
            self.bytes -= _bytes_of(self._panes.popitem(last=False)[1])

    def forget(self, series: int, starts: I64) -> None:
        """Drop the periods of a series that contain panes; ``starts``: of the panes, ascending."""
        for key in [key for key in self._panes if key[0] == series]:
            if np.searchsorted(starts, key[2]) < np.searchsorted(starts, key[3]):
                self.bytes -= _bytes_of(self._panes.pop(key))

    def clear(self) -> None:
        """Clear the cache."""
        self._panes.clear()
        self.bytes = 0


def _bytes_of(pane: Pane) -> int:
    # 200: bytes of overhead per part: an array and its dictionary entry
    return sum(sums.nbytes + 200 for sums in pane.parts.values())


class RememberedPast(Struct, frozen=True):
    """Panes over the bins of ``baseline``, read through the cache."""

    memory: PaneMemory
    stretches: KeptStretches
    series: Series
    baseline: Baseline

    def starts(self, since: int, until: int) -> I64:
        """Return the starts of the panes between two times, ascending: int64 (n,)."""
        return self.memory.starts(self.series, self.baseline.fold, since, until)

    def panes(self, stretches: Sequence[tuple[int, int]]) -> list[Pane]:
        """Return one pane per period, with the rows and durations of the panes over the bins."""
        over = self.series.number, self.baseline.fold
        counts_by_stretch = {stretch: self.stretches.get((*over, *stretch)) for stretch in stretches}
        lacking = [stretch for stretch, pane in counts_by_stretch.items() if pane is None]
        steps = [Window("", *stretch) for stretch in lacking]
        counted = self.memory.counted(self.series, self.baseline.fold, steps, {"": PLAIN.__contains__})
        for stretch, counts in zip(lacking, counted, strict=True):
            counts_by_stretch[stretch] = reference_pane = without_notes(counts, self.baseline)
            self.stretches.put((*over, *stretch), reference_pane)
        return [stretch_counts for stretch in stretches if (stretch_counts := counts_by_stretch[stretch]) is not None]

    def longest(self, since: int, until: int, length: int) -> int | None:
        """Return the end of the last pane longer than ``length``, in nanoseconds; None without any."""
        return self.memory.longest(self.series, self.baseline.fold, since, until, length)


def without_notes(pane: Pane, like: Baseline) -> Pane:
    """Return a pane over the bins of a baseline without the parts about how its rows arrived."""
    count_missing_rows(pane, like.bins)
    return Pane({name: sums for name, sums in pane.parts.items() if name.partition(":")[0] not in _NOTES})


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


def add_seasons(past: RememberedPast, baseline: Baseline, ranges: Ranges, seasonality: AnySeasonality) -> Baseline:
    """Return a baseline of past panes, made from ``baseline``, with its seasons.

    Panes longer than a season are in none of them. If there are no shorter panes, ``baseline`` itself is returned.
    """
    clock = seasonality if isinstance(seasonality, Seasonality) else seasonality.clock
    short_from = past.longest(ranges[0][0], ranges[-1][1], clock.length) or ranges[0][0]
    ranges = tuple((max(start, short_from), end) for start, end in ranges if end > short_from)
    if not ranges:
        return baseline
    blocks = grid_of(baseline.extras.blocks)
    borders = [season_borders(start, end, clock, blocks) for start, end in ranges]
    panes = past.panes([piece for edges in borders for piece in pairwise(edges.tolist())])
    starts = np.concatenate([edges[:-1] for edges in borders])
    seasons = seasons_of_panes(seasonality, baseline.bins, blocks, starts, panes)
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
        self._connection, self._memory = connection, memory
        self._stretches = KeptStretches(int(share * MOST_STRETCHES))
        self._max_bytes = int(share * MOST_BYTES)
        self._references: dict[_Place, Reference] = {}
        self._sizes: dict[_Place, int] = {}

    def forget(self, series: int, panes: Collection[int]) -> None:
        """Drop the references of a series that contain changed panes, by start."""
        starts = np.sort(np.fromiter(panes, np.int64, len(panes)))
        self._stretches.forget(series, starts)
        for key in [key for key in self._references if key[0] == series]:
            if any(np.searchsorted(starts, first) < np.searchsorted(starts, end) for first, end in key[2]):
                del self._references[key], self._sizes[key]

    def clear(self) -> None:
        """Drop all references."""
        self._stretches.clear()
        self._references.clear()
        self._sizes.clear()

    def compared(
        self,
        series: Series,
        baseline: Baseline,
        rolling: Rolling,
        periods: ReferencePeriods,
        seasonality: AnySeasonality | None = None,
    ) -> Reference:
        """Return the reference of a window, from its periods; ``baseline``: the baseline whose bins were used.

        ``seasonality``: separate the reference by these seasons.
        """

        def read(past: RememberedPast) -> Reference:
            panes = past.panes([(stretch.start, stretch.end) for stretch in periods.stretches])
            slices = partial(slices_between, self._connection, series, baseline, periods.ranges)
            return rolling_reference(baseline, rolling, periods, panes, slices)

        return self._reference((series, baseline, periods.ranges, periods.left_out), seasonality, read)

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
        return self._reference((series, baseline, (ends,), ()), seasonality, lambda past: _grown(past, *ends))

    def _reference(
        self,
        place: tuple[Series, Baseline, Ranges, Ranges],
        seasonality: AnySeasonality | None,
        read: Callable[[RememberedPast], Reference],
    ) -> Reference:
        series, baseline, ranges, left_out = place
        key = (series.number, baseline.digest, ranges, left_out)
        reference = self._references.pop(key, None)
        if reference is None:
            past = RememberedPast(self._memory, self._stretches, series, baseline)
            reference = read(past)
            if seasonality is not None and reference.baseline is not baseline:
                seasons = add_seasons(past, reference.baseline, ranges, seasonality)
                reference = reference._replace(baseline=seasons)
        self._keep(key, reference)
        return reference

    def _keep(self, key: _Place, reference: Reference) -> None:
        """Add a reference as the most recently used."""
        self._references[key] = reference
        if key not in self._sizes:
            self._sizes[key] = _size(reference)
        while sum(self._sizes.values()) > self._max_bytes and len(self._references) > 1:
            oldest = next(iter(self._references))
            del self._references[oldest], self._sizes[oldest]


def _grown(past: RememberedPast, since: int, until: int) -> Reference:
    starts = past.starts(since, until)
    stretches = TimeGrid.of(np.append(starts, since)) if len(starts) else None
    if stretches is None:
        return grow_reference(past.baseline, None, ())
    ends = [stretches.start + index * stretches.length for index in range(stretches.count + 1)]
    ends = [min(max(end, since), until) for end in ends]
    return grow_reference(past.baseline, stretches, past.panes(list(pairwise(ends))))
