"""Resolve which outcome of a prediction counts: one rule for the live join and for files.

The outcomes of one prediction are its history, ordered by the time of the outcome, then by arrival:

- the latest outcome counts; if it is a retraction, none does;
- the first outcome is the first to arrive that was not already retracted;
- a missing weight, value or slice is taken from the previous outcome, back to a retraction;
- if the outcomes of a model are sampled, an outcome without any weight is rejected;
- an actual that the model cannot predict is rejected, and the previous outcome counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from driftline.baseline.ranking_outcomes import ListStatements, carry_forward, read_actuals, relevance_in, worth_of
from driftline.panes.relevance import Relevance
from driftline.tables.classes import class_codes
from driftline.tables.performance_columns import actual_numbers
from driftline.tables.table import F64, I64, Column, Items, is_present, length
from driftline.tables.task import PerKind, Task
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Places = NDArray[np.intp]


def impossible_actuals(actual: Column, task: Task) -> Mask:
    """Return True for actual values that the model cannot predict; missing values are possible.

    A regression needs a finite number, also as text; a ranking a number or a set of relevant items; any other task one
    of its classes.

    Args:
        actual: The actual values of n outcomes.
        task: The task of the model, with the declared or learned classes.

    Returns:
        bool (n,).

    >>> impossible_actuals(Column(numbers=np.array([1.0, 2.0, np.nan])), Task("binary", ("0", "1"))).tolist()
    [False, True, False]
    """
    return is_present(actual) & _ACTUALS.of(task).find_impossible(actual, task)


def possible_actuals_text(task: Task) -> str:
    """Return the description of an impossible actual for messages.

    >>> possible_actuals_text(Task("binary", ("0", "1")))
    'none of the classes 0, 1'
    """
    return _ACTUALS.of(task).possible(task)


def impossible_actual_reason(task: Task) -> str:
    """Return the reason under which an impossible actual is counted."""
    return _ACTUALS.of(task).reason


class _Actuals(NamedTuple):
    """The rules for actual values of a kind of task: impossible ones, their reason, and their description."""

    reason: str
    find_impossible: Callable[[Column, Task], Mask]
    possible: Callable[[Task], str]


def _no_such_class(actual: Column, task: Task) -> Mask:
    codes = class_codes(actual, task.classes)
    return np.ones(length(actual), np.bool_) if codes is None else np.asarray(codes == len(task.classes), np.bool_)


def _no_number(actual: Column, _task: Task) -> Mask:
    return ~np.isfinite(actual_numbers(actual))


def _no_relevance(actual: Column, _task: Task) -> Mask:
    gain, which, _ = read_actuals(actual)
    return np.isnan(gain) & (which < 0)


_CLASSES = _Actuals("unknown_class", _no_such_class, lambda task: f"none of the classes {', '.join(task.classes)}")
_ACTUALS = PerKind(
    binary=_CLASSES,
    multiclass=_CLASSES,
    regression=_Actuals("not_a_number", _no_number, lambda _: "no number"),
    ranking=_Actuals("not_a_relevance", _no_relevance, lambda _: "neither a number nor a set of items"),
    unknown=_CLASSES,
)


class OutcomeHistories:
    """The histories of predictions: m outcomes, each of one prediction.

    All results are positions in the given columns, so callers keep their own tables.

    >>> day = np.array([1, 3, 2])
    >>> histories = OutcomeHistories(np.array([7, 7, 8]), day, np.arange(3), np.array([False, True, False]))
    >>> histories.latest().tolist(), histories.first().tolist()
    ([1, 2], [0, 2])
    >>> histories.source_of(np.array([True, False, False])).tolist()
    [0, -1, -1]
    """

    def __init__(
        self, prediction: I64 | Places, time: I64, arrival: I64 | Places, retracted: Mask, partial: Mask | None = None
    ) -> None:
        """Sort the outcomes of each prediction.

        Args:
            prediction: int64 (m,), the prediction of each outcome.
            time: int64 (m,), time of the outcome, unix nanoseconds; 0 = unknown, before all others.
            arrival: int64 (m,), order of arrival. Ties are in the order of positions.
            retracted: bool (m,), retractions.
            partial: bool (m,), outcomes of one item of a ranking, which retract that item only.
        """
        self.prediction, self.retracted = prediction, retracted
        self._time, self._arrival = time, arrival
        self._clears = retracted if partial is None else retracted & ~partial
        self._single = _all_differ(prediction)
        self.order: Places = np.arange(len(prediction))
        """The positions by prediction, the oldest outcome of each first."""
        if not self._single:
            self.order = np.lexsort((arrival, time, prediction))
        elif (prediction[1:] < prediction[:-1]).any():
            self.order = np.argsort(prediction)

    def several(self) -> Mask:
        """Return True for outcomes whose prediction has more than one: bool (m,)."""
        ordered = self.prediction[self.order]
        again = np.append(False, ordered[1:] == ordered[:-1])[: len(ordered)]
        found = np.zeros(len(ordered), np.bool_)
        found[self.order] = again | np.append(again[1:], False)[: len(ordered)]
        return found

    def latest(self) -> Places:
        """Return the position of the latest outcome of each prediction, including retractions, by prediction."""
        if self._single:
            return self.order
        ordered = self.prediction[self.order]
        latest: Places = self.order[np.append(ordered[1:] != ordered[:-1], np.ones(min(len(ordered), 1), np.bool_))]
        return latest

    def first(self) -> Places:
        """Return the position of the first outcome that counted for each prediction, by prediction."""
        if self._single:
            return self.order[~self.retracted[self.order]]
        n = len(self.prediction) + 1
        rank = np.empty(n - 1, np.int64)
        rank[np.lexsort((self._arrival, self._time))] = np.arange(1, n)
        order = np.lexsort((self._arrival, self.prediction))
        back = self.retracted[order]
        group = np.cumsum(np.diff(self.prediction[order], prepend=-1) != 0) * n
        taken_back = np.maximum.accumulate(group + np.where(back, rank[order], 0)) - group
        counted: Places = order[~back & (rank[order] > taken_back)]
        begins: Mask = np.diff(self.prediction[counted], prepend=-1) != 0
        return counted[begins]

    def source_of(self, said: Mask) -> Places:
        """Return the outcome that provides the weight, value or slice of each outcome: (m,), -1 = none.

        Args:
            said: bool (m,), outcomes that have it themselves.
        """
        own = np.arange(len(said))
        if self._single:
            return np.where(said & ~self.retracted, own, -1)
        ordered = np.asarray(self.prediction, np.int64)[self.order]
        place = carry_forward(ordered, self._clears[self.order], (said & ~self.retracted)[self.order])
        found = np.empty(len(said), np.intp)
        found[self.order] = np.where(place < 0, -1, self.order[place])
        return found


def lacks_weight(weighted: Mask, retracted: Mask) -> Mask:
    """Return True for outcomes of a sampled model that are rejected: bool (m,).

    Args:
        weighted: bool (m,), outcomes that have a weight, their own or from :meth:`OutcomeHistories.source_of`.
        retracted: bool (m,), retractions, which need no weight.
    """
    return ~weighted & ~retracted


def _all_differ(prediction: I64 | Places) -> bool:
    """Return True if no prediction has two outcomes."""
    if len(prediction) < 2 or (prediction[1:] > prediction[:-1]).all():
        return True
    first, last = int(prediction.min()), int(prediction.max())
    # 8: maximum ratio of the range of numbers to their count for a table instead of a sort
    if last - first <= 8 * len(prediction):
        return bool(np.bincount(prediction - first).max() == 1)
    ordered = np.sort(prediction)
    return bool((ordered[1:] != ordered[:-1]).all())


class RankingOutcomes(NamedTuple):
    """Resolved outcomes of n rankings. ``last``: position of the outcome whose time and other fields count, -1 = none.

    ``worth``: float64 (n,), NaN = unknown.
    """

    relevance: Relevance
    last: Places
    worth: F64


def resolve_rankings(lists: Items, statements: ListStatements, value: F64 | None = None) -> RankingOutcomes:
    """Combine all outcomes of each ranking: relevance by item, the latest outcome, and the worth.

    Args:
        lists: The items of n rankings.
        statements: The statements of m outcomes, oldest first.
        value: float64 (m,), the worth of each, NaN = unknown; None = unknown for all.
    """
    n, m, row = len(lists), len(statements.row), np.asarray(statements.row, np.int64)
    left_out = None if lists.left_out is None else lists.left_out.astype(np.int64)
    relevance = relevance_in(lists, statements, left_out)
    last = np.full(n, -1, np.intp)
    spoken = np.flatnonzero(~statements.retracted)
    last[row[spoken]] = spoken  # numpy keeps the last of equal rows
    last[np.isnan(relevance.clicked)] = -1
    item = np.full(m, -1, np.int32) if statements.item.codes is None else statements.item.codes
    value = np.full(m, np.nan) if value is None else value
    return RankingOutcomes(relevance, last, worth_of(row, item, value, statements.retracted, n))
