"""Scores of two classes in order, from rows or from bins: areas, KS and gain, each with an error bound.

The order of rows within a bin is unknown. They count as ties, and ``bound`` is the maximum difference from the value
computed from rows, from the best and the worst order within each bin.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np
from driftline.panes.outcome_sums import MOST_CLASS_SCORES
from driftline.panes.pane import Pane
from driftline.tables.classes import class_codes
from driftline.tables.table import F64, Column
from driftline.tables.task import Task
from msgspec import Struct
from numpy.typing import NDArray

MOST_RANKED = 100
"""Maximum number of classes whose areas are computed from rows, since each class sorts all rows."""


class BoundedValue(NamedTuple):
    """A value, None if it is not defined, and its maximum difference from the value computed from rows."""

    value: float | None
    bound: float = 0.0


UNKNOWN = BoundedValue(None)


class ScoreOrder(Struct, frozen=True, dict=True):
    """Weight of negatives and positives by score, in ascending order: float64 (m,) each.

    Attributes:
        exact: True if an entry is one score, so that its rows are real ties; else it is a bin of scores, and ``unit``
            is the mean weight of a row.
    """

    negative: F64
    positive: F64
    exact: bool
    unit: float = 1.0

    @classmethod
    def of_pane(cls, pane: Pane, suffix: str = "") -> ScoreOrder | None:
        """Read the score grid of a pane; ``suffix``: ``:I`` for class I of many. None if there is none."""
        negative, positive = (pane.parts.get(f"score_{side}{suffix}") for side in ("negative", "positive"))
        if negative is None and positive is None:
            return None
        known_side = negative if negative is not None else positive
        assert known_side is not None
        q = np.zeros(len(known_side)) if negative is None else negative
        p = np.zeros(len(known_side)) if positive is None else positive
        filled = (q > 0) | (p > 0)
        rows, weight, _ = pane.parts["outcomes"].tolist()
        return cls(q[filled], p[filled], exact=False, unit=weight / rows if rows > 0 else 1.0)

    @classmethod
    def of_rows(cls, score: F64, positive: NDArray[np.bool_], weight: F64 | None) -> ScoreOrder:
        """Sort the scores of rows; ``weight``: None = 1 each."""
        w = np.ones(len(score)) if weight is None else weight
        distinct, place = np.unique(score, return_inverse=True)
        sums = (np.bincount(place[is_side], w[is_side], minlength=len(distinct)) for is_side in (~positive, positive))
        negatives, positives = (side_sums.astype(np.float64, copy=False) for side_sums in sums)
        filled = (negatives > 0) | (positives > 0)
        return cls(negatives[filled], positives[filled], exact=True)

    @cached_property
    def weight(self) -> float:
        """Total weight of the rows."""
        return float(self.negative.sum() + self.positive.sum())

    def _shares(self) -> tuple[F64, F64] | None:
        negatives, positives = self.negative.sum(), self.positive.sum()
        return None if negatives <= 0 or positives <= 0 else (self.negative / negatives, self.positive / positives)

    def area(self) -> BoundedValue:
        """Return the area under the ROC curve: the probability that a positive scores above a negative.

        Ties count half, as in ``sklearn.metrics.roc_auc_score``. From bins the error is at most half of Σ p q, the
        fractions of positives and negatives in each (Fawcett 2006, section 7). Not defined without either class.

        >>> ScoreOrder(np.array([1.0, 1.0]), np.array([0.0, 2.0]), exact=False).area()
        BoundedValue(value=0.75, bound=0.25)
        """
        shares = self._shares()
        if shares is None:
            return UNKNOWN
        q, p = shares
        below = np.cumsum(q) - q
        return BoundedValue(float(p @ (below + q / 2)), 0.0 if self.exact else float(p @ q) / 2)

    def average_precision(self) -> BoundedValue:
        """Return Σ (R_n - R_{n-1}) P_n over the scores in descending order, R recall and P precision.

        Equal to ``sklearn.metrics.average_precision_score``; the area under the precision-recall curve, without its
        optimistic linear interpolation (Davis & Goadrich 2006). Rows within a bin count as evenly mixed; the bound uses
        all negatives first, and all positives first. Not defined without positives.

        >>> ScoreOrder(np.array([1.0, 0.0]), np.array([1.0, 1.0]), exact=True).average_precision().value
        0.8333333333333333
        """
        total = self.positive.sum()
        if total <= 0:
            return UNKNOWN
        has_positives = self.positive > 0
        true, false = (np.cumsum(side[::-1])[::-1][has_positives] for side in (self.positive, self.negative))
        p, q = self.positive[has_positives], self.negative[has_positives]
        share = p / total
        if self.exact:
            return BoundedValue(float(share @ (true / (true + false))))
        hits = true - (p - np.minimum(p, self.unit)) / 2  # half of the bin's positives and negatives are above
        value = float(share @ (hits / (hits + (false - q / 2))))
        greatest = float(share @ (true / (true + (false - q))))
        # one positive after the other, each of next to no weight, below all negatives of the bin: ∫ x / (x + false) dx
        before = (true - p) + false
        with np.errstate(over="ignore"):
            inside = np.log1p(np.divide(p, before, where=before > 0, out=np.zeros(len(p))))
        lowest = max(0.0, float(1 - (false / total) @ inside))
        return BoundedValue(value, max(greatest - value, value - lowest))

    def ks(self) -> BoundedValue:
        """Return the maximum distance between the score distributions of positives and negatives.

        The two-sample Kolmogorov-Smirnov statistic. From bins it is taken at their edges; within a bin it can be larger
        by the mass of one class. Not defined without either class.

        >>> ScoreOrder(np.array([2.0, 0.0]), np.array([1.0, 1.0]), exact=True).ks().value
        0.5
        """
        shares = self._shares()
        if shares is None:
            return UNKNOWN
        q, p = shares
        after = np.cumsum(q) - np.cumsum(p)
        before = after - q + p
        value = float(min(1.0, np.abs(after).max()))
        if self.exact:
            return BoundedValue(value)
        above = np.minimum(before + q, after + p).max()  # all negatives of the bin first
        below = np.minimum(p - before, q - after).max()
        return BoundedValue(value, float(max(0.0, min(1.0, max(above, below)) - value)))

    def gain(self, share: float) -> BoundedValue:
        """Return the fraction of the positives among the top ``share`` of the rows by score.

        Rows with equal scores at the border count in proportion. Not defined without positives.

        >>> ScoreOrder(np.array([6.0, 2.0]), np.array([0.0, 2.0]), exact=True).gain(0.1).value
        0.25
        """
        total, wanted_weight = self.positive.sum(), share * self.weight
        if total <= 0:
            return UNKNOWN
        p, q = self.positive[::-1], self.negative[::-1]
        until = np.cumsum(p + q)
        place = min(int(np.searchsorted(until, wanted_weight)), len(until) - 1)
        rest = min(float(p[place] + q[place]), max(0.0, wanted_weight - float(until[place] - p[place] - q[place])))
        whole_gain, part = float(p[:place].sum()), rest * float(p[place] / (p[place] + q[place]))
        if self.exact:
            return BoundedValue(float((whole_gain + part) / total))
        highest, lowest = min(float(p[place]), rest), max(0.0, rest - float(q[place]))
        return BoundedValue(float((whole_gain + part) / total), float(max(highest - part, part - lowest) / total))


ClassOrder = Callable[[int], ScoreOrder | None]
"""Class code → the score order of that class."""


def order_of_rows(task: Task, scores: F64, actual: Column, weight: F64 | None) -> ScoreOrder | None:
    """Sort the scores of rows with a probability and an outcome; None if the task lacks classes.

    Args:
        task: A binary task.
        scores: float64 (n, 1), of the positive class.
        actual: The outcomes, n rows.
        weight: float64 (n,); None = 1 each.
    """
    truth = class_codes(actual, task.classes)
    if truth is None or task.positive is None or scores.shape[1] != 1:
        return None
    score = scores[:, 0]
    usable = (truth >= 0) & (truth < len(task.classes)) & task.are_probabilities(scores)
    positive = truth[usable] == task.positive
    return ScoreOrder.of_rows(score[usable], positive, None if weight is None else weight[usable])


def _no_order(_code: int) -> ScoreOrder | None:
    return None


def class_order_of_pane(pane: Pane, task: Task) -> ClassOrder:
    """Return the score order per class from the score bins of a pane, which are stored for up to 8 classes."""
    if len(task.classes) > MOST_CLASS_SCORES:
        return _no_order
    return lambda code: ScoreOrder.of_pane(pane, f":{code}")


def class_order_of_rows(task: Task, scores: F64, actual: Column, weight: F64 | None) -> ClassOrder:
    """Return the score order per class, from rows with probabilities and a known outcome.

    Args:
        task: A task of k classes.
        scores: float64 (n, k).
        actual: The outcomes, n rows.
        weight: float64 (n,); None = 1 each.
    """
    truth, classes = class_codes(actual, task.classes), len(task.classes)
    if truth is None or scores.shape[1] != classes or classes > MOST_RANKED:
        return _no_order
    usable = (truth >= 0) & (truth < classes) & task.are_probabilities(scores)
    usable_truth, w = truth[usable], None if weight is None else weight[usable]
    return lambda code: ScoreOrder.of_rows(scores[usable, code], usable_truth == code, w)
