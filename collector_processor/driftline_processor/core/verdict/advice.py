"""What to do: what the cause of a degradation asks for, or what inconclusive outcomes lack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from driftline_processor.core import facts
from driftline_processor.core.change import is_faulty
from driftline_processor.core.evaluation import (
    Evaluation,
    Finding,
    InconclusiveReason,
    MetricChange,
    SlicePerformance,
)
from driftline_processor.core.fact import Fact
from driftline_processor.core.performance.margin import DECIDING, OF_CENTRE
from driftline_processor.core.performance.objective import LEAST_ROWS
from driftline_processor.core.performance.objective_states import ALL_REVIEWED
from driftline_processor.core.performance.sample_size import baseline_rows_needed, half_interval, margin_shown
from driftline_processor.core.quality.checks.duplicates import CHECK as DUPLICATES
from driftline_processor.core.quality.checks.out_of_range import CHECK as OUT_OF_RANGE
from driftline_processor.core.quality.checks.pile_up import CHECK as PILE_UP
from driftline_processor.core.quality.checks.unseen import CHECK as UNSEEN
from driftline_processor.core.versions.side_by_side import SideBySide
from driftline_processor.core.windows.window import closes_at

from .cause import FirstCause, has_drifted, worst_fault
from .comparisons import deciding_change, in_report_order, inconclusive_reason, lacks_days, metric_moved, worse_metrics
from .context import VerdictContext
from .episode import KINDS_OF_ALL_ROWS, Episode
from .levels import is_surely_off, uncovered
from .reading import Reading
from .risks import has_small_drift, is_fault
from .roles import LaterPart
from .sign import OF_OUTPUT, OUTCOMES
from .undecided import has_no_skill, labels_needed, needs_unreviewed

_REPAIRS: Mapping[str, type[facts.Repair]] = {
    DUPLICATES.name: facts.StopDuplicates,
    "actual_rate": facts.CheckLabels,
}
"""Checks of whole rows, and metrics of outcomes, with an advice of their own."""


OF_RANKS = frozenset({"roc_auc", "roc_auc_ovr", "average_precision", "ks", "lift@0.1", "gain@0.1"})
"""Metrics of the ranking, which recalibration does not change."""


def repair(
    reading: Reading,
    cause: FirstCause,
    episode: Episode,
    since: int | None,
    windows: Sequence[Evaluation] = (),
    before: Sequence[Evaluation] = (),
) -> Fact:
    """Return the advice for a degraded model: what its kind of change asks for.

    Args:
        reading: The deciding window.
        cause: The first cause.
        episode: What all windows of the degradation show.
        since: Since when the model is degraded, unix nanoseconds.
        windows: These windows. Default: that of the reading.
        before: The windows before these.
    """
    evaluation, signs, context = reading.evaluation, reading.signs, reading.context
    first = signs[0]
    outcomes_since = facts.Since(since, context.timezone, reading.of_days)
    if first.reason == "service":
        return facts.RepairService(fault=first.fact)
    if cause.kind == "output_fault":
        return facts.RepairOutput(fault=first.fact)
    fault = episode.fault or (worst_fault(evaluation) if cause.kind == "data_fault" else None)
    if fault is not None:
        return _repair_data(fault)
    better = next((version for version in context.versions if _is_better(version, evaluation.key.version)), None)
    if better is not None:
        return _change_version(better)
    where = first.slice or ("" if episode.slice is None else episode.slice.name)
    wait = _wait_to_retrain(windows or (evaluation,), where)
    advice = wait or _learn_anew(evaluation, cause, episode, where, outcomes_since)
    begin_is_known = reading.start is not None or len(windows) < 2
    if isinstance(advice, facts.LearnAnew) and begin_is_known:
        around = (windows or (evaluation,))[0], before[-1] if before else None
        return replace(advice, rule_out=_changed_at_once(evaluation, cause, *around))
    return advice


AT_ONCE = 0.5
"""Minimum PSI of an input in the first window of a degradation, as a fraction of that in the newest, for a change at
once: the degradation may begin in the middle of its first window.
"""


def _changed_at_once(
    evaluation: Evaluation, cause: FirstCause, first: Evaluation, before: Evaluation | None
) -> tuple[str, ...]:
    """Return the inputs that left their values when a degradation began, those of the cause first.

    So does a faulty source; the world mostly changes step by step. Small and moderate drift stays in the old range.

    Args:
        evaluation: The newest window.
        cause: The first cause.
        first: The first window of the degradation.
        before: The window before it; None = the baseline.
    """
    features = evaluation.features
    names = dict.fromkeys((*cause.features, *cause.other_features, *features))
    moved = {name: now for name in names if (now := features.get(name)) is not None and now.state == "drift"}
    if not moved:
        return ()  # findings, and the features of other windows, are read from the store
    left = {
        name
        for finding in evaluation.findings
        if finding.severity != "minor" and finding.check in (OUT_OF_RANGE.name, UNSEEN.name, PILE_UP.name)
        for name in finding.features
    }
    limits = {name: AT_ONCE * (now.effect or 0.0) for name, now in moved.items() if now.size == "large" or name in left}

    def reaches(window: Evaluation | None, name: str) -> bool:
        drift = None if window is None else window.features.get(name)
        return drift is not None and (drift.effect or 0.0) >= limits[name]

    return tuple(name for name in limits if reaches(first, name) and not reaches(before, name))


def _learn_anew(evaluation: Evaluation, cause: FirstCause, episode: Episode, where: str, since: facts.Since) -> Fact:
    """Return how to learn what has changed: with a slice, a new level, a new range, or all of it."""
    if where and cause.kind not in KINDS_OF_ALL_ROWS:
        return facts.RetrainWithSlice(slice=where, since=since, check_outcomes=cause.kind == "concept_change")
    if _only_its_intervals_are_off(evaluation):
        return _recalibrate(evaluation, since)
    if isinstance(cause.fact, facts.ProportionsChanged):
        return facts.Retrain(since=since, check_outcomes=False)  # predicted classes have no level
    if cause.kind in ("calibration", "label_shift") or (not cause.kind and _only_its_level_moved(evaluation)):
        return _recalibrate(evaluation, since)
    new = None if cause.kind == "concept_change" else _new_values(evaluation, cause)
    if new is not None:
        return facts.RetrainWithRange(column=new.features[0], outside=new.now or 0.0, since=since)
    if episode.kind == "covariate_shift" and not has_drifted(episode):
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
    if wrong := uncovered(evaluation):
        return facts.RecalibrateIntervals(moved=metric_moved(wrong[0], evaluation), since=since)
    sides = (evaluation.realized.get("roc_auc"), evaluation.reference.get("roc_auc"))
    auc, was = (None if side is None else side.value for side in sides)
    return facts.Recalibrate(roc_auc=auc, baseline=was, since=since)


def look_closer(reading: Reading, cause: FirstCause, shown: Fact | None) -> Fact:
    """Return the advice for a model at risk: what its headline asks for, else how to get conclusive outcomes.

    Before both, a fault of the first cause is ruled out if most of its values are new.

    Args:
        reading: The window.
        cause: The first cause.
        shown: What the verdict shows first.
    """
    evaluation, signs = reading.evaluation, reading.signs
    if cause.kind == "data_fault" and signs[0].part != OUTCOMES:
        faults = (finding for finding in evaluation.findings if is_faulty(finding, evaluation.loss_evidence))
        first = min(faults, key=lambda finding: finding.features != cause.features, default=None)
        if first is not None:
            return _repair_data(first)
    fault = next((sign for sign in signs if sign.reason == "data"), None)
    if fault is not None and fault.features:
        return facts.RepairColumns(columns=fault.features, fault=fault.fact)
    if fault is not None:
        return _REPAIRS.get(fault.metric, facts.RepairData)(fault.fact)
    step = next_step(reading, cause, shown)
    columns = cause.features or signs[0].features
    new = next((one for one in evaluation.findings if one.features == columns and _has_new_values(one)), None)
    return step if new is None else facts.RuleOutFault(column=new.features[0], outside=new.now or 0.0, then=step)


def next_step(reading: Reading, cause: FirstCause, shown: Fact | None) -> Fact:
    """Return how to mend predictions that are too high or too low, else how to get conclusive outcomes.

    Nothing is learned from rows of a fault.

    Args:
        reading: The window.
        cause: The first cause.
        shown: What the verdict shows first.
    """
    first = reading.signs[0].reason if reading.signs else ""
    of_level = first == "level" or isinstance(shown, facts.LevelOfScores | facts.BiasRose)
    if not of_level or cause.kind in ("data_fault", "output_fault", "service"):
        return outcomes_wanted(reading.evaluation, reading.context)
    since = facts.Since(reading.start, reading.context.timezone, of_days=False)
    return _wait_to_retrain((reading.evaluation,)) or _recalibrate(reading.evaluation, since)


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
    reason, decides = inconclusive_reason(evaluation), deciding_change(evaluation)
    if decides is not None and needs_unreviewed(evaluation, decides[0]):
        return facts.ReviewDecisions()
    if decides is not None and reason in ("too_few_days", "too_few_rows"):
        return _larger_baseline(evaluation, *decides) or _near_margin(evaluation, *decides)
    if reason == "too_few_days":
        return longer_window(evaluation, context, "too_few_days")
    if reason == "harder_outcomes":
        return facts.CompareWithSuchRows()
    return None if evaluation.reference or evaluation.objectives else facts.SetObjective()


def _more_outcomes(evaluation: Evaluation, context: VerdictContext) -> Fact:
    """Return how to get as many outcomes as can be conclusive."""
    needed, decides = labels_needed(evaluation), deciding_change(evaluation)
    outcomes = 0 if needed is None else needed.outcomes
    if evaluation.outcome_rows == 0:
        if needed is None or outcomes > evaluation.rows:
            return facts.SendOutcomes()
        return facts.SendOutcomesOrLabel(needed=needed)
    if decides is not None and lacks_days(decides[1]):
        needed = None if outcomes <= evaluation.outcome_rows else needed
        return longer_window(evaluation, context, "too_few_days", needed=needed, rows=evaluation.rows)
    if needed is None or outcomes <= evaluation.outcome_rows:
        if (evaluation.coverage or 0.0) >= ALL_REVIEWED:
            return longer_window(evaluation, context, "too_few_rows", rows=evaluation.outcome_rows)
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
    """Return how to get a longer window: wait for an open one with this one and the outcomes, else configure one.

    Args:
        evaluation: The window.
        context: Facts in addition to the windows.
        reason: What the window has too little of.
        needed: The outcomes that can be conclusive; None if unknown.
        rows: The rows of the window, if they are too few.
    """
    window, least = evaluation.window, 0 if needed is None else needed.length
    longer = [
        coming
        for coming in context.coming
        if coming.start <= window.start and window.end <= coming.end and coming != window
        if coming.end - coming.start >= least
    ]
    if longer:
        first = min(longer, key=lambda coming: coming.end)
        return facts.WaitForLongerWindow(reason, needed, rows, first.start, first.end, context.timezone)
    return (facts.EvaluateLongerWindow if window.name else facts.EvaluateMoreRows)(reason, needed, rows)


def keep(evaluation: Evaluation) -> Fact:
    """Return the advice for a healthy model: nothing, even with drift, except to repair faulty data."""
    fault = worst_fault(evaluation)
    if fault is not None and fault.features:
        return facts.RepairColumnsAllTheSame(columns=fault.features, fault=fault)
    if fault is not None:
        return _repair_data(fault)
    at_threshold = [name for name in in_report_order(worse_metrics(evaluation)) if name not in OF_RANKS]
    if at_threshold and "roc_auc" in evaluation.realized:  # others have no threshold
        return facts.CheckThreshold(moved=metric_moved(at_threshold[0], evaluation))
    if has_small_drift(evaluation):
        return facts.IgnoreDrift(small=True)
    if any(feature.state == "drift" for feature in evaluation.features.values()):
        return facts.IgnoreDrift(small=False)
    return facts.NothingToDo()


def _larger_baseline(evaluation: Evaluation, metric: str, change: MetricChange) -> Fact | None:
    """Return the advice to build a larger baseline if a window as large does not show that a model is as good."""
    half, margin = half_interval(evaluation.reference, metric), change.margin or 0.0
    if margin >= margin_shown(half) or metric.partition("@")[0] not in DECIDING:
        return None  # other metrics decide only in a window with too few rows for these
    needed, was = labels_needed(evaluation), evaluation.reference[metric]
    value, constant = evaluation.skill.get(metric, (was.value, None))
    return facts.BuildLargerBaseline(
        metric=metric,
        half=half,
        margin=margin,
        rows=baseline_rows_needed(was.rows, half, margin),
        needed=None if needed is None else needed.outcomes,
        value=value or 0.0,
        constant=constant,
    )


def _near_margin(evaluation: Evaluation, metric: str, change: MetricChange) -> Fact | None:
    """Return the advice to choose a margin if as many outcomes show that a model is as good, but not of this one."""
    needed = labels_needed(evaluation)
    if needed is None or needed.outcomes > evaluation.outcome_rows or lacks_days(change):
        return None
    return facts.ChooseMargin(metric, change.change, change.margin or 0.0)


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


def _only_its_intervals_are_off(evaluation: Evaluation) -> bool:
    """Return True if intervals do not cover while predictions of the centre are no worse."""
    return bool(uncovered(evaluation)) and not OF_CENTRE & set(worse_metrics(evaluation))


def repair_later(part: LaterPart, since: facts.Since, windows: Sequence[Evaluation]) -> Fact:
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
