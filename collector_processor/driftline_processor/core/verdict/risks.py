"""Signs of one window that its model may be degraded: faulty data, estimates, and what moved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from driftline_processor.core import facts
from driftline_processor.core.change import is_proven_unit
from driftline_processor.core.drift.incident import AT_ONCE, WHERE
from driftline_processor.core.drift.rule import ALPHA
from driftline_processor.core.evaluation import ColumnDrift, Evaluation, Finding, LossEvidence
from driftline_processor.core.fact import Fact
from driftline_processor.core.output_faults import is_of_output, outcomes_of_one_class
from driftline_processor.core.performance.changes import is_significant
from driftline_processor.core.quality.checks.out_of_range import CHECK as OUT_OF_RANGE
from driftline_processor.core.quality.checks.unseen import CHECK as UNSEEN

from .comparisons import deciding_change, depends_on_rate, in_report_order, may_be_worse
from .levels import miscalibrated
from .sign import OUTCOMES, Reason, Sign, is_clear, known_outcomes, signed

RARE = 0.001
"""P-value from which on a drift is said to be rarer than at the level of drift."""


_SIZES = ("moderate", "large")
"""Sizes of drift that put a model at risk. Small drift, even if significant, needs no action."""


def signs_of_risk(evaluation: Evaluation) -> list[Sign]:
    """Return the signs of a possible degradation, data faults first."""
    return [
        *_faulty_outcomes(evaluation),
        *_faulty_data(evaluation),
        *_worse_inside_margin(evaluation),
        *miscalibrated(evaluation),
        *_worse_estimates(evaluation),
        *_moved_predictions(evaluation),
        *_moved_inputs(evaluation),
        *_moved_slices(evaluation),
        *_moved_together(evaluation),
    ]


def _worse_inside_margin(evaluation: Evaluation) -> Iterator[Sign]:
    """Yield a sign if the deciding metric is significantly worse, and the margin is inside its interval."""
    decides = deciding_change(evaluation)
    if decides is None or not evaluation.has_mature_outcomes:
        return
    name, change = decides
    if change.state == "inconclusive" and is_significant(change):
        fact = may_be_worse(name, change, "", evaluation.outcome_rows)
        yield Sign("worse", fact, facts.CertainlyWorse(*known_outcomes(evaluation)), name, *signed(change))


def _faulty_outcomes(evaluation: Evaluation) -> Iterator[Sign]:
    one_class = outcomes_of_one_class(evaluation)
    if one_class is not None:
        yield Sign("data", one_class, facts.FaultCertain(), "actual_rate", clear=True, part=OUTCOMES)


def _faulty_data(evaluation: Evaluation) -> Iterator[Sign]:
    for finding in evaluation.findings:
        if is_fault(finding, evaluation.loss_evidence):
            yield _fault_sign("data", finding, facts.FaultCertain())
    for expectation in evaluation.expected:
        if expectation.state == "broken":
            shown_fact, certainty = (
                facts.ExpectationBroken(expected=expectation),
                facts.RowsCounted(expected=expectation),
            )
            features = (expectation.feature,) if expectation.feature else ()
            yield Sign(
                "data",
                shown_fact,
                certainty,
                clear=True,
                features=features,
                part=f"{expectation.feature} {expectation.rule}",
            )


def _fault_sign(reason: Reason, finding: Finding, certainty: Fact) -> Sign:
    effect = None if finding.was is None or finding.now is None else finding.now - finding.was
    part = f"{finding.check}:{','.join(finding.features)}"
    return Sign(reason, finding, certainty, finding.check, effect, clear=True, features=finding.features, part=part)


def is_fault(finding: Finding, evidence: LossEvidence | None = None) -> bool:
    """Return True for critical data faults, and another unit that a loss proves.

    Out-of-range and unseen values may be real and count as drift.
    """
    may_be_real = finding.check in (OUT_OF_RANGE.name, UNSEEN.name)
    is_grave = finding.severity == "critical" or is_proven_unit(finding, evidence)
    return is_grave and not may_be_real and not is_of_output(finding)


def _worse_estimates(evaluation: Evaluation) -> Iterator[Sign]:
    """Yield metrics that are estimated to be worse, if outcomes are not available."""
    if evaluation.has_mature_outcomes:
        return
    worse = [
        name for name, estimated_change in evaluation.estimated_changes.items() if estimated_change.state == "worse"
    ]
    for name in in_report_order(worse):
        if depends_on_rate(name):
            continue
        change, estimate = evaluation.estimated_changes[name], evaluation.estimated.get(name)
        if estimate is not None and estimate.record.state == "failed":
            continue
        inside = None if estimate is None or not estimate.record.windows else estimate.record.inside
        shown_fact = facts.EstimateMoved(metric=name, change=change.change, low=change.low, high=change.high)
        certainty = facts.EstimateAssumes(inside=inside)
        clear = is_clear(change.low, change.high)
        yield Sign("estimate", shown_fact, certainty, name, *signed(change), clear=clear, part=f"estimate:{name}")


def _moved_predictions(evaluation: Evaluation) -> Iterator[Sign]:
    for part, column in (("score", evaluation.score), ("class", evaluation.predicted)):
        if column is not None and _matters(column):
            shown_fact = facts.OutputMoved(column=column.column, name=column.words)
            yield _drift_sign("score", part, shown_fact, column, evaluation)


def _moved_inputs(evaluation: Evaluation) -> Iterator[Sign]:
    """Yield new values and the drift of inputs, sorted by the importance of their cause if known.

    New values that are not critical are signs if the drift of their column is not: no day of the baseline has them, so
    they wait neither for more days nor for more rows.
    """
    for finding in evaluation.findings:
        if is_fault(finding) or is_of_output(finding):
            continue
        if finding.severity == "critical" or (finding.severity == "major" and _hides_new_values(finding, evaluation)):
            yield _fault_sign("inputs", finding, facts.FindingCertain())
    weights: Mapping[str, float] = {}
    if evaluation.explanation is not None:
        causes = evaluation.explanation.causes
        weights = {name: 1.0 / (index + 1) for index, cause in enumerate(causes) for name in cause.features}
    moved = [feature for feature in evaluation.features.values() if _matters(feature)]
    moved.sort(key=lambda column: (-weights.get(column.name, 0.0), -(column.effect or 0.0), column.name))
    for column in moved:
        shown_fact = facts.ColumnMoved(name=column.name)
        yield _drift_sign("inputs", f"feature:{column.name}", shown_fact, column, evaluation)


def _hides_new_values(finding: Finding, evaluation: Evaluation) -> bool:
    """Return True if a column has new values, and its drift does not show them."""
    columns = [evaluation.features.get(name) for name in finding.features]
    return finding.check in (OUT_OF_RANGE.name, UNSEEN.name) and not any(one and _matters(one) for one in columns)


def _matters(column: ColumnDrift) -> bool:
    return column.state == "drift" and column.size in _SIZES


def _drift_sign(reason: Reason, part: str, shown_fact: Fact, column: ColumnDrift, evaluation: Evaluation) -> Sign:
    decisive = column.methods.get(column.decided_by)
    p = None if decisive is None else decisive.p_value
    clear = part in evaluation.incident or (p is not None and max(p, column.p_normal_variation or 0.0) <= AT_ONCE)
    days = column.p_normal_variation is not None
    certainty: Fact = facts.DriftBeyondChance(
        rows=column.rows,
        size=column.size,
        chance=_chance(p),
        days=days,
        name=column.words,
        of_output=column.column != "feature",
    )
    if column.reason == "too_few_days":
        certainty = facts.DriftWithTooFewDays()
    since = evaluation.incident.get(part)
    features = (column.name,) if column.column == "feature" else ()
    effect = column.effect
    return Sign(
        reason, shown_fact, certainty, column.decided_by, effect, clear=clear, since=since, features=features, part=part
    )


def _chance(p: float | None) -> float:
    """Return the fraction of windows without drift that show as much: the level of drift, or 0.001 if p is below it."""
    return RARE if p is not None and p <= RARE else ALPHA


def _moved_slices(evaluation: Evaluation) -> Iterator[Sign]:
    for name, slice_drift in sorted(evaluation.slices.items(), key=lambda one: (-one[1].rows, one[0])):
        columns = [one for one in slice_drift.drifted() if one.size in _SIZES]
        if slice_drift.state == "drift" and columns:
            yield _slice_sign(name, columns[0], evaluation)


def _slice_sign(name: str, column: ColumnDrift, evaluation: Evaluation) -> Sign:
    part = f"feature:{column.name}" if column.column == "feature" else column.column
    shown_fact: Fact = facts.ColumnMoved(name=column.name)
    if column.column != "feature":
        shown_fact = facts.OutputMoved(column="score", name=column.words)
    return replace(_drift_sign("slice", f"{part}{WHERE}{name}", shown_fact, column, evaluation), slice=name)


def _moved_together(evaluation: Evaluation) -> Iterator[Sign]:
    for joint_drift in evaluation.joint.values():
        if joint_drift.state == "drift":
            features = joint_drift.contributors[0].features if joint_drift.contributors else ()
            clear = joint_drift.p_value is not None and joint_drift.p_value <= AT_ONCE
            shown_fact = facts.RelationChanged(features=features)
            certainty = facts.JointDriftBeyondChance(rows=joint_drift.rows, chance=_chance(joint_drift.p_value))
            part = f"together:{joint_drift.method}"
            yield Sign(
                "together",
                shown_fact,
                certainty,
                joint_drift.method,
                joint_drift.effect,
                clear=clear,
                features=features,
                part=part,
            )


def has_small_drift(evaluation: Evaluation) -> bool:
    """Return True if there is drift, and all of it is small."""
    columns = [*evaluation.features.values(), evaluation.score, evaluation.predicted]
    drifted = [column for column in columns if column is not None and column.state == "drift"]
    return bool(drifted) and not any(_matters(column) for column in drifted)
