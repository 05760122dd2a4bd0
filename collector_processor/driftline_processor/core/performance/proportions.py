"""The ratio of two shares and how sure it is, where all rows weigh the same.

Rows are effective ones: those of shares of equal weights are Kish's, and need not be whole.
"""

from __future__ import annotations

from math import exp, inf, log, sqrt
from typing import NamedTuple

from .intervals import normal_quantile

FAR = 300.0
"""The logarithm of a ratio beyond which none is looked for."""


class Share(NamedTuple):
    """``value``: between 0 and 1, ``rows``: greater than 0."""

    value: float
    rows: float


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
