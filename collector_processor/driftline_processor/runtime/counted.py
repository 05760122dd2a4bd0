"""The rows that were counted over the bins of a baseline, stretch by stretch of time, from the panes in the store."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
from driftline.baseline import Baseline
from driftline.pane import Pane
from driftline.tables import F64, I64

from driftline_processor.core.distributed import DISTRIBUTED, MAPPED, complete
from driftline_processor.core.labels.delay import PART as DELAY

from .panes import part_width, performance_fold
from .series import Series
from .store import Connection, read

_PLAIN = ("rows", "duration", DISTRIBUTED, MAPPED)
"""What is read of a pane beside its bins."""

_NOTES = {DISTRIBUTED, MAPPED, "guessed", "unknown"}
"""Parts, or what their names begin with, that say how rows came and not what they are."""


def read_counted(
    connection: Connection,
    series: Series,
    like: Baseline,
    stretches: Sequence[tuple[int, int]],
    outcomes: bool = False,
) -> list[Pane]:
    """Return one pane for each stretch of time ``[start, end)``; each begins where the one before ends, some are empty.

    Only what was counted over the bins of ``like``, by its ``fold``, and rows and durations of the panes of time that
    were. ``outcomes``: what became of them, too.
    """
    first, last = stretches[0][0], stretches[-1][1]
    over = (series.number, first, last, like.fold)
    performance = performance_fold(series.task)
    known = "SELECT DISTINCT part FROM panes WHERE series = ? AND pane >= ? AND pane < ? AND fold = ?"
    told = read(connection, known, *over[:3], performance).column("part").to_pylist() if outcomes else []
    of_outcomes = [part for part in told if part != DELAY]  # how late they came says nothing of the model
    query = "SELECT DISTINCT pane FROM panes WHERE series = ? AND pane >= ? AND pane < ? AND fold = ?"
    counted = read(connection, query, *over).column("pane").to_numpy()
    # which stretch a pane is in is found here: a join by inequality takes ten times as long as all the rest
    ends = np.array([end for _, end in stretches], np.int64)
    place = pa.table({"pane": counted, "stretch": np.searchsorted(ends, counted, side="right")})
    rows = read(
        connection,
        "SELECT stretch, part, idx, fsum(value) AS value FROM panes JOIN place USING (pane)"
        " WHERE series = ? AND pane >= ? AND pane < ?"
        " AND (fold = ? OR fold = ? AND part IN (SELECT unnest(?)) OR fold = '' AND part IN (SELECT unnest(?)))"
        " GROUP BY stretch, part, idx ORDER BY stretch, part",
        *(*over, performance, of_outcomes, list(_PLAIN)),
        place=place,
    )
    panes = [Pane() for _ in stretches]
    for at, part, index, values in _runs(rows):
        own = None if part in _PLAIN or part in of_outcomes else like
        sums = np.zeros(max(part_width(part, own, series.task), int(index.max()) + 1))
        sums[index] = values
        panes[at].parts[part] = sums
    for pane in panes:
        complete(pane, like.bins)
        pane.parts = {name: sums for name, sums in pane.parts.items() if name.partition(":")[0] not in _NOTES}
    return panes


def counted_panes(connection: Connection, series: int, fold: str, since: int, until: int) -> I64:
    """Return the panes between two times that were counted over the bins of a baseline, by their start, ascending."""
    query = "SELECT DISTINCT pane FROM panes WHERE series = ? AND fold = ? AND pane >= ? AND pane < ? ORDER BY pane"
    found = read(connection, query, series, fold, since, until)
    return np.asarray(found.column("pane").to_numpy(), dtype=np.int64)


def _runs(rows: pa.Table) -> list[tuple[int, str, I64, F64]]:
    """The entries of each part of each stretch."""
    if not rows.num_rows:
        return []
    at, index, value = (rows.column(name).to_numpy() for name in ("stretch", "idx", "value"))
    part = rows.column("part").combine_chunks().dictionary_encode()
    code, names = part.indices.to_numpy(), part.dictionary.to_pylist()
    edges = [0, *(np.flatnonzero(np.diff(at) | np.diff(code)) + 1).tolist(), len(at)]
    return [(int(at[begin]), names[code[begin]], index[begin:end], value[begin:end]) for begin, end in pairwise(edges)]
