"""When a condition fired, and until when, over the windows of a model in the order of event time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.core.evaluation import Evaluation, Verdict, VerdictState
from driftline_processor.core.facts import Fact, columns_of, fact
from driftline_processor.core.verdict import StateSpan

from .condition import Condition, Finding, Judged


class Patience(Struct, frozen=True):
    """How many windows in a row it takes, and how long it is waited whether it begins again.

    Attributes:
        fire: In which a condition holds before it fires.
        resolve: In which it does not, before it is over.
        cool_down: Nanoseconds of event time from the end of the first of these to the end of the last: with any, one
            window without it between two with it ends nothing.
    """

    fire: int = 1
    resolve: int = 1
    cool_down: int = 0

    def is_over(self, quiet: Sequence[Evaluation], end: int) -> bool:
        """Return True if it is over after some windows without it, at the end of the newest window."""
        return len(quiet) >= self.resolve and end - quiet[0].window.end >= self.cool_down


class Firing(Struct, frozen=True):
    """A time in which a condition held.

    Attributes:
        since: Start of the first window in which it held, unix nanoseconds.
        fired: End of the window at which that was long enough.
        until: Start of the first window without it, once that was long enough; None while it lasts.
        window: Name of the length of the windows.
        start: Start of the newest window in which it held.
        facts: What was found in that window.
        state: The state of the verdict, of a condition that asks for nothing else; else "".
    """

    since: int | None
    fired: int
    until: int | None
    window: str
    start: int | None
    facts: tuple[Fact, ...]
    state: VerdictState | Literal[""] = ""

    @property
    def subjects(self) -> tuple[str, ...]:
        """What it is about, for code that decides: names of signals and checks, kinds of facts, ``column:NAME``."""
        return tuple(dict.fromkeys(chain.from_iterable(map(subjects_of, self.facts))))


def subjects_of(fact: Fact) -> Iterator[str]:
    """Yield what a fact is about.

    >>> list(subjects_of(fact("signal_compared", signal="coverage"))), list(subjects_of(fact("no_grave_fault")))
    (['coverage'], ['no_grave_fault'])
    """
    if fact.kind == "objective_broken":
        yield fact.values["objective"].metric
    else:
        yield fact.value("signal") or fact.value("check") or fact.kind
    yield from (f"column:{name}" for name in columns_of(fact))


StepOutcome = Literal["inconclusive", "quiet", "counted", "fired", "lasts", "eased", "over"]
"""What follows from one window: nothing, since it cannot tell; nothing, since the condition does not hold; it holds, in
too few windows in a row; that was enough; it goes on; it holds no more, for too short; that was enough, too."""


class Step(Struct, frozen=True):
    """What a condition said of one window, and what followed from that.

    Attributes:
        at: Which window.
        evaluated: What the condition said.
        resolved: What the condition said that ends it; None if that was not asked.
        outcome: What followed.
        count: Windows in a row in which it held before it fired, or did not before it was over.
        needed: How many of these are asked for.
        firing: What fires at the end of the window, or has ended there; None if nothing does.
    """

    at: int
    judged: Judged
    resolved: Judged | None
    outcome: StepOutcome
    count: int
    needed: int
    firing: Firing | None


def firings(
    windows: Sequence[Evaluation],
    condition: Condition,
    patience: Patience,
    verdict_at: Callable[[Evaluation], Verdict],
    others: Mapping[str, Sequence[Evaluation]],
    resolve: Condition | None = None,
) -> list[Firing]:
    """Return when a condition fired, the oldest first; the last one may last.

    Args:
        windows: Closed windows of one length, the oldest first.
        condition: What must hold.
        patience: In how many windows in a row.
        verdict_at: Returns the verdict on the model at the end of a window.
        others: Closed windows of each length.
        resolve: What must hold before it is over; None = that the condition does not.
    """
    past_firings: list[Firing] = []
    open_firing: Firing | None = None
    for step in steps(windows, condition, patience, verdict_at, others, resolve):
        open_firing = step.firing
        if step.outcome == "over" and open_firing is not None:
            past_firings.append(open_firing)
            open_firing = None
    return [*past_firings, open_firing] if open_firing is not None else past_firings


def steps(
    windows: Sequence[Evaluation],
    condition: Condition,
    patience: Patience,
    verdict_at: Callable[[Evaluation], Verdict],
    others: Mapping[str, Sequence[Evaluation]],
    resolve: Condition | None = None,
) -> Iterator[Step]:
    """Yield what a condition said of each window, and what followed; the arguments are those of :func:`firings`."""
    row: list[Evaluation] = []
    quiet: list[Evaluation] = []
    open_firing: Firing | None = None
    for index, evaluation in enumerate(windows):
        finding = Finding(windows, index, verdict_at, others)
        judged, window = condition.judge(finding), evaluation.window
        if open_firing is None:
            if judged.holds:
                row.append(evaluation)
            elif judged.holds is False:
                row.clear()
            outcome: StepOutcome = "counted" if judged.holds else "inconclusive" if judged.holds is None else "quiet"
            count = len(row)
            if count >= patience.fire:
                since = row[0].window.start
                open_firing, outcome = Firing(since, window.end, None, window.name, window.start, judged.facts), "fired"
                row.clear()
            yield Step(
                at=index,
                judged=judged,
                resolved=None,
                outcome=outcome,
                count=count,
                needed=patience.fire,
                firing=open_firing,
            )
            continue
        resolved = None if resolve is None else resolve.judge(finding)
        over = (judged.holds is False) if resolved is None else (resolved.holds is True)
        if over:
            quiet.append(evaluation)
        elif judged.holds or resolved is not None:
            quiet.clear()
        if judged.holds:
            open_firing = replace(open_firing, window=window.name, start=window.start, facts=judged.facts)
        judged_end = judged if resolved is None else resolved
        outcome = "eased" if over else "inconclusive" if judged_end.holds is None and not judged.holds else "lasts"
        count = len(quiet)
        if patience.is_over(quiet, window.end):
            ended_firing = replace(open_firing, until=quiet[0].window.start)
            yield Step(
                at=index,
                judged=judged,
                resolved=resolved,
                outcome="over",
                count=count,
                needed=patience.resolve,
                firing=ended_firing,
            )
            open_firing, quiet = None, []
            continue
        yield Step(
            at=index,
            judged=judged,
            resolved=resolved,
            outcome=outcome,
            count=count,
            needed=patience.resolve,
            firing=open_firing,
        )


def verdict_steps(
    states: Mapping[VerdictState, int],
    windows: Sequence[Evaluation],
    verdict_at: Callable[[Evaluation], Verdict],
    shown: int,
) -> list[Step]:
    """Return what the verdict at the end of each of the newest windows was to a policy that asks for its states.

    What fires is told by the verdict of now, see :func:`verdict_firings`: no step has a firing.

    Args:
        states: The states, each with the number of windows in a row at whose end it must hold.
        windows: Closed windows of one length, the oldest first.
        verdict_at: Returns the verdict at the end of a window.
        shown: How many windows, at most.
    """
    steps: list[Step] = []
    count, before = 0, ""
    first = max(0, len(windows) - shown)
    for index in range(max(0, first - max(states.values(), default=1)), len(windows)):
        verdict = verdict_at(windows[index])
        needed = states.get(verdict.state)
        count = 0 if needed is None else count + 1 if verdict.state == before else 1
        before = verdict.state
        if index < first:
            continue
        outcome: StepOutcome = "quiet"
        if needed is not None:
            outcome = "counted" if count < needed else "fired" if count == needed else "lasts"
        judged_verdict = Judged(needed is not None, (fact("verdict", verdict=verdict),))
        steps.append(
            Step(
                at=index,
                judged=judged_verdict,
                resolved=None,
                outcome=outcome,
                count=count,
                needed=needed or 0,
                firing=None,
            )
        )
    return steps


def verdict_firings(
    states: Mapping[VerdictState, int],
    verdict: Verdict | None,
    spans: Sequence[StateSpan],
    windows: Mapping[str, Sequence[Evaluation]],
    verdict_at: Callable[[Evaluation], Verdict],
    now: int,
) -> list[Firing]:
    """Return when the verdict on a model was one of some states, the oldest first; the last one may last.

    Windows of the past show when the model was degraded. The other states are shown only while they last.

    Args:
        states: The states, each with the number of windows in a row at whose end it must hold.
        verdict: What holds now; None if nobody can say.
        spans: When the model was healthy and degraded.
        windows: Closed windows of each length, the oldest first.
        verdict_at: Returns the verdict at the end of a window.
        now: The model's clock, unix nanoseconds.
    """
    past_firings = [
        Firing(
            since=span.verdict.since,
            fired=_end(span.verdict, now),
            until=span.until,
            window=span.window,
            start=span.verdict.window_start,
            facts=(fact("verdict", verdict=span.verdict),),
            state="degraded",
        )
        for span in spans
        if "degraded" in states and span.verdict.state == "degraded" and span.until is not None
    ]
    if verdict is None or verdict.state not in states:
        return past_firings
    name, decided = _deciding(verdict, windows)
    rows = states[verdict.state]
    if rows > 1 and decided:
        before = [evaluation for evaluation in decided if evaluation.window.end <= _end(verdict, now)][-rows:-1]
        if len(before) < rows - 1 or any(verdict_at(evaluation).state != verdict.state for evaluation in before):
            return past_firings
    start = verdict.window_start if name else None
    facts = (fact("verdict", verdict=verdict),)
    return [
        *past_firings,
        Firing(
            since=verdict.since,
            fired=_end(verdict, now),
            until=None,
            window=name,
            start=start,
            facts=facts,
            state=verdict.state,
        ),
    ]


def _deciding(verdict: Verdict, windows: Mapping[str, Sequence[Evaluation]]) -> tuple[str, Sequence[Evaluation]]:
    """Return the length of the windows that decided a verdict, and these; "" and none where no window did."""
    for name, window in windows.items():
        if any(
            (evaluation.window.start, evaluation.window.end) == (verdict.window_start, verdict.window_end)
            for evaluation in window
        ):
            return name, window
    return "", ()


def _end(verdict: Verdict, now: int) -> int:
    return now if verdict.window_end is None else verdict.window_end
