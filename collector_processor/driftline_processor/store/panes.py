"""Panes in the store: additive sums, read over a window, by steps, and as the time before it.

They are sparse sums by ``(series, fold, pane, part, index)``; :mod:`.pane_rows` defines their format.

Changes to a pane are appended, never overwritten; a window is ``sum(value)`` over its panes. Only sums of equal
``fold`` may be added: the empty text for sums without bins (rows, durations, decisions), a baseline's ``fold`` for
counts over its bins, :func:`performance_fold` for sums of outcomes. ``span`` is the length of the stored pane: five
minutes, and after a roll-up an hour or a day of the model's time zone.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import xxhash
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections import estimation
from driftline.panes import pca, unbinned_values
from driftline.panes.fold import PREFIX as CLUSTER_PREFIX
from driftline.panes.fold import WIDTH as CLUSTER_WIDTH
from driftline.panes.fold import FoldedParts
from driftline.panes.outcome_sums import widths
from driftline.panes.pane import DURATION_BOUNDS, Pane
from driftline.panes.sparse_sums import Sparse
from driftline.tables.table import F64, I64
from driftline.tables.task import Task
from msgspec import Struct, field

from driftline_processor.core.drift.coarse_bins import cells_of_parts
from driftline_processor.core.expectations.rule import PREFIX as EXPECTED
from driftline_processor.core.expectations.rule import WIDTH as EXPECTED_WIDTH
from driftline_processor.core.labels import delay
from driftline_processor.core.outcomes.coverage import ERASED
from driftline_processor.core.service_level.sums import FAILED
from driftline_processor.core.service_level.sums import WIDTHS as CALL_WIDTHS
from driftline_processor.core.windows.time_before import TimeSteps, steps_of, steps_with_rows
from driftline_processor.core.windows.window import PANE, Window, closed_until, window_of

from .database import Connection, insert, read, read_batches, run
from .pane_rows import COLUMNS, SUMS, StoredPanes, encode_panes, encode_sums
from .pruning import Condition

_AT_ONCE = 64
"""Panes per dense matrix: score histograms of a month of panes would need a gigabyte."""

OUTCOMES = "task:"
"""Prefix of the folds of outcomes."""

PANES = "panes"
"""The table of panes of all rows."""

SLICED = "slice_panes"
"""The table of panes of slices, separate so that readers of all rows need not skip them."""

ALL_PANES, ALL_SLICED = "all_panes", "all_slice_panes"
"""The same two with the panes that batch jobs wrote (:mod:`.written_panes`): what readers read."""

_ROWS = 4_096
"""Stored rows that are decoded together: about 80 MB for a model of 20 features."""

KEEP_PANES = 14 * 86_400 * 10**9
KEEP_HOURS = 90 * 86_400 * 10**9
KEEP_DAYS = 3 * 366 * 86_400 * 10**9
"""Nanoseconds behind the watermark until which panes stay five minutes, and then hours, before they become days."""


def performance_fold(task: Task) -> str:
    """Return the fold of outcomes: kind, ordered classes, positive class, cutoffs, quantiles."""
    task_parts = (*(f"@{cutoff}" for cutoff in task.cutoffs), *map(repr, task.quantiles))
    fold_text = "\0".join((task.kind, task.positive_class, *task.classes, *task_parts))
    return OUTCOMES + xxhash.xxh3_64_hexdigest(fold_text.encode())


def score_fold(task: Task) -> str:
    """Return the fold of the scores of all rows, for sums that outcomes do not change."""
    return "score:" + performance_fold(task).removeprefix(OUTCOMES)


def learned_fold(baseline: Baseline) -> str:
    """Return the fold of sums that depend on learned parts of a baseline; "" without any."""
    estimation = baseline.extras.estimation
    digest = "" if estimation is None else estimation.digest
    return f"learned:{digest}" if digest else ""


class PaneChanges(Struct):
    """Sums to add to panes in one transaction.

    Attributes:
        table: The table of panes, of all rows or :data:`SLICED`.
        span: Length of the panes, in nanoseconds.
    """

    table: str = PANES
    span: int = PANE
    _fold: list[I64] = field(default_factory=list)
    _pane: list[I64] = field(default_factory=list)
    _part: list[I64] = field(default_factory=list)
    _index: list[I64] = field(default_factory=list)
    _value: list[F64] = field(default_factory=list)
    _folds: dict[tuple[int, str], int] = field(default_factory=dict)
    _panes: dict[int, int] = field(default_factory=dict)
    _parts: dict[str, int] = field(default_factory=dict)

    def add(self, series: int, fold: str, starts: I64, folded: FoldedParts, without: Collection[str] = ()) -> None:
        """Add all parts of panes except ``without``; ``starts``: int64 (panes,), unix nanoseconds."""
        parts = {name: sums for name, sums in folded.of_all.items() if name not in without}
        if parts:
            widths = [sums.shape[1] for sums in parts.values()]
            codes = [self._part_of(name) for name in parts]
            part = np.repeat(np.array(codes, np.int64), widths)
            index = np.concatenate([np.arange(width) for width in widths])
            over, panes = self._fold_of(series, fold), self._panes_of(starts)
            for first in range(0, len(starts), _AT_ONCE):
                sums = np.hstack([part[first : first + _AT_ONCE] for part in parts.values()])
                row, column = np.nonzero(sums)
                self._note(np.full(len(row), over), panes[first + row], part[column], index[column], sums[row, column])
        for name, (having, slice_rows) in folded.of_some.items():
            if name not in without:
                self.add_part(series, fold, starts[having], name, slice_rows)

    def add_part(self, series: int, fold: str | Sequence[str], starts: I64, part: str, sums: F64) -> None:
        """Add one part of panes; ``sums``: float64 (len(starts), width). ``fold``: one for all or one per pane."""
        row, index = np.nonzero(sums)
        if len(row):
            folds = self._folds_of(series, fold, len(starts))
            part_numbers = np.full(len(row), self._part_of(part))
            self._note(folds[row], self._panes_of(starts)[row], part_numbers, index, sums[row, index])

    def add_sparse(self, series: int, fold: str | Sequence[str], starts: I64, parts: Mapping[str, Sparse]) -> None:
        """Add the nonzero sums of many panes.

        ``starts``: start of each group, int64, unix nanoseconds. ``fold``: one for all groups or one per group.
        """
        folds, panes = self._folds_of(series, fold, len(starts)), self._panes_of(starts)
        for part, sums in parts.items():
            if n := len(sums.value):
                part_numbers = np.full(n, self._part_of(part))
                self._note(folds[sums.group], panes[sums.group], part_numbers, sums.index, sums.value)

    def add_entries(self, series: int, fold: str, starts: I64, entries: Sequence[estimation.Entries]) -> None:
        """Add sparse sums of panes; ``starts``: of the groups of the entries."""
        over, panes = self._fold_of(series, fold), self._panes_of(starts)
        for entry in entries:
            n = len(entry.value)
            part_numbers = np.full(n, self._part_of(entry.part))
            self._note(np.full(n, over), panes[entry.group], part_numbers, entry.index, entry.value)

    def write(self, connection: Connection) -> None:
        """Append the changes and clear them, inside the caller's transaction."""
        if self._value:
            gathered = (np.concatenate(arrays) for arrays in (self._fold, self._pane, self._part, self._index))
            fold, pane, part, index = gathered
            panes, parts = np.array(list(self._panes), np.int64), list(self._parts)
            value = np.concatenate(self._value)
            rows = encode_panes(
                folds=list(self._folds),
                fold=fold,
                panes=panes,
                pane=pane,
                span=self.span,
                parts=parts,
                part=part,
                index=index,
                value=value,
            )
            insert(connection, self.table, rows)
        for arrays in (self._fold, self._pane, self._part, self._index, self._value):
            arrays.clear()
        for numbers in (self._folds, self._panes, self._parts):
            numbers.clear()

    def _note(self, fold: I64, pane: I64, part: I64, index: I64, value: F64) -> None:
        if len(value):
            self._fold.append(fold)
            self._pane.append(pane)
            self._part.append(part)
            self._index.append(index)
            self._value.append(value)

    def _fold_of(self, series: int, fold: str) -> int:
        return self._folds.setdefault((series, fold), len(self._folds))

    def _folds_of(self, series: int, fold: str | Sequence[str], panes: int) -> I64:
        """Return the number of the fold of each of some panes: int64 (panes,)."""
        if isinstance(fold, str):
            return np.full(panes, self._fold_of(series, fold))
        return np.array([self._fold_of(series, fold_name) for fold_name in fold], np.int64)

    def _panes_of(self, starts: I64) -> I64:
        """Return the number of each pane: int64 (panes,)."""
        return np.array([self._panes.setdefault(start, len(self._panes)) for start in starts.tolist()], np.int64)

    def _part_of(self, part: str) -> int:
        return self._parts.setdefault(part, len(self._parts))


def read_sums(
    connection: Connection, where: Condition, table: str = ALL_PANES, wanted: Callable[[str, str], bool] | None = None
) -> pa.Table:
    """Return a row per stored sum: series, fold, pane, span, part, idx and value.

    Args:
        connection: Connection to the store.
        where: SQL condition on the rows of the table, one per fold and pane.
        table: The table of panes.
        wanted: Returns True for a fold and a part to include; None = all.
    """
    batches = read_batches(connection, f"SELECT {COLUMNS} FROM {table} WHERE {where.sql}", _ROWS, *where.parameters)
    tables = [StoredPanes.of(batch).table(wanted) for batch in batches]
    return pa.concat_tables([SUMS.empty_table(), *tables])


def read_window(
    connection: Connection,
    series: int,
    start: int,
    end: int,
    width: Callable[[str, str], int],
    table: str = ALL_PANES,
    prefix: str = "",
) -> dict[str, Pane]:
    """Sum the panes of a period: fold → Pane.

    ``width``: length of the vector of a (fold, part); trailing zeros are not stored. ``table``: the table of panes.
    ``prefix``: prefix of the folds.
    """
    condition = Condition("series = ? AND pane >= ? AND pane < ?", (series, start, end))
    if prefix:
        condition = condition.also(Condition("starts_with(fold, ?)", (prefix,)))
    rows = read(
        connection,
        "SELECT fold, part, idx, fsum(value) AS value FROM sums GROUP BY fold, part, idx ORDER BY fold, part",
        sums=read_sums(connection, condition, table),
    )
    if not rows.num_rows:
        return {}
    index, value = rows.column("idx").to_numpy(), rows.column("value").to_numpy()
    fold, part = (rows.column(name).combine_chunks().dictionary_encode() for name in ("fold", "part"))
    fold_code, part_code = fold.indices.to_numpy(), part.indices.to_numpy()
    edges = np.flatnonzero(np.diff(fold_code) | np.diff(part_code)) + 1
    folds, parts = fold.dictionary.to_pylist(), part.dictionary.to_pylist()
    panes: dict[str, Pane] = {}
    for first, last in zip([0, *edges], [*edges, len(index)], strict=True):
        name, over = parts[part_code[first]], folds[fold_code[first]]
        sums = np.zeros(max(width(over, name), int(index[first:last].max()) + 1))
        sums[index[first:last]] = value[first:last]
        panes.setdefault(over, Pane()).parts[name] = sums
    return panes


def read_calls(connection: Connection, series: int, start: int, end: int) -> Pane:
    """Return the calls of a period: the parts of :mod:`~driftline_processor.core.service_level.sums`."""
    within = Condition("series = ? AND pane >= ? AND pane < ? AND fold = ''", (series, start, end))
    rows = read(
        connection,
        "SELECT part, idx, fsum(value) AS value FROM sums GROUP BY part, idx",
        sums=read_sums(connection, within, wanted=lambda _, part: part in CALL_WIDTHS or part.startswith(FAILED)),
    )
    pane = Pane()
    for row in rows.to_pylist():
        sums = pane.parts.setdefault(row["part"], np.zeros(CALL_WIDTHS.get(row["part"], 1)))
        sums[row["idx"]] = row["value"]
    return pane


def part_width(part: str, baseline: Baseline | None, task: Task) -> int:
    """Return the length of a part's vector, from the baseline or the task."""
    if baseline is not None:
        if part in baseline.pane.parts:
            return len(baseline.pane.parts[part])
        if (width := unbinned_values.part_width(part, len(baseline.bins.features))) is not None:
            return width
        space = baseline.bins.space
        if space is not None and (joint_width := pca.widths(len(space.names)).get(part)) is not None:
            return joint_width
    if (width := estimation.width_of(part, len(task.classes))) is not None:
        return width
    if part.startswith(EXPECTED):
        return EXPECTED_WIDTH
    if part.startswith(CLUSTER_PREFIX):
        return CLUSTER_WIDTH
    if (task_width := widths(task).get(part)) is not None:
        return task_width
    if (task_width := CALL_WIDTHS.get(part)) is not None:
        return task_width
    return {"rows": 3, ERASED: 3, "duration": len(DURATION_BOUNDS) + 2, delay.PART: delay.WIDTH}.get(part, 1)


def stored_unit(pane: int, watermark: int, timezone: str) -> Window:
    """Return the five minutes, hour or day of the time zone in which a pane of its age is stored."""
    age = watermark - pane
    name = "1d" if age > KEEP_HOURS else "1h" if age > KEEP_PANES else "5m"
    return window_of(name, pane, timezone)


def roll_up(
    connection: Connection,
    series: int,
    watermark: int,
    timezone: str,
    written_panes: Container[int],
    table: str = PANES,
    cuts: Sequence[int] = (),
) -> None:
    """Merge closed panes that were written in pieces, and lengthen old ones.

    ``written_panes``: the starts of panes in pieces. Runs inside the caller's transaction; concurrent appends are left
    for the next run. ``table``: the table of panes. ``cuts``: moments at which a longer pane must end, ascending.
    """
    targets: list[tuple[int, int, int, int]] = []
    stored = f"SELECT DISTINCT pane, span FROM {table} WHERE series = ? AND pane < ?"
    for row in read(connection, stored, series, closed_until(watermark)).to_pylist():
        pane, span = row["pane"], row["span"]
        unit, position = stored_unit(pane, watermark, timezone), bisect_right(cuts, pane)
        start, end = max([unit.start, *cuts[position - 1 : position]]), min([unit.end, *cuts[position : position + 1]])
        if end - start > span:
            targets.append((pane, span, start, end - start))
        elif pane in written_panes:
            targets.append((pane, span, pane, span))
    connection.execute(f"DELETE FROM {table} WHERE series = ? AND pane < ?", [series, watermark - KEEP_DAYS])
    if not targets:
        return
    names = ("pane", "span", "new_pane", "new_span")
    target = pa.table(dict(zip(names, map(pa.array, zip(*targets, strict=True)), strict=True)))
    stored = f"SELECT {COLUMNS} FROM {table} JOIN target USING (pane, span) WHERE series = ?"
    summed = read(
        connection,
        "SELECT fold, new_pane AS pane, new_span AS span, part, idx, fsum(value) AS value"
        " FROM sums JOIN target USING (pane, span) GROUP BY ALL ORDER BY ALL",
        sums=StoredPanes.of(read(connection, stored, series, target=target)).table(),
        target=target,
    )
    run(
        connection,
        f"DELETE FROM {table} USING target WHERE series = ? AND {table}.pane = target.pane"
        f" AND {table}.span = target.span",
        series,
        target=target,
    )
    for rows in encode_sums(series, summed):
        insert(connection, table, rows)


def written_in_pieces(connection: Connection, table: str = PANES) -> dict[int, set[int]]:
    """Return the panes of each series that are stored in pieces."""
    rows = read(
        connection,
        f"SELECT series, pane FROM {table} GROUP BY series, pane, span HAVING count(*) > count(DISTINCT fold)",
    )
    pieces: dict[int, set[int]] = {}
    for row in rows.to_pylist():
        pieces.setdefault(row["series"], set()).add(row["pane"])
    return pieces


class StepQuery(NamedTuple):
    """SQL that maps a pane to its step: ``SELECT {step} ... FROM table {join}``.

    Attributes:
        parameters: Parameters of both, which come first.
        tables: Arrow tables of the join.
    """

    step: str
    join: str
    parameters: tuple[int, int]
    tables: dict[str, pa.Table]


def step_query(steps: Sequence[Window]) -> StepQuery:
    """Return the SQL that maps panes to steps; at least one step is required."""
    start, ends = steps[0].start, np.array([step.end for step in steps], np.int64)
    unit = math.gcd(*(int(end) - start for end in ends))
    count = np.diff(ends, prepend=start) // unit
    if len(steps) == count.sum():
        return StepQuery("(pane - ?) // ?", "", (start, unit), {})
    # steps of unequal length (clock change): an equality join is fast in DuckDB, a range join slow
    times = pa.table({"unit": np.arange(count.sum()), "step": np.repeat(np.arange(len(steps)), count)})
    return StepQuery("steps.step", "JOIN steps ON (pane - ?) // ? = unit", (start, unit), {"steps": times})


def order_by_code(code: I64, codes: int) -> tuple[I64, I64]:
    """Return the order of rows by code, and the edges of each code in it from 0 on: int64 (codes + 1,)."""
    small = code.astype(np.int16) if codes <= np.iinfo(np.int16).max else code  # radix sort for int16
    order = np.argsort(small, kind="stable")
    return order, np.searchsorted(code, range(codes + 1), sorter=order)


_Step = tuple[int, str, int, int]
"""Series, fold, start and end."""


class StoredSteps:
    """Reads the time before a window in steps. Not thread-safe.

    Only drifting columns are read, counted coarsely in the store. Steps are cached until their panes change, because a
    frequently evaluated window changes only its newest step.
    """

    def __init__(self, connection: Connection, table: str = ALL_PANES) -> None:
        """Create an empty cache; ``table``: the table of panes."""
        self._connection, self._table = connection, table
        self._cached: OrderedDict[int, dict[_Step, dict[str, F64]]] = OrderedDict()

    def clear(self) -> None:
        """Clear the cache."""
        self._cached.clear()

    def forget(self, series: int, panes: Collection[int]) -> None:
        """Drop the steps that contain changed panes, by start."""
        starts, cached = np.sort(np.fromiter(panes, np.int64, len(panes))), self._cached.get(series, {})
        for key in [*cached]:
            if np.searchsorted(starts, key[2]) < np.searchsorted(starts, key[3]):
                del cached[key]

    def until(
        self, series: int, baseline: Baseline, window: Window, timezone: str, parts: Collection[str], fold: str = ""
    ) -> TimeSteps | None:
        """Return the steps up to the end of a window, counted over the baseline's bins.

        ``fold``: fold of the panes, if it is not the baseline's.
        """
        cells = cells_of_parts(baseline, parts)
        steps, over = steps_of(window, timezone), fold or baseline.fold
        keys: list[_Step] = [(series, over, step.start, step.end) for step in steps]
        cached = self._cached.setdefault(series, {})
        self._cached.move_to_end(series)
        lacking = [key for key in keys if any(part not in cached.get(key, {}) for part in cells)]
        if lacking and cells:
            self._read(cached, lacking, cells)
        counts = {part: np.stack([cached[key][part] for key in keys]) for part in cells}
        while len(cached) > 1_000:
            del cached[next(iter(cached))]
        # 10_000: maximum number of steps in memory, 100 bytes per drifting feature; 184 of 50 models
        while sum(map(len, self._cached.values())) > 10_000:
            self._cached.popitem(last=False)
        starts, ends = (np.array([key[side] for key in keys], np.int64) for side in (2, 3))
        return steps_with_rows(starts, ends, counts, cells)

    def _read(
        self, cached: dict[_Step, dict[str, F64]], keys: Sequence[_Step], cells: dict[str, np.typing.NDArray[np.int64]]
    ) -> None:
        series, fold, start, _ = keys[0]
        steps = pa.table(
            {
                "step": pa.array(range(len(keys)), pa.int64()),
                "start": pa.array([key[2] for key in keys], pa.int64()),
                "stop": pa.array([key[3] for key in keys], pa.int64()),
            }
        )
        place = pa.table(
            {
                "part": pa.array([part for part, cell in cells.items() for _ in cell], pa.string()),
                "idx": pa.array(np.concatenate([np.arange(len(cell)) for cell in cells.values()]).astype(np.int32)),
                "cell": pa.array(np.concatenate(list(cells.values()))),
            }
        )
        of_steps = Condition("series = ? AND fold = ? AND pane >= ? AND pane < ?", (series, fold, start, keys[-1][3]))
        rows = read(
            self._connection,
            "SELECT step, part, cell, fsum(value) AS value FROM sums JOIN place USING (part, idx)"
            " JOIN steps ON pane >= steps.start AND pane < steps.stop GROUP BY step, part, cell",
            sums=read_sums(self._connection, of_steps, self._table, lambda _, part: part in cells),
            steps=steps,
            place=place,
        )
        for key in keys:
            counted = cached.setdefault(key, {})
            counted |= {part: np.zeros(int(cell.max()) + 1) for part, cell in cells.items()}
        for row in rows.to_pylist():
            cached[keys[row["step"]]][row["part"]][row["cell"]] = row["value"]
