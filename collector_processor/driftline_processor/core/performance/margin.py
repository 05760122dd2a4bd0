"""The margin of a metric: the change for the worse that leaves a model healthy, a quarter of its skill.

The *skill* of a baseline is the distance of a metric from its value for the best constant prediction, on the same
outcomes: what the model is worth. A model that loses less than a quarter of it is still the model that was chosen; a
quarter of the loss itself can be all of the skill. A metric without skill has no margin, so it cannot show that a model
is healthy.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, sqrt

import numpy as np
from driftline.panes.pane import Pane
from driftline.tables.table import F64
from driftline.tables.task import Task

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.metrics import metric_named
from driftline_processor.core.metrics.name_grammar import parse_name
from driftline_processor.core.outcomes.sums import confusion, losses

SHARE = 0.25
"""Fraction of the skill that a healthy model may lose."""

LARGEST_OF_AREA = 0.05
"""Largest margin of an area under the ROC curve, however good the baseline ranks."""

AREAS = frozenset({"roc_auc", "roc_auc_ovr"})


def constants(reference: Mapping[str, MetricValue], pane: Pane, task: Task) -> dict[str, float]:
    """Return the value of each metric for the best constant prediction, on the outcomes of a baseline.

    A pane has no median of the outcomes, so the MAE of a constant is taken as the model's, times the ratio of the
    root-mean-square errors: errors and outcomes are assumed to have tails of the same weight.

    Args:
        reference: The metrics of the baseline.
        pane: The sums of the baseline.
        task: The task of the model.

    >>> from driftline.panes.outcome_sums import fold_outcomes
    >>> from driftline.tables.table import Column
    >>> task = Task("binary", ("0", "1"), "1")
    >>> pane = fold_outcomes(task, np.full((4, 1), 0.2), None, Column(numbers=np.array([1.0, 0.0, 0.0, 0.0])))
    >>> rate = {"actual_rate": MetricValue(0.25, 4, "panes")}
    >>> {name: round(value, 3) for name, value in constants(rate, pane, task).items()}
    {'roc_auc': 0.5, 'balanced_accuracy': 0.5, 'log_loss': 0.562, 'brier': 0.188, 'accuracy': 0.75}
    """
    if task.predicts_number:
        return _of_numbers(reference, pane, task)
    shares = _class_shares(reference, pane, task)
    known = {"roc_auc": 0.5, "roc_auc_ovr": 0.5}
    if task.classes:
        known["balanced_accuracy"] = 1 / len(task.classes)
    if shares is None:
        return known
    positive = shares[shares > 0]
    known |= {"log_loss": -float(positive @ np.log(positive)), "brier": 1 - float(shares @ shares)}
    if not task.has_class_scores:
        known["brier"] /= 2
    known["accuracy"] = float(shares.max())
    if task.has_class_scores:
        known |= {f"recall[{name}]": share for name, share in zip(task.classes, shares.tolist(), strict=True)}
    return known


def _class_shares(reference: Mapping[str, MetricValue], pane: Pane, task: Task) -> F64 | None:
    rate = reference.get("actual_rate")
    if rate is not None and rate.value is not None:
        return np.array([1 - rate.value, rate.value])
    table = confusion(pane, len(task.classes)) if task.classes else None
    if table is None or not table.sum():
        return None
    shares: F64 = table.sum(1) / table.sum()
    return shares


def _of_numbers(reference: Mapping[str, MetricValue], pane: Pane, task: Task) -> dict[str, float]:
    sums = losses(pane, task)
    mae, rmse = (reference.get(name) for name in ("mae", "rmse"))
    if sums is None or rmse is None or not rmse.value or not {"actual", "squared_actual"} <= sums.keys():
        return {}
    mean = sums["actual"] / sums["weight"]
    deviation = sqrt(max(sums["squared_actual"] / sums["weight"] - mean**2, 0.0))
    known = {"rmse": deviation, "r2": 0.0}
    if mae is not None and mae.value is not None:
        known["mae"] = mae.value * deviation / rmse.value
    return known


def margins(
    reference: Mapping[str, MetricValue], constant: Mapping[str, float], given: Mapping[str, float]
) -> dict[str, float]:
    """Return the margin of each metric of a baseline that has one, in the unit of the metric.

    Of a metric that no constant prediction has, such as a precision, it is a quarter of the error.

    Args:
        reference: The metrics of the baseline.
        constant: The value of each metric for the best constant prediction, see :func:`constants`.
        given: Margins that the user has set.

    >>> margins({"log_loss": MetricValue(0.4, 100, "panes")}, {"log_loss": 0.6}, {})["log_loss"].__round__(3)
    0.05
    """
    known: dict[str, float] = {}
    for name, value in reference.items():
        parsed, metric = parse_name(name), metric_named(name)
        if name in given:
            known[name] = given[name]
        elif parsed is not None and metric is not None and metric.direction and value.value is not None:
            skill = (
                metric.direction * (value.value - constant[name]) if name in constant else error_of(name, value.value)
            )
            if skill > 0:
                known[name] = min(SHARE * skill, LARGEST_OF_AREA) if parsed.base in AREAS else SHARE * skill
    return known


def error_of(name: str, value: float) -> float:
    """Return the error of a metric: the distance from its best value, or from its lower bound if that is nearer.

    A loss is its own error. For a fraction it is the smaller of the fraction and its complement: the error of a click
    rate of 0.02 is 0.02.

    >>> error_of("mae", 3.0), round(error_of("accuracy", 0.9), 3), error_of("ctr", 0.02)
    (3.0, 0.1, 0.02)
    """
    metric = metric_named(name)
    if metric is None or metric.direction < 0 or not isfinite(metric.maximum):
        return abs(value)
    missing = metric.maximum - value
    return min(missing, value - metric.minimum) if isfinite(metric.minimum) else missing
