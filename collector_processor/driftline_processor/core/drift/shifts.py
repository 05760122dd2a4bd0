"""How far apart two samples are, in one unit for all: the shift of a normal feature, in its standard deviations.

A distance of distribution functions cannot exceed 1, so days that differ much look alike in it. As the shift of a
normal feature that shows the same distance, days that differ normally do so there, too.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from driftline.tables import F64
from scipy.special import chdtri, ndtri

MOST = 0.9999
"""A greater distance is taken for this one: a shift of 7.8, or of 8.6."""

DISTANCE = np.pi**2 / 12
"""Rows times the mean squared distance of independent rows."""

RARELY = 0.3997
"""The same of a normal deviate that is as far as the distance once in a hundred: (1.6276 / 2.5758)²."""


def apart(counts: F64, whole: F64, *, ordered: bool) -> F64:
    """Return the deviations of samples from a whole, float64 (..., k): their distribution functions', else shares'.

    ``counts``: float64 (..., cells); ``whole``: float64 (cells,). Of shares those of their roots.
    """
    now, was = counts / counts.sum(axis=-1, keepdims=True), whole / whole.sum()
    deviation: F64 = (np.cumsum(was) - np.cumsum(now, axis=-1))[..., :-1] if ordered else np.sqrt(now) - np.sqrt(was)
    return deviation


def shift(apart: F64, *, ordered: bool) -> F64:
    """Return the shift of a normal feature that has these deviations: float64 (...).

    By their Kolmogorov-Smirnov distance, of shares by that of Bhattacharyya.

    >>> shift(np.array([[0.1, 0.3829]]), ordered=True).round(3).tolist()
    [1.0]
    """
    if ordered:
        found: F64 = 2 * ndtri((1 + np.minimum(np.abs(apart).max(axis=-1), MOST)) / 2)
    else:
        found = np.sqrt(-8 * np.log1p(-np.minimum((apart**2).sum(axis=-1) / 2, MOST)))
    return found


class Noise(NamedTuple):
    """Rows times the variance that a shift has by chance, of independent rows.

    ``alone``: where there is none, its mean square. ``beside``: of one that is greater. ``rarely``: of a normal deviate
    that is as far as a shift by chance is once in a hundred.
    """

    alone: float
    beside: float
    rarely: float


def noise(cells: int, *, ordered: bool) -> Noise:
    """Return how much a shift over so many cells varies by chance."""
    if ordered:
        return Noise(2 * np.pi * DISTANCE, np.pi / 2, 2 * np.pi * RARELY)
    freedom = max(1, cells - 1)
    return Noise(freedom, 1.0, float(chdtri(freedom, 0.01) / chdtri(1, 0.01)))
