"""When a degradation began: the days from which a metric may have been at its present level."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from driftline.tables.table import F64, I64

FALL = 7.35
"""Fall of twice the log likelihood up to which a beginning belongs to the range of 95 %: the maximum of a random walk
with a drift to either side is below it with a probability of (1 - exp(-FALL / 2))², see Siegmund, *Annals of
Statistics* 16 (1988).
"""

FEWEST_DAYS = 3


class Onset(NamedTuple):
    """The range in which a degradation began, unix nanoseconds.

    Attributes:
        earliest: Start of its first day.
        latest: Start of its last day.
        likeliest: Start of its likeliest day.
        length: Length of the days, or of the longer windows, within which it began; 0 if unknown.
    """

    earliest: int
    latest: int
    likeliest: int
    length: int = 0


def onset_of_step(start: I64, worse: F64, errors: F64) -> Onset | None:
    """Return when a mean rose once and for all; None with too few days, or if it did not rise.

    Args:
        start: Start of each day, int64 (n,), unix nanoseconds.
        worse: How much worse a metric is on each day, float64 (n,).
        errors: Standard error of each day, float64 (n,); NaN if unknown: then days count alike, with the variance that
            is left beside the rise.

    >>> days = np.arange(8)
    >>> onset_of_step(days, np.array([0, 0.1, -0.1, 0, 2, 2.1, 1.9, 2]), np.full(8, 0.2))
    Onset(earliest=4, latest=4, likeliest=4, length=0)
    >>> onset_of_step(days, np.array([0, 0.1, -0.1, 0, 0.2, 0.3, 0.1, 0.3]), np.full(8, 0.2))
    Onset(earliest=1, latest=7, likeliest=4, length=0)
    """
    n = len(worse)
    if n < FEWEST_DAYS:
        return None
    known = bool(np.isfinite(errors).all())
    weights = 1 / np.maximum(errors, 1e-12) ** 2 if known else np.ones(n)
    weight, moment = np.cumsum(weights), np.cumsum(weights * worse)
    before, after = moment[:-1] / weight[:-1], (moment[-1] - moment[:-1]) / (weight[-1] - weight[:-1])
    explained = weight[:-1] * (weight[-1] - weight[:-1]) / weight[-1] * (after - before) ** 2
    explained = np.where(after > before, explained, -np.inf)
    best = float(explained.max())
    if not np.isfinite(best):
        return None
    left = float((weights * (worse - moment[-1] / weight[-1]) ** 2).sum()) - best
    variance = left / max(1, n - 2)
    variance = max(variance, 1.0) if known else max(variance, 1e-12)
    possible = np.flatnonzero(explained >= best - FALL * variance)
    first, last, likeliest = (int(start[at + 1]) for at in (possible[0], possible[-1], explained.argmax()))
    return Onset(first, last, likeliest)
