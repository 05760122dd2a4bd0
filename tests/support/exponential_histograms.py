"""Exponential histograms by the definition of the specification."""

from __future__ import annotations

import numpy as np
from driftline.tables.table import F64
from driftline_processor.core.histogram import Buckets, Exponential


def exponential(values: F64, scale: int) -> Exponential:
    """Count values by the definition of the specification."""

    def buckets(sizes: F64) -> Buckets:
        if not len(sizes):
            return Buckets(0, np.empty(0))
        index = np.ceil(np.log2(sizes) * 2.0**scale).astype(np.int64) - 1
        return Buckets(int(index.min()), np.bincount(index - index.min()).astype(np.float64))

    low, high = (float(values.min()), float(values.max())) if len(values) else (-np.inf, np.inf)
    zero = float((values == 0).sum())
    return Exponential(scale, zero, 0.0, buckets(values[values > 0]), buckets(-values[values < 0]), np.nan, low, high)


def as_sent(values: F64) -> Exponential:
    """Count values as an SDK does: 160 buckets a sign, at the finest scale that holds them all."""
    sizes = np.abs(values[values != 0])
    for scale in range(20, -11, -1):
        index = np.ceil(np.log2(sizes) * 2.0**scale)
        if index.max() - index.min() < 160:
            return exponential(values, scale)
    raise AssertionError("no scale holds these values")
