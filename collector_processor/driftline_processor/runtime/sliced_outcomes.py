"""What outcomes add to the slices of their predictions, and to the cohorts of how long they took to come.

The performance parts of a slice are those of a pane, hour by hour of the model's time zone, under the fold
``task:...|key=value`` beside the slices' other panes (:mod:`.slices`). A key may come with the prediction, or with the
outcome and never before. What is restated is the whole hour, of all of its slices, from the joined rows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
from driftline.slices import OTHER, places_of, slice_name
from driftline.tables import I64

from driftline_processor.core.evaluation import Window
from driftline_processor.core.performance.blocks import HOURS, cut
from driftline_processor.core.performance.by_slice import COHORTS, LABEL_AGE, ages_of
from driftline_processor.core.performance.in_time import InTime
from driftline_processor.core.window import PANE, parse

from .in_time import read_in_time
from .outcome_sums import fold_joined
from .panes import SLICED, PaneChanges, performance_fold
from .rows import integers_of, slice_of
from .series import Series
from .slices import BETWEEN, HOUR, SliceValues, hours_of
from .store import Connection, read

Width = Callable[[str, str], int]


def sliced_changes() -> PaneChanges:
    """Return where sums of slices are gathered for one transaction."""
    return PaneChanges(SLICED, HOUR)


def add_sliced(
    changes: PaneChanges, series: Series, rows: pa.Table, keys: Iterable[str], values: SliceValues, timezone: str
) -> None:
    """Add joined rows of one series to the slices of their predictions.

    ``rows``: columns of the table ``joined``. ``keys``: those that are declared; their values are learned here.
    """
    if not rows.num_rows:
        return
    panes, at = np.unique(integers_of(rows, "time") // PANE * PANE, return_inverse=True)
    starts = hours_of(panes.tolist(), timezone)
    _add(changes, series, rows, keys, values, np.array([starts[pane] for pane in panes.tolist()], np.int64)[at])


def recompute_sliced(
    connection: Connection,
    changes: PaneChanges,
    series: Series,
    values: SliceValues,
    stretches: Sequence[tuple[int, int]],
) -> None:
    """Make the performance of the slices anew, of every stored hour that holds something of these stretches of time.

    Inside the caller's transaction; of keys whose values were ever seen. Hours without slices stay without.
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
    done = np.iinfo(np.int64).min
    for row in stored.to_pylist():
        start, end = row["pane"], row["stop"]
        if start < done:  # an hour of a day that is stored as one, too
            continue
        done = end
        connection.execute(
            f"DELETE FROM {SLICED} WHERE series = ? AND pane >= ? AND pane < ? AND fold LIKE 'task:%'",
            [series.number, start, end],
        )
        rows = read(
            connection, "SELECT * FROM joined WHERE series = ? AND time >= ? AND time < ?", series.number, start, end
        )
        time = integers_of(rows, "time")
        _add(changes, series, rows, values.keys(series.number), values, start + (time - start) // HOUR * HOUR)


def _add(
    changes: PaneChanges, series: Series, rows: pa.Table, keys: Iterable[str], values: SliceValues, hour: I64
) -> None:
    """``hour``: the start of the pane of each row, int64 (n,)."""
    if not rows.num_rows:
        return
    hours, at = np.unique(hour, return_inverse=True)
    ages = ages_of(integers_of(rows, "time"), integers_of(rows, "outcome_time"))
    cuts: list[tuple[str, Sequence[str], I64]] = [(LABEL_AGE, COHORTS, ages)]
    for key in keys:
        column = slice_of(rows, key)
        if not column.labels:
            continue
        values.learn(series.number, key, column, None)
        known = values.of(series.number, key)
        cuts.append((key, (*known, OTHER), places_of(column, known, len(rows))))
    fold = performance_fold(series.task)
    for key, names, place in cuts:
        inside = np.flatnonzero(place >= 0)
        present, group = np.unique(at[inside] * len(names) + place[inside], return_inverse=True)
        some = rows if len(inside) == len(rows) else rows.take(pa.array(inside))
        sums = fold_joined(series.task, some, group, len(present))
        folds = [f"{fold}{BETWEEN}{slice_name(key, names[which])}" for which in (present % len(names)).tolist()]
        changes.add_sparse(series.number, folds, hours[present // len(names)], sums)


def slices_of(
    connection: Connection,
    series: Series,
    window: Window,
    keys: Collection[str],
    width: Width,
    timezone: str,
) -> Mapping[str, InTime]:
    """Return what is known of the outcomes of a window by slice and block of time: of the declared keys, and by the age
    of labels.

    And how many rows each slice has, what was decided of them, and how many were deleted. Nothing of a window whose
    length is said in minutes.
    """
    if window.name and parse(window.name).unit == "m":
        return {}
    fold, blocks = performance_fold(series.task), cut(window, timezone, HOURS) or (window,)

    def own_width(over: str, part: str) -> int:
        return width(over.partition(BETWEEN)[0], part)

    def sums(prefix: str, wanted: Collection[str]) -> dict[str, InTime]:
        folds = read_in_time(connection, series.number, blocks, own_width, SLICED, prefix)
        named = {name.partition(BETWEEN)[2]: own for name, own in folds.items()}
        return {name: own for name, own in named.items() if name.partition("=")[0] in wanted}

    found = sums(fold + BETWEEN, {*keys, LABEL_AGE})
    for name, own in sums(BETWEEN, keys).items() if keys else ():
        found[name] = InTime(own.count, {**found[name].parts, **own.parts} if name in found else own.parts)
    return dict(sorted(found.items()))
