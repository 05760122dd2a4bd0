"""Cache of stored panes: five minutes, hours and days, summed up per window.

Panes are read from DuckDB on demand and cached until they change. A period is the sum of whole days, whole hours and
single panes. An hour is summed from its panes and a day from its hours, always in order of time, so that equal panes
give bitwise equal sums. Sums are stored sparsely: a histogram of 4,098 positions over 100 rows has 90 entries.

One limit of bytes applies to all series together; least recently used entries are dropped first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from driftline.baseline.baseline import Baseline
from driftline.panes.pane import Pane
from driftline.panes.sparse_sums import Sparse
from driftline.tables.table import F64, I64
from driftline.tables.task import Task
from msgspec import Struct, field
from numpy.typing import NDArray

from driftline_processor.core.performance.window_outcomes import BlockSums
from driftline_processor.core.windows.window import DAY, HOUR, PANE, Window

from .database import Connection, read
from .pane_rows import COLUMNS, StoredPanes
from .panes import ALL_PANES, OUTCOMES, order_by_code, part_width
from .series import Series

MOST_BYTES = 96 << 20
"""Maximum bytes of sums of all series, of rows and of outcomes.

A model of 20 features needs 0.2 MB per hour of panes, 0.04 MB per summed hour and 0.06 MB per summed day: the
newest five hours of 70 models fit, with a day of hours and a week of days.
"""

TOGETHER = 6 * HOUR
"""Minimum nanoseconds per read, because a backlog next needs a neighbouring hour and a query has 3 ms of overhead."""

MOST_AT_ONCE = 4_096
"""Maximum number of changed panes that one query reloads; beyond that their hours are dropped and read on demand."""

RECENT = 3 * HOUR
"""Age of an hour, before the newest one of its series, from which its panes are dropped before all other sums.

Its sum is a tenth of them and replaces them, while recent hours change with each row. Else outcomes of weeks would drop
each hour shortly before it is needed again.
"""

ALL_FOLDS = "true"
OUTCOMES_AND_COUNTS = f"(fold = '' OR starts_with(fold, '{OUTCOMES}'))"
WITHOUT_OUTCOMES = f"NOT starts_with(fold, '{OUTCOMES}')"
"""SQL conditions on the folds of a :class:`PaneMemory`."""

_OF_A_UNIT = 1_000
"""Bytes of overhead per unit: objects and headers of arrays."""

_PANES, _HOURS, _DAYS = range(3)
"""Cache levels, by the start of an hour or a day: panes, sums of panes, and sums of hours."""

_BETWEEN = "|"
"""Separator between the fold of all rows and the name of a slice."""


class Entries(NamedTuple):
    """The nonzero sums of one fold.

    Attributes:
        place: int32 (n,), position in the fold's vector.
        value: float64 (n,).
        added: True if positions are unique and sorted; stored ones may repeat.
    """

    place: NDArray[np.int32]
    value: F64
    added: bool = False


class Unit(Struct, frozen=True, eq=False):
    """The sums of a pane, an hour or a day.

    Attributes:
        of: Number of a fold → its sums.
        panes_by_fold: Number of a fold → bit mask of its panes from the start of the unit.
        span: Nanoseconds of the longest stored pane in it.
    """

    of: dict[int, Entries]
    panes_by_fold: dict[int, int]
    span: int

    @property
    def size(self) -> int:
        """Return its approximate size in bytes."""
        # 12: bytes of a position and its sum
        return _OF_A_UNIT + 12 * sum(len(entries.place) for entries in self.of.values())


NOTHING = Unit({}, {}, 0)
"""A unit without rows."""

_NONE = Entries(np.zeros(0, np.int32), np.zeros(0), True)


class Layout:
    """Positions of the parts of one fold in its vector."""

    def __init__(self, name: str, is_known: bool) -> None:
        """Create a layout without parts; ``is_known``: True if the baseline of the fold is known."""
        self.name, self.known, self.total = name, is_known, 0
        self.places: dict[str, slice] = {}
        self._sorted: tuple[list[tuple[str, int, slice]], NDArray[np.int32]] | None = None

    def add(self, part: str, width: int) -> None:
        """Assign positions to a part."""
        self.places[part] = slice(self.total, self.total + width)
        self.total += width
        self._sorted = None

    def _parts(self) -> tuple[list[tuple[str, int, slice]], NDArray[np.int32]]:
        """Return the parts by name with number and position, and the number of the part at each position.

        Computed on use: a fold has thousands of parts, and each block adds a few.
        """
        if self._sorted is None:
            named = sorted((name, index, place) for index, (name, place) in enumerate(self.places.items()))
            widths = [place.stop - place.start for place in self.places.values()]
            self._sorted = named, np.repeat(np.arange(len(widths), dtype=np.int32), widths)
        return self._sorted

    def entries(self, entrieses: Sequence[Entries]) -> Entries:
        """Return the sum of entries, with unique sorted positions."""
        if len(entrieses) == 1 and entrieses[0].added:
            return entrieses[0]
        _, sums = self._sums(entrieses)
        place = np.flatnonzero(sums)
        return Entries(place.astype(np.int32), sums[place], True)

    def pane(self, entrieses: Sequence[Entries]) -> Pane:
        """Return the sum of entries by part, without empty parts."""
        place, sums = self._sums(entrieses)
        named, part_at = self._parts()
        has_values = np.zeros(len(named), np.bool_)
        has_values[part_at[place]] = True
        is_present = has_values.tolist()
        return Pane({part: sums[where] for part, index, where in named if is_present[index]})

    def parts(self, steps: Sequence[Entries]) -> dict[str, Sparse]:
        """Return the sums of steps by part, with unique positions per step."""
        group = np.repeat(np.arange(len(steps)), [len(step.place) for step in steps])
        place, value = np.concatenate([step.place for step in steps]), np.concatenate([step.value for step in steps])
        named, part_at = self._parts()
        part = part_at[place].astype(np.int64)
        order, ends = order_by_code(part, len(named))
        sums_by_part = {}
        for name, position, where in named:
            selected_rows = order[ends[position] : ends[position + 1]]
            if len(selected_rows):
                index = place[selected_rows].astype(np.int64) - where.start
                sums_by_part[name] = Sparse(where.stop - where.start, group[selected_rows], index, value[selected_rows])
        return sums_by_part

    def _sums(self, entrieses: Sequence[Entries]) -> tuple[NDArray[np.int32], F64]:
        """Return the nonzero positions and the fold's vector."""
        place, value = entrieses[0][:2]
        if len(entrieses) > 1:
            place = np.concatenate([entries.place for entries in entrieses])
            value = np.concatenate([entries.value for entries in entrieses])
        return place, np.bincount(place, value, self.total).astype(np.float64, copy=False)


class SeriesMemory(Struct, eq=False):
    """The cache of one series.

    Attributes:
        task: Task from which the widths of parts were derived.
        panes: Start of an hour → its panes by start.
        hours: Start of an hour → its sum.
        days: Start of a day → its sum.
        layouts: One per fold.
        newest: Start of the newest hour that was read.
    """

    task: Task
    panes: dict[int, dict[int, Unit]] = field(default_factory=dict)
    hours: dict[int, Unit] = field(default_factory=dict)
    days: dict[int, Unit] = field(default_factory=dict)
    layouts: list[Layout] = field(default_factory=list)
    newest: int = 0
    _numbers: dict[str, int] = field(default_factory=dict)

    def add_fold(self, layout: Layout) -> int:
        """Assign a number to a fold and return it."""
        self._numbers[layout.name] = len(self.layouts)
        self.layouts.append(layout)
        return self._numbers[layout.name]

    def fold(self, name: str) -> int | None:
        """Return the number of a fold; None if nothing of it was read."""
        return self._numbers.get(name)

    def weight(self, unit: Unit) -> float:
        """Return the weight of a unit's rows."""
        fold_number = self.fold("")
        if fold_number is None or fold_number not in unit.of or "rows" not in self.layouts[fold_number].places:
            return 0.0
        entries = unit.of[fold_number]
        return float(entries.value[entries.place == self.layouts[fold_number].places["rows"].start + 1].sum())

    def share(self, unit: Unit, over: str) -> float:
        """Return the fraction of a unit's panes with rows that have sums of a fold."""
        plain, sliced_bits = (
            unit.panes_by_fold.get(self._numbers.get("", -1), 0),
            unit.panes_by_fold.get(self._numbers.get(over, -1), 0),
        )
        return (
            (plain & sliced_bits).bit_count() / plain.bit_count() if plain & sliced_bits else float(bool(sliced_bits))
        )

    def level(self, kind: int) -> dict[int, dict[int, Unit]] | dict[int, Unit]:
        """Return the cached panes, hours or days."""
        return (self.panes, self.hours, self.days)[kind]


def _bits(mask: int) -> I64:
    """Return the positions of the set bits, ascending."""
    octets = np.frombuffer(mask.to_bytes(-(-mask.bit_length() // 8), "little"), np.uint8)
    return np.flatnonzero(np.unpackbits(octets, bitorder="little"))


class _WiderError(Exception):
    """A part is wider than its positions, so that the layout must be rebuilt."""


class PaneMemory:
    """Reads panes through a cache. Not thread-safe."""

    def __init__(
        self,
        connection: Connection,
        by_fold: Callable[[str], Baseline | None],
        table: str = ALL_PANES,
        max_bytes: int = MOST_BYTES,
        folds: str = ALL_FOLDS,
    ) -> None:
        """Create an empty cache.

        Args:
            connection: Connection to the store.
            by_fold: Returns the baseline of a fold, which defines the widths of parts.
            table: The table of panes: all rows or slices.
            max_bytes: Maximum bytes in memory.
            folds: SQL condition on the folds that are read.
        """
        self._connection, self._by_fold, self._table, self._max_bytes = connection, by_fold, table, max_bytes
        self._folds = folds
        self._series: dict[int, SeriesMemory] = {}
        self._first_units: dict[tuple[int, str, str], int] = {}
        self._used: OrderedDict[tuple[int, int, int], int] = OrderedDict()
        self._stale: dict[int, set[int]] = {}
        self.bytes = 0
        """Approximate bytes in memory."""

    def layouts(self, series: Series) -> Sequence[Layout]:
        """Return the layouts of all folds that were read."""
        return self._memory(series).layouts

    def clear(self) -> None:
        """Clear the cache, after changes in the store that do not name their panes."""
        for series in list(self._series):
            self._forget_series(series)

    def forget(self, series: int, panes: Collection[int], reach: int = PANE) -> None:
        """Drop changed panes of a series, by start; they are read again on demand.

        ``reach``: maximum length of panes that contain a changed one, in nanoseconds; they may begin earlier.
        """
        memory = self._series.get(series)
        if memory is None:
            return
        for pane in {pane - offset for pane in panes for offset in range(0, reach, PANE)}:
            hour = pane - pane % HOUR
            self._drop(series, _DAYS, pane - pane % DAY)
            self._drop(series, _HOURS, hour)
            if hour in memory.panes:
                self._stale.setdefault(series, set()).add(pane)

    def forget_before(self, series: int, time: int) -> None:
        """Drop everything before a time, unix nanoseconds, which may be rolled up or deleted by now."""
        memory = self._series.get(series)
        if memory is None:
            return
        for level in (_PANES, _HOURS, _DAYS):
            for start in [start for start in memory.level(level) if start < time]:
                self._drop(series, level, start)

    def window(self, series: Series, start: int, end: int, is_needed: Callable[[str], bool]) -> dict[str, Pane]:
        """Sum the panes of a period: fold → Pane, for the folds that are ``is_needed``."""
        [panes] = self.steps(series, [Window("", start, end)], is_needed)
        return panes

    def steps(self, series: Series, steps: Sequence[Window], is_needed: Callable[[str], bool]) -> list[dict[str, Pane]]:
        """Sum the panes of each step: fold → Pane, for the folds that are ``is_needed``."""
        panes_by_step = [dict[str, Pane]() for _ in steps]
        for layout, of_each in self._entries_by_fold(series, steps, is_needed):
            for step_panes, entries in zip(panes_by_step, of_each, strict=True):
                if entries:
                    step_panes[layout.name] = layout.pane(entries)
        return panes_by_step

    def blocks(self, series: Series, steps: Sequence[Window], is_needed: Callable[[str], bool]) -> dict[str, BlockSums]:
        """Sum the panes of each step, without zeros: fold → its sums by step."""
        blocks_by_part = {}
        for layout, of_each in self._entries_by_fold(series, steps, is_needed):
            sums = [layout.entries(entries) if entries else _NONE for entries in of_each]
            if any(len(entries.place) for entries in sums):
                blocks_by_part[layout.name] = BlockSums(len(steps), layout.parts(sums))
        return blocks_by_part

    def counted(
        self, series: Series, over: str, steps: Sequence[Window], parts: Mapping[str, Callable[[str], bool]]
    ) -> list[Pane]:
        """Sum the panes of each step that have sums of a fold.

        Args:
            series: The series.
            over: The fold; its parts are summed.
            steps: Periods.
            parts: Other folds, and which of their parts are summed too.
        """
        units, panes = self._counted(series, over, steps), []
        memory = self._series[series.number]
        for step_units in units:
            pane = Pane()
            for name, is_needed in {over: lambda _: True, **parts}.items():
                fold = memory.fold(name)
                entries = [unit.of[fold] for _, unit in step_units if fold is not None and fold in unit.of]
                if fold is not None and entries:
                    sums = memory.layouts[fold].pane(entries).parts
                    pane.parts |= {part: value for part, value in sums.items() if is_needed(part)}
            panes.append(pane)
        return panes

    def starts(self, series: Series, over: str, start: int, end: int) -> I64:
        """Return the starts of the panes of a period that have sums of a fold, ascending: int64 (n,)."""
        [units] = self._counted(series, over, [Window("", start, end)])
        fold = self._series[series.number].fold(over)
        unit_starts = [start + _bits(unit.panes_by_fold[fold]) * PANE for start, unit in units if fold is not None]
        return np.concatenate([np.zeros(0, np.int64), *unit_starts])

    def _counted(self, series: Series, over: str, steps: Sequence[Window]) -> list[list[tuple[int, Unit]]]:
        """Return per step the starts and units of panes that have sums of a fold."""
        while True:
            try:
                self._memory(series)
                self._refresh()
                units = [list(self._pieces(series.number, step.start, step.end, over)) for step in steps]
            except _WiderError:
                continue
            self._trim()
            return units

    def longest(self, series: Series, over: str, start: int, end: int, length: int) -> int | None:
        """Return the end of the last pane of a fold that is longer than ``length`` and starts in a period."""
        while True:
            try:
                memory, last = self._memory(series), None
                self._refresh()
                for hour in range(start - start % HOUR, end, HOUR):
                    if self._hour(series.number, hour, end).span > length:
                        fold = memory.fold(over)
                        for unit_start, unit in sorted(self._panes(series.number, hour, end).items()):
                            if unit.span > length and fold in unit.of and start <= unit_start < end:
                                last = max(last or 0, unit_start + unit.span)
            except _WiderError:
                continue
            return last

    def weights(
        self, series: Series, start: int, end: int, longest: int, is_whole: Callable[[I64], NDArray[np.bool_]]
    ) -> list[tuple[int, int, float]]:
        """Return the weight of rows over time: start, nanoseconds of the longest pane, and weight.

        Args:
            series: The series.
            start: Start of the period, unix nanoseconds.
            end: End of the period.
            longest: Nanoseconds; an hour with a longer pane is returned pane by pane.
            is_whole: Returns True for the start of an hour that may be returned as one.
        """
        hours = np.arange(start - start % HOUR, end, HOUR)
        at_once = is_whole(hours) & (hours >= start) & (hours + HOUR <= end)
        while True:
            try:
                memory, pane_weights = self._memory(series), []
                self._refresh()
                for hour, is_together in zip(hours.tolist(), at_once.tolist(), strict=True):
                    unit = self._hour(series.number, hour, end)
                    if is_together and unit.span <= longest:
                        pane_weights.append((hour, unit.span, memory.weight(unit)))
                        continue
                    panes = sorted(self._panes(series.number, hour, end).items())
                    pane_weights += [
                        (pane_start, row.span, memory.weight(row))
                        for pane_start, row in panes
                        if start <= pane_start < end
                    ]
            except _WiderError:
                continue
            self._trim()
            return [row for row in pane_weights if row[2]]

    def _entries_by_fold(
        self, series: Series, steps: Sequence[Window], is_needed: Callable[[str], bool]
    ) -> list[tuple[Layout, list[list[Entries]]]]:
        """Return the entries of each step, fold by fold."""
        while True:
            try:
                memory = self._memory(series)
                self._refresh()
                units = [self._units(series.number, step.start, step.end) for step in steps]
            except _WiderError:
                continue
            return [
                (layout, [[unit.of[index] for unit in step_units if index in unit.of] for step_units in units])
                for index, layout in enumerate(memory.layouts)
                if is_needed(layout.name)
            ]

    def _memory(self, series: Series) -> SeriesMemory:
        """Return the cache of a series; a new one if widths may have changed."""
        memory = self._series.get(series.number)
        if memory is not None and (
            memory.task != series.task
            or any(not layout.known and self._baseline(layout.name) is not None for layout in memory.layouts)
        ):
            self._forget_series(series.number)
            memory = None
        if memory is None:
            memory = self._series[series.number] = SeriesMemory(series.task)
        return memory

    def _baseline(self, fold: str) -> Baseline | None:
        return self._by_fold(fold.partition(_BETWEEN)[0])

    def _units(self, series: int, start: int, end: int) -> list[Unit]:
        """Return the days, hours and panes with rows that make up a period, in order of time."""
        units = []
        for _, unit in self._pieces(series, start, end):
            units.append(unit)
            self._trim()
        self._trim()
        return units

    def _pieces(self, series: int, start: int, end: int, over: str | None = None) -> Iterator[tuple[int, Unit]]:
        """Yield units with rows and their starts, in order; ``over``: only panes that have sums of a fold.

        An hour is split into panes if some of its panes have no sums of the fold.
        """
        time, memory = start, self._series[series]
        while time < end:
            for length, unit_of in ((DAY, self._day), (HOUR, self._hour)):
                if time % length or time + length > end:
                    continue
                unit = unit_of(series, time, end)
                share = 1.0 if over is None else memory.share(unit, over)
                if share in (0, 1):
                    if share and unit.of:
                        yield time, unit
                    time += length
                    break
            else:
                hour = time - time % HOUR
                until = min(hour + HOUR, end)
                for pane, unit in sorted(self._panes(series, hour, end).items()):
                    if time <= pane < until and (over is None or memory.share(unit, over)):
                        yield pane, unit
                time = until

    def _day(self, series: int, day: int, _until: int) -> Unit:
        day_units = self._series[series].days.get(day)
        if day_units is None:
            hours = [(hour, self._hour(series, hour, day + DAY)) for hour in range(day, day + DAY, HOUR)]
            day_units = self._series[series].days[day] = self._sum(series, hours, day)
            self._keep(series, _DAYS, day, day_units.size)
        else:
            self._used.move_to_end((series, _DAYS, day))
        return day_units

    def _hour(self, series: int, hour: int, until: int) -> Unit:
        hour_units = self._series[series].hours.get(hour)
        if hour_units is None:
            panes = sorted(self._panes(series, hour, until).items())
            hour_units = self._series[series].hours[hour] = self._sum(series, panes, hour)
            self._keep(series, _HOURS, hour, hour_units.size)
            if hour + RECENT <= self._series[series].newest:
                self._used.move_to_end((series, _PANES, hour), last=False)
        else:
            self._used.move_to_end((series, _HOURS, hour))
        return hour_units

    def _panes(self, series: int, hour: int, until: int) -> dict[int, Unit]:
        """Return the panes of an hour by start; ``until``: the end of the requested period."""
        if hour not in self._series[series].panes:
            start = hour - hour % TOGETHER
            self._load(series, start, max(start + TOGETHER, min(until, hour + DAY)))
        self._used.move_to_end((series, _PANES, hour))
        return self._series[series].panes[hour]

    def _sum(self, series: int, units: Sequence[tuple[int, Unit]], start: int) -> Unit:
        """Return the sum of units and their starts as one unit that begins at ``start``."""
        present_units = [(start, unit) for start, unit in units if unit.of]
        if not present_units:
            return NOTHING
        entries_by_layout, bits_by_fold = dict[int, Entries](), dict[int, int]()
        for index, layout in enumerate(self._series[series].layouts):
            if entries := [unit.of[index] for _, unit in present_units if index in unit.of]:
                entries_by_layout[index] = layout.entries(entries)
        for unit_start, unit in present_units:
            for index, bits in unit.panes_by_fold.items():
                bits_by_fold[index] = bits_by_fold.get(index, 0) | bits << (unit_start - start) // PANE
        return Unit(entries_by_layout, bits_by_fold, max(unit.span for _, unit in present_units))

    def _load(self, series: int, start: int, end: int) -> None:
        """Read the hours from ``start`` to ``end`` that are not in memory."""
        memory = self._series[series]
        condition = f"WHERE series = ? AND pane >= ? AND pane < ? AND {self._folds}"
        rows = read(
            self._connection, f"SELECT {COLUMNS} FROM {self._table} {condition}", series, start, -(-end // HOUR) * HOUR
        )
        units = self._units_of(series, StoredPanes.of(rows))
        for hour in range(start, end, HOUR):
            if hour not in memory.panes:
                panes = {pane: units[pane] for pane in range(hour, hour + HOUR, PANE) if pane in units}
                memory.panes[hour] = panes
                memory.newest = max(memory.newest, hour)
                self._keep(series, _PANES, hour, sum(unit.size for unit in panes.values()))

    def _refresh(self) -> None:
        """Read changed panes of all series again, with one query."""
        if not self._stale:
            return
        stale = [
            (series, pane)
            for series, panes in self._stale.items()
            for pane in sorted(panes)
            if pane - pane % HOUR in self._series[series].panes
        ]
        if len(stale) > MOST_AT_ONCE:
            for series, pane in stale:
                self._drop(series, _PANES, pane - pane % HOUR)
        elif stale:
            series_numbers, panes = (np.array(column, np.int64) for column in zip(*stale, strict=True))
            rows = read(
                self._connection,
                f"SELECT {COLUMNS} FROM {self._table} JOIN touched USING (series, pane)"
                f" WHERE pane >= ? AND pane <= ? AND {self._folds}",
                *(int(panes.min()), int(panes.max())),
                touched=pa.table({"series": series_numbers.astype(np.int32), "pane": panes}),
            )
            stored_panes = StoredPanes.of(rows)
            for series in dict.fromkeys(series_numbers.tolist()):
                series_panes = stored_panes.subset(np.flatnonzero(stored_panes.series == series))
                self._replace(series, panes[series_numbers == series].tolist(), self._units_of(series, series_panes))
        self._stale.clear()

    def _replace(self, series: int, panes: Iterable[int], units_by_pane: dict[int, Unit]) -> None:
        for pane in panes:
            hour = pane - pane % HOUR
            units = self._series[series].panes[hour]
            units.pop(pane, None)
            if pane in units_by_pane:
                units[pane] = units_by_pane[pane]
            self._keep(series, _PANES, hour, sum(unit.size for unit in units.values()))

    def _units_of(self, series: int, rows: StoredPanes) -> dict[int, Unit]:
        """Return panes by start from stored rows of one series."""
        if not len(rows):
            return {}
        memory = self._series[series]
        of_names = [self._fold_and_places(series, fold, parts) for fold, parts in rows.names]
        runs = rows.runs([parts for _, parts in of_names])
        start, width = (np.repeat(column, rows.counts) for column in runs.T)
        if (wider := rows.index >= width).any():
            self._widen(series, rows, wider)
        place = (start + rows.index).astype(np.int32)
        fold = np.array([fold_index for fold_index, _ in of_names])[rows.name_index]
        pieces: dict[int, dict[int, list[Entries]]] = {}
        spans: dict[int, int] = {}
        edges, panes = rows.edges.tolist(), zip(rows.pane.tolist(), fold.tolist(), rows.span.tolist(), strict=True)
        for row, (pane, fold_index, span) in enumerate(panes):
            begin, end = edges[row], edges[row + 1]
            part_names = Entries(place[begin:end].copy(), rows.value[begin:end].copy())
            pieces.setdefault(pane, {}).setdefault(fold_index, []).append(part_names)
            spans[pane] = max(span, spans.get(pane, 0))
        units = {}
        for pane, folds in pieces.items():
            entries_by_layout = {}
            for fold_index, fold_entries in sorted(folds.items()):
                entries = fold_entries[0] if len(fold_entries) == 1 else _together(fold_entries)
                # 4_096: entries of one pane and fold above which equal positions are added up, because a pane may be
                # written every second
                entries_by_layout[fold_index] = (
                    memory.layouts[fold_index].entries([entries]) if len(entries.place) > 4_096 else entries
                )
            units[pane] = Unit(entries_by_layout, dict.fromkeys(entries_by_layout, 1), spans[pane])
        return units

    def _fold_and_places(self, series: int, fold: str, parts: Sequence[str]) -> tuple[int, I64]:
        """Return the number of a fold, and position and width of its parts: int64 (parts, 2).

        New parts get their positions.
        """
        memory = self._series[series]
        fold_number = memory.fold(fold)
        baseline = self._baseline(fold)
        if fold_number is None:
            fold_number = memory.add_fold(Layout(fold, baseline is not None))
        layout = memory.layouts[fold_number]
        for part in parts:
            if part not in layout.places:
                width = max(part_width(part, baseline, memory.task), self._first_units.get((series, fold, part), 1))
                layout.add(part, width)
        places = [layout.places[part] for part in parts]
        return fold_number, np.array([(place.start, place.stop - place.start) for place in places], np.int64).reshape(
            -1, 2
        )

    def _widen(self, series: int, rows: StoredPanes, wider: NDArray[np.bool_]) -> None:
        """Note the widths of parts that have outgrown their positions, and drop the series."""
        stored_rows = rows.table().filter(pa.array(wider))
        names = (stored_rows.column(name).to_pylist() for name in ("fold", "part", "idx"))
        for fold, part, index in zip(*names, strict=True):
            key = (series, fold, part)
            self._first_units[key] = max(index + 1, self._first_units.get(key, 0))
        self._forget_series(series)
        raise _WiderError

    def _keep(self, series: int, level: int, start: int, size: int) -> None:
        """Count the size of a cached entry and mark it as most recently used."""
        key = (series, level, start)
        self.bytes += size + _OF_A_UNIT - self._used.pop(key, 0)
        self._used[key] = size + _OF_A_UNIT

    def _trim(self) -> None:
        """Drop least recently used entries until the rest fits."""
        while self.bytes > self._max_bytes and self._used:
            self._drop(*next(iter(self._used)))

    def _drop(self, series: int, level: int, start: int) -> None:
        size = self._used.pop((series, level, start), None)
        if size is not None:
            self.bytes -= size
            del self._series[series].level(level)[start]

    def _forget_series(self, series: int) -> None:
        memory = self._series.pop(series)
        for level in (_PANES, _HOURS, _DAYS):
            for start in memory.level(level):
                self.bytes -= self._used.pop((series, level, start))
        self._stale.pop(series, None)


def _together(entrieses: Sequence[Entries]) -> Entries:
    return Entries(
        np.concatenate([entries.place for entries in entrieses]),
        np.concatenate([entries.value for entries in entrieses]),
    )
