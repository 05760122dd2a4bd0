"""Evidence that holds at any moment: by betting for bounded losses, by Robbins' mixture for others.

Evidence that grows by betting: exact at every sample size, from sums alone, for losses between 0 and 1.

Somebody bets at fair odds that a mean is greater than the null says; under the null his capital is a non-negative
supermartingale, so that it ever reaches 1/α with a chance of at most α (Ville 1939). A bet of λ on rows ξ = x - m,
which are never below -c, multiplies the capital by at least exp(λ ξ - ψ(λ) ξ²) with ψ(λ) = (-log(1 - λc) - λc) / c² for
0 <= λ < 1/c (Fan, Grama & Liu 2015, Electronic Journal of Probability 20:1, section 3; Howard, Ramdas, McAuliffe &
Sekhon 2021, Annals of Statistics 49:1055, theorem 4; Waudby-Smith & Ramdas 2024, JRSS B 86:1, section 3.2). A mixture
over λ needs no choice of λ, and depends on the rows through n, Σx and Σx² only: neither their order nor their periods
of time matter, and an outcome that is corrected is corrected in the sums.

Versions with requests of their own are bet on by the hour (:func:`evidence_of_counts`): exact for errors whenever an
hour is over; within hours, and of other losses between bounds, the same bets, which simulations hold to the promise.

Evidence for pairs that have no bound or carry weights: Robbins' mixture over the standardised sum, as rows grow.

An asymptotic confidence sequence (Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2024, Annals of Statistics 52:2613,
theorem 2.2, with half a normal distribution as its mixture, since each side is asked by itself; Robbins 1970). Like
the bets above it needs sums only; unlike it the promise holds in the limit, so nothing is said of fewer
than :data:`LEAST` rows.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.special_functions import erf, log_ndtr

_NODES: Final = 32
"""Bets of the mixture: with twice as many the evidence differs by less than 0.01."""

_EDGES: Final = np.geomspace(1e-3, 0.985, _NODES + 1)
"""Borders of the bets, fractions of the greatest possible one; at 1 the cost is infinite."""

_BETS: Final = np.sqrt(_EDGES[:-1] * _EDGES[1:])
"""Bets as fractions of the greatest possible one, 1/c."""

_COST: Final = -np.log1p(-_BETS) - _BETS

_TYPICAL: Final = 0.15
"""The bet that is best for five points more than an error rate of 20 %, of versions that share nothing."""

_EVEN: Final = 0.2
"""The weight of bets of any size, which find differences of any size."""


def betting_evidence(total: F64, squares: F64, below: F64) -> F64:
    """Return the logarithm of the capital after rows ξ whose expectation is at most 0 under the null.

    ``total``: Σξ, ``squares``: Σξ², ``below``: c, no row is less than -c; arrays of one shape.

    >>> float(betting_evidence(np.array(60.0), np.array(100.0), np.array(1.0)).round(2))
    10.2
    """
    # 1e-3: a bound below which rows would have to lie is taken as this far away: so close to 0 or 1 no mean is told
    # apart
    c = np.maximum(below, 1e-3)[..., np.newaxis]
    grown = _BETS / c * total[..., np.newaxis] - _COST / c**2 * squares[..., np.newaxis]
    return _mixed(grown + _prior(c))


def evidence_of_counts(total: F64, variance: F64) -> F64:
    """Return the logarithm of the capital of who bets on a sum of counts that has been centred, by its variance.

    ``total``, ``variance``: float64, of one shape. Rows of which k are errors, dealt out by chance to two versions: the
    number of errors that one of them gets is distributed like a sum of independent indicators (Vatutin & Mikhailov
    1982), so its deviation multiplies the capital of a bet of λ by at most exp(variance (exp(λ) - 1 - λ)) on average
    (Bennett 1962), and so do those of other periods, one after the other.

    >>> float(evidence_of_counts(np.array(40.0), np.array(100.0)).round(2))
    5.76
    """
    total, variance = total[..., np.newaxis], variance[..., np.newaxis]
    return _mixed(_COUNTED * total - (np.expm1(_COUNTED) - _COUNTED) * variance + _expected())


def _prior(below: F64) -> F64:
    """Logarithm of the weight of each bet: half a normal distribution around 0, and some for any size."""
    return _weights(_EDGES / below, _TYPICAL)


def _weights(edges: F64, typical: float) -> F64:
    usual = np.diff(erf(edges / (typical * np.sqrt(2))))
    usual[..., 0] += 1e-300  # so that a bound near 0, where every bet is a great one, leaves something to divide by
    usual /= usual.sum(axis=-1, keepdims=True)
    weights: F64 = np.log((1 - _EVEN) * usual + _EVEN / _NODES)
    return weights


def _mixed(grown: F64) -> F64:
    most = grown.max(axis=-1)
    mixed: F64 = most + np.log(np.exp(grown - most[..., np.newaxis]).sum(axis=-1))
    return mixed


_WIDE: Final = np.geomspace(1e-3, 4.0, _NODES + 1)
"""Borders of the bets on counts, which have no greatest one: at 4 a surplus is paid by its 50-fold variance."""

_COUNTED: Final = np.sqrt(_WIDE[:-1] * _WIDE[1:])
"""Bets on counts: a row of either version moves a count by half a row."""


@cache
def _expected() -> F64:
    """Return the logarithms of the weights of the bets on counts."""
    return _weights(_WIDE, 2 * _TYPICAL)


LEAST: Final = 200
"""Rows, of weighted ones Kish's effective number, of each version, before which nothing is said."""

_TUNED: Final = 200.0
"""Rows for which the mixture is narrowest are some eight times as many."""


def mixture_evidence(standardised: F64, rows: F64) -> F64:
    """Return the logarithm of the mixture after ``rows`` rows whose sum is so many standard deviations above the null.

    >>> mixture_evidence(np.array([0.0, 4.0]), np.array([1000.0, 1000.0])).round(2)
    array([-0.9 ,  6.46])
    """
    share = rows / (rows + _TUNED)
    grown = standardised**2 / 2 * share + log_ndtr(standardised * np.sqrt(share))
    mixed: F64 = np.log(2) - np.log1p(rows / _TUNED) / 2 + grown
    return mixed
