"""Metrics of a classifier with more than two classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from driftline.panes.outcome_sums import MOST_CLASS_SCORES, SUM_TOLERANCE
from driftline.panes.pane import Pane
from driftline.tables.classes import class_codes
from driftline.tables.table import F64, Column, Task

from driftline_processor.core.evaluation import Metric
from driftline_processor.core.outcomes.sums import cells_of, confusion, losses, ratio, rows_of

from .names import Name, parse_name
from .score_order import UNKNOWN, BoundedValue, ScoreOrder

MOST_RANKED = 100
"""Classes whose areas are computed from rows; of more there is none."""

Order = Callable[[int], ScoreOrder | None]
"""The scores of one class, by its code."""


def from_pane(pane: Pane, task: Task, names: Iterable[str], order: Order | None = None) -> dict[str, Metric]:
    """Return the metrics of these names (:func:`.names.wanted`); those that the rows say nothing of are left out.

    accuracy; precision, recall and f1: macro, the plain mean over the classes for which the value is defined
    (scikit-learn with ``average="macro"`` and ``zero_division=np.nan``; Evidently and NannyML count a class that was
    never predicted as precision 0 instead); ``_micro``: over all decisions; ``_weighted``: the mean by the rows of each
    class, of those for which it is defined; ``[CLASS]``: of one. balanced_accuracy is macro recall.
    top_k_accuracy@K: the share of rows whose class is among the K greatest scores, of equal ones the later class first.
    roc_auc_ovr: the plain mean of the areas of each class against all others (Hand & Till 2001, section 2, without
    weights), roc_auc[CLASS] one of them. Brier is Σ over classes of (p - y)², between 0 and 2, as Brier (1950) has it.
    ``order``: the scores of the rows by class, where they are at hand; else their bins are taken, of up to 8 classes.
    """
    counts, sums, ranks = confusion(pane, len(task.classes)), losses(pane, "multiclass"), pane.parts.get("ranks")
    areas = _Areas(task, order or _binned(pane, task))
    found: dict[str, Metric] = {}
    for name in names:
        which = parse_name(name)
        if which is None:
            continue
        if sums is not None and which.base in ("log_loss", "brier"):
            value = ratio(sums[which.base], sums["weight"])
            found[name] = Metric(value, rows_of(pane, sums["weight"], "losses"), "panes")
        elif which.base == "top_k_accuracy" and which.at is not None and ranks is not None:
            hits, all_rows = float(ranks[: int(which.at)].sum()), float(ranks.sum())
            found[name] = Metric(ratio(hits, all_rows), rows_of(pane, all_rows, "losses"), "panes")
        elif which.base in ("roc_auc_ovr", "roc_auc"):
            if sums is not None and (area := areas.find(which)) is not None:
                found[name] = Metric(area.value, rows_of(pane, sums["weight"], "losses"), "panes", area.bound)
        elif counts is not None and (decided := _at_decision(which, counts, task)) is not None:
            cells = cells_of(which.base, which.of, task)
            found[name] = Metric(decided.value, rows_of(pane, float(counts[cells].sum()), "confusion", cells), "panes")
    return found


def _at_decision(name: Name, counts: F64, task: Task) -> BoundedValue | None:
    hits, actual, decided = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    if name.base == "accuracy" and name.of is None:
        return BoundedValue(ratio(hits.sum(), counts.sum()))
    if name.base == "balanced_accuracy" and name.of is None:
        return BoundedValue(_mean(hits, actual, np.ones(len(hits))))
    base, _, average = name.base.partition("_")
    parts = {"precision": (hits, decided), "recall": (hits, actual), "f1": (2 * hits, actual + decided)}.get(base)
    if parts is None or average not in ("", "micro", "weighted"):
        return None
    above, below = parts
    if name.of is not None:
        if name.of not in task.classes:
            return None
        code = task.classes.index(name.of)
        return BoundedValue(ratio(above[code], below[code]))
    if average == "micro":
        return BoundedValue(ratio(above.sum(), below.sum()))
    return BoundedValue(_mean(above, below, actual if average else np.ones(len(hits))))


def _mean(above: F64, below: F64, weight: F64) -> float | None:
    defined = below > 0
    if not (weight[defined] > 0).any():
        return None
    return float(np.average(above[defined] / below[defined], weights=weight[defined]))


class _Areas:
    """Areas under the ROC curves of each class against all others, each found once and only when it is asked for."""

    def __init__(self, task: Task, order: Order) -> None:
        self._classes, self._order = task.classes, order
        self._known: dict[int, BoundedValue | None] = {}

    def find(self, name: Name) -> BoundedValue | None:
        """One class, or the mean of all; None where it cannot be known."""
        if name.base == "roc_auc":
            return self._of(self._classes.index(name.of)) if name.of in self._classes else None
        every = [self._of(code) for code in range(len(self._classes))]
        if not every or any(one is None for one in every):
            return None
        defined = [one for one in every if one is not None and one.value is not None]
        if not defined:
            return UNKNOWN
        value = sum(one.value for one in defined if one.value is not None) / len(defined)
        return BoundedValue(value, sum(one.bound for one in defined) / len(defined))

    def _of(self, code: int) -> BoundedValue | None:
        if code not in self._known:
            ranked = self._order(code)
            self._known[code] = None if ranked is None else ranked.area()
        return self._known[code]


def _unknown(_code: int) -> ScoreOrder | None:
    return None


def _binned(pane: Pane, task: Task) -> Order:
    if len(task.classes) > MOST_CLASS_SCORES:
        return _unknown
    return lambda code: ScoreOrder.of_pane(pane, f":{code}")


def ranked_rows(task: Task, scores: F64, actual: Column, weight: F64 | None) -> Order:
    """Order the scores of rows by class, of rows whose scores are probabilities and whose outcome is known."""
    truth, classes = class_codes(actual, task.classes), len(task.classes)
    if truth is None or scores.shape[1] != classes or classes > MOST_RANKED:
        return _unknown
    with np.errstate(invalid="ignore"):
        usable = (truth >= 0) & (truth < classes) & ((scores >= 0) & (scores <= 1)).all(axis=1)
        usable &= np.abs(scores.sum(axis=1) - 1) <= SUM_TOLERANCE
    own, w = truth[usable], None if weight is None else weight[usable]
    return lambda code: ScoreOrder.of_rows(scores[usable, code], own == code, w)
