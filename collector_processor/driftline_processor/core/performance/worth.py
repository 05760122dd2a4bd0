"""What predictions were worth: from a matrix of costs, and from the values that came with outcomes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from driftline.classes import class_text
from driftline.pane import Pane
from driftline.tables import F64, Task

from driftline_processor.core.evaluation import Metric

from .sums import confusion, means, ratio, rows_of

Costs = Mapping[str, Mapping[str, float]]
"""Actual class → predicted class → cost of one such row; what is not named costs nothing."""


def from_pane(pane: Pane, task: Task, costs: Costs) -> dict[str, Metric]:
    """Return value and value_per_prediction of outcomes that said one, cost and cost_per_prediction of a matrix.

    ``value``: Σ weight × value, in the unit in which it was sent; ``value_per_prediction``: its weighted mean over the
    outcomes that said a value. ``cost``: Σ weight × cost over the rows with a decision (Elkan 2001); exact.

    >>> import numpy as np
    >>> pane = Pane({"outcomes": np.full(3, 6.0), "confusion": np.array([3.0, 1.0, 2.0, 0.0])})
    >>> found = from_pane(pane, Task("binary", ("0", "1"), "1"), {"1": {"0": 500.0}, "0": {"1": 20.0}})
    >>> found["cost"].value, found["cost_per_prediction"].value
    (1020.0, 170.0)
    """
    found: dict[str, Metric] = {}
    counts = confusion(pane, len(task.classes)) if costs and task.classes else None
    if counts is not None and not strangers(costs, task):
        total, rows = float((matrix(costs, task) * counts).sum()), float(counts.sum())
        found["cost"] = Metric(total, rows_of(pane, rows, "confusion"), "panes")
        found["cost_per_prediction"] = Metric(ratio(total, rows), rows_of(pane, rows, "confusion"), "panes")
    value, held = means(pane, task).get("value"), pane.parts.get("value")
    if value is not None and held is not None:
        found["value"] = Metric(value.total, int(held[0]), "panes")
        found["value_per_prediction"] = Metric(value.value, int(held[0]), "panes")
    return found


def matrix(costs: Costs, task: Task) -> F64:
    """Return what a row of each cell costs: float64 (k, k), by actual and predicted class.

    >>> matrix({"1": {"0": 500.0}}, Task("binary", ("0", "1"), "1")).tolist()
    [[0.0, 0.0], [500.0, 0.0]]
    """
    place = {name: code for code, name in enumerate(task.classes)}
    found = np.zeros((len(place), len(place)))
    for actual, row in costs.items():
        for predicted, cost in row.items():
            found[place[class_text(actual)], place[class_text(predicted)]] = cost
    return found


def strangers(costs: Costs, task: Task) -> tuple[str, ...]:
    """Return the classes of a matrix that the task does not know; with one of them there is no cost.

    >>> strangers({"fraud": {"ok": 500.0}}, Task("binary", ("0", "1"), "1"))
    ('fraud', 'ok')
    """
    named = [class_text(name) for actual, row in costs.items() for name in (actual, *row)]
    return tuple(dict.fromkeys(name for name in named if name not in task.classes))
