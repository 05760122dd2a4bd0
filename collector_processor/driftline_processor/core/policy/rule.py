"""Rules: a condition with its patience, evaluated over the windows of a version of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation, ObjectiveState, Verdict, VerdictState
from driftline_processor.core.verdict.context import VerdictContext
from driftline_processor.core.verdict.record import Record
from driftline_processor.core.verdict.states import rank_state
from driftline_processor.core.windows.window import length

from .condition import UNTOLD, Condition, Finding, Judged, ObjectiveBroken, VerdictIs, burnt_over, leaves
from .firing import Firing, Patience, Step, StepOutcome

MOST_WINDOWS: Final = 400
"""Maximum number of windows per length, the newest ones: a year of days."""


@dataclass(frozen=True)
class WindowHistory:
    """The closed windows of a version of a model, and open ones in which a rolling objective is broken.

    Attributes:
        windows: Name of a length → its windows, the oldest first.
        timezone: Time zone of the model.
        known: The record of the model; None = that of these windows.
    """

    windows: Mapping[str, Sequence[Evaluation]]
    timezone: str = "UTC"
    known: Record | None = None

    @cached_property
    def record(self) -> Record:
        """The verdicts as of the end of each window."""
        closed = (one for window in self.windows.values() for one in window if one.closed)
        return self.known or Record(closed, VerdictContext(timezone=self.timezone))

    def until(self, end: int) -> WindowHistory:
        """Return the windows that had ended at a time, unix nanoseconds."""
        before = {name: [one for one in window if one.window.end <= end] for name, window in self.windows.items()}
        return WindowHistory(before, self.timezone, self.record)

    def verdict_at(self, evaluation: Evaluation) -> Verdict:
        """Return the verdict as of the end of a window, from the current state of all windows up to it."""
        return self.record.as_of(evaluation.window.end) or Verdict("unknown")


class Rule(Struct, frozen=True):
    """A condition with its patience.

    Attributes:
        condition: The condition.
        patience: Consecutive windows to fire and to resolve.
        resolve: The condition that resolves it; None = the condition does not hold.
        window: Name of the length of the windows; "" = the shorter one of a burn rate, the shortest one of a rolling
            objective, else the longest.
    """

    condition: Condition
    patience: Patience
    resolve: Condition | None = None
    window: str = ""

    @property
    def states(self) -> Mapping[VerdictState, int]:
        """The verdict states of the condition, each with its number of consecutive windows; {} for other conditions."""
        if not isinstance(self.condition, VerdictIs):
            return {}
        rows = self.patience.fire
        # 2: consecutive windows at whose end a model must be at risk before it fires
        return {state: max(rows, 2 if state == "at_risk" else 1) for state in self.condition.states}

    def judged_in(self, history: WindowHistory) -> Sequence[Evaluation]:
        """Return the windows in which it is evaluated, the oldest first; open ones only for an objective."""
        parts = [*leaves(self.condition)]
        usual = min if any(isinstance(part, ObjectiveBroken) and part.rolling for part in parts) else max
        name = self.window or burnt_over(self.condition) or usual(history.windows, key=length, default="")
        windows = history.windows.get(name, ())[-MOST_WINDOWS:]
        if all(isinstance(part, ObjectiveBroken) for part in parts):
            return windows
        return [evaluation for evaluation in windows if evaluation.closed]

    def firings(self, history: WindowHistory, verdict: Verdict | None, now: int) -> list[Firing]:
        """Return its firings, the oldest first; one for each of its lengths of windows may be open.

        Args:
            history: The windows.
            verdict: The current verdict; None if unknown.
            now: The model's clock, unix nanoseconds.
        """
        if self.states:
            return [*self._past_firings(history), *self._verdict_firings(history, verdict, now)]
        firings = chain.from_iterable(rule._window_firings(history) for rule in self._rules(history))
        return sorted(firings, key=lambda firing: firing.fired)

    def _rules(self, history: WindowHistory) -> tuple[Rule, ...]:
        """Return it, and if any objective counts, the rule for rolling ones, which only the shortest windows have."""
        condition = self.condition
        if not isinstance(condition, ObjectiveBroken) or condition.rule or self.window or len(history.windows) < 2:
            return (self,)
        shortest = min(history.windows, key=length)
        return self, replace(self, condition=replace(condition, rolling=True), window=shortest)

    def rule_of(self, history: WindowHistory, window: str) -> Rule:
        """Return the rule whose firings have windows of this name: it, or the one for rolling objectives."""
        return next((rule for rule in self._rules(history) if rule.window == window), self)

    def _window_firings(self, history: WindowHistory) -> list[Firing]:
        """Return the firings of a condition on windows of one length."""
        past_firings: list[Firing] = []
        open_firing: Firing | None = None
        for step in self._steps(history):
            open_firing = step.firing
            if step.outcome == "resolved" and open_firing is not None:
                past_firings.append(open_firing)
                open_firing = None
        return [*past_firings, open_firing] if open_firing is not None else past_firings

    def steps(self, history: WindowHistory, shown: int) -> list[Step]:
        """Return the results for the newest windows, with their effects, the oldest first.

        Args:
            history: The windows.
            shown: Maximum number of windows.
        """
        return self._verdict_steps(history, shown) if self.states else [*self._steps(history)][-shown:]

    def _steps(self, history: WindowHistory) -> Iterator[Step]:
        """Yield the result of the condition in each window, and its effect."""
        windows = self.judged_in(history)
        row: list[Evaluation] = []
        quiet: list[Evaluation] = []
        open_firing: Firing | None = None
        first = UNTOLD
        for index, evaluation in enumerate(windows):
            finding = Finding(windows, index, history.verdict_at)
            result, window = self.condition.judge(finding), evaluation.window
            if open_firing is None:
                if result.holds:
                    first = first if row else result
                    row.append(evaluation)
                elif result.holds is False:
                    row.clear()
                outcome: StepOutcome = (
                    "counted" if result.holds else "inconclusive" if result.holds is None else "quiet"
                )
                count = len(row)
                if count >= self.patience.fire:
                    since, fired = _began(first, row[0]), _fired(result, evaluation)
                    open_firing = Firing(since, fired, None, window.name, window.start, result.facts)
                    outcome = "fired"
                    row.clear()
                yield Step(index, result, outcome, count, self.patience.fire, firing=open_firing)
                continue
            resolved = None if self.resolve is None else self.resolve.judge(finding)
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
            if self.patience.is_over(quiet, window.end):
                ended_firing = replace(open_firing, until=quiet[0].window.start)
                yield Step(
                    index, result, "resolved", count, self.patience.resolve, resolved=resolved, firing=ended_firing
                )
                open_firing, quiet = None, []
                continue
            yield Step(index, result, outcome, count, self.patience.resolve, resolved=resolved, firing=open_firing)

    def _verdict_steps(self, history: WindowHistory, shown: int) -> list[Step]:
        """Return the same for a condition on verdicts."""
        states, windows = self.states, self.judged_in(history)
        steps: list[Step] = []
        count, before = 0, ""
        first = max(0, len(windows) - shown)
        for index in range(max(0, first - max(states.values(), default=1)), len(windows)):
            verdict = history.verdict_at(windows[index])
            needed = states.get(verdict.state)
            count = 0 if needed is None else count + 1 if verdict.state == before else 1
            before = verdict.state
            if index < first:
                continue
            outcome: StepOutcome = "quiet"
            if needed is not None:
                outcome = "counted" if count < needed else "fired" if count == needed else "lasts"
            judged_verdict = Judged(needed is not None, (facts.Verdict(verdict=verdict),))
            steps.append(Step(index, judged_verdict, outcome, count, needed or 0))
        return steps

    def _past_firings(self, history: WindowHistory) -> Iterator[Firing]:
        """Yield the past degradations that lasted long enough. The other states fire only while they last."""
        for episode in history.record.episodes() if "degraded" in self.states else ():
            if episode.state == "degraded" and episode.until is not None:
                verdict = history.record.as_of(episode.last)
                lasting = self._verdict_firings(history, verdict, episode.last)
                yield from (replace(firing, until=episode.until) for firing in lasting)

    def _verdict_firings(self, history: WindowHistory, verdict: Verdict | None, now: int) -> list[Firing]:
        """Return the lasting firing of a condition on verdicts; [] without one."""
        rows = 0 if verdict is None else self.states.get(verdict.state, 0)
        if verdict is None or not rows:
            return []
        name, decided = deciding_windows(verdict, history.windows)
        if rows > 1 and decided:
            before = [evaluation for evaluation in decided if evaluation.window.end <= _end(verdict, now)][-rows:-1]
            states_before = {history.record.state_as_of(evaluation.window.end) for evaluation in before}
            if len(before) < rows - 1 or states_before - {verdict.state}:
                return []
        return [
            Firing(
                since=verdict.since,
                fired=_end(verdict, now),
                until=None,
                window=name,
                start=verdict.window_start if name else None,
                facts=(facts.Verdict(verdict=verdict),),
                state=verdict.state,
            )
        ]

    def replay(self, history: WindowHistory) -> list[Firing]:
        """Return the firings as of an evaluation at the end of each window, the oldest first.

        Verdicts without outcomes leave no trace in later windows, so the verdict is recomputed at the end of each.
        """
        if not self.states:
            return self.firings(history, None, 0)
        firings: list[Firing] = []
        open_firing: Firing | None = None
        for evaluation in self.judged_in(history):
            end, verdict = evaluation.window.end, history.verdict_at(evaluation)
            new_firings = self._verdict_firings(history, verdict, end)
            if new_firings:
                open_firing = new_firings[-1] if open_firing is None else _goes_on(open_firing, new_firings[-1])
            elif open_firing is not None and not _inconclusive(open_firing, verdict):
                firings.append(replace(open_firing, until=_end_of_firing(open_firing, verdict, end)))
                open_firing = None
        return [*firings, open_firing] if open_firing is not None else firings


def _goes_on(firing: Firing, newer: Firing) -> Firing:
    """Return a continuing firing with the newest facts; it keeps its start, and its most severe state."""
    graver = newer.state and firing.state and rank_state(newer.state) < rank_state(firing.state)
    state = newer.state if graver else firing.state
    return replace(firing, window=newer.window, start=newer.start, facts=newer.facts, state=state)


def _inconclusive(firing: Firing, verdict: Verdict) -> bool:
    """Return True if it is unknown whether a degraded model is healthy again."""
    return firing.state == "degraded" and verdict.state == "unknown"


def _end_of_firing(firing: Firing, verdict: Verdict, end: int) -> int:
    """Return the end of a firing: the start of the new state, if that is after it fired."""
    began = verdict.since
    return began if began is not None and firing.fired <= began <= end else end


def deciding_windows(verdict: Verdict, windows: Mapping[str, Sequence[Evaluation]]) -> tuple[str, Sequence[Evaluation]]:
    """Return the name and the windows of the length that decided a verdict; "" and () without one."""
    for name, window in windows.items():
        if any(
            (evaluation.window.start, evaluation.window.end) == (verdict.window_start, verdict.window_end)
            for evaluation in window
        ):
            return name, window
    return "", ()


def _end(verdict: Verdict, now: int) -> int:
    return now if verdict.window_end is None else min(verdict.window_end, now)


def _rolling(judged: Judged) -> ObjectiveState | None:
    """Return the broken rolling objective that a result is about; None for other results."""
    objectives = (fact.objective for fact in judged.facts if isinstance(fact, facts.ObjectiveBroken))
    return next((objective for objective in objectives if objective.rolling), None)


def _began(judged: Judged, evaluation: Evaluation) -> int:
    rolling = _rolling(judged)
    return evaluation.window.start if rolling is None else rolling.since


def _fired(judged: Judged, evaluation: Evaluation) -> int:
    rolling = _rolling(judged)
    return evaluation.window.end if rolling is None else rolling.until
