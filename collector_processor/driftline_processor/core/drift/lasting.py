"""How far quiet windows stray from a reference whose days differ, by what its own blocks of time say.

The blocks of a reference are a series: so far from all of it, in this or in that direction. It is taken as one of first
order, in which a block keeps a share of the deviation of the one before, and the rest is new. How much it keeps is not
known; fourteen days that persist look like fourteen days that hardly vary, at another level. So nothing is estimated:
all shares, and all variances, count by how likely the blocks are with them, and the p-value of a window is the mean of
its p-values. Where few blocks tell little, quiet windows may be far away.

Source: Zellner, "An Introduction to Bayesian Inference in Econometrics" (1971), 7.1; Berger and Yang, "Noninformative
priors and Bayesian testing for the AR(1) model" (1994) for the prior; Harville, "Bayesian inference for variance
components using only error contrasts" (1974) for the likelihood without the mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from driftline.tables import F64
from scipy.special import chdtri, ndtr

KEEPS = 0.97
"""The most a day may keep of the deviation of the one before. Days that keep 0.9 are then drift in 1.2 % of quiet weeks
after 7 days of reference and in 0.7 % after 14; were it 0.95, in 3.9 and 2.3 %, and 0.9, in 8 and 7 %."""

SHARES = 12
VARIANCES = 20
QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Of how much stretches within a block vary, which is known from as many as there are blocks."""

NOT_EXCLUDED = 0.1
"""Shares with which the blocks are at least so likely, beside the likeliest, are not excluded by them."""


@dataclass(frozen=True, slots=True, eq=False)
class Lasting:
    """What is known of how a series of blocks goes on.

    ``keeps``: float64 (shares,), of a block's deviation in the next. ``variances``: float64 (variances,), of a block
    about the mean of all time. ``weights``: float64 (shares, variances), how likely, sum 1. ``mean``: float64
    (shares,), the variance of the mean of the reference, as a share of a block's. ``within``: float64 (quantiles,), how
    much more a stretch varies that is hardly longer than none. ``squares``: the mean square of the series.
    """

    keeps: F64
    variances: F64
    weights: F64
    mean: F64
    within: F64
    squares: float

    def own(self, length: float) -> F64:
        """Return the variances of a window of so many blocks against the reference, without that of independent rows.

        float64 (shares, variances, quantiles). Of a part of a block: how much stretches vary falls from moment to
        block about as a straight line, or below it.
        """
        by_share = mean_variance(self.keeps, max(1.0, length)) + self.mean
        within = self.within * (1 - min(1.0, length))
        return (by_share[:, np.newaxis] * self.variances)[:, :, np.newaxis] + within

    def p_values(self, far: float, rows: float, length: float) -> tuple[float, float]:
        """Return the p-value of a window so far away, and the least of it with any share that is not excluded.

        ``rows``: the variance that independent rows have. ``length``: in blocks.
        """
        p = 2 * ndtr(-abs(far) / np.sqrt(self.own(length) + rows)).mean(axis=2)
        likely = self.weights.sum(axis=1)
        by_share = (self.weights * p).sum(axis=1) / likely
        return float((self.weights * p).sum()), float(by_share[likely >= NOT_EXCLUDED * likely.max()].min())

    def typical(self, length: float) -> float:
        """Return the median of the variances of a window, see :meth:`own`."""
        own = self.own(length)
        order = np.argsort(own, axis=None)
        weights = np.repeat(self.weights[:, :, np.newaxis], own.shape[2], axis=2).ravel()[order].cumsum()
        return float(own.ravel()[order][np.searchsorted(weights, weights[-1] / 2)])


def lasting(series: F64, at: F64, rows: F64, noise: float, day: float, within: F64 | None = None) -> Lasting:
    """Learn how a series goes on.

    ``series``: float64 (b,), how far each block is from all, with a sign. ``at``: float64 (b,), when, in blocks.
    ``rows``: float64 (b,), of each. ``noise``: the variance of a block that independent rows have. ``day``: blocks of
    a day. ``within``: see :func:`within`.

    >>> rng = np.random.default_rng(1)
    >>> found = lasting(rng.normal(size=60), np.arange(60.0), np.ones(60), 0.0, 1.0)
    >>> [round(p, 3) for far in (2, 3) for p in found.p_values(far, 0.0, 1)]
    [0.029, 0.026, 0.001, 0.001]
    """
    variances = max(float(series.var(ddof=1)), 1e-12) * np.geomspace(0.05, 60, VARIANCES)
    keeps, values, vectors = _spectra(tuple(at.tolist()), KEEPS ** (1 / max(1.0, day)))
    z, one, part = series @ vectors, vectors.sum(axis=1), (rows / rows.sum()) @ vectors  # float64 (shares, b) each
    spread = variances[:, np.newaxis] * values[:, np.newaxis] + noise
    ones, both, squares = ((product[:, np.newaxis] / spread).sum(axis=2) for product in (one * one, one * z, z * z))
    likelihood = -0.5 * (np.log(spread).sum(axis=2) + np.log(ones) + squares - both**2 / ones)
    weights = np.exp(likelihood - likelihood.max())
    more = np.zeros(1) if within is None else within
    mean = (part**2 * values).sum(axis=1)
    return Lasting(keeps, variances, weights / weights.sum(), mean, more, float((series**2).mean()))


def within(blocks: F64, short: F64, noise: float, length: float) -> F64:
    """Return how much more than a block a stretch varies that is hardly longer than none: float64 (quantiles,).

    ``blocks``, ``short``: float64 (k,), how far blocks, and a short stretch of each, are from all. ``noise``: the
    variance that independent rows add. ``length``: of a short stretch, in blocks.
    """
    most = max(float(((short - blocks) ** 2).mean()), float((short**2).mean() - (blocks**2).mean()))
    drawn = most * len(blocks) / chdtri(len(blocks), np.array(QUANTILES))
    found: F64 = np.maximum(drawn - noise, 0.0) / (1 - length)
    return found


def mean_variance(keeps: F64, length: float) -> F64:
    """Return the variance of the mean of so many blocks (1 or more, also between whole numbers), as a share of one's.

    >>> mean_variance(np.array([0.0, 0.5]), 2.0).tolist()
    [0.5, 0.75]
    """
    found: F64 = (1 + keeps) / (1 - keeps) / length - 2 * keeps * (1 - keeps**length) / (length * (1 - keeps)) ** 2
    return found


@lru_cache(maxsize=64)
def _spectra(at: tuple[float, ...], most: float) -> tuple[F64, F64, F64]:
    """Shares that a block may keep, equally likely before the blocks are seen (Jeffreys' prior, 1 / sqrt(1 - share²)),
    and of each the eigenvalues, float64 (shares, b), and eigenvectors of the correlation of blocks at these places."""
    keeps = np.sin(np.linspace(0, np.arcsin(most), SHARES))
    steps = np.abs(np.subtract.outer(np.array(at), np.array(at)))
    values, vectors = np.linalg.eigh(keeps[:, np.newaxis, np.newaxis] ** steps)
    return keeps, np.maximum(values, 0.0), vectors
