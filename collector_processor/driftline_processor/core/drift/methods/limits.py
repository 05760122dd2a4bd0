"""How the Cramér-von Mises and Anderson-Darling statistics are distributed without drift, in the limit of many rows.

Both are a weighted sum of squared standard normals, Σ Z_j² / u_j. Smirnov's formula turns its tail into integrals
between neighbouring u_j, 1 and 2, 3 and 4, ..., whose integrands have inverse roots at both ends: Gauss and Chebyshev's
rule. So a p-value is a fixed sum of 160 exponentials, exact to 1e-6 of itself wherever it is below 0.99; also in the
far tail, where scipy's series of the first law and its table of the second, from 0.001 to 0.25, end.

Source: Smirnov, "Sur la distribution de ω²" (1936); Martynov, "Computation of distribution functions of quadratic forms
of normally distributed random variables" (1975); Anderson and Darling (1952) for both laws.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from driftline.tables import F64

_INTERVALS, _NODES = 8, 20


def _rule(roots: Callable[[int], float], product: Callable[[F64], F64]) -> tuple[F64, F64]:
    """Return where and how much each exponential counts. ``roots(j)``: u_j; ``product(u)``: Π (1 - u / u_j)."""
    angle = (2 * np.arange(1, _NODES + 1) - 1) / (2 * _NODES) * np.pi
    places, weights = [], []
    for interval in range(_INTERVALS):
        low, high = roots(2 * interval + 1), roots(2 * interval + 2)
        u = (low + high) / 2 + (high - low) / 2 * np.cos(angle)
        places.append(u)
        weights.append((-1) ** interval * np.sqrt((u - low) * (high - u)) / (u * np.sqrt(np.abs(product(u)))) / _NODES)
    return np.concatenate(places), np.concatenate(weights)


_CRAMER = _rule(lambda j: (j * np.pi) ** 2, lambda u: np.sin(np.sqrt(u)) / np.sqrt(u))
_ANDERSON = _rule(lambda j: j * (j + 1.0), lambda u: np.cos(np.pi / 2 * np.sqrt(1 + 4 * u)) / (np.pi * u))


def _tail(rule: tuple[F64, F64], x: F64, certain: float) -> F64:
    """P(Q > x); 1 up to ``certain``, below which the intervals left out would count."""
    places, weights = rule
    tail = np.exp(-np.maximum(x, certain)[..., np.newaxis] * places / 2) @ weights
    return np.where(x <= certain, 1.0, np.clip(tail, 0.0, 1.0))


def cramer_von_mises_tail(x: F64) -> F64:
    """Return P(∫ B² > x), B the Brownian bridge: float64 (...).

    >>> cramer_von_mises_tail(np.array([0.46136, 1.16786])).round(6).tolist()
    [0.05, 0.001]
    """
    return _tail(_CRAMER, x, 0.015)


def anderson_darling_tail(x: F64) -> F64:
    """Return P(∫ B² / (t (1 - t)) > x): float64 (...).

    >>> anderson_darling_tail(np.array([2.492, 3.857])).round(3).tolist()
    [0.05, 0.01]
    """
    return _tail(_ANDERSON, x, 0.1)
