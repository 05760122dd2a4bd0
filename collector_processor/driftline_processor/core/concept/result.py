"""The result of concept drift detection."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

ConceptState = Literal["ok", "drift", "unconfirmed", "learning", "unknown"]
"""``unconfirmed``: errors rose in the order of arrival, but in no window whose outcomes have arrived. Wrong predictions
may be known sooner than right ones.
"""


class Change(Struct, frozen=True):
    """A change of the level of errors, up or down.

    Attributes:
        since: Time of the first prediction after it, unix nanoseconds.
        detected_at: Time of the outcome at which it was detected, unix nanoseconds.
        before: Mean error of the outcomes before it.
        after: Mean error of the outcomes after it.
    """

    since: int
    detected_at: int
    before: float
    after: float


class ConceptDrift(Struct, frozen=True):
    """The concept drift of a model: whether its losses rose along the stream of first outcomes (:mod:`.stream`).

    Attributes:
        state: State of the stream.
        measure: Meaning of the levels. An absolute error more than four standard deviations from the reference's counts
            as four.
        outcomes: Number of processed outcomes.
        unusable: Number of outcomes without a known error.
        corrected: Number of outcomes that replaced another one or lost their prediction, and were not processed.
        since: Start of the state, by the time of predictions.
        before: Level before the drift, None without drift.
        after: Level since the last change.
        changes: Newest changes, oldest first.
        reason: Why the state is unknown, ``no_outcomes`` or "".
        slices: Concept drift of each slice, ``key=value``.
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
        """Return the slices whose errors have increased, those with most outcomes first."""
        ranked = sorted(self.slices.items(), key=lambda concept_drift: (-concept_drift[1].outcomes, concept_drift[0]))
        return {name: concept_drift for name, concept_drift in ranked if concept_drift.state == "drift"}


def error_rise(concept_drift: ConceptDrift) -> float | None:
    """Return the increase of errors: 0 without an increase, None if it is unknown.

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
