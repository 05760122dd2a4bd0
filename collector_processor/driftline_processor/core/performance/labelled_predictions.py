"""Predictions with their outcomes as columns, and their sums by step of time and by slice.

The store's joined rows and the rows of files share this form, so that both produce the same sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from driftline.baseline.sections.row_blocks import block_of_rows, losses_in_order, order_matters
from driftline.baseline.slice_groups import SliceKey
from driftline.panes.outcome_sums import LabelledRows, fold_outcomes_by
from driftline.panes.pane import Pane
from driftline.panes.relevance import Relevance, take_rankings
from driftline.panes.sparse_sums import Sparse
from driftline.tables.performance_columns import decide
from driftline.tables.table import F64, I64, Column, length, take_rows
from driftline.tables.task import Task
from msgspec import Struct, field
from msgspec.structs import replace

from driftline_processor.core.labels.delay import PART as DELAY
from driftline_processor.core.labels.delay import fold_delays
from driftline_processor.core.outcomes.coverage import DECIDED
from driftline_processor.core.service_level.sums import call_parts
from driftline_processor.core.windows.window import Window

from .slices import COHORTS, LABEL_AGE, label_age_cohorts
from .window_outcomes import BlockSums

Values = Mapping[str, Sequence[str]]
"""Slice key → the values with a slice of their own."""


class LabelledPredictions(Struct, frozen=True):
    """n predictions, each with its current outcome.

    Attributes:
        scores: float64 (n, k), as in :class:`~driftline.tables.table.PredictionTable`.
        predicted: The class decided by the service; None = derive it from the scores.
        actual: The outcome; missing if unknown.
        weight: float64 (n,), NaN = 1; None = 1 each.
        time: int64 (n,), time of the prediction, unix nanoseconds; None if unknown.
        outcome_time: int64 (n,), time of the outcome, unix nanoseconds, 0 = unknown.
        value: float64 (n,), monetary value of the prediction, NaN = unknown.
        slices: Key → the value of each row; that of the outcome wins over that of the prediction.
        sent_slices: The same, as sent with the prediction.
        relevance: Relevant items of each ranking.
        labelled: Whether any outcome is known.
        duration: float64 (n,), seconds per call; None if unknown.
        errors: The error type of failed calls; None if unknown.
    """

    scores: F64 | None
    predicted: Column | None
    actual: Column
    weight: F64 | None
    time: I64 | None = None
    outcome_time: I64 | None = None
    value: F64 | None = None
    slices: Mapping[str, Column] = field(default_factory=dict)
    sent_slices: Mapping[str, Column] = field(default_factory=dict)
    relevance: Relevance | None = None
    labelled: bool = True
    duration: F64 | None = None
    errors: Column | None = None

    def __len__(self) -> int:
        return length(self.actual)

    def take(self, which: I64 | slice) -> LabelledPredictions:
        """Return the selected rows in this order; a slice is not copied."""
        ranked = np.arange(len(self))[which] if self.relevance is not None and isinstance(which, slice) else which
        return LabelledPredictions(
            scores=None if self.scores is None else self.scores[which],
            predicted=None if self.predicted is None else take_rows(self.predicted, which),
            actual=take_rows(self.actual, which),
            weight=None if self.weight is None else self.weight[which],
            time=None if self.time is None else self.time[which],
            outcome_time=None if self.outcome_time is None else self.outcome_time[which],
            value=None if self.value is None else self.value[which],
            slices={key: take_rows(column, which) for key, column in self.slices.items()},
            sent_slices={key: take_rows(column, which) for key, column in self.sent_slices.items()},
            relevance=None
            if self.relevance is None or isinstance(ranked, slice)
            else take_rankings(self.relevance, ranked),
            labelled=self.labelled,
            duration=None if self.duration is None else self.duration[which],
            errors=None if self.errors is None else take_rows(self.errors, which),
        )

    def fold(self, task: Task, group: I64, groups: int) -> dict[str, Sparse]:
        """Return the performance parts of each group; ``group``: int64 (n,), 0 <= group < groups."""
        columns = self.scores, self.predicted, self.actual, self.weight, self.value
        return fold_outcomes_by(task, LabelledRows(*columns, self.relevance), group, groups)

    def sums(self, task: Task) -> Pane:
        """Return performance, delays, decisions and calls of all rows."""
        one = np.zeros(len(self), np.int64)
        parts = self.parts(task, one, 1) | call_parts(self.duration, self.errors, None, one, 1)
        return Pane({name: sums.dense(1)[0] for name, sums in parts.items()})

    def parts(self, task: Task, group: I64, groups: int) -> dict[str, Sparse]:
        """Return performance, delays and decisions by group; ``group`` must be ascending."""
        return self.fold(task, group, groups) | self.delays(group, groups) | self.decisions(task, group, groups)

    def delays(self, group: I64, groups: int) -> dict[str, Sparse]:
        """Return the delays of outcomes by group, which must be ascending; {} without times."""
        if self.time is None or self.outcome_time is None:
            return {}
        return {DELAY: fold_delays(self.time, self.outcome_time, group, groups)}

    def decisions(self, task: Task, group: I64, groups: int) -> dict[str, Sparse]:
        """Return the number of predictions per group and decided class."""
        decided, found = decide(task, self.scores, self.predicted), {}
        for code, name in enumerate(task.classes if len(decided) else ()):
            counts = np.bincount(group[decided == code], minlength=groups).astype(np.float64)
            found[f"{DECIDED}{name}"] = Sparse.of(counts[:, np.newaxis])
        return found

    def age_cohorts(self) -> SliceKey | None:
        """Return the cohort of label age of each row; None without times."""
        if self.time is None or self.outcome_time is None:
            return None
        cohort = label_age_cohorts(self.time, self.outcome_time)
        return SliceKey(LABEL_AGE, COHORTS, np.where(self.outcome_time > 0, cohort, -1))


def step_of_each(time: I64 | None, steps: Sequence[Window], n: int) -> I64:
    """Return the index of the time step of each of n rows: int64 (n,), -1 = none.

    Args:
        time: int64 (n,), unix nanoseconds; without times all rows are in the only step, or in none.
        steps: Consecutive steps.
        n: Rows.
    """
    if time is None:
        return np.full(n, 0 if len(steps) == 1 else -1, np.int64)
    if len(steps) == 1 and steps[0].end <= steps[0].start:
        return np.zeros(n, np.int64)
    at = np.searchsorted([step.end for step in steps], time, side="right")
    return np.where((at < len(steps)) & (time >= steps[0].start), at, -1).astype(np.int64)


def fold_by_step(rows: LabelledPredictions, task: Task, steps: Sequence[Window]) -> list[Pane]:
    """Return one pane per time step: performance, delays and decisions."""
    return sums_by_step(rows, task, steps).blocks()


def sums_by_step(rows: LabelledPredictions, task: Task, steps: Sequence[Window]) -> BlockSums:
    """Return the sums of :func:`fold_by_step` without zeros."""
    rows, step = _in_steps(rows, steps)
    return BlockSums(len(steps), rows.parts(task, step, len(steps)))


def sums_in_order(chunks: Iterable[LabelledPredictions], size: int, task: Task, *, ordered: bool) -> list[BlockSums]:
    """Return the sums of rows without times by block of consecutive rows; of one block if their order does not matter.

    Args:
        chunks: The rows in order.
        size: Number of all rows.
        task: The task of the model.
        ordered: Whether rows of the baseline are autocorrelated. Else the rows of the first chunk decide.
    """
    block, start, sums = block_of_rows(size), 0, list[BlockSums]()
    for rows in chunks:
        if not start and not ordered and rows.relevance is None:
            ordered = order_matters(losses_in_order(task, rows.scores, rows.predicted, rows.actual), task)
        if not ordered:
            block = np.zeros(size, np.int64)
        count = int(block[-1]) + 1
        sums.append(BlockSums(count, rows.parts(task, block[start : start + len(rows)], count)))
        start += len(rows)
    return sums


def calls_by_step(rows: LabelledPredictions, steps: Sequence[Window]) -> list[Pane]:
    """Return one pane per time step: duration and failures of calls."""
    rows, step = _in_steps(rows, steps)
    return BlockSums(len(steps), call_parts(rows.duration, rows.errors, None, step, len(steps))).blocks()


def _in_steps(rows: LabelledPredictions, steps: Sequence[Window]) -> tuple[LabelledPredictions, I64]:
    """Return the rows within the steps, sorted by step, and the step of each."""
    step = step_of_each(rows.time, steps, len(rows))
    if (step < 0).any() or (step[1:] < step[:-1]).any():
        inside = np.flatnonzero(step >= 0)
        order = inside[np.argsort(step[inside], kind="stable")]
        rows, step = rows.take(order), step[order]
    return rows, step


class SliceSums(NamedTuple):
    """Sums of the slices of one key: ``slice`` and ``step`` of each group, int64 (g,); ``names`` of the slices."""

    names: Sequence[str]
    slice: I64
    step: I64
    sums: Mapping[str, Sparse]


def fold_outcomes_by_slice(rows: LabelledPredictions, task: Task, values: Values, step: I64) -> Iterator[SliceSums]:
    """Yield the performance parts by slice and time step: by label age, then by each key.

    Args:
        rows: n predictions.
        task: The task of the model.
        values: The values with a slice of their own.
        step: Step of each row, int64 (n,), from 0.
    """
    ages = rows.age_cohorts()
    keys = [*(() if ages is None else (ages,)), *_keys(rows.slices, values, len(rows))]
    yield from _fold_keys(rows, keys, step, lambda some, group, groups: some.fold(task, group, groups))


def count_predictions_by_slice(rows: LabelledPredictions, task: Task, values: Values, step: I64) -> Iterator[SliceSums]:
    """Yield the predictions, decisions and calls of each slice by time step.

    A slice that came with the outcome only has none, since its predictions are not known. The arguments are those of
    :func:`fold_outcomes_by_slice`.
    """

    def counted(labelled_predictions: LabelledPredictions, group: I64, groups: int) -> dict[str, Sparse]:
        rows_of_each = np.bincount(group, minlength=groups).astype(np.float64)
        found = {
            "rows": Sparse.of(np.tile(rows_of_each[:, np.newaxis], 3)),
            **labelled_predictions.decisions(task, group, groups),
        }
        return found | call_parts(labelled_predictions.duration, labelled_predictions.errors, None, group, groups)

    yield from _fold_keys(rows, _keys(rows.sent_slices, values, len(rows)), step, counted)


def _keys(columns: Mapping[str, Column], values: Values, n: int) -> list[SliceKey]:
    return [SliceKey.of(key, columns[key], value, n) for key, value in values.items() if key in columns]


def _fold_keys(
    rows: LabelledPredictions,
    keys: Sequence[SliceKey],
    step: I64,
    fold: Callable[[LabelledPredictions, I64, int], Mapping[str, Sparse]],
) -> Iterator[SliceSums]:
    bare = replace(rows, slices={}, sent_slices={})
    for key in keys:
        groups = key.by_step(step)
        inside = np.flatnonzero(groups.group >= 0)
        some = bare if len(inside) == len(rows) else bare.take(inside)
        sums = fold(some, groups.group[inside], len(groups.slice))
        yield SliceSums(key.names, groups.slice, groups.step, sums)


def slices_in_time(
    rows: LabelledPredictions, task: Task, values: Values, steps: Sequence[Window]
) -> dict[str, BlockSums]:
    """Return outcomes and predictions of each slice by time step, for the rows within the steps."""
    step = step_of_each(rows.time, steps, len(rows))
    if (step < 0).any():
        inside = np.flatnonzero(step >= 0)
        rows, step = rows.take(inside), step[inside]
    found: dict[str, BlockSums] = {}
    folded = fold_outcomes_by_slice(rows, task, values, step), count_predictions_by_slice(rows, task, values, step)
    for one in chain.from_iterable(folded):
        for at in np.unique(one.slice).tolist():
            parts = {}
            for part, sums in one.sums.items():
                own = one.slice[sums.group] == at
                parts[part] = Sparse(sums.width, one.step[sums.group[own]], sums.index[own], sums.value[own])
            name = one.names[at]
            before = found[name].parts if name in found else {}
            found[name] = BlockSums(len(steps), {**before, **parts})
    return dict(sorted(found.items()))
