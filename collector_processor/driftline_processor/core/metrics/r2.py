"""R²: the fraction of the variance of the actual values that the predictions explain."""

from __future__ import annotations

from math import inf

import numpy as np
from driftline.tables.performance_columns import GREATEST, actual_numbers
from driftline.tables.table import F64, Column

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.intervals.confidence import student
from driftline_processor.core.intervals.time_blocks import variance_from_blocks

from .metric import REGRESSION, Metric, usual_for
from .name_grammar import Name
from .performance_sums import IntervalAndRows, PerformanceSums, named_after_blocks
from .score_order import UNKNOWN, BoundedValue


def r2_from_rows(values: F64, actual: Column, weight: F64 | None) -> float | None:
    """Return the coefficient of determination, as ``sklearn.metrics.r2_score``; None if all actual values are equal."""
    y = actual_numbers(actual)
    usable = (np.abs(y) <= GREATEST) & (np.abs(values) <= GREATEST)
    if weight is not None:
        usable &= weight > 0
    w = np.ones(np.count_nonzero(usable)) if weight is None else weight[usable]
    y, error = y[usable], values[usable] - y[usable]
    if len(y) == 0 or y.min() == y.max():  # the rounded mean of equal values may differ from them
        return None
    squares = float(w @ (y - (w @ y) / w.sum()) ** 2)
    return 1 - float(w @ error**2) / squares if squares > 0 else None


def _r2_from_sums(sums: dict[str, float]) -> BoundedValue:
    if sums["weight"] <= 0:
        return UNKNOWN
    squares = sums["squared_actual"] - sums["actual"] ** 2 / sums["weight"]
    # adding a month of panes one by one loses up to 20 eps
    lost = 64 * np.finfo(np.float64).eps * sums["squared_actual"]
    if squares <= lost:
        return UNKNOWN
    unexplained = sums["squared_error"] / squares
    bound = unexplained * lost / squares
    # 0.01: maximum error by cancellation, so that the two displayed digits are correct
    return BoundedValue(1 - unexplained, bound) if bound <= 0.01 else UNKNOWN


def value(sums: PerformanceSums, _name: Name) -> MetricValue | None:
    """Return R² from Σy² - (Σy)²/n; ``bound`` is the maximum error by cancellation.

    None if the bound is above 0.01, or if all actual values are equal.
    """
    if sums.losses is None:
        return None
    r2 = _r2_from_sums(sums.losses)
    return sums.value_of(r2.value, sums.losses["weight"], "losses", r2.bound)


def interval(sums: PerformanceSums, _name: Name, value: float) -> IntervalAndRows | None:
    """Return the interval from blocks of time only, since squares of products of losses are not stored."""
    losses = sums.pane.parts["losses"]
    _, of_y, of_squares = losses[0], losses[4] / losses[0], losses[5]
    residual = of_squares - losses[4] * of_y
    slope = losses[3] / residual**2
    gradient = np.array([of_y**2 * slope, 0.0, 0.0, -1 / residual, -2 * of_y * slope, slope])
    block_losses = [
        block.parts["losses"] for block in sums.blocks if len(block.parts.get("losses", ())) == len(gradient)
    ]
    if not block_losses:
        return None
    blocks = np.stack(block_losses)
    variance = variance_from_blocks(blocks @ gradient, blocks[:, 0])
    if variance is None:
        return None
    limits = student(value, variance.effect, sums.confidence, variance.freedom)
    high = None if limits.high is None else min(1.0, limits.high)
    return named_after_blocks(limits._replace(high=high), blocks=True), sums.rows


METRICS = (
    Metric(
        name="r2",
        title="R²",
        tasks=REGRESSION,
        direction=1,
        unit="score",
        minimum=-inf,
        maximum=1.0,
        source="scikit-learn, r2_score",
        value=value,
        interval=interval,
        usual=usual_for("regression", names=("r2",)),
        constant=0.0,
        rank=230,
    ),
)
