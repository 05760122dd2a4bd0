"""When the reference rows were predicted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from .checked import is_whole
from .fold import ModelBins
from .leaving import Leaving
from .tables import I64

STEP = 300 * 10**9
"""Five minutes in nanoseconds."""


@dataclass(frozen=True, slots=True)
class Period:
    """``first`` and ``last`` time of a row, unix nanoseconds."""

    first: int
    last: int

    @classmethod
    def of(cls, times: I64) -> Self | None:
        """Return that of times, int64 (n,), 0 = not known; None where none is."""
        known = times[times != 0]
        return cls(int(known.min()), int(known.max())) if len(known) else None

    def joined(self, other: Self | None) -> Self:
        """Return the period that holds both.

        >>> Period(3, 5).joined(Period(1, 4))
        Period(first=1, last=5)
        """
        return self if other is None else type(self)(min(self.first, other.first), max(self.last, other.last))

    def widened(self) -> Self:
        """Return it to whole five minutes, as panes have them: it tells the time of no row.

        >>> Period(300_000_000_001, 300_000_000_002).widened()
        Period(first=300000000000, last=599999999999)
        """
        return type(self)(self.first - self.first % STEP, self.last - self.last % STEP + STEP - 1)

    def to_json(self) -> list[int]:
        """Return [first, last]."""
        return [self.first, self.last]

    @classmethod
    def from_json(cls, value: object, _bins: ModelBins) -> Self:
        """Read it back. Raises ``ValueError`` that names the rule."""
        if not isinstance(value, list) or len(value) != 2 or not all(is_whole(time) for time in value):
            raise ValueError("must be [first, last] in unix nanoseconds")
        if not -(2**63) <= value[0] <= value[1] < 2**63:
            raise ValueError("must be two times of unix nanoseconds, the earlier one first")
        return cls(value[0], value[1])

    def leaving(self, _features: Leaving) -> Self | None:
        """Return it: it says nothing of features."""
        return self
