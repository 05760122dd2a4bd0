"""Distribution functions that can be asked anywhere: the bins inside, powers of two beyond them.

What would the baseline look like, were it another unit, or another column? Its distribution function answers at any
value, and the window's is known at the ladder's points: so the two can be compared without a row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from driftline.bins import NumberBins
from driftline.strays import octave_bounds
from driftline.tables import F64
from scipy.special import kolmogorov

from .sums import Pair, Sums, effective_rows, shares

GRID = 0.015
"""How far a distribution function that is drawn straight within a bin may be off: a bin is a hundredth of the rows."""

LEAST_ROWS, LEAST_EFFECTIVE = 50, 5.0
"""Rows, and effective ones, of either side below which no distribution is compared: of 15 effective rows a column times
100 has a p-value of 1e-13, however wrong its third digit is."""

_BOUNDS = octave_bounds()


@dataclass(frozen=True, slots=True)
class Ladder:
    """``below``: the share of values below each of ``points``, both float64 (k,) and ascending."""

    points: F64
    below: F64

    def at(self, values: F64) -> F64:
        """Return the share of values below each of these: 0 and 1 beyond the ends."""
        if not len(self.points):
            return np.zeros(len(values))
        return np.interp(values, self.points, self.below, left=0.0, right=1.0)


def ladder(bins: NumberBins, sums: Sums, least: float | None = None, greatest: float | None = None) -> Ladder:
    """Return the distribution function of the usable values; ``least`` and ``greatest`` of them, where known.

    Exact at its points: the edges, and the powers of two beyond the outer ones.
    """
    edges, total = bins.edges, sums.usable
    if not len(edges) or total <= 0:
        return Ladder(np.empty(0), np.empty(0))
    points, below = [edges], [np.cumsum(sums.counts)[:-1]]
    if sums.tails is not None:
        low, high = edges[0] > _BOUNDS, edges[-1] < _BOUNDS
        through = np.cumsum(sums.tails)[:-1]
        points = [_BOUNDS[low], edges, _BOUNDS[high]]
        below = [through[low], below[0], total - (sums.tails.sum() - through[high])]
    where, share = np.concatenate(points), np.concatenate(below) / total
    if least is not None and greatest is not None:
        inside = (where > least) & (where <= greatest)
        where = np.concatenate([[least], where[inside], [np.nextafter(greatest, np.inf)]])
        share = np.concatenate([[0.0], share[inside], [1.0]])
    return Ladder(where, share)


class Mixture(NamedTuple):
    """How a window is explained as a part of the baseline and a part of something else.

    ``share``: the part of the something else. ``distance``: of the window from the baseline, ``apart``: of the
    something else from the baseline, ``left``: what the mixture leaves unexplained, all three as KS distances.
    """

    share: float
    distance: float
    apart: float
    left: float


def mixture(now: F64, was: F64, other: F64) -> Mixture:
    """Explain a distribution function as ``(1 - s) was + s other``, all three at the same points, by least squares.

    >>> mixture(np.array([0.5, 0.75]), np.array([0.0, 0.5]), np.array([1.0, 1.0]))
    Mixture(share=0.5, distance=0.5, apart=1.0, left=0.0)
    """
    a, b = now - was, other - was
    square = float(b @ b)
    share = min(1.0, max(0.0, float(a @ b) / square)) if square > 0 else 0.0
    return Mixture(share, _most(a), _most(b), _most(a - share * b))


def _most(difference: F64) -> float:
    return float(np.abs(difference).max(initial=0.0))


class Changed(NamedTuple):
    """A number whose distribution changed: the baseline's and the window's, and the baseline's at the window's points.

    ``distance``: the KS distance; ``p``: its p-value; ``noise``: the distance that chance and the grid leave.
    """

    pair: Pair
    was: Ladder
    now: Ladder
    own: F64
    distance: float
    p: float
    noise: float


CERTAIN = 1e-4
"""A p-value above it is no finding after any correction over ten features and as many checks."""


def changed(pair: Pair) -> Changed | None:
    """Return a number with its distributions where they differ beyond chance; None where not, or where rows are few."""
    n, m = effective_rows(pair)
    few = min(pair.was.usable, pair.now.usable) < LEAST_ROWS or min(n, m) < LEAST_EFFECTIVE
    if not isinstance(pair.bins, NumberBins) or few:
        return None
    distance = _most(np.cumsum(shares(pair.now) - shares(pair.was)))
    p = float(kolmogorov(math.sqrt(n * m / (n + m)) * distance))
    if p > CERTAIN:
        return None
    was, now = ladder(pair.bins, pair.was, pair.least, pair.greatest), ladder(pair.bins, pair.now)
    own = was.at(now.points)
    return Changed(pair, was, now, own, _most(now.below - own), p, GRID + 1.63 * math.sqrt(1 / n + 1 / m))
