"""The kind of change with the strongest evidence in a window, and its limits.

In this order, since each precludes the next ones:

1. *service*: an objective on failed calls or latency is broken, or the error rate is too high for any service;
2. *data fault*: a column is constant, swapped, in another unit or of another type, or a large fraction of the rows is
   missing, stale, repeated or unseen; also *service*, if a fraction of the calls gets one answer while no input drifted
   (:mod:`~driftline_processor.core.default_answers`);
3. with outcomes, *label shift* or *concept change*: the meaning of the scores changed (:func:`outcome_evidence`);
4. *label shift* without outcomes: scores and features shifted as by a new rate of positives;
5. *covariate shift*: inputs or the score drift, and the known outcomes are as estimated.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64
from driftline.tables.task import Task
from msgspec.structs import replace

from driftline_processor.core.default_answers import default_answer
from driftline_processor.core.estimate.cbpe_binary import Rates, weight_per_row
from driftline_processor.core.estimate.estimator import FEWEST, score_meaning
from driftline_processor.core.estimate.label_shift import EXPECTED, LEVEL, MATERIAL, prior_shift
from driftline_processor.core.evaluation import Evaluation, Finding, KindOfChange
from driftline_processor.core.facts import Fact, fact
from driftline_processor.core.output_faults import outcomes_of_one_class, output_faults
from driftline_processor.core.service_level.failing import service_failing

CELLS = 10
"""Cells of scores with equal weight in the reference: deciles, as for a number
(:mod:`~driftline_processor.core.drift.coarse_bins`).
"""

FEWEST_LABELLED = 100.0
"""Minimum (effective) labelled rows of a window for the tests."""

FEWEST_OF_CLASS = 30.0
"""Minimum (effective) labelled rows of either class, for a nearly normal fraction."""


class OutcomeEvidence(NamedTuple):
    """The tests of a window's outcomes.

    Attributes:
        meaning: P-value that each score has the same rate of positives as in the reference.
        expected: Rate of positives expected from the scores.
        observed: Rate of positives among the labelled rows.
        classes_hold: Whether the scores within each class are unchanged, and the scores of all rows shifted as by the
            new rate of positives.
    """

    meaning: float
    expected: float
    observed: float
    classes_hold: bool


def outcome_evidence(pane: Pane, rates: Rates, reference: Pane, between: float) -> OutcomeEvidence | None:
    """Test the outcomes of a window; None with too few.

    Args:
        pane: Pane of the window, with its outcomes.
        rates: Rates of positives by score in the reference.
        reference: Pane of the reference, with its outcomes.
        between: Variance of the realized minus the estimated rate of positives between periods.
    """
    sides, was = _sides(pane), _sides(reference)
    if sides is None or was is None:
        return None
    rows = [float(side.sum()) for side in sides]
    if sum(rows) < FEWEST_LABELLED or min(rows) < FEWEST_OF_CLASS:
        return None
    q, freedom, meaning = _meaning(sides, rates, between)
    total, hits = sides[0] + sides[1], float(sides[1].sum())
    smooth = rates.resampled.smooth[rates.resampled.place]
    expected, observed = float(total @ smooth / total.sum()), hits / float(total.sum())
    moved = _classes_moved(sides, was)
    unchanged = moved.p_value >= LEVEL or moved.beyond < MATERIAL * max(q - freedom, 0.0)
    return OutcomeEvidence(meaning, expected, observed, unchanged and _scores_followed(total, rates, observed, between))


def _sides(pane: Pane) -> tuple[F64, F64] | None:
    negative, positive = (pane.parts.get(f"score_{side}") for side in ("negative", "positive"))
    if negative is None or positive is None:
        return None
    worth = weight_per_row(pane, "outcomes")
    return negative / worth, positive / worth


def _cells(rows: F64, many: int = CELLS) -> I64:
    """Return the cell of each bin, by equal weights of ``rows``."""
    middle = (np.cumsum(rows) - rows / 2) / rows.sum()
    cell: I64 = np.minimum((middle * many).astype(np.int64), many - 1)
    return cell


def _meaning(sides: tuple[F64, F64], rates: Rates, between: float) -> tuple[float, int, float]:
    """Return chi-square, its degrees of freedom and the p-value of the rate of positives by score."""
    from driftline_processor.core.special_functions import chdtrc

    again = rates.resampled
    cell = _cells(rates.rows)
    total = sides[0] + sides[1]
    smooth = again.smooth[again.place]
    rows, expected, seen, chance = (
        np.bincount(cell, of, minlength=CELLS)
        for of in (total, total * smooth, sides[1], total * smooth * (1 - smooth))
    )
    # errors of the reference's own rates, per cell and in total
    by_cell = np.zeros((CELLS, len(again.smooth)))
    np.add.at(by_cell, (cell, again.place), total)
    off = again.off @ by_cell.T
    variance = chance + (off**2).mean(axis=0) + rows**2 * between
    held = rows > 0
    q = float(((seen - expected)[held] ** 2 / np.maximum(variance[held], 1e-9)).sum())
    freedom = int(np.count_nonzero(held))
    n = float(total.sum())
    whole = chance.sum() + float((off.sum(axis=1) ** 2).mean()) + n**2 * between
    once = float(seen.sum() - expected.sum()) ** 2 / max(float(whole), 1e-9)
    return max(q, once), freedom, min(1.0, 2 * min(float(chdtrc(freedom, q)), float(chdtrc(1, once))))


class _ClassesMoved(NamedTuple):
    p_value: float
    beyond: float


def _classes_moved(sides: tuple[F64, F64], was: tuple[F64, F64]) -> _ClassesMoved:
    """Compare the scores within each class with the reference: two two-sample chi-square tests, combined."""
    from driftline_processor.core.special_functions import chdtrc

    q, freedom = 0.0, 0
    for side, before in zip(sides, was, strict=True):
        n, m = float(side.sum()), float(before.sum())
        many = int(max(2, min(CELLS, n // EXPECTED, m // EXPECTED)))
        cell = _cells(before, many)
        seen, counts = (np.bincount(cell, of, minlength=many) for of in (side, before))
        shares = (seen + counts) / (n + m)
        varies = np.maximum(shares * n * (1 + n / m), 1e-9)
        q += float(((seen - n * counts / m) ** 2 / varies).sum())
        freedom += many - 1
    return _ClassesMoved(float(chdtrc(freedom, q)), max(0.0, q - freedom))


def _scores_followed(labelled: F64, rates: Rates, observed: float, between: float) -> bool:
    """Return True if the scores shifted significantly, and as far as the observed rate of positives implies."""
    from driftline_processor.core.special_functions import ndtri

    shift = prior_shift(labelled, rates, between)
    if shift is None or shift.p_value > LEVEL:
        return False
    chance = observed * (1 - observed) / float(labelled.sum())
    distance = abs(observed - shift.prior - shift.shift) / math.sqrt(shift.variance + chance)
    return distance < -float(ndtri(LEVEL / 2))


STRUCTURAL = frozenset({"constant", "swapped", "type_change", "unit_change"})
"""Checks whose findings are faults at any severity."""

GROSS = {
    "missing": ("major", "critical"),
    "stale": ("major", "critical"),
    "duplicates": ("major", "critical"),
    "unseen": ("critical",),
}
"""Check → severities at which its findings are faults. Out-of-range and less severe unseen values are shifted inputs.
"""


def kind_of_change(
    evaluation: Evaluation, pane: Pane | None = None, baseline: Baseline | None = None, task: Task | None = None
) -> KindOfChange | None:
    """Return the kind of change of a window; None without a change.

    Args:
        evaluation: The window, complete except for this.
        pane: Pane of the window; None if the sums are unknown.
        baseline: Baseline whose outcomes estimates are learned from.
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
    output = next(output_faults(evaluation), None)
    if output is not None and not any(map(output.follows_from, faults)):
        return KindOfChange("output_fault", "output_faulty", (output.fact,))
    if (labels := outcomes_of_one_class(evaluation)) is not None:
        return KindOfChange("data_fault", "data_faulty", (labels,))
    if faults:
        return KindOfChange(
            "data_fault", "data_faulty", tuple(replace(fault.fact, kind="named_finding") for fault in faults)
        )
    if pane is not None and baseline is not None and (answer := default_answer(evaluation, pane, baseline)):
        return KindOfChange("service", "service_changed", (answer, fact("no_input_drifts")))
    moved = _drift_facts(evaluation)
    if evaluation.maturity == "mature" and pane is not None and baseline is not None and task is not None:
        meaning = score_meaning(pane, baseline, task, evaluation.window.end - evaluation.window.start)
        tested = None if meaning is None else outcome_evidence(pane, meaning.rates, baseline.pane, meaning.between)
        if tested is not None:
            return _by_outcomes(tested, moved)
    if (off := _off(evaluation)) is not None:
        return KindOfChange("concept_change", "meaning_changed", (off, *moved))
    return _without_outcomes(evaluation, moved)


def _of_service(metric: str) -> bool:
    return metric.startswith("latency") or metric in ("error_rate", "availability")


def _is_fault(finding: Finding) -> bool:
    return finding.check in STRUCTURAL or finding.severity in GROSS.get(finding.check, ())


def _drift_facts(evaluation: Evaluation) -> tuple[Fact, ...]:
    """Return the facts about drifting inputs and scores; () without any."""
    drifted = [name for name, feature in evaluation.features.items() if feature.state == "drift"]
    moved = [fact("columns_drift", names=tuple(drifted))] if drifted else []
    outputs = [
        output for output in (evaluation.score, evaluation.predicted) if output is not None and output.state == "drift"
    ]
    moved += [fact("output_drifts", name=output.words) for output in outputs[:1]]
    return tuple(moved)


def _by_outcomes(tested: OutcomeEvidence, moved: tuple[Fact, ...]) -> KindOfChange | None:
    """Return the kind of change by the outcomes of a binary model."""
    rates = fact("positive_rate", observed=tested.observed, expected=tested.expected)
    if tested.meaning <= LEVEL:
        if tested.classes_hold:
            return KindOfChange("label_shift", "proportions_changed", (rates, fact("scores_of_classes_hold"), *moved))
        return KindOfChange("concept_change", "meaning_changed", (rates, *moved))
    if not moved:
        return None
    return KindOfChange("covariate_shift", "inputs_moved_as_expected", (*moved, fact("outcomes_as_expected")))


def _off(evaluation: Evaluation) -> Fact | None:
    """Return the metric whose errors differ from the estimate, or from the baseline's without drift."""
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
    if estimates or evaluation.outcome_rows < FEWEST or not evaluation.features or _drift_facts(evaluation):
        return None
    changes = evaluation.realized_changes
    worse = next((name for name, change in changes.items() if change.state == "worse"), None)
    return None if worse is None else fact("worse_without_drift", metric=worse)


def _holds(evaluation: Evaluation, metric: str) -> bool:
    """Return True if inputs drift and the importance-weighted estimate of a metric contains the realized value."""
    weighted, real = evaluation.weighted[metric], evaluation.realized.get(metric)
    if weighted.low is None or weighted.high is None or real is None or real.value is None:
        return False
    return bool(_drift_facts(evaluation)) and weighted.low <= real.value <= weighted.high


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
