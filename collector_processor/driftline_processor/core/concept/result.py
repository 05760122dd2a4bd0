"""The result of concept drift detection."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

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

    @property
    def has_risen(self) -> bool:
        """True if errors rose at any time, of all rows or of a slice."""
        return any(
            one.state == "drift" or any(change.after > change.before for change in one.changes)
            for one in (self, *self.slices.values())
        )

    def detections(self) -> list[int]:
        """Return when changes were detected, of all rows and of slices, unix nanoseconds, in order.

        Drift without a known change counts from its begin.
        """
        states = (self, *self.slices.values())
        begun = {one.since for one in states if one.state == "drift" and not one.changes and one.since is not None}
        return sorted(begun | {change.detected_at for one in states for change in one.changes})

    def as_of(self, end: int) -> ConceptDrift | None:
        """Return the rises that were detected by a time, unix nanoseconds, and lasted then; None without any."""
        slices = {name: rise for name, one in self.slices.items() if (rise := one._rise_as_of(end)) is not None}
        rise = self._rise_as_of(end)
        if rise is None and not slices:
            return None
        if rise is self and slices == self.slices:
            return self
        return replace(rise or replace(self, state="ok"), slices=slices)

    def _rise_as_of(self, end: int) -> ConceptDrift | None:
        """Return the rise of all rows that lasted at a time, as it was detected by then; None without one."""
        detected = [change for change in self.changes if change.detected_at <= end]
        if len(detected) == len(self.changes):  # no later change: what is known now
            return self if self.state == "drift" and (detected or (self.since or 0) <= end) else None
        last = detected[-1] if detected else None
        if last is None or last.after <= last.before:
            return None
        return replace(self, state="drift", since=last.since, before=last.before, after=last.after)


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
