"""The worst predictions of a window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from driftline.tables.classes import class_codes, class_column
from driftline.tables.performance_columns import actual_numbers, decide
from driftline.tables.row_losses import losses_of_rows
from driftline.tables.table import F64, I32, I64, Column, length
from driftline.tables.task import Task
from msgspec import Struct
from numpy.typing import NDArray

from .labelled_predictions import LabelledPredictions

MOST: Final = 1_000
"""Maximum number of rows returned."""


class Misprediction(Struct, frozen=True):
    """One wrong prediction. ``loss`` is the sort key.

    For classes, the loss is one minus the probability of the actual class, 0 to 1; for a regression the absolute error.
    ``trace_id`` / ``span_id``: hexadecimal, "" if it was not sampled. Times in unix nanoseconds, 0 = unknown.
    """

    id: str
    time: int
    score: float | None
    scores: tuple[float, ...] | None
    predicted: str | None
    actual: str | float | None
    outcome_time: int
    loss: float
    weight: float
    slices: Mapping[str, str]
    trace_id: str
    span_id: str


class Worst(Struct, frozen=True):
    """The worst predictions, the largest loss first.

    ``wrong``: the number of wrong predictions among ``outcomes``; every row of a regression counts.
    """

    rows: tuple[Misprediction, ...] = ()
    wrong: int = 0
    outcomes: int = 0


class RowLosses(Struct, frozen=True):
    """``loss``: float64 (n,), NaN for correct rows. ``has_outcome``: bool (n,), rows with a usable outcome.

    ``happened``, ``decided``: int32 (n,), codes of classes; -1 for a regression.
    """

    loss: F64
    has_outcome: NDArray[np.bool_]
    happened: I32
    decided: I32

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """The wrong rows: bool (n,)."""
        return np.isfinite(self.loss)

    def of(self, rows: I64 | NDArray[np.bool_]) -> RowLosses:
        """Return the selected rows."""
        return RowLosses(self.loss[rows], self.has_outcome[rows], self.happened[rows], self.decided[rows])

    def worst(self, most: int) -> I64:
        """Return the indices of at most ``most`` wrong rows, the largest loss first, ties in order: int64 (k,)."""
        rows = np.flatnonzero(self.wrong)
        return rows[np.argsort(-self.loss[rows], kind="stable")[:most]].astype(np.int64)


def row_losses_of(task: Task, scores: F64 | None, predicted: Column | None, actual: Column) -> RowLosses | None:
    """Return the loss of each row; None for a ranking, or without classes.

    For a class, one minus the probability of the actual class, 1 without a score. Rows without a decision, or with an
    unknown class, are not wrong. The arguments are those of :func:`~driftline.panes.outcome_sums.fold_outcomes`.

    >>> task, scores = Task("binary", ("0", "1"), "1"), np.array([[0.9], [0.7], [0.2]])
    >>> found = row_losses_of(task, scores, None, Column(numbers=np.array([0.0, 1.0, 1.0])))
    >>> found.loss.tolist(), found.worst(10).tolist()
    ([0.9, nan, 0.8], [0, 2])
    """
    n = length(actual)
    nothing = np.full(n, -1, np.int32)
    error = losses_of_rows(task, scores, predicted, actual)
    if task.predicts_number:
        return RowLosses(error, np.isfinite(actual_numbers(actual)), nothing, nothing)
    happened = class_codes(actual, task.classes) if task.has_classes else None
    if happened is None or (task.has_threshold and task.positive is None):
        return None
    decided, known = decide(task, scores, predicted), (happened >= 0) & (happened < len(task.classes))
    chance = None if scores is None else task.score_of_classes(scores, happened)  # of the actual class
    loss = np.where(error == 1, 1.0 if chance is None else 1 - np.nan_to_num(chance, nan=0.0), np.nan)
    return RowLosses(loss, known, happened, decided if len(decided) else nothing)


def describe_mispredictions(
    task: Task,
    rows: LabelledPredictions,
    row_losses: RowLosses,
    ids: Sequence[str],
    traces: Sequence[str],
    spans: Sequence[str],
) -> Iterator[Misprediction]:
    """Yield each prediction with its decision, its outcome and its loss.

    Args:
        task: The task of the model.
        rows: n predictions.
        row_losses: The loss of each.
        ids: The id of each, "" = none.
        traces: The trace of each, hexadecimal, "" = not sampled.
        spans: The span of each.
    """
    actual, classes = actual_numbers(rows.actual), dict(enumerate(task.classes))
    slices = {key: _categories(column) for key, column in rows.slices.items()}
    for index in range(len(rows)):
        scores = () if rows.scores is None or np.isnan(rows.scores[index]).any() else tuple(rows.scores[index].tolist())
        weight = 1.0 if rows.weight is None else float(rows.weight[index])
        yield Misprediction(
            id=ids[index],
            time=0 if rows.time is None else int(rows.time[index]),
            score=scores[0] if len(scores) == 1 else None,
            scores=scores if len(scores) > 1 else None,
            predicted=classes.get(int(row_losses.decided[index])),
            actual=float(actual[index]) if task.predicts_number else classes.get(int(row_losses.happened[index])),
            outcome_time=0 if rows.outcome_time is None else int(rows.outcome_time[index]),
            loss=float(row_losses.loss[index]),
            weight=weight if weight == weight else 1.0,
            slices={key: text for key, texts in slices.items() if (text := texts[index])},
            trace_id=traces[index],
            span_id=spans[index],
        )


def _categories(column: Column) -> list[str]:
    known = class_column(column)
    return [""] * length(column) if known.codes is None else np.array([*known.categories, ""])[known.codes].tolist()
