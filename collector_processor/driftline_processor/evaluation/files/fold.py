"""Fold the rows of files into one pane per window, in batches, and count duplicate rows and values.

A batch is reduced to sums per window and the fingerprints of rows and values that may repeat.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.duplicate_rows import MOST_KEPT, U64, Counting, Repeats, fingerprints
from driftline.panes.fold import fold, fold_by
from driftline.panes.pane import MOST_UNKNOWN, Pane, add_pane
from driftline.tables.performance_columns import usable_weight
from driftline.tables.table import F64, I64, ModelKey, PredictionTable
from driftline.tables.timestamps import Seasonality
from msgspec import Struct, field

from driftline_processor.core.estimate.sums import learned_parts, score_parts
from driftline_processor.core.expectations.counting import count_rules
from driftline_processor.core.expectations.rule import Expectations
from driftline_processor.core.reference.season import PART as SEASONS
from driftline_processor.core.reference.season import by_season
from driftline_processor.core.service_level.sums import call_parts
from driftline_processor.present.progress import Progress, no_progress, report_parts
from driftline_processor.process_memory import give_back_tables
from driftline_processor.readers.prediction_rows import FileRows, select_rows, table_batches
from driftline_processor.readers.row_store import chunks_of

from .dataset import Dataset
from .rolling_reference import RollingReference
from .slices import SliceCounter, SlicePane, WindowSlices
from .weak_slices import WeakSliceRows
from .windows import StepCounts

Prints = dict[str, U64]
"""Fingerprints: of whole rows under "", of the values of a feature under its name."""


class WindowFold(Struct):
    """The fold of one window. ``counting``: duplicate counters of whole rows ("") and of single features."""

    pane: Pane = field(default_factory=Pane)
    counting: dict[str, Counting] = field(default_factory=dict)

    @classmethod
    def of(cls, max_rows: int, expect: Expectations) -> WindowFold:
        """Create a fold; ``max_rows``: maximum number of fingerprints of each kind."""
        return cls(Pane(), {name: Counting(max_rows) for name in ("", *_unique(expect))})

    def add(self, pane: Pane, prints: Prints) -> None:
        """Add a batch."""
        add_pane(self.pane, pane)
        for name, name_fingerprints in prints.items():
            self.counting[name].add(name_fingerprints)

    @property
    def repeats(self) -> Repeats | None:
        """Return how often whole rows repeat; None if they were not counted."""
        return self.counting[""].result()

    @property
    def unique(self) -> dict[str, Repeats]:
        """Return how often the values of each counted feature repeat."""
        results_by_name = {name: counting.result() for name, counting in self.counting.items() if name}
        return {name: repeats for name, repeats in results_by_name.items() if repeats is not None}


class _BatchFold(Struct, frozen=True):
    """How a batch is folded.

    Attributes:
        pieces: Number of pieces of all rows.
        repeating: True counts duplicates of whole rows.
        cluster: See :func:`driftline.panes.fold.fold`.
        seasonality: The seasons whose row weights are part of the panes; None = none.
    """

    baseline: Baseline
    expect: Expectations
    pieces: int
    repeating: bool
    cluster: str
    seasonality: Seasonality | None = None

    def fold(
        self, table: PredictionTable, piece: I64, counting: Sequence[SliceCounter]
    ) -> list[tuple[int, Pane, Prints]]:
        """Fold a batch into one pane per piece with rows.

        ``piece``: int64 (n,), the piece of each row. ``counting``: the slices to count.
        """
        prints: Prints = {}
        if self.repeating:
            prints[""] = fingerprints(table.features, self.baseline.bins.features, len(table))
        for name in _unique(self.expect):
            prints[name] = fingerprints(table.features, [name], len(table))
        bins, cuts = self.baseline.bins, [counter.counted for counter in counting]
        if self.pieces == 1:
            pane = fold_by(table, bins, piece, 1, self.cluster, cuts)[0] if cuts else fold(table, bins, self.cluster)
            pane.parts |= {part: sums[0] for part, sums in self._sums(table, piece, 1).items()}
            return [(0, pane, prints)]
        if not len(table):  # no row of the batch has a time
            return []
        present, local = np.unique(piece, return_inverse=True)
        panes = fold_by(table, bins, local, len(present), self.cluster, cuts)
        for part, sums in self._sums(table, local, len(present)).items():
            for pane, pane_sums in zip(panes, sums, strict=True):
                pane.parts[part] = pane_sums
        order, ends = np.argsort(local, kind="stable"), np.cumsum(np.bincount(local, minlength=len(present)))[:-1]
        split = {name: np.split(slice_prints[order], ends) for name, slice_prints in prints.items()}
        return [
            (index, pane, {name: slice_prints[position] for name, slice_prints in split.items()})
            for position, (index, pane) in enumerate(zip(present.tolist(), panes, strict=True))
        ]

    def _sums(self, table: PredictionTable, group: I64, groups: int) -> dict[str, F64]:
        """Return additional sums by part: float64 (groups, ...)."""
        sums = count_rules(table.features, self.expect, group, groups)
        if self.seasonality is not None and table.time.any():
            weight = np.ones(len(table)) if table.weight is None else usable_weight(table.weight)
            sums[SEASONS] = by_season(self.seasonality, table.time, weight, group, groups)
        for part_sum in (*score_parts(table, group), *learned_parts(table, self.baseline, group, groups)):
            sums[part_sum.part] = part_sum.dense(groups)
        calls = call_parts(table.duration, table.errors, table.weight, group, groups)
        return sums | {part: call_sums.dense(groups) for part, call_sums in calls.items()}


def newest_rows(reads: Sequence[FileRows], groups: Sequence[I64], windows: int) -> list[int | None]:
    """Return the newest prediction time per window, in unix nanoseconds; None if rows have no time."""
    newest = np.full(windows, -1, dtype=np.int64)
    for read, group in zip(reads, groups, strict=True):
        if read.time is None:
            return [None] * windows
        for part in chunks_of(len(read)):
            inside = group[part] >= 0
            np.maximum.at(newest, group[part][inside], read.time[part][inside])
    return [None if row < 0 else row for row in newest.tolist()]


def _unique(expect: Expectations) -> list[str]:
    return [name for name, rules in expect.features.items() if any(rule.kind == "unique" for rule in rules)]


T = TypeVar("T")
R = TypeVar("R")
_THREADS = 2
LEAST_KEPT, ALL_KEPT = 4_096, 8_000_000
"""Fingerprints per window at least, and of all windows together at most: 64 MB."""


class Gathering(Struct, frozen=True):
    """What is collected while rows are folded.

    Attributes:
        windows: Number of windows.
        counts: Counts per time step.
        expect: The expectations that are counted.
        slices: The rows of each slice.
        past: The reference of later windows; None if they are compared with a baseline.
        labelled: The bins of rows with a known outcome; None without outcomes.
    """

    windows: int
    counts: StepCounts
    expect: Expectations
    slices: WindowSlices
    past: RollingReference | None = None
    labelled: WeakSliceRows | None = None


def fold_rows(
    read: Dataset, key: ModelKey, baseline: Baseline, gathering: Gathering, progress: Progress = no_progress
) -> list[WindowFold]:
    """Fold all rows into one pane per window, in batches, and count duplicate rows.

    ``progress``: called with the number of counted rows.
    """
    counts, expect, slices = gathering.counts, gathering.expect, gathering.slices
    windows, past, labelled = gathering.windows, gathering.past, gathering.labelled
    steps = counts.steps
    seasons = baseline.extras.seasons
    seasonality = None if seasons is None else seasons.seasonality
    if past is not None and past.seasons is not None:  # the seasons of the earlier rows are found later
        seasonality = Seasonality("hour_of_week", past.seasons.timezone)
    repeating = baseline.extras.repeats is not None or expect.wants("duplicates")
    rules = _BatchFold(baseline, expect, len(steps.owner), repeating, read.roles.cluster, seasonality)
    max_rows = min(MOST_KEPT, max(LEAST_KEPT, ALL_KEPT // max(1, windows)))

    def fold_batch(
        numbered: tuple[int, tuple[PredictionTable, I64]],
    ) -> tuple[list[tuple[int, Pane, Prints]], list[SlicePane]]:
        start, batch = numbered
        if labelled is not None:
            labelled.add(start, batch[0])
        counting = slices.counting(*batch)
        folded = rules.fold(*batch, counting)
        return folded, [piece for window_counting in counting for piece in window_counting.pieces()]

    total = [WindowFold.of(max_rows, expect) for _ in range(windows)]
    tables = batches(read, steps.pieces, key, baseline)
    counted = report_parts(tables, sum(map(len, read.rows)), "Counting rows", progress, lambda batch: len(batch[0]))
    for folded, sliced in _ahead(fold_batch, _numbered(counted)):
        slices.add(sliced)
        counts.add([index for index, _, _ in folded], [pane for _, pane, _ in folded])
        if past is not None:
            past.add_slices(sliced)
        for window_index, pane, prints in folded:
            total[int(steps.owner[window_index])].add(pane, prints)
            if past is not None:
                past.add(window_index, pane)
        read.store.release()
    give_back_tables()
    for pane_total in total:
        pane_total.pane.parts |= {
            f"unknown:{name}": pane_total.pane.parts["rows"][1:2] for name in read.roles.unknown[:MOST_UNKNOWN]
        }
    return total


def batches(
    read: Dataset, groups: Sequence[I64], key: ModelKey, baseline: Baseline
) -> Iterator[tuple[PredictionTable, I64]]:
    """Yield the rows within a window in batches, with the window of each row."""
    for rows, group in zip(read.rows, groups, strict=True):
        start = 0
        for table in table_batches(rows, read.roles, key, baseline.task, baseline):
            window = group[start : start + len(table)]
            start += len(table)
            yield (table, window) if rows.usable is None else (select_rows(table, window >= 0), window[window >= 0])


def _numbered(
    prediction_tableses: Iterable[tuple[PredictionTable, I64]],
) -> Iterator[tuple[int, tuple[PredictionTable, I64]]]:
    """Yield each batch with the number of rows before it."""
    start = 0
    for batch in prediction_tableses:
        yield start, batch
        start += len(batch[0])


def _ahead(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Apply a function to a few items ahead on two threads; numpy sorts and counts without the interpreter lock."""
    with ThreadPoolExecutor(_THREADS) as pool:
        running: deque[Future[R]] = deque()
        for item in items:
            running.append(pool.submit(function, item))
            if len(running) > _THREADS:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
