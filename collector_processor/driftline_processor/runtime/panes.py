"""Panes in the store: sparse ``(series, fold, pane, part, index, value)`` rows that add up.

A change to a pane is appended, never written over; a window is ``sum(value)`` over its panes. ``fold`` says what the
sums were folded over, because only equal folds may be added: the empty text for what needs no bins (rows, durations,
decisions), a baseline's ``fold`` for what its bins counted, :func:`performance_fold` for what an outcome added.
``span`` is the length of the stored pane: five minutes, and after a roll-up an hour or a day of the model's time zone.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import xxhash
from driftline import clusters, expected, joint, strays
from driftline.baseline import Baseline
from driftline.outcome_parts import widths
from driftline.pane import DURATION_BOUNDS, Pane
from driftline.sparse import Sparse
from driftline.tables import F64, I64, Task

from driftline_processor.core.evaluation import Window
from driftline_processor.core.expectations.rule import PREFIX as EXPECTED
from driftline_processor.core.expectations.rule import WIDTH as EXPECTED_WIDTH
from driftline_processor.core.labels import delay
from driftline_processor.core.sent import ERASED
from driftline_processor.core.window import PANE, window_of

from .narrow import Condition
from .store import Connection, insert, read, run

_AT_ONCE = 64
"""Panes that are made one dense matrix: score histograms of a month of panes would be a gigabyte."""

OUTCOMES = "task:"
"""Prefix of the folds of what outcomes added."""

SLICED = "slice_panes"
"""The table of the panes of slices, like that of all rows and apart from it, so that nobody reads past them."""

KEEP_PANES = 14 * 86_400 * 10**9
KEEP_HOURS = 90 * 86_400 * 10**9
KEEP_DAYS = 3 * 366 * 86_400 * 10**9
"""How long behind the watermark panes stay five minutes, then hours, then days (nanoseconds)."""


def performance_fold(task: Task) -> str:
    """Name what the sums of outcomes were folded over: kind, classes in order, positive class, cutoffs, quantiles."""
    own = (*(f"@{cutoff}" for cutoff in task.cutoffs), *map(repr, task.quantiles))
    said = "\0".join((task.kind, task.positive_class, *task.classes, *own))
    return OUTCOMES + xxhash.xxh3_64_hexdigest(said.encode())


def score_fold(task: Task) -> str:
    """Name what the scores of all rows were counted over: the same, for sums that no outcome changes."""
    return "score:" + performance_fold(task).removeprefix(OUTCOMES)


def learned_fold(baseline: Baseline) -> str:
    """Name what sums stand on that depend on what a baseline has learned; the empty text where none do."""
    known = baseline.extras.estimation
    digest = "" if known is None else known.digest
    return f"learned:{digest}" if digest else ""


@dataclass(slots=True)
class PaneChanges:
    """Sums to be added to panes, gathered for one transaction.

    ``table``: which panes, those of all rows or :data:`SLICED`; ``span``: how long they are, nanoseconds.
    """

    table: str = "panes"
    span: int = PANE
    _series: list[I64] = field(default_factory=list)
    _fold: list[I64] = field(default_factory=list)
    _pane: list[I64] = field(default_factory=list)
    _part: list[I64] = field(default_factory=list)
    _index: list[I64] = field(default_factory=list)
    _value: list[F64] = field(default_factory=list)
    _folds: dict[str, int] = field(default_factory=dict)
    _parts: dict[str, int] = field(default_factory=dict)

    def add(self, series: int, fold: str, starts: I64, panes: Sequence[Pane]) -> None:
        """Add one Pane for each pane of time; ``starts``: int64 (len(panes),), unix nanoseconds."""
        for first in range(0, len(panes), _AT_ONCE):
            some, at = panes[first : first + _AT_ONCE], starts[first : first + _AT_ONCE]
            for part in dict.fromkeys(name for pane in some for name in pane.parts):
                having = [position for position, pane in enumerate(some) if part in pane.parts]
                self.add_part(series, fold, at[having], part, np.stack([some[one].parts[part] for one in having]))

    def add_part(self, series: int, fold: str | Sequence[str], starts: I64, part: str, sums: F64) -> None:
        """Add one part of several panes; ``sums``: float64 (len(starts), width). ``fold``: of all, or of each."""
        row, index = np.nonzero(sums)
        if not len(row):
            return
        folds = [self._folds.setdefault(one, len(self._folds)) for one in ([fold] if isinstance(fold, str) else fold)]
        self._series.append(np.full(len(row), series))
        self._fold.append(np.full(len(row), folds[0]) if isinstance(fold, str) else np.array(folds)[row])
        self._pane.append(starts[row])
        self._part.append(np.full(len(row), self._parts.setdefault(part, len(self._parts))))
        self._index.append(index)
        self._value.append(sums[row, index])

    def add_sparse(self, series: int, fold: str | Sequence[str], starts: I64, parts: Mapping[str, Sparse]) -> None:
        """Add what is not zero of many panes; ``starts``: of each group, int64, unix nanoseconds. ``fold``: of all, or
        of each."""
        of_each = [fold] * len(starts) if isinstance(fold, str) else fold
        numbers = np.array([self._folds.setdefault(one, len(self._folds)) for one in of_each], np.int64)
        for part, sums in parts.items():
            if n := len(sums.value):
                self._series.append(np.full(n, series))
                self._fold.append(numbers[sums.group])
                self._pane.append(starts[sums.group])
                self._part.append(np.full(n, self._parts.setdefault(part, len(self._parts))))
                self._index.append(sums.index)
                self._value.append(sums.value)

    def add_entries(self, series: int, fold: str, starts: I64, entries: Sequence[expected.Entries]) -> None:
        """Add sums of several panes that are sparse already; ``starts``: of the groups of the entries."""
        for one in entries:
            n = len(one.value)
            self._series.append(np.full(n, series))
            self._fold.append(np.full(n, self._folds.setdefault(fold, len(self._folds))))
            self._pane.append(starts[one.group])
            self._part.append(np.full(n, self._parts.setdefault(one.part, len(self._parts))))
            self._index.append(one.index)
            self._value.append(one.value)

    def write(self, connection: Connection) -> None:
        """Append what was gathered and begin anew, inside the caller's transaction."""
        if not self._value:
            return
        table = {
            "series": pa.array(np.concatenate(self._series).astype(np.int32)),
            "fold": _labels(self._fold, self._folds),
            "pane": np.concatenate(self._pane),
            "span": pa.repeat(pa.scalar(self.span), sum(map(len, self._value))),
            "part": _labels(self._part, self._parts),
            "idx": pa.array(np.concatenate(self._index).astype(np.int32)),
            "value": np.concatenate(self._value),
        }
        insert(connection, self.table, pa.table(table))
        for gathered in (self._series, self._fold, self._pane, self._part, self._index, self._value):
            gathered.clear()


def read_window(
    connection: Connection,
    series: int,
    start: int,
    end: int,
    width: Callable[[str, str], int],
    counted: str = "",
    table: str = "panes",
    prefix: str = "",
    parts: Sequence[str] = (),
    without: str = "",
) -> dict[str, Pane]:
    """Sum the panes of a stretch of time: fold → Pane.

    ``width``: how long the vector of a (fold, part) is; trailing zeros are not stored. ``counted``: a fold that a pane
    must have, or it is left out. ``table``: which panes. ``prefix``: with which the folds begin, ``without``: with
    which none does; ``parts``: those that are wanted, () = all.
    """
    within = Condition("series = ? AND pane >= ? AND pane < ?", (series, start, end))
    asked = within
    if counted:
        of_panes = f"pane IN (SELECT pane FROM {table} WHERE {within.sql} AND fold = ?)"
        asked = asked.also(Condition(of_panes, (*within.parameters, counted)))
    if prefix:
        asked = asked.also(Condition("starts_with(fold, ?)", (prefix,)))
    if without:
        asked = asked.also(Condition("NOT starts_with(fold, ?)", (without,)))
    if parts:
        asked = asked.also(Condition(f"part IN ({', '.join('?' * len(parts))})", tuple(parts)))
    rows = read(
        connection,
        f"SELECT fold, part, idx, fsum(value) AS value FROM {table} WHERE {asked.sql} GROUP BY fold, part, idx"
        " ORDER BY fold, part",
        *asked.parameters,
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


def part_width(part: str, baseline: Baseline | None, task: Task) -> int:
    """Return the length of a part's vector: that of the baseline's own, else what the task says."""
    if baseline is not None:
        if part in baseline.pane.parts:
            return len(baseline.pane.parts[part])
        if (width := strays.part_width(part, len(baseline.bins.features))) is not None:
            return width
        space = baseline.bins.space
        if space is not None and (own := joint.widths(len(space.names)).get(part)) is not None:
            return own
    if (width := expected.width_of(part, len(task.classes))) is not None:
        return width
    if part.startswith(EXPECTED):
        return EXPECTED_WIDTH
    if part.startswith(clusters.PREFIX):
        return clusters.WIDTH
    if (known := widths(task).get(part)) is not None:
        return known
    return {"rows": 3, ERASED: 3, "duration": len(DURATION_BOUNDS) + 2, delay.PART: delay.WIDTH}.get(part, 1)


def stored_unit(pane: int, watermark: int, timezone: str) -> Window:
    """Return what a pane of its age belongs to: five minutes, an hour or a day of the time zone."""
    age = watermark - pane
    name = "1d" if age > KEEP_HOURS else "1h" if age > KEEP_PANES else "5m"
    return window_of(name, pane, timezone)


def roll_up(
    connection: Connection,
    series: int,
    watermark: int,
    timezone: str,
    written: Container[int],
    table: str = "panes",
    cuts: Sequence[int] = (),
) -> None:
    """Add up the closed panes that were written in pieces, and lengthen the old ones.

    ``written``: the starts of panes that were. Inside the caller's transaction; what another thread appends meanwhile
    is left for the next time. ``table``: which panes. ``cuts``: moments at which a longer pane ends, ascending.
    """
    targets: list[tuple[int, int, int, int]] = []
    stored = f"SELECT DISTINCT pane, span FROM {table} WHERE series = ? AND pane < ?"
    for row in read(connection, stored, series, watermark - 2 * PANE).to_pylist():
        pane, span = row["pane"], row["span"]
        unit, at = stored_unit(pane, watermark, timezone), bisect_right(cuts, pane)
        start, end = max([unit.start, *cuts[at - 1 : at]]), min([unit.end, *cuts[at : at + 1]])
        if end - start > span:
            targets.append((pane, span, start, end - start))
        elif pane in written:
            targets.append((pane, span, pane, span))
    connection.execute(f"DELETE FROM {table} WHERE series = ? AND pane < ?", [series, watermark - KEEP_DAYS])
    if not targets:
        return
    names = ("pane", "span", "new_pane", "new_span")
    target = pa.table(dict(zip(names, map(pa.array, zip(*targets, strict=True)), strict=True)))
    summed = read(
        connection,
        "SELECT series, fold, new_pane AS pane, new_span AS span, part, idx, fsum(value) AS value"
        f" FROM {table} JOIN target USING (pane, span) WHERE series = ? GROUP BY ALL",
        series,
        target=target,
    )
    run(
        connection,
        f"DELETE FROM {table} USING target WHERE series = ? AND {table}.pane = target.pane"
        f" AND {table}.span = target.span",
        series,
        target=target,
    )
    insert(connection, table, summed)


def written_in_pieces(connection: Connection, table: str = "panes") -> dict[int, set[int]]:
    """Return the panes of each series that are stored in pieces."""
    found = read(
        connection,
        f"SELECT series, pane FROM {table} GROUP BY series, pane, span"
        " HAVING count(*) > count(DISTINCT (fold, part, idx))",
    )
    pieces: dict[int, set[int]] = {}
    for row in found.to_pylist():
        pieces.setdefault(row["series"], set()).add(row["pane"])
    return pieces


def _labels(codes: list[I64], labels: dict[str, int]) -> pa.Array:
    return pa.array(list(labels), pa.string()).take(pa.array(np.concatenate(codes)))
