"""Decisions with predictions in a window but without outcomes: none of them was reviewed.

If only flagged rows are reviewed, the missed ones are unknown. Recall, accuracy or the area under the ROC curve of the
reviewed rows are then those of flagged rows, however many these are; only precision is valid.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.panes.pane import Pane
from driftline.tables.classes import class_text
from driftline.tables.table import F64
from driftline.tables.task import Task

from .coverage import kept_decisions

EXPECTED = 5.0
"""Expected outcomes of a decision, at the review rate of the others, from which on having none is not chance (less than
1 % of windows).
"""


class UnseenDecisions(NamedTuple):
    """Per decision, in the order of ``task.classes``: float64 (k,) each.

    ``unit``: weight of one unreviewed row, 0 = like the others. ``unreviewed``: number of predictions of a decision
    without outcomes; else 0.
    """

    unit: F64
    unreviewed: F64

    def ordered(self, classes: Sequence[int]) -> UnseenDecisions:
        """Return it for these classes, in this order."""
        at = np.array(classes)
        return UnseenDecisions(self.unit[at], self.unreviewed[at])


def predictions_of(pane: Pane, task: Task, baseline: Baseline | None = None) -> F64 | None:
    """Return the weight of the predictions per decision: float64 (k,); None if they were not counted.

    Deleted rows are excluded. With ``baseline``, its own bins are used.
    """
    decisions = kept_decisions(pane, task.classes)
    if decisions is not None:
        return decisions
    counted, bins = pane.parts.get("class"), None if baseline is None else baseline.bins.classes
    if counted is None or bins is None:
        return None
    categories = [class_text(category) for category in bins.categories]
    return np.array([counted[categories.index(name)] if name in categories else 0.0 for name in task.classes])


def find_unseen_decisions(pane: Pane, task: Task, baseline: Baseline | None = None) -> UnseenDecisions | None:
    """Return the decisions without outcomes in a pane; None if its predictions were not counted.

    For a decision without any outcome, one unseen row may represent all of its predictions, in proportion to those with
    outcomes. It is ``unreviewed`` if at least :data:`EXPECTED` outcomes would be expected.

    >>> parts = {"outcomes": np.array([50.0, 50, 50]), "confusion": np.array([0.0, 5, 0, 45])}
    >>> parts |= {"decided:0": np.array([950.0]), "decided:1": np.array([50.0])}
    >>> found = find_unseen_decisions(Pane(parts), Task("binary", ("0", "1"), "1"))
    >>> found.unit.tolist(), found.unreviewed.tolist()
    ([950.0, 0.0], [950.0, 0.0])
    """
    k, cells, predictions = len(task.classes), pane.parts.get("confusion"), predictions_of(pane, task, baseline)
    if predictions is None or cells is None or len(cells) != k * k or cells.sum() <= 0:
        return None
    held = cells.reshape(k, k).sum(axis=0) > 0
    rows = float(pane.parts["outcomes"][0])
    alone, others = np.where(held, 0.0, predictions), max(float(predictions[held].sum()), rows)
    return UnseenDecisions(alone * float(cells.sum()) / others, np.where(alone * rows / others >= EXPECTED, alone, 0.0))


def cells_of_decisions(task: Task, cls: str | None = None) -> F64:
    """Return the cells of all decisions, or of the decision for one class: float64 (k, k), by actual and predicted.

    >>> cells_of_decisions(Task("binary", ("0", "1"), "1"), "1").tolist()
    [[0.0, 1.0], [0.0, 1.0]]
    """
    cells = np.ones((len(task.classes), len(task.classes)))
    if cls in task.classes:
        cells[:, np.arange(len(cells)) != task.classes.index(cls)] = 0.0
    return cells


def unreviewed(unseen: UnseenDecisions | None, task: Task | None) -> dict[str, int]:
    """Return the decisions without any reviewed row, with the number of their predictions."""
    if unseen is None or task is None:
        return {}
    return {task.classes[at]: round(float(unseen.unreviewed[at])) for at in np.flatnonzero(unseen.unreviewed)}
