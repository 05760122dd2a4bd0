"""Metrics of a regression."""

from __future__ import annotations

import math

import numpy as np
from driftline.fold import GREATEST, actual_numbers
from driftline.pane import Pane
from driftline.tables import F64, Column

from driftline_processor.core.evaluation import Metric

from .sums import losses, ratio, rows_of


def from_pane(pane: Pane) -> dict[str, Metric]:
    """Return mae, rmse, r2 and bias (mean of predicted - actual).

    R² needs the spread of the actual values, which sums know only as Σy² - (Σy)²/n: its ``bound`` is what cancellation
    may have cost, and it is None where that is more than 0.01, and where all actual values are equal.
    """
    sums = losses(pane, "regression")
    if sums is None:
        return {}
    weight = sums["weight"]
    rows = rows_of(pane, weight)
    squared = ratio(sums["squared_error"], weight)
    r2, bound = _r2_from_sums(sums)
    return {
        "mae": Metric(ratio(sums["absolute_error"], weight), rows, "panes"),
        "rmse": Metric(None if squared is None else math.sqrt(squared), rows, "panes"),
        "r2": Metric(r2, rows, "panes", bound),
        "bias": Metric(ratio(sums["error"], weight), rows, "panes"),
    }


def r2_from_rows(values: F64, actual: Column, weight: F64 | None) -> float | None:
    """Return the coefficient of determination, as ``sklearn.metrics.r2_score``; None when all actual are equal."""
    y = actual_numbers(actual)
    usable = (np.abs(y) <= GREATEST) & (np.abs(values) <= GREATEST)
    if weight is not None:
        usable &= weight > 0
    w = np.ones(np.count_nonzero(usable)) if weight is None else weight[usable]
    y, error = y[usable], values[usable] - y[usable]
    if len(y) == 0 or y.min() == y.max():  # the mean of equal values may be rounded, and so be no distance of 0
        return None
    spread = float(w @ (y - (w @ y) / w.sum()) ** 2)
    return 1 - float(w @ error**2) / spread if spread > 0 else None


def _r2_from_sums(sums: dict[str, float]) -> tuple[float | None, float]:
    if sums["weight"] <= 0:
        return None, 0.0
    spread = sums["squared_actual"] - sums["actual"] ** 2 / sums["weight"]
    # a month of panes, added one by one, loses up to 20 eps
    lost = 64 * np.finfo(np.float64).eps * sums["squared_actual"]
    if spread <= lost:
        return None, 0.0
    unexplained = sums["squared_error"] / spread
    bound = unexplained * lost / spread
    return (1 - unexplained, bound) if bound <= 0.01 else (None, 0.0)
