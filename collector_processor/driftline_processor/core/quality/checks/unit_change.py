"""Unit change: a column in another unit, such as kilometres in miles, °C in °F, another currency, or its logarithm."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from driftline.panes.unbinned_values import OFFSET_UNIT
from driftline.tables.table import F64
from msgspec.structs import replace

from driftline_processor.core.quality.check import Check, CheckResult, Suspicion, suspicion
from driftline_processor.core.quality.feature_sums import (
    ChangedNumber,
    CheckInput,
    DistributionFunction,
    Mixture,
    atoms_of,
    edges_of,
    is_resolved,
    largest,
    mixture,
)
from driftline_processor.core.quality.octaves import left_within, octaves_of, sample_of

APART = 0.3, 0.5
"""Minimum KS distance between the baseline and the baseline times a power of ten or a ratio of time units (values other
than zero): if nearly all values changed, and if some changed. Above the second, a smooth drift cannot look like a
mixture.
"""

APART_OTHERWISE = 0.2, 0.9
"""The same of other conversions, which must explain more of the distance."""

LEAST_OUTSIDE = 0.01
"""Minimum increase of the fraction of values out of the baseline's range, of which the baseline has 0.002: a choice of
its rows that prefers the largest values seven times as much adds up to 0.01.
"""

ALL = 0.9
"""Fraction of the values in another unit above which all are; chance and other units explain the remainder."""

EQUAL = 0.2
"""Fraction of the noise within which two conversions explain equally well."""

EXACT = 0.35
"""The same of a conversion and the best factor: the factor's own error."""

MOST_GROWTH = 2.5
"""Factor without a name up to which values may have grown, or fallen."""

MOST = 40
"""Number of features, those that changed most, for which a factor is fitted."""


class Conversion(NamedTuple):
    """A conversion of a column to another unit.

    Attributes:
        name: Such as "km to miles"; "" for a factor without a name.
        factor: The factor; 0 for other conversions.
        there: From the baseline's unit to the other.
        back: From the other unit to the baseline's.
        range: The range of the baseline's values for which the conversion is tried.
        round: True for powers of ten and ratios of time units, which natural changes rarely resemble.
        parts: True if the conversion of a part of the values is found, too.
        falls: True if larger values are smaller in the other unit.
        seasons: True if the other unit's values are so far away that the window may be of another season.
    """

    name: str
    factor: float
    there: Callable[[F64], F64]
    back: Callable[[F64], F64]
    range: tuple[float, float] = (-math.inf, math.inf)
    round: bool = False
    parts: bool = False
    falls: bool = False
    seasons: bool = False

    def below(self, was: DistributionFunction, points: F64) -> F64:
        """Return the fraction of the baseline's values that are below points in the other unit: float64 (k,)."""
        back = self.back(points)
        return 1.0 - was.at(np.nextafter(back, np.inf)) if self.falls else was.at(back)


def multiplied(factor: float, name: str = "", *, round: bool = False, parts: bool = False) -> Conversion:
    """Return the conversion by a factor."""
    return Conversion(name, factor, lambda x: x * factor, lambda x: _divided(x, factor), round=round, parts=parts)


def _affine(
    name: str, factor: float, offset: float, low: float, high: float, *, seasons: bool = True
) -> tuple[Conversion, Conversion]:
    """Return the conversion to ``offset + factor x`` and back, for values from ``low`` to ``high``."""
    there, back = (lambda x: offset + factor * x), (lambda x: (x - offset) / factor)
    first, second = name.split(" to ")
    reverse, end = f"{second} to {first}", (offset + factor * low, offset + factor * high)
    return (
        Conversion(name, 0.0, there, back, (low, high), parts=True, seasons=seasons),
        Conversion(reverse, 0.0, back, there, end, parts=True, seasons=seasons),
    )


def _both(name: str, factor: float) -> tuple[Conversion, Conversion]:
    first, second = name.split(" to ")
    return multiplied(factor, name, parts=True), multiplied(1 / factor, f"{second} to {first}", parts=True)


def _logarithm(name: str, there: Callable[[F64], F64], back: Callable[[F64], F64]) -> tuple[Conversion, Conversion]:
    def log(x: F64) -> F64:
        return there(np.maximum(x, 1e-300))

    return Conversion(name, 0.0, log, back, (0.0, math.inf)), Conversion(f"{name} to values", 0.0, back, log)


POWERS = (10.0, 100.0, 1000.0, 1e6, 0.1, 0.01, 0.001, 1e-6)

OF_TIME = tuple(factor for times in (12, 24, 60, 3_600, 86_400) for factor in (float(times), 1.0 / times))

OPPOSITE = Conversion("", -1.0, np.negative, np.negative, round=True, parts=True, falls=True)
"""The opposite sign, as of a coordinate, a balance or a difference that is taken the other way round."""

CONVERSIONS: tuple[Conversion, ...] = (
    OPPOSITE,
    *(multiplied(factor, round=True, parts=True) for factor in POWERS),
    *(multiplied(factor, round=True) for factor in OF_TIME),
    *_affine("°C to °F", 1.8, 32.0, -90.0, 60.0, seasons=False),
    *_affine("°C to K", 1.0, 273.15, -100.0, 400.0),
    *_affine("°F to K", 1 / 1.8, 273.15 - 32 / 1.8, -148.0, 752.0),
    *_both("miles to km", 1.609344),
    *_both("kg to lb", 2.20462262),
    *_both("inch to cm", 2.54),
    *_both("m to feet", 3.2808399),
    *_both("m/s to km/h", 3.6),
    *_both("gallons to litres", 3.78541178),
    *_both("radians to degrees", 180 / math.pi),
    *_logarithm("natural logarithm", np.log, np.exp),
    *_logarithm("logarithm of 1 + x", np.log1p, np.expm1),
    *_logarithm("common logarithm", np.log10, lambda x: 10.0**x),
)
"""Conversions with exact numbers. Ratios of time units are tried for all values only: mixtures with these factors would
explain heavier tails (9 of 132 features to the power 1.2, evidence/quality.json has none).
"""


class _Fit(NamedTuple):
    conversion: Conversion
    of: Mixture


def find(look: CheckInput) -> CheckResult:
    """Find numbers whose distribution is that of the baseline, or a mixture with it, in another unit.

    From panes: over the bins, over powers of two outside them, and by the mean and the standard deviation within these.
    A finding needs a significant KS distance from the baseline, and a mixture that leaves no more of it than chance and
    the grid explain. Zeros are ignored. A factor without a name must explain the window better than a shift of all
    values does. A real change by exactly such a factor cannot be distinguished from a change of unit: hence the
    question mark. A factor is minor if it may be growth, or if other rows of the baseline explain the values, too. If
    most other numbers changed, something else moved them all, and one of many fits some factor by chance: then only
    powers of ten, ratios of time units, and conversions with an offset are found.
    """
    most = sorted(look.changed, key=lambda changed: -changed.distance)[:MOST]
    with np.errstate(all="ignore"):  # values near the largest float
        suspicions = [
            found for changed in most if (found := _check_pair(changed, fitted=not look.most_changed)) is not None
        ]
    return CheckResult(int(np.count_nonzero(look.table.number)), suspicions)


def _check_pair(changed: ChangedNumber, fitted: bool) -> Suspicion | None:
    window = _Window(changed)
    if window.not_zero <= 0 or changed.distance < 0.05 * APART_OTHERWISE[0]:
        return None
    explanation = _best_fit(window)
    if explanation is None:
        return None
    best, equal = explanation
    if not fitted and best.conversion.factor and not best.conversion.round:
        return None
    # 2: the digits that a mixture of bins tells
    pair, share = changed.pair, round(best.of.share, 2)
    found = suspicion(
        CHECK.name,
        [pair.name],
        changed.p,
        was=0.0,
        now=share,
        concerned=share * window.not_zero * pair.now.usable / pair.now.rows,
        factors=tuple(sorted(conversion.factor for conversion in equal if conversion.factor)),
        units=tuple(conversion.name for conversion in equal if conversion.name),
        without_zero=window.not_zero <= 0.99,  # above it zeros are too few to be mentioned
    )
    factor = best.conversion.factor
    grows = not best.conversion.name and not best.conversion.round and max(factor, 1 / factor) <= MOST_GROWTH
    if grows or not window.leaves(best):
        return found._replace(finding=replace(found.finding, severity="minor"))
    return found


def _best_fit(window: _Window) -> tuple[_Fit, list[Conversion]] | None:
    """Return the best fit, and all conversions that explain the window equally well; None if none explains it.

    A factor without a name is the best if no other conversion explains the window, if too many do for a reader, or if
    it explains more than they do.
    """
    noise, lengths = window.changed.noise, window.changed.pair.lengths
    tried = [one for one in CONVERSIONS if window.within(one.range) and (one.round or not lengths)]
    good = sorted(filter(window.explained, map(window.fit, tried)), key=lambda fit: fit.of.residual)
    best = good[0] if good else None
    equal = [fit.conversion for fit in good if fit.of.residual <= good[0].of.residual + EQUAL * noise]
    if not lengths and (best is None or (best.of.share >= ALL and best.conversion.factor)):
        free = window.free_factor()
        # 2: maximum number of conversions for a reader
        if free is not None and (best is None or len(equal) > 2 or free.of.residual < best.of.residual - EXACT * noise):
            return free, [free.conversion]
    return None if best is None else (best, equal)


class _Window:
    """A changed number, prepared for many conversions."""

    def __init__(self, changed: ChangedNumber) -> None:
        self.changed, self.now, self.points = changed, changed.now.below, changed.now.points
        self.not_zero = 1.0 - _at_zero(changed.was)
        self.sample = sample_of(changed.was)
        self._octaves = octaves_of(changed.pair)

    def within(self, values: tuple[float, float]) -> bool:
        """Return True if nearly all of the baseline's values are in a range."""
        return bool(values[0] <= self.sample[20] and self.sample[-21] <= values[1])

    def fit(self, conversion: Conversion) -> _Fit:
        """Return the window as a mixture of the baseline and of the baseline in another unit."""
        other = conversion.below(self.changed.was, self.points)
        mixed = mixture(self.now, self.changed.baseline_cdf, other)
        if mixed.share >= ALL and not conversion.round:
            mixed = mixed._replace(share=1.0, residual=largest(self.now - other))
        return _Fit(conversion, mixed)

    def explained(self, fit: _Fit) -> bool:
        """Return True if the values are spread over bins, and powers of two, as the conversion spreads them."""
        conversion, mixed, all_of_it = fit.conversion, fit.of, fit.of.share >= ALL
        apart = (APART if conversion.round else APART_OTHERWISE)[0 if all_of_it else 1]
        not_zero = self.not_zero if conversion.factor else 1.0
        # 0.05: minimum fraction of values in another unit; a heavier tail would explain fewer
        return (
            (all_of_it or conversion.parts)
            and mixed.share >= 0.05
            and mixed.component_distance >= apart * not_zero
            and mixed.residual <= self._most_left(fit)
            and self._left(fit) <= (0.6 if self._other_season(fit) else self._most_left(fit))
            and self._atoms_moved(fit)
            and self._spread(fit)
            and is_resolved(edges_of(self.changed.pair), partial(conversion.below, self.changed.was))
            and (self.leaves(fit) or (all_of_it and bool(conversion.name and conversion.factor)))
            and (conversion.round or (self._no_shift(fit) if all_of_it else not conversion.factor or self._exact(fit)))
        )

    def free_factor(self) -> _Fit | None:
        """Return the factor that explains all values, if better than a shift of all values; else None."""
        middle_was, middle_now = (np.interp(0.5, one.below, one.points) for one in (self.changed.was, self.changed.now))
        ratio, best = float(np.divide(middle_now, middle_was)), _Fit(multiplied(1.0), Mixture(1.0, 1.0, 1.0, 1.0))
        if self.changed.distance < APART_OTHERWISE[0] * self.not_zero or not 0 < ratio < math.inf:
            return None
        for factors in (np.geomspace(0.67, 1.5, 81), np.geomspace(0.995, 1.005, 11)):
            tried = [multiplied(ratio * factor) for factor in factors.tolist()]
            residuals = self._residuals(tried)
            near = np.flatnonzero(residuals <= residuals.min() + 0.25 * self.changed.noise)
            best = min((self._whole(tried[index]) for index in near.tolist()), key=lambda fit: fit.of.residual)
            ratio = best.conversion.factor
        # 1.05, 200: limits of a change that a fit can show, and of currencies
        if 1.05 <= max(ratio, 1 / ratio) <= 200 and self.explained(best):
            return best
        return None

    def _residuals(self, conversions: Sequence[Conversion]) -> F64:
        """Return the KS distance that each conversion of all values leaves: float64 (k,)."""
        back = np.concatenate([conversion.back(self.points) for conversion in conversions])
        left: F64 = np.abs(self.changed.was.at(back).reshape(len(conversions), -1) - self.now).max(axis=1)
        return left

    def _whole(self, conversion: Conversion) -> _Fit:
        """Return the fit of all values, also within powers of two."""
        other = conversion.below(self.changed.was, self.points)
        distance, apart, residual = (
            largest(one)
            for one in (self.now - self.changed.baseline_cdf, other - self.changed.baseline_cdf, self.now - other)
        )
        fit = _Fit(conversion, Mixture(1.0, distance, apart, residual))
        return fit._replace(of=fit.of._replace(residual=self._left(fit)))

    def _most_left(self, fit: _Fit) -> float:
        # 0.25: maximum unexplained fraction of the distance; otherwise something else shifted the feature. 0.15: for
        # conversions that a natural change resembles more often
        part = 0.25 if fit.conversion.round or (fit.conversion.parts and not fit.conversion.factor) else 0.15
        return min(self.changed.noise, part * fit.of.distance)

    def _other_season(self, fit: _Fit) -> bool:
        """Return True if positions within powers of two may differ as those of a season differ from the year."""
        return fit.conversion.seasons and fit.of.component_distance >= 0.99 and fit.of.share == 1.0

    def _left(self, fit: _Fit) -> float:
        """Return the part of the distribution that a fit leaves, also within powers of two."""
        if not self._octaves:
            return fit.of.residual
        values = fit.conversion.there(self.sample)
        return max(fit.of.residual, left_within(self._octaves, self.changed.pair, values, fit.of.share))

    def _atoms_moved(self, fit: _Fit) -> bool:
        """Return False if frequent values of the baseline are more frequent than another unit would leave them.

        Fewer nights in winter are still whole nights.
        """
        points, share = self.points, fit.of.share
        narrow = atoms_of(points) & (points[:-1] != 0) & (points[1:] != 0)
        if not narrow.any():
            return True
        other = fit.conversion.below(self.changed.was, points)
        expected = np.diff((1 - share) * self.changed.baseline_cdf + share * other)
        return float(np.abs(np.diff(self.now) - expected)[narrow].max()) <= self.changed.noise

    def _spread(self, fit: _Fit) -> bool:
        """Return False if the converted values are all in one bin: they may be one value, such as 0."""
        other = fit.conversion.below(self.changed.was, self.points)
        expected = np.diff(other, prepend=0.0, append=1.0)
        own = (1 - fit.of.share) * self.changed.baseline_cdf
        excess = np.maximum(np.diff(self.now - own, prepend=0.0, append=fit.of.share), 0.0)
        if self.not_zero < 1.0:
            expected[np.flatnonzero(self.points == 0.0) + 1] = 0.0  # the bin of zero
        # 0.98: fraction of the values above which the others do not show a distribution
        spread = expected.max() <= 0.98 * expected.sum()
        if spread and (fit.of.share < ALL or excess.max() <= 0.98 * excess.sum()):
            return True
        return any(
            held.share >= 0.9 * fit.of.share and held.deviation > 1 / OFFSET_UNIT for held in self._octaves.values()
        )

    def leaves(self, fit: _Fit) -> bool:
        """Return True if values left the range of the baseline, or nearly all left the place of most of them.

        Other customers, or a winter with shorter bookings, are values that the baseline had, in other fractions.
        """
        edges = self.changed.pair.bins.edges[[0, -1]]  # type: ignore[union-attr]
        below = self.changed.now.at(edges), self.changed.was.at(edges), fit.conversion.below(self.changed.was, edges)
        now, was, converted = (float(one @ [1, -1]) for one in below)
        # 0.7: minimum fraction of the values that the conversion puts there
        left = now - was >= max(LEAST_OUTSIDE, 0.7 * fit.of.share * (converted - was))
        return left or fit.of.distance >= 0.9 * self.not_zero

    def _exact(self, fit: _Fit) -> bool:
        """Return True if a factor that is a tenth larger or smaller explains a part of the values less."""
        near = [self.fit(multiplied(fit.conversion.factor * times)).of.residual for times in (0.9, 1.1)]
        return min(near) > fit.of.residual + 0.5 * self.changed.noise

    def _no_shift(self, fit: _Fit) -> bool:
        """Return True if a conversion explains the values better than the same shift of all values."""
        if fit.conversion.seasons or "logarithm" in fit.conversion.name:
            return True
        middle_was, middle_now = (np.interp(0.5, one.below, one.points) for one in (self.changed.was, self.changed.now))
        quartiles = float(self.sample[1_500] - self.sample[500])
        shifts = np.linspace(-0.5, 0.5, 41) * max(1.8, abs(fit.conversion.factor)) * quartiles
        # windows also differ in level
        own = min(self._whole(_shifted(shift, fit.conversion)).of.residual for shift in shifts.tolist())
        # 0.1: of a conversion with fixed numbers less may be chance than of a factor that is fitted
        part = 0.5 * (self.changed.noise if fit.conversion.factor else min(self.changed.noise, 0.1))
        most = min(self._left(fit), own) + part
        tried = [_shifted(shift, multiplied(1.0)) for shift in (shifts + middle_now - middle_was).tolist()]
        near = np.flatnonzero(self._residuals(tried) <= most)
        return all(self._whole(tried[index]).of.residual > most for index in near.tolist())


def _shifted(by: float, conversion: Conversion) -> Conversion:
    """Return a conversion whose results are shifted."""
    return Conversion("", 0.0, lambda x: conversion.there(x) + by, lambda x: conversion.back(x - by))


def _divided(points: F64, factor: float) -> F64:
    """Return the points in the baseline's unit; nonzero points keep their sign."""
    divided = points / factor
    return np.where((divided == 0) & (points != 0), np.copysign(np.nextafter(0.0, 1.0), points), divided)


def _at_zero(was: DistributionFunction) -> float:
    """Return the fraction of values that are exactly zero; 0 if the baseline has no bin for zero."""
    if not (was.points == 0.0).any():
        return 0.0
    below, through = was.at(np.array([0.0, np.nextafter(0.0, 1.0)]))
    return float(through - below)


CHECK = Check("unit_change", "unit change", "panes", find, covers=frozenset({"out_of_range", "unseen", "constant"}))
