"""Firings of a condition over the windows of a model in event time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.core import facts
from driftline_processor.core.business import PREFIX
from driftline_processor.core.evaluation import Evaluation, Verdict, VerdictState
from driftline_processor.core.fact import Fact, columns_of
from driftline_processor.core.metrics import metric_named
from driftline_processor.core.service_level.level import METRICS as SERVICE_METRICS

from .condition import Judged
from .signals import ESTIMATED


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
        """Its subjects for code: names of signals and checks, kinds of facts, ``column:NAME``, ``slice:NAME``."""
        return tuple(dict.fromkeys(chain.from_iterable(map(subjects_of, self.facts))))


def subjects_of(fact: Fact) -> Iterator[str]:
    """Yield the subjects of a fact.

    >>> from driftline_processor.core import facts
    >>> list(subjects_of(facts.SignalWithoutInterval("coverage"))), list(subjects_of(facts.NoGraveFault()))
    (['coverage'], ['no_grave_fault'])
    """
    subject, slice = fact.kind, ""
    match fact:
        case facts.ObjectiveBroken():
            subject, slice = fact.objective.metric, fact.objective.slice
        case facts.ObjectiveInconclusive():
            slice = fact.objective.slice
        case facts.NamedFinding():
            subject, slice = fact.finding.check, fact.finding.slice
        case facts.OfSignal():
            subject, slice = fact.signal, fact.slice
    yield subject
    yield from (f"column:{name}" for name in columns_of(fact))
    if slice:
        yield f"slice:{slice}"


def explains(verdict: Verdict | None, subjects: Collection[str]) -> bool:
    """Return True if a verdict and a finding of a policy are about the same fault.

    A column or a slice must be one that the verdict names. A metric of outcomes is about the same fault as a
    degraded model, an estimated metric also as one at risk, and a metric of calls as a failing service. Verdicts
    are never about what the business does.

    Args:
        verdict: The current verdict; None if unknown.
        subjects: Subjects of the finding, see :attr:`Firing.subjects`.

    >>> explains(Verdict("degraded"), ["accuracy"]), explains(Verdict("degraded"), ["coverage"])
    (True, False)
    >>> explains(Verdict("healthy"), ["accuracy"])
    False
    """
    if verdict is None or verdict.state not in ("degraded", "at_risk", "no_data"):
        return False
    if "verdict" in subjects:
        return True
    if any(subject.startswith(PREFIX) for subject in subjects):
        return False
    slices = _named(subjects, "slice:")
    if slices and verdict.slice and verdict.slice not in slices:
        return False
    if columns := _named(subjects, "column:"):
        return not columns.isdisjoint(chain.from_iterable(map(columns_of, (verdict.cause, *verdict.reasons))))
    if verdict.kind == "service":
        return not set(SERVICE_METRICS).isdisjoint(subjects)
    metrics = {name for name in subjects if metric_named(name.removeprefix(ESTIMATED)) is not None}
    return any(verdict.state == "degraded" or name.startswith(ESTIMATED) for name in metrics)


def with_alert(verdict: Verdict | None, policies: Collection[str]) -> Verdict | None:
    """Return a verdict without anything to do with the advice to check an open alert.

    Args:
        verdict: The current verdict; None if unknown.
        policies: The policies of the model that fire and have sent a notification, the newest alert first.
    """
    if verdict is None or not policies or not isinstance(verdict.advice, facts.NoStep):
        return verdict
    return replace(verdict, advice=facts.CheckAlert(next(iter(policies))))


def _named(subjects: Collection[str], prefix: str) -> set[str]:
    return {subject.removeprefix(prefix) for subject in subjects if subject.startswith(prefix)}


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
