"""Compare two versions: worse, better or inconclusive; the comparison may be repeated after every row.

Each side has a confidence sequence: the probability that its lower bound is *ever* above the true difference is at most
1 - confidence, likewise for its upper bound, for any number of looks and any stopping rule.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, exp, inf, log, sqrt
from typing import Final, Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.core.evidence import LEAST, betting_evidence, evidence_of_counts, mixture_evidence
from driftline_processor.core.outcomes.sums import effective

from .sums import PairedSums, Sums, weights_differ

Verdict = Literal["worse", "better", "inconclusive"]
Method = Literal["betting", "asymptotic"]

CONFIDENCE: Final = 0.95
"""Default confidence: of equal pairs of versions, one in twenty is ever called different, each way."""

MOST_ROWS: Final = 10**9
"""Maximum number of needed rows that is reported."""

_FAR: Final = 1e3
"""Standard errors beyond which no bound is searched."""

_STEEP: Final = 1e3
"""Cap of the evidence in the search for a bound."""


class Comparison(Struct, frozen=True):
    """The difference of mean losses of two versions: challenger less champion, so above 0 is worse.

    ``paired``: the same requests; ``rows``: their number, else that of both versions together, whose means are then
    within hours (:class:`~driftline_processor.core.versions.sums.HourlySums`). ``low`` / ``high``: each valid at any
    time with ``confidence``; None if unknown. ``reason``: why the verdict is inconclusive. ``method``: "betting" is
    exact for any number of rows, "asymptotic" for many. ``rows_needed``: total rows for a verdict at the current rates;
    None with a verdict, or above :data:`MOST_ROWS`.
    """

    loss: str
    paired: bool
    rows: int
    champion: float | None
    challenger: float | None
    difference: float | None
    low: float | None
    high: float | None
    verdict: Verdict
    method: Method
    confidence: float = CONFIDENCE
    rows_needed: int | None = None
    reason: Literal["too_few_rows"] | None = None


def compare(
    loss: str, sums: Sums, bounds: tuple[float, float] | None = None, confidence: float = CONFIDENCE
) -> Comparison:
    """Compare two versions by the sums of a loss, the champion first.

    ``bounds``: range of the losses; None if unbounded. Raises ValueError for a confidence that is not between 0.5 and
    1.

    >>> from .sums import PairedSums
    >>> found = compare("error", Sums(PairedSums(1000, 1000, 1000, 200, 260, 60, 160)), bounds=(0, 1))
    >>> found.verdict, round(found.difference, 3), round(found.low, 3), round(found.high, 3)
    ('worse', 0.06, 0.021, 0.098)
    """
    if not 0.5 < confidence < 1:
        raise ValueError(f"confidence must be between 0.5 and 1, as in 0.95; {confidence} is not")
    means = _means(sums)
    scale = 1.0 if bounds is None else bounds[1] - bounds[0]
    exact = bounds is not None and scale > 0 and not _weighted(sums)
    method: Method = "betting" if exact else "asymptotic"
    enough = log(1 / (1 - confidence))
    unknown = Comparison(
        loss=loss,
        paired=sums.paired is not None,
        rows=0,
        champion=None,
        challenger=None,
        difference=None,
        low=None,
        high=None,
        verdict="inconclusive",
        method=method,
        confidence=confidence,
        reason="too_few_rows",
    )
    if means is None:
        return unknown
    champion, challenger = means
    difference = challenger - champion
    unit = scale if exact else typical(sums, bounds)
    above, below = (_Side(one, scale, unit, exact) for one in (sums, sums.swapped()))
    low = above.bound(difference, enough)
    high = below.bound(-difference, enough)
    verdict: Verdict = "inconclusive"
    if above.evidence(0.0) >= enough:
        verdict = "worse"
    elif below.evidence(0.0) >= enough:
        verdict = "better"
    needed = None
    if verdict == "inconclusive":
        needed = _needed(above if difference > 0 else below, enough)
    return replace(
        unknown,
        rows=sums.rows,
        champion=champion,
        challenger=challenger,
        difference=difference,
        low=None if low is None else max(low, -scale) if bounds is not None else low,
        high=None if high is None else min(-high, scale) if bounds is not None else -high,
        verdict=verdict,
        rows_needed=needed,
        reason="too_few_rows" if verdict == "inconclusive" else None,
    )


class _Side(Struct, frozen=True):
    """The evidence that the second version's mean loss exceeds the first's by more than a given difference."""

    sums: Sums
    scale: float
    unit: float
    exact: bool

    def evidence(self, difference: float) -> float:
        """Return its logarithm; the probability that it ever reaches log(1/α) is at most α if the claim is false."""
        if self.sums.paired is None:
            return self._within(difference)
        return self._exact(self.sums.paired, difference) if self.exact else self._asymptotic(difference)

    def bound(self, seen: float, enough: float) -> float | None:
        """Return the largest difference below the observed one with enough evidence against it."""
        least = -self.scale if self.exact else seen - self._reach()
        if not np.isfinite(least):
            return None
        if least >= seen or self.evidence(least) < enough:
            return least if self.exact else None

        def over(difference: float) -> float:
            return max(min(self.evidence(difference) - enough, _STEEP), -_STEEP)

        low, high = least, seen
        if low < 0 < high:  # so that the interval and the verdict agree
            low, high = (0.0, high) if over(0.0) >= 0 else (low, 0.0)
        return _root(over, low, high) if over(high) < 0 else high

    def _within(self, difference: float) -> float:
        if not self.exact and not self._enough():
            return -inf
        within, unit = self.sums.within, self.unit + abs(difference)
        moved = within.second - within.first - difference * within.weight
        return float(evidence_of_counts(np.array(moved / unit), np.array(within.variance(difference) / unit**2)))

    def _enough(self) -> bool:
        arms = self.sums.first, self.sums.second
        return min(effective(arm.weight, arm.weight_squared) for arm in arms) >= LEAST

    def _exact(self, paired: PairedSums, difference: float) -> float:
        n, total, squares = paired.rows, paired.weighed / self.scale, paired.weighed_squared / self.scale**2
        difference /= self.scale
        moved = total - n * difference
        spread = max(squares - 2 * difference * total + n * difference**2, 0.0)
        return float(betting_evidence(np.array(moved), np.array(spread), np.array(1.0 + difference)))

    def _asymptotic(self, difference: float) -> float:
        rows, deviation, seen = self._normal(difference)
        if deviation == 0:
            return inf if seen > difference and rows > 0 else -inf
        return float(mixture_evidence(np.array((seen - difference) / deviation), np.array(rows)))

    def _reach(self) -> float:
        """Return the distance below the observed difference in which a bound is searched."""
        if self.sums.paired is None:
            within = self.sums.within
            seen = (within.second - within.first) / within.weight
            return _FAR * sqrt(within.variance(seen)) / within.weight if self._enough() else inf
        rows, deviation, _ = self._normal(None)
        return _FAR * deviation if rows > 0 else inf

    def _normal(self, difference: float | None) -> tuple[float, float, float]:
        """Return the pairs, the standard deviation of the mean difference, and the observed difference.

        Centred at ``difference``, as in a self-normalised sum. 0 pairs if there are too few.
        """
        paired = self.sums.paired
        rows = 0.0 if paired is None else effective(paired.weight, paired.weight_squared)
        if paired is None or rows < LEAST:
            return 0.0, inf, 0.0
        seen = (paired.second - paired.first) / paired.weight
        squares, weighed, weights = paired.weighed_squared, paired.weighed, paired.weight_squared
        around = seen if difference is None else difference
        return rows, sqrt(max(squares - 2 * around * weighed + around**2 * weights, 0.0)) / paired.weight, seen


def typical(sums: Sums, bounds: tuple[float, float] | None) -> float:
    """Return the typical change of a sum of losses by one row, dominated by rows with large weights or losses.

    The weighted mean weight times the range of the losses; without a range, the loss-weighted mean loss. A mean that
    depends on a few rows is as uncertain as a count of so few.
    """
    one, other = sums.first, sums.second
    if bounds is not None:
        weight, squares = one.weight + other.weight, one.weight_squared + other.weight_squared
        return (bounds[1] - bounds[0]) * squares / weight if weight > 0 else 1.0
    total, squares = one.loss + other.loss, one.weighed_squared + other.weighed_squared
    return squares / total if total > 0 else 1.0


def _needed(side: _Side, enough: float) -> int | None:
    """Return the rows until there is enough evidence, if every sum grows at its current rate."""

    def over(power: float) -> float:
        found = replace(side, sums=side.sums.times(exp(power))).evidence(0.0) - enough
        return max(min(found, _STEEP), -_STEEP)

    most = log(MOST_ROWS / side.sums.rows)
    if most <= 0 or over(most) < 0:
        return None
    return ceil(side.sums.rows * exp(_root(over, 0.0, most)) - 1e-6)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    from scipy.optimize import brentq

    return float(brentq(function, low, high, xtol=1e-13 * max(abs(low), abs(high), 1e-3)))


def _means(sums: Sums) -> tuple[float, float] | None:
    if sums.paired is not None:
        weight = sums.paired.weight
        return (sums.paired.first / weight, sums.paired.second / weight) if weight > 0 else None
    within = sums.within
    return (within.first / within.weight, within.second / within.weight) if within.weight > 0 else None


def _weighted(sums: Sums) -> bool:
    if sums.paired is not None:
        return weights_differ(*sums.paired[:3])
    return any(weights_differ(*one[:3]) for one in (sums.first, sums.second))
