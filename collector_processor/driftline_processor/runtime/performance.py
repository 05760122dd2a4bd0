"""What outcomes add to the panes of their predictions, and how a pane is made anew when one is corrected.

A first outcome is added. A correction cannot be subtracted (floats do not subtract cleanly), so the panes it concerns
are recomputed from the joined rows; which is possible as long as all of those are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
from driftline.tables import I64

from driftline_processor.core.labels.delay import PART as DELAY
from driftline_processor.core.labels.delay import fold_delays
from driftline_processor.core.window import PANE

from .outcome_sums import FOLDED, fold_joined
from .panes import SLICED, PaneChanges, performance_fold
from .rows import integers_of
from .series import Series
from .sliced_outcomes import recompute_sliced, sliced_changes
from .slices import SliceValues
from .store import Connection, number, read

_KEPT = "SELECT {} FROM joined WHERE series = ? AND time >= ? AND time < ?"


def add_outcomes(changes: PaneChanges, series: Series, rows: pa.Table) -> I64:
    """Add joined rows of one series to the panes of their predictions; return the starts of those panes.

    ``rows``: the columns of the table ``joined``.
    """
    if not rows.num_rows:
        return np.empty(0, dtype=np.int64)
    time = integers_of(rows, "time")
    if (time[1:] < time[:-1]).any():
        order = np.argsort(time, kind="stable")
        rows, time = rows.select(FOLDED).take(pa.array(order)), time[order]
    starts = time - time % PANE
    new = np.diff(starts, prepend=starts[0] - 1) != 0
    panes: I64 = starts[new]
    group = np.cumsum(new) - 1
    delays = fold_delays(time, integers_of(rows, "outcome_time"), group, len(panes))
    sums = {**fold_joined(series.task, rows, group, len(panes)), DELAY: delays}
    changes.add_sparse(series.number, performance_fold(series.task), panes, sums)
    return panes


def recompute(
    connection: Connection,
    changes: PaneChanges,
    series: Series,
    stretches: Sequence[tuple[int, int]],
    values: SliceValues,
) -> I64:
    """Make the performance parts within ``[start, end)`` anew from the joined rows; return the starts of their panes.

    ``stretches``: disjoint, whole stored panes, see :func:`stored_stretches`. Inside the caller's transaction. Those of
    slices, of whole hours, are made anew and written with it; ``values``: which are told apart.
    """
    panes = [np.array([start for start, _ in stretches], dtype=np.int64)]
    for start, end in stretches:
        connection.execute(
            "DELETE FROM panes WHERE series = ? AND pane >= ? AND pane < ? AND fold LIKE 'task:%'",
            [series.number, start, end],
        )
        rows = read(connection, _KEPT.format("*"), series.number, start, end)
        panes.append(add_outcomes(changes, series, rows))
    sliced = sliced_changes()
    recompute_sliced(connection, sliced, series, values, stretches)
    sliced.write(connection)
    values.write(connection)
    return np.unique(np.concatenate(panes))


def joined_stretches(connection: Connection, series: int) -> list[tuple[int, int]]:
    """Return the stored panes that hold joined rows of a series."""
    times = "SELECT DISTINCT time - time % ? AS pane FROM joined WHERE series = ?"
    return stored_stretches(connection, series, integers_of(read(connection, times, PANE, series), "pane").tolist())


def stored_stretches(connection: Connection, series: int, panes: Iterable[int]) -> list[tuple[int, int]]:
    """Return the stored panes around these as disjoint stretches: five minutes each, or what they rolled up to."""
    stored = read(
        connection,
        "SELECT w.start, coalesce(min(p.pane), w.start) AS first, coalesce(max(p.pane + p.span), w.start + ?) AS last"
        " FROM wanted w LEFT JOIN panes p ON p.series = ? AND p.pane <= w.start AND p.pane + p.span > w.start"
        " GROUP BY w.start ORDER BY first, last DESC",
        PANE,
        series,
        wanted=pa.table({"start": pa.array(sorted(panes), pa.int64())}),
    )
    stretches: list[tuple[int, int]] = []
    for row in stored.to_pylist():
        if not stretches or row["first"] >= stretches[-1][1]:
            stretches.append((row["first"], row["last"]))
    return stretches


def all_kept(connection: Connection, series: int, stretch: tuple[int, int]) -> bool:
    """Say whether every row whose outcome was added to a stretch is still kept, so that it can be made anew.

    And to the hours that hold it: of those are the slices.
    """
    hours = read(
        connection,
        f"SELECT min(pane) AS first, max(pane + span) AS last FROM {SLICED}"
        " WHERE series = ? AND pane < ? AND pane + span > ? AND fold LIKE 'task:%'",
        *(series, stretch[1], stretch[0]),
    ).to_pylist()[0]
    if hours["first"] is not None:
        stretch = min(stretch[0], hours["first"]), max(stretch[1], hours["last"])
    added = "SELECT sum(value) FROM panes WHERE series = ? AND pane >= ? AND pane < ? AND part = 'outcomes' AND idx = 0"
    kept = number(connection, _KEPT.format("count(*)"), series, *stretch) or 0
    return kept >= (number(connection, added, series, *stretch) or 0)
