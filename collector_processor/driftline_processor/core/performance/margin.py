"""The margin of a metric: the change for the worse that leaves a model healthy.

It is a quarter of the skill, and at most half of the error. The *skill* of a baseline is the distance of a metric from
its value for the best constant prediction, on the same outcomes: what the model is worth. A model that loses less than
a quarter of it is still the model that was chosen; a quarter of the loss itself can be all of the skill. A quarter of
the skill of a very good model is several times its error: with 97 % of right answers, another 15 points. A metric
without skill has no margin, so it cannot show that a model is healthy.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from math import exp, inf, isfinite, pi, sqrt

import numpy as np
from driftline.baseline.sections.outcome_spread import OutcomeSpread
from driftline.panes.pane import Pane
from driftline.tables.table import F64
from driftline.tables.task import Task

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.intervals.confidence import normal_quantile
from driftline_processor.core.metrics import METRICS, direction, metric_named
from driftline_processor.core.metrics.name_grammar import name_with_number, parse_name
from driftline_processor.core.outcomes.sums import confusion, losses

SHARE = 0.25
"""Fraction of the skill that a healthy model may lose."""

OF_ERROR = 0.5
"""Fraction of its error by which that of a healthy model may rise."""

LARGEST_OF_AREA = 0.05
"""Largest margin of an area under the ROC curve, however good the baseline ranks."""

AREAS = frozenset({"roc_auc", "roc_auc_ovr"})

DECIDING = (
    *("log_loss", "roc_auc", "roc_auc_ovr", "accuracy", "balanced_accuracy"),
    *("mae", "rmse", "quantile_loss", "ndcg", "ctr"),
)
"""The metrics that decide whether a model is healthy: the first one that the baseline has a margin for."""

NOT_OF_RARE = ("log_loss", "accuracy")
"""Metrics that do not decide if positives are rare: a model that lost its skill barely changes them."""

RARE = 0.05
"""Fraction of the rarer class below which the area under the ROC curve decides."""


FAMILY = frozenset({"log_loss", "roc_auc", "roc_auc_ovr", "mae", "rmse", "quantile_loss", "ndcg", "recall"})
"""Metrics that show a degradation, whichever decides; ``recall`` per class only. The others depend on the threshold or
on the rate of positives: a month with fewer late flights has a worse F1 with the same model.
"""


OF_CENTRE = frozenset({"mae", "rmse"})
"""Losses of a prediction of the centre. A regression that declares quantiles without 0.5 predicts none: its quantile at
0.05 is far from the outcomes, and closer to them if it is worse.
"""


def is_off_centre(name: str, names: Collection[str]) -> bool:
    """Return True for a loss of the centre among the metrics of a regression that predicts other quantiles only.

    >>> is_off_centre("mae", ["mae", "quantile_loss@0.05"]), is_off_centre("mae", ["mae", "quantile_loss@0.5"])
    (True, False)
    """
    return (
        name in OF_CENTRE
        and "quantile_loss@0.5" not in names
        and any(other.startswith("quantile_loss@") for other in names)
    )


def constants(
    reference: Mapping[str, MetricValue], pane: Pane, task: Task, spread: OutcomeSpread | None = None
) -> dict[str, float]:
    """Return the value of each metric for the best constant prediction, on the outcomes of a baseline.

    A pane has no quantiles of the outcomes, so the quantile loss of a constant is that of normal outcomes with the same
    variance.

    Args:
        reference: The metrics of the baseline.
        pane: The sums of the baseline.
        task: The task of the model.
        spread: How far the outcomes are from their median. Default: as far as normal outcomes of the same variance.

    >>> from driftline.panes.outcome_sums import fold_outcomes
    >>> from driftline.tables.table import Column
    >>> task = Task("binary", ("0", "1"), "1")
    >>> pane = fold_outcomes(task, np.full((4, 1), 0.2), None, Column(numbers=np.array([1.0, 0.0, 0.0, 0.0])))
    >>> rate = {"actual_rate": MetricValue(0.25, 4, "panes")}
    >>> found = constants(rate, pane, task)
    >>> [round(found[name], 3) for name in ("roc_auc", "log_loss", "brier", "accuracy")]
    [0.5, 0.562, 0.188, 0.75]
    """
    known = {name: metric.constant for name, metric in METRICS.items() if metric.constant is not None}
    if task.predicts_number:
        of_median = {} if spread is None else {"mae": spread.deviation}
        return known | _of_numbers(pane, task) | of_median
    shares = _class_shares(reference, pane, task)
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


def _of_numbers(pane: Pane, task: Task) -> dict[str, float]:
    sums = losses(pane, task)
    if sums is None or not sums["weight"] or not {"actual", "squared_actual"} <= sums.keys():
        return {}
    mean = sums["actual"] / sums["weight"]
    deviation = sqrt(max(sums["squared_actual"] / sums["weight"] - mean**2, 0.0))
    # the quantile loss of a normal variable at its quantile z is its density there
    of_quantiles = {
        name_with_number("quantile_loss", level): deviation
        * exp(-(normal_quantile(2 * level - 1) ** 2) / 2)
        / sqrt(2 * pi)
        for level in task.quantiles
    }
    return {"rmse": deviation, "mae": deviation * sqrt(2 / pi)} | of_quantiles


def skill(name: str, value: float, constant: float) -> float:
    """Return by how much a metric is better than that of the best constant prediction; negative if it is worse.

    >>> skill("roc_auc", 0.75, 0.5), skill("mae", 3.0, 2.0)
    (0.25, -1.0)
    """
    return direction(name) * (value - constant)


def margins(
    reference: Mapping[str, MetricValue], constant: Mapping[str, float], given: Mapping[str, float]
) -> dict[str, float]:
    """Return the margin of each metric of a baseline that has one, in the unit of the metric.

    Of a metric that no constant prediction has, such as a precision, it is a quarter of the error. Of a baseline
    without errors, the error is the end of its interval.

    Args:
        reference: The metrics of the baseline.
        constant: The value of each metric for the best constant prediction, see :func:`constants`.
        given: Margins that the user has set, by metric; "" is the metric that decides.

    >>> margins({"log_loss": MetricValue(0.4, 100, "panes")}, {"log_loss": 0.6}, {})["log_loss"].__round__(3)
    0.05
    """
    known: dict[str, float] = {}
    order = deciding_order(reference, reference)
    for name, value in reference.items():
        parsed, metric = parse_name(name), metric_named(name)
        if name in given:
            known[name] = given[name]
        elif parsed is not None and metric is not None and metric.direction and value.value is not None:
            most = skill(name, value.value, constant[name]) if name in constant else error_of(name, value.value)
            if most > 0:
                margin = min(SHARE * most, OF_ERROR * _error_at_most(name, value))
                known[name] = min(margin, LARGEST_OF_AREA) if parsed.base in AREAS else margin
    decides = next((name for name in order if name in known), next(iter(order), None))
    if "" in given and decides is not None and decides not in given:
        known[decides] = given[""]
    return known


def _error_at_most(name: str, value: MetricValue) -> float:
    """Return the error of a metric; without errors, the largest that its interval allows, else no limit."""
    error = error_of(name, value.value or 0.0)
    if error > 0:
        return error
    end = value.low if direction(name) > 0 else value.high
    return inf if end is None else error_of(name, end) or inf


def deciding_order(names: Iterable[str], reference: Mapping[str, MetricValue]) -> list[str]:
    """Return the names of the metrics that may decide whether a model is healthy, the first first.

    Others than :data:`DECIDING` may decide only where there is none of these.

    Args:
        names: Names of metrics.
        reference: The metrics of the baseline, of which the rate of positives counts.
    """
    bases = {name: parsed.base if (parsed := parse_name(name)) is not None else name for name in names}
    rate = reference.get("actual_rate")
    rare = rate is not None and rate.value is not None and min(rate.value, 1 - rate.value) < RARE
    named = [
        name for name, base in bases.items() if base in DECIDING and "[" not in name and not is_off_centre(name, bases)
    ]
    named.sort(key=lambda name: (DECIDING.index(bases[name]), rank(name), name))
    usable = [name for name in named if not (rare and name in NOT_OF_RARE)]
    return usable or sorted((name for name in bases if name not in named), key=lambda name: (rank(name), name))


def deciding_metric(names: Iterable[str], reference: Mapping[str, MetricValue], margins: Collection[str]) -> str | None:
    """Return the metric that decides whether a model is healthy; None if none has a margin.

    Args:
        names: Names of metrics.
        reference: The metrics of the baseline.
        margins: The metrics that have a margin.
    """
    return next((name for name in deciding_order(names, reference) if name in margins), None)


def is_of_family(name: str, deciding: str | None) -> bool:
    """Return True if a metric shows a degradation by itself, besides the one that decides.

    >>> is_of_family("roc_auc", "log_loss"), is_of_family("recall[cat]", None), is_of_family("recall", "log_loss")
    (True, True, False)
    """
    base = name if (parsed := parse_name(name)) is None else parsed.base
    return name == deciding or (base in FAMILY and (base != "recall" or "[" in name))


def rank(name: str) -> int:
    """Return the position of a metric among those of a task; that of unknown ones is last."""
    metric = metric_named(name)
    return len(METRICS) * 1000 if metric is None else metric.rank


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
