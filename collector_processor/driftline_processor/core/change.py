"""The kind of change with the strongest evidence in a window, and its limits.

In this order, since each precludes the next ones:

1. *service*: an objective on failed calls or latency is broken, or the error rate is too high for any service;
2. *output fault*: scores are missing, constant, out of range or the wrong way round, and no fault of the inputs
   explains it;
3. *data fault*: a column is constant, swapped, in another unit or of another type, or a large fraction of the rows is
   missing, stale or repeated; also *service*, if a fraction of the calls gets one answer while no input drifted
   (:mod:`~driftline_processor.core.default_answers`);
4. of a degradation, what its rows prove (:func:`kind_of_loss`): *label shift*, *covariate shift*, *calibration* or
   *concept change*;
5. *label shift* without outcomes: scores and features shifted as by a new rate of positives;
6. *covariate shift*: inputs or the score drift, and nothing shows that their relation to the outcomes changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64
from driftline.tables.task import Task
from msgspec.structs import replace

from driftline_processor.core import facts
from driftline_processor.core.default_answers import default_answer
from driftline_processor.core.estimate.cbpe_binary import Rates, weight_per_row
from driftline_processor.core.estimate.estimator import FEWEST, score_meaning
from driftline_processor.core.estimate.label_shift import EXPECTED, LEVEL
from driftline_processor.core.evaluation import (
    ChangeKind,
    Evaluation,
    Finding,
    KindOfChange,
    LossEvidence,
    LossPart,
    MetricValue,
)
from driftline_processor.core.explain.class_mix import class_mix
from driftline_processor.core.explain.loss_evidence import METRICS, Recalibration, RowLosses, loss_evidence, recalibrate
from driftline_processor.core.fact import Fact
from driftline_processor.core.metrics import direction
from driftline_processor.core.outcomes.sums import confusion
from driftline_processor.core.output_faults import (
    INVERTED,
    SURELY_INVERTED,
    OutputFault,
    is_inverted,
    outcomes_of_one_class,
    output_faults,
)
from driftline_processor.core.performance.changes import is_significant
from driftline_processor.core.quality.check import STRUCTURAL
from driftline_processor.core.service_level.failing import service_failing
from driftline_processor.core.service_level.level import METRICS as SERVICE_METRICS

CELLS = 10
"""Cells of scores with equal weight in the reference: deciles, as for a number
(:mod:`~driftline_processor.core.drift.coarse_bins`).
"""

FEWEST_LABELLED = 100.0
"""Minimum (effective) labelled rows of a window for the tests."""

FEWEST_OF_CLASS = 30.0
"""Minimum (effective) labelled rows of either class, for a nearly normal fraction."""


class OutcomeFit(NamedTuple):
    """How far the outcomes of a window are from three explanations, each a chi-square less its degrees of freedom.

    Attributes:
        rates: From the reference's rate of positives by score.
        classes: From the reference's scores within each class.
        scores: From the reference's scores of all rows.
        expected: Rate of positives expected from the scores.
        observed: Rate of positives among the labelled rows.
        p_value: P-value of the rate of positives by score.
    """

    rates: float
    classes: float
    scores: float
    expected: float
    observed: float
    p_value: float


def outcome_fit(pane: Pane, rates: Rates, reference: Pane, between: float) -> OutcomeFit | None:
    """Compare the outcomes of a window with three explanations; None with too few.

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
    q, freedom, p_value = _meaning(sides, rates, between)
    total, hits = sides[0] + sides[1], float(sides[1].sum())
    smooth = rates.resampled.smooth[rates.resampled.place]
    expected, observed = float(total @ smooth / total.sum()), hits / float(total.sum())
    classes, scores = _misfit(sides, was), _misfit([total], [was[0] + was[1]])
    return OutcomeFit(q - freedom, classes, scores, expected, observed, p_value)


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


def _misfit(sides: Sequence[F64], was: Sequence[F64]) -> float:
    """Return how far histograms of scores are from those of the reference: chi-squares less their freedom."""
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
    return q - freedom


GROSS = {
    "missing": ("major", "critical"),
    "pile_up": ("major", "critical"),
    "stale": ("major", "critical"),
    "duplicates": ("critical",),
}
"""Check → severities at which its findings are faults. Out-of-range and unseen values are shifted inputs."""

EXPLAINED = 0.5
"""Minimum fraction of a loss that must return for a cause to be the kind of change."""

COVERED = 0.75
"""Minimum weight of a window's rows in what inputs explain; with less, their values are new, and most is assumed."""

SKILL_KEPT = 0.85
"""Minimum ratio of the skill of recalibrated predictions to that in the baseline, if only their level is off. It is
0.95 to 1.05 after a change of the level, 0.7 with 8 % of the outcomes inverted, and near 0 if an input's effect is
reversed.
"""

LEVEL_OFF = 6.0
"""Minimum log likelihood that recalibration gains: by chance, two fitted numbers gain as much in 0.25 % of windows."""

STABLE = 0.15
"""Fraction by which the evidence must exceed a limit to change the kind of an episode."""

CLASSES_HOLD = 0.3
"""Maximum misfit of the scores within classes for a label shift, as a fraction of the misfit of the rates by score. It
is 0.01 to 0.17 after a label shift with days that differ.
"""

FEWEST_BEYOND = 15.0
"""Minimum misfit of rates by score, a chi-square less its ten degrees of freedom: three standard deviations."""

Z = 2.33
"""Standard errors by which a part of a loss must exceed 0: once in a hundred by chance."""

RECALIBRATED = 0.6
"""Fraction of a loss that recalibration returns from which on a worse ranking must be significant. It is 0.1 to 0.3
where outcomes of a slice are inverted, and 0.8 or more where scores or outcomes have another level.
"""

UNSURE = 1.5
"""Standard errors below :data:`SKILL_KEPT` from which on the ranking is worse."""


def kind_of_loss(evidence: LossEvidence | None, held: str = "") -> ChangeKind | Literal[""]:
    """Return the kind of change that a loss proves; "" if it proves none.

    Args:
        evidence: The evidence of one window, or of all windows of an episode.
        held: The kind of the episode so far; it stays unless the evidence is clearly for another one.
    """
    if evidence is None:
        return ""

    def limit(kind: str, least: float) -> float:
        """Return a limit that is harder to cross away from the kind so far."""
        return least + (0.0 if not held else -STABLE if kind == held else STABLE)

    excess = evidence.excess.value
    explained = is_explained(evidence.together, excess, limit("covariate_shift", EXPLAINED))
    if explained and evidence.together.covered < COVERED:
        return "covariate_shift"
    if new_inputs(evidence) and (evidence.together.value >= EXPLAINED * excess or not _is_loss(evidence.excess)):
        return "covariate_shift"  # rows with old values are too few to be worse, or another metric is
    kept = SKILL_KEPT + (0.0 if not held else STABLE / 2 if held == "concept_change" else -STABLE / 2)
    skill, gain = evidence.skill, evidence.recalibrated or 0.0
    ranks = skill is None or skill.value >= kept
    if skill is not None and gain >= RECALIBRATED * excess:
        ranks = ranks or (kept - skill.value) ** 2 < UNSURE**2 * skill.variance
    if (ranks and _is_label_shift(evidence)) or _mix_explains(evidence, limit("label_shift", EXPLAINED)):
        return "label_shift"
    if explained:
        return "covariate_shift"
    if not _is_loss(evidence.excess):
        return ""
    level_off = skill is not None and gain * evidence.rows > LEVEL_OFF
    return "calibration" if ranks and level_off else "concept_change"


def new_inputs(evidence: LossEvidence) -> list[str]:
    """Return the inputs with fewer effective rows of old values than the assumed ones."""
    return [name for name, part in evidence.inputs.items() if part.covered < 0.5]


def explained_share(evidence: LossEvidence, name: str = "") -> float | None:
    """Return the fraction of a loss that an input explains, or all shifted inputs; ``name``: the input, "" for all.

    None without a significant loss, if most of it is assumed, since values are new, and if the input did not shift.
    """
    part = evidence.inputs.get(name) if name else evidence.together
    if part is None or evidence.together.covered < COVERED or not _is_loss(evidence.excess):
        return None
    return min(1.0, max(0.0, part.value / evidence.excess.value))


def _is_loss(excess: LossPart) -> bool:
    return excess.value > 0 and excess.value**2 > Z**2 * excess.variance


def may_explain(evidence: LossEvidence | None) -> bool:
    """Return True if an input may explain a loss after all: it does in one direction."""
    return evidence is not None and evidence.largest_part >= EXPLAINED * evidence.excess.value


def no_input_explains(
    evaluation: Evaluation, evidence: LossEvidence | None, *, meaning: bool
) -> facts.NoInputExplains | None:
    """Return the fact that no input explains a loss, with those that changed; None if one may explain it.

    Args:
        evaluation: The window.
        evidence: What the rows of the loss show about its cause.
        meaning: Whether the meaning of inputs or outcomes changed if no input did.
    """
    if may_explain(evidence):
        return None
    inputs = evaluation.features.values()
    drifted = [column.name for column in inputs if column.state == "drift"]
    changed = dict.fromkeys([*drifted, *(name for finding in evaluation.findings for name in finding.features)])
    weighted = {} if evidence is None else evidence.inputs
    names = tuple(sorted(changed.keys() & weighted.keys(), key=lambda name: -weighted[name].value))
    is_open = len(names) < len(changed) or any(column.state == "inconclusive" for column in inputs)
    return facts.NoInputExplains(meaning=meaning and not changed and not is_open, changed=names, open=is_open)


def _mix_explains(evidence: LossEvidence, least: float) -> bool:
    """Return True if the proportions of several classes explain at least a fraction of a loss."""
    mix = evidence.mix
    return mix is not None and mix.part.covered >= COVERED and is_explained(mix.part, evidence.excess.value, least)


def proportions_changed(evidence: LossEvidence | None) -> facts.ProportionsChanged:
    """Return the fact that the proportions of the classes changed, with what they explain of the error rate if known.

    Args:
        evidence: What the rows of a label shift show about its cause.
    """
    if evidence is None or evidence.mix is None:
        return facts.ProportionsChanged()
    mix = evidence.mix
    share = min(1.0, mix.part.value / evidence.excess.value) if evidence.excess.value > 0 else 0.0
    return facts.ProportionsChanged(mix.name, mix.was, mix.now, mix.error, share)


def explains_ranking(kind: str, output: OutputFault, evaluation: Evaluation) -> bool:
    """Return True if a proven kind of change explains that scores rank the wrong way: they are not inverted."""
    if output.metric != "roc_auc":
        return False
    least = SURELY_INVERTED if kind == "covariate_shift" else INVERTED
    return bool(kind) and not is_inverted(evaluation, least)


def is_explained(part: LossPart, excess: float, least: float = EXPLAINED, z: float = Z) -> bool:
    """Return True if at least a fraction of a loss returns, ``z`` standard errors above 0."""
    return excess > 0 and part.value >= least * excess and part.value**2 > z**2 * part.variance


def _is_label_shift(fit: OutcomeFit | LossEvidence) -> bool:
    """Return True if rates changed, scores moved, and the scores within each class moved much less than either."""
    return fit.rates > FEWEST_BEYOND and fit.classes < min(CLASSES_HOLD * fit.rates, fit.scores / 2)


def evidence_of_window(
    evaluation: Evaluation, rows: Callable[[], RowLosses | None], pane: Pane, baseline: Baseline, fit: OutcomeFit | None
) -> LossEvidence | None:
    """Return what the rows of a window show about the cause of its loss; None without a loss, or without rows.

    Args:
        evaluation: The window, with its metrics, drift and findings.
        rows: Returns the rows with outcomes; called only for a loss.
        pane: Pane of the window.
        baseline: Baseline over whose bins the rows have their codes.
        fit: The result of :func:`outcome_fit`.
    """
    if not evaluation.has_mature_outcomes or not _is_worse(evaluation):
        return None
    labelled = rows()
    if labelled is None:
        return None
    names = dict.fromkeys(name for finding in evaluation.findings for name in finding.features)
    names |= {name: None for name, column in evaluation.features.items() if column.state == "drift"}
    evidence = loss_evidence(labelled, baseline, names, evaluation.reference)
    if evidence is None:
        return None
    if evidence.inputs or (fit is not None and fit.p_value > LEVEL):
        evidence = _with_estimate(evidence, evaluation)
    if fit is not None:
        evidence = replace(evidence, rates=fit.rates, classes=fit.classes, scores=fit.scores)
    evidence = _with_mix(evidence, evaluation, baseline)
    now, was = recalibrate(pane), recalibrate(baseline.pane)
    if evidence.loss == "absolute_error":
        now, was = (_without_bias(values) for values in (evaluation.realized, evaluation.reference))
    if now is None or was is None or was.skill <= 0:
        return evidence
    skill = LossPart(now.skill / was.skill, now.variance / was.skill**2)
    return replace(evidence, recalibrated=now.gain, skill=skill)


def _with_mix(evidence: LossEvidence, evaluation: Evaluation, baseline: Baseline) -> LossEvidence:
    """Return evidence about an error rate with what the proportions of several classes explain."""
    now = evaluation.confusion
    if evidence.loss != "error" or now is None:
        return evidence
    was = confusion(baseline.pane, len(now))
    return evidence if was is None else replace(evidence, mix=class_mix(now, was, baseline.task.classes))


def _with_estimate(evidence: LossEvidence, evaluation: Evaluation) -> LossEvidence:
    """Return evidence in which shifted inputs explain at least the loss that was estimated without outcomes.

    They explain it even if none of them drifts for certain, if the outcomes are as expected from the scores: these then
    show that the rows are harder than before.
    """
    metric = METRICS[evidence.loss]
    estimate, was = evaluation.estimated.get(metric), evaluation.reference.get(metric)
    if estimate is None or estimate.value is None or was is None or was.value is None:
        return evidence
    expected = -direction(metric) * (estimate.value - was.value)
    if expected <= evidence.together.value:
        return evidence
    return replace(evidence, together=LossPart(expected, evidence.excess.variance))


def _is_worse(evaluation: Evaluation) -> bool:
    """Return True if the outcomes show a loss, or may: days that show one together must have their evidence."""
    changes = evaluation.realized_changes
    compared = [evaluation.level, evaluation.constant_comparison, *changes.values()]
    return any(map(is_significant, compared)) or any(
        change.margin is not None and -direction(name) * change.change >= change.margin
        for name, change in changes.items()
    )


def _without_bias(values: Mapping[str, MetricValue]) -> Recalibration | None:
    """Return a regression's root mean squared error and coefficient of determination without its bias.

    None if a metric is unknown.
    """
    bias, rmse, r2 = (values[name].value if name in values else None for name in ("bias", "rmse", "r2"))
    if bias is None or rmse is None or r2 is None or r2 >= 1 or rmse <= 0:
        return None
    left = max(rmse**2 - bias**2, 0.0)
    return Recalibration(rmse - left**0.5, 1 - (1 - r2) * left / rmse**2, 0.0)


def kind_of_change(
    evaluation: Evaluation,
    pane: Pane | None = None,
    baseline: Baseline | None = None,
    fit: OutcomeFit | None = None,
) -> KindOfChange | None:
    """Return the kind of change of a window; None without a change.

    Args:
        evaluation: The window, complete except for this.
        pane: Pane of the window; None if the sums are unknown.
        baseline: Baseline whose outcomes estimates are learned from.
        fit: The result of :func:`window_fit`.
    """
    broken = [
        objective
        for objective in evaluation.objectives
        if objective.state == "broken" and objective.metric in SERVICE_METRICS
    ]
    if broken:
        return KindOfChange(
            "service", "service_changed", tuple(facts.RuleBroken(rule=expectation.rule) for expectation in broken)
        )
    if not any(objective.metric in SERVICE_METRICS for objective in evaluation.objectives):
        failure = service_failing(evaluation)
        if failure is not None:
            return KindOfChange("service", "service_changed", (failure,))
    faults = [finding for finding in evaluation.findings if is_faulty(finding, evaluation.loss_evidence)]
    output = next(output_faults(evaluation), None)
    if output is not None and explains_ranking(kind_of_loss(evaluation.loss_evidence), output, evaluation):
        output = None
    if output is not None and not any(map(output.follows_from, faults)):
        return KindOfChange("output_fault", "output_faulty", (output.fact,))
    if (labels := outcomes_of_one_class(evaluation)) is not None:
        return KindOfChange("data_fault", "data_faulty", (labels,))
    if faults:
        return KindOfChange("data_fault", "data_faulty", tuple(map(facts.NamedFinding, faults)))
    if pane is not None and baseline is not None and (answer := default_answer(evaluation, pane, baseline)):
        return KindOfChange("service", "service_changed", (answer, facts.NoInputDrifts()))
    moved = _drift_facts(evaluation)
    if evaluation.maturity == "mature" and (proven := _proven(evaluation, fit, moved)) is not None:
        return proven
    return _without_outcomes(evaluation, moved)


def window_fit(evaluation: Evaluation, pane: Pane, baseline: Baseline, task: Task) -> OutcomeFit | None:
    """Return the result of :func:`outcome_fit` of a window; None before its outcomes are complete."""
    if evaluation.maturity != "mature":
        return None
    meaning = score_meaning(pane, baseline, task, evaluation.window.end - evaluation.window.start)
    return None if meaning is None else outcome_fit(pane, meaning.rates, baseline.pane, meaning.between)


def _proven(evaluation: Evaluation, fit: OutcomeFit | None, moved: tuple[Fact, ...]) -> KindOfChange | None:
    """Return the kind of change that outcomes prove; None without one."""
    evidence = evaluation.loss_evidence
    rates = () if fit is None else (facts.PositiveRate(observed=fit.observed, expected=fit.expected),)
    kind = kind_of_loss(evidence)
    if kind in ("", "label_shift") and fit is not None and _is_label_shift(fit):
        return KindOfChange("label_shift", "proportions_changed", (*rates, facts.ScoresOfClassesHold(), *moved))
    if evidence is not None and evidence.mix is not None and kind == "label_shift":
        return KindOfChange(kind, "proportions_changed", (proportions_changed(evidence), *moved))
    if evidence is not None and kind == "covariate_shift":
        share = explained_share(evidence)
        explained = () if share is None else (facts.InputsExplain(share=share, drifted=bool(evidence.inputs)),)
        return KindOfChange(kind, "inputs_explain", (*explained, *moved)) if explained or moved else None
    if kind == "calibration":
        return KindOfChange(kind, "level_off", (*rates, *moved))
    if kind == "concept_change":
        unexplained = no_input_explains(evaluation, evidence, meaning=False)
        return KindOfChange(kind, "meaning_changed", (*rates, *filter(None, [unexplained]), *moved))
    worse = next((name for name, change in evaluation.realized_changes.items() if is_significant(change)), None)
    if worse is not None and evidence is None and evaluation.features and not moved:
        return KindOfChange("concept_change", "meaning_changed", (facts.WorseWithoutDrift(metric=worse),))
    if fit is not None and fit.p_value > LEVEL and moved:
        return KindOfChange("covariate_shift", "inputs_moved_as_expected", (*moved, facts.OutcomesAsExpected()))
    return None


def is_faulty(finding: Finding, evidence: LossEvidence | None = None) -> bool:
    """Return True for findings that are a fault of the data, of any severity that their check allows.

    Args:
        finding: The finding.
        evidence: What the rows of a loss show about its cause; None without a loss.
    """
    if finding.check == "constant" and (finding.was or 0.0) >= 0.5:
        return False  # most rows had this value before
    if may_be_unit(finding):
        return is_proven_unit(finding, evidence)
    return finding.check in STRUCTURAL or finding.severity in GROSS.get(finding.check, ())


def may_be_unit(finding: Finding) -> bool:
    """Return True for another unit of most values that growth, or other rows, may explain as well."""
    return finding.check == "unit_change" and finding.severity == "minor" and (finding.now or 0.0) >= EXPLAINED


def is_proven_unit(finding: Finding, evidence: LossEvidence | None) -> bool:
    """Return True if a feature may be in a named unit, and a loss does not return with its old distribution.

    The same values have other outcomes than before, which growth does not explain.
    """
    if evidence is None or not may_be_unit(finding) or not finding.units or not _is_loss(evidence.excess):
        return False
    parts = [evidence.inputs[name] for name in finding.features if name in evidence.inputs]
    return bool(parts) and not any(is_explained(part, evidence.excess.value) for part in parts)


def _drift_facts(evaluation: Evaluation) -> tuple[Fact, ...]:
    """Return the facts about drifting inputs and scores; () without any."""
    drifted = [name for name, feature in evaluation.features.items() if feature.state == "drift"]
    moved: list[Fact] = [facts.ColumnsDrift(names=tuple(drifted))] if drifted else []
    outputs = [
        output for output in (evaluation.score, evaluation.predicted) if output is not None and output.state == "drift"
    ]
    moved += [facts.OutputDrifts(name=output.words) for output in outputs[:1]]
    return tuple(moved)


def _without_outcomes(evaluation: Evaluation, moved: tuple[Fact, ...]) -> KindOfChange | None:
    shift = evaluation.label_shift
    if shift is not None and shift.explains == "labels":
        return KindOfChange("label_shift", "proportions_changed_by_scores", (facts.LabelShift.of(shift), *moved))
    if not moved:
        return None
    if shift is not None and shift.explains == "either":
        return KindOfChange("covariate_shift", "inputs_or_proportions_moved", (*moved, facts.LabelShift.of(shift)))
    has_outcomes = evaluation.outcome_rows >= FEWEST and evaluation.maturity == "mature"
    return KindOfChange("covariate_shift", "inputs_moved" if has_outcomes else "inputs_moved_without_outcomes", moved)
