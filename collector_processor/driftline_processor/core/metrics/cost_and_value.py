"""Cost matrix, and the interval of a mean cost from exact limits of the number of rows per cost.

Rare costs dominate: a missed fraud costs 500 and occurs once in two hundred rows. The mean and variance of a day
without fraud would exclude any cost; the exact limit of an unobserved fraction does not.

Source: Zou, Huang and Zhang, "A note on confidence interval estimation for a linear function of binomial proportions"
(2009), with the correlation of fractions of the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf, sqrt
from typing import Literal

import numpy as np
from driftline.tables.classes import class_text
from driftline.tables.table import F64
from driftline.tables.task import Task

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.intervals.confidence import Interval, WeightSums
from driftline_processor.core.intervals.gradients import ConfusionTable
from driftline_processor.core.outcomes.sums import effective, ratio

from .metric import EVERY_TASK, IntervalOfValue, Metric, Value
from .name_grammar import Name
from .performance_sums import IntervalAndRows, PerformanceSums, named_after_blocks

Costs = Mapping[str, Mapping[str, float]]
"""Actual class → predicted class → cost of one such row; missing entries cost 0."""


def cost_matrix(costs: Costs, task: Task) -> F64:
    """Return the cost of a row per cell: float64 (k, k), actual by predicted class.

    >>> cost_matrix({"1": {"0": 500.0}}, Task("binary", ("0", "1"), "1")).tolist()
    [[0.0, 0.0], [500.0, 0.0]]
    """
    place = {name: code for code, name in enumerate(task.classes)}
    matrix = np.zeros((len(place), len(place)))
    for actual, row in costs.items():
        for predicted, cost in row.items():
            matrix[place[class_text(actual)], place[class_text(predicted)]] = cost
    return matrix


def unknown_classes(costs: Costs, task: Task) -> tuple[str, ...]:
    """Return the classes of a cost matrix that the task lacks; if there is one, the cost is not computed.

    >>> unknown_classes({"fraud": {"ok": 500.0}}, Task("binary", ("0", "1"), "1"))
    ('fraud', 'ok')
    """
    class_names = [class_text(name) for actual, row in costs.items() for name in (actual, *row)]
    return tuple(dict.fromkeys(name for name in class_names if name not in task.classes))


Exact = Callable[[WeightSums, WeightSums], Interval]
"""Function from the weights for and against a share to its limits."""


def mean_cost(table: ConfusionTable, costs: F64, exact: Exact) -> tuple[float, float]:
    """Return the limits of the mean cost per row; ``costs``: float64 (k, k), the cost of each cell.

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
    ratios = [
        table.ratio(is_cost, 1 - is_cost)
        for is_cost in ((place == index).astype(np.float64) for index in range(len(every)))
    ]
    limits = [exact(ratio.hits, ratio.misses) for ratio in ratios]
    share = np.array([ratio.value or 0.0 for ratio in ratios])
    deviation = every - share @ every
    below = np.array([value - (limit.low or 0.0) for value, limit in zip(share, limits, strict=True)])
    above = np.array(
        [(1.0 if limit.high is None else limit.high) - value for value, limit in zip(share, limits, strict=True)]
    )
    correlation = _correlation(
        share, np.bincount(place.ravel(), table.squares.ravel(), minlength=len(every)).astype(np.float64)
    )
    lower = _reach(deviation * np.where(deviation > 0, below, above), share, correlation, -1)
    upper = _reach(deviation * np.where(deviation > 0, above, below), share, correlation, 1)
    mean = float(share @ every)
    return mean - lower, mean + upper


def _reach(moved: F64, share: F64, correlation: F64, side: int) -> float:
    """Return the distance from the mean to one limit.

    Observed costs enter by their covariance, plus the one unobserved cost that matters most.
    """
    unseen = max(0.0, float((side * moved[share == 0]).max(initial=0.0)))
    reachable = np.where(share > 0, moved, 0.0)
    return sqrt(max(0.0, float(reachable @ correlation @ reachable)) + unseen**2)


def _correlation(share: F64, squares: F64) -> F64:
    """Return the correlation of fractions of the same rows; ``squares``: float64 (g,), Σw² each. 0 if unobserved."""
    covariance = np.diag(squares) - np.outer(share, squares) - np.outer(squares, share)
    covariance += np.outer(share, share) * squares.sum()
    deviation = np.sqrt(np.maximum(covariance.diagonal(), 0.0))
    scale = np.outer(deviation, deviation)
    found: F64 = np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 0)
    return found


def cost_of_decisions(*, total: bool) -> tuple[Value, IntervalOfValue]:
    """Return value and interval of the cost of the rows with a decision: the total, or the mean per row.

    Both are exact, since they use the number of rows per cost.
    """

    def value(sums: PerformanceSums, _name: Name) -> MetricValue | None:
        if not sums.costs or sums.confusion is None or unknown_classes(sums.costs, sums.task):
            return None
        cost, weight = float((cost_matrix(sums.costs, sums.task) * sums.confusion).sum()), float(sums.confusion.sum())
        return sums.value_of(cost if total else ratio(cost, weight), weight, "confusion")

    return value, lambda sums, _name, _value: cost_interval(sums, total=total)


def cost_interval(sums: PerformanceSums, *, total: bool) -> IntervalAndRows | None:
    """Return the interval of the cost of decisions, from the number of rows per cost.

    Args:
        sums: The sums of a window.
        total: True for the total, False for the mean per row.
    """
    table = sums.table
    if table is None:
        return None
    costs, weight = cost_matrix(sums.costs, sums.task), float(table.weight.sum())
    mean = float((costs * table.weight).sum()) / weight
    rows = effective(weight, float(table.squares.sum()))
    design, from_blocks = sums.rows_as_one(
        sums.cached("cost", lambda: table.influence_of((costs - mean) / weight)), rows
    )
    each = weight if total else 1.0
    low, high = mean_cost(table, costs, lambda hits, misses: sums.exact_limits(hits, misses, design))
    return named_after_blocks(Interval(low * each, high * each, "mover"), blocks=from_blocks), rows


def value_of_outcomes(*, total: bool) -> tuple[Value, IntervalOfValue]:
    """Return value and interval of the monetary value of outcomes: the total, or the mean per outcome."""

    def value(sums: PerformanceSums, _name: Name) -> MetricValue | None:
        mean, held = sums.means.get("value"), sums.pane.parts.get("value")
        if mean is None or held is None:
            return None
        return MetricValue(mean.total if total else mean.value, int(held[0]), "panes")

    return value, lambda sums, _name, _value: value_interval(sums, total=total)


def value_interval(sums: PerformanceSums, *, total: bool) -> IntervalAndRows | None:
    """Return the interval of the mean value of an outcome, or of the sum of all values (``total``)."""
    negative = float(sums.pane.parts.get("value_negative", np.zeros(1))[0])
    bounded = sums.mean_interval(sums.part_mean("value", 0, head=1, negative=negative))
    if not total or bounded is None:
        return bounded
    (low, high, method), rows = bounded
    weight = float(sums.pane.parts["value"][1])
    return Interval(None if low is None else low * weight, None if high is None else high * weight, method), rows


def _of_money(name: str, of: Literal["cost", "value"], source: str, rank: int) -> Metric:
    total = name == of
    value, interval = cost_of_decisions(total=total) if of == "cost" else value_of_outcomes(total=total)
    return Metric(
        name=name,
        title=name.replace("_", " "),
        tasks=EVERY_TASK,
        direction=-1 if of == "cost" else 1,
        unit=of,
        minimum=-inf,
        source=source,
        value=value,
        interval=interval,
        usual=lambda _task: (name,),
        of_all_rows=total,
        rank=rank,
    )


_ELKAN = "Elkan, The foundations of cost-sensitive learning (2001)"

METRICS = (
    _of_money("cost", "cost", _ELKAN, 400),
    _of_money("cost_per_prediction", "cost", _ELKAN, 410),
    _of_money("value", "value", "the weighted sum of values", 420),
    _of_money("value_per_prediction", "value", "the weighted mean of values", 430),
)
