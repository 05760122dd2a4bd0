"""Fold the rows of files into one pane per window, a batch at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from driftline.baseline import Baseline
from driftline.pane import MOST_UNKNOWN, Pane
from driftline.repeats import MOST_KEPT
from driftline.tables import I64, ModelKey, PredictionTable

from driftline_processor.core.expectations.rule import Expectations

from .folded import Folded, Prints, fold_windows
from .past import Past
from .roles import Roles
from .rows import Rows, select, tables
from .sliced import Piece, Slices
from .steps import Trails
from .weak import LabelledRows

T = TypeVar("T")
R = TypeVar("R")
_THREADS = 2
LEAST_KEPT, ALL_KEPT = 4_096, 8_000_000
"""Fingerprints that are kept of a window, however many there are, and of all of them together: 64 MB."""


def fold_rows(
    reads: Sequence[Rows],
    roles: Roles,
    key: ModelKey,
    baseline: Baseline,
    trails: Trails,
    windows: int,
    expect: Expectations,
    slices: Slices,
    past: Past | None = None,
    labelled: LabelledRows | None = None,
) -> list[Folded]:
    """Fold all rows into one pane per window, a batch at a time, and count which rows repeat.

    ``trails``: gets what each step of time looks like, ``slices`` the rows of each, ``past`` what later windows are
    compared with. ``labelled``: gets the bins of rows whose outcome is known.
    """
    steps = trails.steps
    repeating = baseline.extras.repeats is not None or expect.wants("duplicates")
    most = min(MOST_KEPT, max(LEAST_KEPT, ALL_KEPT // max(1, windows)))

    def fold_batch(
        numbered: tuple[int, tuple[PredictionTable, I64]],
    ) -> tuple[list[tuple[int, Pane, Prints]], list[Piece]]:
        start, batch = numbered
        if labelled is not None:
            labelled.add(start, batch[0])
        counting = slices.counting(*batch)
        folded = fold_windows(*batch, len(steps.owner), baseline, expect, repeating, roles.cluster, counting)
        return folded, [piece for one in counting for piece in one.pieces()]

    total = [Folded.of(most, expect) for _ in range(windows)]
    for folded, sliced in _ahead(fold_batch, _numbered(batches(reads, steps.pieces, roles, key, baseline))):
        slices.add(sliced)
        if past is not None:
            past.add_slices(sliced)
        for at, pane, prints in folded:
            total[int(steps.owner[at])].add(pane, prints)
            trails.add(at, pane)
            if past is not None:
                past.add(at, pane)
    for one in total:
        one.pane.parts |= {f"unknown:{name}": one.pane.parts["rows"][1:2] for name in roles.unknown[:MOST_UNKNOWN]}
    return total


def batches(
    reads: Sequence[Rows], groups: Sequence[I64], roles: Roles, key: ModelKey, baseline: Baseline
) -> Iterator[tuple[PredictionTable, I64]]:
    """Yield the rows that are in a window in batches, and the window of each."""
    for read, group in zip(reads, groups, strict=True):
        start = 0
        for table in tables(read, roles, key, baseline.task, baseline):
            window = group[start : start + len(table)]
            start += len(table)
            yield (table, window) if read.usable is None else (select(table, window >= 0), window[window >= 0])


def _numbered(
    some: Iterable[tuple[PredictionTable, I64]],
) -> Iterator[tuple[int, tuple[PredictionTable, I64]]]:
    """Say of each batch how many rows came before it."""
    start = 0
    for batch in some:
        yield start, batch
        start += len(batch[0])


def _ahead(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Apply a function on two threads, a few items ahead: numpy searches and counts without the interpreter's lock."""
    with ThreadPoolExecutor(_THREADS) as pool:
        running: deque[Future[R]] = deque()
        for item in items:
            running.append(pool.submit(function, item))
            if len(running) > _THREADS:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
