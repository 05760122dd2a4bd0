"""Firings of a condition over the windows of a model in event time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Literal

from msgspec import Struct

from driftline_processor.core.evaluation import Evaluation, VerdictState
from driftline_processor.core.facts import Fact, columns_of

from .condition import Judged


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

    >>> from driftline_processor.core.facts import fact
    >>> list(subjects_of(fact("signal_compared", signal="coverage"))), list(subjects_of(fact("no_grave_fault")))
    (['coverage'], ['no_grave_fault'])
    """
    if fact.kind == "objective_broken":
        yield fact.values["objective"].metric
    else:
        yield fact.value("signal") or fact.value("check") or fact.kind
    yield from (f"column:{name}" for name in columns_of(fact))


StepOutcome = Literal["inconclusive", "quiet", "counted", "fired", "lasts", "eased", "resolved"]
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
