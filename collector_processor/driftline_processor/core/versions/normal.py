"""Evidence for pairs that have no bound or carry weights: Robbins' mixture over the standardised sum, as rows grow.

An asymptotic confidence sequence (Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2024, Annals of Statistics 52:2613,
theorem 2.2, with half a normal distribution as its mixture, since each side is asked by itself; Robbins 1970). Like
what :mod:`.wagers` knows it needs sums only; unlike it the promise holds in the limit, so nothing is said of fewer
than :data:`LEAST` rows.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from driftline.tables import F64
from scipy.special import log_ndtr

LEAST: Final = 200
"""Rows, of weighted ones Kish's effective number, of each version, before which nothing is said."""

_TUNED: Final = 200.0
"""Rows for which the mixture is narrowest are some eight times as many."""


def evidence(standardised: F64, rows: F64) -> F64:
    """Return the logarithm of the mixture after ``rows`` rows whose sum is so many standard deviations above the null.

    >>> evidence(np.array([0.0, 4.0]), np.array([1000.0, 1000.0])).round(2)
    array([-0.9 ,  6.46])
    """
    share = rows / (rows + _TUNED)
    grown = standardised**2 / 2 * share + log_ndtr(standardised * np.sqrt(share))
    mixed: F64 = np.log(2) - np.log1p(rows / _TUNED) / 2 + grown
    return mixed
