"""The one kind of change that a window's evidence supports most, with its evidence and what data cannot tell.

In this order, since each makes the next ones moot:

1. *service*: an objective on failed calls or latency is broken, or calls fail that no service is built for;
2. *data fault*: a column is constant, swapped, in another unit or of another type, or a large part of the rows is
   missing, stale, repeated or unseen; beside it *service* once more: part of the calls get one answer, whatever the
   inputs, which did not move (:mod:`.default_answers`);
3. with outcomes, *label shift* or *concept change*: scores no longer mean what they meant
   (:mod:`.outcomes`);
4. *label shift* without outcomes: scores and features moved as a new share of positives moves them;
5. *covariate shift*: inputs or the score drift, and what is known of outcomes is as estimated.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from driftline.baseline.baseline import Baseline
from driftline.panes.pane import Pane
from driftline.tables.task import Task
from msgspec.structs import replace

from driftline_processor.core.estimate.estimator import FEWEST, Meaning, score_meaning
from driftline_processor.core.estimate.label_shift import LEVEL
from driftline_processor.core.evaluation import Evaluation, Finding, KindOfChange
from driftline_processor.core.facts import Fact, fact
from driftline_processor.core.service_level.failing import service_failing

from .default_answers import default_answers
from .outcomes import OutcomeEvidence, outcome_evidence

STRUCTURAL = frozenset({"constant", "swapped", "type_change", "unit_change"})
"""Checks whose findings are faults however few rows they concern."""

GROSS = {
    "missing": ("major", "critical"),
    "stale": ("major", "critical"),
    "duplicates": ("major", "critical"),
    "unseen": ("critical",),
}
"""Checks whose findings are faults from some severity on. What lies out of range, or is seldom unseen, moved inputs."""


def kind_of_change(
    evaluation: Evaluation, pane: Pane | None = None, baseline: Baseline | None = None, task: Task | None = None
) -> KindOfChange | None:
    """Return the kind of change that a judged window shows; None where it shows none.

    Args:
        evaluation: The window, judged but for this.
        pane: Pane of the window; None where the sums are not known.
        baseline: Baseline from whose outcomes estimates are learned.
        task: Task of the model.
    """
    broken = [
        objective
        for objective in evaluation.objectives
        if objective.state == "broken" and _of_service(objective.metric)
    ]
    if broken:
        return KindOfChange(
            "service", "service_changed", tuple(fact("rule_broken", rule=expectation.rule) for expectation in broken)
        )
    if not any(_of_service(objective.metric) for objective in evaluation.objectives):
        failure = service_failing(evaluation)
        if failure is not None:
            return KindOfChange("service", "service_changed", (failure.fact,))
    faults = [finding for finding in evaluation.findings if _is_fault(finding)]
    if faults:
        return KindOfChange(
            "data_fault", "data_faulty", tuple(replace(fault.fact, kind="named_finding") for fault in faults)
        )
    if pane is not None and baseline is not None and (stuck := _stuck(evaluation, pane, baseline)):
        return KindOfChange("service", "service_changed", (stuck, fact("no_input_drifts")))
    moved = _moved(evaluation)
    if evaluation.maturity == "mature" and pane is not None and baseline is not None and task is not None:
        meaning = score_meaning(pane, baseline, task, evaluation.window.end - evaluation.window.start)
        tested = None if meaning is None else _tested(pane, meaning, baseline)
        if tested is not None:
            return _by_outcomes(tested, moved)
    if (off := _off(evaluation)) is not None:
        return KindOfChange("concept_change", "meaning_changed", (off, *moved))
    return _without_outcomes(evaluation, moved)


def _of_service(metric: str) -> bool:
    return metric.startswith("latency") or metric in ("error_rate", "availability")


def _stuck(evaluation: Evaluation, pane: Pane, baseline: Baseline) -> Fact | None:
    """Return which part of the calls got one answer while no input moved; None where none did."""
    if not evaluation.features or any(
        feature.state in ("drift", "within_normal_variation") for feature in evaluation.features.values()
    ):
        return None
    answers = default_answers(pane, baseline)
    return None if answers is None else fact("one_answer", part=answers.part)


def _is_fault(finding: Finding) -> bool:
    return finding.check in STRUCTURAL or finding.severity in GROSS.get(finding.check, ())


def _tested(pane: Pane, meaning: Meaning, baseline: Baseline) -> OutcomeEvidence | None:
    return outcome_evidence(pane, meaning.rates, baseline.pane, meaning.between)


def _moved(evaluation: Evaluation) -> tuple[Fact, ...]:
    """Return which inputs and scores drift; () where none does."""
    drifted = [name for name, feature in evaluation.features.items() if feature.state == "drift"]
    moved = [fact("columns_drift", names=tuple(drifted))] if drifted else []
    outputs = [
        output for output in (evaluation.score, evaluation.predicted) if output is not None and output.state == "drift"
    ]
    moved += [fact("output_drifts", name=output.words) for output in outputs[:1]]
    return tuple(moved)


def _by_outcomes(tested: OutcomeEvidence, moved: tuple[Fact, ...]) -> KindOfChange | None:
    """Return the kind that the outcomes of a binary model's window show."""
    rates = fact("positive_rate", observed=tested.observed, expected=tested.expected)
    if tested.meaning <= LEVEL:
        if tested.classes_hold:
            return KindOfChange("label_shift", "proportions_changed", (rates, fact("scores_of_classes_hold"), *moved))
        return KindOfChange("concept_change", "meaning_changed", (rates, *moved))
    if not moved:
        return None
    return KindOfChange("covariate_shift", "inputs_moved_as_expected", (*moved, fact("outcomes_as_expected")))


def _off(evaluation: Evaluation) -> Fact | None:
    """Return by which metric errors differ from what was estimated, or from the baseline's while no input moved."""
    if evaluation.maturity != "mature":
        return None
    if any(_holds(evaluation, name) for name in evaluation.weighted):
        return None
    estimates = {
        name: estimate
        for name, estimate in evaluation.estimated.items()
        if estimate.error is not None and estimate.error_deviation
    }
    for name, estimate in estimates.items():
        assert estimate.error is not None
        assert estimate.error_deviation is not None
        if math.erfc(abs(estimate.error) / estimate.error_deviation / math.sqrt(2)) <= LEVEL / len(estimates):
            return fact("estimate_missed", metric=name, error=estimate.error)
    if estimates or evaluation.outcome_rows < FEWEST or not evaluation.features or _moved(evaluation):
        return None
    worse = _first(
        name for name, realized_change in evaluation.realized_changes.items() if realized_change.state == "worse"
    )
    return None if worse is None else fact("worse_without_drift", metric=worse)


def _holds(evaluation: Evaluation, metric: str) -> bool:
    """Return True where the importance-weighted estimate of a metric holds the realized value, beside drift."""
    weighted, real = evaluation.weighted[metric], evaluation.realized.get(metric)
    if weighted.low is None or weighted.high is None or real is None or real.value is None:
        return False
    return bool(_moved(evaluation)) and weighted.low <= real.value <= weighted.high


def _first(names: Iterable[str]) -> str | None:
    return next(iter(names), None)


def _without_outcomes(evaluation: Evaluation, moved: tuple[Fact, ...]) -> KindOfChange | None:
    shift = evaluation.label_shift
    if shift is not None and shift.explains == "labels":
        return KindOfChange("label_shift", "proportions_changed_by_scores", (shift.fact, *moved))
    if not moved:
        return None
    if shift is not None and shift.explains == "either":
        return KindOfChange("covariate_shift", "inputs_or_proportions_moved", (*moved, shift.fact))
    has_outcomes = evaluation.outcome_rows >= FEWEST and evaluation.maturity == "mature"
    return KindOfChange("covariate_shift", "inputs_moved" if has_outcomes else "inputs_moved_without_outcomes", moved)
