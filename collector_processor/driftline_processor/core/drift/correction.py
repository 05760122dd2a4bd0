"""Correct p-values for looking at many features at once."""

from __future__ import annotations

import numpy as np
from driftline.tables import F64


def benjamini_hochberg(p: F64) -> F64:
    """Return adjusted p-values: those <= a are the discoveries whose expected false share is at most a.

    ``p``: float64 (k,), none NaN. Equal to ``scipy.stats.false_discovery_control(method="bh")``. Evidently and NannyML
    do not correct.

    Source: Benjamini and Hochberg, "Controlling the false discovery rate" (1995).

    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03, 0.5])).round(4).tolist()
    [0.04, 0.0533, 0.0533, 0.5]
    """
    k = len(p)
    order = np.argsort(p)
    scaled = p[order] * k / np.arange(1, k + 1)
    adjusted = np.empty(k)
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return adjusted
