"""The tail of a weighted sum of squared standard normals: what many statistics are without drift."""

from __future__ import annotations

import numpy as np
from driftline.tables import F64
from scipy.special import ndtr

_STEPS = 60


def quadratic_tail(x: F64, weights: F64) -> F64:
    """Return P(Σ w_j Z_j² >= x): float64 (k,).

    ``x``: float64 (k,). ``weights``: float64 (k, n), none negative; zeros are nothing. A saddlepoint approximation:
    right to 2 % of itself where many weights count, and up to 12 % too large where one does, at 0.05 as at 1e-12, which
    no fit of moments is.

    Source: Kuonen, "Saddlepoint approximations for distributions of quadratic forms in normal variables" (1999);
    Lugannani and Rice (1980).

    >>> quadratic_tail(np.array([18.307, 40.0]), np.ones((2, 10))).round(6).tolist()  # chi-square of 10 degrees
    [0.050083, 1.7e-05]
    """
    greatest = weights.max(axis=-1)
    there = (greatest > 0) & (x > 0)
    scaled = np.where(there[:, np.newaxis], weights / np.where(greatest > 0, greatest, 1.0)[:, np.newaxis], 0.0)
    y = np.where(there, x / np.where(greatest > 0, greatest, 1.0), 1.0)
    # K'(t) = Σ w / (1 - 2 t w) grows from 0 to infinity on (-inf, 1/2): halve until it is y
    low = -0.5 * np.count_nonzero(scaled, axis=-1) / y - 1.0
    high = np.full(len(y), 0.5)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        below = (scaled / (1 - 2 * middle[:, np.newaxis] * scaled)).sum(axis=-1) < y
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    t = (low + high) / 2
    left = 1 - 2 * t[:, np.newaxis] * scaled
    root = np.sign(t) * np.sqrt(np.maximum(2 * (t * y + 0.5 * np.log(left).sum(axis=-1)), 0.0))
    curved = t * np.sqrt((2 * scaled**2 / left**2).sum(axis=-1))
    far = np.abs(root) > 1e-4  # at the mean itself the formula is 0 / 0
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = np.where(far, root + np.log(curved / np.where(far, root, 1.0)) / np.where(far, root, 1.0), 0.0)
    p = np.where(far, ndtr(-moved), 0.5)
    return np.where(there, np.clip(p, 0.0, 1.0), np.where(x > 0, 0.0, 1.0))
