"""What to do about a verdict: a kind of advice, with what it is about."""

from __future__ import annotations

import math

from driftline_processor.core.estimate.estimator import FEWEST
from driftline_processor.core.evaluation import Evaluation, Finding
from driftline_processor.core.facts import Fact, fact
from driftline_processor.core.performance.objective_states import POWER
from driftline_processor.core.quality.checks.out_of_range import CHECK as OUT_OF_RANGE
from driftline_processor.core.versions.side_by_side import SideBySide
from driftline_processor.core.windows.window import DAY

from .context import VerdictContext
from .reasons import first_cause
from .signs import Sign, has_small_drift, inconclusive_reason, is_fault, metric_moved, told_first, worse_metrics

REACH = 1.959963984540054 + POWER
"""The normal quantile of 0.95 and the power: standard errors between a value and its limit at which a test
at 5 % finds it in 90 of 100 cases."""

WORTH_FINDING = 0.05
"""The loss of accuracy that labels should be enough to find: five points, as between versions
(docs/data/versions.md)."""

OF_RANKS = frozenset({"roc_auc", "roc_auc_ovr", "average_precision", "ks", "lift@0.1", "gain@0.1"})
"""Metrics of the ranking, which no recalibration can change."""


def repair(evaluation: Evaluation, signs: list[Sign], context: VerdictContext, since: int | None) -> Fact:
    """Return what to do about a degraded model.

    Args:
        evaluation: The window that decided.
        signs: What shows the loss, the first at the head.
        context: What is known beside windows.
        since: From when on the model is degraded, unix nanoseconds.
    """
    first, window = signs[0], evaluation.window
    clock = {"since": since, "timezone": context.timezone, "of_days": window.end - window.start >= DAY}
    if first.reason == "service":
        return fact("repair_service", fault=first.fact)
    fault = next((finding for finding in evaluation.findings if is_fault(finding) and finding.features), None)
    if fault is not None:
        return _repair_columns(fault.features, fault.fact)
    checked = evaluation.explanation is not None and any(cause.check for cause in evaluation.explanation.causes[:1])
    cause = first_cause(evaluation, signs)
    if checked and cause.kind == "data_fault" and cause.features:
        return _repair_columns(cause.features, cause.fact)
    better = next((version for version in context.versions if _is_better(version, evaluation.key.version)), None)
    if better is not None:
        return _change_version(better)
    if first.slice:
        return fact("retrain_with_slice", slice=first.slice, **clock)
    if _only_its_level_moved(evaluation):
        auc, was = evaluation.realized["roc_auc"].value, evaluation.reference["roc_auc"].value
        return fact("recalibrate", roc_auc=auc or 0.0, baseline=was or 0.0, **clock)
    strange = next(
        (finding for finding in evaluation.findings if _is_strange(finding) and finding.features == cause.features),
        None,
    )
    if strange is not None:
        return fact("check_column_first", column=strange.features[0], outside=strange.now or 0.0, **clock)
    return fact("retrain", **clock)


def look_closer(evaluation: Evaluation, signs: list[Sign], context: VerdictContext) -> Fact:
    """Return what to do about a model at risk: repair the data, or get the outcomes that tell."""
    fault = next((sign for sign in signs if sign.reason == "data"), None)
    if fault is not None and fault.features:
        return _repair_columns(fault.features, fault.fact)
    if fault is not None:
        return fact("repair_data", fault=fault.fact)
    if signs[0].reason == "decisions":
        return _check_threshold(evaluation)
    return outcomes_wanted(evaluation, context)


def outcomes_wanted(evaluation: Evaluation, context: VerdictContext) -> Fact:
    """Return what would tell whether a model is healthy, where its outcomes do not.

    Args:
        evaluation: The window.
        context: What is known beside windows.
    """
    if not evaluation.closed:
        return fact("wait_for_end_of_window", end=evaluation.window.end, timezone=context.timezone)
    if evaluation.young:
        return fact("wait_for_outcomes", immature=evaluation.immature)
    needed = labels_needed(evaluation)
    if evaluation.maturity == "mature" and evaluation.outcome_rows:
        reason = inconclusive_reason(evaluation)
        if reason == "too_few_days":
            return _longer_window(evaluation, context, "too_few_days")
        if not evaluation.reference and not evaluation.objectives:
            return fact("set_objective")
    if evaluation.outcome_rows == 0:
        if not needed or needed > evaluation.rows:
            return fact("send_outcomes")
        return fact("send_outcomes_or_label", needed=needed)
    if not needed or needed <= evaluation.outcome_rows:
        return fact("send_more_outcomes")
    if needed <= evaluation.rows:
        return fact("label_more", more=needed - evaluation.outcome_rows, needed=needed)
    return _longer_window(evaluation, context, "too_few_rows", needed=needed, rows=evaluation.rows)


def _longer_window(
    evaluation: Evaluation, context: VerdictContext, reason: str, needed: int | None = None, rows: int | None = None
) -> Fact:
    """Return how to get a longer window: wait for an open one that holds this one, else ask for one, or bring rows."""
    window = evaluation.window
    why = {"reason": reason, "needed": needed, "rows": rows}
    longer = [
        coming
        for coming in context.coming
        if coming.start <= window.start and window.end <= coming.end and coming != window
    ]
    if longer:
        first = min(longer, key=lambda coming: coming.end)
        return fact("wait_for_longer_window", start=first.start, end=first.end, timezone=context.timezone, **why)
    return fact("evaluate_longer_window" if window.name else "evaluate_more_rows", **why)


def keep(evaluation: Evaluation) -> Fact:
    """Return what to do about a healthy model: nothing, also where its inputs moved; faulty data is repaired."""
    fault = next((finding for finding in evaluation.findings if is_fault(finding) and finding.features), None)
    if fault is not None:
        return fact("repair_columns_all_the_same", columns=fault.features, fault=fault.fact)
    if worse_metrics(evaluation):
        return _check_threshold(evaluation)
    if has_small_drift(evaluation):
        return fact("ignore_drift", small=True)
    if any(feature.state == "drift" for feature in evaluation.features.values()):
        return fact("ignore_drift", small=False)
    return fact("nothing_to_do")


def labels_needed(evaluation: Evaluation) -> int | None:
    """Return how many outcomes would tell; None where nobody can say.

    That of the objectives, else so many that a fall of accuracy by :data:`WORTH_FINDING` is found nine times in ten.
    """
    needed = [
        objective.needed
        for objective in evaluation.objectives
        if objective.state == "inconclusive" and objective.needed
    ]
    if needed:
        return max(needed)
    accuracy = evaluation.reference.get("accuracy")
    if accuracy is None or accuracy.value is None:
        return None
    share = min(max(accuracy.value - WORTH_FINDING, 0.0), 1.0)
    return max(FEWEST, math.ceil(share * (1 - share) * (REACH / WORTH_FINDING) ** 2 / 10) * 10)


def _check_threshold(evaluation: Evaluation) -> Fact:
    name = told_first(worse_metrics(evaluation))[0]
    return fact("check_threshold", moved=metric_moved(name, evaluation))


def _repair_columns(columns: tuple[str, ...], fault: Fact | None) -> Fact:
    return fact("repair_columns", columns=columns, fault=fault)


def _is_strange(finding: Finding) -> bool:
    """Return True where most values of an input lie where hardly any lay: as in another unit, or of another source."""
    # 0.5: share of an input's values out of its usual range from which on the input itself is doubted before the model
    # is
    return finding.check == OUT_OF_RANGE.name and len(finding.features) == 1 and (finding.now or 0.0) >= 0.5


def _is_better(side_by_side: SideBySide, version: str) -> bool:
    """Return True where a challenger is better than this version, its champion."""
    return side_by_side.verdict == "better" and side_by_side.champion.name == version


def _change_version(better: SideBySide) -> Fact:
    decides, name = better.decides, better.challenger.name
    if decides is None or decides.challenger is None or decides.champion is None:
        return fact("change_version", version=name)
    return fact(
        "change_version", version=name, loss=decides.loss, challenger=decides.challenger, champion=decides.champion
    )


def _only_its_level_moved(evaluation: Evaluation) -> bool:
    """Return True where scores rank as they did, so that their level, or the threshold, is what is wrong."""
    rank, was = evaluation.realized.get("roc_auc"), evaluation.reference.get("roc_auc")
    if rank is None or was is None or rank.value is None or was.value is None:
        return False
    change = evaluation.realized_changes.get("roc_auc")
    state = "inconclusive" if change is None else change.state
    if state == "worse" or (state == "inconclusive" and rank.value < was.value):
        return False
    if set(worse_metrics(evaluation)) - OF_RANKS:
        return True
    mean_score, actual_rate = (evaluation.realized.get(name) for name in ("mean_score", "actual_rate"))
    if (
        mean_score is None
        or actual_rate is None
        or mean_score.value is None
        or actual_rate.low is None
        or actual_rate.high is None
    ):
        return False
    return not actual_rate.low <= mean_score.value <= actual_rate.high
