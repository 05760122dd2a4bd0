"""Slices of arriving rows: panes for each value of a declared key, and the values with panes of their own.

The pane of a slice is an hour of the model's time zone with features, scores and classes over the baseline's bins. In
the store it has the fold ``FOLD|key=value``, in a table of its own, so that readers of all rows do not read it. Sums
without bins (rows, decisions) are under ``|key=value``, independent of the baseline. Windows of an hour and more
consist of whole panes of slices.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.slices import MOST_VALUES, OTHER, Slices, slice_name, values_of
from driftline.baseline.slice_groups import SliceKey
from driftline.panes.bins import RARE
from driftline.panes.pane import Pane, merge
from driftline.tables.table import F64, I64, Column, PredictionTable
from msgspec import Struct

from driftline_processor.core.drift.slices import of_slice
from driftline_processor.core.outcomes.coverage import ERASED
from driftline_processor.core.window_context import SliceContext
from driftline_processor.core.windows.window import PANE, Window, parse, window_of

from .database import Connection, insert, read
from .pane_memory import PaneMemory
from .panes import ALL_SLICED, SLICED, PaneChanges, StoredSteps, part_width, read_sums, read_window
from .pruning import Condition
from .series import Series

HOUR = 12 * PANE
"""Nanoseconds of a slice's pane: an hour, because there are up to 21 times as many of them as of all rows."""

BETWEEN = "|"


def fold_of(baseline: Baseline, name: str) -> str:
    """Return the fold under which the panes of a slice are stored."""
    return f"{baseline.fold}{BETWEEN}{name}"


def hours_of(panes: Iterable[int], timezone: str) -> dict[int, int]:
    """Return the pane of slices that contains each pane of all rows, by their starts (unix nanoseconds)."""
    starts: dict[int, int] = {}
    start = end = 0
    for pane in sorted(panes):
        if not start <= pane < end:  # one look-up per hour
            hour = window_of("1h", pane, timezone)
            start, end = hour.start, hour.end
        starts[pane] = start
    return starts


class SliceValues:
    """The values of each slice key with panes of their own, per series: at most 20, those of the baseline first.

    Further values follow in order of arrival, and by number of rows within one batch. A value keeps its place; rows
    counted under ``other`` stay there, except for outcomes. Ingestion adds values, and the join adds values of
    outcomes; any thread may read.
    """

    def __init__(self, connection: Connection) -> None:
        self._lock = threading.Lock()
        self.load(connection)

    def load(self, connection: Connection) -> None:
        """Read the values again after a failed transaction."""
        values_by_key: dict[tuple[int, str], tuple[str, ...]] = {}
        for row in read(connection, "SELECT * FROM slice_values ORDER BY rowid").to_pylist():
            place = (row["series"], row["key"])
            values_by_key[place] = tuple(dict.fromkeys((*values_by_key.get(place, ()), row["value"])))
        with self._lock:
            self._values, self._new = values_by_key, list[tuple[int, str, str]]()

    def of(self, series: int, key: str) -> tuple[str, ...]:
        """Return the values of a key in the order in which they were learned."""
        return self._values.get((series, key), ())

    def keys(self, series: int) -> tuple[str, ...]:
        """Return the keys with at least one value."""
        return tuple(sorted(key for number, key in self._values if number == series))

    def learn(self, series: int, key: str, column: Column, baseline: Baseline | None) -> None:
        """Add the values of more rows; the caller stores new ones with :meth:`write`."""
        if len(self.of(series, key)) >= MOST_VALUES:
            return
        slices = None if baseline is None else baseline.extras.slices
        with self._lock:
            before = self.of(series, key)
            first = before if slices is None else tuple(dict.fromkeys((*before, *slices.values(key))))
            values = values_of(column, first)
            self._values[series, key] = values
            self._new += [(series, key, value) for value in values[len(before) :]]

    def write(self, connection: Connection) -> None:
        """Store the values of :meth:`learn`, inside the caller's transaction."""
        with self._lock:
            new, self._new = self._new, []
        if new:
            series, keys, values = zip(*new, strict=True)
            rows = {"series": pa.array(series, pa.int32()), "key": list(keys), "value": list(values)}
            insert(connection, "slice_values", pa.table(rows))


def forget_rare_values(connection: Connection, series: Sequence[int]) -> list[tuple[int, str, str]]:
    """Move slice values with deleted rows and fewer than ten remaining rows to ``other``.

    Runs inside the caller's transaction, after the deleted rows were counted; :class:`SliceValues` must be read again.
    Returns series, key and value of each.
    """
    query = (
        "SELECT series, fold, coalesce(sum(value) FILTER (part = 'rows'), 0) AS rows,"
        f" coalesce(sum(value) FILTER (part = '{ERASED}'), 0) AS erased FROM sums WHERE idx = 0"
        " GROUP BY series, fold HAVING erased > 0 AND rows - erased < ? ORDER BY ALL"
    )
    among = f"series IN ({', '.join('?' * len(series))}) AND starts_with(fold, ?)"
    sums = read_sums(connection, Condition(among, (*series, BETWEEN)), SLICED, lambda _, part: part in ("rows", ERASED))
    rare_values = []
    for row in read(connection, query, RARE, sums=sums).to_pylist():
        key, _, value = row["fold"].removeprefix(BETWEEN).partition("=")
        if value == OTHER:
            continue
        rare_values.append((row["series"], key, value))
        ends, instead = row["fold"], f"{BETWEEN}{slice_name(key, OTHER)}"
        connection.execute(
            f"UPDATE {SLICED} SET fold = left(fold, len(fold) - len($ends)) || $instead"
            " WHERE series = $series AND suffix(fold, $ends)",
            {"ends": ends, "instead": instead, "series": row["series"]},
        )
        place = [row["series"], key, value]
        connection.execute("DELETE FROM slice_values WHERE series = ? AND key = ? AND value = ?", place)
        connection.execute(
            "DELETE FROM concept WHERE series = ? AND slice = ?", [row["series"], slice_name(key, value)]
        )
    return rare_values


class Cutting(Struct, frozen=True):
    """The slices of rows while they are counted.

    Attributes:
        changes: The sums to add to.
        values: Key → values with panes of their own.
    """

    changes: PaneChanges
    values: Mapping[str, Sequence[str]]
    timezone: str

    def begin(self, table: PredictionTable) -> list[HourlySlices]:
        """Return the counters of a table's rows, one per key."""
        if not self.values:
            return []
        of_each = hour_of_each(table.time - table.time % PANE, self.timezone)
        hours, hour = np.unique(of_each, return_inverse=True)
        return [HourlySlices(table, key, values, hours, hour) for key, values in self.values.items()]


UNCUT = Cutting(PaneChanges(), {}, "UTC")
"""All rows without slices."""


class HourlySlices:
    """Counts the rows of a table by hour and value of one key; ``counted`` is filled by the fold."""

    def __init__(self, table: PredictionTable, key: str, values: Sequence[str], hours: I64, hour: I64) -> None:
        by_value = SliceKey.of(key, table.slices.get(key), values, len(table))
        self._names, self._groups, self._hours = by_value.names, by_value.by_step(hour), hours
        self.counted = self._groups.counts()

    def write(self, changes: PaneChanges, series: int, baseline: Baseline) -> None:
        """Add the counts to the panes of slices."""
        folds = [fold_of(baseline, self._names[place]) for place in self._groups.slice.tolist()]
        for part, sums in self.counted.parts.items():
            changes.add_part(series, folds, self._hours[self._groups.step], part, sums)


def hour_of_each(panes: I64, timezone: str) -> I64:
    """Return the hour of each pane of all rows, by their starts: int64 (n,), unix nanoseconds."""
    distinct_panes, pane_index = np.unique(panes, return_inverse=True)
    starts = hours_of(distinct_panes.tolist(), timezone)
    return np.array([starts[pane] for pane in distinct_panes.tolist()], np.int64)[pane_index]


def powers_of(weight: F64) -> F64:
    """Return 1, w and w² per row, whose sums are the part ``rows``: float64 (n, 3)."""
    return np.stack([np.ones(len(weight)), weight, weight**2], axis=1)


class SliceHours(NamedTuple):
    """The panes of one key for some rows, independent of bins: those of the fold ``|key=value``.

    Attributes:
        folds: Fold of each pane.
        starts: Start of each pane, unix nanoseconds, int64 (panes,).
        group: Pane of each row, int64 (n,), -1 = the row has no value.
    """

    folds: Sequence[str]
    starts: I64
    group: I64

    @classmethod
    def of(cls, rows: SliceKey, hour: I64) -> SliceHours:
        """Group rows; ``hour``: the start of each row's hour, int64 (n,)."""
        starts, step = np.unique(hour, return_inverse=True)
        groups, names = rows.by_step(step), rows.names
        folds = [f"{BETWEEN}{names[place]}" for place in groups.slice.tolist()]
        return cls(folds, starts[groups.step], groups.group)

    def add(self, changes: PaneChanges, series: int, part: str, columns: F64) -> None:
        """Add the sums of columns as a part of the panes; ``columns``: float64 (n, width)."""
        inside = np.flatnonzero(self.group >= 0)
        sums = [np.bincount(self.group[inside], column, len(self.starts)) for column in columns[inside].T]
        changes.add_part(series, self.folds, self.starts, part, np.stack(sums, axis=1).astype(np.float64))


def slices_between(
    connection: Connection, series: Series, like: Baseline, ranges: Sequence[tuple[int, int]]
) -> Slices | None:
    """Return the rows of every slice in ranges of time, over the bins of ``like``; None without slices."""

    def width(_fold: str, part: str) -> int:
        return part_width(part, like, series.task)

    panes_by_slice: dict[str, dict[str, Pane]] = {}
    prefix = fold_of(like, "")
    for start, end in ranges:
        folds = read_window(connection, series.number, start, end, width, table=ALL_SLICED, prefix=prefix)
        for fold, pane in folds.items():
            key, _, value = fold.removeprefix(prefix).partition("=")
            values = panes_by_slice.setdefault(key, {})
            values[value] = merge([values[value], pane]) if value in values else pane
    return Slices.bounded(panes_by_slice)


class SlicePanes:
    """Reads the slices of windows. Not thread-safe."""

    def __init__(self, connection: Connection, memory: PaneMemory) -> None:
        """Create a reader of steps from the store, and of windows from ``memory``, the cache of slice panes."""
        self._memory = memory
        self._steps = StoredSteps(connection, ALL_SLICED)

    def clear(self) -> None:
        """Clear the cache of steps."""
        self._steps.clear()

    def forget(self, series: int, panes: set[int]) -> None:
        """Drop the steps that contain changed panes of all rows, by start."""
        self._steps.forget(series, panes)

    def of(
        self,
        series: Series,
        window: Window,
        baseline: Baseline,
        keys: Sequence[str],
        timezone: str,
    ) -> dict[str, SliceContext]:
        """Return the slices of a window by name: of the declared ``keys``, over the baseline's bins.

        {} for a window whose length is in minutes.
        """
        if not keys or parse(window.name).unit == "m":
            return {}
        panes_by_name = {}
        for name, pane in self._panes(series, window, baseline, keys).items():
            fold = fold_of(baseline, name)
            slice_baseline = of_slice(baseline, name) or baseline
            before = partial(self._steps.until, series.number, slice_baseline, window, timezone, fold=fold)
            panes_by_name[name] = SliceContext(pane, before)
        return panes_by_name

    def _panes(self, series: Series, window: Window, baseline: Baseline, keys: Sequence[str]) -> dict[str, Pane]:
        """Return the rows of each slice of the declared keys in a window, over the baseline's bins."""
        prefix = fold_of(baseline, "")

        def wanted(fold: str) -> bool:
            return fold.startswith(prefix) and fold.removeprefix(prefix).partition("=")[0] in keys

        folds = self._memory.window(series, window.start, window.end, wanted)
        return {fold.removeprefix(prefix): folds[fold] for fold in sorted(folds)}
