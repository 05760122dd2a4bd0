"""Prediction times that cannot be right: rows are then in the wrong windows, or in none."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

AHEAD = 15 * 60 * 10**9
"""Nanoseconds by which a clock may be fast."""

FEWEST, LEAST = 20, 0.1
"""Minimum number of improbable times, and their minimum fraction of the rows."""


class ImprobableTimes(Struct, frozen=True):
    """Predictions that arrived lately, and how many of them have an improbable time.

    Attributes:
        rows: Number of predictions.
        undated: Number whose time could not be read, so that they stand at the time of the call.
        ahead: Number that are dated in the future.
        refused: Number that were refused: before 1970, or more than a year ahead.
        latest: The latest time, unix nanoseconds.
    """

    rows: int = 0
    undated: int = 0
    ahead: int = 0
    refused: int = 0
    latest: int = 0

    @property
    def kind(self) -> Literal["refused", "undated", "ahead", ""]:
        """The kind to report; "" if improbable times are too few.

        >>> ImprobableTimes(2_400, undated=2_400).kind, ImprobableTimes(2_400, refused=1, ahead=1).kind
        ('undated', '')
        """
        few = max(FEWEST, LEAST * self.rows)
        if self.refused >= few:
            return "refused"
        if self.undated >= few:
            return "undated"
        return "ahead" if self.ahead >= few else ""


def add_times(one: ImprobableTimes | None, other: ImprobableTimes) -> ImprobableTimes:
    """Return the counts of both."""
    if one is None:
        return other
    return ImprobableTimes(
        one.rows + other.rows,
        one.undated + other.undated,
        one.ahead + other.ahead,
        one.refused + other.refused,
        max(one.latest, other.latest),
    )
