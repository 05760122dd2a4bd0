"""Metrics of a regression."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from driftline.panes.pane import Pane
from driftline.tables.decisions import GREATEST, actual_numbers
from driftline.tables.table import F64, Column, Task

from driftline_processor.core.evaluation import Metric
from driftline_processor.core.outcomes.sums import losses, means, ratio, rows_of

from .names import Name, parse_name
from .score_order import UNKNOWN, BoundedValue

MOST_LOST = 0.01
"""R² from sums is told as long as cancellation may have cost it no more than this."""


def from_pane(pane: Pane, task: Task, names: Iterable[str]) -> dict[str, Metric]:
    """Return the metrics of these names (:func:`.names.wanted`); those that the rows say nothing of are left out.

    mae, rmse, bias (mean of predicted - actual); mape: the mean of |predicted - actual| / |actual| over the rows whose
    actual is not 0 (scikit-learn divides by 2e-16 there, and one such row is all that is left). quantile_loss@LEVEL:
    the mean pinball loss of a declared quantile (Koenker & Bassett 1978); interval_coverage@SHARE: how often the actual
    value lay in the interval between two declared quantiles, which should be SHARE, bounds included.
    r2 needs the spread of the actual values, which sums know only as Σy² - (Σy)²/n: its ``bound`` is what cancellation
    may have cost, and it is None where that is more than 0.01, and where all actual values are equal.
    """
    sums, held = losses(pane, "regression"), means(pane, task)
    found: dict[str, Metric] = {}
    for name in names:
        which = parse_name(name)
        if which is None or which.of is not None:
            continue
        if (part := _part(which)) is not None:
            mean = held.get(part)
            if mean is not None:
                held_in = "percentage" if part == "percentage" else "quantiles"
                found[name] = Metric(mean.value, rows_of(pane, mean.weight, held_in), "panes")
        elif sums is not None and (value := _of_sums(which.base, sums)) is not None:
            found[name] = Metric(value.value, rows_of(pane, sums["weight"], "losses"), "panes", value.bound)
    return found


def _part(name: Name) -> str | None:
    if name.base == "mape":
        return "percentage"
    if name.base in ("quantile_loss", "interval_coverage") and name.at is not None:
        return f"{'quantile' if name.base == 'quantile_loss' else 'interval'}:{name.at!r}"
    return None


def _of_sums(base: str, sums: dict[str, float]) -> BoundedValue | None:
    weight = sums["weight"]
    if base == "mae":
        return BoundedValue(ratio(sums["absolute_error"], weight))
    if base == "rmse":
        squared = ratio(sums["squared_error"], weight)
        return BoundedValue(None if squared is None else math.sqrt(squared))
    if base == "bias":
        return BoundedValue(ratio(sums["error"], weight))
    return _r2_from_sums(sums) if base == "r2" else None


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


def _r2_from_sums(sums: dict[str, float]) -> BoundedValue:
    if sums["weight"] <= 0:
        return UNKNOWN
    spread = sums["squared_actual"] - sums["actual"] ** 2 / sums["weight"]
    # a month of panes, added one by one, loses up to 20 eps
    lost = 64 * np.finfo(np.float64).eps * sums["squared_actual"]
    if spread <= lost:
        return UNKNOWN
    unexplained = sums["squared_error"] / spread
    bound = unexplained * lost / spread
    return BoundedValue(1 - unexplained, bound) if bound <= MOST_LOST else UNKNOWN
