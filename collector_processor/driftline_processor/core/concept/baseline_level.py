"""Whether errors are more than the baseline's: a bet on every outcome, valid at any moment.

A detector of change compares a model with its own past, and a model that is worse from its first row has no better
past. The baseline knows one. Somebody bets on every outcome that errors are more than the baseline's greatest level;
where they are not, his capital ever grows two hundredfold in one stream of two hundred at most (Ville 1939), however
long it is. The baseline's level itself is greater than that of three baselines in four hundred. So of 1,000 streams as
good as their baseline 13 are found worse at most, whenever somebody looks. The bets are those of
:mod:`~driftline_processor.core.evidence`.

Outcomes of one day resemble each other. Where the baseline knows how its days differ, a day of many rows counts as the
fewer independent rows it is worth; where it does not, all rows count.
"""

from __future__ import annotations

from math import log
from typing import Any, NamedTuple

import numpy as np
from driftline.tables.table import F64, I64
from msgspec import Struct
from msgspec.structs import asdict

from driftline_processor.core.evidence import betting_evidence

TOO_LOW, BY_LUCK = 0.0075, 0.005
"""Chance that the baseline's greatest level is too low, and that a bet wins by luck: together what quiet windows have.
The level takes the greater part, since more of a baseline's rows come at no price and more outcomes do come."""

EVERY = 64
"""Outcomes from one look at the capital to the next."""

_DAY = 86_400 * 10**9
"""Nanoseconds."""


class BaselineLevel(NamedTuple):
    """What a baseline knows of the level of errors, in the unit of what is fed.

    Attributes:
        mean: Mean error.
        most: The greatest level that its rows and days leave possible (:data:`TOO_LOW`).
        least_value: The least that a single error can be.
        days: Variance between days, in that of a row; 0 where it is not known.
    """

    mean: float
    most: float
    least_value: float = 0.0
    days: float = 0.0


class Bet(Struct):
    """The outcomes that were bet on since the level was last asked for anew.

    Attributes:
        n: Outcomes.
        total: Sum of their errors.
        squares: Sum of their squared errors.
        first: Time of the earliest prediction, unix nanoseconds.
        last: Time of the latest prediction.
    """

    n: int = 0
    total: float = 0.0
    squares: float = 0.0
    first: int = 2**62
    last: int = -(2**62)

    def first_rise(self, level: BaselineLevel, values: F64, times: I64) -> int:
        """Take values, up to the first at which they are surely above the level: return its place, -1 where none is.

        Args:
            level: The level of the baseline.
            values: float64 (n,), errors.
            times: int64 (n,), of the predictions, unix nanoseconds.
        """
        if not len(values):
            return -1
        total = np.cumsum(np.concatenate([[self.total], values]))[1:]
        squares = np.cumsum(np.concatenate([[self.squares], values**2]))[1:]
        first, last = np.minimum.accumulate(times), np.maximum.accumulate(times)
        checks = np.arange((-self.n - 1) % EVERY, len(values), EVERY)
        n = (self.n + 1 + checks).astype(np.float64)
        span = np.maximum(last[checks], self.last) - np.minimum(first[checks], self.first)
        alike = 1 + level.days * n / np.maximum(1.0, span / _DAY)
        excess = total[checks] - level.most * n
        squared = squares[checks] - 2 * level.most * total[checks] + level.most**2 * n
        below = np.full(len(checks), level.most - level.least_value)
        rises = np.flatnonzero(
            (excess > 0) & (betting_evidence(excess / alike, squared / alike, below) > -log(BY_LUCK))
        )
        end = int(checks[rises[0]]) if len(rises) else len(values) - 1
        self.n, self.total, self.squares = self.n + end + 1, float(total[end]), float(squares[end])
        self.first, self.last = min(self.first, int(first[end])), max(self.last, int(last[end]))
        return end if len(rises) else -1

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self)
