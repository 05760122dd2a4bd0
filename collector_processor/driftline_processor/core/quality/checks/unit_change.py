"""Unit change: a column multiplied or divided by 10, 100, 1,000, a million, or a ratio of time units."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.quality.check import Check, CheckResult, Suspicion, suspicion
from driftline_processor.core.quality.feature_sums import (
    ChangedNumber,
    CheckInput,
    DistributionFunction,
    Mixture,
    mixture,
)

FACTORS = (10.0, 100.0, 1000.0, 1e6, 0.1, 0.01, 0.001, 1e-6)

OF_TIME = tuple(factor for times in (12, 24, 60, 3_600, 86_400) for factor in (float(times), 1.0 / times))
"""Ratios of time units: months per year, hours per day, minutes and seconds per hour and so on.

They are tried for all values only. Mixtures with these factors would explain heavier tails: 9 of 132 features to the
power 1.2 (docs/data/data-quality.md has none).
"""

ALL_FACTORS = FACTORS + OF_TIME

APART = 0.3, 0.5
"""Minimum KS distance between the baseline and the baseline in another unit (values other than zero): if nearly all
values changed, and if some changed. Above the second, a smooth drift cannot look like a mixture.
"""


class _Fit(NamedTuple):
    factor: float
    of: Mixture


def find(look: CheckInput) -> CheckResult:
    """Find numbers whose distribution is a mixture of the baseline and of the baseline times a factor.

    From panes: over the bins, and over powers of two outside them. A finding needs a significant KS distance from the
    baseline, and a mixture that leaves no more of it than chance and the grid explain. Zeros are ignored. A real change
    by exactly such a factor cannot be distinguished from a change of unit: hence the question mark.
    """
    suspicions = [suspicion for changed in look.changed if (suspicion := _check_pair(changed)) is not None]
    return CheckResult(int(np.count_nonzero(look.table.number)), suspicions)


def _check_pair(changed: ChangedNumber) -> Suspicion | None:
    pair, points = changed.pair, changed.now.points
    not_zero = 1.0 - _at_zero(changed.was)
    fits = [
        _Fit(factor, mixture(changed.now.below, changed.baseline_cdf, changed.was.at(_divided(points, factor))))
        for factor in ALL_FACTORS
    ]
    good = [fit for fit in fits if not_zero > 0 and _good(fit, changed.noise, not_zero)]
    if not good:
        return None
    best = min(good, key=lambda fit: fit.of.residual)
    # 0.1: fraction of the noise within which two factors explain equally well: a sentence names both
    equal = [fit.factor for fit in good if fit.of.residual <= best.of.residual + 0.1 * changed.noise]
    share = best.of.share
    return suspicion(
        CHECK.name,
        [pair.name],
        changed.p,
        was=0.0,
        now=share,
        concerned=share * not_zero * pair.now.usable / pair.now.rows,
        factors=tuple(sorted(equal)),
        without_zero=not_zero <= 0.99,  # 0.99: above it zeros are too few to be mentioned
    )


def _divided(points: F64, factor: float) -> F64:
    """Return the points in the baseline's unit; nonzero points keep their sign."""
    with np.errstate(over="ignore"):  # near the largest float
        divided = points / factor
    return np.where((divided == 0) & (points != 0), np.copysign(np.nextafter(0.0, 1.0), points), divided)


def _good(fit: _Fit, chance: float, not_zero: float) -> bool:
    # 0.9: fraction of the values in another unit above which all are; chance and other units explain the remainder
    mixture, all_of_it = fit.of, fit.of.share >= 0.9
    least_distance = APART[0] if all_of_it else APART[1]
    # 0.25: maximum unexplained fraction of the distance; otherwise something else shifted the feature
    explained = mixture.residual <= min(chance, 0.25 * mixture.distance)
    # 0.05: minimum fraction of values in another unit; a heavier tail would explain fewer
    enough = mixture.share >= 0.05 and (all_of_it or fit.factor in FACTORS)
    return enough and mixture.component_distance >= least_distance * not_zero and explained


def _at_zero(was: DistributionFunction) -> float:
    """Return the fraction of values that are exactly zero; 0 if the baseline has no bin for zero."""
    if not (was.points == 0.0).any():
        return 0.0
    below, through = was.at(np.array([0.0, np.nextafter(0.0, 1.0)]))
    return float(through - below)


CHECK = Check("unit_change", "unit change", "panes", find, covers=frozenset({"out_of_range", "unseen", "constant"}))
