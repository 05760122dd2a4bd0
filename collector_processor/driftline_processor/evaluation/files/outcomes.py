"""Join the predictions of each window with their outcomes: exact performance, and sums per time step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TypeVar

import numpy as np
from driftline.panes.pane import Pane, merge
from driftline.panes.relevance import join_rankings
from driftline.tables.classes import class_column
from driftline.tables.table import F64, I64, Column, concatenate, take_rows
from driftline.tables.task import Task
from msgspec import Struct, field

from driftline_processor.core.outcomes.resolution import impossible_actuals, possible_actuals_text
from driftline_processor.core.outcomes.unknown import UnknownOutcomes
from driftline_processor.core.performance.labelled_predictions import LabelledPredictions, calls_by_step, fold_by_step
from driftline_processor.core.windows.window import Window
from driftline_processor.present.numbers import many
from driftline_processor.readers.errors import Say
from driftline_processor.readers.number_format import first_value
from driftline_processor.readers.prediction_rows import FileRows
from driftline_processor.readers.row_store import RowStore, chunks_of, increases, is_many

Numbers = TypeVar("Numbers", F64, I64)


class FirstOutcomes(Struct, frozen=True):
    """The first outcome of n rows.

    ``actual``: its value. ``place``: its position in the order of arrival, int64 (n,), -1 = no outcome; None if the
    actual values are a column of the rows. ``time``: of the outcome, int64 (n,) in unix nanoseconds; None without
    times. ``corrected``: number of rows with a different later outcome.
    """

    actual: Column
    place: I64 | None
    time: I64 | None = None
    corrected: int = 0


class LabelledWindows(Struct, eq=False, dict=True):
    """The predictions of files with their outcomes, by window.

    Attributes:
        rows: All predictions, in the order of the files.
        group: The window of each prediction, int64 (n,), -1 = none.
        windows: Number of windows.
        store: Where the columns of the rows are stored.
    """

    rows: LabelledPredictions
    group: I64
    windows: int
    store: RowStore = field(default_factory=RowStore)

    def size(self, window: int) -> int:
        """Return the number of predictions of a window."""
        return int(self._ends[window + 1] - self._ends[window])

    def chunks(self, window: int) -> Iterator[tuple[I64, LabelledPredictions]]:
        """Yield the predictions of a window with their positions, at once or in chunks if there are many."""
        first = int(self._ends[window])
        for part in chunks_of(self.size(window)):
            start, stop = first + part.start, first + part.stop
            places = np.arange(start, stop) if self._order is None else self._order[start:stop]
            yield places, self.rows.take(slice(start, stop) if self._order is None else places)
            if is_many(self.size(window)):
                self.store.release()

    def panes(self, steps: Sequence[Window], task: Task) -> list[Pane] | None:
        """Return the outcomes in each time step; None if rows have no times."""
        if self.rows.time is None:
            return None
        return merge_steps([fold_by_step(rows, task, steps) for rows in self._within(steps)], len(steps))

    def calls(self, steps: Sequence[Window]) -> list[Pane] | None:
        """Return the calls in each time step; None if rows have no times, or neither durations nor errors."""
        if self.rows.time is None or (self.rows.duration is None and self.rows.errors is None):
            return None
        return merge_steps([calls_by_step(rows, steps) for rows in self._within(steps)], len(steps))

    def _within(self, steps: Sequence[Window]) -> Iterator[LabelledPredictions]:
        """Yield the rows of time steps, ordered by time."""
        time, order = self._in_time
        first, last = np.searchsorted(time, [steps[0].start, steps[-1].end] if steps else [0, 0]).tolist()
        for part in chunks_of(last - first):
            rows = slice(first + part.start, first + part.stop)
            yield self.rows.take(rows if order is None else order[rows])
            self.store.release()

    @cached_property
    def _by_window(self) -> tuple[I64 | None, I64]:
        """Return the order of rows by window, None if they are in this order, and the start of each window."""
        if increases(self.group) and int(self.group[:1].sum()) >= 0:
            sizes = _counts(self.group, self.windows)
            return None, np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
        order = self.store.keep(np.argsort(self.group, kind="stable"))
        sizes = _counts(self.group, self.windows)
        outside = len(self.group) - int(sizes.sum())
        return order, outside + np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])

    @property
    def _order(self) -> I64 | None:
        return self._by_window[0]

    @property
    def _ends(self) -> I64:
        return self._by_window[1]

    @cached_property
    def _in_time(self) -> tuple[I64, I64 | None]:
        """Return the sorted times and their rows; None if the rows are in this order."""
        time = self.rows.time
        if time is None or increases(time):
            return np.zeros(0, np.int64) if time is None else time, None
        order = self.store.keep(np.argsort(time, kind="stable"))
        return self.store.keep(time[order]), order


def _counts(group: I64, windows: int) -> I64:
    """Return how many rows each window has: int64 (windows,)."""
    counts = np.zeros(windows, np.int64)
    for part in chunks_of(len(group)):
        groups = group[part]
        counts += np.bincount(groups[groups >= 0], minlength=windows)
    return counts


def merge_steps(parts: Iterable[Sequence[Pane]], steps: int) -> list[Pane]:
    """Add up the panes of each time step.

    >>> merge_steps([[Pane({"value": np.ones(1)})], [Pane({"value": np.ones(1)})]], 1)[0].parts["value"]
    array([2.])
    """
    total = [Pane() for _ in range(steps)]
    for number, panes in enumerate(parts):
        total = (
            [merge([sum_of_panes, pane]) for sum_of_panes, pane in zip(total, panes, strict=True)]
            if number
            else list(panes)
        )
    return total


def labelled_predictions(
    reads: Sequence[FileRows], weights: Sequence[F64 | None], *, anyway: bool = False, store: RowStore | None = None
) -> LabelledPredictions | None:
    """Return predictions and outcomes of all rows; None if no file has outcomes.

    ``anyway``: also return predictions without outcomes. ``store``: where the columns of several files are stored.
    """
    store = RowStore() if store is None else store
    actual = _joined([read.actual for read in reads])
    has_actual = actual is not None
    if actual is None:
        if not anyway:
            return None
        actual = Column(codes=np.full(sum(map(len, reads)), -1, np.int32))
    has_times = all(read.time is not None for read in reads)
    ranked = [read.relevance for read in reads if read.relevance is not None]
    sent = _slices([read.slices for read in reads], reads)
    return LabelledPredictions(
        scores=_stacked([read.scores for read in reads], store),
        predicted=_joined([read.predicted for read in reads]),
        actual=actual,
        weight=_stacked(weights, store),
        time=_stacked([read.time for read in reads], store) if has_times else None,
        outcome_time=_stacked([read.outcome_time for read in reads], store),
        value=_stacked([read.value for read in reads], store),
        slices=_with_later(sent, _slices([read.outcome_slices for read in reads], reads)),
        sent_slices=sent,
        relevance=join_rankings(ranked) if ranked else None,
        labelled=has_actual,
        duration=_stacked([read.duration for read in reads], store),
        errors=_joined([read.errors for read in reads]),
    )


def _with_later(sent: Mapping[str, Column], later: Mapping[str, Column]) -> dict[str, Column]:
    """Return the slices of all rows; the slice of an outcome wins over that of its prediction."""
    return {**sent, **{key: _latest_texts(sent[key], of) if key in sent else of for key, of in later.items()}}


def _slices(columns: Sequence[Mapping[str, Column]], reads: Sequence[FileRows]) -> dict[str, Column]:
    """Return the slices of all rows, from those of each file."""
    columns_by_key: dict[str, Column] = {}
    for key in dict.fromkeys(key for of_file in columns for key in of_file):
        parts = [
            of.get(key, Column(codes=np.full(len(read), -1, np.int32))) for of, read in zip(columns, reads, strict=True)
        ]
        columns_by_key[key] = concatenate([class_column(part) for part in parts])
    return columns_by_key


def _latest_texts(column: Column, later_column: Column) -> Column:
    """Return the texts of ``later_column``, or of ``column`` if they are missing."""
    if later_column.codes is None:
        return column
    if column.codes is None:
        return later_column
    shifted = np.where(column.codes >= 0, column.codes + len(later_column.categories), -1)
    return Column(
        codes=np.where(later_column.codes >= 0, later_column.codes, shifted).astype(np.int32),
        categories=(*later_column.categories, *column.categories),
    )


def _stacked(parts: Sequence[Numbers | None], store: RowStore) -> Numbers | None:
    """Concatenate a column of all files; None if no file has it."""
    arrays = [part for part in parts if part is not None]
    return store.join(arrays) if arrays else None


def _joined(parts: Sequence[Column | None]) -> Column | None:
    columns = [part for part in parts if part is not None]
    return concatenate(columns) if columns else None


def report_impossible_actuals(reads: Sequence[FileRows], task: Task, say: Say) -> list[UnknownOutcomes]:
    """Report and return actual values that the model cannot predict; they count as missing."""
    found = list[UnknownOutcomes]()
    for read in reads:
        actual = read.actual if not task.ranks_items else None  # for a ranking it is whether anything was clicked
        if actual is None:
            continue
        strange, first = 0, ""
        for part in chunks_of(len(read)):
            places = np.flatnonzero(impossible_actuals(take_rows(actual, part), task)) + part.start
            strange += len(places)
            first = first or (first_value(actual, int(places[0]), int(places[0])) if len(places) else "")
        if strange:
            say(
                f"{read.source.path}: {many(strange)} with an actual that is {possible_actuals_text(task)}, "
                f"treated as unknown: the first is {first}"
            )
            found.append(UnknownOutcomes("actual", strange, len(read), possible=possible_actuals_text(task)))
    return found
