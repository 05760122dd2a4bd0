"""Calibration of scores: isotonic regression over the score grid, and its error on few rows, by resampling.

Isotonic regression pools adjacent violators (Barlow et al., *Statistical Inference under Order Restrictions*, 1972).
It overfits: on few rows its steps are too far apart, and a step whose rows are of one class has no variance. A
bootstrap of the rows does not show this error; outcomes drawn from a smooth curve do (Sen, Banerjee and Woodroofe,
"Inconsistency of bootstrap: the Grenander estimator", 2010).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple, Self

import numpy as np

from driftline.panes.bins import SCORE_BINS
from driftline.tables.table import F64, I64

from .section import check_first


@dataclass(frozen=True, slots=True, eq=False)
class IsotonicSteps:
    """A step function over the bins of the score grid.

    Attributes:
        first: int64 (s,), first bin of each step, from 0 on.
        rate: float64 (s,), fraction of positives, ascending.
        weight: float64 (s,), weight of the rows of each step.
    """

    first: I64
    rate: F64
    weight: F64

    @classmethod
    def of(cls, negative: F64, positive: F64) -> Self | None:
        """Fit the steps to the weight of negatives and positives per bin; None with fewer than 30 of either.

        >>> negative, positive = np.zeros((2, SCORE_BINS))
        >>> negative[[2000, 2050, 2100]], positive[[2000, 2050, 2100]] = [60, 10, 20], [20, 0, 60]
        >>> steps = IsotonicSteps.of(negative, positive)
        >>> steps.first.tolist(), steps.rate.round(3).tolist()
        ([0, 2100], [0.222, 0.75])
        """
        # 30: minimum rows of either class for a calibration
        if min(negative.sum(), positive.sum()) < 30:
            return None
        weights = negative + positive
        filled = np.flatnonzero(weights > 0)
        return cls.pooled(filled, weights[filled], positive[filled])

    @classmethod
    def pooled(cls, bins: I64, weight: F64, positive: F64) -> Self:
        """Pool adjacent violators of b bins.

        ``bins``: int64 (b,), ascending; ``weight`` above 0, ``positive``: float64 (b,).
        """
        first: list[int] = []
        total: list[float] = []
        hits: list[float] = []
        for place, bin_weight, hit in zip(bins.tolist(), weight.tolist(), positive.tolist(), strict=True):
            first.append(place)
            total.append(bin_weight)
            hits.append(hit)
            while len(first) > 1 and hits[-2] * total[-1] >= hits[-1] * total[-2]:
                first.pop()
                more, weigh = hits.pop(), total.pop()
                hits[-1] += more
                total[-1] += weigh
        first[0] = 0
        weight_of = np.array(total)
        return cls(np.array(first, np.int64), np.array(hits) / weight_of, weight_of)

    @property
    def of_bin(self) -> I64:
        """Return the step of each bin of the grid: int64 (SCORE_BINS,)."""
        return np.repeat(np.arange(len(self.first)), np.diff(self.first, append=SCORE_BINS))

    def rates(self) -> F64:
        """Return the rate of each bin of the grid: float64 (SCORE_BINS,)."""
        return self.rate[self.of_bin]

    def check(self) -> None:
        """Raise ``ValueError`` for steps that do not ascend."""
        check_first(self.first, SCORE_BINS)
        if not self.first.shape == self.rate.shape == self.weight.shape:
            raise ValueError("must have a rate and a weight for each step")
        if (self.rate < 0).any() or (self.rate > 1).any() or (np.diff(self.rate) < 0).any() or (self.weight <= 0).any():
            raise ValueError("rates must increase between 0 and 1, and weights must be above 0")


RESAMPLES = 64

_PENALTIES = np.array([1e-9, 0.1, 10.0, 30.0])
"""Penalties of the curve's coefficients: a line in the normal score of the rank, unless the rows show otherwise."""

_STEPS, _HALVINGS, _NEAR, _STEEPEST = 60, 40, 1e-5, 30.0
_SEED = 20_261_122


@dataclass(frozen=True, slots=True, eq=False)
class ResampledCalibration:
    """A calibration curve, and curves fitted to resampled outcomes.

    Attributes:
        place: int64 (SCORE_BINS,), index of each bin among p distinct places.
        smooth: float64 (p,), the curve.
        off: float64 (RESAMPLES, p), curves fitted to outcomes drawn from the curve, minus the curve.
    """

    place: I64
    smooth: F64
    off: F64

    def off_by(self, slope: F64, bins: I64) -> tuple[float, float]:
        """Return the mean square error of a weighted sum over bins, and the square of its mean error (the bias).

        Args:
            slope: float64 (n,), weight of each bin.
            bins: int64 (n,), the bins in ascending order.
        """
        moved = self.off @ np.bincount(self.place[bins], slope, minlength=len(self.smooth))
        return float((moved**2).mean()), float(moved.mean()) ** 2


def resample_calibration(negative: F64, positive: F64) -> ResampledCalibration:
    """Fit the calibration again to outcomes drawn with a fixed seed: float64 (SCORE_BINS,), effective rows.

    The curve is a cubic logistic regression with Firth's penalty (1993) on the normal score of the rank. The outcomes
    are drawn from curves around it, because few rows do not determine the curve.

    >>> negative, positive = np.zeros((2, SCORE_BINS))
    >>> negative[1800:2300:5], positive[1800:2300:5] = np.linspace(9, 1, 100), np.linspace(1, 9, 100)
    >>> found = resample_calibration(negative, positive)
    >>> found.smooth[[10, 50, 90]].round(1).tolist(), found.off.shape
    ([0.2, 0.5, 0.8], (64, 100))
    """
    weights = negative + positive
    filled = np.flatnonzero(weights > 0)
    reached = np.cumsum(weights[filled])
    # 512: groups of scores with equal numbers of rows
    place_of = ((reached - weights[filled] / 2) * (512 / reached[-1])).astype(np.int64)
    _, first, group = np.unique(place_of, return_index=True, return_inverse=True)
    weight, hits = (np.bincount(group, counts[filled]).astype(np.float64, copy=False) for counts in (weights, positive))
    random = np.random.default_rng(_SEED)
    smooth, curves = _curves(weight, hits, random)
    rows = np.floor(weight + random.random(curves.shape))
    drawn_hits = random.binomial(rows.astype(np.int64), curves).astype(np.float64)
    places = np.arange(len(weight))
    off = np.empty(curves.shape)
    for index, (n, hit, curve) in enumerate(zip(rows, drawn_hits, curves, strict=True)):
        with_rows = np.flatnonzero(n)
        learned = IsotonicSteps.pooled(with_rows, n[with_rows], hit[with_rows]) if len(with_rows) else None
        off[index] = 0.0 if learned is None else learned.rate[np.searchsorted(learned.first, places, side="right") - 1]
        off[index] -= curve
    place = np.searchsorted(filled[first], np.arange(SCORE_BINS), side="right") - 1
    return ResampledCalibration(np.maximum(place, 0), smooth, off)


def _curves(weight: F64, hits: F64, random: np.random.Generator) -> tuple[F64, F64]:
    """Return the curve, float64 (p,), and random curves around it, float64 (RESAMPLES, p)."""
    total = float(weight.sum())
    rank = (np.cumsum(weight) - weight / 2) / total
    z = np.array([NormalDist().inv_cdf(share) for share in rank.tolist()])
    x = np.stack([np.ones(len(z)), z, z**2, z**3])
    coefficients, covariance = next(
        fit for terms in (4, 3, 2, 1) if (fit := _fitted(x[:terms], weight, hits)) is not None
    )
    drawn_coefficients = (
        coefficients
        + random.standard_normal((RESAMPLES, len(x)))[:, : len(coefficients)] @ np.linalg.cholesky(covariance).T
    )
    used = x[: len(coefficients)]
    return _logistic(coefficients @ used), _logistic(drawn_coefficients @ used)


def _fitted(x: F64, weight: F64, hits: F64) -> tuple[F64, F64] | None:
    """Return the coefficients of a curve and their covariance, float64 (k,) and (k, k); None without convergence.

    Newton's method with the expected information; each step is halved until the penalised likelihood rises, because
    full steps diverge if positives are few. ``x``: float64 (k, p), the first row of ones. Without other terms, it
    always converges.
    """
    share = (float(hits.sum()) + 0.5) / (float(weight.sum()) + 1)
    coefficients = np.zeros(len(x))
    coefficients[0] = math.log(share / (1 - share))
    now = _Likelihood.of(coefficients, x, weight, hits)
    for _ in range(_STEPS):
        step = now.step
        for _ in range(_HALVINGS):
            then = _Likelihood.of(coefficients + step, x, weight, hits)
            if then.value > now.value:
                break
            step = step / 2
        else:
            then, step = now, np.zeros(len(x))
        coefficients, now = coefficients + step, then
        if np.abs(now.step).max() < _NEAR:
            return coefficients, now.covariance
    return (coefficients, now.covariance) if len(x) == 1 else None


class _Likelihood(NamedTuple):
    """The likelihood of a curve: Firth's penalised logarithm, the next step upwards, and the covariance."""

    value: float
    step: F64
    covariance: F64

    @classmethod
    def of(cls, coefficients: F64, x: F64, weight: F64, hits: F64) -> _Likelihood:
        penalties = _PENALTIES[: len(x)]
        line = np.clip(coefficients @ x, -_STEEPEST, _STEEPEST)
        p = 1 / (1 + np.exp(-line))
        varies = weight * np.maximum(p * (1 - p), 1e-9)
        information = (x * varies) @ x.T + np.diag(penalties)
        covariance = np.linalg.inv(information).astype(np.float64, copy=False)
        leverage = varies * ((covariance @ x) * x).sum(axis=0)
        step = covariance @ (x @ (hits - weight * p + leverage * (0.5 - p)) - penalties * coefficients)
        of_rows = float(hits @ line - weight @ np.logaddexp(0, line))
        value = of_rows + float(np.linalg.slogdet(information)[1] - penalties @ coefficients**2) / 2
        return cls(value, step, covariance)


def _logistic(x: F64) -> F64:
    p: F64 = 1 / (1 + np.exp(-np.clip(x, -_STEEPEST, _STEEPEST)))
    return p
