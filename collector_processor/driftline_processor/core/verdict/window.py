"""The verdict that a reading gives: its reasons, its certainty and its advice, with what joined a degradation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from msgspec.structs import replace

from driftline_processor.core import facts
from driftline_processor.core.change import no_input_explains, proportions_changed
from driftline_processor.core.evaluation import (
    Cause,
    ChangeKind,
    Evaluation,
    Finding,
    LaterFinding,
    Verdict,
)
from driftline_processor.core.fact import Fact, columns_of
from driftline_processor.core.performance.metric_intervals import ROW_BLOCKS
from driftline_processor.core.windows.window import DAY

from .advice import keep, look_closer, next_step, repair, repair_later
from .cause import FirstCause, first_cause, harmless_drift, has_drifted, looks_as_before, seen_in
from .comparisons import deciding_change, is_fine, may_be_worse
from .context import VerdictContext
from .episode import NO_EPISODE, Episode, episode_of
from .levels import level_off, off_by, uncovered
from .reading import Reading, read_outcomes
from .roles import DRIFT, LaterPart, course_of, end_of_cause, later_parts, windows_of_cause, without_older
from .sign import OF_OUTPUT, OUTCOMES, Sign
from .trailing_periods import LENGTHS
from .undecided import inconclusive, unknown_reason


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
        return _verdict_of(reading, since, certainty, alone, windows, before)
    known = without_older(windows, before)
    course = course_of(known, before[-1] if before else None)
    later = later_parts(course)
    earlier = windows_of_cause(course, later)
    if len(earlier) == len(windows) and known is windows:
        return _verdict_of(reading, since, certainty, alone, windows, before)
    windows, first = known, _as_it_began(reading, earlier)
    if first is None:
        return _verdict_of(reading, since, certainty, alone, windows, before)
    verdict = _verdict_of(first, since, certainty, alone, earlier, before)
    over = end_of_cause(course, verdict.cause, later)
    if over is None:
        return _shown_by(replace(verdict, later=_later_findings(later, windows, reading)), reading)
    ended = windows[over].window.start if reading.start is not None else None
    until = {"cause_until": ended, "cause_kind": verdict.kind}
    if all(part.over is not None for part in later):
        found = _later_findings(later, windows, reading)
        if course.losses.shows(over):
            mended = _of_mended(verdict, windows, ended)
            return replace(
                _verdict_of(reading, since, certainty, alone, windows[over:], windows[:over]), later=(*mended, *found)
            )
        # whether the model is degraded without its cause is not known yet
        wait = facts.WaitForOutcomes(immature=windows[-1].immature)
        return _shown_by(replace(verdict, later=found, advice=wait, **until), reading)
    found, kind = _what_is_left(later, windows, reading)
    advice = next(one.advice for one in found if one.until is None)
    return _shown_by(replace(verdict, later=found, advice=advice, kind=kind or verdict.kind, **until), reading)


def _what_is_left(
    later: Sequence[LaterPart], windows: Sequence[Evaluation], reading: Reading
) -> tuple[tuple[LaterFinding, ...], ChangeKind | Literal[""]]:
    """Return the later findings of a degradation whose cause is over, and the kind of the first that lasts.

    What lasts is what degrades the model, whatever it added to the cause.
    """
    later = [part._replace(role="joined", shown=True) if part.over is None else part for part in later]
    first = next(part for part in later if part.over is None)
    kind = _KINDS.get(first.subject[0]) or ("data_fault" if isinstance(first.fact, Finding) else "")
    return _later_findings(later, windows, reading), kind


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
        place = verdict.timezone, verdict.of_days
        yield LaterFinding("mended", verdict.cause, since, ended, verdict.advice, cause_subject(verdict), *place)


def cause_subject(verdict: Verdict) -> str:
    """Return what the cause of a state is about, as :attr:`LaterFinding.subject`; its kind if no cause is named.

    >>> cause_subject(Verdict("degraded", kind="concept_change"))
    'concept_change'
    """
    cause, kind = verdict.cause, verdict.kind if verdict.cause_until is None else verdict.cause_kind
    if cause is None:
        return kind or "unknown"
    if isinstance(cause, (Cause, Finding)):
        check = cause.check or DRIFT
        return f"output:{check}" if kind == "output_fault" else ":".join((check, *cause.features))
    columns = cause.features if isinstance(cause, facts.SliceWorse) else columns_of(cause)
    return ":".join((cause.kind, *columns))


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
    check, columns = part.subject
    return LaterFinding(
        part.role,
        part.fact,
        since,
        windows[part.over].window.start if part.over is not None and timed else None,
        repair_later(part, facts.Since(since, reading.context.timezone, reading.of_days), windows[part.first :]),
        ":".join((check, *columns)),
        reading.context.timezone,
        reading.of_days,
        part.shown,
        part.size,
    )


def _verdict_of(
    reading: Reading,
    since: int | None,
    certainty: Sequence[Fact],
    alone: bool,
    windows: Sequence[Evaluation],
    before: Sequence[Evaluation],
) -> Verdict:
    """Return the verdict for a reading, with the cause that its windows show."""
    reading, episode = _with_episode(reading, windows)
    evaluation, start = reading.evaluation, reading.start
    cause = first_cause(evaluation, reading.signs, episode)
    reasons, advice, own = _conclusion(reading, cause, episode, since, windows, before)
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
        assumes="independent_rows" if start is None and reading.decides and not _has_row_blocks(evaluation) else "",
        slice=reading.signs[0].slice if reading.signs else "",
        window_start=start,
        window_end=None if start is None else evaluation.window.end,
        of_window=alone and since is not None,
        of_days=reading.of_days,
        timezone=reading.context.timezone,
    )


def _has_row_blocks(evaluation: Evaluation) -> bool:
    """Return True if intervals allow for rows that resemble their neighbours."""
    return any(one.interval == ROW_BLOCKS for one in evaluation.realized.values())


def _with_episode(reading: Reading, windows: Sequence[Evaluation]) -> tuple[Reading, Episode]:
    """Return a reading with the signs of its degradation, and what all windows of that show."""
    if reading.state != "degraded":
        return reading, NO_EPISODE
    episode = seen_in(reading.evaluation, episode_of(windows or (reading.evaluation,)))
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
    causes = () if evaluation.explanation is None else evaluation.explanation.causes
    moved = {name for cause in causes for name in cause.features}  # by new values, which need no days
    features = (one for one in evaluation.features.values() if one.name not in moved)
    columns = (evaluation.score, evaluation.predicted, *features)
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
    reading: Reading,
    cause: FirstCause,
    episode: Episode,
    since: int | None,
    windows: Sequence[Evaluation],
    before: Sequence[Evaluation],
) -> tuple[tuple[Fact | None, ...], Fact, Fact | None]:
    """Return the reasons of a state, the advice, and the certainty of the window."""
    evaluation, signs = reading.evaluation, reading.signs
    if reading.state == "degraded":
        return (
            (signs[0].fact, _why(reading, cause, episode)),
            repair(reading, cause, episode, since, windows, before),
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
        risks = _risks(evaluation, signs, reading.context)
        return risks, look_closer(reading, cause, risks[0]), signs[0].certainty
    open_fact, level = inconclusive(evaluation, reading.context), level_off(evaluation)
    reasons: tuple[Fact | None, ...] = (open_fact,) if level is None else (level, facts.AndAlso(reason=open_fact))
    if isinstance(open_fact, facts.MayBeWorse):
        reasons += (cause.reason(facts.FirstCause),)
    return reasons, next_step(reading, cause, reasons[0]), facts.NothingShowsEither()


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
        return facts.InputsExplain(share=episode.share, drifted=has_drifted(episode))
    if episode.kind == "label_shift":
        return proportions_changed(episode.evidence)
    if episode.kind in ("concept_change", "calibration"):
        unexplained = no_input_explains(evaluation, episode.evidence, meaning=episode.kind == "concept_change")
        if unexplained is not None:
            return unexplained
    return cause.reason(facts.CoincidingCause if cause.features else facts.FirstCause)


def _risks(evaluation: Evaluation, signs: Sequence[Sign], context: VerdictContext) -> tuple[Fact | None, ...]:
    """Return what the outcomes leave open, if they came, then what moved; else what moved, and why nothing is shown."""
    first = signs[0]
    if first.part == OUTCOMES:
        return (first.fact,)
    cause = first_cause(evaluation, signs)
    explained = cause.fact is not None and first.reason in ("score", "inputs", "slice", "estimate", "worse")
    moved = first.fact if first.reason not in ("inputs", "slice") or not explained else None
    open_change = _open_change(evaluation)
    moves_score = moved is not None and cause.features and open_change is None
    why = cause.reason(facts.LikelyCause if moves_score else facts.FirstCause) if explained else None
    if open_change is None:
        return moved, why, facts.AndAlso(reason=inconclusive(evaluation, context))
    uncovers = first.metric in uncovered(evaluation)
    level = first.fact if uncovers else level_off(evaluation) or off_by(evaluation)
    if level is not None:
        decides = deciding_change(evaluation)
        fine = decides is not None and is_fine(*decides)
        return level, None if fine else facts.AndAlso(reason=open_change), why
    if first.reason == "worse":
        return first.fact, why
    if moved is None:
        return open_change, facts.AndAlso(reason=why)
    return open_change, facts.AndAlso(reason=moved), why


def _open_change(evaluation: Evaluation) -> Fact | None:
    """Return the change of the deciding metric in a window whose outcomes came; None without an interval."""
    decides = deciding_change(evaluation)
    if not evaluation.has_mature_outcomes or decides is None or decides[1].reason == "not_comparable":
        return None
    reason = decides[1].reason if decides[1].reason == "harder_outcomes" else ""
    return None if decides[1].low is None else may_be_worse(*decides, reason, evaluation.outcome_rows)
