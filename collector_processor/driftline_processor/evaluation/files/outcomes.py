"""Join the predictions of each window with their outcomes: exact performance, and sums over steps of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from driftline.panes.pane import Pane
from driftline.panes.relevance import join_rankings
from driftline.tables.classes import class_column
from driftline.tables.table import F64, I64, Column, concatenate
from driftline.tables.task import Task

from driftline_processor.core.outcomes.resolution import impossible_actuals, possible_actuals_text
from driftline_processor.core.performance.labelled_predictions import LabelledPredictions, calls_by_step, fold_by_step
from driftline_processor.core.windows.window import Window
from driftline_processor.present.numbers import many
from driftline_processor.readers.errors import Say
from driftline_processor.readers.prediction_rows import FileRows

Numbers = TypeVar("Numbers", F64, I64)


@dataclass(eq=False)
class LabelledWindows:
    """The predictions of files with their outcomes, by window.

    Attributes:
        rows: All predictions, in the order of the files.
        group: The window of each, int64 (n,), -1 = in none.
        windows: How many windows there are.
    """

    rows: LabelledPredictions
    group: I64
    windows: int

    def of(self, window: int) -> LabelledPredictions:
        """Return the predictions of a window."""
        return self.rows.take(self.places(window))

    def places(self, window: int) -> I64:
        """Return where the predictions of a window stand among all: int64 (m,)."""
        order, ends = self._by_window
        return order[ends[window] : ends[window + 1]]

    def panes(self, steps: Sequence[Window], task: Task) -> list[Pane] | None:
        """Return the outcomes in each of some steps of time; None where rows have no times."""
        rows = self._within(steps)
        return None if rows is None else fold_by_step(rows, task, steps)

    def calls(self, steps: Sequence[Window]) -> list[Pane] | None:
        """Return the calls in each of some steps of time; None where rows have no times, or nobody says of calls."""
        rows = self._within(steps)
        return None if rows is None or (rows.duration is None and rows.errors is None) else calls_by_step(rows, steps)

    def _within(self, steps: Sequence[Window]) -> LabelledPredictions | None:
        """Return the rows of some steps of time, in its order; None where rows have no times."""
        time = self._in_time.time
        if time is None:
            return None
        first, last = np.searchsorted(time, [steps[0].start, steps[-1].end] if steps else [0, 0])
        return self._in_time.take(np.arange(first, last))

    @cached_property
    def _by_window(self) -> tuple[I64, I64]:
        order = np.argsort(self.group, kind="stable")
        return order, np.searchsorted(self.group[order], np.arange(self.windows + 1))

    @cached_property
    def _in_time(self) -> LabelledPredictions:
        """The rows in the order of time."""
        time = self.rows.time
        return self.rows if time is None else self.rows.take(np.argsort(time, kind="stable"))


def labelled_predictions(
    reads: Sequence[FileRows], weights: Sequence[F64 | None], *, anyway: bool = False
) -> LabelledPredictions | None:
    """Return what was predicted and what happened in all rows; None when no file has any outcome.

    ``anyway``: what was predicted also where nobody says what happened.
    """
    told = any(read.actual is not None for read in reads)
    if not told and not anyway:
        return None
    scores = _stacked([read.scores for read in reads])
    weight = _stacked(weights)
    actual = _joined([read.actual for read in reads])
    predicted = _joined([read.predicted for read in reads])
    time = _stacked([read.time for read in reads]) if all(read.time is not None for read in reads) else None
    outcome_time, value = _stacked([read.outcome_time for read in reads]), _stacked([read.value for read in reads])
    unknown = Column() if told else Column(codes=np.full(sum(map(len, reads)), -1, np.int32))
    actual = unknown if actual is None else actual
    ranked = [read.relevance for read in reads if read.relevance is not None]
    relevance = join_rankings(ranked) if ranked else None
    sent = _slices([read.slices for read in reads], reads)
    later = _slices([read.told for read in reads], reads)
    slices = sent | {key: _over(sent[key], column) if key in sent else column for key, column in later.items()}
    duration = _stacked([read.duration for read in reads])
    errors = _joined([read.errors for read in reads])
    return LabelledPredictions(
        scores, predicted, actual, weight, time, outcome_time, value, slices, sent, relevance, told, duration, errors
    )


def _slices(columns: Sequence[Mapping[str, Column]], reads: Sequence[FileRows]) -> dict[str, Column]:
    """Return the slices of all rows; a slice of an outcome wins over that of its prediction."""
    found: dict[str, Column] = {}
    for key in dict.fromkeys(key for of_file in columns for key in of_file):
        parts = [
            of.get(key, Column(codes=np.full(len(read), -1, np.int32))) for of, read in zip(columns, reads, strict=True)
        ]
        found[key] = concatenate([class_column(part) for part in parts])
    return found


def _over(own: Column, later: Column) -> Column:
    """Return the texts of one column, or of another where the first has none."""
    if later.codes is None:
        return own
    if own.codes is None:
        return later
    shifted = np.where(own.codes >= 0, own.codes + len(later.labels), -1)
    return Column(
        codes=np.where(later.codes >= 0, later.codes, shifted).astype(np.int32), labels=(*later.labels, *own.labels)
    )


def _stacked(parts: Sequence[Numbers | None]) -> Numbers | None:
    """Return what one file has every file has: a part is known by a column that all share."""
    there = [part for part in parts if part is not None]
    return np.concatenate(there) if there else None


def _joined(parts: Sequence[Column | None]) -> Column | None:
    there = [part for part in parts if part is not None]
    return concatenate(there) if there else None


def report_impossible_actuals(reads: Sequence[FileRows], task: Task, say: Say) -> None:
    """Name the actual values that are nothing the model could have predicted; they count as not known."""
    for read in reads:
        asked = read.actual if not task.ranks_items else None  # of a ranking it is what was clicked
        strange = np.zeros(0, np.bool_) if asked is None else impossible_actuals(asked, task)
        if strange.any():
            count = many(int(strange.sum()))
            say(f"{read.source.path}: {count} with an actual that is {possible_actuals_text(task)}, taken as not known")
