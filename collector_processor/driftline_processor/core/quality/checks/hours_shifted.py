"""Shifted hours: the hour of the day is a number of hours later or earlier, as in another time zone."""

from __future__ import annotations

import numpy as np
from driftline.panes.bins import NumberBins
from driftline.tables.table import F64

from driftline_processor.core.quality.check import Check, CheckResult, Suspicion, suspicion
from driftline_processor.core.quality.feature_sums import BY_CHANCE, CheckInput, FeaturePair, effective_rows
from driftline_processor.core.special_functions import kolmogorov

DAY = 24

FEWEST = 8
"""Minimum number of different hours, in the window and in the baseline."""

APART, MOST_LEFT = 0.1, 0.25
"""Minimum distance from the baseline, and maximum fraction of it that a shift of the hours leaves."""


def find(look: CheckInput) -> CheckResult:
    """Find features with whole numbers from 0 to 23 whose distribution is that of the baseline, rotated.

    From panes. The distance of two distributions on a circle is Kuiper's, the same from whichever hour one counts.
    Windows with a part of the day are not compared: at least eight hours must have rows.

    Source: Kuiper, "Tests concerning random points on a circle" (1960).
    """
    hours = [pair for pair in look.pairs.values() if _is_hour(pair)]
    suspicions = [found for pair in hours if (found := _check_pair(pair)) is not None]
    return CheckResult(len(hours), suspicions)


def _is_hour(pair: FeaturePair) -> bool:
    return pair.minimum == 0.0 and pair.greatest == DAY - 1.0 and isinstance(pair.bins, NumberBins)


def _check_pair(pair: FeaturePair) -> Suspicion | None:
    was, now = _by_hour(pair, pair.was.counts), _by_hour(pair, pair.now.counts)
    if was is None or now is None or min(np.count_nonzero(was), np.count_nonzero(now)) < FEWEST:
        return None
    distances = np.array([_kuiper(np.roll(was, hours), now) for hours in range(DAY)])
    hours = int(distances.argmin())
    n, m = effective_rows(pair)
    chance = BY_CHANCE * np.sqrt(1 / n + 1 / m)
    if distances[0] < APART or distances[hours] > min(2 * chance, MOST_LEFT * distances[0]):
        return None
    # Kuiper's distance is at most twice that of Kolmogorov and Smirnov
    p = float(kolmogorov(np.sqrt(n * m / (n + m)) * distances[0] / 2))
    later = hours - DAY if hours > DAY // 2 else hours
    return suspicion(CHECK.name, [pair.name], p, was=0.0, now=1.0, concerned=1.0, hours=later)


def _by_hour(pair: FeaturePair, counts: F64) -> F64 | None:
    """Return the fraction of each hour, float64 (24,); None if values are not whole hours."""
    assert isinstance(pair.bins, NumberBins)
    hours = np.searchsorted(pair.bins.edges, np.arange(float(DAY)), side="right")
    found = counts[hours]
    total = counts.sum()
    return found / total if len(set(hours.tolist())) == DAY and total > 0 and found.sum() >= 0.999 * total else None


def _kuiper(was: F64, now: F64) -> float:
    difference = np.cumsum(now - was)
    return float(difference.max() - difference.min())


CHECK = Check("hours_shifted", "shifted hours", "panes", find, covers=frozenset({"constant"}))
