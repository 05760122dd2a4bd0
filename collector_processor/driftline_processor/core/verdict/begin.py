"""Since when a degraded model is degraded: one begin, which every surface reads, and the earliest that rows allow."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from driftline_processor.core.evaluation import Evaluation, Finding
from driftline_processor.core.intervals.confidence import NORMAL
from driftline_processor.core.intervals.onset import Onset, onset_of_step
from driftline_processor.core.metrics import direction
from driftline_processor.core.windows.window import DAY

from .comparisons import deciding_change
from .episode import episode_of
from .look import LastDegradation
from .reading import Reading
from .runs import Run, length_of
from .sign import COMPARED, FEWEST_OUTCOMES, Sign
from .trailing_periods import TrailingPeriods, tiles

WIDEST = 7
"""Windows that cannot tell, up to which they widen the range of a begin: a range of months tells nothing."""

OF_OUTCOMES = (*COMPARED, "objective", "errors")
"""Reasons of signs that outcomes show, so that their values tell when the degradation began."""

OF_ERRORS = {"error_rate": "accuracy"}
"""The metric of the rise of errors along the stream → that of windows."""


def onset_of(
    run: Run, closed: Sequence[Reading], together: TrailingPeriods, windows: Sequence[Evaluation]
) -> Onset | None:
    """Return when a degradation began that outcomes show; None if its windows alone tell.

    A data fault that lasted for all of it began it; else the metric that shows it tells, by its days.

    Args:
        run: The run.
        closed: All windows.
        together: The last days together.
        windows: Those of the run without an older fault.
    """
    reading = run.reading
    sign, slice_change = reading.signs[0], reading.evaluation.slice_change
    if slice_change is not None and slice_change.since is not None and sign.reason == "slice_loss":
        return Onset(slice_change.since_earliest or slice_change.since, slice_change.since, slice_change.since)
    if run.since is None or sign.slice or sign.reason not in OF_OUTCOMES:
        return None
    evaluations = [one.evaluation for one in closed]
    of_run = [one for one in evaluations if one.window.name == reading.evaluation.window.name]
    step = _onset_of_outcomes(reading, run.since, evaluations, of_run, together)
    fault = episode_of(windows).fault if sign.reason in COMPARED else None
    if fault is None:
        return step
    days = tiles(evaluations, 0) if length_of(reading) > DAY else []
    windows = days or of_run or tiles(evaluations, 0)
    began = _begin_of_fault(fault, windows)
    if began is None or (step is not None and not step.earliest <= began <= max(step.latest, run.since)):
        return step
    return Onset(began, began, began, _length(windows[-1]))


def _onset_of_outcomes(
    reading: Reading,
    since: int,
    evaluations: Sequence[Evaluation],
    of_run: Sequence[Evaluation],
    together: TrailingPeriods,
) -> Onset | None:
    """Return when the metric that shows a degradation became worse, by days, else by the windows of the run."""
    sign, decides = reading.signs[0], deciding_change(reading.evaluation)
    metric = decides[0] if sign.reason in ("level", "constant") and decides is not None else sign.metric
    step = together.onset(metric, since)
    if step is not None:
        return step._replace(length=DAY)
    windows = tiles(evaluations, together.recovered) or of_run
    found = (_onset_of_metric(one, windows, since) for one in (OF_ERRORS.get(metric, metric), "log_loss", "mae"))
    return next((one._replace(length=_length(windows[-1])) for one in found if one is not None), None)


def _onset_of_metric(metric: str, windows: Sequence[Evaluation], since: int) -> Onset | None:
    """Return when a metric became worse, by the windows that have enough outcomes; None if unknown.

    Windows that end before the run do not show when it became worse.
    """
    values = [(one.window.start, one.realized.get(metric)) for one in windows if one.outcome_rows >= FEWEST_OUTCOMES]
    known = [
        (start, value.value, (value.high - value.low) / 2 / NORMAL)
        for start, value in values
        if value is not None and value.value is not None and value.low is not None and value.high is not None
    ]
    if not known or known[-1][0] < since or not direction(metric):
        return None
    start, value, errors = zip(*known, strict=True)
    return onset_of_step(np.array(start, np.int64), -direction(metric) * np.array(value), np.array(errors))


def _begin_of_fault(fault: Finding, windows: Sequence[Evaluation]) -> int | None:
    """Return since when the newest windows have a data fault; None if they do not. A few rows cannot show it."""
    telling = [one for one in windows if one.rows >= FEWEST_OUTCOMES]
    faulty = itertools.takewhile(lambda one: any(_is_same(other, fault) for other in one.findings), reversed(telling))
    return min((one.window.start for one in faulty), default=None)


def _length(evaluation: Evaluation) -> int:
    return evaluation.window.end - evaluation.window.start


def _is_same(finding: Finding, other: Finding) -> bool:
    return (finding.check, finding.features) == (other.check, other.features)


def kept_begin(
    run: Run,
    onset: Onset | None,
    last: LastDegradation | None,
    together: TrailingPeriods,
    direct: Onset | None = None,
) -> int | None:
    """Return the begin of a degradation: that of the last one, if it began before that had ended.

    Its first windows leave the memory, and windows of another length may decide, which says nothing about the begin. So
    only an earlier begin, or an onset that excludes the known one, replaces it. A faulty service or output is shown by
    each of its windows, so that the first of them is its begin.

    Args:
        run: The run, since the begin that windows show now.
        onset: When a metric became worse; None if unknown.
        last: The last degradation of the record.
        together: The last days together, among which an onset was looked for.
        direct: The first window with its faulty service or output; None for other runs.
    """
    since, oldest = run.since, min((int(one.start[0]) for one in together.metrics), default=0)
    if last is None or since is None or last.since < together.recovered:
        return since
    length = length_of(run.reading) if onset is None else onset.length
    if since < last.since < since + length:
        return last.since  # a window around the known begin dates it no better
    if not last.since < since <= last.end:
        return since
    is_direct = run.reading.signs[0].reason not in OF_OUTCOMES and (direct is None or direct.latest <= since)
    is_later = onset is not None and oldest <= last.since < onset.earliest and since >= onset.latest
    # where a second fault does more harm than the first, the largest rise is not the first one
    is_second = onset is not None and together.show_loss(last.since, onset.earliest)
    return since if is_direct or (is_later and not is_second) else last.since


def first_rows(since: int | None, closed: Sequence[Reading]) -> int | None:
    """Return the start of the first of the shortest windows from a time on that has enough rows, if it is of that day.

    A day, and all longer windows, begin at midnight, though calls may come from the morning on.
    """
    if since is None:
        return None
    windows = [one.evaluation for one in closed if one.evaluation.window.end > since]
    shortest = min((one.window.end - one.window.start for one in windows), default=0)
    shown = (
        one.window.start
        for one in windows
        if one.window.end - one.window.start == shortest and one.rows >= FEWEST_OUTCOMES
    )
    first = min(shown, default=since)
    return first if since < first < since + DAY else since


def earliest_begin(run: Run, onset: Onset | None, closed: Sequence[Reading]) -> int | None:
    """Return the earliest time at which a degradation may have begun; None if it is that of the run.

    Windows before it that cannot show it may be part of it: those without enough rows, and without an onset also
    those that are inconclusive. A healthy window as long as those of the degradation is not.
    """
    if run.since is None:
        return None
    begin = run.since if onset is None else max(min(onset.earliest, run.since), _end_of_health(run, run.since, closed))
    names = [one.window.name for one in tiles([one.evaluation for one in closed], 0)]
    name = run.reading.evaluation.window.name
    if onset is not None or all(one.evaluation.window.name != name for one in closed):
        name = names[0] if names else ""
    before = [one for one in closed if one.evaluation.window.name == name and one.evaluation.window.end <= begin]
    denying = (one.evaluation.window.end for one in reversed(before[-WIDEST:]) if _denies(one, run.reading, onset))
    is_open = onset is None and 0 < len(before) <= WIDEST
    earliest = min(begin, next(denying, before[0].evaluation.window.start if is_open else begin))
    return earliest if earliest < run.since else None


def _end_of_health(run: Run, since: int, closed: Sequence[Reading]) -> int:
    """Return the end of the last healthy window before a begin, as long as those of the run; 0 without one."""
    fine = (one for one in closed if one.state == "healthy" and length_of(one) >= length_of(run.reading))
    return max((one.evaluation.window.end for one in fine if one.evaluation.window.end <= since), default=0)


def _denies(reading: Reading, fault: Reading, onset: Onset | None) -> bool:
    """Return True if a window before the begin of a fault would have shown it."""
    evaluation, sign = reading.evaluation, fault.signs[0]
    if reading.state == "degraded" or evaluation.rows < FEWEST_OUTCOMES:
        return False
    if onset is not None or sign.reason in ("service", "output"):
        return True
    return reading.state == "healthy" or _is_met(evaluation, sign)


def _is_met(evaluation: Evaluation, sign: Sign) -> bool:
    """Return True if the objective that a sign is about is met."""
    of_metric = [one.state for one in evaluation.objectives if one.metric == sign.metric]
    return sign.reason == "objective" and bool(of_metric) and all(state == "met" for state in of_metric)
