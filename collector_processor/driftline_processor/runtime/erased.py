"""What was deleted, in sums of its own: how many rows of a pane and of its slices no outcome is waited for any more.

What was counted of these rows stays: a pane cannot forget in which bins they lay. Their number, and what was decided of
them, is known when they are deleted, and is all that is needed for every share of predictions whose outcome is known,
or that were decided for a class (:mod:`.core.sent`).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from driftline.fold import usable_weight
from driftline.slices import places_of
from driftline.tables import I64

from driftline_processor.core.sent import ERASED, ERASED_AS
from driftline_processor.core.window import PANE

from .counting import add_by_class, add_slices_by_class
from .panes import PaneChanges
from .rows import integers_of, numbers_of, said_of, slice_of
from .series import Series
from .slices import SliceValues, add_to_slices, hour_of_each, powers_of
from .store import Connection, insert, read


def add_erased(
    changes: PaneChanges, sliced: PaneChanges, series: Series, rows: pa.Table, values: SliceValues, timezone: str
) -> I64:
    """Count deleted rows of one series; return the starts of their panes.

    ``rows``: columns of the table ``predictions``. ``sliced``: what is added to the panes of slices; ``values``: which
    are told apart.
    """
    weight = usable_weight(numbers_of(rows, "weight"))
    panes, at = np.unique(integers_of(rows, "time") // PANE * PANE, return_inverse=True)
    columns = powers_of(weight)
    sums = [np.bincount(at, column, minlength=len(panes)) for column in columns.T]
    changes.add_part(series.number, "", panes, ERASED, np.stack(sums, axis=1).astype(np.float64))
    _, decided = said_of(series.task, rows)
    add_by_class(changes, series, ERASED_AS, panes, at, decided, weight)
    hour = hour_of_each(panes, timezone)[at]
    for key in values.keys(series.number):
        names = values.of(series.number, key)
        place = places_of(slice_of(rows, key), names, len(rows))
        add_to_slices(sliced, series.number, ERASED, key, names, place, hour, columns)
        add_slices_by_class(sliced, series, ERASED_AS, key, names, place, hour, decided, weight)
    return panes


def write_restated(connection: Connection, touched: list[tuple[int, I64]]) -> None:
    """Remember panes that have to be evaluated again, inside the caller's transaction: no row tells of them."""
    for series, panes in touched:
        rows = {"series": pa.repeat(pa.scalar(series, pa.int32()), len(panes)), "pane": pa.array(panes, pa.int64())}
        insert(connection, "restated", pa.table(rows))


def read_restated(connection: Connection) -> list[tuple[int, int]]:
    """Return series and start of the panes that were not evaluated since."""
    rows = read(connection, "SELECT DISTINCT series, pane FROM restated ORDER BY ALL").to_pylist()
    return [(row["series"], row["pane"]) for row in rows]
