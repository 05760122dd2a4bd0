"""The sums that outcomes add to panes of predictions and slices, and their recomputation after a correction.

A first outcome is added. A correction cannot be subtracted exactly in floating point, so its panes are recomputed from
the joined rows, while all of them are stored.

The performance parts of a slice are stored per hour of the model's time zone, under the fold ``task:...|key=value``
(:mod:`~driftline_processor.store.slices`). A key may come with the prediction or only with the outcome. A
recomputation covers the whole hour and all of its slices.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
from driftline.tables.table import F64, I64
from driftline.tables.task import Task

from driftline_processor.core.labels.delay import is_dated_by_import
from driftline_processor.core.performance.labelled_predictions import LabelledPredictions, fold_outcomes_by_slice
from driftline_processor.core.performance.slices import LABEL_AGE
from driftline_processor.core.performance.window_outcomes import BlockSums
from driftline_processor.core.windows.window import PANE, Window
from driftline_processor.store.arrow_tables import actual_of, integers_of, numbers_of, scores_and_classes_of, slice_of
from driftline_processor.store.database import Connection, read
from driftline_processor.store.pane_memory import PaneMemory
from driftline_processor.store.panes import PANES, SLICED, PaneChanges, performance_fold, read_sums
from driftline_processor.store.pruning import TIME_APART, Condition, group_intervals, lies_within
from driftline_processor.store.series import Series
from driftline_processor.store.slices import BETWEEN, HOUR, SliceValues, hours_of

from .outcome_resolution import relevance_of

_NONE: I64 = np.empty(0, dtype=np.int64)

Stretch = tuple[int, int]
"""A period of whole panes: start and end, unix nanoseconds."""

MOST_AT_ONCE = 400_000
"""Maximum number of joined rows that are read together for a recomputation, unless one pane has more."""

MOST_RANGES = 16
"""Maximum number of periods with gaps between them that are read together."""


def labelled_rows(task: Task, rows: pa.Table, keys: Iterable[str] = ()) -> LabelledPredictions:
    """Read rows of the table ``joined``, with the slices of these keys."""
    return LabelledPredictions(
        *scores_and_classes_of(task, rows),
        actual_of(rows),
        numbers_of(rows, "weight"),
        integers_of(rows, "time"),
        integers_of(rows, "outcome_time"),
        numbers_of(rows, "value"),
        {key: slice_of(rows, key) for key in keys},
        relevance=relevance_of(rows) if task.ranks_items else None,
    )


def with_delays(rows: pa.Table) -> pa.Table:
    """Return matched rows with the delay of each outcome in nanoseconds, -1 if it is dated by an import."""
    time, outcome_time = integers_of(rows, "time"), integers_of(rows, "outcome_time")
    imported = is_dated_by_import(time, outcome_time, integers_of(rows, "received"))
    return rows.append_column("delay", pa.array(np.where(imported, -1, np.maximum(outcome_time - time, 0))))


def sliced_changes() -> PaneChanges:
    """Return an empty collection of slice sums for one transaction."""
    return PaneChanges(SLICED, HOUR)


def add_sliced(
    changes: PaneChanges, series: Series, rows: pa.Table, keys: Iterable[str], values: SliceValues, timezone: str
) -> None:
    """Add joined rows of one series to the slices of their predictions.

    ``rows``: columns of the table ``joined``. ``keys``: the declared keys; their values are learned here.
    """
    if not rows.num_rows:
        return
    panes, pane_index = np.unique(integers_of(rows, "time") // PANE * PANE, return_inverse=True)
    starts = hours_of(panes.tolist(), timezone)
    _add(changes, series, rows, keys, values, np.array([starts[pane] for pane in panes.tolist()], np.int64)[pane_index])


def recompute_sliced(
    connection: Connection,
    changes: PaneChanges,
    series: Series,
    values: SliceValues,
    keys: Collection[str],
    stretches: Sequence[Stretch],
) -> None:
    """Recompute the performance of slices for every stored hour that overlaps these periods.

    Runs inside the caller's transaction, for ``keys`` and all keys with known values. Hours without slices are left
    out.
    """
    if not stretches:
        return
    first, last = zip(*stretches, strict=True)
    stored = read(
        connection,
        f"SELECT DISTINCT pane, pane + span AS stop FROM {SLICED} JOIN wanted w ON pane < w.last"
        " AND pane + span > w.first WHERE series = ? AND fold LIKE 'task:%' ORDER BY pane, stop DESC",
        series.number,
        wanted=pa.table({"first": pa.array(first, pa.int64()), "last": pa.array(last, pa.int64())}),
    )
    hours, recomputed_until = list[Stretch](), np.iinfo(np.int64).min
    for row in stored.to_pylist():
        if row["pane"] >= recomputed_until:  # not an hour within a stored day
            hours.append((row["pane"], recomputed_until := row["stop"]))
    starts, all_keys = np.array([start for start, _ in hours], np.int64), sorted({*keys, *values.keys(series.number)})
    for group in read_together(connection, series.number, hours):
        within = lies_within("pane", [(start, end - 1) for start, end in group])
        connection.execute(
            f"DELETE FROM {SLICED} WHERE series = ? AND fold LIKE 'task:%' AND {within.sql}",
            [series.number, *within.parameters],
        )
        rows = read_joined(connection, series.number, group)
        time = integers_of(rows, "time")
        start = starts[np.searchsorted(starts, time, side="right") - 1]
        _add(changes, series, rows, all_keys, values, start + (time - start) // HOUR * HOUR)


def _add(
    changes: PaneChanges, series: Series, rows: pa.Table, keys: Iterable[str], values: SliceValues, hour: I64
) -> None:
    """``hour``: the start of each row's pane, int64 (n,)."""
    if not rows.num_rows:
        return
    hours, hour_index = np.unique(hour, return_inverse=True)
    labelled, known_slices = labelled_rows(series.task, rows, keys), dict[str, Sequence[str]]()
    for key, column in labelled.slices.items():
        if column.categories:
            values.learn(series.number, key, column, None)
            known_slices[key] = values.of(series.number, key)
    fold = performance_fold(series.task)
    for slice_sums in fold_outcomes_by_slice(labelled, series.task, known_slices, hour_index):
        folds = [f"{fold}{BETWEEN}{slice_sums.names[place]}" for place in slice_sums.slice.tolist()]
        changes.add_sparse(series.number, folds, hours[slice_sums.step], slice_sums.sums)


def slices_of(
    memory: PaneMemory, series: Series, steps: Sequence[Window], keys: Collection[str]
) -> dict[str, BlockSums]:
    """Return the outcomes of a window by slice and block of time.

    They cover the slices of declared keys and cohorts of label age, with rows, decisions and deleted rows of each
    slice. ``memory``: cache of slice panes. ``steps``: consecutive whole hours.
    """
    own_fold, plain_fold = performance_fold(series.task) + BETWEEN, BETWEEN

    def wanted(fold: str) -> bool:
        over, _, name = fold.partition(BETWEEN)
        key = name.partition("=")[0]
        return key in keys or (key == LABEL_AGE and bool(over)) if fold.startswith((own_fold, plain_fold)) else False

    sums_by_slice: dict[str, BlockSums] = {}
    for fold, sums in sorted(memory.blocks(series, steps, wanted).items()):
        name = fold.partition(BETWEEN)[2]
        sums_by_slice[name] = BlockSums(
            sums.count, {**sums_by_slice[name].parts, **sums.parts} if name in sums_by_slice else sums.parts
        )
    return dict(sorted(sums_by_slice.items()))


def add_outcomes(changes: PaneChanges, series: Series, rows: pa.Table) -> None:
    """Add joined rows of one series to the panes of their predictions.

    ``rows``: the columns of the table ``joined``.
    """
    if not rows.num_rows:
        return
    labelled, time = labelled_rows(series.task, rows), integers_of(rows, "time")
    if (time[1:] < time[:-1]).any():
        order = np.argsort(time, kind="stable")
        labelled, time = labelled.take(order), time[order]
    starts = time - time % PANE
    new = np.diff(starts, prepend=starts[0] - 1) != 0
    panes: I64 = starts[new]
    group = np.cumsum(new) - 1
    sums = labelled.fold(series.task, group, len(panes)) | labelled.delays(group, len(panes))
    changes.add_sparse(series.number, performance_fold(series.task), panes, sums)


def recompute_panes(
    connection: Connection,
    changes: PaneChanges,
    series: Series,
    stretches: Sequence[Stretch],
    values: SliceValues,
    keys: Collection[str] = (),
) -> I64:
    """Recompute the performance parts within ``[start, end)`` from the joined rows; return the starts of their panes.

    These are starts of five minutes; pieces of a rolled-up pane may have no row.

    ``stretches``: disjoint, whole stored panes, see :func:`stored_stretches`. Runs inside the caller's transaction.
    Slices are recomputed by whole hours; ``values``: the slice values with panes of their own, ``keys``: the slice
    keys.
    """
    for group in read_together(connection, series.number, stretches):
        within = lies_within("pane", [(start, end - 1) for start, end in group])
        connection.execute(
            f"DELETE FROM panes WHERE series = ? AND fold LIKE 'task:%' AND {within.sql}",
            [series.number, *within.parameters],
        )
        add_outcomes(changes, series, read_joined(connection, series.number, group))
    sliced = sliced_changes()
    recompute_sliced(connection, sliced, series, values, keys, stretches)
    sliced.write(connection)
    values.write(connection)
    return np.concatenate([_NONE, *(np.arange(start, end, PANE) for start, end in stretches)])


def joined_stretches(connection: Connection, series: int) -> list[Stretch]:
    """Return the stored panes with joined rows of a series."""
    times = "SELECT DISTINCT time - time % ? AS pane FROM joined WHERE series = ?"
    return stored_stretches(connection, series, integers_of(read(connection, times, PANE, series), "pane").tolist())


def stored_stretches(connection: Connection, series: int, panes: Iterable[int]) -> list[Stretch]:
    """Return the stored panes around these as disjoint periods: five minutes, or longer after a roll-up."""
    stored = read(
        connection,
        "SELECT w.start, coalesce(min(p.pane), w.start) AS first, coalesce(max(p.pane + p.span), w.start + ?) AS last"
        " FROM wanted w LEFT JOIN panes p ON p.series = ? AND p.pane <= w.start AND p.pane + p.span > w.start"
        " GROUP BY w.start ORDER BY first, last DESC",
        PANE,
        series,
        wanted=pa.table({"start": pa.array(sorted(panes), pa.int64())}),
    )
    stretches: list[Stretch] = []
    for row in stored.to_pylist():
        if not stretches or row["first"] >= stretches[-1][1]:
            stretches.append((row["first"], row["last"]))
    return stretches


def kept_stretches(connection: Connection, series: int, stretches: Sequence[Stretch]) -> list[Stretch]:
    """Return the periods in which all rows of the outcomes, also of their hours, are still stored for a recomputation.

    The hours are those of the slices. ``stretches``: disjoint, the oldest first. The number of queries does not grow
    with the number of periods, because outcomes of any age may change every pane.
    """
    if not stretches:
        return []
    first, last = _with_hours(connection, series, stretches)
    ends = np.maximum.accumulate(last)
    begin, end = group_intervals(first, ends, TIME_APART)
    ranges = list(zip(first[begin].tolist(), (ends[end] - 1).tolist(), strict=True))
    within = Condition("series = ? AND fold LIKE 'task:%'", (series,)).also(lies_within("pane", ranges))
    added = read_sums(connection, within, PANES, lambda _, part: part == "outcomes")
    is_count = integers_of(added, "idx") == 0
    outcomes = _sums_within(integers_of(added, "pane")[is_count], numbers_of(added, "value")[is_count], first, last)
    is_kept = _rows_within(connection, series, first, last, ranges) >= outcomes
    return [stretch for stretch, kept in zip(stretches, is_kept.tolist(), strict=True) if kept]


def read_joined(connection: Connection, series: int, stretches: Sequence[Stretch]) -> pa.Table:
    """Return the joined rows of a series in some periods, at most :data:`MOST_RANGES`."""
    within = lies_within("time", [(start, end - 1) for start, end in stretches])
    return read(connection, f"SELECT * FROM joined WHERE series = ? AND {within.sql}", series, *within.parameters)


def read_together(connection: Connection, series: int, stretches: Sequence[Stretch]) -> Iterator[list[Stretch]]:
    """Yield periods that are read together, with adjacent ones merged.

    One query per pane would cost more than its rows: outcomes of any age change every pane of weeks.
    """
    if not stretches:
        return
    first, last = (np.array(ends, np.int64) for ends in zip(*stretches, strict=True))
    begin, end = group_intervals(first, last, TIME_APART)
    ranges = list(zip(first[begin].tolist(), (last[end] - 1).tolist(), strict=True))
    group, held = list[Stretch](), 0
    for (start, stop), rows in zip(
        stretches, _rows_within(connection, series, first, last, ranges).tolist(), strict=True
    ):
        is_adjacent = bool(group) and group[-1][1] == start
        if group and (held + rows > MOST_AT_ONCE or (len(group) == MOST_RANGES and not is_adjacent)):
            yield group
            group, held, is_adjacent = [], 0, False
        if is_adjacent:
            start = group.pop()[0]
        group.append((start, stop))
        held += rows
    yield group


def _with_hours(connection: Connection, series: int, stretches: Sequence[Stretch]) -> tuple[I64, I64]:
    """Return start and end of periods, extended to the stored hours of slices that overlap them."""
    first, last = (np.array(ends, np.int64) for ends in zip(*stretches, strict=True))
    hours = read(
        connection,
        f"WITH hours AS (SELECT DISTINCT pane, pane + span AS stop FROM {SLICED}"
        " WHERE series = ? AND pane < ? AND pane + span > ? AND fold LIKE 'task:%')"
        " SELECT w.place, min(pane) AS first, max(stop) AS last FROM wanted w"
        " JOIN hours ON pane < w.last AND stop > w.first GROUP BY w.place",
        *(series, int(last[-1]), int(first[0])),
        wanted=pa.table({"place": np.arange(len(first)), "first": first, "last": last}),
    )
    place = integers_of(hours, "place")
    first[place] = np.minimum(first[place], integers_of(hours, "first"))
    last[place] = np.maximum(last[place], integers_of(hours, "last"))
    return first, last


def _rows_within(connection: Connection, series: int, first: I64, last: I64, ranges: Sequence[Stretch]) -> F64:
    """Return the number of joined rows in each period ``[first, last)``; ``ranges``: all of them, ends included."""
    within = lies_within("time", ranges)
    counted = read(
        connection,
        f"SELECT time - time % {PANE} AS pane, count(*) AS rows FROM joined WHERE series = ? AND {within.sql}"
        " GROUP BY ALL",
        series,
        *within.parameters,
    )
    return _sums_within(integers_of(counted, "pane"), numbers_of(counted, "rows"), first, last)


def _sums_within(pane: I64, value: F64, first: I64, last: I64) -> F64:
    """Return the sum of the values of panes that start in each period ``[first, last)``."""
    order = np.argsort(pane)
    until = np.append(0.0, np.cumsum(value[order]))
    before_first, before_last = np.searchsorted(pane[order], [first, last])
    sums: F64 = until[before_last] - until[before_first]
    return sums
