"""Signs of one window that its model is degraded, or that it is not."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from driftline_processor.core import facts
from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.core.evaluation import (
    Evaluation,
    MetricChange,
    MetricValue,
    ObjectiveState,
    ServiceLevel,
    SliceChange,
)
from driftline_processor.core.fact import Fact
from driftline_processor.core.metrics import direction
from driftline_processor.core.metrics.log_loss_constant import log_loss_of_constant
from driftline_processor.core.output_faults import DOUBTFUL, OutputFault, outcomes_of_one_class, output_faults
from driftline_processor.core.performance.margin import deciding_order, is_of_family
from driftline_processor.core.service_level.failing import service_failing
from driftline_processor.core.service_level.level import ERROR_RATE
from driftline_processor.core.service_level.level import METRICS as SERVICE_METRICS
from driftline_processor.core.weak_slices.slice_change import METRIC_OF_LOSS

from .comparisons import deciding_change, in_report_order, is_better, is_certainly_worse, is_fine, worse_metrics
from .levels import is_miscalibrated, is_off, level_of_scores, off_level, worse_sign
from .rises import more_errors
from .risks import is_fault
from .sign import OF_ALL_ROWS, Reason, Sign, is_clear, known_outcomes, signed


def signs_of_loss(
    evaluation: Evaluation, concept: ConceptDrift | None = None, earlier: Sequence[ServiceLevel] = ()
) -> list[Sign]:
    """Return the signs that the model is degraded, the most urgent first.

    Args:
        evaluation: The window.
        concept: Whether errors rose along the stream of outcomes.
        earlier: Service levels of earlier windows of the same length.
    """
    signs = [*_failing_service(evaluation, earlier), *faulty_output(evaluation), *_broken_objectives(evaluation)]
    if outcomes_of_one_class(evaluation, DOUBTFUL) is not None:
        return [sign for sign in signs if sign.reason in ("service", "output")]
    if evaluation.maturity == "mature":
        signs += list(_worse_than_a_constant(evaluation)) or list(off_level(evaluation))
    signs += _worse_than_the_baseline(evaluation)
    slices = list(_worse_slice(evaluation))
    faulty = any(is_fault(finding) for finding in evaluation.findings)  # faults harm some slices more than others
    first = not faulty and all(sign.reason in OF_ALL_ROWS for sign in signs)
    signs = [*slices, *signs] if first else [*signs, *slices]
    if concept is not None:
        signs += more_errors(evaluation, concept)
    return signs


def no_loss(evaluation: Evaluation) -> Sign | None:
    """Return the sign that the model is healthy; None without one.

    The deciding metric must be no worse than the baseline's; without one, every objective must be met, and one of them
    be of a metric of the outcomes. An immature window is compared with its objectives alone: outstanding outcomes can
    change a log loss without a limit.
    """
    if not evaluation.closed or (evaluation.maturity != "mature" and evaluation.realized_changes):
        return None
    if outcomes_of_one_class(evaluation, DOUBTFUL) is not None:
        return None
    decides = deciding_change(evaluation)
    if decides is not None:
        return _no_worse(evaluation, *decides) if is_fine(*decides) and not is_miscalibrated(evaluation) else None
    met = [objective for objective in evaluation.objectives if objective.state == "met"]
    of_outcomes = [objective for objective in met if not _of_service(objective)]
    if not of_outcomes or len(met) < len(evaluation.objectives):
        return None
    first_met = of_outcomes[0]
    effect = _beyond(first_met)
    shown_fact = facts.ObjectivesMet(count=len(met)) if len(met) > 1 else _objective(facts.ObjectiveMet, first_met)
    certainty = facts.ObjectiveCertainlyMet(*known_outcomes(evaluation))
    return Sign("objective", shown_fact, certainty, first_met.metric, *effect, clear=is_clear(*effect[1:]))


def _no_worse(evaluation: Evaluation, name: str, change: MetricChange) -> Sign:
    value, was = evaluation.realized.get(name), evaluation.reference.get(name)
    better, now = is_better(name, change), None if value is None else value.value
    if change.margin is not None and is_certainly_worse(name, change):
        shown_fact: Fact = facts.WorseInsideMargin(name, change.change, change.low, change.high, now, change.margin)
    else:
        baseline = None if was is None else was.value
        skill_now, skill_before = (
            _skill(one, evaluation.reference) for one in (evaluation.realized, evaluation.reference)
        )
        has_skill = name != "log_loss" or not skill_now < skill_before
        shown_fact = facts.NoWorseThanBaseline(name, now, baseline, change.margin, better=better and has_skill)
    certainty: Fact = facts.BetterThanBaseline(*known_outcomes(evaluation))
    if not better:
        certainty = facts.InsideMargin(*known_outcomes(evaluation), metric=name, margin=change.margin)
    clear = better or _is_clearly_inside(name, change)
    return Sign("worse", shown_fact, certainty, name, *signed(change), clear=clear)


def _is_clearly_inside(name: str, change: MetricChange) -> bool:
    """Return True if a change is so far inside its margin that one window is enough."""
    if change.margin is None or change.low is None or change.high is None:
        return False
    ends = (-direction(name) * end for end in (change.low, change.high))
    low, high = sorted(change.margin - end for end in ends)
    return low > 0 and is_clear(low, high)


def _objective(kind: type[facts.OfObjective], state: ObjectiveState) -> Fact:
    return kind(state.metric, state.value, state.low, state.high, state.rule, state.relative, state.rolling)


def _skill(metrics: Mapping[str, MetricValue], reference: Mapping[str, MetricValue]) -> float:
    """Return by how much the log loss is below that of a constant, which is low with few positives; NaN if unknown."""
    loss, constant = metrics.get("log_loss"), log_loss_of_constant(metrics, reference)
    if loss is None or constant is None or loss.value is None or constant.value is None:
        return math.nan
    return constant.value - loss.value


def _broken_objectives(evaluation: Evaluation) -> Iterator[Sign]:
    broken = [objective for objective in evaluation.objectives if objective.state == "broken"]
    for objective_state in sorted(
        broken, key=lambda objective: (not _of_service(objective), bool(objective.slice), -_excess(objective))
    ):
        effect = _beyond(objective_state)
        clear = objective_state.rolling or is_clear(*effect[1:])
        certainty = facts.ObjectiveCertainlyMissed(rows=objective_state.rows)
        shown_fact = _objective(facts.ObjectiveMissed, objective_state)
        reason: Reason = "service" if _of_service(objective_state) else "objective"
        where = objective_state.slice if "=" in objective_state.slice else ""
        yield Sign(
            reason,
            shown_fact,
            certainty,
            objective_state.metric,
            *effect,
            clear=clear,
            slice=where,
            since=objective_state.since or None,
            at_once=objective_state.rolling or (reason == "service" and clear),
        )


def _failing_service(evaluation: Evaluation, earlier: Sequence[ServiceLevel]) -> Iterator[Sign]:
    """Yield a sign for failing calls, if the service has no objective.

    Longer calls do not degrade a model: only an objective defines what is too slow.
    """
    if any(_of_service(objective) for objective in evaluation.objectives):
        return
    failure = service_failing(evaluation, earlier)
    if failure is None or failure.metric != ERROR_RATE:
        return
    limit = failure.limit
    low, high = (None if end is None else end - limit for end in (failure.low, failure.high))
    clear = is_clear(low, high)
    certainty = facts.FailuresCertain(metric=failure.metric, limit=limit)
    effect = failure.value - limit, low, high
    yield Sign("service", failure, certainty, failure.metric, *effect, clear=clear, at_once=clear)


def _of_service(objective_state: ObjectiveState) -> bool:
    """Return True for an objective of the service, which precedes all others."""
    return objective_state.metric in SERVICE_METRICS


def _beyond(objective_state: ObjectiveState) -> tuple[float | None, float | None, float | None]:
    """Return the distance of an objective's value and interval from its limit."""
    if objective_state.value is None or objective_state.limit is None:
        return None, None, None
    ends = (None if end is None else end - objective_state.limit for end in (objective_state.low, objective_state.high))
    return objective_state.value - objective_state.limit, *ends  # type: ignore[return-value]


def _excess(objective_state: ObjectiveState) -> float:
    """Return the distance of a value from its limit, in half lengths of its interval."""
    if (
        objective_state.value is None
        or objective_state.limit is None
        or objective_state.low is None
        or objective_state.high is None
    ):
        return 0.0
    half = (objective_state.high - objective_state.low) / 2
    return abs(objective_state.value - objective_state.limit) / half if half > 0 else 0.0


_OUTPUT = "_output_signs"
"""Key of the faults of the output among the cached properties of an evaluation: its score is read from the store."""


def faulty_output(evaluation: Evaluation) -> tuple[Sign, ...]:
    """Return a sign for each fault of the output, computed once per evaluation."""
    cached: tuple[Sign, ...] | None = evaluation.__dict__.get(_OUTPUT)
    if cached is None:
        cached = evaluation.__dict__[_OUTPUT] = tuple(
            _sign_of_output(evaluation, fault) for fault in output_faults(evaluation)
        )
    return cached


def _sign_of_output(evaluation: Evaluation, fault: OutputFault) -> Sign:
    ranks = fault.low is not None
    return Sign(
        "ranking" if ranks else "output",
        fault.fact,
        facts.CertainlyBelowChance(*known_outcomes(evaluation)) if ranks else facts.FaultCertain(),
        fault.metric,
        fault.effect,
        fault.low,
        fault.high,
        clear=is_clear(fault.low, fault.high) if ranks else True,
        part=f"{fault.metric}:score",
    )


def _worse_than_a_constant(evaluation: Evaluation) -> Iterator[Sign]:
    comparison, loss = evaluation.constant_comparison, evaluation.realized.get("log_loss")
    change = evaluation.realized_changes.get("log_loss")
    if comparison is None or comparison.state != "worse" or loss is None or loss.value is None:
        return
    if change is not None and change.margin is None:
        return  # so was the baseline
    if "log_loss" not in deciding_order(("log_loss", "roc_auc"), evaluation.reference):
        return  # of a few positives, the log loss tells little
    shown_fact: Fact | None = level_of_scores(evaluation, constant_is_better=True) if is_off(evaluation) else None
    if shown_fact is None:
        shown_fact = facts.WorseThanConstant(loss.value, loss.low, loss.high, loss.value - comparison.change)
    certainty = facts.ConstantCertainlyBetter(*known_outcomes(evaluation))
    yield Sign(
        "constant",
        shown_fact,
        certainty,
        "log_loss",
        *signed(comparison),
        clear=is_clear(comparison.low, comparison.high),
    )


def _worse_than_the_baseline(evaluation: Evaluation) -> Iterator[Sign]:
    """Yield the metrics of the family that are worse beyond their margin."""
    decides = deciding_change(evaluation)
    deciding = None if decides is None else decides[0]
    for name in in_report_order(worse_metrics(evaluation)):
        if is_of_family(name, deciding):
            yield worse_sign(name, evaluation)


def slice_fact(change: SliceChange, slice: str = "") -> Fact:
    """Return the fact that a model became worse in a slice; ``slice``: its name, "" if the sentence has it already."""
    numbers = change.was, change.now, change.share, change.days
    rest = change.rest_now if change.is_mixed else None
    return facts.SliceWorse(slice, METRIC_OF_LOSS[change.by], *numbers, features=change.features, rest=rest)


def _worse_slice(evaluation: Evaluation) -> Iterator[Sign]:
    """Yield a sign for the slice in which the model became worse; its level counts all looks of 90 days."""
    change = evaluation.slice_change
    if change is None:
        return
    certainty = facts.SliceCertainlyWorse(rows=change.rows, p_value=change.p_value)
    effect = change.now - change.was, change.low, change.high
    yield Sign(
        "slice_loss",
        slice_fact(change),
        certainty,
        METRIC_OF_LOSS[change.by],
        *effect,
        clear=True,
        slice=change.name,
        since=change.since,
    )
