"""The sums of two versions' losses, which are additive over periods."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from driftline.tables.table import F64
from msgspec import Struct

PAIRED: Final = "paired:"
"""Prefix of the parts of a pane with the :class:`PairedSums` of one loss."""


class SingleSums(NamedTuple):
    """Sums over the rows of one version: their number, Σw, Σw², and Σwx, Σw²x, Σw²x² of the loss x."""

    rows: float = 0.0
    weight: float = 0.0
    weight_squared: float = 0.0
    loss: float = 0.0
    weighed: float = 0.0
    weighed_squared: float = 0.0


class PairedSums(NamedTuple):
    """Sums over requests that both versions scored: their number, Σw, Σw², Σw of each loss, Σw²d and Σw²d².

    d is the second version's loss less the first's.
    """

    rows: float = 0.0
    weight: float = 0.0
    weight_squared: float = 0.0
    first: float = 0.0
    second: float = 0.0
    weighed: float = 0.0
    weighed_squared: float = 0.0


class HourlySums(NamedTuple):
    """Sums over the hours in which both versions have rows, for the difference of their mean losses.

    For an hour with weights W in total, A of the first and B of the second version, and h = AB / W: h, h times the mean
    of the first, h times that of the second. Then the variance of h times the difference of both means, with its
    coefficients of a hypothetical difference and of its square: as if both versions had one distribution of losses,
    whose rows are assigned at random (``shared``), and from the rows of each version alone (``own_variance``).
    """

    weight: float = 0.0
    first: float = 0.0
    second: float = 0.0
    shared: float = 0.0
    shared_times: float = 0.0
    shared_squared: float = 0.0
    own_variance: float = 0.0
    own_times: float = 0.0
    own_squared: float = 0.0

    def variance(self, difference: float) -> float:
        """Return the larger variance if the second mean exceeds the first by a difference."""
        shared = self.shared + difference * self.shared_times + difference**2 * self.shared_squared
        own = self.own_variance + difference * self.own_times + difference**2 * self.own_squared
        return max(shared, own, 0.0)

    def swapped(self) -> HourlySums:
        """Return the sums with the versions swapped."""
        return self._replace(
            first=self.second, second=self.first, shared_times=-self.shared_times, own_times=-self.own_times
        )


_NONE: Final = SingleSums()
_NOWHERE: Final = HourlySums()


class Sums(Struct, frozen=True):
    """The losses of two versions: ``paired`` for the same requests, else of separate requests, ``within`` hours."""

    paired: PairedSums | None = None
    first: SingleSums = _NONE
    second: SingleSums = _NONE
    within: HourlySums = _NOWHERE

    @property
    def rows(self) -> int:
        """Requests that both scored, else the rows of both together."""
        return round(self.paired.rows if self.paired is not None else self.first.rows + self.second.rows)

    def times(self, factor: float) -> Sums:
        """Return the sums for ``factor`` times the rows at the current rates."""
        paired = None if self.paired is None else PairedSums(*(factor * value for value in self.paired))
        first, second = (SingleSums(*(factor * value for value in one)) for one in (self.first, self.second))
        return Sums(paired, first, second, HourlySums(*(factor * value for value in self.within)))

    def swapped(self) -> Sums:
        """Return the sums with the versions swapped."""
        if self.paired is None:
            return Sums(None, self.second, self.first, self.within.swapped())
        own = self.paired
        return Sums(own._replace(first=own.second, second=own.first, weighed=-own.weighed))


def unpaired_sums(first: F64, second: F64) -> Sums:
    """Return the sums of versions with separate requests.

    ``first``, ``second``: :class:`SingleSums` of each hour, float64 (6, hours), of the same hours in order, or (6,) for
    one. Differences between hours are not differences between versions (errors are more frequent at night, and a canary
    gets more rows later), so rows are compared within hours. Hours with few rows are merged with the following ones.

    >>> one, other = np.array([[8.0, 2], [8, 2], [8, 2], [2, 1], [2, 1], [2, 1]]), np.full((6, 2), 8.0)
    >>> found = unpaired_sums(one, other).within
    >>> round(found.weight, 6), round((found.second - found.first) / found.weight, 6)
    (5.6, 0.678571)
    """
    one, other = (np.reshape(hours, (len(SingleSums._fields), -1)) for hours in (first, second))
    known = np.round(one[0] + other[0])
    filled = np.flatnonzero(known)
    if not len(filled):
        return Sums()
    # 10: minimum outcomes per period: comparing within n rows costs one in n of them
    stretch = (known[filled].cumsum() - known[filled]) // 10
    begins = filled[np.flatnonzero(np.diff(stretch, prepend=-1))]
    parts = by_stretch(*(np.add.reduceat(hours, begins, axis=1) for hours in (one, other)))
    first_of_all, second_of_all = (SingleSums(*hours.sum(axis=1).tolist()) for hours in (one, other))
    return Sums(None, first_of_all, second_of_all, HourlySums(*parts.sum(axis=1).tolist()))


def by_stretch(first: F64, second: F64) -> F64:
    """Return :class:`HourlySums` of periods: float64 (9, ...). ``first``, ``second``: :class:`SingleSums`, (6, ...).

    The variance of randomly assigned rows is that of drawing without replacement; e = w (x - m) around their common
    mean m replaces the loss, so rows may have any weights.
    """
    n, m = first[0], second[0]
    rows, weight = n + m, first[1] + second[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = first[1] / weight, second[1] / weight
        mean = (first[3] + second[3]) / weight
        slopes = [one[4] - mean * one[2] for one in (first, second)]
        spreads = [one[5] - 2 * mean * one[4] + mean**2 * one[2] for one in (first, second)]
        quadratics = (
            np.stack([spreads[0], 2 * b * slopes[0], b**2 * first[2]]),
            np.stack([spreads[1], -2 * a * slopes[1], a**2 * second[2]]),
        )
        shared = n * m / rows * (quadratics[0] + quadratics[1])
        own = rows * (b**2 * quadratics[0] + a**2 * quadratics[1])
        h = a * second[1]
        found = np.stack(
            [h, h * first[3] / first[1], h * second[3] / second[1], *np.concatenate([shared, own]) / (rows - 1)]
        )
    return np.where((n > 0) & (m > 0) & (rows > 1), found, 0.0)


def weights_differ(rows: float, weight: float, weight_squared: float) -> bool:
    """Return True if rows have weights other than 1.

    >>> weights_differ(3, 3, 3), weights_differ(2, 3, 5)
    (False, True)
    """
    return not np.allclose([weight, weight_squared], rows, rtol=1e-12, atol=0)
