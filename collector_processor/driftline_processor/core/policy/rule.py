"""Rules: a condition with its patience, evaluated over the windows of a version of a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.core.evaluation import Evaluation, Verdict, VerdictState
from driftline_processor.core.verdict.context import VerdictContext
from driftline_processor.core.verdict.model import StateSpan, state_spans, verdict_of_model
from driftline_processor.core.verdict.states import rank_state
from driftline_processor.core.verdict.window import Reading, read_window
from driftline_processor.core.windows.window import length

from .condition import Condition, VerdictIs, burnt_over
from .firing import Firing, Patience, Step, firings, steps, verdict_firings, verdict_steps

MOST_WINDOWS: Final = 400
"""Maximum number of windows per length, the newest ones: a year of days."""


class WindowHistory(Struct, frozen=True):
    """The closed windows of a version of a model.

    Attributes:
        windows: Name of a length → its windows, the oldest first.
        timezone: Time zone of the model.
        read: Reads a window; pass a cached version for speed.
    """

    windows: Mapping[str, Sequence[Evaluation]]
    timezone: str = "UTC"
    read: Callable[[Evaluation, VerdictContext], Reading] = read_window

    def verdict_at(self, evaluation: Evaluation) -> Verdict:
        """Return the verdict on the model at the end of a window, from the current state of all windows up to it."""
        end = evaluation.window.end
        before = [
            window_evaluation
            for window_evaluation in chain(*self.windows.values())
            if window_evaluation.window.end <= end
        ]
        return verdict_of_model(before, context=VerdictContext(timezone=self.timezone), read=self.read)

    def spans(self) -> list[StateSpan]:
        """Return the periods in which the model was healthy and degraded, for each length the oldest first."""
        return state_spans(chain(*self.windows.values()), self.timezone)

    def until(self, end: int) -> WindowHistory:
        """Return the windows that had ended at a time, unix nanoseconds."""
        before = {
            name: [evaluation for evaluation in window if evaluation.window.end <= end]
            for name, window in self.windows.items()
        }
        return WindowHistory(before, self.timezone, self.read)


class Rule(Struct, frozen=True):
    """A condition with its patience.

    Attributes:
        condition: The condition.
        patience: Consecutive windows to fire and to resolve.
        resolve: The condition that resolves it; None = the condition does not hold.
        window: Name of the length of the windows; "" = the shorter one of a burn rate, else the longest.
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
        """Return the windows in which it is evaluated, the oldest first."""
        name = self.window or burnt_over(self.condition) or max(history.windows, key=length, default="")
        return history.windows.get(name, ())[-MOST_WINDOWS:]

    def firings(self, history: WindowHistory, verdict: Verdict | None, now: int) -> list[Firing]:
        """Return its firings, the oldest first; the last one may be open.

        Args:
            history: The windows.
            verdict: The current verdict; None if unknown.
            now: The model's clock, unix nanoseconds.
        """
        if self.states:
            spans = history.spans() if "degraded" in self.states else ()
            return verdict_firings(self.states, verdict, spans, history.windows, history.verdict_at, now)
        windows = self.judged_in(history)
        arguments = (windows, self.condition, self.patience, history.verdict_at, history.windows, self.resolve)
        return firings(*arguments)

    def steps(self, history: WindowHistory, shown: int) -> list[Step]:
        """Return the results for the newest windows, with their effects, the oldest first.

        Args:
            history: The windows.
            shown: Maximum number of windows.
        """
        windows = self.judged_in(history)
        if self.states:
            return verdict_steps(self.states, windows, history.verdict_at, shown)
        arguments = (windows, self.condition, self.patience, history.verdict_at, history.windows, self.resolve)
        return [*steps(*arguments)][-shown:]

    def replay(self, history: WindowHistory) -> list[Firing]:
        """Return the firings as of an evaluation at the end of each window, the oldest first.

        Verdicts without outcomes leave no trace in later windows, so the verdict is recomputed at the end of each.
        """
        if not self.states:
            return self.firings(history, None, 0)
        firings: list[Firing] = []
        open_firing: Firing | None = None
        for evaluation in self.judged_in(history):
            end = evaluation.window.end
            history_until = history.until(end)
            verdict = history_until.verdict_at(evaluation)
            new_firings = verdict_firings(
                self.states, verdict, (), history_until.windows, history_until.verdict_at, end
            )
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
