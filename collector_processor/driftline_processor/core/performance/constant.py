"""Whether a binary model is worse than a constant: than always saying the baseline's rate of positives.

Its log loss less that of the constant, on the same rows: what a row of each score and class adds to it is known from
the score grid, so the interval is that of a mean of paired differences, by rows and by blocks of time. The two are
alike row by row, and the difference is far surer than either.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log

import numpy as np
from driftline.panes.bins import score_centers
from driftline.panes.pane import Pane

from driftline_processor.core.evaluation import BaselineComparison, Evaluation, InconclusiveReason, MetricChange
from driftline_processor.core.intervals import confidence as limits_of
from driftline_processor.core.intervals.confidence import FEWEST_TELLING, Interval
from driftline_processor.core.intervals.score_curves import influence_of_scores
from driftline_processor.core.metrics.log_loss import losses_of
from driftline_processor.core.metrics.performance_sums import PerformanceSums

from .changes import LEVEL
from .metric_intervals import DaySpreads
from .settings import PerformanceSettings


def against_constant(
    evaluation: Evaluation, sums: PerformanceSums, settings: PerformanceSettings, lent: DaySpreads
) -> MetricChange | None:
    """Return the log loss less that of a constant; None where either, or the scores, are not known.

    Args:
        evaluation: The window, with its metrics and those of the baseline.
        sums: Sums of the window, with its blocks of time.
        settings: Confidence.
        lent: How days of the baseline differ.
    """
    loss, constant = (evaluation.realized.get(name) for name in ("log_loss", "log_loss_constant"))
    said = evaluation.reference.get("actual_rate")
    if loss is None or constant is None or loss.value is None or constant.value is None or said is None:
        return None
    change, rate = loss.value - constant.value, said.value or 0.0
    limits = _limits(change, rate, sums, lent)
    if limits is None:
        return MetricChange("inconclusive", change, reason="too_few_rows")
    shown, strict = limits(settings.confidence), limits(1 - 2 * LEVEL)
    if shown.low is None or shown.high is None or strict.low is None:
        return MetricChange("inconclusive", change, reason="too_few_rows")
    state: BaselineComparison = "inconclusive"
    reason: InconclusiveReason = ""
    if evaluation.maturity == "mature":
        state = "worse" if strict.low > 0 else "not_worse" if shown.high < 0 else "inconclusive"
        if state == "inconclusive":
            reason = "too_few_days" if shown.method == "blocks" else "too_few_rows"
    return MetricChange(state, change, shown.low, shown.high, reason=reason)


def _limits(change: float, rate: float, sums: PerformanceSums, lent: DaySpreads) -> Callable[[float], Interval] | None:
    """Return what gives the interval of a confidence; None of too few rows, or rows that few great losses decide."""
    curve, mean = sums.curve(), sums.loss_mean("log_loss")
    if curve is None or mean is None or mean.telling < FEWEST_TELLING or not 0 < rate < 1:
        return None
    held = _held(sums.pane)
    of_positive, of_negative = (one[held] for one in losses_of(score_centers()))
    apart = of_negative + log(1 - rate), of_positive + log(rate)
    weights = [side.weight for side in curve]
    total = float(sum(weight.sum() for weight in weights))
    middle = sum(float(weight @ one) for weight, one in zip(weights, apart, strict=True)) / total
    moves = [(one - middle) / total for one in apart]
    rows = sum(side.rows for side in curve)
    moved = influence_of_scores(curve, moves, [rows / max(rows - 1, 1.0)] * 2)

    def limits(confidence: float) -> Interval:
        sums.confidence, sums.lent = confidence, lent.get("log_loss", ())
        sums.asked.clear()
        return sums.interval_by_gradient(change, moved, limits_of.student, rows)[0]

    return limits


def _held(pane: Pane) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
    """Return the bins of the score grid that hold rows, those that a curve has."""
    return np.flatnonzero((pane.parts["score_negative"] > 0) | (pane.parts["score_positive"] > 0))
