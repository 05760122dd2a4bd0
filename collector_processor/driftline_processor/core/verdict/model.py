"""The verdict of a model: which window decides, and for how long a state holds before it turns.

The pace of a model's traffic: at which hours of the week rows come, and how long its pauses are.

A pause is counted in open time, the hours of the week in which rows usually come: nights and weekends of a model that
works by day are none of it. A model is silent once a pause is longer than its own pauses make likely.

The traffic and the backlog of a model: whether it went silent, and whether its windows wait.

One verdict from many: versions and environments of a model.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from driftline.tables.table import F64, I64, ModelKey
from msgspec import Struct, structs
from msgspec.structs import replace

from driftline_processor.core.evaluation import Evaluation, ServiceLevel, Verdict
from driftline_processor.core.facts import Fact, fact
from driftline_processor.core.service_level.failing import service_failing
from driftline_processor.core.windows.window import DAY, HOUR, PANE, looks_a_day, time_zone

from .context import NO_CONTEXT, VerdictContext
from .states import rank_state
from .window import Reading, harmless_parts, read_outcomes, read_window, usual_service, verdict_of

_KNOWN = ("healthy", "unknown")


class ModelPart(Struct, frozen=True):
    """One version of a model in one environment, with its verdict.

    Attributes:
        key: Model, version and environment.
        verdict: Its own verdict.
        rows: Rows of its newest closed window: the share of users that it answers.
        start: Start of that window, unix nanoseconds; None where rows have no time.
        end: End of that window.
        answers: Whether anybody acts on its predictions; False for a shadow.
    """

    key: ModelKey
    verdict: Verdict
    rows: int = 0
    start: int | None = None
    end: int | None = None
    answers: bool = True


def fold_verdicts(parts: Iterable[ModelPart]) -> Verdict | None:
    """Return the verdict of a model from those of its versions and environments; None where there is none.

    The state that goes first in :data:`.states.ORDER` wins; between healthy and unknown, the part with most rows.
    Shadows do not count, nor versions whose traffic another version of the same environment took over.
    """
    counted = parts_in_use(parts)
    if not counted:
        return None
    worst = min(counted, key=order_of_need)
    if len(counted) == 1:
        return worst.verdict
    return _with_name(worst, counted)


def parts_in_use(parts: Iterable[ModelPart]) -> list[ModelPart]:
    """Return the versions and environments that count: no shadows, and none whose traffic another version took over."""
    known = list(parts)
    counted = [part for part in known if part.answers] or known
    return [part for of_one in _by_environment(counted).values() for part in _current(of_one)]


def _by_environment(parts: Sequence[ModelPart]) -> dict[str, list[ModelPart]]:
    found: dict[str, list[ModelPart]] = defaultdict(list)
    for part in parts:
        found[part.key.environment].append(part)
    return found


def _current(parts: Sequence[ModelPart]) -> list[ModelPart]:
    """Return the versions of one environment that still answer."""
    newest = max((part.start for part in parts if part.start is not None), default=None)
    latest = [part for part in parts if newest is None or part.end is None or part.end > newest]
    return [part for part in latest if part.verdict.state != "no_data"] or latest


def order_of_need(part: ModelPart) -> tuple[int, int, str, str]:
    """Return a key that sorts parts so that the first is the one that the verdict of the model is about."""
    state = part.verdict.state
    rank = rank_state("unknown") if state in _KNOWN else rank_state(state)
    return rank, -part.rows, part.key.environment, part.key.version


def _with_name(part: ModelPart, parts: Sequence[ModelPart]) -> Verdict:
    """Return the verdict of a part with its version, and its environment, where there are several."""
    several_versions = len({part.key.version for part in parts}) > 1
    several_environments = len({part.key.environment for part in parts}) > 1
    return replace(
        part.verdict,
        version=part.key.version if several_versions else None,
        environment=part.key.environment if several_environments else None,
    )


PATIENCE = 2 * PANE
"""Nanoseconds that windows may wait if no deadline of their length is given."""


class Traffic(Struct, frozen=True):
    """What the processor knows of a model's traffic and backlog.

    Attributes:
        now: The present, unix nanoseconds.
        silent_since: When the newest row came, where the model's own pace says that the next is overdue, see
            :class:`Pace`; None where it is not, or no pace is known.
        pause: Nanoseconds of open time that its pauses last at most.
        waiting: Windows that wait to be evaluated.
        waiting_since: When the first of them began to wait, unix nanoseconds; None where none waits.
        patience: Nanoseconds that windows may wait.
    """

    now: int
    silent_since: int | None = None
    pause: int = 0
    waiting: int = 0
    waiting_since: int | None = None
    patience: int = PATIENCE

    @property
    def silent(self) -> bool:
        """Whether no row comes, though the model's own pace says that one should have."""
        return self.silent_since is not None

    @property
    def behind(self) -> bool:
        """Whether windows wait longer than they may."""
        return self.waiting > 0 and self.waiting_since is not None and self.now - self.waiting_since > self.patience


Bools = npt.NDArray[np.bool_]

WEEK = 7 * DAY
"""Nanoseconds of a week."""

_HOURS = WEEK // HOUR
_YEAR = 365.25 * DAY
"""Nanoseconds of a year."""

_MONDAY = 3 * DAY
"""The epoch was a Thursday: so long after a Monday."""

SEEN = DAY
"""Nanoseconds of traffic without which no pace is known: one day and one night."""

FEWEST = 8
"""Pauses without which no pace is known. What other values of this and the next numbers do: docs/data/constants.md."""

AROUND_THE_CLOCK = 0.95
"""Share of hours with rows from which on an hour of the week that was not seen yet is taken to be open."""

USUAL = 0.5
"""Share of weeks in which an hour of the week has rows, for it to be open."""

SCHEDULED = 0.9
"""Share of rows' hours that are open, for the traffic to follow the hours of the week at all."""

FALSE_A_YEAR = 0.2
"""False silences of one model in a year that the limit allows where pauses are exponential."""

TAIL = (0.1, 5, 50)
"""Share of all pauses that are the tail by which longer ones are judged, at least and at most so many."""

UNSURE = 2.0
"""By how many standard errors the tail may be longer than it was seen to be."""

OUTAGE = 3.0
"""A pause so many times as long as the next longest was a silence itself, and is no part of the pace."""


class Pace(Struct, frozen=True, eq=False):
    """The pace of a model.

    Attributes:
        open: bool (168,), the hours of the week, from Monday 0:00 of ``timezone``, in which rows usually come.
        limit: Nanoseconds of open time without a row after which the model is silent.
        timezone: The model's.
    """

    open: Bools
    limit: int
    timezone: str

    def silent_since(self, last: int, now: int, away: tuple[int, int] = (0, 0)) -> int | None:
        """Return ``last`` where no row came for longer than the limit; None where it may be a pause.

        Args:
            last: When the newest row came, unix nanoseconds.
            now: The present.
            away: A stretch in which nobody listened; it does not count.
        """
        ends = np.array([last, now, *(min(max(end, last), now) for end in away)], np.int64)
        began, ended, left, back = open_time(ends, self.open, self.timezone).tolist()
        return last if ended - began - max(0, back - left) > self.limit else None


def pace_of(arrivals: I64, now: int, timezone: str = "UTC") -> Pace | None:
    """Return the pace of a model; None where too little is known of it.

    The limit is where the tail of its own pauses, taken as exponential and made longer by twice its standard error, is
    passed :data:`FALSE_A_YEAR` times a year. ``simulations/silence.py`` measures how often that is.

    Args:
        arrivals: int64 (n,), ascending, the panes of wall time in which rows came, unix nanoseconds.
        now: The present, unix nanoseconds.
        timezone: The model's, in which its week is counted.

    Example:
        >>> days = np.arange(28 * 288, dtype=np.int64) * PANE
        >>> office = days[(days % DAY // HOUR >= 9) & (days % DAY // HOUR < 17)]
        >>> pace = pace_of(office, 28 * DAY)
        >>> int(pace.open.sum()), pace.limit // PANE
        (56, 3)
    """
    arrivals = arrivals[arrivals <= now]
    if len(arrivals) <= FEWEST or now - int(arrivals[0]) < SEEN:
        return None
    usual = _open_hours(arrivals, timezone)
    pauses = np.sort(np.diff(open_time(arrivals, usual, timezone)))
    pauses = pauses[pauses > 0].astype(np.float64)
    while len(pauses) > FEWEST and pauses[-1] > max(OUTAGE * pauses[-2], 2 * HOUR):
        pauses = pauses[:-1]
    if len(pauses) < FEWEST:
        return None
    return Pace(usual, _limit(pauses, now - int(arrivals[0])), timezone)


def open_time(moments: I64, usual: Bools, timezone: str) -> I64:
    """Return how much open time has passed at each moment since a fixed one, nanoseconds: int64 (n,).

    Args:
        moments: int64 (n,), unix nanoseconds.
        usual: bool (168,), the open hours of the week.
        timezone: The one in which the week is counted.
    """
    local = _local(moments, timezone)
    before = np.concatenate([[0], np.cumsum(usual)]) * HOUR
    week, rest = np.divmod(local, WEEK)
    hour, into = np.divmod(rest, HOUR)
    passed: I64 = week * before[-1] + before[hour] + usual[hour] * into
    return passed


def _open_hours(arrivals: I64, timezone: str) -> Bools:
    """Return the open hours of the week; all of them where traffic does not follow the week.

    Hours after the last row tell nothing: whether they are a silence is the question.
    """
    hours = np.arange(int(arrivals[0]) // HOUR, int(arrivals[-1]) // HOUR + 1, dtype=np.int64)
    active = np.zeros(len(hours), bool)
    active[arrivals // HOUR - hours[0]] = True
    place = _local(hours * HOUR, timezone) % WEEK // HOUR
    seen = np.bincount(place, minlength=_HOURS)
    held = np.bincount(place, active, minlength=_HOURS)
    always = bool(active.mean() >= AROUND_THE_CLOCK)
    usual: Bools = np.where(seen == 0, always, held >= USUAL * np.maximum(seen, 1))
    followed = (usual[place] & active).sum() >= SCHEDULED * active.sum()
    return usual if followed else np.ones(_HOURS, bool)


def _limit(pauses: F64, span: int) -> int:
    """Return the pause that comes :data:`FALSE_A_YEAR` times a year; ``pauses``: ascending, of ``span`` nanoseconds."""
    share, fewest, most = TAIL
    m = min(max(int(share * len(pauses)), fewest), most, len(pauses) - 1)
    begins = pauses[-m - 1]
    mean = (pauses[-m:] - begins).mean() * (1 + UNSURE / np.sqrt(m))
    longer = mean * np.log(max(m * _YEAR / span / FALSE_A_YEAR, 1.0))
    limit = int(max(begins + longer, pauses[-1], begins + 2 * PANE))
    return -(-limit // PANE) * PANE


def _local(moments: I64, timezone: str) -> I64:
    """Return moments as nanoseconds of local time since a Monday, as the offset of their UTC day says."""
    days, which = np.unique(moments // DAY, return_inverse=True)
    offsets = np.array([_offset(int(day), timezone) for day in days], np.int64)
    local: I64 = moments + offsets[which] + _MONDAY
    return local


@lru_cache(maxsize=4096)
def _offset(day: int, timezone: str) -> int:
    """Return how far local time is ahead of UTC at noon of a day since the epoch, nanoseconds."""
    noon = datetime(1970, 1, 1, 12, tzinfo=UTC) + timedelta(days=day)
    ahead = noon.astimezone(time_zone(timezone)).utcoffset() or timedelta()
    return round(ahead.total_seconds()) * 10**9


TO_TURN = 2
"""Days, and longer windows, in a row that turn a state; a clear one counts for as many."""

AT_ONCE = "service"
"""The reason for which an interval that is clear counts at once in any window: its limit is above what hours showed."""


class _Turn(NamedTuple):
    """Windows in a row that say the opposite of the state, too few of them to turn it.

    Attributes:
        reading: The newest of them.
        since: From when on they say so, unix nanoseconds.
        windows: How many they are.
        told: For how many windows they count, the clear ones for two.
    """

    reading: Reading
    since: int | None
    windows: int
    told: int

    def with_next(self, reading: Reading) -> _Turn:
        """Return the same with one more window."""
        return _Turn(reading, self.since, self.windows + 1, self.told + _weight(reading))


class _Run(NamedTuple):
    """Windows in a row, of one length, that say the same.

    Attributes:
        reading: The newest of them.
        since: From when on they say so, unix nanoseconds.
        turn: The newest windows where they say the opposite, and are not enough; None = they do not.
        windows: Closed windows of this length that are at hand.
    """

    reading: Reading
    since: int | None
    turn: _Turn | None = None
    windows: int = 0

    @property
    def newest(self) -> Reading:
        """The newest window that tells."""
        return self.reading if self.turn is None else self.turn.reading

    @property
    def alone(self) -> bool:
        """Whether no other window says since when it is so."""
        return self.windows == 1 and self.since == self.reading.start


def verdict_of_model(
    evaluations: Iterable[Evaluation],
    traffic: Traffic | None = None,
    previous: Verdict | None = None,
    context: VerdictContext = NO_CONTEXT,
    read: Callable[[Evaluation, VerdictContext], Reading] = read_window,
) -> Verdict:
    """Say whether a model is healthy, by all its windows, its traffic and its backlog.

    The newest window whose outcomes tell decides between healthy and degraded; the closed windows after it decide
    whether the model is at risk. A state turns once :func:`windows_to_turn` windows in a row confirm the new one, or at
    once if the interval of a day is clear of the limit. A loss that windows of one length show lasts until windows
    that could see it do not. Silence and backlog go before everything but a degraded model.

    Args:
        evaluations: Windows of one version in one environment, of any lengths, in any order.
        traffic: What the processor knows of rows and backlog; None = nothing is known, as of files.
        previous: The verdict before this one; it keeps ``since`` where older windows are no longer at hand.
        context: What is known beside windows.
        read: Reads a window, as :func:`~.window.read_window` does; one that remembers what it has read is quicker.
    """
    windows = usual_service(sorted(evaluations, key=_by_time))
    readings = [_read(evaluation, context, earlier, read) for evaluation, earlier in windows]
    verdict = _of_windows(readings, previous)
    if traffic is None or verdict.state == "degraded":
        return verdict
    if traffic.silent:
        return _no_data(traffic, context)
    if traffic.behind:
        return _lagging(traffic, context)
    return verdict


def windows_to_turn(length: int) -> int:
    """Return how many windows in a row turn a state, so that chance turns it as rarely for hours as it does for days.

    Args:
        length: Nanoseconds of a window; 0 where rows have no time.

    >>> from driftline_processor.core.windows.window import DAY
    >>> [windows_to_turn(hours * DAY // 24) for hours in (0, 168, 24, 12, 1)]
    [2, 2, 2, 3, 3]
    """
    # 0.02: share of the windows of a healthy model in which outcomes or calls show a loss; see `docs/data/alerts.md`
    return TO_TURN + math.ceil(math.log(looks_a_day(length)) / -math.log(0.02))


def _weight(reading: Reading) -> int:
    """Return for how many windows one counts."""
    if not reading.clear:
        return 1
    at_once = any(sign.clear and sign.reason == AT_ONCE for sign in reading.signs)
    return windows_to_turn(_length(reading)) if at_once else TO_TURN


def _length(reading: Reading) -> int:
    window = reading.evaluation.window
    return window.end - window.start


class StateSpan(NamedTuple):
    """A time in which a model was healthy, or degraded, by its windows of one length.

    Attributes:
        verdict: By the newest window of that time.
        window: Name of the length.
        until: When the opposite began, unix nanoseconds; None where it has not.
    """

    verdict: Verdict
    window: str
    until: int | None


def state_spans(
    evaluations: Iterable[Evaluation],
    timezone: str = "UTC",
    read: Callable[[Evaluation, VerdictContext], Reading] = read_outcomes,
) -> list[StateSpan]:
    """Return the times in which a model was healthy and degraded, of each length of windows the oldest first.

    The same windows decide, with the same hysteresis, as for the verdict of today. A restated window changes the past.

    Args:
        evaluations: Windows of one version in one environment, of any lengths, in any order.
        timezone: The clock by which sentences write dates.
        read: Reads a window, as :func:`~.window.read_outcomes` does; one that remembers what it has read is quicker.
    """
    context = VerdictContext(timezone=timezone)
    lengths: dict[str, list[Reading]] = {}
    for window, earlier in usual_service(
        sorted((evaluation for evaluation in evaluations if evaluation.closed), key=_by_time)
    ):
        lengths.setdefault(window.window.name, []).append(_read(window, context, earlier, read, read_outcomes))
    spans = []
    for name, readings in lengths.items():
        runs = _runs_of_states(readings, None)
        ends = [*(run.since for run in runs[1:]), None][: len(runs)]
        for run, until in zip(runs, ends, strict=True):
            spans.append(StateSpan(verdict_of(run.reading, run.since), name, until))
    return spans


def _read(
    evaluation: Evaluation,
    context: VerdictContext,
    earlier: Sequence[ServiceLevel],
    read: Callable[[Evaluation, VerdictContext], Reading],
    anew: Callable[[Evaluation, VerdictContext, Sequence[ServiceLevel]], Reading] = read_window,
) -> Reading:
    """Read a window; anew where the windows before it say otherwise whether its service fails."""
    if evaluation.service is None or service_failing(evaluation, earlier) == service_failing(evaluation):
        return read(evaluation, context)
    return anew(evaluation, context, earlier)


def _by_time(evaluation: Evaluation) -> tuple[int, int]:
    window = evaluation.window
    return window.end, window.end - window.start


def _of_windows(readings: Sequence[Reading], previous: Verdict | None) -> Verdict:
    closed = [reading for reading in readings if reading.evaluation.closed] or list(readings[-1:])
    if not closed:
        return _no_window()
    lengths: dict[str, list[Reading]] = {}
    for closed_reading in closed:
        lengths.setdefault(closed_reading.evaluation.window.name, []).append(closed_reading)
    runs = [run for of_length in lengths.values() if (run := _deciding_run(of_length, previous)) is not None]
    run = _that_decides(runs)
    if run is not None and run.reading.state == "degraded":
        return verdict_of(run.reading, run.since, _healthy_again(run), alone=run.alone)
    lone = _lone_loss(lengths.values()) if run is None else None
    if lone is not None and lone.stands_out:
        return _not_borne_out(_Turn(lone, lone.since(), 1, _weight(lone)), alone=False)
    end = 0 if run is None else run.newest.evaluation.window.end
    if run is not None and run.turn is not None and run.turn.reading.stands_out:
        return _not_borne_out(run.turn, alone=run.windows == 1)
    harmless = harmless_parts(run.reading) if run is not None else frozenset()
    risk = _run_of_risk(lengths.values(), end, run is None, harmless)
    if risk is not None:
        quiet = fact("newest_without_drift") if risk.turn is not None else _last_known(closed, run)
        return verdict_of(risk.reading, risk.since, (quiet,), alone=risk.alone)
    newest = closed[-1]
    if run is None or _stale(closed, run):
        since = newest.start if run is None else run.reading.evaluation.window.end
        untold = replace(newest if run is None else _newest_without(closed, run), state="unknown", signs=())
        is_alone = sum(reading.evaluation.window.name == untold.evaluation.window.name for reading in closed) == 1
        return verdict_of(untold, since, (_last_known(closed, run),), alone=is_alone and since == untold.start)
    certainty = tuple(reading for reading in (_after(closed, run), _lone(run)) if reading is not None)
    return verdict_of(run.reading, run.since, certainty, alone=run.alone)


def _that_decides(runs: Sequence[_Run]) -> _Run | None:
    """Return the run that decides among those of several lengths: the newest, and a loss that it does not refute."""
    newest = max(runs, key=lambda run: _by_time(run.newest.evaluation), default=None)
    if newest is None or newest.reading.state == "degraded":
        return newest
    degraded_runs = [run for run in runs if run.reading.state == "degraded" and not _refutes(newest, run)]
    return max(degraded_runs, key=lambda run: _by_time(run.newest.evaluation), default=newest)


def _refutes(right: _Run, wrong: _Run) -> bool:
    """Return True where windows that show no loss end one that windows of another length show.

    They are of rows after it, and could see it: by an interval no longer than the loss, or because they last as long.
    """
    fine, reading = right.reading.evaluation, wrong.reading
    end = reading.evaluation.window.end
    if fine.window.start < end:
        return False
    since = end if right.since is None else max(right.since, end)
    return fine.window.end - since >= _length(reading) or _could_see(fine, reading)


def _could_see(evaluation: Evaluation, reading: Reading) -> bool:
    """Return True where a window's interval is no longer than a loss that another window shows, or nobody can say."""
    sign = reading.signs[0]
    change = evaluation.realized_changes.get(sign.metric)
    if sign.reason in ("level", "constant"):
        change = evaluation.level if sign.reason == "level" else evaluation.constant_comparison
    if sign.effect is None or sign.slice or change is None or change.low is None or change.high is None:
        return True
    return change.high - change.low <= abs(sign.effect)


def _healthy_again(run: _Run) -> tuple[Fact, ...]:
    if run.turn is None:
        return ()
    left = windows_to_turn(_length(run.turn.reading)) - run.turn.told
    return (fact("newest_healthy_again", windows=run.turn.windows, left=left),)


def _deciding_run(readings: Sequence[Reading], previous: Verdict | None) -> _Run | None:
    """Return the run of windows of one length that decides; None where no window tells."""
    runs = _runs_of_states(readings, previous)
    return runs[-1] if runs else None


def _runs_of_states(readings: Sequence[Reading], previous: Verdict | None) -> list[_Run]:
    """Return the runs of healthy and degraded windows of one length, after hysteresis, the oldest first.

    A loss that is not clear begins the first run by itself only where no window before it could have told one. An hour
    does so only while it is the only one: the next ones come soon.
    """
    runs: list[_Run] = []
    state: str = ""
    newest: Reading | None = None
    since: int | None = None
    turn: _Turn | None = None
    first, undecided = readings[0].start, False
    needed = windows_to_turn(_length(readings[0]))
    if previous is not None and previous.state in ("healthy", "degraded") and _began_before(previous, first):
        state, since = previous.state, previous.since
    for reading in readings:
        if not reading.decides:
            if _could_tell(reading.evaluation):
                turn, undecided = None, True  # the next window does not bear it out
            continue
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
        if turn.told >= needed or (not state and (reading.state == "healthy" or believed)):
            if newest is not None:
                runs.append(_Run(newest, since, None, len(readings)))
            state, newest, since, turn = reading.state, reading, turn.since, None
    if newest is None:
        if turn is None or not state:
            return runs
        newest, since, turn = turn.reading, turn.since, None  # the windows of the state before are gone
    return [*runs, _Run(newest, since, turn, len(readings))]


def _lone_loss(lengths: Iterable[Sequence[Reading]]) -> Reading | None:
    """Return the newest window that tells where it shows a loss, of windows of which none makes a run."""
    last_readings: list[Reading] = []
    for readings in lengths:
        telling = [reading for reading in readings if reading.decides or _could_tell(reading.evaluation)]
        last_readings += [reading for reading in telling[-1:] if reading.decides]
    return max(last_readings, key=lambda reading: _by_time(reading.evaluation), default=None)


def _could_tell(evaluation: Evaluation) -> bool:
    """Return True where the outcomes of a window had their time, and came."""
    return evaluation.maturity == "mature" and bool(evaluation.outcome_rows)


def _began_before(previous: Verdict, first: int | None) -> bool:
    """Return True where a state began before the first window that is at hand."""
    return previous.since is not None and first is not None and previous.since < first


def _run_of_risk(
    lengths: Iterable[Sequence[Reading]], ended: int, alone: bool, harmless: frozenset[str]
) -> _Run | None:
    """Return the newest run of windows at risk that lasts; None where none does.

    A risk begins with as many windows in a row as turn a state, or with one that is clear, and ends with two that show
    none. What the outcomes of the deciding window showed to be harmless is none as long as it lasts.

    Args:
        lengths: Closed windows by length, the oldest first.
        ended: End of the newest window whose outcomes tell; older windows do not count.
        alone: Whether no window tells at all.
        harmless: What moved in the deciding window, without a loss.
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
    return max(runs, key=lambda run: _by_time(run.reading.evaluation), default=None)


def _stale(closed: Sequence[Reading], run: _Run) -> bool:
    """Return True where outcomes stopped coming after the window that decided."""
    # 2: closed windows in a row without outcomes that had their time, after which an older `healthy` is not believed:
    # as many as make an incident
    return len(_without_outcomes(closed, run)) >= 2


def _without_outcomes(closed: Sequence[Reading], run: _Run) -> list[Reading]:
    """Return the newest windows of the deciding length whose outcomes had their time and did not come."""
    name, end = run.reading.evaluation.window.name, run.reading.evaluation.window.end
    newer = [
        reading for reading in closed if reading.evaluation.window.name == name and reading.evaluation.window.end > end
    ]
    missing: list[Reading] = []
    for reading in newer:
        evaluation = reading.evaluation
        if evaluation.young or not evaluation.rows:
            continue
        if _could_tell(evaluation):
            missing.clear()
        else:
            missing.append(reading)
    return missing


def _newest_without(closed: Sequence[Reading], run: _Run) -> Reading:
    return _without_outcomes(closed, run)[-1]


def _not_borne_out(turn: _Turn, *, alone: bool) -> Verdict:
    """Return that the newest windows show a loss, which so few of them do not prove."""
    verdict = verdict_of(turn.reading, turn.since, alone=alone)
    second = windows_to_turn(_length(turn.reading)) == TO_TURN
    return structs.replace(
        verdict,
        state="at_risk",
        reasons=(turn.reading.signs[0].fact, fact("chance_possible", windows=turn.windows)),
        certainty=(*verdict.certainty, fact("to_be_confirmed", by_one=second)),
        advice=fact("look_again", then=verdict.advice),
    )


def _last_known(closed: Sequence[Reading], run: _Run | None) -> Fact:
    if run is None or run.reading.start is None:
        evaluations = [reading.evaluation for reading in closed if _could_tell(reading.evaluation)]
        if evaluations and not any(reading.reference or reading.objectives for reading in evaluations):
            return fact("outcomes_without_objective")
        return fact("no_window_before")
    return fact("healthy_until", end=run.reading.evaluation.window.end, timezone=run.reading.context.timezone)


def _after(closed: Sequence[Reading], run: _Run) -> Fact | None:
    """Return until when a healthy model was looked at; None where no window came after that."""
    end = run.reading.evaluation.window.end
    if run.reading.start is None or closed[-1].evaluation.window.end <= end:
        return None
    return fact("known_until", end=end, timezone=run.reading.context.timezone)


def _lone(run: _Run) -> Fact | None:
    """Return what the newest window shows where that may well be chance."""
    return None if run.turn is None else fact("newest_may_be_chance", shown=run.turn.reading.signs[0].fact)


def _no_window() -> Verdict:
    return Verdict(
        "unknown",
        reasons=(fact("no_window_closed"),),
        certainty=(fact("nothing_known"),),
        advice=fact("wait_for_first_window"),
    )


def _no_data(traffic: Traffic, context: VerdictContext) -> Verdict:
    return Verdict(
        "no_data",
        traffic.silent_since,
        reasons=(fact("no_prediction", pause=traffic.pause),),
        certainty=(fact("pause_unlikely"),),
        advice=fact("check_service"),
        of_days=False,
        timezone=context.timezone,
    )


def _lagging(traffic: Traffic, context: VerdictContext) -> Verdict:
    return Verdict(
        "lagging",
        traffic.waiting_since,
        reasons=(fact("windows_wait", windows=traffic.waiting),),
        certainty=(fact("shown_is_old"),),
        advice=fact("wait_or_add_processor"),
        of_days=False,
        timezone=context.timezone,
    )
