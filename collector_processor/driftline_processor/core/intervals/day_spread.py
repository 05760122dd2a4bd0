"""How far days differ in a metric: known from a baseline of many days, lent to a window.

Two days say next to nothing of how days differ: an interval from them alone is [0, 1]. Seven days still say little of
it, and nothing of how far a day resembles the one before. A baseline of seven days and more knows both, and days of a
window differ as those of the baseline did. So a metric is linearised over the baseline's days, and Cochran's Q of their
influences tells the variance between days, in units of the variance of one row. The window's own days are pooled with
them. Where they differ surely more, the baseline counts for less, down to nothing.

A variance that is estimated is uncertain, and most where it is near 0. Two answers are computed, and the shorter
interval counts: Satterthwaite's degrees of freedom of the moment estimate, and the moments of its posterior under a
prior that is flat in the logarithm of the variance of a day's mean. The first is short where days of the window have no
more rows than those of the baseline, the second where they have more. Simulated, days that do not resemble each
other, 7 to 30 of them in the baseline: 94 % and more of the 95 % intervals hold the truth (docs/data/intervals.md, rows
``lent-*``). Where a day keeps half of the one before, 14 days of a baseline are too few to see it surely.

Source: DerSimonian and Laird (1986) for the variance from Q; Satterthwaite (1946); Box and Tiao, "Bayesian Inference
in Statistical Analysis" (1973), section 5.2, for the posterior, whose variance of a mean is no less than that of rows;
Marriott and Pope (1954) for what a short series hides of its correlation; Gravestock and Held (2017) for data that
count the less the more they disagree.
"""

from __future__ import annotations

from math import exp, log, sqrt
from typing import NamedTuple

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.special_functions import fdtrc, gammainc, gammaln

from .time_blocks import MOST_KEPT, Design, RowsAsOne

FEWEST_LENDING = 7
"""Days of a baseline, or of a baseline and a window, from which on they tell how days differ: ``lent-7-2-0.05``
of docs/data/intervals.md."""

FEW = 5
"""Days of a window below which its own say too little of how days differ, where no baseline lends its days:
``few-4-0.03`` and ``few-5-0.03`` of docs/data/intervals.md."""

SURELY_MORE = 1.6
"""Chance of days that differ as those of the baseline to differ as much as a window's, in which the baseline counts
wholly. It is never so great beside five days and more: a baseline always counts the less the more surely they differ.
Of five days with twice the standard deviation 92 to 94 % of the intervals hold the truth beside 14 or 30; at .3 it
would be 89 to 91 %, and where days differ alike intervals a tenth shorter (``lent-30-5-apart``, ``lent-30-5-0.05``)."""

FEWEST_TELLING = 7.0
"""Σ (n - 3) of days from which on they tell whether days resemble each other: of ten days. Seven days see a half in one
case of eight, and hardly more intervals hold the truth for it (.89 instead of .88). They see as much by chance, and
then intervals are eight times as long."""

UNSURE = 1.0, 2.0
"""Standard errors up to which what days seem to keep is chance, and from which on it counts wholly. One threshold of
1.3 between all and nothing makes intervals beside fourteen days a tenth longer where days do not resemble each other;
shrunk by its variance, as James and Stein do, 1.5 % fewer hold the truth beside thirty days that do."""

MOST_HIDDEN = 1.5
"""As how many times as far days resemble each other as they seem to, at most: rows hide a part of it. Where days hardly
differ, what is seen is chance."""


class Neighbours(NamedTuple):
    """How far days resemble the one before, from one stretch of days or from several.

    A stretch of n days whose correlation of neighbours is r tells n·r + 1 of n - 3: from its own mean, a short stretch
    sees r less than it is by (1 + 3r) / n.

    Attributes:
        told: Σ (n·r + 1).
        free: Σ (n - 3).
    """

    told: float = 0.0
    free: float = 0.0

    @property
    def kept(self) -> float:
        """The part of itself that a day keeps of the one before, as far as it is no chance; 0 of too few days."""
        if self.free < FEWEST_TELLING or self.told <= 0:
            return 0.0
        unsure_from, sure_from = UNSURE
        sure = (self.told / sqrt(self.free) - unsure_from) / (
            sure_from - unsure_from
        )  # its standard error is one over the root of free
        return min(MOST_KEPT, self.told / self.free) * min(1.0, max(0.0, sure))

    def and_those(self, neighbours: Neighbours) -> Neighbours:
        """Return what both tell together."""
        return Neighbours(self.told + neighbours.told, self.free + neighbours.free)


class DaySpread(NamedTuple):
    """How far days differ in a metric, beyond independent rows.

    Attributes:
        squares: Cochran's Q: the sum of each day's squared influence over its variance by rows alone.
        freedom: Days less one.
        rows: Σn - Σn² / Σn of the days' effective rows n: how many times Q sees the variance between days.
        neighbours: How far a day resembles the one before.
    """

    squares: float
    freedom: float
    rows: float
    neighbours: Neighbours = Neighbours()

    @property
    def kept(self) -> float:
        """Part of itself that a day keeps of the one before."""
        return self.neighbours.kept

    @property
    def shown(self) -> float:
        """Cochran's Q as of days that do not resemble each other."""
        return self.squares / _seen(self.kept, self.freedom)

    @property
    def between(self) -> float:
        """The variance between days in that of a row, as it is expected by what the days show."""
        # 3.0: degrees of freedom that a variance between days is taken to have at least: with two or fewer it has no
        # mean
        freedom = max(3.0, self.freedom)
        return (_posterior(self.shown, freedom)[0] - 1) / (self.rows / self.freedom)

    def of_days(self, length: float) -> DaySpread:
        """Return that of single days, known from stretches of ``length`` days whose days are independent."""
        return self._replace(rows=self.rows / length)

    def pooled(self, day_spread: DaySpread) -> DaySpread:
        """Return what a baseline and a window tell together; the window alone where its days differ surely more.

        How far days resemble the one before is told by both in any case.

        >>> DaySpread(6.0, 6, 600.0).pooled(DaySpread(2.0, 2, 200.0))[:3]
        (8.0, 8.0, 800.0)
        >>> round(DaySpread(26.0, 26, 2_600.0).pooled(DaySpread(60.0, 6, 600.0)).freedom, 1)
        6.0
        """
        neighbours = self.neighbours.and_those(day_spread.neighbours)
        kept_share, weight = neighbours.kept, self._weight_beside(day_spread, neighbours.kept)
        freedom = weight * self.freedom + day_spread.freedom
        squares_per_day = weight * self.squares / _seen(kept_share, self.freedom) + day_spread.squares / _seen(
            kept_share, day_spread.freedom
        )
        return DaySpread(
            squares_per_day * _seen(kept_share, freedom), freedom, weight * self.rows + day_spread.rows, neighbours
        )

    def _weight_beside(self, day_spread: DaySpread, kept_share: float) -> float:
        """Return how much days of a baseline count beside those of a window, 0 to 1."""
        counting = (1 - kept_share**2) / (1 + kept_share**2)
        own_squares, other_squares = (
            self.squares / _seen(kept_share, self.freedom),
            day_spread.squares / _seen(kept_share, day_spread.freedom),
        )
        beyond = max(0.0, own_squares - self.freedom) / self.rows
        usual = max(1.0, 1 + beyond * day_spread.rows / day_spread.freedom)
        more = other_squares / day_spread.freedom / usual
        # 5.0: degrees of freedom that a window and its baseline have together, at least: with four, intervals of two to
        # four days are a twentieth longer; with six, 1 % fewer of five days with twice the standard deviation hold the
        # truth
        least_weight = max(0.0, 5.0 - day_spread.freedom) / self.freedom
        chance = float(fdtrc(day_spread.freedom * counting, self.freedom * counting, more))
        # 40.0: (Days less one)³ of a window for one in SURELY_MORE: two days that differ much may do so by chance.
        # Counted as five days are, intervals of two to four would be a tenth longer, and hardly more of them would hold
        # the truth.
        return min(1.0, max(least_weight, chance / min(SURELY_MORE, day_spread.freedom**3 / 40.0)))


def day_spread(influence: F64, expected: F64, rows: float) -> DaySpread | None:
    """Return how far the days of some rows differ; None where fewer than two hold rows.

    Args:
        influence: float64 (b,), how far each day moves the metric; see :func:`.time_blocks.design`.
        expected: float64 (b,), the variance of each, were its rows independent.
        rows: Effective rows of all days.
    """
    filled = expected > 0
    expected_rows, moved = expected[filled], influence[filled]
    if len(expected_rows) < 2 or rows <= 0:
        return None
    share = expected_rows / expected_rows.sum()
    squares = float((moved**2 / expected_rows).sum())
    return DaySpread(squares, len(expected_rows) - 1, rows * (1 - float(share @ share)), _neighbours(moved))


def _neighbours(influence: F64) -> Neighbours:
    """Return how far days resemble the one before; nothing of fewer than four."""
    n, squares = len(influence), float(influence @ influence)
    if n <= 3 or squares <= 0:
        return Neighbours()
    return Neighbours(n * float(influence[1:] @ influence[:-1]) / squares + 1, n - 3)


def _seen(kept_share: float, freedom: float) -> float:
    """Return the part of the variance of days that is seen from their own mean where they resemble each other."""
    return 1 - (_longer(kept_share, freedom + 1) - 1) / freedom


def _longer(kept_share: float, days: float) -> float:
    """Return the variance of the mean of so many neighbouring days, in that of independent ones."""
    if kept_share <= 0 or days <= 1:
        return 1.0
    lags = np.arange(1, round(days))
    return float(1 + 2 * ((1 - lags / days) * kept_share**lags).sum())


def lent_rows_as_one(day_spread: DaySpread, expected: F64, rows: float) -> RowsAsOne:
    """Return how many rows of a window count as one, Student's t included, for every confidence.

    Args:
        day_spread: How days differ.
        expected: float64 (b,), the rows of each day of the window, in any unit.
        rows: Effective rows of the window.

    >>> import numpy as np
    >>> equal, apart = DaySpread(13.0, 13, 2_600.0), DaySpread(130.0, 13, 2_600.0)
    >>> [round(lent_rows_as_one(spread, np.ones(2), 400.0).at(0.95), 2) for spread in (equal, apart)]
    [1.21, 12.15]
    """
    filled = expected[expected > 0]
    share = filled / filled.sum() if len(filled) else filled
    squares = float(share @ share) if len(filled) else 1.0
    freedom = day_spread.freedom * (1 - day_spread.kept**2) / (1 + day_spread.kept**2)
    if day_spread.kept > 0:
        freedom = 1 / (1 / freedom + 1 / day_spread.neighbours.free)  # what is kept is uncertain, too
    # 5.0: degrees of freedom that days which resemble each other have together, at least: below it Student's t takes
    # twice and three times the length for what is a correlation by chance in one case of six
    freedom = max(5.0, freedom)
    rows_per_freedom = day_spread.rows / day_spread.freedom
    beyond = max(0.0, day_spread.shown - day_spread.freedom) / day_spread.rows
    hidden = (
        min(MOST_HIDDEN, 1 + 1 / (beyond * rows_per_freedom)) if beyond > 0 else MOST_HIDDEN
    )  # rows hide a part of it
    kept_share = min(MOST_KEPT, day_spread.kept * hidden)
    rows_per_day = rows * squares * _longer(kept_share, 1 / squares)
    varies = 1 + beyond * rows_per_day
    design_freedom = max(
        1.0, freedom * (varies * rows_per_freedom * day_spread.freedom / (day_spread.shown * rows_per_day)) ** 2
    )
    by_moments = Design(varies, design_freedom)
    mean, variance = _posterior(day_spread.shown * freedom / day_spread.freedom, freedom)
    varies = 1 + (mean - 1) * rows_per_day / rows_per_freedom
    design_freedom = 4 + 2 * varies**2 / max(variance * (rows_per_day / rows_per_freedom) ** 2, 1e-300)
    return RowsAsOne((by_moments, Design(varies * (design_freedom - 2) / design_freedom, design_freedom)))


def _posterior(squares: float, freedom: float) -> tuple[float, float]:
    """Return mean and variance of the variance of a day's mean, in that by rows alone, which is its least."""

    def moment(power: int) -> float:
        shape, rate = freedom / 2 - power, max(squares / 2, 1e-9)
        return float(gammaln(shape) + log(max(gammainc(shape, rate), 1e-300)) - shape * log(rate))

    log_total, mean, square = moment(0), moment(1), moment(2)
    expected = exp(mean - log_total)
    return expected, max(0.0, exp(square - log_total) - expected**2)
