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

from driftline_processor.core.estimate.estimator import FEWEST, Meaning, score_meaning
from driftline_processor.core.estimate.label_shift import LEVEL
from driftline_processor.core.evaluation import Evaluation, Finding, KindOfChange
from driftline_processor.core.service_level.failing import service_failing
from driftline_processor.core.wording import format_percent, printable, short

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

NAMED = 3
"""Features that a sentence names."""

CAVEAT = "a world that changed and outcomes that are recorded in another way look alike in the data"
OPEN = "without outcomes this cannot be told from a change of what inputs mean"


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
    broken = [one for one in evaluation.objectives if one.state == "broken" and _of_service(one.metric)]
    if broken:
        told = tuple(f"{one.rule} is broken" for one in broken)
        return KindOfChange("service", told, f"the service itself changed: {told[0]}")
    if not any(_of_service(one.metric) for one in evaluation.objectives):
        failure = service_failing(evaluation)
        if failure is not None:
            return KindOfChange("service", (failure.sentence,), f"the service itself changed: {failure.sentence}")
    faults = [one for one in evaluation.findings if _is_fault(one)]
    if faults:
        sentences = tuple(printable(one.sentence) for one in faults)
        return KindOfChange("data_fault", sentences, f"the data are at fault: {sentences[0]}")
    if pane is not None and baseline is not None and (stuck := _stuck(evaluation, pane, baseline)):
        return KindOfChange("service", (stuck, "no input drifts"), f"the service itself changed: {stuck}")
    moved = _moved(evaluation)
    if evaluation.maturity == "mature" and pane is not None and baseline is not None and task is not None:
        meaning = score_meaning(pane, baseline, task, evaluation.window.end - evaluation.window.start)
        tested = None if meaning is None else _tested(pane, meaning, baseline)
        if tested is not None:
            return _by_outcomes(tested, moved)
    if (off := _off(evaluation)) is not None:
        return KindOfChange("concept_change", (off, *moved), f"what inputs mean changed: {off}; {CAVEAT}")
    return _without_outcomes(evaluation, moved)


def _of_service(metric: str) -> bool:
    return metric.startswith("latency") or metric in ("error_rate", "availability")


def _stuck(evaluation: Evaluation, pane: Pane, baseline: Baseline) -> str | None:
    """Say which part of the calls got one answer while no input moved; None where none did."""
    if not evaluation.features or any(
        one.state in ("drift", "within_normal_variation") for one in evaluation.features.values()
    ):
        return None
    found = default_answers(pane, baseline)
    if found is None:
        return None
    return f"{format_percent(found.part)} of the calls got one answer, whatever the inputs, as a default would be given"


def _is_fault(finding: Finding) -> bool:
    return finding.check in STRUCTURAL or finding.severity in GROSS.get(finding.check, ())


def _tested(pane: Pane, meaning: Meaning, baseline: Baseline) -> OutcomeEvidence | None:
    return outcome_evidence(pane, meaning.rates, baseline.pane, meaning.between)


def _moved(evaluation: Evaluation) -> tuple[str, ...]:
    """Say which inputs and scores drift; () where none does."""
    drifted = [name for name, one in evaluation.features.items() if one.state == "drift"]
    told = []
    if drifted:
        named = ", ".join(short(name) for name in drifted[:NAMED])
        more = f" and {len(drifted) - NAMED} more" if len(drifted) > NAMED else ""
        told.append(f"{named}{more} drift" if len(drifted) > 1 else f"{named} drifts")
    outputs = [one for one in (evaluation.score, evaluation.predicted) if one is not None and one.state == "drift"]
    told += [f"the {one.words} drifts" for one in outputs[:1]]
    return tuple(told)


def _by_outcomes(tested: OutcomeEvidence, moved: tuple[str, ...]) -> KindOfChange | None:
    """Return the kind that the outcomes of a binary model's window show."""
    rates = f"{format_percent(tested.observed)} were positive where the scores let one expect "
    rates += format_percent(tested.expected)
    if tested.meaning <= LEVEL:
        if tested.classes_hold:
            said = "the scores of each class lie as they lay"
            side = "more" if tested.observed > tested.expected else "less"
            return KindOfChange(
                "label_shift",
                (rates, said, *moved),
                f"the classes come in new proportions, positives are {side} frequent: {rates}",
            )
        return KindOfChange("concept_change", (rates, *moved), f"what inputs mean changed: {rates}; {CAVEAT}")
    if not moved:
        return None
    said = "outcomes are as the scores let one expect"
    return KindOfChange("covariate_shift", (*moved, said), f"the inputs moved, and what they mean did not: {said}")


def _off(evaluation: Evaluation) -> str | None:
    """Say by which metric errors differ from what was estimated, or from the baseline's while no input moved."""
    if evaluation.maturity != "mature":
        return None
    if any(_holds(evaluation, name) for name in evaluation.weighted):
        return None
    known = {name: one for name, one in evaluation.estimated.items() if one.error is not None and one.error_deviation}
    for name, one in known.items():
        assert one.error is not None
        assert one.error_deviation is not None
        if math.erfc(abs(one.error) / one.error_deviation / math.sqrt(2)) <= LEVEL / len(known):
            side = "more" if one.error > 0 else "less"
            return f"{name} is {abs(one.error):.3g} {side} than estimated from the inputs"
    if known or evaluation.outcome_rows < FEWEST or not evaluation.features or _moved(evaluation):
        return None
    worse = _first(name for name, one in evaluation.realized_changes.items() if one.state == "worse")
    return None if worse is None else f"{worse} is worse than in the baseline, and no input drifts"


def _holds(evaluation: Evaluation, metric: str) -> bool:
    """Return True where the importance-weighted estimate of a metric holds the realized value, beside drift."""
    weighted, real = evaluation.weighted[metric], evaluation.realized.get(metric)
    if weighted.low is None or weighted.high is None or real is None or real.value is None:
        return False
    return bool(_moved(evaluation)) and weighted.low <= real.value <= weighted.high


def _first(names: Iterable[str]) -> str | None:
    return next(iter(names), None)


def _without_outcomes(evaluation: Evaluation, moved: tuple[str, ...]) -> KindOfChange | None:
    shift = evaluation.label_shift
    if shift is not None and shift.explains == "labels":
        return KindOfChange("label_shift", (shift.sentence, *moved), f"{shift.sentence}; {OPEN}")
    if not moved:
        return None
    if shift is not None and shift.explains == "either":
        said = "a new share of positives explains the scores as well"
        return KindOfChange("covariate_shift", (*moved, shift.sentence), f"the inputs moved ({moved[0]}); {said}")
    known = evaluation.outcome_rows >= FEWEST and evaluation.maturity == "mature"
    return KindOfChange("covariate_shift", moved, f"the inputs moved ({moved[0]}){'' if known else f'; {OPEN}'}")
