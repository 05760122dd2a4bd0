"""Judge the performance of a window: everything that its outcomes say of the model."""

from __future__ import annotations

from dataclasses import replace

from driftline.baseline.baseline import Baseline
from driftline.panes.pane import Pane
from driftline.tables.table import Task

from driftline_processor.core.evaluation import Evaluation, Metric
from driftline_processor.core.intervals.time_blocks import has_day_blocks
from driftline_processor.core.labels.delay import delay_of, judge_sla
from driftline_processor.core.metrics import custom
from driftline_processor.core.metrics.binary import log_loss_of_constant
from driftline_processor.core.outcomes.coverage import sent_rows
from driftline_processor.core.outcomes.review import unreviewed
from driftline_processor.core.performance.objective_states import judge_objectives

from .curves import confused, curves
from .implicit_feedback import count_silence, count_silence_everywhere, count_silence_in_steps, without_young_lists
from .maturity import maturity
from .metric_intervals import with_intervals
from .realized import realized
from .reference import reference_of
from .settings import PerformanceSettings
from .slices import judge_slices, unseen_by_slice
from .window_outcomes import WindowOutcomes


def judge_performance(
    evaluation: Evaluation,
    pane: Pane,
    baseline: Baseline | None,
    task: Task | None,
    known: WindowOutcomes,
    asked: PerformanceSettings,
    exact: dict[str, Metric] | None = None,
) -> None:
    """Fill in the performance of a window.

    ``pane``: the window's parts. ``baseline``: what it is compared with. ``exact``: metrics from rows, where they are
    at hand; else they are read from the pane.
    """
    if known.delay.complete(evaluation.coverage):
        known = replace(known, young=False)
    silent = asked.outcomes == "implicit" and task is not None and task.kind == "ranking"
    young = known.young or not evaluation.closed
    if silent and task is not None:
        known = count_silence_in_steps(known, task)
    if silent and task is not None and not young:
        pane, known = count_silence(pane, task), count_silence_everywhere(known, task)
        evaluation.outcome_rows, evaluation.coverage = int(pane.parts.get("outcomes", [0])[0]), 1.0
    if exact is not None:
        evaluation.realized = exact
    elif task is not None:
        evaluation.realized = realized(pane, task, asked)
    if silent and young:
        evaluation.realized = without_young_lists(evaluation.realized)
    if task is not None and evaluation.realized:
        found = evaluation.realized | custom.from_pane(pane, task, asked.custom)
        known = replace(known, unseen=unseen_by_slice(pane, known.slices, task))
        unseen, days = known.unseen.get(""), has_day_blocks(evaluation.window)
        evaluation.unreviewed = unreviewed(unseen, task)
        evaluation.realized = with_intervals(found, pane, known.blocks, task, asked, unseen, days=days)
        evaluation.curves, evaluation.confusion = curves(pane, task, asked.confidence), confused(pane, task)
    evaluation.maturity, evaluation.immature = maturity(evaluation, known, asked)
    evaluation.young = known.young
    evaluation.delay = delay_of(pane)
    if asked.label_sla is not None and evaluation.closed and (evaluation.delay is not None or known.age is not None):
        evaluation.label_sla = judge_sla(pane, int(sent_rows(pane)[0]), known.age, asked.label_sla)
    if task is not None:
        judge_slices(evaluation, pane, task, known, asked)
    if baseline is not None:
        evaluation.reference = reference_of(known.reference or baseline, asked)
        constant = log_loss_of_constant(evaluation.realized, evaluation.reference)
        if constant is not None:
            evaluation.realized = {**evaluation.realized, "log_loss_constant": constant}
    evaluation.objectives = judge_objectives(evaluation, task, known, asked, baseline)
