"""What a window shows of each metric beside the baseline: which decides, which are worse, and in which order."""

from __future__ import annotations

from collections.abc import Iterable

from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation, InconclusiveReason, MetricChange
from driftline_processor.core.metrics import direction, metric_named
from driftline_processor.core.metrics.name_grammar import parse_name
from driftline_processor.core.performance.difficulty import is_mostly_harder, losses_of_period
from driftline_processor.core.performance.margin import deciding_metric, rank

from .sign import Sign

REPORTED_FIRST = ("log_loss", "brier", "roc_auc", "accuracy", "mae", "rmse", "r2", "ndcg")
"""The metrics to report first among the worse ones, each also at a cutoff."""


_REPORT_ORDER = {name: index - len(REPORTED_FIRST) for index, name in enumerate(REPORTED_FIRST)}


def may_be_worse(metric: str, change: MetricChange, reason: InconclusiveReason, outcomes: int) -> facts.MayBeWorse:
    """Return the fact that a metric may be worse, with its interval; ``outcomes``: how many are known."""
    certain = is_certainly_worse(metric, change)
    by_rows = change.by_rows if lacks_days(change) else None
    return facts.MayBeWorse(metric, change.low, change.high, certain, change.margin, reason, outcomes, by_rows)


def lacks_days(change: MetricChange) -> bool:
    """Return True if neither a window nor its baseline has enough days to estimate how days differ."""
    return change.reason == "too_few_days" and change.by_rows is not None


def compared_change(sign: Sign, evaluation: Evaluation) -> MetricChange | None:
    """Return what a window shows of the comparison of a sign; None if it compares nothing."""
    if sign.reason == "constant":
        return evaluation.constant_comparison
    return evaluation.realized_changes.get(sign.metric, evaluation.level if sign.reason == "level" else None)


def deciding_change(evaluation: Evaluation) -> tuple[str, MetricChange] | None:
    """Return the metric that decides whether the model is healthy, with its change; None if none has a margin."""
    changes = evaluation.realized_changes
    margins = [name for name, change in changes.items() if change.margin is not None]
    comparable = [name for name in margins if changes[name].reason != "easier_outcomes"]
    name = deciding_metric([name for name in changes if direction(name)], evaluation.reference, comparable or margins)
    return None if name is None else (name, changes[name])


def is_certainly_worse(name: str, change: MetricChange) -> bool:
    """Return True if the whole interval of a change is on the bad side."""
    good_end = change.low if direction(name) < 0 else change.high
    return good_end is not None and is_worse(name, good_end)


def inconclusive_reason(evaluation: Evaluation) -> InconclusiveReason:
    """Return why the deciding metric is inconclusive; "" if unknown."""
    decides = deciding_change(evaluation)
    if decides is not None and decides[1].state == "inconclusive":
        return decides[1].reason
    return next(
        (
            objective.reason
            for objective in evaluation.objectives
            if objective.state == "inconclusive" and objective.reason
        ),
        "",
    )


def is_worse(metric: str, change: float) -> bool:
    """Return True if a change of a metric is for the worse.

    >>> is_worse("log_loss", 0.1), is_worse("roc_auc", 0.1), is_worse("actual_rate", 0.1)
    (True, False, False)
    """
    return direction(metric) * change < 0


def is_better(name: str, change: MetricChange) -> bool:
    """Return True if the whole interval of a change is on the good side."""
    bad_end = change.high if direction(name) < 0 else change.low
    return bad_end is not None and not is_worse(name, bad_end)


def in_report_order(names: Iterable[str]) -> list[str]:
    """Sort names of metrics in the order in which sentences report them."""
    return sorted(names, key=lambda name: (depends_on_rate(name), _REPORT_ORDER.get(_base(name), 0), rank(name), name))


def depends_on_rate(name: str) -> bool:
    """Return True if a metric depends on a threshold or on the rate of positives, which may change without harm."""
    metric = metric_named(name)
    return metric is not None and metric.depends_on_rate


def _base(name: str) -> str:
    parsed = parse_name(name)
    return name if parsed is None else parsed.base


def worse_metrics(evaluation: Evaluation) -> list[str]:
    """Return the metrics that are worse than the baseline's."""
    return [name for name, realized_change in evaluation.realized_changes.items() if realized_change.state == "worse"]


def is_harder(evaluation: Evaluation) -> bool:
    """Return True if a log loss rose mostly because outcomes are harder to predict, and the scores are not off."""
    change, value = evaluation.realized_changes.get("log_loss"), evaluation.realized.get("log_loss")
    if change is None or value is None or value.value is None:
        return False
    losses = losses_of_period([evaluation], value.value)
    return losses is not None and is_mostly_harder(change, losses.now, losses.was, evaluation.level)


def is_fine(name: str, change: MetricChange) -> bool:
    """Return True if a metric is certainly no worse: the window would have shown it, or its interval does."""
    if change.reason == "not_comparable":
        return False
    return change.state == "not_worse" or (change.state == "inconclusive" and is_better(name, change))


def metric_moved(name: str, evaluation: Evaluation, level: facts.LevelOfScores | None = None) -> facts.MetricMoved:
    """Return the fact about the change of a metric."""
    change, value = evaluation.realized_changes[name], evaluation.realized.get(name)
    now = None if value is None else value.value
    return facts.MetricMoved(
        metric=name, change=change.change, low=change.low, high=change.high, value=now, level=level
    )
