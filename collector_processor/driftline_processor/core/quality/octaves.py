"""Values outside the bins: the distribution within a power of two, by its mean and standard deviation.

Values that all lie between 256 and 512 are in one entry of ``tails``: °C in K are, and so is a constant 300.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from driftline.panes.bins import NumberBins
from driftline.panes.unbinned_values import OFFSET_UNIT, TAILS, octave, offsets
from driftline.tables.table import F64

from .feature_sums import DistributionFunction, FeaturePair

_FRACTIONS = (np.arange(2_000) + 0.5) / 2_000


class Octave(NamedTuple):
    """The fraction of a window's values in a power of two, with mean and standard deviation of their positions."""

    share: float
    mean: float
    deviation: float


def octaves_of(pair: FeaturePair) -> dict[int, Octave]:
    """Return the powers of two outside the bins with at least 2 % of the window's values."""
    now = pair.now
    if now.tails is None or now.offsets is None:
        return {}
    octaves = {}
    for entry in np.flatnonzero(now.tails >= 0.02 * now.usable).tolist():
        weight = float(now.tails[entry])
        mean, square = now.offsets[entry] / weight / OFFSET_UNIT, now.offsets[TAILS + entry] / weight / OFFSET_UNIT**2
        octaves[entry] = Octave(weight / now.usable, float(mean), math.sqrt(max(0.0, float(square - mean**2))))
    return octaves


def sample_of(function: DistributionFunction) -> F64:
    """Return values that represent a distribution: float64 (2000,), ascending."""
    return np.interp(_FRACTIONS, function.below, function.points)


def left_within(octaves: Mapping[int, Octave], pair: FeaturePair, values: F64, share: float = 1.0) -> float:
    """Return the KS distance, about, between the window and expected ``values`` within powers of two.

    ``share``: the fraction of the window that has the expected distribution.
    """
    assert isinstance(pair.bins, NumberBins)
    outside = values[np.isfinite(values) & ((values < pair.bins.edges[0]) | (values >= pair.bins.edges[-1]))]
    entries, steps = octave(outside), offsets(outside) / OFFSET_UNIT
    left = 0.0
    for entry, held in octaves.items():
        here = steps[entries == entry]
        if len(here) / len(values) * share < 0.5 * held.share:
            continue  # the distribution function differs by as much, or the baseline is there, too
        spread = max(float(here.std()), 1 / OFFSET_UNIT)
        # 0.4, 0.24: distance of two normal distributions per standard deviation between their means, and per natural
        # logarithm of the ratio of their standard deviations
        apart = 0.4 * abs(float(here.mean()) - held.mean) / spread
        wider = 0.24 * abs(math.log(max(held.deviation, 1 / OFFSET_UNIT) / spread))
        left = max(left, held.share * min(1.0, max(apart, wider)))
    return left
