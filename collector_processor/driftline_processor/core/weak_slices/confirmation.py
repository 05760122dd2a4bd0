"""Test whether rows that had no part in finding a slice say the same of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from driftline.tables.table import F64, I64
from numpy.typing import NDArray

from driftline_processor.core.drift.p_values import log_choose
from driftline_processor.core.special_functions import gammaincc, ndtr, stdtr

Mask = NDArray[np.bool_]

LEAST_STRETCHES = 3
"""Stretches of time from which on it is looked at whether rows of one resemble each other."""


class Difference(NamedTuple):
    """``value``, ``rest``: the weighted means inside and outside. ``p_value``: of a difference so great by chance.

    ``effect``: how many rows, which resemble each other, count as one; at least 1.
    """

    value: float
    rest: float
    p_value: float
    effect: float


def difference(inside: Mask, loss: F64, weight: F64 | None, stretch: I64 | None, day: I64 | None = None) -> Difference:
    """Compare the losses inside a slice with those outside, one-sided. ``stretch``: the hour or day of each row.

    Were the slice like the rest, every choice of as many rows would be as likely: of losses of 0 and 1 the p-value is
    Fisher's exact one, of others that of a Pearson III with the exact mean, variance and skewness of the sum over all
    choices (Mielke and Berry 2007, Permutation Methods, section 2.3). Where rows of a stretch of time resemble each
    other, the p-value is that of a difference between stretches if that is greater. ``day``: that of each row, where
    days are so few that nobody knows how far they differ. Then the slice must differ within them, too: a day on which
    all goes wrong says nothing of the slice that has most of its rows on it.
    """
    w = np.ones(len(loss)) if weight is None else weight
    value, rest = _mean(loss[inside], w[inside]), _mean(loss[~inside], w[~inside])
    if weight is None and np.isin(loss, (0.0, 1.0)).all():
        p = fisher(int(loss[inside].sum()), int(inside.sum()), int(loss.sum()), len(loss))
    else:
        p = pearson(inside, w * (loss - _mean(loss, w)))
    effect, between = (1.0, 0.0) if stretch is None else _stretches(inside, loss, w, stretch, value, rest)
    within = 0.0 if day is None else pearson(inside, *_within(day, loss, w))
    return Difference(value, rest, max(p, between, within), effect)


def fisher(hits: int, drawn: int, marked: int, rows: int) -> float:
    """Return the chance of at least so many hits among the drawn, of ``rows`` rows with ``marked`` among them.

    >>> round(fisher(3, 4, 4, 8), 4)  # (16 + 1) of 70
    0.2429
    """
    most = min(drawn, marked)
    k = np.arange(max(hits, drawn + marked - rows), most + 1, dtype=np.float64)
    if hits <= max(0, drawn + marked - rows):
        return 1.0
    logs = log_choose(marked, k) + log_choose(rows - marked, drawn - k) - log_choose(rows, np.array(drawn))
    return float(min(1.0, np.exp(logs).sum()))


def pearson(inside: Mask, values: F64, stratum: I64 | None = None) -> float:
    """Return the chance that so many rows, drawn from all, come to a sum at least as great.

    ``values``: float64 (n,), whose sum is 0. ``stratum``: int64 (n,), 0 and up: where it is given, as many rows are
    drawn from each, and the sum of each is 0.

    >>> values = np.array([-1.0, -1.0, -1.0, 3.0] * 50)
    >>> round(pearson(np.arange(200) < 100, values), 3), pearson(values > 0, values) < 1e-9
    (0.5, True)
    >>> pearson(np.arange(200) < 100, values, np.arange(200) // 100)  # all of one, none of the other
    1.0
    """
    at = np.zeros(len(values), np.int64) if stratum is None else stratum
    rows, drawn = (np.bincount(at, which) for which in (None, inside))
    rest = rows - drawn
    second, third = (np.bincount(at, values**power) / np.maximum(rows, 1) for power in (2, 3))
    variance = float((drawn * rest / np.maximum(rows - 1, 1) * second).sum())
    if variance <= 0 or len(values) < 3:
        return 1.0
    deviation = np.sqrt(variance)
    apart = drawn * rest * (rest - drawn) / np.maximum((rows - 1) * (rows - 2), 1) * third
    skewness = float(apart.sum()) / deviation**3
    z = float(values[inside].sum() / deviation)
    if abs(skewness) < 1e-6:
        return float(ndtr(-z))
    shape, place = 4 / skewness**2, z * 2 / skewness + 4 / skewness**2
    if skewness > 0:
        return float(gammaincc(shape, max(place, 0.0)))
    return float(1 - gammaincc(shape, max(place, 0.0)))


def _within(day: I64, loss: F64, w: F64) -> tuple[F64, I64]:
    """Return the weighted loss of each row less that of its day; and the day, from 0."""
    _, at = np.unique(day, return_inverse=True)
    mean = np.bincount(at, w * loss) / np.maximum(np.bincount(at, w), 1e-300)
    return w * (loss - mean[at]), at


def _stretches(inside: Mask, loss: F64, w: F64, stretch: I64, value: float, rest: float) -> tuple[float, float]:
    """Return the design effect of rows of one stretch of time, and its p-value; 1 and 0 without resemblance.

    The variance between stretches is that of a one-way analysis of variance of what slice and rest leave. A stretch
    moves the difference by as much as it has more of the slice than of the rest. Degrees of freedom are those of
    Satterthwaite.
    """
    _, at = np.unique(stretch, return_inverse=True)
    number = int(at.max()) + 1
    if number < LEAST_STRETCHES:
        return 1.0, 0.0
    cell = at + number * inside
    left = loss - np.where(inside, value, rest)
    weight, squares = np.bincount(cell, w, 2 * number), np.bincount(cell, w * w, 2 * number)
    filled = weight > 0
    mean = np.bincount(cell, w * left, 2 * number)[filled] / weight[filled]
    each = np.zeros(2 * number)
    each[filled] = squares[filled] / weight[filled]
    of_side, squares_of_side = weight.reshape(2, number), squares.reshape(2, number).sum(axis=1)
    whole = of_side.sum(axis=1)
    freedom = float(weight.sum() - each.sum())
    pull = float((whole - (of_side**2).sum(axis=1) / np.maximum(whole, 1e-300)).sum())
    if freedom <= 0 or pull <= 0 or (whole <= 0).any():
        return 1.0, 0.0
    within = float(w @ left**2 - weight[filled] @ mean**2) / freedom
    expected = within * float(each.sum() - (squares_of_side / whole).sum())
    between = (float(weight[filled] @ mean**2) - expected) / pull
    if between <= 0 or within <= 0:
        return 1.0, 0.0
    of_rest, of_slice = of_side / whole[:, np.newaxis]
    of_rows = within * float((squares_of_side / whole**2).sum())
    of_stretches = between * float(((of_slice - of_rest) ** 2).sum())
    variance = of_rows + of_stretches
    degrees = variance**2 / (of_rows**2 / freedom + of_stretches**2 / (number - 1))
    return variance / of_rows, float(stdtr(degrees, -(value - rest) / np.sqrt(variance)))


def _mean(values: F64, weight: F64) -> float:
    total = float(weight.sum())
    return float(values @ weight) / total if total > 0 else 0.0
