"""Outcomes that are easier or harder to predict than those of the baseline, and what a log loss shows then.

Fewer positives lower the log loss of any model, also of one that ranks no better than chance; more positives raise it,
also of a perfect model. So the skill is compared as a fraction of the log loss of a constant prediction (one less the
normalised entropy of He et al., 2014, ADKDD). Where positives are rare, scores that are off cost little of it. So a
higher log loss is explained by harder outcomes only if the scores are as calibrated as in the baseline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import hypot, inf, sqrt
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from driftline_processor.core.evaluation import Evaluation, InconclusiveReason, MetricChange, MetricValue
from driftline_processor.core.intervals.confidence import NORMAL
from driftline_processor.core.special_functions import xlogy

OFF = 1.5
"""Distance between mean score and actual rate in half lengths of the 95 % interval: 3 standard errors, by chance in 0.3
% of windows.
"""


class Losses(NamedTuple):
    """A log loss and that of the best constant prediction, on the same outcomes."""

    model: float
    constant: float


def at_equal_difficulty(
    change: MetricChange, now: Losses, was: Losses, level: MetricChange | None, *, few: InconclusiveReason
) -> MetricChange:
    """Return the change of a log loss without a claim that comes from easier or harder outcomes.

    It is not ``not_worse`` if the model lost its margin of the constant's log loss. It is not ``worse`` if most of its
    rise comes from harder outcomes and the rest is not worse, unless the scores are surely off.

    Args:
        change: The change.
        now: The losses of the window.
        was: The losses of the baseline.
        level: The change of the gap between mean score and actual rate; None if unknown.
        few: The reason if outcomes do not show whether the scores are calibrated.

    >>> level = MetricChange("inconclusive", 0.001, -0.003, 0.005, margin=0.04)
    >>> harder = MetricChange("worse", 0.07, 0.06, 0.08, margin=0.01)
    >>> at_equal_difficulty(harder, Losses(0.27, 0.33), Losses(0.2, 0.23), level, few="too_few_rows").reason
    'harder_outcomes'
    >>> at_equal_difficulty(harder, Losses(0.27, 0.28), Losses(0.2, 0.23), level, few="too_few_rows").state
    'worse'
    """
    if change.margin is None or now.constant <= 0 or was.constant <= 0:
        return change
    rise = _rise_at_equal_difficulty(now, was)
    if change.state == "not_worse":
        return replace(change, state="inconclusive", reason="easier_outcomes") if rise >= change.margin else change
    if change.state != "worse" or not is_mostly_harder(change, now, was, level):
        return change
    harder = change.change - rise
    if change.low is None or change.high is None or (change.low > harder and change.high - harder > change.margin):
        return change
    return replace(change, state="inconclusive", reason="harder_outcomes" if _is_fine(level) else few)


def is_mostly_harder(change: MetricChange, now: Losses, was: Losses, level: MetricChange | None) -> bool:
    """Return True if most of a rise of the log loss comes from harder outcomes, and the scores are not surely off."""
    if change.change <= 0 or now.constant <= 0 or _is_off(level):
        return False
    return _rise_at_equal_difficulty(now, was) <= change.change / 2


def _rise_at_equal_difficulty(now: Losses, was: Losses) -> float:
    """Return by how much the log loss would have risen on outcomes as hard as those of the baseline."""
    return now.model * was.constant / now.constant - was.model


def _is_off(level: MetricChange | None) -> bool:
    """Return True if scores are surely off, or may be for all that is known."""
    return level is None or level.low is None or level.high is None or abs(level.change) >= OFF * _half(level)


def _is_fine(level: MetricChange | None) -> bool:
    """Return True if scores are off by no more than the margin."""
    return level is not None and level.margin is not None and abs(level.change) + _half(level) <= level.margin


def _half(level: MetricChange) -> float:
    return inf if level.low is None or level.high is None else (level.high - level.low) / 2


def gap_margin(rate: float, log_loss: float | None) -> float | None:
    """Return the gap that costs as much log loss as its margin at a rate of positives; None without a margin."""
    return None if log_loss is None else sqrt(2 * rate * (1 - rate) * log_loss)


class LossesOfPeriod(NamedTuple):
    """The losses of some windows and of their baseline, their rates, and the change of the gap between these.

    ``rates``: ``mean_score`` and ``actual_rate``.
    """

    now: Losses
    was: Losses
    level: MetricChange
    rates: dict[str, MetricValue]


def losses_of_period(windows: Sequence[Evaluation], log_loss: float) -> LossesOfPeriod | None:
    """Return the losses of some windows; None if unknown.

    Args:
        windows: Windows with the same baseline.
        log_loss: Their mean log loss.
    """
    reference = windows[-1].reference
    rates = np.array([[_value(one.realized, "mean_score"), _value(one.realized, "actual_rate")] for one in windows])
    usual = np.array([_value(reference, "mean_score"), _value(reference, "actual_rate")])
    rows = np.array([one.outcome_rows for one in windows], np.float64)
    change, loss_before = windows[-1].realized_changes.get("log_loss"), _value(reference, "log_loss")
    if change is None or not rows.sum() or not np.isfinite([*rates.flat, *usual, loss_before]).all():
        return None
    score, rate = rows @ rates / rows.sum()
    gaps = rates[:, 0] - rates[:, 1]
    by_rows = rate * (1 - rate) / rows.sum()
    between = float((rows**2 @ (gaps - (score - rate)) ** 2) / rows.sum() ** 2)
    own_half = NORMAL * sqrt(max(by_rows, between))
    half = hypot(own_half, NORMAL * _error(reference.get("actual_rate")))
    moved = float(score - rate - (usual[0] - usual[1]))
    level = MetricChange("inconclusive", moved, moved - half, moved + half, margin=gap_margin(rate, change.margin))
    outcomes = int(rows.sum())
    metrics = {
        "mean_score": MetricValue(float(score), outcomes, "panes"),
        "actual_rate": MetricValue(float(rate), outcomes, "panes", low=max(0.0, rate - own_half), high=rate + own_half),
    }
    return LossesOfPeriod(Losses(log_loss, _entropy(rate)), Losses(loss_before, _entropy(usual[1])), level, metrics)


def _value(metrics: Mapping[str, MetricValue], name: str) -> float:
    found = metrics.get(name)
    return np.nan if found is None or found.value is None else found.value


def _error(value: MetricValue | None) -> float:
    """Return the standard error of a value by its interval; 0 without one."""
    return 0.0 if value is None or value.low is None or value.high is None else (value.high - value.low) / 2 / NORMAL


def _entropy(rate: float) -> float:
    return float(-xlogy(rate, rate) - xlogy(1 - rate, 1 - rate))
