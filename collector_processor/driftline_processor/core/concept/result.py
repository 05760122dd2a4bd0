"""The result of the detection of concept drift."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

ConceptState = Literal["ok", "drift", "learning", "unknown"]


class Change(Struct, frozen=True):
    """A change of the level of errors, up or down.

    ``since``: the time of the first prediction after it, ``found``: of the outcome by which it was found (unix
    nanoseconds). ``before`` / ``after``: the mean error of the outcomes on either side of it.
    """

    since: int
    found: int
    before: float
    after: float


class ConceptDrift(Struct, frozen=True):
    """The concept drift of a model: whether its losses rose along the stream of first outcomes (:mod:`.stream`).

    ``since``: of the state, by the time of predictions; ``before``: the level before the drift, None without one;
    ``after``: the level since the last change, up to now; ``changes``: the newest, oldest first. ``measure``: what the
    levels are; an absolute error more than four standard deviations from the reference's counts as lying there.
    ``outcomes``: the number fed; ``unusable``: those that cannot show right from wrong; ``corrected``: those that
    replaced another one or lost their prediction, and were not fed. ``reason``: why nothing is known, ``no_outcomes``
    or "". ``slices``: the same of the outcomes of each slice, ``key=value``.
    """

    state: ConceptState
    measure: Literal["error_rate", "absolute_error"] = "error_rate"
    outcomes: int = 0
    unusable: int = 0
    corrected: int = 0
    since: int | None = None
    before: float | None = None
    after: float | None = None
    changes: tuple[Change, ...] = ()
    reason: str = ""
    slices: dict[str, ConceptDrift] = field(default_factory=dict)

    def drifting(self) -> dict[str, ConceptDrift]:
        """Return the slices in which errors have become more, those with most outcomes first."""
        ranked = sorted(self.slices.items(), key=lambda concept_drift: (-concept_drift[1].outcomes, concept_drift[0]))
        return {name: concept_drift for name, concept_drift in ranked if concept_drift.state == "drift"}


def error_rise(concept_drift: ConceptDrift) -> float | None:
    """Return by how much errors have become more: 0 where they have not, None where nobody can tell.

    >>> drift = ConceptDrift("drift", before=0.17, after=0.27)
    >>> error_rise(drift), error_rise(ConceptDrift("ok", after=0.2)), error_rise(ConceptDrift("learning"))
    (0.1, 0.0, None)
    """
    if concept_drift.state not in ("ok", "drift"):
        return None
    return (
        0.0
        if concept_drift.before is None or concept_drift.after is None
        else max(0.0, concept_drift.after - concept_drift.before)
    )
