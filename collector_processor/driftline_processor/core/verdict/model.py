"""Verdict of a model from its windows, its traffic and its backlog, and from its versions and environments."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from driftline.tables.table import ModelKey
from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation, Finding, ServiceLevel, Verdict, VerdictState
from driftline_processor.core.fact import Fact
from driftline_processor.core.intervals.confidence import normal_quantile
from driftline_processor.core.intervals.onset import Onset
from driftline_processor.core.performance.objective import counts_already
from driftline_processor.core.performance.settings import STANDARD
from driftline_processor.core.service_level.failing import service_failing
from driftline_processor.core.windows.improbable_times import ImprobableTimes
from driftline_processor.core.windows.window import DAY, looks_a_day

from .context import NO_CONTEXT, VerdictContext
from .episode import episode_of
from .missed import with_missed
from .now import now_of
from .roles import BEFORE, without_older
from .signs import OF_OUTPUT, Sign, deciding_change
from .states import rank_state
from .traffic import Traffic
from .trailing_periods import LENGTHS, LEVEL, Excluded, TrailingPeriods, tiles, trailing_periods
from .training_rows import never_as_good
from .window import Reading, harmless_parts, look_again, read_outcomes, read_window, usual_service, verdict_of

_KNOWN = ("healthy", "unknown")


class ModelPart(Struct, frozen=True):
    """One version of a model in one environment, with its verdict.

    Attributes:
        key: Model, version and environment.
        verdict: Its own verdict.
        rows: Rows of its newest closed window: its share of the traffic.
        start: Start of that window, unix nanoseconds; None if rows have no time.
        end: End of that window.
        answers: Whether its predictions are used; False for a shadow.
    """

    key: ModelKey
    verdict: Verdict
    rows: int = 0
    start: int | None = None
    end: int | None = None
    answers: bool = True


def fold_verdicts(parts: Iterable[ModelPart]) -> Verdict | None:
    """Return the verdict of a model from those of its versions and environments; None without any.

    The state that is first in :data:`.states.ORDER` wins; between healthy and unknown, the part with most rows. Shadows
    do not count, nor versions that another version of the same environment replaced.
    """
    counted = parts_in_use(parts)
    if not counted:
        return None
    worst = min(counted, key=order_of_need)
    if len(counted) == 1:
        return worst.verdict
    return _with_name(worst, counted)


def parts_in_use(parts: Iterable[ModelPart]) -> list[ModelPart]:
    """Return the versions and environments that count: no shadows, and no replaced versions."""
    known = list(parts)
    counted = [part for part in known if part.answers] or known
    return [part for of_one in _by_environment(counted).values() for part in _current(of_one)]


def _by_environment(parts: Sequence[ModelPart]) -> dict[str, list[ModelPart]]:
    found: dict[str, list[ModelPart]] = defaultdict(list)
    for part in parts:
        found[part.key.environment].append(part)
    return found


def _current(parts: Sequence[ModelPart]) -> list[ModelPart]:
    """Return the versions of one environment that are still in use."""
    newest = max((part.start for part in parts if part.start is not None), default=None)
    latest = [part for part in parts if newest is None or part.end is None or part.end > newest]
    return [part for part in latest if part.verdict.state != "no_data"] or latest


def order_of_need(part: ModelPart) -> tuple[int, int, str, str]:
    """Return a sort key for parts; the first part determines the verdict of the model."""
    state = part.verdict.state
    rank = rank_state("unknown") if state in _KNOWN else rank_state(state)
    return rank, -part.rows, part.key.environment, part.key.version


def _with_name(part: ModelPart, parts: Sequence[ModelPart]) -> Verdict:
    """Return the verdict of a part, with its version and its environment if there are several."""
    several_versions = len({part.key.version for part in parts}) > 1
    several_environments = len({part.key.environment for part in parts}) > 1
    return replace(
        part.verdict,
        version=part.key.version if several_versions else None,
        environment=part.key.environment if several_environments else None,
    )


MANY_PENDING = 0.1
"""Pending windows per evaluated one, from which on a verdict gives no advice but to wait for them."""

TO_TURN = 2
"""Consecutive windows of a day or longer that change a state; a clear window counts as this many."""

COMPARED = ("worse", "level", "constant")
"""The reasons of signs that a longer window can show to be chance."""


class _Turn(NamedTuple):
    """Consecutive windows that contradict the state, too few to change it.

    Attributes:
        reading: The newest of them.
        since: Since when they contradict it, unix nanoseconds.
        windows: Their number.
        weight: Their count towards the change, in which a clear window counts more.
    """

    reading: Reading
    since: int | None
    windows: int
    weight: int

    def with_next(self, reading: Reading) -> _Turn:
        """Return the turn with one more window."""
        return _Turn(reading, self.since, self.windows + 1, self.weight + _weight(reading))


class _Run(NamedTuple):
    """Consecutive windows of one length with the same state.

    Attributes:
        reading: The newest of them.
        since: Since when the state holds, unix nanoseconds.
        turn: Newer windows that contradict the state, too few to change it; None without any.
        windows: Number of available closed windows of this length.
        until: When its fault was over, unix nanoseconds; None while it lasts, and if the opposite state began.
    """

    reading: Reading
    since: int | None
    turn: _Turn | None = None
    windows: int = 0
    until: int | None = None

    @property
    def newest(self) -> Reading:
        """The newest conclusive window."""
        return self.reading if self.turn is None else self.turn.reading

    @property
    def alone(self) -> bool:
        """True if no other window determines ``since``."""
        return self.windows == 1 and self.since == self.reading.start


def verdict_of_model(
    evaluations: Iterable[Evaluation],
    traffic: Traffic | None = None,
    previous: Verdict | None = None,
    context: VerdictContext = NO_CONTEXT,
    read: Callable[[Evaluation, VerdictContext], Reading] = read_window,
    excluded: Excluded | None = None,
) -> Verdict:
    """Return the verdict of a model from all its windows, its traffic and its backlog.

    The newest conclusive window decides between healthy and degraded; the closed windows after it decide whether the
    model is at risk. A state changes once :func:`windows_to_turn` consecutive windows confirm the new one, or at once
    if the interval of a day is clear of the limit. A degradation that windows of one length show lasts until windows
    that could detect it do not. ``no_data`` and ``lagging`` precede every state but degraded.

    Args:
        evaluations: Windows of one version in one environment, of any lengths, in any order.
        traffic: Traffic and backlog; None = unknown, as for files.
        previous: The previous verdict; it provides ``since`` if older windows are not available.
        context: Facts in addition to the windows.
        read: Reads a window, as :func:`~.window.read_window` does; pass a cached version for speed.
        excluded: Known results of :func:`~.trailing_periods.trailing_periods` for the same windows.
    """
    verdict = _verdict_by_windows(evaluations, traffic, previous, context, read, excluded)
    return verdict if traffic is None or traffic.times is None else _with_times(verdict, traffic.times, context)


def _with_times(verdict: Verdict, times: ImprobableTimes, context: VerdictContext) -> Verdict:
    """Return the verdict of a model whose predictions have improbable times, and are in the wrong windows."""
    found = facts.ImprobableTimes(times=times, timezone=context.timezone)
    advice = verdict.advice
    if verdict.state not in ("degraded", "at_risk"):
        advice = facts.CorrectTimes(times=times.kind)
    return replace(verdict, reasons=(*verdict.reasons, found), cause=verdict.cause or found, advice=advice)


def _verdict_by_windows(
    evaluations: Iterable[Evaluation],
    traffic: Traffic | None,
    previous: Verdict | None,
    context: VerdictContext,
    read: Callable[[Evaluation, VerdictContext], Reading],
    excluded: Excluded | None,
) -> Verdict:
    windows = usual_service(sorted(evaluations, key=_by_time))
    readings = [_read(evaluation, context, earlier, read) for evaluation, earlier in windows]
    verdict = _of_windows(readings, previous, excluded)
    if traffic is None:
        return verdict
    if traffic.pending > 1 and traffic.pending >= MANY_PENDING * sum(reading.evaluation.closed for reading in readings):
        verdict = replace(verdict, advice=facts.WaitForWindows(windows=traffic.pending))
    if verdict.state == "degraded":
        return verdict
    if traffic.silent:
        stopped = facts.NoPrediction(pause=traffic.pause), facts.PauseUnlikely(), facts.CheckService()
        return _without_windows("no_data", traffic.silent_since, context, *stopped)
    if traffic.is_behind:
        behind = facts.WindowsWait(windows=traffic.waiting), facts.ShownIsOld(), facts.WaitOrAddProcessor()
        return _without_windows("lagging", traffic.waiting_since, context, *behind)
    return verdict


def windows_to_turn(length: int) -> int:
    """Return the number of consecutive windows that change a state, equally rare by chance for hours and days.

    Args:
        length: Nanoseconds of a window; 0 if rows have no time.

    >>> from driftline_processor.core.windows.window import DAY
    >>> [windows_to_turn(hours * DAY // 24) for hours in (0, 168, 24, 12, 1)]
    [2, 2, 2, 3, 3]
    """
    # 0.02: fraction of a healthy model's windows in which outcomes or calls show a degradation;
    # `evidence/alerts_quiet.json`
    return TO_TURN + math.ceil(math.log(looks_a_day(length)) / -math.log(0.02))


def _weight(reading: Reading) -> int:
    """Return the count of a window towards a change of state."""
    if not reading.clear:
        return 1
    at_once = any(sign.at_once for sign in reading.signs)
    return windows_to_turn(_length(reading)) if at_once else TO_TURN


def _length(reading: Reading) -> int:
    window = reading.evaluation.window
    return window.end - window.start


def _read(
    evaluation: Evaluation,
    context: VerdictContext,
    earlier: Sequence[ServiceLevel],
    read: Callable[[Evaluation, VerdictContext], Reading],
    anew: Callable[[Evaluation, VerdictContext, Sequence[ServiceLevel]], Reading] = read_window,
) -> Reading:
    """Read a window; bypass the cache if earlier windows change whether its service fails."""
    if evaluation.service is None or service_failing(evaluation, earlier) == service_failing(evaluation):
        return read(evaluation, context)
    return anew(evaluation, context, earlier)


def _by_time(evaluation: Evaluation) -> tuple[int, int]:
    window = evaluation.window
    return window.end, window.end - window.start


def _of_windows(readings: Sequence[Reading], previous: Verdict | None, excluded: Excluded | None) -> Verdict:
    closed = [reading for reading in readings if counts_already(reading.evaluation)] or list(readings[-1:])
    if not closed:
        return _no_window()
    lengths: dict[str, list[Reading]] = {}
    for closed_reading in closed:
        lengths.setdefault(closed_reading.evaluation.window.name, []).append(closed_reading)
    newest_runs = {
        name: found[-1] for name, readings in lengths.items() if (found := _runs_of_states(readings, previous))
    }
    runs = [run for run in newest_runs.values() if run.until is None]
    together = trailing_periods([reading.evaluation for reading in closed if reading.evaluation.closed], excluded)
    runs = [run for run in runs if not _is_over(run, together.recovered)]
    context = replace(closed[-1].context, concept=None)
    periods = [read_outcomes(period, context) for period in together.windows]
    inconclusive = [
        reading for reading in (*closed, *periods) if not reading.decides and reading.evaluation.has_mature_outcomes
    ]
    doubtful = None if together.doubtful is None else read_outcomes(together.doubtful, context)
    run = _that_decides([*runs, *_runs_of_periods(periods, runs)], inconclusive)
    if run is not None and run.reading.state == "healthy" and doubtful is not None:
        run = None
    if run is not None and run.reading.state == "degraded":
        alone, onset = run.alone, _onset(run, closed, together)
        if onset is not None and run.since is not None:
            of_slice = run.reading.signs[0].reason == "slice_loss"  # other signs may be older, or its first range wider
            alone, run = False, run._replace(since=onset.latest if of_slice else min(run.since, onset.latest))
        longer = _longest_of_episode(run, runs)
        if onset is None and _shows_before(longer, run):
            alone, run = False, run._replace(since=longer.since)
        told = longer if _measures(longer, run) else run
        windows, before = _windows_of(told, closed), _windows_before(told, closed)
        verdict = verdict_of(told.reading, run.since, alone=alone, windows=windows, before=before)
        verdict = replace(verdict, now=_now(run, closed))
        if longer.reading is not told.reading:
            windows, before = _windows_of(longer, closed), _windows_before(longer, closed)
            cause = verdict_of(longer.reading, longer.since, windows=windows, before=before)
            verdict = _with_cause_of(verdict, cause)
        verdict = _with_training_rows(verdict, lengths.values(), previous)
        if onset is None or run.since is None or onset.earliest >= run.since:
            return verdict
        return replace(verdict, since_earliest=onset.earliest)
    unsettled = [readings for name, readings in lengths.items() if name not in newest_runs]
    lone = _lone_loss(unsettled) if run is None else None
    if lone is not None and lone.stands_out:
        return _not_borne_out(_Turn(lone, lone.since(), 1, _weight(lone)), alone=False)
    end = 0 if run is None else run.newest.evaluation.window.end
    turns = [one for one in runs if one.turn is not None and one.turn.reading.state == "degraded"]
    newest_turn = max(turns, key=lambda one: _by_time(one.newest.evaluation), default=None)
    if newest_turn is not None and newest_turn.turn is not None and newest_turn.turn.reading.stands_out:
        return _not_borne_out(newest_turn.turn, alone=newest_turn.windows == 1)
    harmless = harmless_parts(run.reading) if run is not None else {}
    risk = _run_of_risk(lengths.values(), end, run is None, harmless)
    if risk is not None:
        quiet = facts.NewestWithoutDrift() if risk.turn is not None else _last_known(closed, run)
        return verdict_of(risk.reading, risk.since, (quiet,), alone=risk.alone)
    newest = doubtful or _most_informative(closed)
    if run is None or _stale(closed, run):
        since = newest.start if run is None else run.reading.evaluation.window.end
        untold = replace(newest if run is None else _without_outcomes(closed, run)[-1], state="unknown", signs=())
        is_alone = sum(reading.evaluation.window.name == untold.evaluation.window.name for reading in closed) == 1
        verdict = verdict_of(untold, since, (_last_known(closed, run),), alone=is_alone and since == untold.start)
        return verdict if run is None else replace(verdict, reason="expired")
    certainty = tuple(reading for reading in (_after(closed, run), _lone(run)) if reading is not None)
    verdict = verdict_of(run.reading, run.since, certainty, alone=run.alone)
    return with_missed(verdict, lengths.values())


def _most_informative(closed: Sequence[Reading]) -> Reading:
    """Return the inconclusive window of the last day with most outcomes; the newest window without any.

    An hour may look worse while its day shows that it is not.
    """
    newest = closed[-1].evaluation.window.end
    telling = [
        reading
        for reading in closed
        if not reading.decides
        and reading.evaluation.has_mature_outcomes
        and reading.evaluation.window.end > newest - DAY
    ]
    return max(telling, key=lambda reading: reading.evaluation.outcome_rows, default=closed[-1])


def _longest_of_episode(run: _Run, runs: Iterable[_Run]) -> _Run:
    """Return the run of the longest windows with the state of a run, if it began before their newest one ended.

    A window with more rows proves causes that a short one cannot: wiring, units, slices, what the loss returns with.
    """

    def is_same_episode(other: _Run) -> bool:
        began, end = run.since, other.reading.evaluation.window.end
        return other.reading.state == run.reading.state and began is not None and began < end

    return max((run, *filter(is_same_episode, runs)), key=lambda one: _length(one.reading))


def _shows_before(longer: _Run, run: _Run) -> bool:
    """Return True if a whole longer window shows the same fault before the first short one that proves it."""
    if longer.since is None or run.since is None or longer.since + _length(longer.reading) > run.since:
        return False
    return _is_same_fault(longer, run)


def _measures(longer: _Run, run: _Run) -> bool:
    """Return True if a longer window measures the fault of a short one more precisely.

    All its rows are of the same fault, and its value is one that the short one may have: the fault has not changed.
    """
    start = longer.reading.start
    if start is None or run.since is None or start < run.since or not _is_same_fault(longer, run):
        return False
    sign, of_short = longer.reading.signs[0], run.reading.signs[0]
    if sign.metric != of_short.metric or sign.effect is None or of_short.effect is None:
        return True
    if of_short.low is None or of_short.high is None:
        half = normal_quantile(STANDARD.confidence) * math.sqrt(0.25 / max(run.reading.evaluation.rows, 1))
        return abs(sign.effect - of_short.effect) <= half
    return of_short.low <= sign.effect <= of_short.high


def _is_same_fault(run: _Run, other: _Run) -> bool:
    sign, of_other = run.reading.signs[0], other.reading.signs[0]
    by_outcomes = (*COMPARED, "errors")
    same_output = sign.reason in OF_OUTPUT and (sign.reason, sign.metric) == (of_other.reason, of_other.metric)
    return same_output or (sign.reason in by_outcomes and of_other.reason in by_outcomes)


def _with_cause_of(verdict: Verdict, longer: Verdict) -> Verdict:
    """Return the verdict of short windows with the cause and the advice of longer ones of the same episode.

    A faulty output, a failing service and a slice are known from the short ones.
    """
    if verdict.kind == "output_fault" or verdict.slice or longer.slice or not longer.kind:
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


def _onset(run: _Run, closed: Sequence[Reading], together: TrailingPeriods) -> Onset | None:
    """Return when a degradation began that a comparison with the baseline shows; None if its windows alone tell.

    A data fault that lasted for all of it began it; else the deciding metric tells, by its days.
    """
    reading, decides = run.reading, deciding_change(run.reading.evaluation)
    slice_change = reading.evaluation.slice_change
    if slice_change is not None and slice_change.since is not None and reading.signs[0].reason == "slice_loss":
        return Onset(slice_change.since_earliest or slice_change.since, slice_change.since, slice_change.since)
    if reading.signs[0].reason not in COMPARED or run.since is None:
        return None
    metric = reading.signs[0].metric if reading.signs[0].reason == "worse" or decides is None else decides[0]
    step = together.onset(metric, run.since)
    fault = episode_of(without_older(_windows_of(run, closed), _windows_before(run, closed))).fault
    if fault is None:
        return step
    evaluations = [one.evaluation for one in closed]
    name = reading.evaluation.window.name
    windows = [one for one in evaluations if one.window.name == name] or tiles(evaluations, 0)
    faulty = itertools.takewhile(lambda one: any(_is_same(other, fault) for other in one.findings), reversed(windows))
    began = min((one.window.start for one in faulty), default=None)
    if began is None or (step is not None and not step.earliest <= began <= max(step.latest, run.since)):
        return step
    return Onset(began, began, began)


def _is_same(finding: Finding, other: Finding) -> bool:
    return (finding.check, finding.features) == (other.check, other.features)


def _windows_of(run: _Run, closed: Sequence[Reading]) -> list[Evaluation]:
    """Return the windows of a degradation, the oldest first: those of its length, or the days of a longer period."""
    since = run.since or 0
    evaluations = [reading.evaluation for reading in closed]
    windows = [one for one in evaluations if one.window.name == run.reading.evaluation.window.name]
    return [one for one in windows if one.window.start >= since] if windows else tiles(evaluations, since)


def _windows_before(run: _Run, closed: Sequence[Reading]) -> list[Evaluation]:
    """Return the newest windows of the same length that ended before a degradation, the oldest first."""
    name, since = run.reading.evaluation.window.name, run.since or 0
    ended = [one.evaluation for one in closed if one.evaluation.window.end <= since]
    windows = [one for one in ended if one.window.name == name] or tiles(ended, 0)
    return windows[-BEFORE:]


def _with_training_rows(verdict: Verdict, lengths: Iterable[Sequence[Reading]], previous: Verdict | None) -> Verdict:
    """Return the verdict of a degraded model that was never as good as its baseline, with that as its cause.

    Only if nothing else explains the degradation, and its first windows are known.
    """
    explained = verdict.kind in ("service", "output_fault", "data_fault", "covariate_shift", "label_shift")
    for readings in lengths:
        began = previous is not None and _began_before(previous, readings[0].start)
        if explained or began or readings[0].context.provisional or verdict.slice:
            continue
        found = never_as_good([reading.evaluation for reading in readings])
        if found is not None:
            reasons = (*verdict.reasons[:1], found)
            return replace(verdict, cause=found, reasons=reasons, advice=facts.CheckBaseline(then=verdict.advice))
    return verdict


def _is_over(run: _Run, recovered: int) -> bool:
    """Return True if newer days together exclude the degradation that a run shows."""
    reading = run.reading
    compared = all(sign.reason in COMPARED for sign in reading.signs)
    return reading.state == "degraded" and compared and 0 < reading.evaluation.window.end <= recovered


def _runs_of_periods(periods: Iterable[Reading], runs: Sequence[_Run]) -> list[_Run]:
    """Return what the last 7 and 30 days show together, as runs of one window each.

    A state that they share with the windows began with it.
    """
    found = []
    for reading in periods:
        if reading.decides:
            since = [run.since for run in runs if run.reading.state == reading.state and run.since is not None]
            found.append(_Run(reading, min(since, default=reading.start), None, 1))
    return found


def _that_decides(runs: Sequence[_Run], inconclusive: Sequence[Reading]) -> _Run | None:
    """Return the deciding run; None if nothing is shown.

    The shortest degradation that none refutes, those of a faulty output first; else the healthy run with most
    outcomes. Of many windows some are clear by chance: one does not show that a model is healthy while another with
    more outcomes is inconclusive.

    Args:
        runs: What the windows of each length, and the last days, show.
        inconclusive: Windows that have their outcomes and show neither.
    """
    degraded_runs = [
        run for run in runs if run.reading.state == "degraded" and not any(_refutes(other, run) for other in runs)
    ]
    if degraded_runs:
        return min(degraded_runs, key=_order_of_fault)
    healthy_runs = [
        run
        for run in runs
        if run.reading.state == "healthy" and not any(_knows_more(other, run) for other in inconclusive)
    ]
    newest = max((run.newest.evaluation.window.end for run in healthy_runs), default=0)
    recent = [run for run in healthy_runs if newest - run.newest.evaluation.window.end < DAY]
    return max(recent, key=_information, default=None)


def _order_of_fault(run: _Run) -> tuple[bool, int, int]:
    """Return the order of degraded runs: a faulty output first, which few rows may not show; then by length."""
    shows_fault = run.reading.signs[0].reason in OF_OUTPUT
    return not shows_fault, _length(run.reading), -run.newest.evaluation.window.end


def _information(run: _Run) -> tuple[int, int, int]:
    """Return the order of runs by what their newest window shows: by its outcomes, then by its end and its length."""
    window = run.newest.evaluation.window
    return run.newest.evaluation.outcome_rows, window.end, window.end - window.start


def _knows_more(other: Reading, run: _Run) -> bool:
    """Return True if another window, not more than a day older, has more outcomes than the newest one of a run."""
    newest = run.newest.evaluation
    evaluation = other.evaluation
    is_recent = evaluation.window.end > newest.window.end - DAY
    return is_recent and evaluation.outcome_rows > newest.outcome_rows


def _refutes(right: _Run, wrong: _Run) -> bool:
    """Return True if windows without a degradation end one that windows of another length show.

    They must be later, and able to detect it: by an interval no longer than the degradation, or by their total length.
    Or they contain it, and it may be chance.
    """
    if right.reading.state != "healthy":
        return False
    fine, reading = right.reading.evaluation, wrong.reading
    end = reading.evaluation.window.end
    if fine.window.start <= reading.evaluation.window.start and end <= fine.window.end:
        return not any(
            sign.clear or sign.reason not in COMPARED or _reaches_period_level(sign, reading) for sign in reading.signs
        )
    if fine.window.start < end:
        return False
    since = end if right.since is None else max(right.since, end)
    return fine.window.end - since >= _length(reading) or _could_see(fine, reading)


def _reaches_period_level(sign: Sign, reading: Reading) -> bool:
    """Return True if a metric is worse at the level at which the last 7 and 30 days show it."""
    change = reading.evaluation.realized_changes.get(sign.metric)
    p = None if change is None or sign.reason != "worse" else change.p_value
    return p is not None and p <= LEVEL


def _could_see(evaluation: Evaluation, reading: Reading) -> bool:
    """Return True if a window's interval is no longer than the degradation in another window, or if this is unknown."""
    sign = reading.signs[0]
    change = evaluation.realized_changes.get(sign.metric)
    if sign.reason in ("level", "constant"):
        change = evaluation.level if sign.reason == "level" else evaluation.constant_comparison
    if sign.effect is None or sign.slice or change is None or change.low is None or change.high is None:
        return True
    return change.high - change.low <= abs(sign.effect)


def _now(run: _Run, closed: Sequence[Reading]) -> facts.Now:
    """Return what the newest windows of a degradation show, and how many more healthy ones end it."""
    degraded, newest = run.reading, run.newest.evaluation.window
    calm = sum(
        one.evaluation.window.name == newest.name
        and one.evaluation.window.end > newest.end
        and not one.decides
        and _could_show(degraded, one.evaluation)
        for one in closed
    )
    healthy, weight = (calm, calm) if run.turn is None else (run.turn.windows, run.turn.weight)
    left = 0 if newest.name in LENGTHS else windows_to_turn(_length(degraded)) - weight
    windows = _windows_of(run, closed)
    return now_of(degraded, windows, healthy=healthy, left=left, clear_ends=1 < left <= TO_TURN)


def _runs_of_states(readings: Sequence[Reading], previous: Verdict | None) -> list[_Run]:
    """Return the runs of healthy and degraded windows of one length, after hysteresis, the oldest first.

    A degradation that is not clear begins the first run only if no earlier window was able to decide. A window of an
    hour does so only while it is the only one, since the next ones follow soon.
    """
    runs: list[_Run] = []
    state: str = ""
    newest: Reading | None = None
    since: int | None = None
    turn: _Turn | None = None
    first, undecided, calm = readings[0].start, False, list[Reading]()
    needed = windows_to_turn(_length(readings[0]))
    if previous is not None and previous.state in ("healthy", "degraded") and _began_before(previous, first):
        state, since = previous.state, previous.since
    for reading in readings:
        if not reading.decides:
            if reading.evaluation.has_mature_outcomes:
                turn, undecided = None, True  # the next window does not confirm it
            if state != "degraded" or newest is None or not _could_show(newest, reading.evaluation):
                continue
            calm.append(reading)
            if len(calm) >= needed:
                healthy = runs[-1].reading if runs else None
                runs.append(_Run(newest, since, None, len(readings), calm[0].start))
                state, newest, since = ("", None, None) if healthy is None else ("healthy", healthy, calm[0].start)
                calm = []
            continue
        calm = []
        if reading.state == state:
            newest, turn = reading, None
            continue
        streak = turn is not None and turn.reading.state == reading.state
        turn = (
            turn.with_next(reading)
            if turn is not None and streak
            else _Turn(reading, reading.since(), 1, _weight(reading))
        )
        believed = not undecided and (needed == TO_TURN or len(readings) == 1)
        if turn.weight >= needed or (not state and (reading.state == "healthy" or believed)):
            if newest is not None:
                runs.append(_Run(newest, since, None, len(readings)))
            state, newest, since, turn = reading.state, reading, turn.since, None
    if newest is None:
        if turn is None or not state:
            return runs
        newest, since, turn = turn.reading, turn.since, None  # the windows of the previous state are not available
    return [*runs, _Run(newest, since, turn, len(readings))]


def _could_show(fault: Reading, evaluation: Evaluation) -> bool:
    """Return True if a window would show a fault that needs no comparison of its outcomes with a baseline."""
    seen = {
        "service": evaluation.service is not None,
        "output": evaluation.score is not None and evaluation.rows > 0,
        "errors": evaluation.has_mature_outcomes,
    }
    return all(seen.get(sign.reason, False) for sign in fault.signs)


def _lone_loss(lengths: Iterable[Sequence[Reading]]) -> Reading | None:
    """Return the newest conclusive window if it shows a degradation, from windows of which none begins a run."""
    last_readings: list[Reading] = []
    for readings in lengths:
        telling = [reading for reading in readings if reading.decides or reading.evaluation.has_mature_outcomes]
        last_readings += [reading for reading in telling[-1:] if reading.decides]
    return max(last_readings, key=lambda reading: _by_time(reading.evaluation), default=None)


def _began_before(previous: Verdict, first: int | None) -> bool:
    """Return True if a state began before the first available window."""
    return previous.since is not None and first is not None and previous.since < first


def _run_of_risk(
    lengths: Iterable[Sequence[Reading]], ended: int, alone: bool, harmless: Mapping[str, float]
) -> _Run | None:
    """Return the newest lasting run of windows at risk; None without any.

    A risk begins with as many consecutive windows as change a state, or with a clear one, and ends with two windows
    without it. Drift that the deciding window showed to be harmless is ignored unless it grows.

    Args:
        lengths: Closed windows by length, the oldest first.
        ended: End of the newest conclusive window; older windows do not count.
        alone: Whether no window is conclusive.
        harmless: The result of :func:`~.window.harmless_parts` for the deciding window.
    """
    runs: list[_Run] = []
    for readings in lengths:
        newer = [
            reading.without(harmless)
            for reading in readings
            if reading.evaluation.window.end > ended or (alone and reading.start is None)
        ]
        run: list[Reading] = []
        quiet: _Turn | None = None
        in_a_row, needed = 0, windows_to_turn(_length(readings[0]))
        sure = len(readings) == 1
        for newer_reading in newer:
            if newer_reading.state == "at_risk":
                in_a_row = in_a_row + 1 if quiet is None else 1
                sure = sure or newer_reading.clear or in_a_row >= needed
                run.append(newer_reading)
                quiet = None
            elif newer_reading.evaluation.rows and run and quiet is None:
                quiet = _Turn(newer_reading, newer_reading.start, 1, 1)
            elif newer_reading.evaluation.rows:
                run, quiet, sure, in_a_row = [], None, False, 0
        if run and sure:
            runs.append(_Run(run[-1], run[0].since(ended), quiet, len(readings)))
    newest = max(runs, key=lambda run: _by_time(run.reading.evaluation), default=None)
    return None if newest is None else _longest_of_episode(newest, runs)


def _stale(closed: Sequence[Reading], run: _Run) -> bool:
    """Return True if outcomes stopped after the deciding window."""
    # 2: consecutive closed windows without outcomes after which an older `healthy` is outdated, as for an incident
    return len(_without_outcomes(closed, run)) >= 2


def _without_outcomes(closed: Sequence[Reading], run: _Run) -> list[Reading]:
    """Return the newest windows of the deciding length without outcomes after their usual delay."""
    name, end = run.reading.evaluation.window.name, run.reading.evaluation.window.end
    newer = [
        reading for reading in closed if reading.evaluation.window.name == name and reading.evaluation.window.end > end
    ]
    missing: list[Reading] = []
    for reading in newer:
        evaluation = reading.evaluation
        if evaluation.young or not evaluation.rows:
            continue
        if evaluation.has_mature_outcomes:
            missing.clear()
        else:
            missing.append(reading)
    return missing


def _not_borne_out(turn: _Turn, *, alone: bool) -> Verdict:
    """Return an at-risk verdict: the newest windows show a degradation, but too few of them."""
    verdict = verdict_of(turn.reading, turn.since, alone=alone)
    second = windows_to_turn(_length(turn.reading)) == TO_TURN
    return replace(
        verdict,
        state="at_risk",
        reasons=(turn.reading.signs[0].fact, facts.ChancePossible(windows=turn.windows)),
        certainty=(*verdict.certainty, facts.ToBeConfirmed(by_one=second)),
        advice=verdict.advice if verdict.kind == "data_fault" else look_again(verdict.advice),
    )


def _last_known(closed: Sequence[Reading], run: _Run | None) -> Fact:
    if run is None or run.reading.start is None:
        evaluations = [reading.evaluation for reading in closed if reading.evaluation.has_mature_outcomes]
        if evaluations and not any(reading.reference or reading.objectives for reading in evaluations):
            return facts.OutcomesWithoutObjective()
        end = max((reading.evaluation.window.end for reading in closed if reading.decides), default=0)
        newest = closed[-1]
        if not end:
            return facts.NoWindowBefore()
        is_newest = end == newest.evaluation.window.end
        return facts.ConclusiveUntil(end=end, timezone=newest.context.timezone, newest=is_newest)
    return facts.HealthyUntil(end=run.reading.evaluation.window.end, timezone=run.reading.context.timezone)


def _after(closed: Sequence[Reading], run: _Run) -> Fact | None:
    """Return the fact until when the model is known to be healthy; None if no later window exists."""
    end = run.reading.evaluation.window.end
    if run.reading.start is None or closed[-1].evaluation.window.end <= end:
        return None
    return facts.KnownUntil(end=end, timezone=run.reading.context.timezone)


def _lone(run: _Run) -> Fact | None:
    """Return the fact about the newest window, which may be chance; None without one."""
    return None if run.turn is None else facts.NewestMayBeChance(shown=run.turn.reading.signs[0].fact)


def _no_window() -> Verdict:
    return Verdict(
        "unknown",
        reasons=(facts.NoWindowClosed(),),
        certainty=(facts.NothingKnown(),),
        advice=facts.WaitForFirstWindow(),
    )


def _without_windows(
    state: VerdictState, since: int | None, context: VerdictContext, reason: Fact, certainty: Fact, advice: Fact
) -> Verdict:
    zone = context.timezone
    return Verdict(state, since, reasons=(reason,), certainty=(certainty,), advice=advice, of_days=False, timezone=zone)
