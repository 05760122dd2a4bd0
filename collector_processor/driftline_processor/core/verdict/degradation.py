"""The verdict of a degraded model: since when, what measures it best, its cause, and what ends it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import NamedTuple

from msgspec.structs import replace

from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation, Finding, Verdict
from driftline_processor.core.intervals.confidence import normal_quantile
from driftline_processor.core.intervals.onset import Onset
from driftline_processor.core.performance.settings import STANDARD
from driftline_processor.core.windows.window import window_of

from .begin import earliest_begin, first_rows, kept_begin, onset_of
from .look import Look
from .now import now_of
from .reading import Reading
from .roles import BEFORE, OF_CALLS_OR_OUTPUT, without_older
from .runs import TO_TURN, Run, began_before, could_show, length_of, longest_of_episode, weight_of, windows_to_turn
from .sign import COMPARED, OF_OUTPUT
from .trailing_periods import LENGTHS, tiles
from .training_rows import never_as_good
from .window import cause_subject, verdict_of

UNPROVEN = ("", "concept_change")
"""Kinds of causes that are what is left if nothing else is proved: a longer window may prove another."""


class Degradation(NamedTuple):
    """A run of degraded windows, with its begin.

    Windows of several lengths may show it: the shortest tells soonest, the days tell when it began, and the longest
    proves its cause.

    Attributes:
        run: The run, since the degradation began.
        longer: The run of the longest windows that show it.
        earliest: The earliest time at which it may have begun; None if that is its begin.
        alone: Whether no other window determines the begin.
        has_older: Whether its windows have findings that did not begin it, which longer ones may call its cause.
    """

    run: Run
    longer: Run
    earliest: int | None
    alone: bool
    has_older: bool = False

    @classmethod
    def of(cls, look: Look, run: Run) -> Degradation:
        """Return a run of degraded windows with its begin."""
        of_run = _windows_of(run, look.closed)
        windows = without_older(of_run, _windows_before(run, look.closed))
        has_older = windows is not of_run
        onset = onset_of(run, look.closed, look.together, windows)
        direct = _first_of_output(run, look.closed) if onset is None else None
        step = direct if onset is None else onset
        alone, run = run.alone and onset is None, _dated_by(run, step, look.closed)
        longer = longest_of_episode(run, look.runs)
        if onset is None and _shows_before(longer, run):
            alone, run = False, run._replace(since=longer.since)
        run = run._replace(since=first_rows(run.since, look.closed))
        last = look.last()
        since = kept_begin(run, onset, last, look.together, direct)
        if last is not None and since == last.since != run.since:  # a begin that is kept keeps its range
            return cls(run._replace(since=since), longer, last.earliest, alone=False, has_older=has_older)
        run = run._replace(since=since)
        return cls(run, longer, earliest_begin(run, onset, look.closed), alone, has_older)

    def verdict(self, look: Look) -> Verdict:
        """Return the verdict, from the same look."""
        run = self.run
        verdict = replace(_verdict(run, run.since, look.closed, alone=self.alone), now=_now(run, look.closed))
        # what joined, or is older, would be the cause of a longer window, whose rows are of both
        may_share_cause = not verdict.later and not self.has_older
        verdict = _measured(verdict, run, look, may_share_cause=may_share_cause)
        if verdict.kind in UNPROVEN and may_share_cause and self.longer.reading is not run.reading:
            verdict = _with_cause_of(verdict, _verdict(self.longer, run.since, look.closed))
        verdict = _with_training_rows(verdict, look, run.since if self.earliest is None else self.earliest)
        zone = verdict.timezone
        if run.since is not None and verdict.of_days and window_of("1d", run.since, zone).start != run.since:
            verdict = replace(verdict, of_days=False)  # hours told when it began
        return verdict if self.earliest is None else replace(verdict, since_earliest=self.earliest)


def _dated_by(run: Run, step: Onset | None, closed: Iterable[Reading]) -> Run:
    """Return a run since the step of what it shows: an earlier one, or a later one if a lone window precedes it."""
    if step is None or run.since is None:
        return run
    # other signs of a slice may be older, or its first range wider
    is_after = run.since < step.earliest or run.reading.signs[0].reason == "slice_loss"
    dates = not _began_before(run, step, closed) if is_after else step.latest < run.since
    return run._replace(since=step.latest) if dates else run


def _began_before(run: Run, onset: Onset, closed: Iterable[Reading]) -> bool:
    """Return True if the windows of a run before an onset suffice to begin it: a single one may be chance.

    Without a window before the run, the first one begins it.
    """
    name, since = run.reading.evaluation.window.name, run.since or 0
    if name in LENGTHS:
        return False  # the begin of days together is that of other windows
    windows = [one for one in closed if one.evaluation.window.name == name and (one.start or 0) < onset.earliest]
    of_run = [one for one in windows if (one.start or 0) >= since and one.state == "degraded"]
    weight = sum(weight_of(one) for one in of_run if one.signs[0].reason != "slice_loss")
    return windows[:1] == of_run[:1] or weight >= windows_to_turn(length_of(run.reading))


def _first_of_output(run: Run, closed: Iterable[Reading]) -> Onset | None:
    """Return the first window of a run that has its faulty output or failing service; None for other runs."""
    sign, name = run.reading.signs[0], run.reading.evaluation.window.name
    if sign.reason not in OF_CALLS_OR_OUTPUT or run.since is None:
        return None
    starts = (
        one.start
        for one in closed
        if one.evaluation.window.name == name
        and (one.start or 0) >= run.since
        and any((other.reason, other.metric) == (sign.reason, sign.metric) for other in one.signs)
    )
    first = next((start for start in starts if start is not None), None)
    return None if first is None else Onset(first, first, first)


def _length(run: Run) -> int:
    return length_of(run.reading)


def _verdict(run: Run, since: int | None, closed: Sequence[Reading], *, alone: bool = False) -> Verdict:
    windows, before = _windows_of(run, closed), _windows_before(run, closed)
    return verdict_of(run.reading, since, alone=alone, windows=windows, before=before)


def _now(run: Run, closed: Sequence[Reading]) -> facts.Now:
    """Return what the newest windows of a degradation show, and how many more healthy ones end it."""
    degraded, newest = run.reading, run.newest.evaluation.window
    calm = sum(
        one.evaluation.window.name == newest.name
        and one.evaluation.window.end > newest.end
        and not one.decides
        and could_show(degraded, one.evaluation)
        for one in closed
    )
    healthy, weight = (calm, calm) if run.turn is None else (run.turn.windows, run.turn.weight)
    left = 0 if newest.name in LENGTHS else windows_to_turn(length_of(degraded)) - weight
    windows = _windows_of(run, closed)
    end = max(one.window.end for one in windows)
    shorter = [one.evaluation for one in closed if one.evaluation.window.start >= end and length_of(one) < _length(run)]
    return now_of(
        degraded,
        windows,
        shorter,
        healthy=healthy,
        left=left,
        clear_ends=1 < left <= TO_TURN,
        in_a_row=1 if degraded.start is not None else _newest_in_a_row(newest.name, closed),
    )


def _newest_in_a_row(name: str, closed: Sequence[Reading]) -> int:
    """Return the number of the newest consecutive windows of one length that are degraded."""
    of_length = (one for one in reversed(closed) if one.evaluation.window.name == name)
    return sum(1 for _ in takewhile(lambda one: one.state == "degraded", of_length))


def _shows_before(longer: Run, run: Run) -> bool:
    """Return True if a whole longer window shows the same fault before the first short one that proves it."""
    if longer.since is None or run.since is None or longer.since + length_of(longer.reading) > run.since:
        return False
    return _is_same_fault(longer, run)


def _measures(longer: Run, run: Run) -> bool:
    """Return True if a longer window measures the fault of a short one more precisely.

    All its rows are of the same fault, and its value is one that the short one may have: the fault has not changed.
    Another metric tells nothing about rows that are newer.
    """
    start = longer.reading.start
    if start is None or run.since is None or start < run.since or not _is_same_fault(longer, run):
        return False
    sign, of_short = longer.reading.signs[0], run.reading.signs[0]
    if sign.metric != of_short.metric or sign.effect is None or of_short.effect is None:
        return longer.reading.evaluation.window.end >= run.reading.evaluation.window.end
    if of_short.low is None or of_short.high is None:
        half = normal_quantile(STANDARD.confidence) * math.sqrt(0.25 / max(run.reading.evaluation.rows, 1))
        return abs(sign.effect - of_short.effect) <= half
    return of_short.low <= sign.effect <= of_short.high


def _is_same_fault(run: Run, other: Run) -> bool:
    sign, of_other = run.reading.signs[0], other.reading.signs[0]
    by_outcomes = (*COMPARED, "errors")
    same_output = sign.reason in OF_OUTPUT and (sign.reason, sign.metric) == (of_other.reason, of_other.metric)
    return same_output or (sign.reason in by_outcomes and of_other.reason in by_outcomes)


def _measured(verdict: Verdict, run: Run, look: Look, *, may_share_cause: bool) -> Verdict:
    """Return the verdict of short windows with the loss of the longest inside the degradation.

    If its cause is the same, and ``may_share_cause``, also with that.
    """
    longer = [one for one in look.runs if one.reading.state == "degraded" and _length(one) > _length(run)]
    measured = max((one for one in longer if _measures(one, run)), key=_length, default=None)
    if measured is None:
        return verdict
    of_more_rows = _verdict(measured, run.since, look.closed)
    is_proven = isinstance(verdict.cause, Finding) and cause_subject(verdict) != cause_subject(of_more_rows)
    verdict = _with_measure_of(verdict, of_more_rows)
    if of_more_rows.kind == verdict.kind and may_share_cause and not is_proven:
        verdict = _with_cause_of(verdict, of_more_rows)
    return verdict


def _with_measure_of(verdict: Verdict, longer: Verdict) -> Verdict:
    """Return the verdict of short windows with the loss that a longer one measures, which has more rows of it."""
    return replace(
        verdict,
        metric=longer.metric,
        effect=longer.effect,
        low=longer.low,
        high=longer.high,
        cause=longer.reasons[0] if verdict.cause == verdict.reasons[0] else verdict.cause,
        reasons=(*longer.reasons[:1], *verdict.reasons[1:]),
        certainty=longer.certainty,
        window_start=longer.window_start,
        window_end=longer.window_end,
    )


def _with_cause_of(verdict: Verdict, longer: Verdict) -> Verdict:
    """Return the verdict of short windows with the cause and the advice of longer ones of the same episode.

    A slice is known from the short ones.
    """
    if verdict.slice or longer.slice or longer.kind in UNPROVEN:
        return verdict
    reasons = (*verdict.reasons[:1], *longer.reasons[1:])
    return replace(
        verdict,
        kind=longer.kind,
        cause=longer.cause,
        reasons=reasons,
        advice=longer.advice,
        later=longer.later,
        cause_until=longer.cause_until,
    )


def _windows_of(run: Run, closed: Sequence[Reading]) -> list[Evaluation]:
    """Return the windows of a degradation, the oldest first: those of its length, or the days of a longer period."""
    since = run.since or 0
    evaluations = [reading.evaluation for reading in closed]
    windows = [one for one in evaluations if one.window.name == run.reading.evaluation.window.name]
    of_run = [one for one in windows if one.window.start >= since] if windows else tiles(evaluations, since)
    return of_run or [run.reading.evaluation]  # a long window contains the begin that days tell


def _windows_before(run: Run, closed: Sequence[Reading]) -> list[Evaluation]:
    """Return the newest windows of the same length that ended before a degradation, the oldest first.

    Rows without times have none: their windows do not say when it began.
    """
    name, since = run.reading.evaluation.window.name, run.since
    ended = [one.evaluation for one in closed if since is not None and one.evaluation.window.end <= since]
    windows = [one for one in ended if one.window.name == name] or tiles(ended, 0)
    return windows[-BEFORE:]


def _with_training_rows(verdict: Verdict, look: Look, begin: int | None) -> Verdict:
    """Return the verdict of a degraded model that was never as good as its baseline, with that as its cause.

    Only if nothing else explains the degradation, and its first windows are known and no others precede them.
    """
    if any(one.evaluation.rows and one.evaluation.window.end <= (begin or 0) for one in look.closed):
        return verdict
    explained = verdict.kind in ("service", "output_fault", "data_fault", "covariate_shift", "label_shift")
    for readings in look.lengths.values():
        began = look.previous is not None and began_before(look.previous, readings[0].start)
        if explained or began or readings[0].context.provisional or verdict.slice:
            continue
        found = never_as_good([reading.evaluation for reading in readings])
        if found is not None:
            reasons = (*verdict.reasons[:1], found)
            return replace(verdict, cause=found, reasons=reasons, advice=facts.CheckBaseline(then=verdict.advice))
    return verdict
