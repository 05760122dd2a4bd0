"""Cost from a matrix of costs, value from outcomes that carry one, and the interval of a mean cost.

What predictions were worth: from a matrix of costs, and from the values that came with outcomes.

The interval of a mean cost: from the exact limits of how many rows have each cost.

A fraud that was let through costs 500 and is one row in two hundred: of a day without one, a mean and its variance say
that nothing ever costs anything. The exact limit of a share that was never seen says how many of them there may be.

Source: Zou, Huang and Zhang, "A note on confidence interval estimation for a linear function of binomial proportions"
(2009), with the correlation of shares of the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import sqrt

import numpy as np
from driftline.panes.pane import Pane
from driftline.tables.classes import class_text
from driftline.tables.table import F64, Task

from driftline_processor.core.evaluation import Metric
from driftline_processor.core.intervals.confidence import Interval, WeightSums
from driftline_processor.core.intervals.gradients import ConfusionTable
from driftline_processor.core.outcomes.sums import confusion, means, ratio, rows_of

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
    if counts is not None and not unknown_classes(costs, task):
        total, rows = float((cost_matrix(costs, task) * counts).sum()), float(counts.sum())
        found["cost"] = Metric(total, rows_of(pane, rows, "confusion"), "panes")
        found["cost_per_prediction"] = Metric(ratio(total, rows), rows_of(pane, rows, "confusion"), "panes")
    value, held = means(pane, task).get("value"), pane.parts.get("value")
    if value is not None and held is not None:
        found["value"] = Metric(value.total, int(held[0]), "panes")
        found["value_per_prediction"] = Metric(value.value, int(held[0]), "panes")
    return found


def cost_matrix(costs: Costs, task: Task) -> F64:
    """Return what a row of each cell costs: float64 (k, k), by actual and predicted class.

    >>> cost_matrix({"1": {"0": 500.0}}, Task("binary", ("0", "1"), "1")).tolist()
    [[0.0, 0.0], [500.0, 0.0]]
    """
    place = {name: code for code, name in enumerate(task.classes)}
    found = np.zeros((len(place), len(place)))
    for actual, row in costs.items():
        for predicted, cost in row.items():
            found[place[class_text(actual)], place[class_text(predicted)]] = cost
    return found


def unknown_classes(costs: Costs, task: Task) -> tuple[str, ...]:
    """Return the classes of a matrix that the task does not know; with one of them there is no cost.

    >>> unknown_classes({"fraud": {"ok": 500.0}}, Task("binary", ("0", "1"), "1"))
    ('fraud', 'ok')
    """
    named = [class_text(name) for actual, row in costs.items() for name in (actual, *row)]
    return tuple(dict.fromkeys(name for name in named if name not in task.classes))


Exact = Callable[[WeightSums, WeightSums], Interval]
"""What counts for a share, and against it → its limits."""


def mean_cost(table: ConfusionTable, costs: F64, exact: Exact) -> tuple[float, float]:
    """Return the ends of the interval of the mean cost of a row; ``costs``: float64 (k, k), of each cell of the table.

    Of costs that no row had, the one that could matter most is reckoned with: they are few together, too.

    >>> from driftline_processor.core.intervals.confidence import clopper_pearson
    >>> cells, nothing = np.array([[180.0, 12], [0, 8]]), np.empty((0, 2, 2))
    >>> costs = np.array([[0.0, 20], [500, 0]])
    >>> table = ConfusionTable(cells, cells, nothing, nothing)
    >>> low, high = mean_cost(table, costs, lambda a, b: clopper_pearson(a, b, 0.95))
    >>> round(low, 2), round(high, 2)
    (0.63, 10.36)
    """
    every, place = np.unique(costs, return_inverse=True)
    place = place.reshape(costs.shape)
    ratios = [table.ratio(own, 1 - own) for own in ((place == at).astype(np.float64) for at in range(len(every)))]
    limits = [exact(one.hits, one.misses) for one in ratios]
    share = np.array([one.value or 0.0 for one in ratios])
    apart = every - share @ every
    below = np.array([at - (one.low or 0.0) for at, one in zip(share, limits, strict=True)])
    above = np.array([(1.0 if one.high is None else one.high) - at for at, one in zip(share, limits, strict=True)])
    alike = _correlation(
        share, np.bincount(place.ravel(), table.squares.ravel(), minlength=len(every)).astype(np.float64)
    )
    lower = _reach(apart * np.where(apart > 0, below, above), share, alike, -1)
    upper = _reach(apart * np.where(apart > 0, above, below), share, alike, 1)
    mean = float(share @ every)
    return mean - lower, mean + upper


def _reach(moved: F64, share: F64, alike: F64, side: int) -> float:
    """Return how far all move the mean, and the one that moves it most to this side of those that were never seen."""
    unseen = max(0.0, float((side * moved[share == 0]).max(initial=0.0)))
    told = np.where(share > 0, moved, 0.0)
    return sqrt(max(0.0, float(told @ alike @ told)) + unseen**2)


def _correlation(share: F64, squares: F64) -> F64:
    """Return how shares of the same rows go together; ``squares``: float64 (g,), Σw² of each. 0 of those never seen."""
    covariance = np.diag(squares) - np.outer(share, squares) - np.outer(squares, share)
    covariance += np.outer(share, share) * squares.sum()
    deviation = np.sqrt(np.maximum(covariance.diagonal(), 0.0))
    scale = np.outer(deviation, deviation)
    found: F64 = np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 0)
    return found
