"""Values, intervals and estimates from the confusion matrix: fractions of one class, and any smooth function."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.intervals.confidence import Form, Interval, interval_of_mean, logit, student
from driftline_processor.core.intervals.gradients import ClassWeights, Ratio
from driftline_processor.core.metrics.metric import Estimation, IntervalOfValue, Metric, Value
from driftline_processor.core.metrics.names import Name
from driftline_processor.core.metrics.performance_sums import IntervalAndRows, PerformanceSums
from driftline_processor.core.outcomes.sums import ratio

BINARY = frozenset({"binary"})
CLASSES = frozenset({"binary", "multiclass"})

PRECISION = ClassWeights(1.0, 0.0, 1.0)
RECALL = ClassWeights(1.0, 1.0, 0.0)
F1 = ClassWeights(2.0, 1.0, 1.0)


def f_weights(beta: float) -> ClassWeights:
    """Return the weights of the cells for the F score of a beta: recall counts beta times as much as precision.

    Source: van Rijsbergen, Information Retrieval (1979), chapter 7.
    """
    return ClassWeights(1 + beta**2, beta**2, 1.0)


def value_of_cells(function: Callable[[F64], float | None]) -> Value:
    """Return the value function for a function of the confusion matrix.

    Args:
        function: Weights, float64 (k, k), actual by predicted → the value, None if it is not defined.
    """

    def value(sums: PerformanceSums, _name: Name) -> MetricValue | None:
        cells = sums.confusion
        return None if cells is None else sums.value_of(function(cells), float(cells.sum()), "confusion")

    return value


def share_of_cells(sums: PerformanceSums, hits: F64, misses: F64) -> MetricValue | None:
    """Return the fraction hits / (hits + misses) over the cells; float64 (k, k) each, 0 for cells that do not count."""
    if sums.confusion is None:
        return None
    counted = hits + misses
    value = ratio(float((hits * sums.confusion).sum()), float((counted * sums.confusion).sum()))
    return sums.value_of(value, float(sums.confusion[counted > 0].sum()), "confusion", cells=counted)


def share_by_gradient(hits: F64, misses: F64, cells: F64) -> tuple[float | None, F64]:
    """Return a fraction over cells and its gradient: float64 (k, k) each."""
    total = float(((hits + misses) * cells).sum())
    value = ratio(float((hits * cells).sum()), total)
    share = value or 0.0
    return value, ((1 - share) * hits - share * misses) / total if total > 0 else np.full_like(cells, np.nan)


def mean_over_classes(above: F64, below: F64, weight: F64) -> float | None:
    """Return the weighted mean of the ratios over the classes for which they are defined: float64 (k,) each."""
    defined = below > 0
    if not (weight[defined] > 0).any():
        return None
    return float(np.average(above[defined] / below[defined], weights=weight[defined]))


def class_of(sums: PerformanceSums, name: Name) -> int | None:
    """Return the code of the class of a metric name, else of the positive class; None for a mean over classes."""
    if name.of is None:
        return sums.positive
    return sums.task.classes.index(name.of) if name.of in sums.task.classes else None


def class_share(weights_of: Callable[[Name], ClassWeights | None]) -> tuple[Value, IntervalOfValue]:
    """Return value and interval of a fraction for one class: the positive one, a named one, or the mean over all.

    The plain mean is over the classes for which the fraction is defined, ``_micro`` is over all decisions,
    ``_weighted`` weights each class by its rows.

    Args:
        weights_of: The name of the metric → the weights of the cells, None if the name lacks its number.
    """

    def value(sums: PerformanceSums, name: Name) -> MetricValue | None:
        cells, weights, code = sums.confusion, weights_of(name), class_of(sums, name)
        if cells is None or weights is None:
            return None
        if code is not None:
            return share_of_cells(sums, *weights.cells(len(cells), code))
        if name.of is not None or sums.task.has_threshold:
            return None
        above, below = weights.above_and_below(cells)
        average = name.base.partition("_")[2]
        if average == "micro":
            share = ratio(above.sum(), below.sum())
        else:
            share = mean_over_classes(above, below, cells.sum(axis=1) if average else np.ones(len(cells)))
        return sums.value_of(share, float(cells.sum()), "confusion")

    def interval(sums: PerformanceSums, name: Name, value: float) -> IntervalAndRows | None:
        weights, code, average = weights_of(name), class_of(sums, name), name.base.partition("_")[2]
        if sums.table is None or weights is None:
            return None
        if average == "micro" or (average == "weighted" and weights == RECALL):
            return accuracy_interval(sums, name, value)
        if code is not None:
            return share_of_class(sums, weights, code)
        if name.of is not None or sums.task.has_threshold:
            return None
        if average == "weighted":
            table = sums.table
            moved = sums.once(("averaged", weights), lambda: table.averaged(weights, weighted=True))
            return sums.interval_by_gradient(value, moved, logit, sums.rows)
        return macro_interval(sums, weights)

    return value, interval


def accuracy_interval(sums: PerformanceSums, _name: Name, _value: float) -> IntervalAndRows | None:
    """Return the interval of the fraction of correct decisions."""
    right = np.eye(len(sums.task.classes))
    ratio = sums.ratio(right, 1 - right)
    return None if ratio is None else sums.share_interval(ratio)


def share_of_class(sums: PerformanceSums, weights: ClassWeights, code: int) -> IntervalAndRows | None:
    """Return the interval of a fraction for one class; None if no decision is known."""
    ratio = sums.ratio(*weights.cells(len(sums.task.classes), code))
    return None if ratio is None else sums.share_interval(ratio)


def macro_interval(sums: PerformanceSums, weights: ClassWeights) -> IntervalAndRows | None:
    """Return the interval of the unweighted mean of a fraction over classes, with the covariance of shared rows."""
    table = sums.table
    if table is None:
        return None

    def inflated() -> tuple[list[Ratio], float]:
        k = len(sums.task.classes)
        every = [table.ratio(*weights.cells(k, code)) for code in range(k)]
        ratios = [ratio for ratio in every if ratio.value is not None]
        averaged = table.averaged(weights, weighted=False)
        mean_variance = sum(ratio.moved.variance for ratio in ratios) / len(ratios) ** 2 if ratios else 0.0
        return ratios, max(1.0, averaged.variance / mean_variance) if mean_variance > 0 else 1.0

    return mean_of_shares(sums, *sums.once(("macro", weights), inflated))


def mean_of_shares(sums: PerformanceSums, ratios: list[Ratio], inflated: float = 1.0) -> IntervalAndRows | None:
    """Return the interval of the unweighted mean of fractions from their intervals (MOVER); None without intervals.

    Args:
        sums: The sums of a window.
        ratios: The fractions.
        inflated: The variance of the mean as a multiple of that of independent fractions.
    """
    values_and_intervals = [(ratio.value, sums.share_interval(ratio)) for ratio in ratios]
    values = [value for value, _ in values_and_intervals if value is not None]
    limits = [interval[0] for _, interval in values_and_intervals if interval is not None]
    return (interval_of_mean(values, limits, inflated), sums.rows) if limits else None


def interval_from_gradient(metric: Metric, sums: PerformanceSums, value: float) -> IntervalAndRows | None:
    """Return the interval of a confusion-matrix metric by its gradient, on the logit scale of its range.

    A metric without an upper bound gets Student's interval of the value itself.
    """
    if sums.table is None or metric.gradient is None:
        return None
    table, gradient = sums.table, metric.gradient
    moved = sums.once(("gradient", metric.name), lambda: table.moved(gradient(table.weight)))
    bounded = np.isfinite([metric.least, metric.greatest]).all()
    form = logit_between(metric.least, metric.greatest) if bounded else student
    return sums.interval_by_gradient(value, moved, form, sums.rows)


def logit_between(lowest: float, greatest: float) -> Form:
    """Return the interval form for a value between two bounds.

    >>> low, high, _ = logit_between(-1.0, 1.0)(0.8, 0.04**2, 0.95, np.inf)
    >>> round(low, 3), round(high, 3)
    (0.707, 0.866)
    """
    width = greatest - lowest

    def form(value: float, variance: float, confidence: float, freedom: float) -> Interval:
        low, high, method = logit((value - lowest) / width, variance / width**2, confidence, freedom)
        ends = [None if end is None else lowest + width * end for end in (low, high)]
        return Interval(ends[0], ends[1], method)

    return form


def estimated_share(weights: ClassWeights, decisions: tuple[int, ...], cls: int = 1) -> Estimation:
    """Return the estimation of a fraction for one class, 1 = the positive one, from an expected confusion matrix."""
    return Estimation(lambda cells: share_by_gradient(*weights.cells(2, cls), cells), decisions=decisions)
