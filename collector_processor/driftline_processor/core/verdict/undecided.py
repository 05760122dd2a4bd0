"""Why outcomes do not show whether a model is healthy, and how many would."""

from __future__ import annotations

import math
from collections.abc import Mapping

from driftline_processor.core import facts
from driftline_processor.core.estimate.estimator import FEWEST
from driftline_processor.core.evaluation import (
    Evaluation,
    MetricChange,
    UnknownReason,
)
from driftline_processor.core.fact import Fact
from driftline_processor.core.performance.sample_size import REACH, half_interval, outcomes_needed
from driftline_processor.core.service_level.level import METRICS as SERVICE_METRICS

from .comparisons import deciding_change, inconclusive_reason, lacks_days, may_be_worse
from .context import NO_CONTEXT, VerdictContext

WORTH_FINDING = 0.05
"""Drop of accuracy that the requested labels should detect: five points, as between versions (evidence/versions.json).
"""


def has_no_skill(evaluation: Evaluation) -> bool:
    """Return True if metrics were compared, and the baseline is no better than a constant prediction in any."""
    return bool(evaluation.realized_changes) and deciding_change(evaluation) is None and not evaluation.objectives


def inconclusive(evaluation: Evaluation, context: VerdictContext = NO_CONTEXT) -> Fact:
    """Return why outcomes are inconclusive."""
    unknown = context.unknown_outcomes(evaluation)
    if unknown is not None:
        return facts.OutcomesUnknown(unknown=unknown)
    if not evaluation.closed:
        return facts.WindowOpen()
    if not evaluation.rows:
        return facts.NoRows()
    if not evaluation.outcome_rows:
        return facts.OutcomesMayCome() if evaluation.young else facts.NoOutcomes()
    if evaluation.maturity != "mature":
        return facts.OutcomesMayCome() if evaluation.young else facts.FewOutcomes()
    if has_no_skill(evaluation):
        return facts.NoSkill()
    decides = deciding_change(evaluation)
    if decides is not None and needs_unreviewed(evaluation, decides[0]):
        return facts.DecisionsUnreviewed(predictions=evaluation.unreviewed)
    if decides is not None:
        return may_be_worse(*decides, inconclusive_reason(evaluation), evaluation.outcome_rows)
    if not evaluation.reference and not evaluation.objectives:
        return facts.NoObjective()
    return facts.OutcomesInconclusive(outcomes=evaluation.outcome_rows)


def needs_unreviewed(evaluation: Evaluation, metric: str) -> bool:
    """Return True if a metric is unknown because no row with some decision, such as a rejected one, has an outcome."""
    value = evaluation.realized.get(metric)
    return bool(evaluation.unreviewed) and value is not None and value.interval == "unreviewed"


_REASONS: Mapping[type[Fact], UnknownReason] = {
    facts.WindowOpen: "outcomes_pending",
    facts.OutcomesMayCome: "outcomes_pending",
    facts.NoRows: "no_outcomes",
    facts.NoOutcomes: "no_outcomes",
    facts.FewOutcomes: "too_few_rows",
    facts.NoSkill: "no_skill",
    facts.NoObjective: "no_baseline",
    facts.DecisionsUnreviewed: "not_comparable",
}
"""Kinds of :func:`inconclusive` that are a reason by themselves."""


def unknown_reason(evaluation: Evaluation) -> UnknownReason:
    """Return why a window does not show whether its model is healthy."""
    return _REASONS.get(type(inconclusive(evaluation))) or inconclusive_reason(evaluation) or "not_comparable"


def labels_needed(evaluation: Evaluation) -> facts.Needed | None:
    """Return the number of outcomes of the undecided metric that are conclusive in nine of ten cases; None if unknown.

    The metric that decides is the undecided one; without one, all objectives must be met, so it is the one that needs
    most. If no outcome is known, the number detects a drop of accuracy by :data:`WORTH_FINDING`.
    """
    decides = deciding_change(evaluation)
    if decides is not None:
        return _needed_to_decide(evaluation, *decides)
    accuracy = evaluation.reference.get("accuracy")
    if accuracy is not None and accuracy.value is not None:
        share = min(max(accuracy.value - WORTH_FINDING, 0.0), 1.0)
        outcomes = math.ceil(share * (1 - share) * (REACH / WORTH_FINDING) ** 2 / 10) * 10
        return facts.Needed(max(FEWEST, outcomes), "accuracy", drop=WORTH_FINDING)
    needed = [
        facts.Needed(objective.needed, objective.metric, objective.rule)
        for objective in evaluation.objectives
        if objective.state == "inconclusive" and objective.needed and objective.metric not in SERVICE_METRICS
    ]
    return max(needed, key=lambda one: one.outcomes, default=None)


def _needed_to_decide(evaluation: Evaluation, metric: str, change: MetricChange) -> facts.Needed | None:
    """Return the outcomes with which nine of ten windows show that a model is as good; None if no number is known.

    If the variance between days is unknown, it is the number by rows alone.
    """
    of_baseline = half_interval(evaluation.reference, metric)
    low, high = change.by_rows if change.by_rows and lacks_days(change) else (change.low, change.high)
    if low is None or high is None or not change.margin:
        return None
    if evaluation.maturity == "mature" and change.reason not in ("too_few_rows", "too_few_days"):
        return None  # more outcomes of these rows are not conclusive either
    of_window = math.sqrt(max(((high - low) / 2) ** 2 - of_baseline**2, 0.0))
    outcomes = outcomes_needed(evaluation.outcome_rows, of_window, of_baseline, change.margin)
    if outcomes is None:
        return None
    covered = (one.needed for one in evaluation.immature if isinstance(one, facts.CoverageTooLow))
    most = max(outcomes, *(math.ceil(share * evaluation.rows) for share in covered), 0)
    window = evaluation.window
    start, end = evaluation.outcome_span or (window.start, window.end)  # a window may begin before the first row
    return facts.Needed(most, metric, length=round((end - start) * most / max(evaluation.outcome_rows, 1)))
