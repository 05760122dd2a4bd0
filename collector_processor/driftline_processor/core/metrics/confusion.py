"""Values, intervals and estimates from the confusion matrix: fractions of one class, and any smooth function."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.intervals.confidence import Form, Interval, interval_of_mean, logit, student
from driftline_processor.core.intervals.gradients import ClassWeights, Ratio
from driftline_processor.core.outcomes.sums import ratio

from .metric import BINARY, CLASSES, NOT_RARE, RANKING, Argument, Estimation, IntervalOfValue, Metric, Value, usual_for
from .name_grammar import Name
from .performance_sums import IntervalAndRows, PerformanceSums
from .ranking import for_rankings_too

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
            moved = sums.cached(("averaged", weights), lambda: table.averaged(weights, weighted=True))
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
        mean_variance = sum(ratio.influence.variance for ratio in ratios) / len(ratios) ** 2 if ratios else 0.0
        return ratios, max(1.0, averaged.variance / mean_variance) if mean_variance > 0 else 1.0

    return mean_of_shares(sums, *sums.cached(("macro", weights), inflated))


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
    moved = sums.cached(("gradient", metric.name), lambda: table.influence_of(gradient(table.weight)))
    bounded = np.isfinite([metric.minimum, metric.maximum]).all()
    form = logit_between(metric.minimum, metric.maximum) if bounded else student
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


def accuracy_slopes(cells: F64) -> tuple[float | None, F64]:
    """Return the accuracy of a confusion matrix, float64 (k, k), and its gradient.

    >>> accuracy_slopes(np.array([[6.0, 1], [1, 2]]))[0]
    0.8
    """
    right = np.eye(len(cells))
    return share_by_gradient(right, 1 - right, cells)


def accuracy_value(sums: PerformanceSums, name: Name) -> MetricValue | None:
    """Return the fraction of rows with a correct decision; None for a single class."""
    if name.of is not None or (sums.task.has_threshold and sums.positive is None):
        return None
    right = np.eye(len(sums.task.classes))
    return share_of_cells(sums, right, 1 - right)


_PRECISION, _PRECISION_INTERVAL = for_rankings_too(class_share(lambda _name: PRECISION))


_RECALL, _RECALL_INTERVAL = for_rankings_too(class_share(lambda _name: RECALL))


_F1, _F1_INTERVAL = class_share(lambda _name: F1)


_USUAL = {"binary": ("f1",), "multiclass": ("f1", "f1_weighted")}


_FBETA, _FBETA_INTERVAL = class_share(lambda name: None if name.at is None else f_weights(name.at))


def balanced_accuracy_slopes(cells: F64) -> tuple[float | None, F64]:
    """Return the balanced accuracy of a confusion matrix, float64 (2, 2), and its gradient; None if a class is empty.

    >>> balanced_accuracy_slopes(np.array([[6.0, 2], [1, 1]]))[0]
    0.625
    """
    (specificity, of_negative), (recall, of_positive) = (
        share_by_gradient(*RECALL.cells(2, code), cells) for code in range(2)
    )
    value = None if recall is None or specificity is None else (recall + specificity) / 2
    return value, (of_positive + of_negative) / 2


def balanced_accuracy_value(sums: PerformanceSums, _name: Name) -> MetricValue | None:
    """Return the mean recall: for two classes only if both have rows, for more over the classes with rows."""
    cells = sums.confusion
    if cells is None or (sums.task.has_threshold and sums.positive is None):
        return None
    if sums.task.has_threshold:
        accuracy = balanced_accuracy_slopes(cells)[0]
    else:
        accuracy = mean_over_classes(*RECALL.above_and_below(cells), np.ones(len(cells)))
    return sums.value_of(accuracy, float(cells.sum()), "confusion")


def balanced_accuracy_interval(sums: PerformanceSums, _name: Name, _value: float) -> IntervalAndRows | None:
    """Return the interval, combined from the intervals of the recall per class."""
    if sums.table is None:
        return None
    if not sums.task.has_threshold:
        return macro_interval(sums, RECALL)
    if sums.positive is None:
        return None
    every = [sums.ratio(*RECALL.cells(2, code)) for code in (sums.positive, 1 - sums.positive)]
    ratios = [ratio for ratio in every if ratio is not None and ratio.value is not None]
    return mean_of_shares(sums, ratios) if len(ratios) == len(every) else None


def mcc(cells: F64) -> float | None:
    """Return the correlation from a confusion matrix, float64 (k, k); None for a single class or decision.

    Source: Gorodkin, Comparing two K-category assignments by a K-category correlation coefficient (2004), equation 8.

    >>> round(mcc(np.array([[6.0, 1], [1, 2]])), 6), mcc(np.array([[6.0, 0], [1, 0]]))
    (0.52381, None)
    """
    total, actual, decided = cells.sum(), cells.sum(axis=1), cells.sum(axis=0)
    variance_product = (total**2 - decided @ decided) * (total**2 - actual @ actual)
    return (
        float((cells.trace() * total - actual @ decided) / np.sqrt(variance_product)) if variance_product > 0 else None
    )


def mcc_gradient(cells: F64) -> F64:
    """Return the derivative of the coefficient by each cell: float64 (k, k).

    >>> mcc_gradient(np.array([[6.0, 1], [1, 2]])).round(4).tolist()
    [[0.0204, -0.1723], [-0.1723, 0.1111]]
    """
    total, actual, decided = cells.sum(), cells.sum(axis=1), cells.sum(axis=0)
    by_decided, by_actual = total**2 - decided @ decided, total**2 - actual @ actual
    covariance = cells.trace() * total - actual @ decided
    raised = np.eye(len(cells)) * total + cells.trace() - actual[np.newaxis] - decided[:, np.newaxis]
    relative_gradient = (total - decided)[np.newaxis] / by_decided + (total - actual)[:, np.newaxis] / by_actual
    slopes: F64 = (raised - covariance * relative_gradient) / np.sqrt(by_decided * by_actual)
    return slopes


METRICS = (
    # Accuracy: the fraction of correct decisions.
    Metric(
        name="accuracy",
        title="accuracy",
        tasks=CLASSES,
        direction=1,
        unit="fraction",
        maximum=1.0,
        source="scikit-learn, accuracy_score",
        value=accuracy_value,
        interval=accuracy_interval,
        gradient=lambda cells: accuracy_slopes(cells)[1],
        estimate=Estimation(accuracy_slopes, min_rows=NOT_RARE),
        share_of_rows=True,
        usual=usual_for("binary", "multiclass", names=("accuracy",)),
        rank=30,
        outstanding="decision",
    ),
    # Precision: the fraction of rows predicted as a class that belong to it; for rankings, of the first K items.
    Metric(
        name="precision",
        title="precision",
        tasks=CLASSES | RANKING,
        direction=1,
        unit="fraction",
        maximum=1.0,
        source="scikit-learn, precision_score, with zero_division=np.nan",
        value=_PRECISION,
        interval=_PRECISION_INTERVAL,
        estimate=estimated_share(PRECISION, (1,)),
        of_class=True,
        averages=("micro", "weighted"),
        own_decision=True,
        share_of_rows=True,
        usual=usual_for("binary", "multiclass", names=("precision",)),
        depends_on_rate=True,
        rank=40,
        outstanding="decision",
    ),
    # Recall: the fraction of rows of a class that are predicted as it; for rankings, of the relevant items.
    Metric(
        name="recall",
        title="recall",
        tasks=CLASSES | RANKING,
        direction=1,
        unit="fraction",
        maximum=1.0,
        source="scikit-learn, recall_score, with zero_division=np.nan",
        value=_RECALL,
        interval=_RECALL_INTERVAL,
        estimate=estimated_share(RECALL, (0, 1)),
        of_class=True,
        averages=("micro", "weighted"),
        share_of_rows=True,
        usual=usual_for("binary", "multiclass", names=("recall",)),
        depends_on_rate=True,
        rank=50,
        outstanding="decision",
    ),
    # F1: the harmonic mean of precision and recall.
    Metric(
        name="f1",
        title="F1",
        tasks=CLASSES,
        direction=1,
        unit="score",
        maximum=1.0,
        source="scikit-learn, f1_score; van Rijsbergen, Information Retrieval (1979), chapter 7",
        value=_F1,
        interval=_F1_INTERVAL,
        estimate=estimated_share(F1, (0, 1)),
        of_class=True,
        averages=("micro", "weighted"),
        usual=lambda task: _USUAL.get(task.kind, ()),
        depends_on_rate=True,
        rank=60,
        outstanding="decision",
    ),
    # F-beta: the harmonic mean of precision and recall, in which recall counts beta times as much.
    Metric(
        name="fbeta",
        title="F-beta",
        tasks=BINARY,
        direction=1,
        unit="score",
        maximum=1.0,
        source="scikit-learn, fbeta_score; van Rijsbergen, Information Retrieval (1979), chapter 7",
        value=_FBETA,
        interval=_FBETA_INTERVAL,
        argument=Argument("a beta above 0", 2.0, lambda at: at > 0),
        depends_on_rate=True,
        rank=65,
        outstanding="decision",
    ),
    # Specificity: the fraction of negatives that are predicted as negative.
    Metric(
        name="specificity",
        title="specificity",
        tasks=BINARY,
        direction=1,
        unit="fraction",
        maximum=1.0,
        source="Altman and Bland, BMJ 308:1552 (1994)",
        value=lambda sums, _name: (
            None if sums.positive is None else share_of_cells(sums, *RECALL.cells(2, 1 - sums.positive))
        ),
        interval=lambda sums, _name, _value: (
            None if sums.positive is None else share_of_class(sums, RECALL, 1 - sums.positive)
        ),
        estimate=estimated_share(RECALL, (0, 1), cls=0),
        share_of_rows=True,
        usual=usual_for("binary", names=("specificity",)),
        depends_on_rate=True,
        rank=70,
        outstanding="decision",
    ),
    # Balanced accuracy: the unweighted mean of the recall per class.
    Metric(
        name="balanced_accuracy",
        title="balanced accuracy",
        tasks=CLASSES,
        direction=1,
        unit="score",
        maximum=1.0,
        source="scikit-learn, balanced_accuracy_score; Brodersen et al. (2010)",
        value=balanced_accuracy_value,
        interval=balanced_accuracy_interval,
        estimate=Estimation(balanced_accuracy_slopes, decisions=(0, 1)),
        usual=usual_for("binary", names=("balanced_accuracy",)),
        depends_on_rate=True,
        rank=80,
        outstanding="decision",
    ),
    # Matthews' correlation coefficient of decisions and outcomes, for two or more classes.
    Metric(
        name="mcc",
        title="Matthews' correlation",
        tasks=CLASSES,
        direction=1,
        unit="score",
        minimum=-1.0,
        maximum=1.0,
        source="scikit-learn, matthews_corrcoef; Matthews (1975); Gorodkin (2004)",
        value=value_of_cells(mcc),
        gradient=mcc_gradient,
        constant=0.0,
        depends_on_rate=True,
    ),
)
