"""Shares and how sure they are: one, the difference of two, their ratio.

Rows are effective ones: those of a weighted share are Kish's, and need not be whole.
"""

from __future__ import annotations

from math import exp, inf, log, sqrt
from typing import NamedTuple

from .intervals import Summed, normal_quantile
from .intervals import wilson as of_shares

FAR = 300.0
"""The logarithm of a ratio beyond which none is looked for."""


class Share(NamedTuple):
    """``value``: between 0 and 1, ``rows``: greater than 0."""

    value: float
    rows: float


def wilson(share: Share, confidence: float) -> tuple[float, float]:
    """Return the score interval of a share (Wilson 1927, JASA 22:209).

    >>> [round(end, 4) for end in wilson(Share(0.95, 20), 0.95)]
    [0.7639, 0.9911]
    """
    hits, misses = (Summed(part * share.rows, part * share.rows) for part in (share.value, 1 - share.value))
    low, high, _ = of_shares(hits, misses, confidence)
    return (0.0, 1.0) if low is None or high is None else (low, high)


def difference_interval(one: Share, other: Share, confidence: float) -> tuple[float, float]:
    """Return the hybrid score interval of ``one - other`` (Newcombe 1998, Statistics in Medicine 17:873, method 10).

    >>> [round(end, 4) for end in difference_interval(Share(56 / 70, 70), Share(48 / 80, 80), 0.95)]
    [0.0524, 0.3339]
    """
    low, high = wilson(one, confidence)
    other_low, other_high = wilson(other, confidence)
    value = one.value - other.value
    below = sqrt((one.value - low) ** 2 + (other_high - other.value) ** 2)
    above = sqrt((high - one.value) ** 2 + (other.value - other_low) ** 2)
    return value - below, value + above


def ratio_interval(one: Share, other: Share, confidence: float) -> tuple[float, float]:
    """Return the score interval of ``one / other`` (Miettinen and Nurminen 1985, Statistics in Medicine 4:213).

    0 where ``one`` may be 0, infinite where ``other`` may be.

    >>> [round(end, 4) for end in ratio_interval(Share(0.1, 100), Share(0.2, 100), 0.95)]
    [0.2481, 0.9949]
    """
    limit = normal_quantile(confidence) ** 2
    inside = FAR if other.value <= 0 else -FAR if one.value <= 0 else log(one.value / other.value)
    low = 0.0 if one.value <= 0 else exp(_crossing(one, other, limit, inside, -FAR))
    high = inf if other.value <= 0 else exp(_crossing(one, other, limit, inside, FAR))
    return low, high


def _crossing(one: Share, other: Share, limit: float, inside: float, outside: float) -> float:
    """The logarithm of the ratio at which the score statistic reaches the limit, by bisection."""
    while abs(outside - inside) > 1e-14 * max(1.0, abs(outside)):
        middle = (inside + outside) / 2
        if middle in (inside, outside):
            break
        if _score(one, other, exp(middle)) <= limit:
            inside = middle
        else:
            outside = middle
    return (inside + outside) / 2


def _score(one: Share, other: Share, ratio: float) -> float:
    """The squared score statistic of a ratio: the shares under it are the most likely ones that have it."""
    n, m = one.rows, other.rows
    hits, other_hits = one.value * n, other.value * m
    a, b, c = (n + m) * ratio, -(n * ratio + hits + m + other_hits * ratio), hits + other_hits
    p = 2 * c / (-b + sqrt(max(b * b - 4 * a * c, 0.0)))  # of the two roots, without what cancels
    p = min(max(p, 0.0), 1.0, 1 / ratio if ratio > 1 else 1.0)
    q = min(ratio * p, 1.0)
    variance = (q * (1 - q) / n + ratio**2 * p * (1 - p) / m) * (n + m) / (n + m - 1)
    away = (one.value - ratio * other.value) ** 2
    return away / variance if variance > 0 else (0.0 if away == 0 else inf)
