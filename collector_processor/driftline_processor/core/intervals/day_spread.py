"""The variance of a metric between days, estimated from a baseline with many days and used for a window.

Two days contain almost no information on the variance between days: an interval from them alone is [0, 1]. A baseline
of seven days or more also shows their autocorrelation, and days of a window are assumed to vary as those of the
baseline. The metric is linearised over the baseline's days, and Cochran's Q of their influences gives the variance
between days relative to that of one row. The window's own days are pooled with them. If these vary significantly more,
the baseline gets a lower weight, down to 0.

An estimated variance is uncertain, most of all near 0. Two methods are computed, and the shorter interval is used:
Satterthwaite's degrees of freedom of the moment estimate, and the moments of the posterior under a prior that is flat
in the logarithm of the variance of a daily mean. The former is short if days of the window have at most as many rows as
those of the baseline, the latter if they have more. With independent days, 7 to 30 of them in the baseline, 95 %
intervals cover at least 94 % (evidence/coverage.json, rows ``lent-*``). With a daily autocorrelation of 0.5, a baseline
of 14 days is too short to detect it reliably.

Source: DerSimonian and Laird (1986) for the variance from Q; Satterthwaite (1946); Box and Tiao, "Bayesian Inference in
Statistical Analysis" (1973), section 5.2, for the posterior with the variance of rows as the minimum variance of a
mean; Marriott and Pope (1954) for the bias of the autocorrelation of a short series; Gravestock and Held (2017) for a
weight of data that decreases with their disagreement.
"""

from __future__ import annotations

from math import exp, log, sqrt
from typing import NamedTuple

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.special_functions import fdtrc, gammainc, gammaln

from .time_blocks import MOST_KEPT, Design, RowsAsOne, without_trend

FEWEST_LENDING = 7
"""Minimum days of a baseline, or of a baseline and a window, for the variance between days: ``lent-7-2-0.05`` of
evidence/coverage.json.
"""

FEW = 5
"""Days of a window below which its own do not suffice without a baseline: ``few-4-0.03`` and ``few-5-0.03`` of
evidence/coverage.json.
"""

SURELY_MORE = 1.6
"""P-value of the window's variance between days, compared with the baseline's, at which the baseline gets its full
weight. Above 1, so with five days or more the weight is always lower. For five days with twice the standard deviation,
92 to 94 % of the intervals cover the truth with a baseline of 14 or 30 days. At 0.3 it would be 89 to 91 %, with
intervals that are a tenth shorter if days vary equally (``lent-30-5-apart``, ``lent-30-5-0.05``).
"""

FEWEST_TELLING = 7.0
"""Minimum Σ (n - 3) of days for their autocorrelation: ten days. Seven days detect an autocorrelation of 0.5 in one of
eight cases, which improves the coverage only from 88 to 89 %. They detect as much by chance, and intervals are then
eight times as long.
"""

UNSURE = 1.0, 2.0
"""Standard errors up to which an autocorrelation is ignored, and from which it counts fully. A single threshold of 1.3
would make intervals with fourteen days a tenth longer if days are independent; shrinkage by its variance (James and
Stein) would lower the coverage with thirty autocorrelated days by 1.5 percentage points.
"""

MOST_HIDDEN = 1.5
"""Maximum factor of an estimated autocorrelation: the sampling error of rows lowers it. If days hardly vary, the
estimate is only chance.
"""


class Neighbours(NamedTuple):
    """The autocorrelation of days, from one or several ranges of consecutive days.

    A range of n days with a correlation r of neighbours contributes n·r + 1 and n - 3: relative to its own mean, r of a
    short range is too low by (1 + 3r) / n.

    Attributes:
        told: Σ (n·r + 1).
        free: Σ (n - 3).
    """

    weight: float = 0.0
    free: float = 0.0

    @property
    def autocorrelation(self) -> float:
        """Autocorrelation of days, shrunk if it may be chance; 0 with too few days."""
        if self.free < FEWEST_TELLING or self.weight <= 0:
            return 0.0
        unsure_from, sure_from = UNSURE
        sure = (self.weight / sqrt(self.free) - unsure_from) / (
            sure_from - unsure_from
        )  # its standard error is 1 / √free
        return min(MOST_KEPT, self.weight / self.free) * min(1.0, max(0.0, sure))

    def and_those(self, neighbours: Neighbours) -> Neighbours:
        """Return both combined."""
        return Neighbours(self.weight + neighbours.weight, self.free + neighbours.free)


class DaySpread(NamedTuple):
    """The variance of a metric between days, beyond that of independent rows.

    Attributes:
        squares: Cochran's Q: the sum of each day's squared influence over its variance by rows alone.
        freedom: Number of days less one.
        rows: Σn - Σn² / Σn of the days' effective rows n, the factor of the variance between days in Q.
        neighbours: Autocorrelation of days.
    """

    squares: float
    freedom: float
    rows: float
    neighbours: Neighbours = Neighbours()

    @property
    def autocorrelation(self) -> float:
        """Autocorrelation of days."""
        return self.neighbours.autocorrelation

    @property
    def cochran_q(self) -> float:
        """Cochran's Q, corrected to independent days."""
        return self.squares / _visible_part(self.autocorrelation, self.freedom)

    @property
    def between(self) -> float:
        """Expected variance between days, relative to that of a row."""
        # 3.0: minimum degrees of freedom of a variance between days; with two or fewer its mean does not exist
        freedom = max(3.0, self.freedom)
        return (_posterior(self.cochran_q, freedom)[0] - 1) / (self.rows / self.freedom)

    def of_days(self, length: float) -> DaySpread:
        """Return the spread of single days, estimated from periods of ``length`` independent days."""
        return self._replace(rows=self.rows / length)

    def pooled(self, day_spread: DaySpread) -> DaySpread:
        """Return a baseline and a window combined; the window alone if its days vary significantly more.

        The autocorrelation uses both in any case.

        >>> DaySpread(6.0, 6, 600.0).pooled(DaySpread(2.0, 2, 200.0))[:3]
        (8.0, 8.0, 800.0)
        >>> round(DaySpread(26.0, 26, 2_600.0).pooled(DaySpread(60.0, 6, 600.0)).freedom, 1)
        6.0
        """
        neighbours = self.neighbours.and_those(day_spread.neighbours)
        kept_share, weight = neighbours.autocorrelation, self._weight_beside(day_spread, neighbours.autocorrelation)
        freedom = weight * self.freedom + day_spread.freedom
        squares_per_day = weight * self.squares / _visible_part(
            kept_share, self.freedom
        ) + day_spread.squares / _visible_part(kept_share, day_spread.freedom)
        return DaySpread(
            squares_per_day * _visible_part(kept_share, freedom),
            freedom,
            weight * self.rows + day_spread.rows,
            neighbours,
        )

    def _weight_beside(self, day_spread: DaySpread, kept_share: float) -> float:
        """Return the weight of a baseline's days when pooled with those of a window, 0 to 1."""
        counting = (1 - kept_share**2) / (1 + kept_share**2)
        own_squares, other_squares = (
            self.squares / _visible_part(kept_share, self.freedom),
            day_spread.squares / _visible_part(kept_share, day_spread.freedom),
        )
        beyond = max(0.0, own_squares - self.freedom) / self.rows
        expected_ratio = max(1.0, 1 + beyond * day_spread.rows / day_spread.freedom)
        more = other_squares / day_spread.freedom / expected_ratio
        # 5.0: minimum degrees of freedom of a window and its baseline together. With four, intervals of two to four
        # days are 5 % longer; with six, the coverage for five days with twice the standard deviation is 1 point lower
        least_weight = max(0.0, 5.0 - day_spread.freedom) / self.freedom
        chance = float(fdtrc(day_spread.freedom * counting, self.freedom * counting, more))
        # 40.0: (days - 1)³ for a threshold of 1, up to SURELY_MORE: two days may differ by chance. With the threshold
        # of five days, intervals of two to four would be a tenth longer with nearly the same coverage.
        return min(1.0, max(least_weight, chance / min(SURELY_MORE, day_spread.freedom**3 / 40.0)))


def day_spread(influence: F64, expected: F64, rows: float) -> DaySpread | None:
    """Return the spread of the days of some rows; None if fewer than two days have rows.

    Args:
        influence: float64 (b,), change of the metric by each day; see :func:`.time_blocks.design`.
        expected: float64 (b,), variance of each under independent rows.
        rows: Effective rows of all days.
    """
    filled = expected > 0
    expected_rows = expected[filled]
    if len(expected_rows) < 2 or rows <= 0:
        return None
    influences, left = without_trend(influence[filled], expected_rows)
    days, share = len(expected_rows), expected_rows / expected_rows.sum()
    squares = float((influences**2 / expected_rows).sum())
    visible = (1 - float(share @ share)) * left / (days - 1)
    return DaySpread(squares, left, rows * visible, _neighbours(influences, days - 1 - left))


def _neighbours(influence: F64, trends: float) -> Neighbours:
    """Return the autocorrelation of days; empty with fewer than four. ``trends``: number of trends taken out."""
    n, squares = len(influence), float(influence @ influence)
    if n <= 3 + trends or squares <= 0:
        return Neighbours()
    return Neighbours(n * float(influence[1:] @ influence[:-1]) / squares + 1 + trends, n - 3 - trends)


def _visible_part(kept_share: float, freedom: float) -> float:
    """Return the part of the variance of autocorrelated days that remains relative to their own mean."""
    return 1 - (_mean_variance_factor(kept_share, freedom + 1) - 1) / freedom


def _mean_variance_factor(kept_share: float, days: float) -> float:
    """Return the variance of the mean of consecutive days, relative to that of independent ones."""
    if kept_share <= 0 or days <= 1:
        return 1.0
    lags = np.arange(1, round(days))
    return float(1 + 2 * ((1 - lags / days) * kept_share**lags).sum())


def lent_rows_as_one(day_spread: DaySpread, expected: F64, rows: float) -> RowsAsOne:
    """Return the design effect of a window's rows, including Student's t, for every confidence.

    Args:
        day_spread: Spread of days.
        expected: float64 (b,), rows of each day of the window, in any unit.
        rows: Effective rows of the window.

    >>> import numpy as np
    >>> equal, apart = DaySpread(13.0, 13, 2_600.0), DaySpread(130.0, 13, 2_600.0)
    >>> [round(lent_rows_as_one(spread, np.ones(2), 400.0).at(0.95), 2) for spread in (equal, apart)]
    [1.21, 12.15]
    """
    filled = expected[expected > 0]
    share = filled / filled.sum() if len(filled) else filled
    squares = float(share @ share) if len(filled) else 1.0
    freedom = day_spread.freedom * (1 - day_spread.autocorrelation**2) / (1 + day_spread.autocorrelation**2)
    if day_spread.autocorrelation > 0:
        freedom = 1 / (1 / freedom + 1 / day_spread.neighbours.free)  # the autocorrelation is uncertain, too
    # 5.0: minimum degrees of freedom of autocorrelated days. With fewer, Student's t is two to three times as long, for
    # an autocorrelation that is chance in one of six cases
    freedom = max(5.0, freedom)
    rows_per_freedom = day_spread.rows / day_spread.freedom
    beyond = max(0.0, day_spread.cochran_q - day_spread.freedom) / day_spread.rows
    hidden = (
        min(MOST_HIDDEN, 1 + 1 / (beyond * rows_per_freedom)) if beyond > 0 else MOST_HIDDEN
    )  # sampling error of rows lowers the estimate
    kept_share = min(MOST_KEPT, day_spread.autocorrelation * hidden)
    rows_per_day = rows * squares * _mean_variance_factor(kept_share, 1 / squares)
    varies = 1 + beyond * rows_per_day
    cochran_q = max(day_spread.cochran_q, 1e-9)  # 0.0 if all days have equal means, such as stratified rows
    design_freedom = max(
        1.0, freedom * (varies * rows_per_freedom * day_spread.freedom / (cochran_q * rows_per_day)) ** 2
    )
    by_moments = Design(varies, design_freedom)
    mean, variance = _posterior(day_spread.cochran_q * freedom / day_spread.freedom, freedom)
    varies = 1 + (mean - 1) * rows_per_day / rows_per_freedom
    design_freedom = 4 + 2 * varies**2 / max(variance * (rows_per_day / rows_per_freedom) ** 2, 1e-300)
    return RowsAsOne((by_moments, Design(varies * (design_freedom - 2) / design_freedom, design_freedom)))


def _posterior(squares: float, freedom: float) -> tuple[float, float]:
    """Return the posterior mean and variance of a daily mean's variance, relative to its minimum, that by rows."""
    shapes, rate = freedom / 2 - np.arange(3.0), max(squares / 2, 1e-9)
    log_total, mean, square = (
        of_shape + log(max(part, 1e-300)) - shape * log(rate)
        for shape, of_shape, part in zip(
            shapes.tolist(), gammaln(shapes).tolist(), gammainc(shapes, rate).tolist(), strict=True
        )
    )
    expected = exp(mean - log_total)
    return expected, max(0.0, exp(square - log_total) - expected**2)
