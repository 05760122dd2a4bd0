"""Runs: consecutive windows of one length with one state, after hysteresis."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from driftline_processor.core.evaluation import Evaluation, Verdict
from driftline_processor.core.metrics import direction
from driftline_processor.core.windows.window import DAY, looks_a_day

from .comparisons import compared_change, deciding_change
from .reading import Reading
from .sign import COMPARED, Sign

TO_TURN = 2
"""Consecutive windows of a day or longer that change a state; a clear window counts as this many."""


class Turn(NamedTuple):
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

    def with_next(self, reading: Reading) -> Turn:
        """Return the turn with one more window."""
        return Turn(reading, self.since, self.windows + 1, self.weight + weight_of(reading))


class Run(NamedTuple):
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
    turn: Turn | None = None
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


def weight_of(reading: Reading) -> int:
    """Return the count of a window towards a change of state."""
    if not reading.clear:
        return TO_TURN if _is_rare(reading) else 1
    at_once = any(sign.at_once for sign in reading.signs)
    return windows_to_turn(length_of(reading)) if at_once else TO_TURN


LONE_A_YEAR = 0.05
"""Maximum number of windows of one length in a year that show as large a loss by chance, for one to be degraded: half
as many as for one to be a risk (:data:`.sign.LONE`).
"""

YEAR = 365 * DAY


def _is_rare(reading: Reading) -> bool:
    """Return True if chance shows the loss of a window in one of twenty years; one without times counts as a day."""
    changes = reading.evaluation.realized_changes
    p = (changes[sign.metric].p_value for sign in reading.signs if sign.reason == "worse")
    length = length_of(reading) or DAY  # as in looks_a_day
    return any(one is not None and one <= LONE_A_YEAR * length / YEAR for one in p)


def length_of(reading: Reading) -> int:
    """Return the length of a window, nanoseconds; 0 if rows have no time."""
    window = reading.evaluation.window
    return window.end - window.start


def by_time(evaluation: Evaluation) -> tuple[int, int]:
    """Return a sort key of windows: the end, and the shortest first."""
    window = evaluation.window
    return window.end, window.end - window.start


def longest_of_episode(run: Run, runs: Iterable[Run]) -> Run:
    """Return the run of the longest windows with the state of a run, if it began before their newest one ended.

    A window with more rows proves causes that a short one cannot: wiring, units, slices, what the loss returns with.
    """

    def is_same_episode(other: Run) -> bool:
        began, end = run.since, other.reading.evaluation.window.end
        return other.reading.state == run.reading.state and began is not None and began < end

    return max((run, *filter(is_same_episode, runs)), key=lambda one: length_of(one.reading))


def runs_of_states(readings: Sequence[Reading], previous: Verdict | None) -> list[Run]:
    """Return the runs of healthy and degraded windows of one length, after hysteresis, the oldest first.

    Args:
        readings: The windows, the oldest first; at least one.
        previous: The state before the first available window; None if unknown.
    """
    states = _States(readings, previous)
    for reading in readings:
        states.take(reading)
    return states.runs_so_far()


class _States:
    """The state of windows of one length, which too few contradicting windows do not change."""

    def __init__(self, readings: Sequence[Reading], previous: Verdict | None) -> None:
        self._windows = len(readings)
        self._needed = windows_to_turn(length_of(readings[0]))
        self._runs = list[Run]()
        self._state: str = ""
        self._since: int | None = None
        known = previous is not None and previous.state in ("healthy", "degraded")
        if previous is not None and known and began_before(previous, readings[0].start):
            self._state, self._since = previous.state, previous.since
        self._newest: Reading | None = None
        self._turn: Turn | None = None
        self._undecided = False
        self._calm = list[Reading]()

    def take(self, reading: Reading) -> None:
        """Add the next window."""
        if not reading.decides:
            self._take_undecided(reading)
            return
        self._calm = []
        if reading.state == self._state:
            self._newest, self._turn = reading, None
            return
        goes_on = self._turn is not None and self._turn.reading.state == reading.state
        first = Turn(reading, reading.since(), 1, weight_of(reading))
        self._turn = turn = self._turn.with_next(reading) if self._turn is not None and goes_on else first
        if turn.weight >= self._needed or self._may_begin(reading):
            if self._newest is not None:
                self._runs.append(Run(self._newest, self._since, None, self._windows))
            self._state, self._newest, self._since, self._turn = reading.state, reading, turn.since, None

    def runs_so_far(self) -> list[Run]:
        """Return the runs, the oldest first."""
        newest, since, turn = self._newest, self._since, self._turn
        if newest is None:
            if turn is None or not self._state:
                return self._runs
            newest, since, turn = turn.reading, turn.since, None  # windows of the previous state are not available
        return [*self._runs, Run(newest, since, turn, self._windows)]

    def _may_begin(self, reading: Reading) -> bool:
        """Return True if one window begins the first run.

        A degradation that is not clear does so only if no earlier window was able to decide. A window of an hour does
        so only while it is the only one, since the next ones follow soon.
        """
        if self._state:
            return False
        return reading.state == "healthy" or (not self._undecided and (self._needed == TO_TURN or self._windows == 1))

    def _take_undecided(self, reading: Reading) -> None:
        """Add a window that shows neither; enough of those that would show the fault of a run end it."""
        if reading.evaluation.has_mature_outcomes:
            self._turn, self._undecided = None, True  # the next window does not confirm it
        newest = self._newest
        if self._state != "degraded" or newest is None:
            return
        compared = newest.signs[0].reason in COMPARED
        if not (reading.evaluation.has_mature_outcomes if compared else could_show(newest, reading.evaluation)):
            return
        self._calm.append(reading)
        if still_shows(newest, self._calm) if compared else len(self._calm) < self._needed:
            return
        began = self._calm[0].start
        # a comparison that no longer shows a loss does not show either that there is none
        healthy = self._runs[-1].reading if self._runs and not compared else None
        self._runs.append(Run(newest, self._since, None, self._windows, began))
        self._state, self._newest, self._since = ("", None, None) if healthy is None else ("healthy", healthy, began)
        self._calm = []


def could_show(fault: Reading, evaluation: Evaluation) -> bool:
    """Return True if a window would show a fault that needs no comparison of its outcomes with a baseline."""
    seen = {
        "service": evaluation.service is not None,
        "output": evaluation.score is not None and evaluation.rows > 0,
        "errors": evaluation.has_mature_outcomes,
    }
    return all(seen.get(sign.reason, False) for sign in fault.signs)


ENDED = 0.5
"""Half lengths of the interval, about one standard error, below which newer rows end a loss: the first window that
showed it is among the worst, so that those after a lasting one show less.
"""


def still_shows(fault: Reading, newer: Sequence[Reading]) -> bool:
    """Return True if the rows of a degraded window and of newer, undecided ones show its loss as one period.

    As in a window, that is a loss of at least the margin, and a level is a loss only if that of the errors is, too.
    """
    windows, sign = [one.evaluation for one in (fault, *newer)], fault.signs[0]
    signs, decides = [sign], deciding_change(fault.evaluation) if sign.reason == "level" else None
    if decides is not None:
        signs.append(replace(sign, reason="worse", metric=decides[0], effect=-direction(decides[0])))
    periods = (_loss_of_period(one, windows) for one in signs)
    return all(one is None or (one.loss >= one.margin and one.loss > ENDED * one.half) for one in periods)


class _Period(NamedTuple):
    """The loss of several windows together, half its interval, and its margin."""

    loss: float
    half: float
    margin: float


def _loss_of_period(sign: Sign, windows: Iterable[Evaluation]) -> _Period | None:
    """Return the loss that a sign is about, each window weighted by what it shows; None if they cannot be added up."""
    loss, weight, margin = 0.0, 0.0, 0.0
    for one in windows:
        change = compared_change(sign, one)
        if change is None or change.low is None or change.high is None or change.low >= change.high:
            return None
        half = (change.high - change.low) / 2
        loss += math.copysign(change.change, change.change * (sign.effect or 0.0)) / half**2
        weight += 1 / half**2
        margin = change.margin or 0.0
    return _Period(loss / weight, 1 / math.sqrt(weight), margin)


def lone_loss(lengths: Iterable[Sequence[Reading]]) -> Reading | None:
    """Return the newest conclusive window if it shows a degradation, from windows of which none begins a run."""
    last_readings: list[Reading] = []
    for readings in lengths:
        telling = [reading for reading in readings if reading.decides or reading.evaluation.has_mature_outcomes]
        last_readings += [reading for reading in telling[-1:] if reading.decides]
    return max(last_readings, key=lambda reading: by_time(reading.evaluation), default=None)


def began_before(previous: Verdict, first: int | None) -> bool:
    """Return True if a state began before the first available window."""
    return previous.since is not None and first is not None and previous.since < first


_Subject = tuple[str, str]
"""Reason and part of a sign."""


class _Streak(NamedTuple):
    """Consecutive windows at risk with the same sign: the first, and their number."""

    first: Reading
    windows: int


def _continued(streaks: Mapping[_Subject, _Streak], reading: Reading) -> dict[_Subject, _Streak]:
    """Return the streaks of the signs of a window, which end if it does not have them."""
    shown = {(sign.reason, sign.part) for sign in reading.signs}
    before = {sign: streaks.get(sign, _Streak(reading, 0)) for sign in shown}
    return {sign: one._replace(windows=one.windows + 1) for sign, one in before.items()}


def run_of_risk(
    lengths: Iterable[Sequence[Reading]], ended: int, alone: bool, harmless: Mapping[str, float]
) -> Run | None:
    """Return the newest lasting run of windows at risk; None without any.

    A risk begins with as many consecutive windows with the same sign as change a state, or with a clear one. Signs of
    different columns do not confirm each other: among many columns, each window has one by chance now and then. A risk
    ends with two windows without any sign. Drift that the deciding window showed to be harmless is ignored unless it
    grows.

    Args:
        lengths: Closed windows by length, the oldest first.
        ended: End of the newest conclusive window; older windows do not count.
        alone: Whether no window is conclusive.
        harmless: The result of :func:`~.reading.harmless_parts` for the deciding window.
    """
    of_lengths = []
    for readings in lengths:
        newer = [
            reading.without(harmless)
            for reading in readings
            if reading.evaluation.window.end > ended or (alone and reading.start is None)
        ]
        of_lengths.append(_run_of_length(newer, ended, len(readings)))
    runs = [run for run in of_lengths if run is not None]
    newest = max(runs, key=lambda run: by_time(run.reading.evaluation), default=None)
    return None if newest is None else _dated_by_shortest(longest_of_episode(newest, runs), runs)


def _run_of_length(newer: Sequence[Reading], ended: int, windows: int) -> Run | None:
    """Return the lasting run of windows at risk of one length; None without any.

    Args:
        newer: The windows that count, the oldest first.
        ended: End of the newest conclusive window.
        windows: Number of all windows of this length.
    """
    if not newer:
        return None
    run: list[Reading] = []
    quiet: Turn | None = None
    streaks, needed = dict[_Subject, _Streak](), windows_to_turn(length_of(newer[0]))
    began = newer[0] if windows == 1 else None
    for reading in newer:
        if run and _are_apart(run[-1], reading, needed):
            run, quiet, began, streaks = [], None, None, {}
        if reading.state == "at_risk":
            streaks = _continued(streaks if quiet is None else {}, reading)
            sure = (one for one in streaks.values() if reading.clear or one.windows >= needed)
            began = began or min((one.first for one in sure), key=lambda one: by_time(one.evaluation), default=None)
            run.append(reading)
            quiet = None
        elif reading.evaluation.rows and run and quiet is None:
            quiet = Turn(reading, reading.start, 1, 1)
        elif reading.evaluation.rows:
            run, quiet, began, streaks = [], None, None, {}
    return Run(run[-1], began.since(ended), quiet, windows) if run and began is not None else None


def _are_apart(before: Reading, after: Reading, windows: int) -> bool:
    """Return True if as many windows fit between two windows with rows as would end a risk."""
    if before.start is None or after.start is None:
        return False
    return after.start - before.evaluation.window.end >= windows * length_of(after)


def _dated_by_shortest(longest: Run, runs: Iterable[Run]) -> Run:
    """Return the run of the longest windows, since the begin by the shortest ones that began in its first window."""
    since, end = longest.since or 0, (longest.since or 0) + length_of(longest.reading)
    inside = [run for run in runs if run.since is not None and since < run.since < end]
    shortest = min(inside, key=lambda run: length_of(run.reading), default=longest)
    return longest._replace(since=shortest.since)
