"""Evidence that grows by betting: exact at every sample size, from sums alone, for losses between 0 and 1.

Somebody bets at fair odds that a mean is greater than the null says; under the null his capital is a non-negative
supermartingale, so that it ever reaches 1/α with a chance of at most α (Ville 1939). A bet of λ on rows ξ = x - m,
which are never below -c, multiplies the capital by at least exp(λ ξ - ψ(λ) ξ²) with ψ(λ) = (-log(1 - λc) - λc) / c² for
0 <= λ < 1/c (Fan, Grama & Liu 2015, Electronic Journal of Probability 20:1, section 3; Howard, Ramdas, McAuliffe &
Sekhon 2021, Annals of Statistics 49:1055, theorem 4; Waudby-Smith & Ramdas 2024, JRSS B 86:1, section 3.2). A mixture
over λ needs no choice of λ, and depends on the rows through n, Σx and Σx² only: neither their order nor their stretches
of time matter, and an outcome that is corrected is corrected in the sums.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from driftline.tables import F64
from scipy.special import erf

_NODES: Final = 32
_EDGES: Final = np.geomspace(1e-3, 0.985, _NODES + 1)
_BETS: Final = np.sqrt(_EDGES[:-1] * _EDGES[1:])
"""Bets as shares of the greatest possible one, 1/c."""

_COST: Final = -np.log1p(-_BETS) - _BETS

_TYPICAL: Final = 0.15
"""The bet that is best for five points more than an error rate of 20 %, of versions that share nothing."""

_EVEN: Final = 0.2
"""The weight of bets of any size, which find differences of any size."""

_TIED: Final = 0.5
"""The weight of bets that are equal for both versions, which is best where they have equally many rows."""

_LEAST: Final = 1e-3
"""A bound below which rows would have to lie is taken as this far away: so close to 0 or 1 no mean is told apart."""

_PLACES: Final = 25
"""Common means that are tried at a time."""


def evidence(total: F64, squares: F64, below: F64) -> F64:
    """Return the logarithm of the capital after rows ξ whose expectation is at most 0 under the null.

    ``total``: Σξ, ``squares``: Σξ², ``below``: c, no row is less than -c; arrays of one shape.

    >>> float(evidence(np.array(60.0), np.array(100.0), np.array(1.0)).round(2))
    10.2
    """
    c = np.maximum(below, _LEAST)[..., np.newaxis]
    grown = _BETS / c * total[..., np.newaxis] - _COST / c**2 * squares[..., np.newaxis]
    return _mixed(grown + _prior(c))


def evidence_of_two(first: F64, second: F64, difference: F64) -> F64:
    """Return the logarithm of the capital of who bets that the second mean exceeds the first by more than a difference.

    ``first`` / ``second``: n, Σx, Σx² of losses between 0 and 1, float64 (3, ...); ``difference``: float64 (...). For
    any common mean the product of both capitals is a supermartingale, each row moving one of them; so the least over
    all common means is evidence against each of them.

    >>> one, other = np.array([500.0, 100.0, 100.0]), np.array([500.0, 160.0, 160.0])
    >>> float(evidence_of_two(one, other, np.array(0.0)).round(2))
    6.46
    """
    low = np.maximum(0.0, -difference)
    high = np.minimum(1.0, 1.0 - difference)
    means = first[1] / first[0], second[1] / second[0] - difference
    begin, end = np.minimum(*means), np.maximum(*means)
    spread = (end - begin) / 4
    begin, end = np.clip(begin - spread, low, high), np.clip(end + spread, low, high)
    for _ in range(3):
        places = begin[..., np.newaxis] + (end - begin)[..., np.newaxis] * np.linspace(0, 1, _PLACES)
        found = evidence_at(first[..., np.newaxis], second[..., np.newaxis], difference[..., np.newaxis], places)
        at = found.argmin(axis=-1)
        step = (end - begin) / (_PLACES - 1)
        middle = np.take_along_axis(places, at[..., np.newaxis], -1)[..., 0]
        begin, end = np.maximum(middle - step, low), np.minimum(middle + step, high)
    least: F64 = found.min(axis=-1)
    return least


def evidence_at(first: F64, second: F64, difference: F64, mean: F64) -> F64:
    """Return the capital of who bets that the first mean is below ``mean`` and the second above ``mean + difference``.

    The arguments are those of :func:`evidence_of_two`, which takes the least over all means.
    """
    n, total, squares = second
    rise, rise_squared, rise_below = _moved(n, total, squares, mean + difference)
    n, total, squares = first
    fall, fall_squared, _ = _moved(n, total, squares, mean)
    fall, fall_below = -fall, 1.0 - mean
    apart = evidence(rise, rise_squared, rise_below) + evidence(fall, fall_squared, fall_below)
    up, down = (np.maximum(below, _LEAST)[..., np.newaxis] for below in (rise_below, fall_below))
    most = np.maximum(up, down)
    bet = _BETS / most
    grown = bet * (rise + fall)[..., np.newaxis]
    grown = grown - _price(bet, up) * rise_squared[..., np.newaxis] - _price(bet, down) * fall_squared[..., np.newaxis]
    both: F64 = np.logaddexp(apart + np.log1p(-_TIED), _mixed(grown + _prior(most)) + np.log(_TIED))
    return both


def _moved(n: F64, total: F64, squares: F64, mean: F64) -> tuple[F64, F64, F64]:
    """Σ(x - m), Σ(x - m)², and how far below 0 a row can be."""
    return total - n * mean, np.maximum(squares - 2 * mean * total + n * mean**2, 0.0), mean


def _price(bet: F64, below: F64) -> F64:
    priced: F64 = (-np.log1p(-bet * below) - bet * below) / below**2
    return priced


def _prior(below: F64) -> F64:
    """Logarithm of the weight of each bet: half a normal distribution around 0, and some for any size."""
    usual = np.diff(erf(_EDGES / below / (_TYPICAL * np.sqrt(2))))
    usual[..., 0] += 1e-300  # so that a bound near 0, where every bet is a great one, leaves something to divide by
    usual /= usual.sum(axis=-1, keepdims=True)
    weights: F64 = np.log((1 - _EVEN) * usual + _EVEN / _NODES)
    return weights


def _mixed(grown: F64) -> F64:
    most = grown.max(axis=-1)
    mixed: F64 = most + np.log(np.exp(grown - most[..., np.newaxis]).sum(axis=-1))
    return mixed
