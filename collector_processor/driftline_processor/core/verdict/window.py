"""Verdict of one window: its state, its first cause as a fact and a kind of change, and the advice."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.core import facts
from driftline_processor.core.change import EXPLAINED, explains_ranking
from driftline_processor.core.drift.incident import WHERE
from driftline_processor.core.estimate.estimator import FEWEST
from driftline_processor.core.evaluation import (
    ChangeKind,
    Evaluation,
    Finding,
    InconclusiveReason,
    LaterFinding,
    LossEvidence,
    MetricChange,
    ServiceLevel,
    SlicePerformance,
    UnknownReason,
    Verdict,
)
from driftline_processor.core.fact import Fact, columns_of
from driftline_processor.core.intervals.confidence import NORMAL
from driftline_processor.core.output_faults import output_faults
from driftline_processor.core.performance.margin import DECIDING
from driftline_processor.core.performance.objective import LEAST_ROWS
from driftline_processor.core.performance.objective_states import ALL_REVIEWED, POWER
from driftline_processor.core.quality.checks.duplicates import CHECK as DUPLICATES
from driftline_processor.core.quality.checks.out_of_range import CHECK as OUT_OF_RANGE
from driftline_processor.core.quality.checks.unseen import CHECK as UNSEEN
from driftline_processor.core.service_level.failing import EARLIER, tells_usual
from driftline_processor.core.service_level.level import METRICS as SERVICE_METRICS
from driftline_processor.core.versions.side_by_side import SideBySide
from driftline_processor.core.windows.window import DAY, closes_at

from .context import NO_CONTEXT, VerdictContext
from .episode import KINDS_OF_ALL_ROWS, NO_EPISODE, Episode, episode_of
from .roles import LaterPart, course_of, end_of_cause, later_parts, windows_of_cause, without_older
from .signs import (
    OF_OUTPUT,
    OUTCOMES,
    Sign,
    deciding_change,
    has_small_drift,
    in_report_order,
    inconclusive_reason,
    is_certainly_worse,
    is_fault,
    is_fine,
    is_surely_off,
    level_off,
    metric_moved,
    no_loss,
    signs_of_loss,
    signs_of_risk,
    slice_fact,
    worse_metrics,
)
from .trailing_periods import LENGTHS

REACH = NORMAL + POWER
"""Normal quantile of 0.95 plus the power: standard errors between a value and its limit at which a test at 5 % has 90 %
power.
"""

WORTH_FINDING = 0.05
"""Drop of accuracy that the requested labels should detect: five points, as between versions (evidence/versions.json).
"""

FURTHER = 1.5
"""Factor by which a drift must exceed the size at which outcomes showed it to be harmless, to be a risk again."""

_REPAIRS: Mapping[str, type[facts.Repair]] = {
    DUPLICATES.name: facts.StopDuplicates,
    "actual_rate": facts.CheckLabels,
}
"""Checks of whole rows, and metrics of outcomes, with an advice of their own."""

OF_RANKS = frozenset({"roc_auc", "roc_auc_ovr", "average_precision", "ks", "lift@0.1", "gain@0.1"})
"""Metrics of the ranking, which recalibration does not change."""


def repair(
    reading: Reading, cause: FirstCause, episode: Episode, since: int | None, windows: Sequence[Evaluation] = ()
) -> Fact:
    """Return the advice for a degraded model: what its kind of change asks for.

    Args:
        reading: The deciding window.
        cause: The first cause.
        episode: What all windows of the degradation show.
        since: Since when the model is degraded, unix nanoseconds.
        windows: These windows. Default: that of the reading.
    """
    evaluation, signs, context = reading.evaluation, reading.signs, reading.context
    first = signs[0]
    outcomes_since = facts.Since(since, context.timezone, reading.of_days)
    if first.reason == "service":
        return facts.RepairService(fault=first.fact)
    if cause.kind == "output_fault":
        return facts.RepairOutput(fault=first.fact)
    fault = episode.fault or (_worst_fault(evaluation) if cause.kind == "data_fault" else None)
    if fault is not None:
        return _repair_data(fault)
    better = next((version for version in context.versions if _is_better(version, evaluation.key.version)), None)
    if better is not None:
        return _change_version(better)
    where = first.slice or ("" if episode.slice is None else episode.slice.name)
    wait = _wait_to_retrain(windows or (evaluation,), where)
    return wait or _learn_anew(evaluation, cause, episode, where, outcomes_since)


def _learn_anew(evaluation: Evaluation, cause: FirstCause, episode: Episode, where: str, since: facts.Since) -> Fact:
    """Return how to learn what has changed: with a slice, a new level, a new range, or all of it."""
    if where and cause.kind not in KINDS_OF_ALL_ROWS:
        return facts.RetrainWithSlice(slice=where, since=since, check_outcomes=cause.kind == "concept_change")
    if cause.kind in ("calibration", "label_shift") or (not cause.kind and _only_its_level_moved(evaluation)):
        return _recalibrate(evaluation, since)
    new = None if cause.kind == "concept_change" else _new_values(evaluation, cause)
    if new is not None:
        return facts.RetrainWithRange(column=new.features[0], outside=new.now or 0.0, since=since)
    if episode.kind == "covariate_shift" and not _has_drifted(episode):
        return facts.RowsAreHarder()
    return facts.Retrain(since=since, check_outcomes=cause.kind == "concept_change")


def _wait_to_retrain(windows: Sequence[Evaluation], slice: str = "") -> facts.WaitToRetrain | None:
    """Return the advice to wait for more outcomes of a degradation, or of its slice; None if there are enough."""
    parts = [one.performance_slices.get(slice) if slice else one for one in windows]
    known = [
        (one.rows, one.metrics) if isinstance(one, SlicePerformance) else (one.outcome_rows, one.realized)
        for one in parts
        if one is not None
    ]
    outcomes = sum(rows for rows, _ in known)
    if not 0 < outcomes < LEAST_ROWS:
        return None
    right = [(rows, metrics["accuracy"].value) for rows, metrics in known if rows and "accuracy" in metrics]
    wrong = sum(round(rows * (1 - share)) for rows, share in right if share is not None)
    return facts.WaitToRetrain(outcomes, LEAST_ROWS, wrong if right else None, slice)


def look_again(advice: Fact | None) -> Fact | None:
    """Return the advice to check the next window first, unless the advice is to wait."""
    return advice if advice is None or isinstance(advice, facts.WaitToRetrain) else facts.LookAgain(then=advice)


def _recalibrate(evaluation: Evaluation, since: facts.Since) -> Fact:
    sides = (evaluation.realized.get("roc_auc"), evaluation.reference.get("roc_auc"))
    auc, was = (None if side is None else side.value for side in sides)
    return facts.Recalibrate(roc_auc=auc, baseline=was, since=since)


def look_closer(evaluation: Evaluation, signs: Sequence[Sign], context: VerdictContext) -> Fact:
    """Return the advice for a model at risk: repair the data, or get outcomes."""
    fault = next((sign for sign in signs if sign.reason == "data"), None)
    if fault is not None and fault.features:
        return facts.RepairColumns(columns=fault.features, fault=fault.fact)
    if fault is not None:
        return _REPAIRS.get(fault.metric, facts.RepairData)(fault.fact)
    if signs[0].reason == "level":
        since = facts.Since(evaluation.window.start, context.timezone, of_days=False)
        return _wait_to_retrain((evaluation,)) or _recalibrate(evaluation, since)
    return outcomes_wanted(evaluation, context)


def outcomes_wanted(evaluation: Evaluation, context: VerdictContext) -> Fact:
    """Return the advice for an inconclusive model: how to get conclusive outcomes.

    Args:
        evaluation: The window.
        context: Facts in addition to the windows.
    """
    unknown = context.unknown_outcomes(evaluation)
    if unknown is not None:
        return facts.CorrectOutcomes(unknown=unknown)
    if not evaluation.closed:
        closes = closes_at(evaluation.window) + context.lag
        return facts.WaitForEndOfWindow(end=closes, timezone=context.timezone)
    if evaluation.young:
        return facts.WaitForOutcomes(immature=evaluation.immature)
    other = _beyond_outcomes(evaluation, context) if evaluation.has_mature_outcomes else None
    return other or _more_outcomes(evaluation, context)


def _beyond_outcomes(evaluation: Evaluation, context: VerdictContext) -> Fact | None:
    """Return what an inconclusive window with outcomes needs instead of more of them; None if more will do."""
    if has_no_skill(evaluation):
        return facts.RecalibrateFirst()
    reason = inconclusive_reason(evaluation)
    larger = _larger_baseline(evaluation) if reason in ("too_few_days", "too_few_rows") else None
    if larger is not None:
        return larger
    if reason == "too_few_days":
        return longer_window(evaluation, context, "too_few_days")
    decides = deciding_change(evaluation)
    if decides is not None and _needs_unreviewed(evaluation, decides[0]):
        return facts.ReviewDecisions()
    if reason == "harder_outcomes":
        return facts.CompareWithSuchRows()
    return None if evaluation.reference or evaluation.objectives else facts.SetObjective()


def _more_outcomes(evaluation: Evaluation, context: VerdictContext) -> Fact:
    """Return how to get as many outcomes as can be conclusive."""
    needed = labels_needed(evaluation)
    outcomes = 0 if needed is None else needed.outcomes
    if evaluation.outcome_rows == 0:
        if needed is None or outcomes > evaluation.rows:
            return facts.SendOutcomes()
        return facts.SendOutcomesOrLabel(needed=needed)
    if needed is None or outcomes <= evaluation.outcome_rows:
        if (evaluation.coverage or 0.0) >= ALL_REVIEWED:
            return longer_window(evaluation, context, "too_few_rows", rows=evaluation.rows)
        return facts.SendMoreOutcomes()
    if outcomes <= evaluation.rows:
        return facts.LabelMore(more=outcomes - evaluation.outcome_rows, needed=needed)
    return longer_window(evaluation, context, "too_few_rows", needed=needed, rows=evaluation.rows)


def longer_window(
    evaluation: Evaluation,
    context: VerdictContext,
    reason: InconclusiveReason,
    needed: facts.Needed | None = None,
    rows: int | None = None,
) -> Fact:
    """Return how to get a longer window: wait for an open one that contains this one, else configure one.

    Args:
        evaluation: The window.
        context: Facts in addition to the windows.
        reason: What the window has too little of.
        needed: The outcomes that can be conclusive; None if unknown.
        rows: The rows of the window, if they are too few.
    """
    window = evaluation.window
    longer = [
        coming
        for coming in context.coming
        if coming.start <= window.start and window.end <= coming.end and coming != window
    ]
    if longer:
        first = min(longer, key=lambda coming: coming.end)
        return facts.WaitForLongerWindow(reason, needed, rows, first.start, first.end, context.timezone)
    return (facts.EvaluateLongerWindow if window.name else facts.EvaluateMoreRows)(reason, needed, rows)


def keep(evaluation: Evaluation) -> Fact:
    """Return the advice for a healthy model: nothing, even with drift, except to repair faulty data."""
    fault = _worst_fault(evaluation)
    if fault is not None and fault.features:
        return facts.RepairColumnsAllTheSame(columns=fault.features, fault=fault)
    if fault is not None:
        return _repair_data(fault)
    at_threshold = [name for name in in_report_order(worse_metrics(evaluation)) if name not in OF_RANKS]
    if at_threshold:
        return facts.CheckThreshold(moved=metric_moved(at_threshold[0], evaluation))
    if has_small_drift(evaluation):
        return facts.IgnoreDrift(small=True)
    if any(feature.state == "drift" for feature in evaluation.features.values()):
        return facts.IgnoreDrift(small=False)
    return facts.NothingToDo()


def labels_needed(evaluation: Evaluation) -> facts.Needed | None:
    """Return the number of outcomes of the undecided metric that can be conclusive; None if unknown.

    The metric that decides is the undecided one; without one, all objectives must be met, so it is the one that needs
    most. If no outcome is known, the number detects a drop of accuracy by :data:`WORTH_FINDING` with 90 % power.
    """
    decides = deciding_change(evaluation)
    if decides is not None:
        return _needed_to_decide(evaluation, *decides)
    accuracy = evaluation.reference.get("accuracy")
    if accuracy is not None and accuracy.value is not None:
        share = min(max(accuracy.value - WORTH_FINDING, 0.0), 1.0)
        outcomes = math.ceil(share * (1 - share) * (REACH / WORTH_FINDING) ** 2 / 10) * 10
        return facts.Needed(max(FEWEST, outcomes), "accuracy")
    needed = [
        facts.Needed(objective.needed, objective.metric, objective.rule)
        for objective in evaluation.objectives
        if objective.state == "inconclusive" and objective.needed and objective.metric not in SERVICE_METRICS
    ]
    return max(needed, key=lambda one: one.outcomes, default=None)


def _needed_to_decide(evaluation: Evaluation, metric: str, change: MetricChange) -> facts.Needed | None:
    """Return the outcomes with which half the interval of a change is the margin; None if unknown.

    The variance of the window falls with its outcomes, that of the baseline does not.
    """
    of_baseline = _half_of_baseline(evaluation, metric) ** 2
    if change.low is None or change.high is None or not change.margin or change.margin**2 <= of_baseline:
        return None
    if evaluation.maturity == "mature" and change.reason != "too_few_rows":
        return None  # more outcomes of these rows are not conclusive either
    of_window = max(((change.high - change.low) / 2) ** 2 - of_baseline, 0.0)
    outcomes = math.ceil(evaluation.outcome_rows * of_window / (change.margin**2 - of_baseline) / 10) * 10
    covered = (one.needed for one in evaluation.immature if isinstance(one, facts.CoverageTooLow))
    return facts.Needed(max(outcomes, *(math.ceil(share * evaluation.rows) for share in covered), 0), metric)


def _half_of_baseline(evaluation: Evaluation, metric: str) -> float:
    """Return half the interval of a metric in the baseline; 0.0 if unknown."""
    was = evaluation.reference.get(metric)
    return 0.0 if was is None or was.low is None or was.high is None else (was.high - was.low) / 2


def _larger_baseline(evaluation: Evaluation) -> Fact | None:
    """Return the advice to build a larger baseline if no window can be conclusive with this one; else None."""
    decides = deciding_change(evaluation)
    if decides is None or not decides[1].margin or _half_of_baseline(evaluation, decides[0]) < decides[1].margin:
        return None
    metric, margin = decides[0], decides[1].margin
    if metric.partition("@")[0] not in DECIDING:
        return None  # it decides only in a window with too few rows for the others
    half = _half_of_baseline(evaluation, metric)
    # twice: so that a window as large as the baseline has half of the variance that the margin allows
    rows = 2 * evaluation.reference[metric].rows * (half / margin) ** 2
    return facts.BuildLargerBaseline(metric, half, margin, round(rows))


def _worst_fault(evaluation: Evaluation) -> Finding | None:
    """Return the first critical data fault, of columns before those of whole rows; None without any.

    Of several columns with the same fault, it is the one that ranks first among the causes of drift.
    """
    faults = [finding for finding in evaluation.findings if is_fault(finding, evaluation.loss_evidence)]
    first = min(faults, key=lambda finding: not finding.features, default=None)
    causes = () if evaluation.explanation is None else evaluation.explanation.causes
    ranked = [name for cause in causes for name in cause.features]
    same = [finding for finding in faults if first is not None and finding.features and finding.check == first.check]
    in_order = (finding for name in ranked for finding in same if name in finding.features)
    return first if first is None or not first.features else next(in_order, first)


def _repair_data(fault: Finding) -> Fact:
    if fault.features:
        return facts.RepairColumns(columns=fault.features, fault=fault)
    return _REPAIRS.get(fault.check, facts.RepairData)(fault)


def _new_values(evaluation: Evaluation, cause: FirstCause) -> Finding | None:
    """Return the finding that most values of the cause, or of an unknown shifted input, are new; None without one."""
    shifted = cause.kind == "covariate_shift" and not cause.features
    return next(
        (
            finding
            for finding in evaluation.findings
            if _has_new_values(finding) and (shifted or finding.features == cause.features)
        ),
        None,
    )


def _has_new_values(finding: Finding) -> bool:
    """Return True if most values of an input are new, and so no outliers."""
    return finding.check in (OUT_OF_RANGE.name, UNSEEN.name) and (finding.now or 0.0) >= 0.5


def _is_better(side_by_side: SideBySide, version: str) -> bool:
    """Return True if a challenger is better than this version as its champion."""
    return side_by_side.verdict == "better" and side_by_side.champion.name == version


def _change_version(better: SideBySide) -> Fact:
    decides, name = better.decides, better.challenger.name
    if decides is None or decides.challenger is None or decides.champion is None:
        return facts.ChangeVersion(version=name)
    return facts.ChangeVersion(
        version=name, loss=decides.loss, challenger=decides.challenger, champion=decides.champion
    )


def _only_its_level_moved(evaluation: Evaluation) -> bool:
    """Return True if the ranking of scores is unchanged, so that only their level or the threshold is off."""
    rank, was = evaluation.realized.get("roc_auc"), evaluation.reference.get("roc_auc")
    if rank is None or was is None or rank.value is None or was.value is None:
        return False
    change = evaluation.realized_changes.get("roc_auc")
    state = "inconclusive" if change is None else change.state
    if state == "worse" or (state == "inconclusive" and rank.value < was.value):
        return False
    if set(worse_metrics(evaluation)) - OF_RANKS:
        return True
    return is_surely_off(evaluation)


class FirstCause(NamedTuple):
    """The first cause of the signs of a window.

    Attributes:
        fact: The cause; None if unknown.
        kind: The kind of change; "" if unknown.
        features: The affected features; () for a slice.
        other_features: Other features that drifted.
    """

    fact: Fact | None
    kind: ChangeKind | Literal[""]
    features: tuple[str, ...] = ()
    other_features: tuple[str, ...] = ()

    def reason(self, kind: type[facts.Explained]) -> facts.Explained | None:
        """Return a fact of the given kind about the cause; None if the cause is unknown."""
        return None if self.fact is None else kind(self.fact, self.other_features)


def first_cause(evaluation: Evaluation, signs: Sequence[Sign], episode: Episode = NO_EPISODE) -> FirstCause:
    """Return the first cause: a data fault, else the slice in which the model became worse, else the main drift.

    Causes of drift are sorted by :mod:`~driftline_processor.core.explain`, by importance if known. If the rows of a
    degradation were read, drift is a cause only if the loss returns with it.

    Args:
        evaluation: The window.
        signs: Its signs; the verdict is about the first.
        episode: All windows of the degradation; empty for other states.
    """
    kind = kind_of_change(evaluation, signs, episode)
    if signs and signs[0].reason == "service":
        return FirstCause(None, kind)
    fault = episode.fault or _worst_fault(evaluation)
    if signs and (signs[0].part == OUTCOMES or (signs[0].reason in OF_OUTPUT and kind == "output_fault")):
        return FirstCause(signs[0].fact, kind)
    if fault is not None:
        return FirstCause(fault, kind, fault.features)
    if episode.slice is not None:
        return FirstCause(slice_fact(episode.slice, episode.slice.name), kind)
    causes = () if evaluation.explanation is None else evaluation.explanation.causes
    if episode.evidence is not None and not _may_explain(episode.evidence):
        causes = ()
    first = episode.cause or next(iter(causes), None)
    if first is None:
        return FirstCause(None, kind)
    names = dict.fromkeys(name for cause in causes for name in cause.features if name not in first.features)
    return FirstCause(first, kind, first.features, tuple(names))


def _seen_in(evaluation: Evaluation, episode: Episode) -> Episode:
    """Return an episode with the numbers of a window for its fault and its cause; without any if it shows none."""
    fault, cause = episode.fault, episode.cause
    if fault is not None:
        same = (one for one in evaluation.findings if (one.check, one.features) == (fault.check, fault.features))
        fault = next(same, fault)
    if cause is not None:
        causes = () if evaluation.explanation is None else evaluation.explanation.causes
        without_numbers = replace(cause, changes=(), finding=None)
        cause = next((one for one in causes if one.features == cause.features), without_numbers)
    return episode._replace(fault=fault, cause=cause)


def kind_of_change(evaluation: Evaluation, signs: Sequence[Sign], episode: Episode) -> ChangeKind | Literal[""]:
    """Return the kind of change of a window, or of all windows of a degradation; "" if unknown."""
    if signs and signs[0].reason == "service":
        return "service"
    output = next(output_faults(evaluation), None) if signs and signs[0].reason in OF_OUTPUT else None
    if output is not None and explains_ranking(episode.kind, output, evaluation):
        return episode.kind
    if output is not None:
        return "data_fault" if any(map(output.follows_from, filter(is_fault, evaluation.findings))) else "output_fault"
    if episode.kind:
        return episode.kind
    of_window = evaluation.change_kind
    # rows that show that the loss does not return without a fault refute it
    if of_window is not None and (episode.evidence is None or of_window.kind != "data_fault"):
        return of_window.kind
    if signs and signs[0].reason == "slice_loss":
        return "concept_change"
    faulty = any(sign.reason == "data" for sign in signs)
    return "data_fault" if faulty or any(is_fault(finding) for finding in evaluation.findings) else ""


def looks_as_before(evaluation: Evaluation) -> bool:
    """Return True if every input was compared without drift, and no data check has a finding."""
    if evaluation.explanation is not None and any(cause.check for cause in evaluation.explanation.causes):
        return False
    columns = [*evaluation.features.values(), *(one for one in (evaluation.score,) if one is not None)]
    return bool(evaluation.features) and all(column.state == "ok" for column in columns)


def harmless_drift(evaluation: Evaluation) -> Fact | None:
    """Return the fact about a harmless fault or drift in a healthy model; None without either."""
    fault = _worst_fault(evaluation)
    if fault is not None:
        return FirstCause(fault, "data_fault").reason(facts.HarmlessCause)
    if evaluation.explanation is not None and evaluation.explanation.causes:
        return first_cause(evaluation, ()).reason(facts.HarmlessCause)
    if any(feature.state == "drift" for feature in evaluation.features.values()) or has_small_drift(evaluation):
        return facts.HarmlessInputs()
    if evaluation.score is not None and evaluation.score.state == "drift":
        return facts.HarmlessOutput(name=evaluation.score.words)
    return None


class Reading(Struct, frozen=True):
    """The result of one window for its model.

    Attributes:
        state: The state by this window alone.
        evaluation: The window.
        signs: The signs of the state, the most important first; () without any.
        clear: Whether one window is enough.
        context: Facts in addition to the windows.
    """

    state: Literal["healthy", "degraded", "at_risk", "unknown"]
    evaluation: Evaluation
    signs: tuple[Sign, ...]
    clear: bool
    context: VerdictContext = NO_CONTEXT

    @property
    def decides(self) -> bool:
        """True if the window shows whether the model is healthy."""
        return self.state in ("healthy", "degraded")

    @property
    def stands_out(self) -> bool:
        """True if a sign is too rare by chance to be ignored in a single window."""
        window = self.evaluation.window
        return any(sign.stands_out(window.end - window.start) for sign in self.signs)

    def without(self, harmless: Mapping[str, float]) -> Reading:
        """Return the reading of a risk without the parts that are known to be harmless, unless they moved further.

        Args:
            harmless: The result of :func:`harmless_parts`.
        """
        if self.state != "at_risk" or not harmless:
            return self
        left = tuple(sign for sign in self.signs if not _is_harmless(sign, harmless))
        state: Literal["at_risk", "unknown"] = "at_risk" if left else "unknown"
        return replace(self, state=state, signs=left, clear=any(sign.clear for sign in left))

    @property
    def start(self) -> int | None:
        """Start of the window, unix nanoseconds; None if rows have no time."""
        window = self.evaluation.window
        return window.start if window.end > window.start else None

    @property
    def of_days(self) -> bool:
        """True if the window is a day or longer, so that times of day are omitted."""
        return self.evaluation.window.end - self.evaluation.window.start >= DAY

    def since(self, earliest: int | None = None) -> int | None:
        """Return since when the window alone shows its state.

        Args:
            earliest: Earliest start of an older lasting drift, unix nanoseconds; None = the window's start.
        """
        known_since = self.signs[0].since if self.signs else None
        if known_since is None or self.start is None:
            return self.start if known_since is None else known_since
        if self.signs[0].reason == "slice_loss":
            return known_since  # the windows since then show it together
        return max(known_since, self.start if earliest is None else earliest)


def read_window(
    evaluation: Evaluation, context: VerdictContext = NO_CONTEXT, earlier: Sequence[ServiceLevel] = ()
) -> Reading:
    """Read the state of one window.

    Outcomes have precedence: a drop makes the model degraded whatever the inputs did, and if the outcomes show none,
    the model is healthy in spite of drift. Drift and faulty data put it at risk only if outcomes are inconclusive.

    Args:
        evaluation: The window.
        context: Facts in addition to the windows.
        earlier: Service levels of earlier windows of the same length, see :func:`usual_service`.
    """
    reading = read_outcomes(evaluation, context, earlier)
    if not reading.decides and (risks := signs_of_risk(evaluation)):
        reading = Reading("at_risk", evaluation, tuple(risks), any(risk.clear for risk in risks), context)
    return reading


def read_outcomes(
    evaluation: Evaluation, context: VerdictContext = NO_CONTEXT, earlier: Sequence[ServiceLevel] = ()
) -> Reading:
    """Read whether one window shows its model healthy or degraded, without signs of risk.

    Args:
        evaluation: The window.
        context: Facts in addition to the windows.
        earlier: Service levels of earlier windows of the same length, see :func:`usual_service`.
    """
    losses = signs_of_loss(evaluation, context.concept, earlier)
    if losses:
        return Reading("degraded", evaluation, tuple(losses), any(loss.clear for loss in losses), context)
    fine = no_loss(evaluation)
    if context.has_same_rows:
        fine = Sign("same_rows", facts.SameRows(share=context.same), facts.SameRowsCompared(), clear=True)
    if fine is not None:
        return Reading("healthy", evaluation, (fine,), fine.clear, context)
    return Reading("unknown", evaluation, (), False, context)


def harmless_parts(reading: Reading) -> dict[str, float]:
    """Return the size of each part that drifted in a window, or was in an incident, without a degradation.

    A part of an incident that did not drift in the window has an unlimited size.
    """
    if reading.state != "healthy":
        return {}
    sizes = {one.part: abs(one.effect or 0.0) for one in signs_of_risk(reading.evaluation) if one.part}
    return dict.fromkeys(reading.evaluation.incident, math.inf) | sizes


def _is_harmless(sign: Sign, harmless: Mapping[str, float]) -> bool:
    """Return True if outcomes showed that a part which moved about as far does no harm."""
    shown = max((harmless.get(part, -1.0) for part in (sign.part, sign.part.partition(WHERE)[0])), default=-1.0)
    return shown >= 0 and abs(sign.effect or 0.0) <= FURTHER * shown


def usual_service(evaluations: Iterable[Evaluation]) -> list[tuple[Evaluation, tuple[ServiceLevel, ...]]]:
    """Return each window with the service levels of earlier windows of its length in which the service did not fail.

    So a lasting failure does not become normal. Windows without calls have an empty tuple.

    Args:
        evaluations: Windows of one series, of any lengths, the oldest first.
    """
    usual: dict[str, list[ServiceLevel]] = {}
    with_earlier: list[tuple[Evaluation, tuple[ServiceLevel, ...]]] = []
    for evaluation in evaluations:
        if evaluation.service is None:
            with_earlier.append((evaluation, ()))
            continue
        known = usual.setdefault(evaluation.window.name, [])
        before = tuple(known[-EARLIER:])
        with_earlier.append((evaluation, before))
        if tells_usual(evaluation, before):
            known.append(evaluation.service)
    return with_earlier


def verdict_of(
    reading: Reading,
    since: int | None,
    certainty: Sequence[Fact] = (),
    *,
    alone: bool = False,
    windows: Sequence[Evaluation] = (),
    before: Sequence[Evaluation] = (),
) -> Verdict:
    """Return the verdict for a reading.

    Args:
        reading: The result of the window.
        since: Start of the state, unix nanoseconds; None if unknown.
        certainty: Further facts about certainty.
        alone: Whether no other window determines ``since``.
        windows: All windows of a degradation, the oldest first. Default: that of the reading.
        before: The windows before these.
    """
    if reading.state != "degraded" or len(windows) < 2:
        return _verdict_of(reading, since, certainty, alone, windows)
    known = without_older(windows, before)
    course = course_of(known, before[-1] if before else None)
    later = later_parts(course)
    earlier = windows_of_cause(course, later)
    if len(earlier) == len(windows) and known is windows:
        return _verdict_of(reading, since, certainty, alone, windows)
    windows, first = known, _as_it_began(reading, earlier)
    if first is None:
        return _verdict_of(reading, since, certainty, alone, windows)
    verdict = _verdict_of(first, since, certainty, alone, earlier)
    over = end_of_cause(course, verdict.cause, later)
    if over is None:
        return _shown_by(replace(verdict, later=_later_findings(later, windows, reading)), reading)
    ended = windows[over].window.start if reading.start is not None else None
    lasting = [part for part in later if part.lasts(windows)]
    if not lasting:
        mended = _of_mended(verdict, windows, ended)
        found = _later_findings(later, windows, reading)
        return replace(_verdict_of(reading, since, certainty, alone, windows[over:]), later=(*mended, *found))
    # without the cause, what lasts is what degrades the model, whatever it added to the cause
    later = [part._replace(role="joined", shown=True) if part in lasting else part for part in later]
    found = _later_findings(later, windows, reading)
    advice = next(one.advice for one in found if one.until is None)
    kind = _KINDS.get(lasting[0].subject[0]) or ("data_fault" if isinstance(lasting[0].fact, Finding) else "")
    changed = replace(verdict, later=found, cause_until=ended, advice=advice, kind=kind or verdict.kind)
    return _shown_by(changed, reading)


_KINDS: Mapping[str, ChangeKind] = {"service": "service", **dict.fromkeys(OF_OUTPUT, "output_fault")}
"""Subjects of later findings and their kind of change."""


def _later_findings(
    later: Iterable[LaterPart], windows: Sequence[Evaluation], reading: Reading
) -> tuple[LaterFinding, ...]:
    return tuple(_later_finding(part, windows, reading) for part in later)


def _shown_by(verdict: Verdict, reading: Reading) -> Verdict:
    """Return a verdict about the rows of a reading."""
    end = None if reading.start is None else reading.evaluation.window.end
    return replace(verdict, window_start=reading.start, window_end=end)


def _of_mended(verdict: Verdict, windows: Sequence[Evaluation], ended: int | None) -> Iterator[LaterFinding]:
    """Yield the first cause of a degradation that lasts without it."""
    if verdict.cause is not None and verdict.advice is not None and ended is not None:
        since = windows[0].window.start
        subject = ":".join((verdict.kind, *columns_of(verdict.cause)))
        place = verdict.timezone, verdict.of_days
        yield LaterFinding("mended", verdict.cause, since, ended, verdict.advice, subject, *place)


def _as_it_began(reading: Reading, windows: Sequence[Evaluation]) -> Reading | None:
    """Return the newest of windows that shows a degradation, with the signs of it that are still there; None without.

    The numbers of its signs are the newest ones. If none is there any more, the newest signs are taken.
    """
    readings = (read_outcomes(window, reading.context) for window in reversed(windows))
    before = next((one for one in readings if one.state == "degraded"), None)
    if before is None:
        return None
    now = {(sign.reason, sign.metric, sign.slice): sign for sign in reading.signs}
    of_both = (now.get((one.reason, one.metric, one.slice)) for one in before.signs)
    return replace(before, signs=tuple(sign for sign in of_both if sign is not None) or reading.signs)


def _later_finding(part: LaterPart, windows: Sequence[Evaluation], reading: Reading) -> LaterFinding:
    timed = reading.start is not None
    since = windows[part.first].window.start if timed else None
    is_over = not part.lasts(windows)
    check, columns = part.subject
    return LaterFinding(
        part.role,
        part.fact,
        since,
        windows[part.last + 1].window.start if is_over and timed else None,
        _repair_later(part, facts.Since(since, reading.context.timezone, reading.of_days), windows[part.first :]),
        ":".join((check, *columns)),
        reading.context.timezone,
        reading.of_days,
        part.shown,
    )


def _repair_later(part: LaterPart, since: facts.Since, windows: Sequence[Evaluation]) -> Fact:
    """Return what to do about something that began after a degradation."""
    if part.subject[0] == "service":
        return facts.RepairService(fault=part.fact)
    if part.subject[0] in OF_OUTPUT:
        return facts.RepairOutput(fault=part.fact)
    if isinstance(part.fact, Finding):
        if _has_new_values(part.fact):
            return facts.RetrainWithRange(column=part.fact.features[0], outside=part.fact.now or 0.0, since=since)
        if is_fault(part.fact):
            return _repair_data(part.fact)
    return _wait_to_retrain(windows) or facts.Retrain(
        since=since, check_outcomes=isinstance(part.fact, facts.FurtherLoss)
    )


def _verdict_of(
    reading: Reading, since: int | None, certainty: Sequence[Fact], alone: bool, windows: Sequence[Evaluation]
) -> Verdict:
    """Return the verdict for a reading, with the cause that its windows show."""
    reading, episode = _with_episode(reading, windows)
    evaluation, start = reading.evaluation, reading.start
    cause = first_cause(evaluation, reading.signs, episode)
    reasons, advice, own = _conclusion(reading, cause, episode, since, windows)
    named_cause = next((reason for reason in reasons if isinstance(reason, facts.OutcomesUnknown)), cause.fact)
    lacking = _lacking_baseline(evaluation)
    if named_cause is None and lacking is not None and _needs_baseline(reading):
        named_cause, lacking = facts.OldBaseline(lacking.version, lacking.features), None
        reasons = (*reasons, named_cause)
        advice = facts.BuildBaseline(cause=named_cause) if reading.state == "unknown" else advice
    certainties = (own, *_caveats(reading, own), lacking, *certainty)
    return Verdict(
        state=reading.state,
        since=since,
        **_effect(reading, reasons[0]),
        kind=cause.kind if reading.state != "healthy" else "",
        cause=named_cause,
        reasons=tuple(reason for reason in reasons if reason is not None),
        certainty=tuple(one for one in certainties if one is not None),
        advice=advice,
        reason=unknown_reason(evaluation) if reading.state == "unknown" else "",
        assumes="independent_rows" if start is None and reading.decides else "",
        slice=reading.signs[0].slice if reading.signs else "",
        window_start=start,
        window_end=None if start is None else evaluation.window.end,
        of_window=alone and since is not None,
        of_days=reading.of_days,
        timezone=reading.context.timezone,
    )


def _with_episode(reading: Reading, windows: Sequence[Evaluation]) -> tuple[Reading, Episode]:
    """Return a reading with the signs of its degradation, and what all windows of that show."""
    if reading.state != "degraded":
        return reading, NO_EPISODE
    episode = _seen_in(reading.evaluation, episode_of(windows or (reading.evaluation,)))
    slice_name = "" if episode.slice is None else episode.slice.name
    signs = tuple(sign for sign in reading.signs if sign.reason != "slice_loss" or sign.slice == slice_name)
    return replace(reading, signs=signs or reading.signs), episode


def _needs_baseline(reading: Reading) -> bool:
    """Return True if outcomes were compared with a baseline, and did not show that the model is healthy."""
    return reading.state in ("degraded", "unknown") and reading.evaluation.has_mature_outcomes


def _caveats(reading: Reading, own: Fact | None) -> Iterator[Fact | None]:
    """Yield what the certainty of a window leaves out: outcomes to come, days that were added up, open questions."""
    evaluation, window = reading.evaluation, reading.evaluation.window
    of_outcomes = bool(reading.signs) and reading.signs[0].reason in ("objective", "worse")
    if of_outcomes and evaluation.maturity == "immature" and evaluation.coverage:
        missing = evaluation.outcome_rows * (1 / evaluation.coverage - 1)
        yield facts.FinalBeforeOutcomes(outstanding=round(missing))
    if window.name in LENGTHS:
        yield facts.DaysTogether(days=round((window.end - window.start) / DAY))
    if own is not None and not isinstance(own, facts.DriftWithTooFewDays):
        yield open_questions(evaluation)


def _lacking_baseline(evaluation: Evaluation) -> facts.BaselineLacksFeatures | None:
    """Return the fact that the baseline is of another version, or lacks features; None if it is complete."""
    of_version = evaluation.baseline_version not in (None, "", evaluation.key.version)
    if not of_version and not evaluation.new_features:
        return None
    version = (evaluation.baseline_version if of_version else None) or ""
    return facts.BaselineLacksFeatures(version=version, features=evaluation.new_features)


def _effect(reading: Reading, first: Fact | None) -> dict[str, Any]:
    """Return metric and change of the first reason of a verdict, else those of the first sign of its state."""
    decides = deciding_change(reading.evaluation)
    if isinstance(first, facts.LevelOfScores):
        predicted, low, high = first.predicted, first.low, first.high
        reach = (None, None) if low is None or high is None else (predicted - high, predicted - low)
        effect = "mean_score", predicted - first.actual, *reach
    elif isinstance(first, facts.MayBeWorse) and decides is not None:
        metric, change = decides
        effect = metric, change.change, change.low, change.high
    elif reading.signs:
        sign = reading.signs[0]
        effect = sign.metric, sign.effect, sign.low, sign.high
    else:
        return {}
    return dict(zip(("metric", "effect", "low", "high"), effect, strict=True))


def open_questions(evaluation: Evaluation) -> Fact | None:
    """Return the columns whose drift is inconclusive for lack of rows or days; None without any.

    Args:
        evaluation: The window.
    """
    columns = (evaluation.score, evaluation.predicted, *evaluation.features.values())
    unsure = [
        column
        for column in columns
        if column is not None and column.state == "inconclusive" and column.reason.startswith("too_few")
    ]
    if not unsure:
        return None
    return facts.DriftOpen(
        outputs=tuple(one.words for one in unsure if one.column != "feature"),
        features=tuple(one.name for one in unsure if one.column == "feature"),
        missing=tuple(sorted({one.reason for one in unsure})),
    )


def _conclusion(
    reading: Reading, cause: FirstCause, episode: Episode, since: int | None, windows: Sequence[Evaluation]
) -> tuple[tuple[Fact | None, ...], Fact, Fact | None]:
    """Return the reasons of a state, the advice, and the certainty of the window."""
    evaluation, signs = reading.evaluation, reading.signs
    if reading.state == "degraded":
        return (
            (signs[0].fact, _why(reading, cause, episode)),
            repair(reading, cause, episode, since, windows),
            signs[0].certainty,
        )
    if reading.state == "healthy" and signs[0].reason == "same_rows":
        return (signs[0].fact,), facts.EvaluateNewerRows(), signs[0].certainty
    if reading.state == "healthy":
        drift = harmless_drift(evaluation)
        if isinstance(drift, facts.HarmlessCause) and evaluation.window.name in LENGTHS:
            drift = replace(drift, of_newest=True)
        return (signs[0].fact, drift), keep(evaluation), signs[0].certainty
    if reading.state == "at_risk":
        return (
            _risks(evaluation, signs, reading.context),
            look_closer(evaluation, signs, reading.context),
            signs[0].certainty,
        )
    open_fact, level = inconclusive(evaluation, reading.context), level_off(evaluation)
    reasons: tuple[Fact | None, ...] = (open_fact,) if level is None else (level, facts.AndAlso(reason=open_fact))
    if isinstance(open_fact, facts.MayBeWorse):
        reasons += (cause.reason(facts.FirstCause),)
    return reasons, outcomes_wanted(evaluation, reading.context), facts.NothingShowsEither()


def _why(reading: Reading, cause: FirstCause, episode: Episode) -> Fact | None:
    """Return why a model is degraded: a proven cause, or that none of the inputs is one."""
    evaluation = reading.evaluation
    if cause.kind == "output_fault" or reading.signs[0].reason == "slice_loss":
        return None
    if episode.fault is not None:
        return cause.reason(facts.LikelyCause)
    if isinstance(cause.fact, facts.SliceWorse):
        return cause.reason(facts.FirstCause)
    if episode.cause is not None:
        if episode.share is None or cause.fact is None:
            return cause.reason(facts.CoincidingCause)
        return facts.LikelyCause(cause=cause.fact, others=(), share=episode.share)
    if looks_as_before(evaluation) and reading.signs[0].reason != "service":
        return facts.InputsLookAsBefore(cause=cause.fact, meaning=episode.kind == "concept_change")
    if episode.kind == "covariate_shift" and episode.share is not None:
        return facts.InputsExplain(share=episode.share, drifted=_has_drifted(episode))
    if episode.kind == "label_shift":
        return facts.ProportionsChanged()
    if episode.kind in ("concept_change", "calibration") and not _may_explain(episode.evidence):
        return facts.NoInputExplains(meaning=episode.kind == "concept_change")
    return cause.reason(facts.CoincidingCause if cause.features else facts.FirstCause)


def _has_drifted(episode: Episode) -> bool:
    """Return True if inputs that drifted for certain explain the loss, and not only scores that are less sure."""
    return episode.evidence is None or bool(episode.evidence.inputs)


def _may_explain(evidence: LossEvidence | None) -> bool:
    """Return True if an input may explain a loss after all: it does in one direction."""
    return evidence is not None and evidence.largest_part >= EXPLAINED * evidence.excess.value


def _risks(evaluation: Evaluation, signs: Sequence[Sign], context: VerdictContext) -> tuple[Fact | None, ...]:
    """Return what the outcomes leave open, if they came, then what moved; else what moved, and why nothing is shown."""
    first = signs[0]
    if first.part == OUTCOMES:
        return (first.fact,)
    cause = first_cause(evaluation, signs)
    explained = cause.fact is not None and first.reason in ("score", "inputs", "slice", "estimate")
    moved = first.fact if first.reason not in ("inputs", "slice") or not explained else None
    open_change = _open_change(evaluation)
    moves_score = moved is not None and cause.features and open_change is None
    why = cause.reason(facts.LikelyCause if moves_score else facts.FirstCause) if explained else None
    if open_change is None:
        return moved, why, facts.AndAlso(reason=inconclusive(evaluation, context))
    level = level_off(evaluation)
    if level is not None:
        decides = deciding_change(evaluation)
        fine = decides is not None and is_fine(*decides)
        return level, None if fine else facts.AndAlso(reason=open_change), why
    if moved is None:
        return open_change, facts.AndAlso(reason=why)
    return open_change, facts.AndAlso(reason=moved), why


def _open_change(evaluation: Evaluation) -> Fact | None:
    """Return the change of the deciding metric in a window whose outcomes came; None without an interval."""
    decides = deciding_change(evaluation)
    if not evaluation.has_mature_outcomes or decides is None or decides[1].reason == "not_comparable":
        return None
    reason = decides[1].reason if decides[1].reason == "harder_outcomes" else ""
    return None if decides[1].low is None else _may_be_worse(*decides, reason, evaluation.outcome_rows)


def _may_be_worse(metric: str, change: MetricChange, reason: InconclusiveReason, outcomes: int) -> Fact:
    certain = is_certainly_worse(metric, change)
    return facts.MayBeWorse(metric, change.low, change.high, certain, change.margin, reason, outcomes)


def has_no_skill(evaluation: Evaluation) -> bool:
    """Return True if metrics were compared, and the baseline is no better than a constant prediction in any."""
    return bool(evaluation.realized_changes) and deciding_change(evaluation) is None and not evaluation.objectives


def inconclusive(evaluation: Evaluation, context: VerdictContext = NO_CONTEXT) -> Fact:
    """Return why outcomes are inconclusive."""
    unknown = context.unknown_outcomes(evaluation)
    if unknown is not None:
        return facts.OutcomesUnknown(unknown=unknown)
    if not evaluation.closed:
        return facts.WindowOpen()
    if not evaluation.rows:
        return facts.NoRows()
    if not evaluation.outcome_rows:
        return facts.OutcomesMayCome() if evaluation.young else facts.NoOutcomes()
    if evaluation.maturity != "mature":
        return facts.OutcomesMayCome() if evaluation.young else facts.FewOutcomes()
    if has_no_skill(evaluation):
        return facts.NoSkill()
    decides = deciding_change(evaluation)
    if decides is not None and _needs_unreviewed(evaluation, decides[0]):
        return facts.DecisionsUnreviewed(predictions=evaluation.unreviewed)
    if decides is not None:
        return _may_be_worse(*decides, inconclusive_reason(evaluation), evaluation.outcome_rows)
    if not evaluation.reference and not evaluation.objectives:
        return facts.NoObjective()
    return facts.OutcomesInconclusive(outcomes=evaluation.outcome_rows)


def _needs_unreviewed(evaluation: Evaluation, metric: str) -> bool:
    """Return True if a metric is unknown because no row with some decision, such as a rejected one, has an outcome."""
    value = evaluation.realized.get(metric)
    return bool(evaluation.unreviewed) and value is not None and value.interval == "unreviewed"


_REASONS: Mapping[type[Fact], UnknownReason] = {
    facts.WindowOpen: "outcomes_pending",
    facts.OutcomesMayCome: "outcomes_pending",
    facts.NoRows: "no_outcomes",
    facts.NoOutcomes: "no_outcomes",
    facts.FewOutcomes: "too_few_rows",
    facts.NoSkill: "no_skill",
    facts.NoObjective: "no_baseline",
    facts.DecisionsUnreviewed: "not_comparable",
}
"""Kinds of :func:`inconclusive` that are a reason by themselves."""


def unknown_reason(evaluation: Evaluation) -> UnknownReason:
    """Return why a window does not show whether its model is healthy."""
    return _REASONS.get(type(inconclusive(evaluation))) or inconclusive_reason(evaluation) or "not_comparable"
