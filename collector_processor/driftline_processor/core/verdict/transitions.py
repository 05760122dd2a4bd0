"""Transitions of a model: what changed from one row of its record to a later one. Notifications follow them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from msgspec import Struct

from driftline_processor.core.evaluation import VerdictState

from .record import Row, RowFinding
from .states import rank_state

TransitionKind = Literal["opened", "worse", "cause_changed", "joined", "recovered", "resolved"]
"""A state that needs attention begins, gets worse or ends; the cause of a degradation is another one; a finding joins
it; or one of its findings is over while it lasts.
"""

UNNAMED = frozenset({"unknown", "concept_change", "calibration", "label_shift"})
"""Subjects of causes that outcomes alone show."""

WELL: tuple[VerdictState, ...] = ("healthy", "unknown")


class Transition(Struct, frozen=True):
    """A change from one row to a later one. ``finding``: the new cause, or what joined or is over; else None."""

    kind: TransitionKind
    finding: RowFinding | None = None


def transitions(before: Row | None, after: Row) -> list[Transition]:
    """Return what changed between two rows of a record; [] if only numbers did.

    A degradation does not end with an inconclusive row. Findings change only within a degradation: those of its first
    row are what opened it.

    >>> cause = RowFinding("cause", "missing:age", 1)
    >>> later = (cause, RowFinding("joined", "recoded:plan", 5))
    >>> [one.kind for one in transitions(Row(2, "degraded", 1, (cause,)), Row(6, "degraded", 1, later))]
    ['joined']
    >>> [one.kind for one in transitions(Row(6, "degraded", 1, later), Row(9, "healthy", 8))]
    ['resolved']
    """
    was_well = before is None or before.state in WELL
    if before is None or was_well or after.state in WELL:
        kinds: list[TransitionKind] = []
        if was_well != (after.state in WELL) and after.state != "unknown":
            kinds = ["opened" if was_well else "resolved"]
        return [*map(Transition, kinds)]
    if rank_state(after.state) < rank_state(before.state):
        return [Transition("worse")]
    if before.state != "degraded" or after.state != "degraded":
        return []
    return [*_of_findings(before.findings, after.findings)]


def _of_findings(before: Sequence[RowFinding], after: Sequence[RowFinding]) -> Iterator[Transition]:
    """Yield what changed within a degradation. A finding that late outcomes remove is not over: it is not mentioned."""
    known, now = _harmful(before), _harmful(after)
    over = {one.subject: one for one in after if one.until is not None and one.subject not in _lasting(after)}
    old, new = _cause(known.values()), _cause(now.values())
    # what joined is the cause of what is left once the first cause is over, and known already
    goes_on = new is not None and new.subject in known if old is None else old.subject in over
    if before and new is not None and not goes_on and not _is_same_cause(old, new):
        yield Transition("cause_changed", new)
    if before:
        yield from (Transition("joined", one) for name, one in now.items() if name not in known and one is not new)
    yield from (Transition("recovered", over[name]) for name in known if name in over)


def _is_same_cause(old: RowFinding | None, new: RowFinding) -> bool:
    """Return True if two causes are about the same, or neither is named: then only the advice differs."""
    return old is not None and (old.subject == new.subject or {old.subject, new.subject} <= UNNAMED)


def _lasting(findings: Iterable[RowFinding]) -> dict[str, RowFinding]:
    return {one.subject: one for one in findings if one.until is None}


def _harmful(findings: Iterable[RowFinding]) -> dict[str, RowFinding]:
    """Return by subject what degrades the model."""
    return {subject: one for subject, one in _lasting(findings).items() if one.role != "harmless"}


def _cause(findings: Iterable[RowFinding]) -> RowFinding | None:
    return next((one for one in findings if one.role == "cause"), None)
