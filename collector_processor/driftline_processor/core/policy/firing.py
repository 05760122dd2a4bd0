"""Firings of a condition over the windows of a model in event time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.core.evaluation import Evaluation, Verdict, VerdictState
from driftline_processor.core.facts import Fact, columns_of, fact
from driftline_processor.core.verdict.model import StateSpan

from .condition import Condition, Finding, Judged


class Patience(Struct, frozen=True):
    """Consecutive windows to fire and to resolve, and the cool-down.

    Attributes:
        fire: Number of windows in which a condition holds before it fires.
        resolve: Number of windows in which it does not before it is resolved.
        cool_down: Minimum nanoseconds of event time between the ends of the first and the last of these; if above 0, a
            single window without it does not resolve it.
    """

    fire: int = 1
    resolve: int = 1
    cool_down: int = 0

    def is_over(self, quiet: Sequence[Evaluation], end: int) -> bool:
        """Return True if it is resolved by the windows without it, at the end of the newest window."""
        return len(quiet) >= self.resolve and end - quiet[0].window.end >= self.cool_down


class Firing(Struct, frozen=True):
    """A period in which a condition held.

    Attributes:
        since: Start of the first window in which it held, unix nanoseconds.
        fired: End of the window at which it fired.
        until: Start of the first window without it, once it is resolved; None before.
        window: Name of the length of the windows.
        start: Start of the newest window in which it held.
        facts: The facts of that window.
        state: The state of the verdict, for a condition on verdicts only; else "".
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
        """Its subjects for code: names of signals and checks, kinds of facts, ``column:NAME``."""
        return tuple(dict.fromkeys(chain.from_iterable(map(subjects_of, self.facts))))


def subjects_of(fact: Fact) -> Iterator[str]:
    """Yield the subjects of a fact.

    >>> list(subjects_of(fact("signal_compared", signal="coverage"))), list(subjects_of(fact("no_grave_fault")))
    (['coverage'], ['no_grave_fault'])
    """
    if fact.kind == "objective_broken":
        yield fact.values["objective"].metric
    else:
        yield fact.value("signal") or fact.value("check") or fact.kind
    yield from (f"column:{name}" for name in columns_of(fact))


StepOutcome = Literal["inconclusive", "quiet", "counted", "fired", "lasts", "eased", "over"]
"""The effect of one window: inconclusive; the condition does not hold; it holds in too few consecutive windows; it
fires; it continues; it does not hold, but is not yet resolved; it is resolved.
"""


class Step(Struct, frozen=True):
    """The result of a condition in one window, and its effect.

    Attributes:
        at: Index of the window.
        judged: The result of the condition.
        outcome: The effect.
        count: Consecutive windows in which it held before it fired, or did not before it was resolved.
        needed: Required number of these.
        resolved: The result of the resolving condition; None if it was not evaluated.
        firing: The open firing at the end of the window, or the one that ended there; None without one.
    """

    at: int
    judged: Judged
    outcome: StepOutcome
    count: int
    needed: int
    resolved: Judged | None = None
    firing: Firing | None = None


def firings(
    windows: Sequence[Evaluation],
    condition: Condition,
    patience: Patience,
    verdict_at: Callable[[Evaluation], Verdict],
    others: Mapping[str, Sequence[Evaluation]],
    resolve: Condition | None = None,
) -> list[Firing]:
    """Return the firings of a condition, the oldest first; the last one may be open.

    Args:
        windows: Closed windows of one length, the oldest first.
        condition: The condition.
        patience: Consecutive windows to fire and to resolve.
        verdict_at: Returns the verdict on the model at the end of a window.
        others: Closed windows of each length.
        resolve: The condition that resolves it; None = the condition does not hold.
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
    """Yield the result of a condition in each window, and its effect; the arguments are those of :func:`firings`."""
    row: list[Evaluation] = []
    quiet: list[Evaluation] = []
    open_firing: Firing | None = None
    for index, evaluation in enumerate(windows):
        finding = Finding(windows, index, verdict_at, others)
        result, window = condition.judge(finding), evaluation.window
        if open_firing is None:
            if result.holds:
                row.append(evaluation)
            elif result.holds is False:
                row.clear()
            outcome: StepOutcome = "counted" if result.holds else "inconclusive" if result.holds is None else "quiet"
            count = len(row)
            if count >= patience.fire:
                since = row[0].window.start
                open_firing, outcome = Firing(since, window.end, None, window.name, window.start, result.facts), "fired"
                row.clear()
            yield Step(index, result, outcome, count, patience.fire, firing=open_firing)
            continue
        resolved = None if resolve is None else resolve.judge(finding)
        over = (result.holds is False) if resolved is None else (resolved.holds is True)
        if over:
            quiet.append(evaluation)
        elif result.holds or resolved is not None:
            quiet.clear()
        if result.holds:
            open_firing = replace(open_firing, window=window.name, start=window.start, facts=result.facts)
        judged_end = result if resolved is None else resolved
        outcome = "eased" if over else "inconclusive" if judged_end.holds is None and not result.holds else "lasts"
        count = len(quiet)
        if patience.is_over(quiet, window.end):
            ended_firing = replace(open_firing, until=quiet[0].window.start)
            yield Step(index, result, "over", count, patience.resolve, resolved=resolved, firing=ended_firing)
            open_firing, quiet = None, []
            continue
        yield Step(index, result, outcome, count, patience.resolve, resolved=resolved, firing=open_firing)


def verdict_steps(
    states: Mapping[VerdictState, int],
    windows: Sequence[Evaluation],
    verdict_at: Callable[[Evaluation], Verdict],
    shown: int,
) -> list[Step]:
    """Return the steps of a policy on verdict states for the newest windows.

    No step has a firing, since the current verdict decides, see :func:`verdict_firings`.

    Args:
        states: The states, each with its required number of consecutive windows.
        windows: Closed windows of one length, the oldest first.
        verdict_at: Returns the verdict at the end of a window.
        shown: Maximum number of windows.
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
        steps.append(Step(index, judged_verdict, outcome, count, needed or 0))
    return steps


def verdict_firings(
    states: Mapping[VerdictState, int],
    verdict: Verdict | None,
    spans: Sequence[StateSpan],
    windows: Mapping[str, Sequence[Evaluation]],
    verdict_at: Callable[[Evaluation], Verdict],
    now: int,
) -> list[Firing]:
    """Return the firings of a policy on verdict states, the oldest first; the last one may be open.

    Past degradations follow from stored windows. The other states are known only while they last.

    Args:
        states: The states, each with its required number of consecutive windows.
        verdict: The current verdict; None if unknown.
        spans: Periods in which the model was healthy and degraded.
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
    """Return the name and the windows of the length that decided a verdict; "" and () without one."""
    for name, window in windows.items():
        if any(
            (evaluation.window.start, evaluation.window.end) == (verdict.window_start, verdict.window_end)
            for evaluation in window
        ):
            return name, window
    return "", ()


def _end(verdict: Verdict, now: int) -> int:
    return now if verdict.window_end is None else verdict.window_end
