"""What other references would have led to learn: how far off a calibration on few rows is, by chance and by itself.

Isotonic regression fits its own chance: what it learns of few rows says too much of what scores tell apart, and where
all rows of a step are of one class it is sure. Drawing its rows again does not show that, drawing outcomes about a
smooth curve does (Sen, Banerjee and Woodroofe, "Inconsistency of bootstrap: the Grenander estimator", 2010).
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from .bins import SCORE_BINS
from .rising import Steps
from .tables import F64, I64

DRAWN = 64
PLACES = 512
"""Of scores, with as many rows each, that are told apart."""

_PENALTIES = np.array([1e-9, 0.1, 10.0, 30.0])
"""Of the coefficients of the curve: it is a line in the normal score of the rank unless rows say otherwise."""

_STEPS, _LONGEST, _STEEPEST = 30, 2.0, 30.0
_SEED = 20_261_122


@dataclass(frozen=True, slots=True, eq=False)
class Redrawn:
    """``place``: int64 (SCORE_BINS,), of p places, which one each bin is of. ``smooth``: float64 (p,), the curve.

    ``off``: float64 (DRAWN, p), what was learned of outcomes drawn about a curve, less the curve.
    """

    place: I64
    smooth: F64
    off: F64

    def variance(self, slope: F64) -> float:
        """Return the mean square of what is off in a sum over bins. ``slope``: float64 (SCORE_BINS,), of each bin."""
        moved = self.off @ np.bincount(self.place, slope, minlength=len(self.smooth))
        return float((moved**2).mean())


def redrawn(negative: F64, positive: F64) -> Redrawn:
    """Learn again, always from the same draws, of as many rows as there are: float64 (SCORE_BINS,), effective ones.

    The curve is a cubic logistic regression with Firth's penalty (1993) on the normal score of the rank, and drawn
    about itself, since a few rows do not tell which it is.

    >>> negative, positive = np.zeros((2, SCORE_BINS))
    >>> negative[1800:2300:5], positive[1800:2300:5] = np.linspace(9, 1, 100), np.linspace(1, 9, 100)
    >>> found = redrawn(negative, positive)
    >>> found.smooth[[10, 50, 90]].round(1).tolist(), found.off.shape
    ([0.2, 0.5, 0.8], (64, 100))
    """
    weights = negative + positive
    held = np.flatnonzero(weights > 0)
    reached = np.cumsum(weights[held])
    place_of = ((reached - weights[held] / 2) * (PLACES / reached[-1])).astype(np.int64)
    _, first, group = np.unique(place_of, return_index=True, return_inverse=True)
    weight, hits = (np.bincount(group, of[held]).astype(np.float64, copy=False) for of in (weights, positive))
    random = np.random.default_rng(_SEED)
    smooth, curves = _curves(weight, hits, random)
    rows = np.floor(weight + random.random(curves.shape))
    drawn = random.binomial(rows.astype(np.int64), curves).astype(np.float64)
    places = np.arange(len(weight))
    off = np.empty(curves.shape)
    for at, (n, hit, curve) in enumerate(zip(rows, drawn, curves, strict=True)):
        own = np.flatnonzero(n)
        learned = Steps.pooled(own, n[own], hit[own]) if len(own) else None
        off[at] = 0.0 if learned is None else learned.rate[np.searchsorted(learned.first, places, side="right") - 1]
        off[at] -= curve
    place = np.searchsorted(held[first], np.arange(SCORE_BINS), side="right") - 1
    return Redrawn(np.maximum(place, 0), smooth, off)


def _curves(weight: F64, hits: F64, random: np.random.Generator) -> tuple[F64, F64]:
    """The curve and ``DRAWN`` others, float64 (p,) and (DRAWN, p), about as far from it as chance may have it."""
    total = float(weight.sum())
    rank = (np.cumsum(weight) - weight / 2) / total
    z = np.array([NormalDist().inv_cdf(one) for one in rank.tolist()])
    x = np.stack([np.ones(len(z)), z, z**2, z**3])
    share = (float(hits.sum()) + 0.5) / (total + 1)
    found = np.array([np.log(share / (1 - share)), 0.0, 0.0, 0.0])
    spread = np.eye(len(found))
    for _ in range(_STEPS):
        p = _logistic(found @ x)
        information = weight * np.maximum(p * (1 - p), 1e-9)
        spread = np.linalg.inv((x * information) @ x.T + np.diag(_PENALTIES))
        leverage = information * ((spread @ x) * x).sum(axis=0)
        step = spread @ (x @ (hits - weight * p + leverage * (0.5 - p)) - _PENALTIES * found)
        step *= min(1.0, _LONGEST / max(float(np.abs(step).max()), 1e-12))
        found = found + step
        if np.abs(step).max() < 1e-6:
            break
    others = found + random.standard_normal((DRAWN, len(found))) @ np.linalg.cholesky(spread).T
    return _logistic(found @ x), _logistic(others @ x)


def _logistic(x: F64) -> F64:
    p: F64 = 1 / (1 + np.exp(-np.clip(x, -_STEEPEST, _STEEPEST)))
    return p
