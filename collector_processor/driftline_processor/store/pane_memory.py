"""Panes of the store in memory: five minutes, hours and days as sums that are added up when a window asks.

DuckDB stays the truth. What a question needs is read once, as it is stored, and kept until its panes are touched. A
stretch of time is the sum of whole days, whole hours and single panes, by the start of each pane as in the store. An
hour is summed from its panes and a day from its hours, always in the order of time, so that equal panes give equal
sums to the last bit. Sums without their zeros are kept: a histogram of 4,098 places of 100 rows has 90.

One limit of bytes holds for all series together; what was asked for least recently goes first, and is read again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
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
from .panes import PANES, order_by_code, part_width
from .series import Series

MOST_BYTES = 96 << 20
"""Bytes of sums of all series. A model of 20 features takes 0.2 MB an hour of panes, 0.04 MB an hour and 0.06 MB a day
that is summed: the newest five hours of 70 models, with a day of hours and a week of days, fit."""

TOGETHER = 6 * HOUR
"""Nanoseconds that are read at least, around what is lacking: a backlog asks for the hour before or after next, and a
query costs 3 ms before its first row."""

MOST_AT_ONCE = 4_096
"""Touched panes that are read again with one query; of more, their hours are forgotten and read when asked for."""

_OF_A_UNIT = 1_000
"""Bytes of a unit beside its sums: objects, and the headers of arrays."""

_PANES, _HOURS, _DAYS = range(3)
"""What is kept by the start of an hour, or of a day: its panes, their sum, or that of the hours."""

_BETWEEN = "|"
"""What stands between the fold of all rows and the name of a slice."""


class Entries(NamedTuple):
    """The sums of one fold without zeros.

    Attributes:
        place: int32 (n,), where in the fold's vector.
        value: float64 (n,).
        added: True where each place is there once, in order; as stored one may be there several times.
    """

    place: NDArray[np.int32]
    value: F64
    added: bool = False


class Unit(Struct, frozen=True, eq=False):
    """The sums of a pane, an hour or a day.

    Attributes:
        of: Number of a fold → its sums.
        held: Number of a fold → its panes, one bit each from the start of the unit on.
        span: Nanoseconds of the longest stored pane in it.
    """

    of: dict[int, Entries]
    held: dict[int, int]
    span: int

    @property
    def size(self) -> int:
        """Return about how many bytes it takes."""
        # 12: bytes of a place and its sum
        return _OF_A_UNIT + 12 * sum(len(entries.place) for entries in self.of.values())


NOTHING = Unit({}, {}, 0)
"""A unit without rows."""

_NONE = Entries(np.zeros(0, np.int32), np.zeros(0), True)


class Layout:
    """Where the parts of one fold are in its vector."""

    def __init__(self, name: str, is_known: bool) -> None:
        """Begin without parts; ``is_known``: whether the baseline of the fold is."""
        self.name, self.known, self.total = name, is_known, 0
        self.places: dict[str, slice] = {}
        self._sorted: tuple[list[tuple[str, int, slice]], NDArray[np.int32]] | None = None

    def add(self, part: str, width: int) -> None:
        """Give a part its place."""
        self.places[part] = slice(self.total, self.total + width)
        self.total += width
        self._sorted = None

    def _parts(self) -> tuple[list[tuple[str, int, slice]], NDArray[np.int32]]:
        """Return the parts by name, each with its number and place, and the number of the part at each place.

        They are worked out when they are used: a fold has thousands of parts, of which a few more come with each block.
        """
        if self._sorted is None:
            named = sorted((name, index, place) for index, (name, place) in enumerate(self.places.items()))
            widths = [place.stop - place.start for place in self.places.values()]
            self._sorted = named, np.repeat(np.arange(len(widths), dtype=np.int32), widths)
        return self._sorted

    def entries(self, entrieses: Sequence[Entries]) -> Entries:
        """Return the sum of entries, each place once and in order."""
        if len(entrieses) == 1 and entrieses[0].added:
            return entrieses[0]
        _, sums = self._sums(entrieses)
        place = np.flatnonzero(sums)
        return Entries(place.astype(np.int32), sums[place], True)

    def pane(self, entrieses: Sequence[Entries]) -> Pane:
        """Return the sum of entries by part, without the parts of which there is none."""
        place, sums = self._sums(entrieses)
        named, part_at = self._parts()
        has_values = np.zeros(len(named), np.bool_)
        has_values[part_at[place]] = True
        is_present = has_values.tolist()
        return Pane({part: sums[where] for part, index, where in named if is_present[index]})

    def parts(self, steps: Sequence[Entries]) -> dict[str, Sparse]:
        """Return the sums of steps by part; each place of a step is there once."""
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
        """Return the places that are there, and the fold's vector."""
        place, value = entrieses[0][:2]
        if len(entrieses) > 1:
            place = np.concatenate([entries.place for entries in entrieses])
            value = np.concatenate([entries.value for entries in entrieses])
        return place, np.bincount(place, value, self.total).astype(np.float64, copy=False)


class SeriesMemory(Struct, eq=False):
    """What is kept of one series.

    Attributes:
        task: Task by which the widths of parts were told.
        panes: Start of an hour → its panes by their start.
        hours: Start of an hour → its sum.
        days: Start of a day → its sum.
        layouts: One for each fold.
    """

    task: Task
    panes: dict[int, dict[int, Unit]] = field(default_factory=dict)
    hours: dict[int, Unit] = field(default_factory=dict)
    days: dict[int, Unit] = field(default_factory=dict)
    layouts: list[Layout] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)

    def add_fold(self, layout: Layout) -> int:
        """Give a fold its number; return it."""
        self._numbers[layout.name] = len(self.layouts)
        self.layouts.append(layout)
        return self._numbers[layout.name]

    def fold(self, name: str) -> int | None:
        """Return the number of a fold; None where nothing of it was read."""
        return self._numbers.get(name)

    def weight(self, unit: Unit) -> float:
        """Return the weight of a unit's rows."""
        fold_number = self.fold("")
        if fold_number is None or fold_number not in unit.of or "rows" not in self.layouts[fold_number].places:
            return 0.0
        entries = unit.of[fold_number]
        return float(entries.value[entries.place == self.layouts[fold_number].places["rows"].start + 1].sum())

    def share(self, unit: Unit, over: str) -> float:
        """Return which share of a unit's panes with rows hold something of a fold."""
        plain, sliced_bits = unit.held.get(self._numbers.get("", -1), 0), unit.held.get(self._numbers.get(over, -1), 0)
        return (
            (plain & sliced_bits).bit_count() / plain.bit_count() if plain & sliced_bits else float(bool(sliced_bits))
        )

    def level(self, kind: int) -> dict[int, dict[int, Unit]] | dict[int, Unit]:
        """Return what is kept of panes, hours or days."""
        return (self.panes, self.hours, self.days)[kind]


def _bits(mask: int) -> I64:
    """Return the places of the bits that are set, ascending."""
    octets = np.frombuffer(mask.to_bytes(-(-mask.bit_length() // 8), "little"), np.uint8)
    return np.flatnonzero(np.unpackbits(octets, bitorder="little"))


class _WiderError(Exception):
    """A part is wider than its place: what was read is laid out anew."""


class PaneMemory:
    """Reads panes through memory. One thread uses it."""

    def __init__(
        self,
        connection: Connection,
        by_fold: Callable[[str], Baseline | None],
        table: str = PANES,
        max_bytes: int = MOST_BYTES,
    ) -> None:
        """Know nothing yet.

        Args:
            connection: To the store.
            by_fold: Returns the baseline of a fold; it tells how wide parts are.
            table: Which panes are read, those of all rows or of slices.
            max_bytes: Bytes that are kept.
        """
        self._connection, self._by_fold, self._table, self._most = connection, by_fold, table, max_bytes
        self._series: dict[int, SeriesMemory] = {}
        self._least: dict[tuple[int, str, str], int] = {}
        self._used: OrderedDict[tuple[int, int, int], int] = OrderedDict()
        self._stale: dict[int, set[int]] = {}
        self.bytes = 0
        """About how many are kept."""

    def layouts(self, series: Series) -> Sequence[Layout]:
        """Return where the parts of each fold are, as far as any was read."""
        return self._memory(series).layouts

    def clear(self) -> None:
        """Forget everything: what is stored was changed in ways that nobody tells apart."""
        for series in list(self._series):
            self._forget_series(series)

    def forget(self, series: int, panes: Collection[int], reach: int = PANE) -> None:
        """Forget panes of a series, by their starts, which were touched; they are read again when somebody asks.

        ``reach``: how long panes are that hold a touched one, nanoseconds; they may begin earlier.
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
        """Forget what begins before a time, unix nanoseconds: it may be stored in longer panes by now, or no more."""
        memory = self._series.get(series)
        if memory is None:
            return
        for level in (_PANES, _HOURS, _DAYS):
            for start in [start for start in memory.level(level) if start < time]:
                self._drop(series, level, start)

    def window(self, series: Series, start: int, end: int, is_needed: Callable[[str], bool]) -> dict[str, Pane]:
        """Sum the panes of a stretch of time: fold → Pane, for the folds that are ``is_needed``."""
        [panes] = self.steps(series, [Window("", start, end)], is_needed)
        return panes

    def steps(self, series: Series, steps: Sequence[Window], is_needed: Callable[[str], bool]) -> list[dict[str, Pane]]:
        """Sum the panes of each step: fold → Pane, for the folds that are ``is_needed``."""
        panes_by_step = [dict[str, Pane]() for _ in steps]
        for layout, of_each in self._asked(series, steps, is_needed):
            for step_panes, entries in zip(panes_by_step, of_each, strict=True):
                if entries:
                    step_panes[layout.name] = layout.pane(entries)
        return panes_by_step

    def blocks(self, series: Series, steps: Sequence[Window], is_needed: Callable[[str], bool]) -> dict[str, BlockSums]:
        """Sum the panes of each step, without zeros: fold → its sums by step."""
        blocks_by_part = {}
        for layout, of_each in self._asked(series, steps, is_needed):
            sums = [layout.entries(entries) if entries else _NONE for entries in of_each]
            if any(len(entries.place) for entries in sums):
                blocks_by_part[layout.name] = BlockSums(len(steps), layout.parts(sums))
        return blocks_by_part

    def counted(self, series: Series, over: str, steps: Sequence[Window], parts: Callable[[str], bool]) -> list[Pane]:
        """Sum the panes of each step that hold something of a fold.

        Args:
            series: Whose panes.
            over: The fold; its parts are summed.
            steps: Stretches of time.
            parts: Which parts of the fold "" are summed with it.
        """
        units, panes = self._counted(series, over, steps), []
        memory = self._series[series.number]
        fold, plain = memory.fold(over), memory.fold("")
        for step_units in units:
            pane = Pane()
            if step_units and fold is not None:
                pane = memory.layouts[fold].pane([unit.of[fold] for _, unit in step_units])
                plain_entries = [unit.of[plain] for _, unit in step_units if plain is not None and plain in unit.of]
                if plain is not None and plain_entries:
                    sums = memory.layouts[plain].pane(plain_entries).parts
                    pane.parts |= {part: value for part, value in sums.items() if parts(part)}
            panes.append(pane)
        return panes

    def starts(self, series: Series, over: str, start: int, end: int) -> I64:
        """Return the starts of the panes of a stretch of time that hold something of a fold, ascending: int64 (n,)."""
        [units] = self._counted(series, over, [Window("", start, end)])
        fold = self._series[series.number].fold(over)
        unit_starts = [start + _bits(unit.held[fold]) * PANE for start, unit in units if fold is not None]
        return np.concatenate([np.zeros(0, np.int64), *unit_starts])

    def _counted(self, series: Series, over: str, steps: Sequence[Window]) -> list[list[tuple[int, Unit]]]:
        """Return units and their starts, step by step, of panes that hold something of a fold."""
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
        """Return where the last pane of a fold ends that is longer than ``length``, as far as panes begin in a time."""
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
        """Return the weight of rows in time: start, nanoseconds of the longest pane, and weight.

        Args:
            series: Whose rows.
            start: Of the time, unix nanoseconds.
            end: Of the time.
            longest: Nanoseconds; an hour with a longer pane is told pane by pane.
            is_whole: Returns which hours, by their starts, need not be told pane by pane.
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

    def _asked(
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
        """Return what is kept of a series; nothing where widths may be told otherwise by now."""
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
        """Return days, hours and panes that make up a stretch of time, in its order, but for those without rows."""
        units = []
        for _, unit in self._pieces(series, start, end):
            units.append(unit)
            self._trim()
        self._trim()
        return units

    def _pieces(self, series: int, start: int, end: int, over: str | None = None) -> Iterator[tuple[int, Unit]]:
        """Yield units with rows and their starts, in order; ``over``: only of panes that hold something of a fold.

        An hour of which some panes hold nothing of it is not taken as a whole.
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
        else:
            self._used.move_to_end((series, _HOURS, hour))
        return hour_units

    def _panes(self, series: int, hour: int, until: int) -> dict[int, Unit]:
        """Return the panes of an hour by their start; ``until``: the end of what is asked for."""
        if hour not in self._series[series].panes:
            start = hour - hour % TOGETHER
            self._load(series, start, max(start + TOGETHER, min(until, hour + DAY)))
        self._used.move_to_end((series, _PANES, hour))
        return self._series[series].panes[hour]

    def _sum(self, series: int, units: Sequence[tuple[int, Unit]], start: int) -> Unit:
        """Return units, each with its start, as one that begins at ``start``."""
        present_units = [(start, unit) for start, unit in units if unit.of]
        if not present_units:
            return NOTHING
        entries_by_layout, bits_by_fold = dict[int, Entries](), dict[int, int]()
        for index, layout in enumerate(self._series[series].layouts):
            if entries := [unit.of[index] for _, unit in present_units if index in unit.of]:
                entries_by_layout[index] = layout.entries(entries)
        for unit_start, unit in present_units:
            for index, bits in unit.held.items():
                bits_by_fold[index] = bits_by_fold.get(index, 0) | bits << (unit_start - start) // PANE
        return Unit(entries_by_layout, bits_by_fold, max(unit.span for _, unit in present_units))

    def _load(self, series: int, start: int, end: int) -> None:
        """Read the panes of the hours from ``start`` to ``end`` that are not in memory."""
        memory = self._series[series]
        condition = "WHERE series = ? AND pane >= ? AND pane < ?"
        rows = read(
            self._connection, f"SELECT {COLUMNS} FROM {self._table} {condition}", series, start, -(-end // HOUR) * HOUR
        )
        units = self._units_of(series, StoredPanes.of(rows))
        for hour in range(start, end, HOUR):
            if hour not in memory.panes:
                panes = {pane: units[pane] for pane in range(hour, hour + HOUR, PANE) if pane in units}
                memory.panes[hour] = panes
                self._keep(series, _PANES, hour, sum(unit.size for unit in panes.values()))

    def _refresh(self) -> None:
        """Read again what was touched, of all series with one query."""
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
                f"SELECT {COLUMNS} FROM {self._table} JOIN touched USING (series, pane) WHERE pane >= ? AND pane <= ?",
                *(int(panes.min()), int(panes.max())),
                touched=pa.table({"series": series_numbers.astype(np.int32), "pane": panes}),
            )
            stored_panes = StoredPanes.of(rows)
            for series in dict.fromkeys(series_numbers.tolist()):
                series_panes = stored_panes.some(np.flatnonzero(stored_panes.series == series))
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
        """Return panes by their start from stored rows of one series."""
        if not len(rows):
            return {}
        memory = self._series[series]
        of_names = [self._told(series, fold, parts) for fold, parts in rows.names]
        told = rows.runs([parts for _, parts in of_names])
        start, width = (np.repeat(column, rows.counts) for column in told.T)
        if (wider := rows.index >= width).any():
            self._widen(series, rows, wider)
        place = (start + rows.index).astype(np.int32)
        fold = np.array([fold_index for fold_index, _ in of_names])[rows.which]
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
                # 4_096: entries of one pane and fold from which on those of one place are added up: of a pane that is
                # written each second
                entries_by_layout[fold_index] = (
                    memory.layouts[fold_index].entries([entries]) if len(entries.place) > 4_096 else entries
                )
            units[pane] = Unit(entries_by_layout, dict.fromkeys(entries_by_layout, 1), spans[pane])
        return units

    def _told(self, series: int, fold: str, parts: Sequence[str]) -> tuple[int, I64]:
        """Return the number of a fold, and the place and the width of some of its parts: int64 (parts, 2).

        Parts that are new get their places.
        """
        memory = self._series[series]
        fold_number = memory.fold(fold)
        baseline = self._baseline(fold)
        if fold_number is None:
            fold_number = memory.add_fold(Layout(fold, baseline is not None))
        layout = memory.layouts[fold_number]
        for part in parts:
            if part not in layout.places:
                width = max(part_width(part, baseline, memory.task), self._least.get((series, fold, part), 1))
                layout.add(part, width)
        places = [layout.places[part] for part in parts]
        return fold_number, np.array([(place.start, place.stop - place.start) for place in places], np.int64).reshape(
            -1, 2
        )

    def _widen(self, series: int, rows: StoredPanes, wider: NDArray[np.bool_]) -> None:
        """Note how wide parts are that have more entries than their place, and forget the series."""
        stored_rows = rows.table().filter(pa.array(wider))
        names = (stored_rows.column(name).to_pylist() for name in ("fold", "part", "idx"))
        for fold, part, index in zip(*names, strict=True):
            key = (series, fold, part)
            self._least[key] = max(index + 1, self._least.get(key, 0))
        self._forget_series(series)
        raise _WiderError

    def _keep(self, series: int, level: int, start: int, size: int) -> None:
        """Count what is kept; it is what was asked for last."""
        key = (series, level, start)
        self.bytes += size + _OF_A_UNIT - self._used.pop(key, 0)
        self._used[key] = size + _OF_A_UNIT

    def _trim(self) -> None:
        """Forget what was asked for least recently, until the rest fits."""
        while self.bytes > self._most and self._used:
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
