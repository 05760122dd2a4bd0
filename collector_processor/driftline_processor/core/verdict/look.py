"""What all windows of a model show together, and the run that decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from driftline_processor.core.evaluation import Evaluation, Verdict
from driftline_processor.core.performance.objective import counts_already
from driftline_processor.core.windows.window import DAY

from .comparisons import compared_change
from .reading import Reading, read_outcomes
from .runs import Run, length_of, runs_of_states, still_shows
from .sign import COMPARED, OF_OUTPUT, Sign
from .trailing_periods import LEVEL, Excluded, TrailingPeriods, trailing_periods


class LastDegradation(NamedTuple):
    """The newest degradation of a record.

    Attributes:
        since: Its begin, unix nanoseconds.
        end: End of the newest window at whose end it lasted.
        earliest: The earliest begin that its rows left open; None if that is its begin.
    """

    since: int
    end: int
    earliest: int | None = None


class Look(NamedTuple):
    """What the windows of a model show.

    Attributes:
        closed: The windows that count, by their end.
        lengths: The same by the name of their length.
        runs: The newest run of each length, if it lasts.
        unsettled: The lengths of which no window begins a run.
        together: What the windows show together.
        doubtful: The newest days together, if they forbid that the model is called healthy.
        run: The run that decides; None if nothing is shown.
        previous: The state before the first available window; None if unknown.
        last: Returns the last degradation of the record; None without one.
    """

    closed: Sequence[Reading]
    lengths: Mapping[str, Sequence[Reading]]
    runs: Sequence[Run]
    unsettled: Sequence[Sequence[Reading]]
    together: TrailingPeriods
    doubtful: Reading | None
    run: Run | None
    previous: Verdict | None
    last: Callable[[], LastDegradation | None]


def look_at(
    readings: Sequence[Reading],
    previous: Verdict | None,
    excluded: Excluded | None,
    last: Callable[[], LastDegradation | None],
) -> Look | None:
    """Return what windows show; None without any.

    Args:
        readings: The windows by their end, of any lengths.
        previous: The state before the first available window.
        excluded: Known results of :func:`~.trailing_periods.trailing_periods` for the same windows.
        last: Returns the last degradation of the record.
    """
    closed = [reading for reading in readings if counts_already(reading.evaluation)] or list(readings[-1:])
    if not closed:
        return None
    lengths = _by_length(closed)
    of_lengths = {name: runs_of_states(of_name, previous) for name, of_name in lengths.items()}
    together = trailing_periods([one.evaluation for one in closed if one.evaluation.closed], excluded)
    newest = (found[-1] for found in of_lengths.values() if found)
    runs = [run for run in newest if _lasts(run, together.recovered, closed)]
    context = replace(closed[-1].context, concept=None)
    periods = [read_outcomes(period, context) for period in together.windows]
    doubtful = None if together.doubtful is None else read_outcomes(together.doubtful, context)
    # a window that contains a recovery says nothing about now
    of_now = [one for one in closed if not _contains(one, together.recovered)] if together.recovered else closed
    run = _that_decides([*runs, *_runs_of_periods(periods, runs)], [*of_now, *periods], doubtful)
    run = _since_recovery(run, together.recovered, closed, last)
    unsettled = [lengths[name] for name, found in of_lengths.items() if not found]
    return Look(closed, lengths, runs, unsettled, together, doubtful, run, previous, last)


def _by_length(closed: Iterable[Reading]) -> dict[str, list[Reading]]:
    lengths: dict[str, list[Reading]] = {}
    for reading in closed:
        lengths.setdefault(reading.evaluation.window.name, []).append(reading)
    return lengths


def _contains(reading: Reading, time: int) -> bool:
    window = reading.evaluation.window
    return window.start < time < window.end


def _since_recovery(
    run: Run | None, recovered: int, closed: Iterable[Reading], last: Callable[[], LastDegradation | None]
) -> Run | None:
    """Return the run that decides, with a begin after the recovery if the model was not degraded in between.

    Between a fault that is over and the newest one, windows may show neither, so that they are one run. Where one of
    two faults ends, the loss falls, too, but the degradation goes on.
    """
    if run is None or run.since is None or run.since >= recovered:
        return run
    reading, name = run.reading, run.reading.evaluation.window.name
    if reading.state == "healthy":
        return run._replace(since=recovered)
    known = last()
    if reading.signs[0].reason not in COMPARED or known is None:
        return run
    if known.since >= recovered:
        return run._replace(since=known.since)
    later = (one for one in closed if one.evaluation.window.name == name and one.state == reading.state)
    first = next((one for one in later if one.evaluation.window.start >= recovered), reading)
    return run._replace(since=first.since()) if known.end < first.evaluation.window.start else run


def _lasts(run: Run, recovered: int, closed: Sequence[Reading]) -> bool:
    """Return True if neither its own windows nor newer ones of other lengths end a run."""
    return run.until is None and not _is_over(run, recovered) and not _has_faded(run, closed)


def _is_over(run: Run, recovered: int) -> bool:
    """Return True if newer days together exclude the degradation that a run shows."""
    reading = run.reading
    compared = all(sign.reason in COMPARED for sign in reading.signs)
    return reading.state == "degraded" and compared and 0 < reading.evaluation.window.start < recovered


def _has_faded(run: Run, closed: Sequence[Reading]) -> bool:
    """Return True if newer windows of shorter lengths, with that of a run as one period, no longer show its loss.

    The next window of the length of the run may be months away.
    """
    fault, length = run.reading, length_of(run.reading)
    if fault.state != "degraded" or fault.signs[0].reason not in COMPARED:
        return False
    newer, covered = list[Reading](), fault.evaluation.window.end
    shorter = _by_length(one for one in closed if one.evaluation.has_mature_outcomes and length_of(one) < length)
    for of_name in sorted(shorter.values(), key=lambda windows: -length_of(windows[0])):
        following = [one for one in of_name if one.evaluation.window.start >= covered]
        newer += following
        covered = max((one.evaluation.window.end for one in following), default=covered)
    return bool(newer) and not still_shows(fault, newer)


def _runs_of_periods(periods: Iterable[Reading], runs: Sequence[Run]) -> list[Run]:
    """Return what the last 7 and 30 days show together, as runs of one window each.

    A state that they share with the windows began with it.
    """
    found = []
    for reading in periods:
        if reading.decides:
            since = [run.since for run in runs if run.reading.state == reading.state and run.since is not None]
            found.append(Run(reading, min(since, default=reading.start), None, 1))
    return found


def _that_decides(runs: Sequence[Run], readings: Iterable[Reading], doubtful: Reading | None) -> Run | None:
    """Return the deciding run; None if nothing is shown.

    The shortest degradation that none refutes, those of a faulty output first; else the healthy run with most
    outcomes. Of many windows some are clear by chance: one does not show that a model is healthy while another with
    more outcomes is inconclusive.

    Args:
        runs: What the windows of each length, and the last days, show.
        readings: All windows and last days.
        doubtful: The newest days together, if they forbid that the model is called healthy.
    """
    degraded_runs = [
        run for run in runs if run.reading.state == "degraded" and not any(_refutes(other, run) for other in runs)
    ]
    if degraded_runs:
        return min(degraded_runs, key=_order_of_fault)
    if doubtful is not None:
        return None
    inconclusive = [one for one in readings if not one.decides and one.evaluation.has_mature_outcomes]
    healthy_runs = [
        run
        for run in runs
        if run.reading.state == "healthy" and not any(_knows_more(other, run) for other in inconclusive)
    ]
    newest = max((run.newest.evaluation.window.end for run in healthy_runs), default=0)
    recent = [run for run in healthy_runs if newest - run.newest.evaluation.window.end < DAY]
    return max(recent, key=_information, default=None)


def _order_of_fault(run: Run) -> tuple[bool, int, int]:
    """Return the order of degraded runs: a faulty output first, which few rows may not show; then by length."""
    shows_fault = run.reading.signs[0].reason in OF_OUTPUT
    return not shows_fault, length_of(run.reading), -run.newest.evaluation.window.end


def _information(run: Run) -> tuple[int, int, int]:
    """Return the order of runs by what their newest window shows: by its outcomes, then by its end and its length."""
    window = run.newest.evaluation.window
    return run.newest.evaluation.outcome_rows, window.end, window.end - window.start


def _knows_more(other: Reading, run: Run) -> bool:
    """Return True if another window, not more than a day older, has more outcomes than the newest one of a run."""
    newest = run.newest.evaluation
    evaluation = other.evaluation
    is_recent = evaluation.window.end > newest.window.end - DAY
    return is_recent and evaluation.outcome_rows > newest.outcome_rows


def _refutes(right: Run, wrong: Run) -> bool:
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
    return fine.window.end - since >= length_of(reading) or _could_see(fine, reading)


def _reaches_period_level(sign: Sign, reading: Reading) -> bool:
    """Return True if a metric is worse at the level at which the last 7 and 30 days show it."""
    change = reading.evaluation.realized_changes.get(sign.metric)
    p = None if change is None or sign.reason != "worse" else change.p_value
    return p is not None and p <= LEVEL


def _could_see(evaluation: Evaluation, reading: Reading) -> bool:
    """Return True if a window's interval is no longer than the degradation in another window, or if this is unknown."""
    sign = reading.signs[0]
    change = compared_change(sign, evaluation)
    if sign.effect is None or sign.slice or change is None or change.low is None or change.high is None:
        return True
    return change.high - change.low <= abs(sign.effect)
