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
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from driftline.baseline.baseline import Baseline
from driftline.panes.pane import Pane
from driftline.panes.sparse_sums import Sparse
from driftline.tables.table import F64, I64
from driftline.tables.task import Task
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


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
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

    def __init__(self, name: str, known: bool) -> None:
        """Begin without parts; ``known``: whether the baseline of the fold is."""
        self.name, self.known, self.total = name, known, 0
        self.places: dict[str, slice] = {}
        self._starts: list[int] = []
        self._named: list[tuple[str, int, slice]] = []
        self._part = np.zeros(0, np.int32)

    def add(self, part: str, width: int) -> int:
        """Give a part its place; return it."""
        start, self.total = self.total, self.total + width
        self.places[part] = slice(start, self.total)
        self._part = np.append(self._part, np.full(width, len(self._starts), np.int32))
        self._starts.append(start)
        self._named = sorted((name, at, place) for at, (name, place) in enumerate(self.places.items()))
        return start

    def entries(self, some: Sequence[Entries]) -> Entries:
        """Return the sum of entries, each place once and in order."""
        if len(some) == 1 and some[0].added:
            return some[0]
        _, sums = self._sums(some)
        place = np.flatnonzero(sums)
        return Entries(place.astype(np.int32), sums[place], True)

    def pane(self, some: Sequence[Entries]) -> Pane:
        """Return the sum of entries by part, without the parts of which there is none."""
        place, sums = self._sums(some)
        held = np.zeros(len(self._starts), np.bool_)
        held[self._part[place]] = True
        there = held.tolist()
        return Pane({part: sums[where] for part, at, where in self._named if there[at]})

    def parts(self, steps: Sequence[Entries]) -> dict[str, Sparse]:
        """Return the sums of steps by part; each place of a step is there once."""
        group = np.repeat(np.arange(len(steps)), [len(own.place) for own in steps])
        place, value = np.concatenate([own.place for own in steps]), np.concatenate([own.value for own in steps])
        part = self._part[place].astype(np.int64)
        order, ends = order_by_code(part, len(self._starts))
        found = {}
        for name, at, where in self._named:
            own = order[ends[at] : ends[at + 1]]
            if len(own):
                index = place[own].astype(np.int64) - where.start
                found[name] = Sparse(where.stop - where.start, group[own], index, value[own])
        return found

    def _sums(self, some: Sequence[Entries]) -> tuple[NDArray[np.int32], F64]:
        """Return the places that are there, and the fold's vector."""
        place, value = some[0][:2]
        if len(some) > 1:
            place = np.concatenate([own.place for own in some])
            value = np.concatenate([own.value for own in some])
        return place, np.bincount(place, value, self.total).astype(np.float64, copy=False)


@dataclass(eq=False)
class SeriesMemory:
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
        which = self.fold("")
        if which is None or which not in unit.of or "rows" not in self.layouts[which].places:
            return 0.0
        entries = unit.of[which]
        return float(entries.value[entries.place == self.layouts[which].places["rows"].start + 1].sum())

    def share(self, unit: Unit, over: str) -> float:
        """Return which share of a unit's panes with rows hold something of a fold."""
        plain, own = unit.held.get(self._numbers.get("", -1), 0), unit.held.get(self._numbers.get(over, -1), 0)
        return (plain & own).bit_count() / plain.bit_count() if plain & own else float(bool(own))

    def level(self, which: int) -> dict[int, dict[int, Unit]] | dict[int, Unit]:
        """Return what is kept of panes, hours or days."""
        return (self.panes, self.hours, self.days)[which]


def _bits(held: int) -> I64:
    """Return the places of the bits that are set, ascending."""
    octets = np.frombuffer(held.to_bytes(-(-held.bit_length() // 8), "little"), np.uint8)
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
        most: int = MOST_BYTES,
    ) -> None:
        """Know nothing yet.

        Args:
            connection: To the store.
            by_fold: Returns the baseline of a fold; it tells how wide parts are.
            table: Which panes are read, those of all rows or of slices.
            most: Bytes that are kept.
        """
        self._connection, self._by_fold, self._table, self._most = connection, by_fold, table, most
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
        for pane in {pane - back for pane in panes for back in range(0, reach, PANE)}:
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

    def window(self, series: Series, start: int, end: int, wanted: Callable[[str], bool]) -> dict[str, Pane]:
        """Sum the panes of a stretch of time: fold → Pane, for the folds that are ``wanted``."""
        [found] = self.steps(series, [Window("", start, end)], wanted)
        return found

    def steps(self, series: Series, steps: Sequence[Window], wanted: Callable[[str], bool]) -> list[dict[str, Pane]]:
        """Sum the panes of each step: fold → Pane, for the folds that are ``wanted``."""
        found = [dict[str, Pane]() for _ in steps]
        for layout, of_each in self._asked(series, steps, wanted):
            for of, entries in zip(found, of_each, strict=True):
                if entries:
                    of[layout.name] = layout.pane(entries)
        return found

    def blocks(self, series: Series, steps: Sequence[Window], wanted: Callable[[str], bool]) -> dict[str, BlockSums]:
        """Sum the panes of each step, without zeros: fold → its sums by step."""
        found = {}
        for layout, of_each in self._asked(series, steps, wanted):
            sums = [layout.entries(entries) if entries else _NONE for entries in of_each]
            if any(len(own.place) for own in sums):
                found[layout.name] = BlockSums(len(steps), layout.parts(sums))
        return found

    def counted(self, series: Series, over: str, steps: Sequence[Window], parts: Callable[[str], bool]) -> list[Pane]:
        """Sum the panes of each step that hold something of a fold.

        Args:
            series: Whose panes.
            over: The fold; its parts are summed.
            steps: Stretches of time.
            parts: Which parts of the fold "" are summed with it.
        """
        units, found = self._counted(series, over, steps), []
        memory = self._series[series.number]
        fold, plain = memory.fold(over), memory.fold("")
        for some in units:
            pane = Pane()
            if some and fold is not None:
                pane = memory.layouts[fold].pane([unit.of[fold] for _, unit in some])
                beside = [unit.of[plain] for _, unit in some if plain is not None and plain in unit.of]
                if plain is not None and beside:
                    sums = memory.layouts[plain].pane(beside).parts
                    pane.parts |= {part: own for part, own in sums.items() if parts(part)}
            found.append(pane)
        return found

    def starts(self, series: Series, over: str, start: int, end: int) -> I64:
        """Return the starts of the panes of a stretch of time that hold something of a fold, ascending: int64 (n,)."""
        [units] = self._counted(series, over, [Window("", start, end)])
        fold = self._series[series.number].fold(over)
        held = [at + _bits(unit.held[fold]) * PANE for at, unit in units if fold is not None]
        return np.concatenate([np.zeros(0, np.int64), *held])

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
                        for at, unit in sorted(self._panes(series.number, hour, end).items()):
                            if unit.span > length and fold in unit.of and start <= at < end:
                                last = max(last or 0, at + unit.span)
            except _WiderError:
                continue
            return last

    def weights(
        self, series: Series, start: int, end: int, longest: int, whole: Callable[[I64], NDArray[np.bool_]]
    ) -> list[tuple[int, int, float]]:
        """Return the weight of rows in time: start, nanoseconds of the longest pane, and weight.

        Args:
            series: Whose rows.
            start: Of the time, unix nanoseconds.
            end: Of the time.
            longest: Nanoseconds; an hour with a longer pane is told pane by pane.
            whole: Returns which hours, by their starts, need not be told pane by pane.
        """
        hours = np.arange(start - start % HOUR, end, HOUR)
        at_once = whole(hours) & (hours >= start) & (hours + HOUR <= end)
        while True:
            try:
                memory, found = self._memory(series), []
                self._refresh()
                for hour, together in zip(hours.tolist(), at_once.tolist(), strict=True):
                    unit = self._hour(series.number, hour, end)
                    if together and unit.span <= longest:
                        found.append((hour, unit.span, memory.weight(unit)))
                        continue
                    panes = sorted(self._panes(series.number, hour, end).items())
                    found += [(at, one.span, memory.weight(one)) for at, one in panes if start <= at < end]
            except _WiderError:
                continue
            self._trim()
            return [one for one in found if one[2]]

    def _asked(
        self, series: Series, steps: Sequence[Window], wanted: Callable[[str], bool]
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
                (layout, [[unit.of[which] for unit in some if which in unit.of] for some in units])
                for which, layout in enumerate(memory.layouts)
                if wanted(layout.name)
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
        found = []
        for _, unit in self._pieces(series, start, end):
            found.append(unit)
            self._trim()
        self._trim()
        return found

    def _pieces(self, series: int, start: int, end: int, over: str | None = None) -> Iterator[tuple[int, Unit]]:
        """Yield units with rows and their starts, in order; ``over``: only of panes that hold something of a fold.

        An hour of which some panes hold nothing of it is not taken as a whole.
        """
        at, memory = start, self._series[series]
        while at < end:
            for length, unit_of in ((DAY, self._day), (HOUR, self._hour)):
                if at % length or at + length > end:
                    continue
                unit = unit_of(series, at, end)
                share = 1.0 if over is None else memory.share(unit, over)
                if share in (0, 1):
                    if share and unit.of:
                        yield at, unit
                    at += length
                    break
            else:
                hour = at - at % HOUR
                until = min(hour + HOUR, end)
                for pane, unit in sorted(self._panes(series, hour, end).items()):
                    if at <= pane < until and (over is None or memory.share(unit, over)):
                        yield pane, unit
                at = until

    def _day(self, series: int, day: int, _until: int) -> Unit:
        found = self._series[series].days.get(day)
        if found is None:
            hours = [(hour, self._hour(series, hour, day + DAY)) for hour in range(day, day + DAY, HOUR)]
            found = self._series[series].days[day] = self._sum(series, hours, day)
            self._keep(series, _DAYS, day, found.size)
        else:
            self._used.move_to_end((series, _DAYS, day))
        return found

    def _hour(self, series: int, hour: int, until: int) -> Unit:
        found = self._series[series].hours.get(hour)
        if found is None:
            panes = sorted(self._panes(series, hour, until).items())
            found = self._series[series].hours[hour] = self._sum(series, panes, hour)
            self._keep(series, _HOURS, hour, found.size)
        else:
            self._used.move_to_end((series, _HOURS, hour))
        return found

    def _panes(self, series: int, hour: int, until: int) -> dict[int, Unit]:
        """Return the panes of an hour by their start; ``until``: the end of what is asked for."""
        if hour not in self._series[series].panes:
            start = hour - hour % TOGETHER
            self._load(series, start, max(start + TOGETHER, min(until, hour + DAY)))
        self._used.move_to_end((series, _PANES, hour))
        return self._series[series].panes[hour]

    def _sum(self, series: int, units: Sequence[tuple[int, Unit]], start: int) -> Unit:
        """Return units, each with its start, as one that begins at ``start``."""
        there = [(at, unit) for at, unit in units if unit.of]
        if not there:
            return NOTHING
        of, held = dict[int, Entries](), dict[int, int]()
        for which, layout in enumerate(self._series[series].layouts):
            if entries := [unit.of[which] for _, unit in there if which in unit.of]:
                of[which] = layout.entries(entries)
        for at, unit in there:
            for which, bits in unit.held.items():
                held[which] = held.get(which, 0) | bits << (at - start) // PANE
        return Unit(of, held, max(unit.span for _, unit in there))

    def _load(self, series: int, start: int, end: int) -> None:
        """Read the panes of the hours from ``start`` to ``end`` that are not in memory."""
        memory = self._series[series]
        condition = "WHERE series = ? AND pane >= ? AND pane < ?"
        rows = read(
            self._connection, f"SELECT {COLUMNS} FROM {self._table} {condition}", series, start, -(-end // HOUR) * HOUR
        )
        found = self._units_of(series, StoredPanes.of(rows))
        for hour in range(start, end, HOUR):
            if hour not in memory.panes:
                panes = {pane: found[pane] for pane in range(hour, hour + HOUR, PANE) if pane in found}
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
            which, panes = (np.array(column, np.int64) for column in zip(*stale, strict=True))
            rows = read(
                self._connection,
                f"SELECT {COLUMNS} FROM {self._table} JOIN touched USING (series, pane) WHERE pane >= ? AND pane <= ?",
                *(int(panes.min()), int(panes.max())),
                touched=pa.table({"series": which.astype(np.int32), "pane": panes}),
            )
            found = StoredPanes.of(rows)
            for series in dict.fromkeys(which.tolist()):
                own = found.some(np.flatnonzero(found.series == series))
                self._replace(series, panes[which == series].tolist(), self._units_of(series, own))
        self._stale.clear()

    def _replace(self, series: int, panes: Iterable[int], found: dict[int, Unit]) -> None:
        for pane in panes:
            hour = pane - pane % HOUR
            units = self._series[series].panes[hour]
            units.pop(pane, None)
            if pane in found:
                units[pane] = found[pane]
            self._keep(series, _PANES, hour, sum(unit.size for unit in units.values()))

    def _units_of(self, series: int, rows: StoredPanes) -> dict[int, Unit]:
        """Return panes by their start from stored rows of one series."""
        if not len(rows):
            return {}
        memory = self._series[series]
        of_names = [self._told(series, fold, parts) for fold, parts in rows.names]
        told = rows.runs([own for _, own in of_names])
        start, width = (np.repeat(column, rows.counts) for column in told.T)
        if (wider := rows.index >= width).any():
            self._widen(series, rows, wider)
        place = (start + rows.index).astype(np.int32)
        fold = np.array([which for which, _ in of_names])[rows.which]
        pieces: dict[int, dict[int, list[Entries]]] = {}
        spans: dict[int, int] = {}
        edges, each = rows.edges.tolist(), zip(rows.pane.tolist(), fold.tolist(), rows.span.tolist(), strict=True)
        for row, (pane, which, span) in enumerate(each):
            begin, end = edges[row], edges[row + 1]
            own = Entries(place[begin:end].copy(), rows.value[begin:end].copy())
            pieces.setdefault(pane, {}).setdefault(which, []).append(own)
            spans[pane] = max(span, spans.get(pane, 0))
        found = {}
        for pane, folds in pieces.items():
            of = {}
            for which, some in sorted(folds.items()):
                whole = some[0] if len(some) == 1 else _together(some)
                # 4_096: entries of one pane and fold from which on those of one place are added up: of a pane that is
                # written each second
                of[which] = memory.layouts[which].entries([whole]) if len(whole.place) > 4_096 else whole
            found[pane] = Unit(of, dict.fromkeys(of, 1), spans[pane])
        return found

    def _told(self, series: int, fold: str, parts: Sequence[str]) -> tuple[int, I64]:
        """Return the number of a fold, and the place and the width of some of its parts: int64 (parts, 2).

        Parts that are new get their places.
        """
        memory = self._series[series]
        which = memory.fold(fold)
        baseline = self._baseline(fold)
        if which is None:
            which = memory.add_fold(Layout(fold, baseline is not None))
        layout = memory.layouts[which]
        for part in parts:
            if part not in layout.places:
                width = max(part_width(part, baseline, memory.task), self._least.get((series, fold, part), 1))
                layout.add(part, width)
        places = [layout.places[part] for part in parts]
        return which, np.array([(place.start, place.stop - place.start) for place in places], np.int64).reshape(-1, 2)

    def _widen(self, series: int, rows: StoredPanes, wider: NDArray[np.bool_]) -> None:
        """Note how wide parts are that have more entries than their place, and forget the series."""
        found = rows.table().filter(pa.array(wider))
        names = (found.column(name).to_pylist() for name in ("fold", "part", "idx"))
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


def _together(some: Sequence[Entries]) -> Entries:
    return Entries(np.concatenate([own.place for own in some]), np.concatenate([own.value for own in some]))
