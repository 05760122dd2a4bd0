"""How far days differ in a metric: known from a baseline of many days, lent to a window of few.

Two days say next to nothing of how days differ: an interval from them alone is [0, 1]. A baseline of seven days and
more knows it, and days of a window differ as those of the baseline did. So a metric is linearised over the baseline's
days, and Cochran's Q of their influences tells the variance between days, in units of the variance of one row. The
window's own days are pooled with them.

A variance that is estimated is uncertain, and most where it is near 0. Two answers are computed, and the shorter
interval counts: Satterthwaite's degrees of freedom of the moment estimate, and the moments of its posterior under a
prior that is flat in the logarithm of the variance of a day's mean. The first is short where days of the window have no
more rows than those of the baseline, the second where they have more. Simulated, normal days, 7 to 30 of them in the
baseline: 93.8 % and more of the 95 % intervals hold the truth (docs/data/intervals.md, rows ``lent-*``).

Source: DerSimonian and Laird (1986) for the variance from Q; Satterthwaite (1946); Box and Tiao, "Bayesian Inference
in Statistical Analysis" (1973), section 5.2, for the posterior, whose variance of a mean is no less than that of rows.
"""

from __future__ import annotations

from math import exp, log
from typing import NamedTuple

import numpy as np
from driftline.tables.table import F64
from scipy.special import gammainc, gammaln

from .confidence import normal_quantile, student_quantile
from .time_blocks import MOST_KEPT

FEWEST_LENDING = 7
"""Days of a baseline, or of a baseline and a window, from which on they tell how days differ."""

FEW = 5
"""Days of a window below which its own tell too little, and those of the baseline count with them."""

RESEMBLING = 1.64
"""Standard errors of a correlation of neighbours from which on days count as resembling the one before: of days that
do not, one baseline in twenty is taken to. Fewer would make the intervals of every third baseline longer."""


class DaySpread(NamedTuple):
    """How far days differ in a metric, beyond independent rows.

    Attributes:
        squares: Cochran's Q: the sum of each day's squared influence over its variance by rows alone.
        freedom: Days less one.
        rows: Σn - Σn² / Σn of the days' effective rows n: how many times Q sees the variance between days.
        kept: Part of itself that a day keeps of the one before.
    """

    squares: float
    freedom: float
    rows: float
    kept: float = 0.0

    @property
    def between(self) -> float:
        """The variance between days in that of a row, as it is expected by what the days show."""
        freedom = max(3.0, self.freedom)
        return (_posterior(self.squares, freedom)[0] - 1) / (self.rows / self.freedom)

    def of_days(self, length: float) -> DaySpread:
        """Return that of single days, known from stretches of ``length`` days whose days are independent."""
        return self._replace(rows=self.rows / length)

    def pooled(self, other: DaySpread) -> DaySpread:
        """Return what both tell together.

        >>> DaySpread(6.0, 6, 600.0).pooled(DaySpread(3.0, 1, 100.0))
        DaySpread(squares=9.0, freedom=7, rows=700.0, kept=0.0)
        """
        together = (self.squares + other.squares, self.freedom + other.freedom, self.rows + other.rows)
        return DaySpread(*together, max(self.kept, other.kept))


def day_spread(influence: F64, expected: F64, rows: float) -> DaySpread | None:
    """Return how far the days of some rows differ; None where fewer than two hold rows.

    Args:
        influence: float64 (b,), how far each day moves the metric; see :func:`.time_blocks.design`.
        expected: float64 (b,), the variance of each, were its rows independent.
        rows: Effective rows of all days.
    """
    held = expected > 0
    there, moved = expected[held], influence[held]
    if len(there) < 2 or rows <= 0:
        return None
    share = there / there.sum()
    kept = _kept(moved) if len(there) >= FEWEST_LENDING else 0.0
    hidden = (_longer(kept, len(there)) - 1) / (len(there) - 1)  # what days alike hide of how they differ
    squares = float((moved**2 / there).sum()) / (1 - hidden)
    return DaySpread(squares, len(there) - 1, rows * (1 - float(share @ share)), kept)


def _kept(influence: F64) -> float:
    """Return the part of itself that a day keeps of the one before; 0 where that may be chance."""
    n, squares = len(influence), float(influence @ influence)
    alike = float(influence[1:] @ influence[:-1]) / squares if squares > 0 else 0.0
    return min(MOST_KEPT, alike + (1 + 3 * alike) / n) if alike * n**0.5 > RESEMBLING else 0.0


def _longer(kept: float, days: float) -> float:
    """Return the variance of the mean of so many neighbouring days, in that of independent ones."""
    if kept <= 0 or days <= 1:
        return 1.0
    apart = np.arange(1, round(days))
    return float(1 + 2 * ((1 - apart / days) * kept**apart).sum())


def lent_design(spread: DaySpread, expected: F64, rows: float, confidence: float) -> float:
    """Return how many rows of a window count as one, Student's t included.

    Args:
        spread: How days differ.
        expected: float64 (b,), the rows of each day of the window, in any unit.
        rows: Effective rows of the window.
        confidence: Of the interval.

    >>> import numpy as np
    >>> alike, apart = DaySpread(13.0, 13, 2_600.0), DaySpread(130.0, 13, 2_600.0)
    >>> [round(lent_design(one, np.ones(2), 400.0, 0.95), 2) for one in (alike, apart)]
    [1.21, 12.15]
    """
    held = expected[expected > 0]
    share = held / held.sum() if len(held) else held
    squares = float(share @ share) if len(held) else 1.0
    freedom = max(2.0, spread.freedom * (1 - spread.kept**2) / (1 + spread.kept**2))
    each, here = spread.rows / spread.freedom, rows * squares * _longer(spread.kept, 1 / squares)
    normal = normal_quantile(confidence)
    beyond = max(0.0, spread.squares - spread.freedom) / spread.rows
    varies = 1 + beyond * here
    told = max(1.0, freedom * (varies * each * spread.freedom / (spread.squares * here)) ** 2)
    found = varies * (student_quantile(confidence, told) / normal) ** 2
    if freedom > 4:
        mean, variance = _posterior(spread.squares * freedom / spread.freedom, freedom)
        varies = 1 + (mean - 1) * here / each
        told = 4 + 2 * varies**2 / max(variance * (here / each) ** 2, 1e-300)
        found = min(found, varies * (told - 2) / told * (student_quantile(confidence, told) / normal) ** 2)
    return max(1.0, found)


def _posterior(squares: float, freedom: float) -> tuple[float, float]:
    """Return mean and variance of the variance of a day's mean, in that by rows alone, which is its least."""

    def moment(power: int) -> float:
        shape, rate = freedom / 2 - power, max(squares / 2, 1e-9)
        return float(gammaln(shape) + log(max(gammainc(shape, rate), 1e-300)) - shape * log(rate))

    whole, mean, square = moment(0), moment(1), moment(2)
    expected = exp(mean - whole)
    return expected, max(0.0, exp(square - whole) - expected**2)
