"""Prediction times that cannot be right: rows are then in the wrong windows, or in none."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from driftline.tables.table import I64
from msgspec import Struct

AHEAD = 15 * 60 * 10**9
"""Nanoseconds by which a clock may be fast."""

FEWEST, LEAST = 20, 0.1
"""Minimum number of improbable times, and their minimum fraction of the rows."""

UNITS: Final = {"seconds": 10**9, "milliseconds": 10**6, "microseconds": 10**3}
"""Unit that senders write into a field of nanoseconds → its nanoseconds."""

_YEAR_2000: Final = 946_684_800 * 10**9
"""Unix nanoseconds; no prediction that is recorded over OTLP is older, but each other unit reads as a time of 1970."""


def count_other_unit(times: I64, newest: int) -> tuple[int, str]:
    """Return how many times are usual only if read in another unit than nanoseconds, and the most frequent unit.

    Args:
        times: int64 (n,), unix nanoseconds.
        newest: The latest usual time, unix nanoseconds.

    >>> count_other_unit(np.array([1_793_900_000_000, 1_793_900_000_000_000_000]), 1_793_900_000_000_000_000)
    (1, 'milliseconds')
    """
    old = times[times < _YEAR_2000]  # mostly none
    counts = {
        unit: int(np.count_nonzero((old >= _YEAR_2000 // length) & (old <= newest // length)))
        for unit, length in UNITS.items()
        if len(old)
    }
    rows = sum(counts.values())
    return rows, max(counts, key=counts.__getitem__) if rows else ""


class ImprobableTimes(Struct, frozen=True):
    """Predictions that arrived lately, and how many of them have an improbable time.

    Attributes:
        rows: Number of predictions.
        undated: Number whose time could not be read, so that they stand at the time of the call.
        ahead: Number that are dated in the future.
        refused: Number that were refused: before 1970, or more than a year ahead.
        latest: The latest time, unix nanoseconds.
        misread: Number that are usual only if read in another unit than nanoseconds.
        unit: This unit; "" if there are none.
    """

    rows: int = 0
    undated: int = 0
    ahead: int = 0
    refused: int = 0
    latest: int = 0
    misread: int = 0
    unit: str = ""

    @property
    def kind(self) -> Literal["refused", "undated", "unit", "ahead", ""]:
        """The kind to report; "" if improbable times are too few.

        >>> ImprobableTimes(2_400, undated=2_400).kind, ImprobableTimes(2_400, refused=1, ahead=1).kind
        ('undated', '')
        """
        few = max(FEWEST, LEAST * self.rows)
        if self.refused >= few:
            return "refused"
        if self.undated >= few:
            return "undated"
        if self.misread >= few:
            return "unit"
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
        one.misread + other.misread,
        other.unit or one.unit,
    )
