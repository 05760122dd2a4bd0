"""What happens during a degradation after its beginning: what joined its cause, and what did no harm.

A finding has its own beginning. One that begins with the degradation may be its cause. One that begins later cannot be:
it joined if the loss rose with it, and is harmless if the loss did not. A loss that rises again without a finding is a
finding by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import chain, pairwise
from math import nan, sqrt
from typing import NamedTuple

import numpy as np
from driftline.tables.table import F64, I64
from msgspec.structs import replace

from driftline_processor.core import facts
from driftline_processor.core.change import is_faulty
from driftline_processor.core.evaluation import Cause, Evaluation, Finding, FindingRole, LossPart
from driftline_processor.core.fact import Fact
from driftline_processor.core.intervals.confidence import NORMAL
from driftline_processor.core.intervals.onset import onset_of_step
from driftline_processor.core.metrics import direction
from driftline_processor.core.quality.check import STRUCTURAL

from .comparisons import deciding_change
from .episode import CLOSE, NAMED
from .risks import is_fault
from .sign import FEWEST_OUTCOMES, OF_OUTPUT
from .signs import signs_of_loss

Subject = tuple[str, tuple[str, ...]]
"""A check, metric or kind of change, and the columns that it is about."""

DRIFT = "drift"
"""The check of a column that drifts without a finding."""

OF_CALLS_OR_OUTPUT = ("service", *OF_OUTPUT)
"""Findings that are a loss by themselves: failing calls and a faulty output."""

BEFORE = 3
"""Windows before a degradation, most of which have a finding that is older than it."""

UNNAMED = ("out_of_range", "unseen", "pile_up")
"""Checks that find that values are new, and not why. A fault that other columns hid may name it later."""

CONFIRMED = 2
"""Consecutive windows that begin or end a finding. A grave one needs no second window if it is the newest."""

RISES = 3.3
"""Standard errors by which a loss must rise to have risen with a finding: once in two thousand by chance."""

RISES_ALONE = 4.0
"""The same for a rise whose beginning is selected among all windows."""

RISES_BETWEEN = 5.0
"""The same for a rise that is over: both its begin and its end are selected."""

ADDITIVE = ("rmse", "log_loss")
"""Metrics whose parts by independent causes add up, the first by its square. An absolute error hides what spreads the
errors of a model that is already biased.
"""

MATERIAL = 0.25
"""Minimum rise of a loss, as a fraction of the loss before it, and maximum rise with a harmless finding."""


class LaterPart(NamedTuple):
    """Something that began after a degradation.

    Attributes:
        subject: What it is about.
        fact: The finding, with the numbers of its newest window.
        role: Whether the loss rose with it.
        first: Index of its first window.
        over: Index of the first window without it; None while it lasts.
        shown: Whether the loss shows the role.
        size: How much the loss rose with it; None if unknown.
    """

    subject: Subject
    fact: Fact
    role: FindingRole
    first: int
    over: int | None = None
    shown: bool = True
    size: facts.FurtherLoss | None = None


class _Streak(NamedTuple):
    """Windows with a finding; single ones may lack it.

    Attributes:
        subject: What it is about.
        first: Index of the first window.
        last: Index of the newest one.
        over: Index of the first window of those that end it; None while it lasts.
    """

    subject: Subject
    first: int
    last: int
    over: int | None


class Course(NamedTuple):
    """What happened in the windows of a degradation.

    Attributes:
        windows: The windows, the oldest first.
        streaks: The streaks of all findings.
        losses: The loss of each window.
    """

    windows: Sequence[Evaluation]
    streaks: Sequence[_Streak]
    losses: _Losses


def course_of(windows: Sequence[Evaluation], before: Evaluation | None = None) -> Course:
    """Return what happened in the windows of a degradation; ``before``: the window before them, None if unknown."""
    return Course(windows, _streaks(windows, before), _Losses.of(windows))


def later_parts(course: Course) -> list[LaterPart]:
    """Return what began after a degradation, in order of time."""
    windows, streaks, losses = course
    later = [streak for streak in streaks if streak.first > 0 and not _has_better_name(streak, streaks)]
    steps = losses.changes(0, len(windows))
    found = list[LaterPart]()
    for subject, first, last, over in sorted(later, key=lambda streak: streak.first):
        joined = [part.first for part in found if part.role == "joined"]
        earlier, following = _neighbours(first, steps, joined, [streak.first for streak in later], len(windows))
        fact = _marks(windows[last])[subject]
        rise = losses.rise(earlier, first, following if over is None else min(following, over))
        role = _role(subject, fact, rise)
        if role is not None and (role[0] == "joined" or not _names_anew(subject, windows[0], streaks)):
            size = None if rise is None else losses.further(rise)
            found.append(LaterPart(subject, fact, role[0], first, over, role[1], size))
    # a fault begins in a part of its first window; where it ends, the loss of another one may show again
    explained = {*(part.first for part in found), *(streak.over for streak in streaks if streak.over is not None)}
    if not _is_whole(windows, streaks):
        explained.add(0)
    found += _rises_alone(losses, steps, explained)
    return sorted(found, key=lambda part: part.first)


def _is_whole(windows: Sequence[Evaluation], streaks: Iterable[_Streak]) -> bool:
    """Return True if a fault has its size from the first window on, so that a later rise is of another one."""
    sizes = (
        [_size(_marks(window).get(streak.subject)) for window in windows[:2]] for streak in streaks if streak.first == 0
    )
    return any(len(of_first) == 2 and of_first[0] >= CLOSE * of_first[1] for of_first in sizes)


def _neighbours(
    first: int, steps: Sequence[int], joined: Iterable[int], begins: Iterable[int], end: int
) -> tuple[int, int]:
    """Return the places between which the loss is compared at the begin of a finding: another rise is not its effect.

    Args:
        first: First window of the finding.
        steps: Windows at which the loss rises or falls.
        joined: First windows of earlier findings that joined.
        begins: First windows of all later findings.
        end: Number of windows.
    """
    own = range(first - 1, first + 2)
    steps = [at for at in steps if at not in own]
    earlier = max((at for at in (*steps, *joined) if at < first and at not in own), default=0)
    return earlier, min((at for at in (*steps, *begins) if at > first), default=end)


def _rises_alone(losses: _Losses, steps: Sequence[int], explained: Set[int]) -> Iterator[LaterPart]:
    """Yield the rises of the loss that no finding explains."""
    number = 0
    for before, start, at, end in zip(
        [0, 0, *steps], [0, *steps], steps, [*steps[1:], len(losses.start)], strict=False
    ):
        rise, over = losses.rise(start, at, end), losses.ended(start, at, steps)
        # a rise that is over is none of a fault that lasts
        is_explained = not explained.isdisjoint(range(at - 1, at + 2) if over is None else (at,))
        if rise is not None and rise.value > 0 and not is_explained and not losses.returns(before, start, at, end):
            number += 1
            subject = ("loss", () if number == 1 else (str(number),))
            size = losses.further(rise)
            yield LaterPart(subject, size, "joined", at, over, size=size)


def without_older(windows: Sequence[Evaluation], before: Sequence[Evaluation]) -> Sequence[Evaluation]:
    """Return the windows of a degradation without the findings that are older than it and did not begin it.

    They did not if another fault began with it, or if the loss rose with it and they did not.

    Args:
        windows: The windows of the degradation, the oldest first.
        before: Those before it.
    """
    if not windows or not before:
        return windows
    marks = [_marks(window) for window in before]
    often = (one for one in _in_order(marks) if 2 * sum(one in of_window for of_window in marks) > BEFORE)
    older: Set[Subject] = {*often}
    harmless = _without_loss({*older, *marks[-1]}, before, windows)
    fresh = {subject for subject, fact in _marks(windows[0]).items() if _is_grave(subject, fact)} - older - harmless
    older = older | harmless if fresh else harmless
    if not older:
        return windows
    columns = {name for _, names in older for name in names} - {name for _, names in fresh for name in names}
    if not columns:
        return windows
    return [_without(window, columns) for window in windows]


def _without_loss(older: Set[Subject], before: Sequence[Evaluation], windows: Sequence[Evaluation]) -> Set[Subject]:
    """Return the older findings with which, at their size, hardly any of the loss of a degradation came.

    At most :data:`NAMED` of it, as for the inputs that a loss does not return with. Outcomes of windows with a finding
    must show it.
    """
    marks = [_marks(one) for one in before]
    now = {subject: _size(fact) for subject, fact in _marks(windows[0]).items()}

    def is_harmless(subject: Subject) -> bool:
        if not _size(marks[-1].get(subject)) >= CLOSE * now.get(subject, nan):
            return False  # it grew, or its size is unknown
        having = [one for one, of_window in zip(before, marks, strict=True) if subject in of_window]
        rise = _Losses.of([*having, *windows]).rise(0, len(having), len(having) + len(windows))
        if rise is None or rise.value <= RISES * rise.error:
            return False
        return rise.before <= NAMED * (rise.before + rise.value)

    return {one for one in older if is_harmless(one)}


def _size(fact: Fact | None) -> float:
    """Return the fraction of the values that a finding is about; NaN if it has none."""
    return fact.now if isinstance(fact, Finding) and fact.now is not None else nan


NO_PART = LossPart(0.0, 0.0)
"""The part of a loss that no input explains."""


def _without(window: Evaluation, columns: Set[str]) -> Evaluation:
    """Return a window without the findings and the drift of some columns, and without what they explain."""
    findings = [one for one in window.findings if not one.features or not {*one.features} <= {*columns}]
    explanation = window.explanation
    if explanation is not None:
        causes = [cause for cause in explanation.causes if not {*cause.features} <= {*columns}]
        explanation = replace(explanation, causes=type(explanation.causes)(causes))
    evidence = window.loss_evidence
    if evidence is not None and not columns.isdisjoint(evidence.inputs):
        inputs = {name: part for name, part in evidence.inputs.items() if name not in columns}
        evidence = replace(evidence, inputs=inputs, together=evidence.together if inputs else NO_PART)
    return replace(
        window,
        findings=type(window.findings)(findings),
        explanation=explanation,
        change_kind=None,
        loss_evidence=evidence,
    )


def windows_of_cause(course: Course, later: Sequence[LaterPart]) -> Sequence[Evaluation]:
    """Return the windows that show the cause of a degradation: up to the first that begins or ends something else."""
    ends = [streak.over for streak in course.streaks if streak.first == 0 and streak.over is not None]
    return course.windows[: min([*ends, *(part.first for part in later)], default=len(course.windows))]


def end_of_cause(course: Course, cause: Fact | None, later: Sequence[LaterPart]) -> int | None:
    """Return the first window without the cause of a degradation that lasts; None while the cause lasts.

    A cause that is a finding ends as one. Another one ends with a fall of the loss while a later finding lasts.

    Args:
        course: The windows of the degradation.
        cause: Its cause; None if outcomes alone show it.
        later: What began later.
    """
    windows, streaks, losses = course
    of_cause = [streak for streak in streaks if streak.first == 0]
    streak = next((one for one in of_cause if _is_same(_marks(windows[one.last])[one.subject], cause)), None)
    if streak is not None:
        return streak.over
    lasting = [part.first for part in later if part.over is None]
    if not lasting:
        return None
    at = losses.step(lasting[-1], len(windows), falls=True)
    if (
        at is None
        or at + CONFIRMED > len(windows)
        or any(part.over is not None and abs(part.over - at) <= 1 for part in later)
    ):
        return None
    rise = losses.rise(lasting[-1], at, len(windows))
    return at if rise is not None and rise.value < 0 and rise.is_material else None


def _is_same(fact: Fact, cause: Fact | None) -> bool:
    if isinstance(fact, Finding) and isinstance(cause, Finding):
        return (fact.check, fact.features) == (cause.check, cause.features)
    if isinstance(fact, Cause) and isinstance(cause, Cause):
        return fact.features == cause.features
    return fact.kind == getattr(cause, "kind", "")


def _in_order(marks: Sequence[dict[Subject, Fact]]) -> dict[Subject, None]:
    return dict.fromkeys(subject for of_window in marks for subject in of_window)


_MARKS = "_marks"
"""Key of the marks among the cached properties of an evaluation: its explanation is read from the store."""


def _marks(window: Evaluation) -> dict[Subject, Fact]:
    """Return what is wrong with a window besides its outcomes: its service, its output, and its columns."""
    cached: dict[Subject, Fact] | None = window.__dict__.get(_MARKS)
    if cached is None:
        cached = window.__dict__[_MARKS] = dict(_marks_of(window))
    return cached


def _marks_of(window: Evaluation) -> Iterator[tuple[Subject, Fact]]:
    for sign in signs_of_loss(window):
        if sign.reason in OF_CALLS_OR_OUTPUT:
            yield (sign.reason, (sign.metric,)), sign.fact
    for finding in window.findings:
        if finding.features and finding.severity != "minor":
            yield (finding.check, tuple(finding.features)), finding
    for cause in () if window.explanation is None else window.explanation.causes:
        if not cause.check and any(_drifts(window, name) for name in cause.features):
            yield (DRIFT, tuple(cause.features)), cause


def _drifts(window: Evaluation, name: str) -> bool:
    column = window.features.get(name)
    return column is not None and column.state == "drift"


def _streaks(windows: Sequence[Evaluation], before: Evaluation | None) -> list[_Streak]:
    """Return the streaks of all findings, each with the window in which it began."""
    marks = [_marks(window) for window in windows]
    streaks = [
        _Streak(subject, _first(subject, first, windows, before), last, over)
        for subject in _in_order(marks)
        for first, last, over in _runs(subject, windows)
    ]
    named = {one: _named_by(one, streaks) for one in streaks if one.subject[0] in UNNAMED}
    began = {name: one.first for one, name in named.items() if name is not None}
    return [one._replace(first=began.get(one, one.first)) for one in streaks if named.get(one) is None]


def _named_by(streak: _Streak, streaks: Iterable[_Streak]) -> _Streak | None:
    """Return the fault that names what is new about some values when a finding is over; None without one."""
    return next(
        (
            one
            for one in streaks
            if streak.over is not None
            and streak.first <= one.first <= streak.over + 1
            and one.subject[0] in STRUCTURAL
            and one.subject[1] == streak.subject[1]
        ),
        None,
    )


def _runs(subject: Subject, windows: Sequence[Evaluation]) -> Iterator[tuple[int, int, int | None]]:
    """Yield the first and the newest window of each time that a finding lasted, or lasts, and the one that ended it.

    It begins with :data:`CONFIRMED` windows, of which the second may have it as a minor one, or without its name, or
    with the newest one if it is grave, and ends with as many without it.
    """
    runs = list[list[int]]()
    absent, over = list[int](), list[int | None]()
    for at, window in enumerate(windows):
        if subject in _marks(window):
            if not runs or over[-1] is not None:
                runs.append([])
                over.append(None)
            runs[-1].append(at)
            absent = []
        elif runs and over[-1] is None and _is_without(subject, window):
            absent.append(at)
            over[-1] = absent[0] if len(absent) == CONFIRMED else None
    newest = len(windows) - 1
    for run, end in zip(runs, over, strict=True):
        is_grave = run[-1] == newest and _is_grave(subject, _marks(windows[newest])[subject])
        sure = (at for at in run if at < newest and _has(subject, windows[at + 1]))
        confirmed = next(sure, newest if is_grave else None)
        if confirmed is not None:
            yield confirmed, run[-1], end


def _has(subject: Subject, window: Evaluation) -> bool:
    """Return True if a window has a finding, of any severity, or one that does not name what is new in its columns."""
    check, columns = subject
    names = (check, *UNNAMED)
    return subject in _marks(window) or any(
        (*one.features,) == columns and one.check in names for one in window.findings
    )


def _is_without(subject: Subject, window: Evaluation) -> bool:
    """Return True if a finding is over in a window: its columns are as before, or another grave fault replaced it.

    A few rows do not show that.
    """
    marks, columns = _marks(window), {*subject[1]}
    is_replaced = any(not columns.isdisjoint(one[1]) and _is_grave(one, fact) for one, fact in marks.items())
    return window.rows >= FEWEST_OUTCOMES and (is_replaced or not _has_changed(window, subject[1]))


def _first(subject: Subject, first: int, windows: Sequence[Evaluation], before: Evaluation | None) -> int:
    """Return the window in which a finding began: the one before if its columns had changed in a part of that one."""
    _, columns = subject
    two_before = windows[first - 2] if first > 1 else before
    partly = first > 0 and _has_changed(windows[first - 1], columns) and not _has_changed(two_before, columns)
    return first - 1 if partly else first


def _has_better_name(streak: _Streak, streaks: Iterable[_Streak]) -> bool:
    """Return True if another finding of the same columns began at the same time: a graver one, or one of the cause."""
    (check, columns), first = streak.subject, streak.first
    near = {
        other.subject[0]
        for other in streaks
        if other.subject != streak.subject
        and abs(other.first - first) <= 1
        and not {*columns}.isdisjoint(other.subject[1])
    }
    return bool(near) and (check == DRIFT or (check not in STRUCTURAL and not STRUCTURAL.isdisjoint(near)))


def _names_anew(subject: Subject, first: Evaluation, streaks: Iterable[_Streak]) -> bool:
    """Return True for a fault of columns that had changed in the first window, without a fault of their own."""
    began = (streak.subject for streak in streaks if streak.first == 0)
    faulty = {name for check, columns in began if check in STRUCTURAL for name in columns}
    return faulty.isdisjoint(subject[1]) and _has_changed(first, subject[1])


def _has_changed(window: Evaluation | None, columns: tuple[str, ...]) -> bool:
    if window is None:
        return False
    found = {name for finding in window.findings for name in finding.features}
    return any(name in found or _drifts(window, name) for name in columns)


def _is_grave(subject: Subject, fact: Fact) -> bool:
    """Return True for a fault that needs no comparison of the loss: chance does not show it.

    One in less than half of the values does, as for the cause: most of the loss must come with it.
    """
    if subject[0] in OF_CALLS_OR_OUTPUT:
        return True
    return isinstance(fact, Finding) and (is_fault(fact) or (is_faulty(fact) and fact.check in STRUCTURAL))


class _Rise(NamedTuple):
    """The rise of a mean loss, its standard error, and the loss before it."""

    value: float
    error: float
    before: float

    @property
    def is_material(self) -> bool:
        """True if a change is large for the loss before it, and significant also after the choice of its place."""
        return self.exceeds(RISES_ALONE)

    def exceeds(self, errors: float) -> bool:
        """Return True if a change is large for the loss before it, and exceeds a number of standard errors."""
        return abs(self.value) > max(errors * self.error, MATERIAL * max(self.before, 0.0))


def _role(subject: Subject, fact: Fact, rise: _Rise | None) -> tuple[FindingRole, bool] | None:
    """Return the role of a later finding, and whether the loss shows it; None if it is neither grave nor shown."""
    if subject[0] in OF_CALLS_OR_OUTPUT:
        return "joined", True
    if rise is not None and rise.value > RISES * rise.error:
        return "joined", True
    if not _is_grave(subject, fact):
        return None
    is_small = rise is not None and rise.value + NORMAL * rise.error < MATERIAL * max(rise.before, 0.0)
    return ("harmless", True) if is_small else ("joined", False)


class _Losses(NamedTuple):
    """The loss of the windows beyond the baseline's.

    Attributes:
        metric: Its metric; "" if no window has it. For a root mean squared error, ``worse`` is the rise of its square.
        start: Start of each window, int64 (n,), unix nanoseconds.
        worse: By how much it is worse than in the baseline, float64 (n,); NaN if unknown.
        errors: Standard error, float64 (n,); NaN if unknown.
        rows: Outcomes, float64 (n,).
        was: The metric in the baseline.
    """

    metric: str
    start: I64
    worse: F64
    errors: F64
    rows: F64
    was: float

    @classmethod
    def of(cls, windows: Sequence[Evaluation]) -> _Losses:
        """Return the losses in a metric that adds up over causes, else in the deciding one."""
        decides = next((change for one in windows if (change := deciding_change(one)) is not None), None)
        known = next((name for name in ADDITIVE if name in windows[-1].realized), "" if decides is None else decides[0])
        worse, errors, rows = np.array([_loss(known, one) for one in windows], np.float64).reshape(-1, 3).T
        start = np.array([one.window.start for one in windows], np.int64)
        was = windows[-1].reference.get(known)
        return cls(known, start, worse, errors, rows, 0.0 if was is None or was.value is None else was.value)

    def step(self, first: int, end: int, *, falls: bool = False) -> int | None:
        """Return the likeliest window of a step within some windows; None without one. ``falls``: not a rise."""
        known = first + np.flatnonzero(np.isfinite(self.worse[first:end]) & np.isfinite(self.errors[first:end]))
        onset = onset_of_step(self.start[known], (-1 if falls else 1) * self.worse[known], self.errors[known])
        return None if onset is None else int(np.searchsorted(self.start, onset.likeliest))

    def rise(self, first: int, at: int, end: int, *, since: int | None = None) -> _Rise | None:
        """Return the rise of the mean from the windows before ``at`` to those up to ``end``; None if unknown.

        ``since``: the first of these, if it is not ``at``.
        """
        return self._compared(self._known(first, at), self._known(at if since is None else since, end))

    def _compared(self, before: I64, after: I64) -> _Rise | None:
        """Return the rise of the loss from some windows to others; None if either have no loss."""
        sides = before, after
        if not all(map(len, sides)):
            return None
        shares = [self.rows[side] / self.rows[side].sum() for side in sides]
        means = [float(share @ self.worse[side]) for share, side in zip(shares, sides, strict=True)]
        own = sum(float(((share * self.errors[side]) ** 2).sum()) for share, side in zip(shares, sides, strict=True))
        # days may differ by more than their own errors, which both sides together show
        off = [self.worse[side] - mean for side, mean in zip(sides, means, strict=True)]
        between = sum(float((one**2).sum()) for one in off) / max(sum(map(len, sides)) - 2, 1)
        error = sqrt(max(own, between * sum(float((share**2).sum()) for share in shares)))
        return _Rise(means[1] - means[0], error, means[0]) if error > 0 else None

    def _known(self, first: int, end: int) -> I64:
        """Return the places of some windows of which the loss and its error are known, int64 (k,)."""
        places = np.arange(first, end)
        is_known = np.isfinite(self.worse[first:end]) & np.isfinite(self.errors[first:end]) & (self.rows[first:end] > 0)
        return places[is_known]

    def shows(self, first: int) -> bool:
        """Return True if the windows from one on are significantly worse than the baseline, or no metric is known."""
        if not self.metric:
            return True
        known = self._known(first, len(self.rows))
        if not len(known):
            return False
        share = self.rows[known] / self.rows[known].sum()
        return float(share @ self.worse[known]) > NORMAL * sqrt(float(((share * self.errors[known]) ** 2).sum()))

    def changes(self, first: int, end: int) -> list[int]:
        """Return the windows in which the loss rose or fell significantly and by a material amount, in order."""
        places = {self.step(first, end), self.step(first, end, falls=True)} - {None}
        known = [(at, rise) for at in places if at is not None and (rise := self.rise(first, at, end)) is not None]
        at, change = max(known, key=lambda one: abs(one[1].value) / one[1].error, default=(0, None))
        found = [at] if change is not None and change.is_material else self._passing(first, end)
        if not found:
            return []
        parts = ([*self.changes(start, stop), stop] for start, stop in pairwise([first, *found, end]))
        return [*chain.from_iterable(parts)][:-1]  # the last one is the end

    def _passing(self, first: int, end: int) -> list[int]:
        """Return the first window with a passing rise, and the first one after it; [] without one.

        No single step shows such a rise.
        """
        known = self._known(first, end)
        if not len(known):
            return []
        level, rise = float(np.average(self.worse[known], weights=self.rows[known])), None
        for _ in range(2):  # above the mean, then above the middle between the levels that this shows
            # the sum of what is above the level falls up to the rise, and from its end on
            above = np.concatenate([[0.0], np.cumsum(self.rows[known] * (self.worse[known] - level))])
            over = int(np.argmax(above - np.minimum.accumulate(above)))
            at = int(np.argmin(above[: over + 1]))
            rise = self._compared(np.concatenate([known[:at], known[over:]]), known[at:over])
            if rise is None or not 0 < at <= over - CONFIRMED or over + CONFIRMED > len(known):
                return []
            level = rise.before + rise.value / 2
        return [int(known[at]), int(known[over])] if rise is not None and rise.exceeds(RISES_BETWEEN) else []

    def ended(self, before: int, at: int, changes: Sequence[int]) -> int | None:
        """Return where a rise ended: at a fall to the loss before it; None while it lasts.

        After a fall to less than that, it is the loss before that ended.

        Args:
            before: The change before the rise, or the first window.
            at: The window of the rise.
            changes: All changes of the loss.
        """
        later = [*(place for place in changes if place > at), len(self.start)]
        for fall, end in pairwise(later):
            left = self.rise(before, at, end, since=fall)
            if left is not None and abs(left.value) <= RISES * left.error:
                return fall
        return None

    def returns(self, before: int, fall: int, at: int, end: int) -> bool:
        """Return True if a loss is again as it was before it fell: a fault that offset a part of it is over."""
        again = self.rise(before, fall, end, since=at)
        return again is not None and again.value <= RISES * again.error

    def further(self, rise: _Rise) -> facts.FurtherLoss:
        """Return a rise in the unit of the metric."""
        half = NORMAL * rise.error
        by, low, high = rise.value, rise.value - half, rise.value + half
        if self.metric == "rmse":
            before = rise.before + self.was**2
            by, low, high = (sqrt(max(before + end, 0.0)) - sqrt(before) for end in (by, low, high))
        return facts.FurtherLoss(self.metric, by, low, high)


def _loss(metric: str, window: Evaluation) -> tuple[float, float, float]:
    """Return how much worse a window is than the baseline, the standard error, and its outcomes."""
    now, was = window.realized.get(metric), window.reference.get(metric)
    if now is None or was is None or now.value is None or was.value is None or now.low is None or now.high is None:
        return nan, nan, 0.0
    error = (now.high - now.low) / 2 / NORMAL
    if metric == "rmse":
        return now.value**2 - was.value**2, 2 * now.value * error, float(now.rows)
    return -direction(metric) * (now.value - was.value), error, float(now.rows)
