"""Bounds of metrics over all values that the outstanding outcomes of a window can take.

A window of which 88 % of the outcomes are known need not wait for the rest if no outcome of the rest can change its
answer. The bounds of a metric are its values if all outstanding outcomes are the best, and the worst, for it. The
answer is final if it is the same at both.

Only metrics between 0 and 1 have bounds. A log loss, an absolute error or a mean of money does not: a single outcome
can move it without a limit.

- Mean of a quantity of each row between 0 and 1 (accuracy, actual rate, Brier score, coverage of an interval): each
  outstanding row adds 0 or 1.
- Precision, recall, F scores, specificity, balanced accuracy of two classes: an outstanding row has a decision, and is
  best if it is right and worst if it is wrong, see :func:`_cells`.
- ROC AUC: each pair with an outstanding row is ordered well or badly; most such pairs arise if outstanding rows make
  positives and negatives as even as possible.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import asin, pi, sin, sqrt
from typing import NamedTuple

import numpy as np
from driftline.panes.pane import Pane
from driftline.tables.table import F64
from driftline.tables.task import Task
from msgspec.structs import replace

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.metrics import Metric, metric_of
from driftline_processor.core.metrics.confusion import class_of
from driftline_processor.core.metrics.name_grammar import Name, parse_name
from driftline_processor.core.metrics.performance_sums import PerformanceSums
from driftline_processor.core.outcomes.coverage import kept_decisions, sent_rows


class Outstanding(NamedTuple):
    """The rows of a window without an outcome: all of them, and by decided class, float64 (k,); None if unknown."""

    rows: float
    decisions: F64 | None


def outstanding_count(pane: Pane) -> int:
    """Return the number of rows that can get an outcome and have none."""
    return max(0, round(float(sent_rows(pane)[0] - pane.parts.get("outcomes", np.zeros(3))[0])))


class DecisionCounts(NamedTuple):
    """The decisions of a pane by class, float64 (k,) each: all of them, and those with an outcome."""

    decided: F64
    with_outcome: F64


def decision_counts(pane: Pane, task: Task) -> DecisionCounts | None:
    """Return the decisions of a pane by class; None if they were not counted."""
    decided, cells, k = kept_decisions(pane, task.classes), pane.parts.get("confusion"), len(task.classes)
    if decided is None or cells is None or len(cells) != k * k:
        return None
    return DecisionCounts(decided, cells.reshape(k, k).sum(axis=0))


def outstanding_rows(pane: Pane, task: Task) -> Outstanding | None:
    """Return the rows without an outcome; None if outcomes have weights, since those of the rest are unknown.

    >>> parts = {"rows": np.full(3, 10.0), "outcomes": np.full(3, 8.0), "confusion": np.array([5.0, 0, 1, 2])}
    >>> parts |= {"decided:0": np.array([7.0]), "decided:1": np.array([3.0])}
    >>> outstanding_rows(Pane(parts), Task("binary", ("0", "1"), "1"))
    Outstanding(rows=2.0, decisions=array([1., 1.]))
    """
    weights = pane.parts.get("outcomes", np.zeros(3))
    if not weights[0] == weights[1] == weights[2]:
        return None
    rows, counted = float(outstanding_count(pane)), decision_counts(pane, task)
    if counted is None:
        return Outstanding(rows, None)
    decisions = counted.decided - counted.with_outcome
    complete = decisions.min() >= 0 and decisions.sum() == rows
    return Outstanding(rows, decisions if complete else None)


def bounds_of(metrics: Mapping[str, MetricValue], pane: Pane, task: Task) -> dict[str, tuple[float, float]]:
    """Return the least and the greatest value of each metric that has bounds.

    Args:
        metrics: Metrics of the rows with an outcome.
        pane: Sums of the rows, with the predictions without an outcome.
        task: The task of the model.
    """
    outstanding = outstanding_rows(pane, task)
    if outstanding is None:
        return {}
    sums, bounds = PerformanceSums(pane, task), dict[str, tuple[float, float]]()
    for text, metric in metrics.items():
        name = parse_name(text)
        if name is not None and metric.value is not None:
            ends = _bounds(name, metric.value, sums, outstanding)
            bounds |= {} if ends is None else {text: ends}
    return bounds


def at_bound(metric: MetricValue, bound: float) -> MetricValue:
    """Return a metric at a bound, with an interval that is as long as its own; without one if it has none.

    The length is that of the arcsine of the root, in which the variance of a fraction does not depend on its size
    (Freeman and Tukey, 1950), by the longer side. More rows than today only make the interval shorter.

    >>> moved = at_bound(MetricValue(0.5, 100, "panes", low=0.4, high=0.6), 0.9)
    >>> round(moved.low, 3), round(moved.high, 3)
    (0.832, 0.952)
    """
    if metric.value is None or metric.low is None or metric.high is None:
        return replace(metric, value=bound)
    ends = (metric.value, metric.low, metric.high, bound)
    value, low, high, end = (asin(sqrt(min(max(one, 0.0), 1.0))) for one in ends)
    reach = max(high - value, value - low)
    return replace(metric, value=bound, low=sin(max(end - reach, 0.0)) ** 2, high=sin(min(end + reach, pi / 2)) ** 2)


def _bounds(name: Name, value: float, sums: PerformanceSums, outstanding: Outstanding) -> tuple[float, float] | None:
    """Return the least and the greatest value of a metric over all outstanding outcomes; None without bounds."""
    task, rows, metric = sums.task, outstanding.rows, metric_of(name.base)
    if metric is None:
        return None
    if metric.outstanding == "decision":
        return _bounds_of_decisions(metric, name, sums, outstanding)
    if metric.outstanding == "row" or (name.base == "brier" and task.has_threshold):
        known = float(sums.pane.parts["outcomes"][0])
        return value * known / (known + rows), (value * known + rows) / (known + rows)
    order = sums.order if name.base == "roc_auc" and task.has_threshold else None
    if order is None:
        return None
    positives, negatives = (float(side.sum()) for side in (order.positive, order.negative))
    more = min(max((negatives + rows - positives) / 2, 0.0), rows)
    share = positives * negatives / ((positives + more) * (negatives + rows - more))
    return value * share, 1 - (1 - value) * share


def _bounds_of_decisions(
    metric: Metric, name: Name, sums: PerformanceSums, outstanding: Outstanding
) -> tuple[float, float] | None:
    code = class_of(sums, name)
    if outstanding.decisions is None or sums.confusion is None:
        return None
    if code is None and name.base != "accuracy":
        return None  # the worst outcomes for one class are not those for another
    values = []
    for right in (False, True):
        cells = sums.confusion + _cells(outstanding.decisions, code or 0, right=right)
        pane = Pane({"outcomes": np.full(3, cells.sum()), "confusion": cells.ravel()})
        filled = metric.value(PerformanceSums(pane, sums.task), name)
        values.append(None if filled is None else filled.value)
    worst, best = values
    return None if worst is None or best is None else (worst, best)


def _cells(decisions: F64, code: int, *, right: bool) -> F64:
    """Return outstanding rows by actual and decided class, float64 (k, k): all right, or all wrong about a class.

    Wrong about a class: rows decided as the class belong to another class; all other rows belong to it.

    >>> _cells(np.array([1.0, 2.0, 4.0]), 1, right=False).tolist()
    [[0.0, 0.0, 0.0], [1.0, 0.0, 4.0], [0.0, 2.0, 0.0]]
    """
    k = len(decisions)
    if right:
        return np.diag(decisions)
    cells = np.zeros((k, k))
    cells[code] = decisions
    cells[code, code], cells[(code + 1) % k, code] = 0.0, decisions[code]
    return cells
