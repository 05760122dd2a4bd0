"""Fold predictions joined with outcomes into the parts of a pane from which performance is computed.

:func:`fold_outcomes_by` folds many panes at once, sparsely. Each loss is summed with its square, so that means have a
variance. :mod:`.pane` describes the contents of the parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from driftline.tables.classes import class_codes
from driftline.tables.performance_columns import EPSILON, GREATEST, actual_numbers, decide, usable_weight
from driftline.tables.table import F64, I32, I64, Column, length, take_rows
from driftline.tables.task import PerKind, Task

from .bins import SCORE_BINS, score_bin
from .pane import Pane
from .relevance import CUTOFFS, PREFIX, WIDTH, Relevance, clicks_of, fold_relevance
from .relevance import take_rankings as taken_relevance
from .sparse_sums import Sparse, cells, columns, join_parts, shifted

CALIBRATION_BINS = 10
"""Number of equal bins over [0, 1] of the part ``calibration``, lower edge excluded, as in scikit-learn."""

CALIBRATION_EDGES = np.linspace(0.0, 1.0, CALIBRATION_BINS + 1)[1:-1]

MOST_CLASS_SCORES = 8
"""Maximum number of classes with a score grid per class; with more classes, areas require rows."""


def class_scores(code: int) -> tuple[str, str]:
    """Return the parts with the scores of one class: of rows of other classes, and of rows of this class.

    >>> class_scores(2)
    ('score_negative:2', 'score_positive:2')
    """
    return f"score_negative:{code}", f"score_positive:{code}"


def excess_of(part: str) -> str:
    """Return the part with Σ(w² - w) of the same rows; it is missing if all weights are 1.

    >>> excess_of("score_positive")
    'score_positive_excess'
    """
    return f"{part}_excess"


def count_of(part: str) -> str:
    """Return the part with Σ(1 - w) of the same rows, from which rows are counted.

    It is missing if all weights are 1. For a part of means, it is one sum over all rows.

    >>> count_of("losses")
    'losses_count'
    """
    return f"{part}_count"


COUNTED = ("outcomes", "confusion", "losses", "percentage", "quantiles")
"""Parts whose rows can be counted."""


def intervals(task: Task) -> dict[float, tuple[int, int]]:
    """Return the central intervals between declared quantiles: nominal coverage → columns of its bounds.

    >>> intervals(Task("regression", quantiles=(0.05, 0.1, 0.5, 0.9)))
    {0.8: (1, 3)}
    """
    place = {round(level, 9): column for column, level in enumerate(task.quantiles)}
    return {
        round(1 - 2 * level, 9): (column, place[round(1 - level, 9)])
        for level, column in place.items()
        if level < 0.5 and round(1 - level, 9) in place
    }


@lru_cache(maxsize=64)
def widths(task: Task) -> Mapping[str, int]:
    """Return the length of each part to which outcomes are added.

    >>> widths(Task("binary", ("0", "1"), "1"))["spread"]
    9
    """
    k, losses = len(task.classes), len(task.losses)
    width_by_part = {"outcomes": 3, "value": 6, "value_negative": 1, "confusion": k * k, "confusion_excess": k * k}
    width_by_part |= {"losses": losses, "spread": max(0, 2 * losses - 1)} | _PARTS.of(task).widths(task)
    return width_by_part | {
        count_of(part): k * k if part == "confusion" else 1 for part in COUNTED if part in width_by_part
    }


Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """n predictions with their actual values; see :func:`fold_outcomes` for the fields."""

    scores: F64 | None
    predicted: Column | None
    actual: Column
    weight: F64 | None = None
    value: F64 | None = None
    relevance: Relevance | None = None

    def take(self, rows: NDArray[np.intp]) -> LabelledRows:
        """Return the rows at these positions."""
        return LabelledRows(
            None if self.scores is None or not len(self.scores) else self.scores[rows],
            None if self.predicted is None or not length(self.predicted) else take_rows(self.predicted, rows),
            take_rows(self.actual, rows),
            None if self.weight is None else self.weight[rows],
            None if self.value is None else self.value[rows],
            None if self.relevance is None else taken_relevance(self.relevance, rows),
        )


def fold_outcomes(
    task: Task,
    scores: F64 | None,
    predicted: Column | None,
    actual: Column,
    weight: F64 | None = None,
    relevance: Relevance | None = None,
    value: F64 | None = None,
) -> Pane:
    """Fold joined rows (predictions with outcomes) into the parts from which performance is computed.

    ``scores``: float64 (n, k) as in :class:`~driftline.tables.table.PredictionTable`. ``predicted``: the class that the
    service decided; None = derived (see :func:`decide`). ``actual``: classes, or numbers for regression; a row counts
    if its actual is one of ``task.classes``, or a number (at most 1e60). ``weight``: float64 (n,), None or NaN = 1;
    rows with an invalid weight, such as 0, are left out (:func:`~driftline.tables.performance_columns.no_weight`).
    ``value``: float64 (n,), worth of each outcome, NaN = not given. ``relevance``: relevance of each list of a ranking;
    without it, an actual above 0 means that the list was clicked. Scores outside [0, 1] are not probabilities: such
    rows have a decision, but no losses and no entry on the score grid.

    >>> task = Task("binary", ("0", "1"), "1")
    >>> pane = fold_outcomes(task, np.array([[0.8], [0.4]]), None, Column(numbers=np.array([1.0, 1.0])))
    >>> pane.parts["confusion"].tolist(), pane.parts["losses"].round(3).tolist()
    ([0.0, 0.0, 1.0, 1.0], [2.0, 0.4, 1.139, 1.2, 2.0])
    """
    rows = LabelledRows(scores, predicted, actual, weight, value, relevance)
    sums = fold_outcomes_by(task, rows, np.zeros(length(actual), np.int64), 1)
    return Pane({name: part.dense(1)[0] for name, part in sums.items()})


def fold_outcomes_by(task: Task, labelled: LabelledRows, group: I64, groups: int) -> dict[str, Sparse]:
    """Fold the joined rows of each group into one pane per group, all groups at once: part → its sums.

    ``group``: int64 (n,), 0 <= group < groups: the pane of each row. Rows sorted by group are fastest.

    >>> labelled = LabelledRows(np.full((3, 1), 4.0), None, Column(numbers=np.array([2.0, 5.0, 5.0])))
    >>> sums = fold_outcomes_by(Task("regression"), labelled, np.array([0, 7, 7]), 8)
    >>> sums["losses"].dense(8)[7].tolist()
    [2.0, -2.0, 2.0, 2.0, 10.0, 50.0]
    """
    weight = None if labelled.weight is None else usable_weight(labelled.weight)
    weightless = weight is not None and not weight.all()
    if weightless or (len(group) and (group[1:] < group[:-1]).any()):
        order = np.argsort(group, kind="stable")
        order = order if weight is None else order[weight[order] > 0]
        group, weight, labelled = group[order], None if weight is None else weight[order], labelled.take(order)
    rows = _Rows(group, groups, None if weight is None or (weight == 1).all() else weight)
    parts = _PARTS.of(task).fold(task, labelled, rows)
    value = labelled.value
    if value is not None and (usable := np.abs(value) <= GREATEST).any():
        worth = rows.where(usable)
        parts["value"] = worth.means([value[usable]], counted=True)
        if (value[usable] < 0).any():
            parts["value_negative"] = columns(worth.group, [worth.times(np.maximum(-value[usable], 0.0))], 1)
    return parts


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows sorted by group, with usable weights; None = 1 each."""

    group: I64
    groups: int
    weight: F64 | None

    def where(self, mask: Mask) -> _Rows:
        if mask.all():
            return self
        return _Rows(self.group[mask], self.groups, None if self.weight is None else self.weight[mask])

    def ones(self) -> F64:
        return np.ones(len(self.group))

    def times(self, values: F64, power: int = 1) -> F64:
        return values if self.weight is None else values * self.weight**power

    def cells(self, cell: I64, width: int) -> Sparse:
        return cells(self.group, cell, self.weight, self.groups, width)

    def excess(self, cell: I64, width: int) -> Sparse | None:
        """Return Σ(w² - w) by cell; None if all weights are 1."""
        if self.weight is None:
            return None
        return cells(self.group, cell, self.weight * (self.weight - 1), self.groups, width)

    def counted(self, part: str, cell: I64 | None = None, width: int = 1) -> dict[str, Sparse]:
        """Return the part of Σ(1 - w) by cell, None for all cells together; empty if all weights are 1."""
        if self.weight is None:
            return {}
        cell_of_row = np.zeros(len(self.group), np.int64) if cell is None else cell
        return {count_of(part): cells(self.group, cell_of_row, 1 - self.weight, self.groups, width)}

    def outcomes(self) -> dict[str, Sparse]:
        """Return the part ``outcomes``: number of outcomes, Σw, Σw²."""
        ones = self.ones()
        sums = columns(self.group, [ones, self.times(ones), self.times(ones, 2)], 3)
        return {"outcomes": sums, **self.counted("outcomes")}

    def means(self, losses: Sequence[F64], counted: bool = False) -> Sparse:
        """Return Σw and Σw², then Σwℓ, Σw²ℓ and Σw²ℓ² of each loss; with the number of rows first if ``counted``."""
        ones = self.ones()
        sums = [*([ones] if counted else []), self.times(ones), self.times(ones, 2)]
        for loss in losses:
            sums += [self.times(loss), self.times(loss, 2), self.times(loss * loss, 2)]
        return columns(self.group, sums, len(sums))

    def losses(self, losses: Sequence[F64]) -> dict[str, Sparse]:
        """Return the parts ``losses`` and ``spread``."""
        ones = self.ones()
        loss_sums = [self.times(ones, 2)]
        for loss in losses:
            loss_sums += [self.times(loss, 2), self.times(loss * loss, 2)]
        return {
            "losses": columns(self.group, [self.times(ones), *map(self.times, losses)], 1 + len(losses)),
            "spread": columns(self.group, loss_sums, len(loss_sums)),
            **self.counted("losses"),
        }


def _fold_numbers(task: Task, labelled: LabelledRows, rows: _Rows) -> dict[str, Sparse]:
    actual, scores = actual_numbers(labelled.actual), labelled.scores
    is_labelled = np.abs(actual) <= GREATEST
    parts = rows.where(is_labelled).outcomes()
    if scores is None or not len(scores):
        return parts
    value = scores[:, task.value_column(scores.shape[1])]
    usable = is_labelled & (np.abs(value) <= GREATEST)
    y, scored = actual[usable], rows.where(usable)
    error = value[usable] - y
    parts |= scored.losses([error, np.abs(error), error**2, y, y**2])
    if (nonzero := y != 0).any():
        nonzero_rows = scored.where(nonzero)
        parts["percentage"] = nonzero_rows.means([np.abs(error[nonzero]) / np.maximum(np.abs(y[nonzero]), EPSILON)])
        parts |= nonzero_rows.counted("percentage")
    if task.quantiles and scores.shape[1] == len(task.quantiles):
        usable = is_labelled & (np.abs(scores) <= GREATEST).all(axis=1)
        nonzero_rows = rows.where(usable)
        parts["quantiles"] = nonzero_rows.means(_quantile_losses(task, scores[usable], actual[usable]))
        parts |= nonzero_rows.counted("quantiles")
    return parts


def _quantile_losses(task: Task, scores: F64, actual: F64) -> list[F64]:
    """Return the pinball loss of each level, then for each interval 1 if it contains the actual value."""
    distance = actual[:, np.newaxis] - scores
    levels = np.array(task.quantiles)
    pinball = np.where(distance >= 0, levels * distance, (levels - 1) * distance)
    inside = [
        ((scores[:, low] <= actual) & (actual <= scores[:, high])).astype(np.float64)
        for low, high in intervals(task).values()
    ]
    return [*pinball.T, *inside]


def _fold_rankings(task: Task, labelled: LabelledRows, rows: _Rows) -> dict[str, Sparse]:
    relevance = labelled.relevance
    relevances = clicks_of(actual_numbers(labelled.actual)) if relevance is None else relevance
    sums = fold_relevance(relevances, rows.weight, task.cutoffs or CUTOFFS, rows.group, rows.groups)
    return {name: Sparse.of(part) for name, part in sums.items()}


def _fold_classes(task: Task, labelled: LabelledRows, rows: _Rows) -> dict[str, Sparse]:
    scores, actual = labelled.scores, labelled.actual
    n, classes = length(actual), len(task.classes)
    truth = class_codes(actual, task.classes)
    if truth is None or classes == 0:
        truth = np.full(n, -1, dtype=np.int32)
    is_labelled = (truth >= 0) & (truth < classes)
    decided = decide(task, scores, labelled.predicted)
    if len(decided) == 0:  # neither score nor decision was sent
        decided = np.full(n, -1, dtype=np.int32)
    is_compared = is_labelled & (decided >= 0) & (decided < classes)
    cell, compared_rows = truth[is_compared].astype(np.int64) * classes + decided[is_compared], rows.where(is_compared)
    parts = rows.where(is_labelled).outcomes() | {"confusion": compared_rows.cells(cell, classes * classes)}
    if (excess := compared_rows.excess(cell, classes * classes)) is not None:
        parts["confusion_excess"] = excess
    parts |= compared_rows.counted("confusion", cell, classes * classes)
    if scores is None or not len(scores):
        return parts
    if task.has_class_scores and scores.shape[1] == classes:
        usable = is_labelled & task.are_probabilities(scores)
        all_usable = bool(usable.all())  # selecting all of fifty columns would dominate the cost
        parts |= _many(scores if all_usable else scores[usable], truth[usable], rows.where(usable))
    elif task.positive is not None and scores.shape[1] == 1:
        usable = is_labelled & task.are_probabilities(scores)
        parts |= _two(scores[usable, 0], truth[usable] == task.positive, rows.where(usable))
    return parts


def _two(score: F64, positive: Mask, rows: _Rows) -> dict[str, Sparse]:
    chance = np.clip(np.where(positive, score, 1 - score), EPSILON, 1 - EPSILON)
    hit, score_bins = positive.astype(np.float64), score_bin(score)
    parts = rows.losses([(score - hit) ** 2, -np.log(chance), score, hit])
    place = np.searchsorted(CALIBRATION_EDGES, score, side="left").astype(np.int64)
    bins = [
        cells(rows.group, place, rows.times(sums), rows.groups, CALIBRATION_BINS) for sums in (rows.ones(), score, hit)
    ]
    width = 3 * CALIBRATION_BINS
    parts["calibration"] = join_parts(width, [shifted(bin_, width, 3, offset) for offset, bin_ in enumerate(bins)])
    return parts | _on_grid(("score_negative", "score_positive"), score_bins, positive, rows)


def _many(scores: F64, truth: I32, rows: _Rows) -> dict[str, Sparse]:
    n, classes = scores.shape
    true_scores = scores[np.arange(n), truth]
    brier = np.einsum("ij,ij->i", scores, scores) - true_scores**2 + (1 - true_scores) ** 2
    parts = rows.losses([brier, -np.log(np.clip(true_scores, EPSILON, 1 - EPSILON))])
    rank = np.count_nonzero(scores > true_scores[:, np.newaxis], axis=1)
    tied = np.flatnonzero(np.count_nonzero(scores == true_scores[:, np.newaxis], axis=1) > 1)
    if len(tied):
        is_later = np.arange(classes) > truth[tied, np.newaxis]
        rank[tied] += np.count_nonzero((scores[tied] == true_scores[tied, np.newaxis]) & is_later, axis=1)
    parts["ranks"] = rows.cells(rank, classes)
    if (excess := rows.excess(rank, classes)) is not None:
        parts["ranks_excess"] = excess
    if classes <= MOST_CLASS_SCORES:
        for code in range(classes):
            parts |= _on_grid(class_scores(code), score_bin(scores[:, code]), truth == code, rows)
    return parts


def _on_grid(names: tuple[str, str], bins: I64, is_positive: Mask, rows: _Rows) -> dict[str, Sparse]:
    """Return the scores of rows of other classes and of this class, by bin of the score grid."""
    parts = {}
    for name, is_chosen in zip(names, (~is_positive, is_positive), strict=True):
        chosen_rows = rows.where(is_chosen)
        parts[name] = chosen_rows.cells(bins[is_chosen], SCORE_BINS)
        if (excess := chosen_rows.excess(bins[is_chosen], SCORE_BINS)) is not None:
            parts[excess_of(name)] = excess
    return parts


def _grid_widths(*parts: str) -> dict[str, int]:
    return {name: SCORE_BINS for part in parts for name in (part, excess_of(part))}


def _binary_widths(_task: Task) -> dict[str, int]:
    return {"calibration": 3 * CALIBRATION_BINS, **_grid_widths("score_negative", "score_positive")}


def _multiclass_widths(task: Task) -> dict[str, int]:
    k = len(task.classes)
    grids = [part for code in range(k if k <= MOST_CLASS_SCORES else 0) for part in class_scores(code)]
    return {"ranks": k, "ranks_excess": k, **_grid_widths(*grids)}


def _regression_widths(task: Task) -> dict[str, int]:
    means = len(task.quantiles) + len(intervals(task))
    return {"percentage": 5} | ({"quantiles": 2 + 3 * means} if task.quantiles else {})


def _ranking_widths(task: Task) -> dict[str, int]:
    return {"clicks": 2} | {f"{PREFIX}{cutoff}": WIDTH for cutoff in task.cutoffs or CUTOFFS}


class _Parts(NamedTuple):
    """The parts of one kind of task: their lengths, and the function that folds joined rows into all parts."""

    widths: Callable[[Task], dict[str, int]]
    fold: Callable[[Task, LabelledRows, _Rows], dict[str, Sparse]]


_PARTS = PerKind(
    binary=_Parts(_binary_widths, _fold_classes),
    multiclass=_Parts(_multiclass_widths, _fold_classes),
    regression=_Parts(_regression_widths, _fold_numbers),
    ranking=_Parts(_ranking_widths, _fold_rankings),
    unknown=_Parts(lambda _: {}, _fold_classes),
)
