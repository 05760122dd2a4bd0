"""Panes by steps of time that follow each other: blocks of a window, or five minutes after five minutes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from driftline.sparse import Sparse
from driftline.tables import I64

from driftline_processor.core.evaluation import Window
from driftline_processor.core.performance.in_time import InTime

from .store import Connection, read


class Stepped(NamedTuple):
    """How to tell the step of a pane in a query: ``SELECT {step} ... FROM table {join}``.

    ``parameters``: those of both, which come first. ``tables``: what the join needs.
    """

    step: str
    join: str
    parameters: tuple[int, int]
    tables: dict[str, pa.Table]


def stepped(steps: Sequence[Window]) -> Stepped:
    """Return how to tell the step of a pane; there is at least one."""
    start, ends = steps[0].start, np.array([step.end for step in steps], np.int64)
    unit = math.gcd(*(int(end) - start for end in ends))
    count = np.diff(ends, prepend=start) // unit
    if len(steps) == count.sum():
        return Stepped("(pane - ?) // ?", "", (start, unit), {})
    # the clocks change: DuckDB finds equal keys quickly, and ranges slowly
    times = pa.table({"unit": np.arange(count.sum()), "step": np.repeat(np.arange(len(steps)), count)})
    return Stepped("steps.step", "JOIN steps ON (pane - ?) // ? = unit", (start, unit), {"steps": times})


def read_in_time(
    connection: Connection,
    series: int,
    steps: Sequence[Window],
    width: Callable[[str, str], int],
    table: str,
    prefix: str,
) -> dict[str, InTime]:
    """Sum the panes of each step: fold → its sums by step. The other arguments are those of :func:`.panes.read_window`.

    ``steps``: at least one.
    """
    how = stepped(steps)
    rows = read(
        connection,
        f"SELECT fold, part, {how.step} AS step, idx, fsum(value) AS value FROM {table} {how.join} WHERE series = ?"
        " AND pane >= ? AND pane < ? AND starts_with(fold, ?) GROUP BY ALL",
        *(*how.parameters, series, steps[0].start, steps[-1].end, prefix),
        **how.tables,
    )
    step, index, value = (rows.column(name).to_numpy() for name in ("step", "idx", "value"))
    fold, part = (rows.column(name).combine_chunks().dictionary_encode() for name in ("fold", "part"))
    folds, parts = fold.dictionary.to_pylist(), part.dictionary.to_pylist()
    code = fold.indices.to_numpy().astype(np.int64) * len(parts) + part.indices.to_numpy()
    order, ends = by_code(code, len(folds) * len(parts))
    found: dict[str, dict[str, Sparse]] = {}
    for which in np.flatnonzero(np.diff(ends)).tolist():
        over, name, own = folds[which // len(parts)], parts[which % len(parts)], order[ends[which] : ends[which + 1]]
        wide = max(width(over, name), int(index[own].max()) + 1)
        sums = Sparse(wide, step[own].astype(np.int64), index[own].astype(np.int64), value[own])
        found.setdefault(over, {})[name] = sums
    return {over: InTime(len(steps), own) for over, own in found.items()}


def by_code(code: I64, codes: int) -> tuple[I64, I64]:
    """Return the order of rows by a code below ``codes``, and where each ends in it, from 0 on: int64 (codes + 1,)."""
    small = code.astype(np.int16) if codes <= np.iinfo(np.int16).max else code  # of few values, without comparing them
    order = np.argsort(small, kind="stable")
    return order, np.searchsorted(code, range(codes + 1), sorter=order)
