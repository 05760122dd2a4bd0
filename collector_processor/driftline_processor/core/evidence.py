"""Evidence that is valid at any time: by betting for bounded losses, by Robbins' mixture for others.

Betting: the capital of a bettor at fair odds against the null is a non-negative supermartingale, so it ever reaches 1/α
with a probability of at most α (Ville 1939). A bet of λ on rows ξ = x - m, which are never below -c, multiplies the
capital by at least exp(λ ξ - ψ(λ) ξ²) with ψ(λ) = (-log(1 - λc) - λc) / c² for 0 <= λ < 1/c (Fan, Grama & Liu 2015,
Electronic Journal of Probability 20:1, section 3; Howard, Ramdas, McAuliffe & Sekhon 2021, Annals of Statistics
49:1055, theorem 4; Waudby-Smith & Ramdas 2024, JRSS B 86:1, section 3.2). A mixture over λ needs no choice of λ, and
depends on the rows through n, Σx and Σx² only: order and periods do not matter, and corrected outcomes are corrected in
the sums.

Versions with separate requests are compared by the hour (:func:`evidence_of_counts`): exact for errors at the end of
each hour; within hours, and for other bounded losses, the same bets keep their level in simulations.

Robbins' mixture, for pairs without a bound or with weights, is an asymptotic confidence sequence over the standardised
sum (Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2024, Annals of Statistics 52:2613, theorem 2.2, with a half-normal
mixture, since each side is tested separately; Robbins 1970). It is valid in the limit, so fewer than :data:`LEAST` rows
are inconclusive.
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
"""Edges of the bets, as fractions of the maximum; at 1 the cost is infinite."""

_BETS: Final = np.sqrt(_EDGES[:-1] * _EDGES[1:])
"""Bets as fractions of the maximum, 1/c."""

_COST: Final = -np.log1p(-_BETS) - _BETS

_TYPICAL: Final = 0.15
"""The best bet to detect five points more than an error rate of 20 % between independent versions."""

_EVEN: Final = 0.2
"""Weight of bets of any size, to detect differences of any size."""


def betting_evidence(total: F64, squares: F64, below: F64) -> F64:
    """Return the logarithm of the capital after rows ξ whose expectation is at most 0 under the null.

    ``total``: Σξ, ``squares``: Σξ², ``below``: c, no row is less than -c; arrays of one shape.

    >>> float(betting_evidence(np.array(60.0), np.array(100.0), np.array(1.0)).round(2))
    10.2
    """
    # 1e-3: minimum distance of the bound: means this close to 0 or 1 are not distinguished
    c = np.maximum(below, 1e-3)[..., np.newaxis]
    grown = _BETS / c * total[..., np.newaxis] - _COST / c**2 * squares[..., np.newaxis]
    return _mixed(grown + _weights(_EDGES / c, _TYPICAL))


def evidence_of_counts(total: F64, variance: F64) -> F64:
    """Return the logarithm of the capital of bets on a centred sum of counts, given its variance.

    ``total``, ``variance``: float64, of one shape. If rows with k errors are randomly assigned to two versions, the
    number of errors of one of them is distributed like a sum of independent indicators (Vatutin & Mikhailov 1982), so
    its deviation multiplies the capital of a bet of λ by at most exp(variance (exp(λ) - 1 - λ)) on average (Bennett
    1962), and so do those of consecutive periods.

    >>> float(evidence_of_counts(np.array(40.0), np.array(100.0)).round(2))
    5.76
    """
    total, variance = total[..., np.newaxis], variance[..., np.newaxis]
    return _mixed(_COUNTED * total - (np.expm1(_COUNTED) - _COUNTED) * variance + _expected())


def _weights(edges: F64, typical: float) -> F64:
    usual = np.diff(erf(edges / (typical * np.sqrt(2))))
    usual[..., 0] += 1e-300  # avoids a division by 0 for a bound near 0, where every bet is large
    usual /= usual.sum(axis=-1, keepdims=True)
    weights: F64 = np.log((1 - _EVEN) * usual + _EVEN / _NODES)
    return weights


def _mixed(grown: F64) -> F64:
    most = grown.max(axis=-1)
    mixed: F64 = most + np.log(np.exp(grown - most[..., np.newaxis]).sum(axis=-1))
    return mixed


_WIDE: Final = np.geomspace(1e-3, 4.0, _NODES + 1)
"""Edges of the bets on counts, which have no maximum; at 4 the cost of a surplus is 50 times its variance."""

_COUNTED: Final = np.sqrt(_WIDE[:-1] * _WIDE[1:])
"""Bets on counts: a row of either version changes a count by half a row."""


@cache
def _expected() -> F64:
    """Return the log weights of the bets on counts."""
    return _weights(_WIDE, 2 * _TYPICAL)


LEAST: Final = 200
"""Minimum rows of each version, Kish's effective number for weighted rows."""

_TUNED: Final = 200.0
"""Parameter of the mixture, which is narrowest at about eight times as many rows."""


def mixture_evidence(standardised: F64, rows: F64) -> F64:
    """Return the logarithm of the mixture after ``rows`` rows with a standardised sum above the null.

    >>> mixture_evidence(np.array([0.0, 4.0]), np.array([1000.0, 1000.0])).round(2)
    array([-0.9 ,  6.46])
    """
    share = rows / (rows + _TUNED)
    grown = standardised**2 / 2 * share + log_ndtr(standardised * np.sqrt(share))
    mixed: F64 = np.log(2) - np.log1p(rows / _TUNED) / 2 + grown
    return mixed
