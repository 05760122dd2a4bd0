"""A sequential test, valid at any time, of whether errors exceed the baseline's level.

A change detector compares a model with its own past, so it cannot detect a model that is worse from its first row. The
baseline has the expected level. A bet on every outcome wins if errors exceed the baseline's maximum level; if they do
not, its capital ever reaches two hundred times the stake in at most one of two hundred streams (Ville 1939), of any
length. The baseline's true level exceeds that maximum in three of four hundred baselines. So at most 13 of 1,000
streams that are as good as their baseline are reported as worse. The bets are those of
:mod:`~driftline_processor.core.evidence`.

Outcomes of one day are correlated. If the baseline has the variance between days, a day with many rows counts as fewer
independent rows; otherwise all rows count.
"""

from __future__ import annotations

from math import log
from typing import NamedTuple

import numpy as np
from driftline.tables.table import F64, I64
from msgspec import Struct

from driftline_processor.core.evidence import betting_evidence

TOO_LOW, BY_LUCK = 0.0075, 0.005
"""Probability that the baseline's maximum level is too low, and that a bet wins by chance; their sum is the level of
the test. The former is greater because the baseline's rows are limited, while outcomes keep arriving.
"""

EVERY = 64
"""Outcomes between two checks of the capital."""

_DAY = 86_400 * 10**9
"""Nanoseconds."""


class BaselineLevel(NamedTuple):
    """The level of errors in a baseline, in the unit of the processed errors.

    Attributes:
        mean: Mean error.
        upper_limit: Upper limit of the level, given the baseline's rows and days (:data:`TOO_LOW`).
        least_value: Minimum of a single error.
        days: Variance between days, relative to that of a row; 0 if it is unknown.
    """

    mean: float
    upper_limit: float
    least_value: float = 0.0
    days: float = 0.0


class Bet(Struct):
    """The outcomes that were bet on since the last restart.

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
        """Add values up to the first at which they are significantly above the level: return its index, -1 without one.

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
        design_effect = 1 + level.days * n / np.maximum(1.0, span / _DAY)
        excess = total[checks] - level.upper_limit * n
        squared = squares[checks] - 2 * level.upper_limit * total[checks] + level.upper_limit**2 * n
        below = np.full(len(checks), level.upper_limit - level.least_value)
        rises = np.flatnonzero(
            (excess > 0) & (betting_evidence(excess / design_effect, squared / design_effect, below) > -log(BY_LUCK))
        )
        end = int(checks[rises[0]]) if len(rises) else len(values) - 1
        self.n, self.total, self.squares = self.n + end + 1, float(total[end]), float(squares[end])
        self.first, self.last = min(self.first, int(first[end])), max(self.last, int(last[end]))
        return end if len(rises) else -1
