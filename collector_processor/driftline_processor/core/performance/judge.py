"""Judge the performance of a window from its outcomes, and whether it counts yet.

Labels that come fast differ from those that come late: a fraud that is noticed within an hour is an obvious one. So a
window is *immature* until its outcomes had the time that they take (:mod:`~driftline_processor.core.labels.delay`),
and as long as too few of
them are known.
"""

from __future__ import annotations

from driftline.baseline.baseline import Baseline
from driftline.panes.pane import Pane
from driftline.tables.task import Task
from msgspec.structs import replace

from driftline_processor.core.evaluation import Evaluation, Maturity, MetricChange, MetricValue
from driftline_processor.core.facts import Fact, fact
from driftline_processor.core.intervals.day_spread import FEW
from driftline_processor.core.intervals.time_blocks import MOST, has_day_blocks
from driftline_processor.core.labels.delay import delay_of, judge_sla
from driftline_processor.core.metrics.log_loss_constant import log_loss_of_constant
from driftline_processor.core.metrics.performance_sums import PerformanceSums
from driftline_processor.core.outcomes.coverage import sent_rows
from driftline_processor.core.outcomes.review import unreviewed
from driftline_processor.core.windows.window import DAY

from .changes import Compared, judge_changes
from .constant import against_constant
from .curves import confused, curves
from .implicit_feedback import count_silence, count_silence_everywhere, count_silence_in_steps, without_young_lists
from .level import level_change
from .metric_intervals import DaySpreads, intervals_at, performance_sums
from .objective_states import judge_objectives
from .realized import realized, realized_from_panes_alone
from .reference import lent_days, reference_of
from .service_objectives import judge_service
from .settings import PerformanceSettings
from .slices import judge_slices, unseen_by_slice
from .window_outcomes import WindowOutcomes


def judge_performance(
    evaluation: Evaluation,
    pane: Pane,
    baseline: Baseline | None,
    task: Task | None,
    outcomes: WindowOutcomes,
    settings: PerformanceSettings,
    exact: dict[str, MetricValue] | None = None,
) -> None:
    """Fill in the performance of a window.

    ``pane``: the window's parts. ``baseline``: what it is compared with. ``exact``: metrics from rows, where they are
    at hand; else they are read from the pane.
    """
    if outcomes.delay.complete(evaluation.coverage):
        outcomes = replace(outcomes, young=False)
    silent = settings.outcomes == "implicit" and task is not None and task.ranks_items
    young = outcomes.young or not evaluation.closed
    if silent and task is not None:
        outcomes = count_silence_in_steps(outcomes, task)
    if silent and task is not None and not young:
        pane, outcomes = count_silence(pane, task), count_silence_everywhere(outcomes, task)
        evaluation.outcome_rows, evaluation.coverage = int(pane.parts.get("outcomes", [0])[0]), 1.0
    if exact is not None:
        alone = {} if task is None or not exact else realized_from_panes_alone(pane, task, settings)
        evaluation.realized = exact | alone
    elif task is not None:
        evaluation.realized = realized(pane, task, settings)
    if silent and young:
        evaluation.realized = without_young_lists(evaluation.realized)
    sums, told_with = None, None
    if task is not None and evaluation.realized:
        outcomes = replace(outcomes, unseen=unseen_by_slice(pane, outcomes.slices, task))
        unseen, days = outcomes.unseen.get(""), has_day_blocks(evaluation.window)
        evaluation.unreviewed = unreviewed(unseen, task)
        sums = performance_sums(pane, outcomes.blocks, task, settings, unseen, days=days)
        lent = _lent(evaluation, outcomes.reference or baseline, settings) if days else {}
        evaluation.realized = intervals_at(settings.confidence, evaluation.realized, sums, lent)
        told_with = lent
        evaluation.curves, evaluation.confusion = curves(pane, task, settings.confidence), confused(pane, task)
    evaluation.maturity, evaluation.immature = maturity(evaluation, outcomes, settings)
    evaluation.young = outcomes.young
    evaluation.delay = delay_of(pane)
    if (
        settings.label_sla is not None
        and evaluation.closed
        and (evaluation.delay is not None or outcomes.age is not None)
    ):
        evaluation.label_sla = judge_sla(pane, int(sent_rows(pane)[0]), outcomes.age, settings.label_sla)
    if task is not None:
        judge_slices(evaluation, pane, task, outcomes, settings)
    if baseline is not None:
        reference = outcomes.reference or baseline
        evaluation.reference = reference_of(reference, settings)
        if sums is not None:
            evaluation.realized_changes = _changes(evaluation, sums, reference, outcomes, settings, told_with)
        constant = log_loss_of_constant(evaluation.realized, evaluation.reference)
        if constant is not None:
            evaluation.realized = {**evaluation.realized, "log_loss_constant": constant}
        if constant is not None and sums is not None:
            lent = _lent(evaluation, reference, settings)
            evaluation.constant_comparison = against_constant(evaluation, sums, settings, lent)
        if sums is not None:
            length, final = evaluation.window.end - evaluation.window.start, evaluation.maturity == "mature"
            lends = 0 < length <= MOST * DAY
            evaluation.level = level_change(sums, settings, reference, final=final, lends=lends)
    of_outcomes = judge_objectives(evaluation, task, outcomes, settings, baseline)
    evaluation.objectives = (*of_outcomes, *judge_service(evaluation, pane, outcomes, settings))


def _changes(
    evaluation: Evaluation,
    sums: PerformanceSums,
    reference: Baseline,
    outcomes: WindowOutcomes,
    settings: PerformanceSettings,
    told_with: DaySpreads | None,
) -> dict[str, MetricChange]:
    """Return how each metric of all rows differs from the baseline's.

    ``told_with``: how days of the baseline differ, as the intervals know it that the metrics have already.
    """
    days, lent = has_day_blocks(evaluation.window), _lent(evaluation, reference, settings)
    timeless = evaluation.window.end <= evaluation.window.start

    def now(confidence: float) -> dict[str, MetricValue]:
        if confidence == settings.confidence and (lent is told_with or not (lent or told_with)):
            return evaluation.realized  # they have these intervals already
        return intervals_at(confidence, evaluation.realized, sums, lent)

    return judge_changes(
        Compared(
            now,
            lambda confidence: reference_of(reference, replace(settings, confidence=confidence)),
            settings.confidence,
            final=evaluation.maturity == "mature",
            days=None if timeless or (days and _days_with_outcomes(outcomes) >= FEW) else lent.keys(),
        )
    )


def _lent(evaluation: Evaluation, reference: Baseline | None, settings: PerformanceSettings) -> DaySpreads:
    """Return how days of the baseline differ, where blocks of the window are no longer than days."""
    span = evaluation.window.end - evaluation.window.start
    return {} if reference is None or not 0 < span <= MOST * DAY else lent_days(reference, settings)


def _days_with_outcomes(outcomes: WindowOutcomes) -> int:
    return sum(bool("outcomes" in block.parts and block.parts["outcomes"][0] > 0) for block in outcomes.blocks)


def maturity(
    evaluation: Evaluation, outcomes: WindowOutcomes, settings: PerformanceSettings
) -> tuple[Maturity, tuple[Fact, ...]]:
    """Return the maturity of a window and, of an immature one, the reason."""
    if not evaluation.closed:
        return "open", ()
    coverage = evaluation.coverage or 0.0
    if outcomes.young:
        learned = outcomes.delay.outcomes if outcomes.delay.source == "learned" else None
        return "immature", (fact("outcomes_may_still_come", delay=outcomes.delay.nanoseconds, learned_from=learned),)
    if coverage < settings.min_coverage:
        return "immature", (fact("coverage_too_low", coverage=coverage, needed=settings.min_coverage),)
    return "mature", ()
