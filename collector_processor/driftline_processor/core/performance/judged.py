"""Everything that a window's outcomes say of the model, put together."""

from __future__ import annotations

from dataclasses import replace

from driftline.baseline import Baseline
from driftline.pane import Pane
from driftline.tables import Task

from driftline_processor.core.estimate.estimating import estimated
from driftline_processor.core.evaluation import Evaluation, Metric
from driftline_processor.core.labels.delay import delay_of, judge_sla
from driftline_processor.core.sent import sent

from . import custom
from .asked import Asked
from .binary import log_loss_of_constant
from .blocks import by_days
from .by_slice import judge_slices, unseen_by_slice
from .curves import confused, curves
from .implicit import all_with_silence, steps_with_silence, unknown_yet, with_silence
from .known import Known
from .maturity import maturity
from .objectives import judge_objectives
from .realized import realized
from .reference import reference_of
from .reviewed import unreviewed
from .uncertainty import with_intervals


def judge_performance(
    evaluation: Evaluation,
    pane: Pane,
    baseline: Baseline | None,
    task: Task | None,
    known: Known,
    asked: Asked,
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
        known = steps_with_silence(known, task)
    if silent and task is not None and not young:
        pane, known = with_silence(pane, task), all_with_silence(known, task)
        evaluation.outcome_rows, evaluation.coverage = int(pane.parts.get("outcomes", [0])[0]), 1.0
    if exact is not None:
        evaluation.realized = exact
    elif task is not None:
        evaluation.realized = realized(pane, task, asked)
    if silent and young:
        evaluation.realized = unknown_yet(evaluation.realized)
    if task is not None and evaluation.realized:
        found = evaluation.realized | custom.from_pane(pane, task, asked.custom)
        known = replace(known, unseen=unseen_by_slice(pane, known.slices, task))
        unseen, days = known.unseen.get(""), by_days(evaluation.window)
        evaluation.unreviewed = unreviewed(unseen, task)
        evaluation.realized = with_intervals(found, pane, known.blocks, task, asked, unseen, days=days)
        evaluation.curves, evaluation.confusion = curves(pane, task, asked.confidence), confused(pane, task)
    evaluation.maturity, evaluation.immature = maturity(evaluation, known, asked)
    evaluation.young = known.young
    evaluation.delay = delay_of(pane)
    if asked.label_sla is not None and evaluation.closed and (evaluation.delay is not None or known.age is not None):
        evaluation.label_sla = judge_sla(pane, int(sent(pane)[0]), known.age, asked.label_sla)
    if task is not None:
        judge_slices(evaluation, pane, task, known, asked)
    if baseline is not None:
        own = known.reference or baseline
        evaluation.reference = reference_of(own, asked)
        span = evaluation.window.end - evaluation.window.start
        whole = task or baseline.task
        evaluation.estimated = estimated(pane, own, whole, span, realized(pane, whole))
        constant = log_loss_of_constant(evaluation.realized, evaluation.reference)
        if constant is not None:
            evaluation.realized = {**evaluation.realized, "log_loss_constant": constant}
    evaluation.objectives = judge_objectives(evaluation, task, known, asked, baseline)
