"""Search for weak slices: one half of the rows finds them, the other confirms them.

The halves are pseudo-random but reproducible, whatever the order in which rows, or their outcomes, arrived.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import comb
from typing import NamedTuple

import numpy as np
from driftline.panes.bins import Bins, Index
from driftline.tables.row_losses import RowLoss
from driftline.tables.table import F64, I64
from numpy.typing import NDArray

from driftline_processor.core.drift.p_values import log_choose
from driftline_processor.core.evaluation import WeakSearch, WeakSlice
from driftline_processor.core.intervals.confidence import CONFIDENCE, Interval, WeightSums, student, wilson
from driftline_processor.core.outcomes.sums import effective
from driftline_processor.core.special_functions import gammaincc, ndtr, stdtr
from driftline_processor.core.stable_hash import U64, hash_bits, hash_numbers
from driftline_processor.core.windows.window import DAY, HOUR

from .scan import COARSE, FINE, Candidate, FeatureCells, best_slice
from .scan import cut_feature as cut

LEAST_STRETCHES = 3
"""Minimum number of periods to estimate the variance between them."""


class Difference(NamedTuple):
    """The comparison of a slice with the other rows.

    ``value``, ``rest_mean``: weighted means inside and outside. ``p_value``: one-sided. ``effect``: design effect, 1 or
    more.
    """

    value: float
    rest_mean: float
    p_value: float
    effect: float


def difference(inside: Mask, loss: F64, weight: F64 | None, stretch: I64 | None, day: I64 | None = None) -> Difference:
    """Compare the losses inside a slice with those outside, one-sided. ``stretch``: the hour or day of each row.

    The null hypothesis is that every choice of as many rows is equally likely: for losses of 0 and 1 the p-value is
    Fisher's exact one, for others that of a Pearson III with the exact mean, variance and skewness of the sum over all
    choices (Mielke and Berry 2007, Permutation Methods, section 2.3). If rows of a period are correlated, the p-value
    includes the variance between periods. ``day``: the day of each row if there are too few days to know their
    variance. Then the slice must also differ within days, so that a single bad day does not confirm a slice with most
    of its rows on that day.
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
    """Return the probability of at least ``hits`` hits among the drawn rows, with ``marked`` of ``rows`` rows as hits.

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
    """Return the probability that as many rows, drawn from all, have a sum at least as large.

    ``values``: float64 (n,), whose sum is 0. ``stratum``: int64 (n,), from 0: as many rows are drawn from each, and the
    sum of each must be 0.

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
    third_moments = drawn * rest * (rest - drawn) / np.maximum((rows - 1) * (rows - 2), 1) * third
    skewness = float(third_moments.sum()) / deviation**3
    z = float(values[inside].sum() / deviation)
    if abs(skewness) < 1e-6:
        return float(ndtr(-z))
    shape, place = 4 / skewness**2, z * 2 / skewness + 4 / skewness**2
    if skewness > 0:
        return float(gammaincc(shape, max(place, 0.0)))
    return float(1 - gammaincc(shape, max(place, 0.0)))


def _within(day: I64, loss: F64, w: F64) -> tuple[F64, I64]:
    """Return the weighted loss of each row less the mean of its day; and the index of the day."""
    _, at = np.unique(day, return_inverse=True)
    mean = np.bincount(at, w * loss) / np.maximum(np.bincount(at, w), 1e-300)
    return w * (loss - mean[at]), at


def _stretches(inside: Mask, loss: F64, w: F64, stretch: I64, value: float, rest: float) -> tuple[float, float]:
    """Return the design effect of rows of one period, and its p-value; 1 and 0 without correlation.

    The variance between periods is that of a one-way analysis of variance of the residuals of slice and rest. A period
    affects the difference by the difference of its fractions of the slice and of the rest. Degrees of freedom are
    Satterthwaite's.
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


ENOUGH_DAYS = 5
"""Minimum number of days in the confirmation half to estimate their variance. With two or three days the slice of a
single bad day was confirmed in 12 to 24 % of windows; in windows of two to four days with hours as periods, in 60 to
96 %.
"""


def stretches(time: I64) -> I64 | None:
    """Return the day of each row, or its hour if all lie within four days: int64 (n,); None within four hours.

    >>> stretches(np.array([0, 3_600 * 10**9 * 5])).tolist()
    [0, 5]
    """
    span = int(time.max()) - int(time.min()) if len(time) else 0
    for unit in (DAY, HOUR):
        if span >= 4 * unit:
            return time // unit
    return None


def few_days(time: I64) -> I64 | None:
    """Return the day of each row, int64 (n,), if there are too few days to estimate their variance.

    None with enough days, and within one day. ``time``: of the confirmation rows.
    """
    span = int(time.max()) - int(time.min()) if len(time) else 0
    day = time // DAY
    return day if span > DAY and len(np.unique(day)) < ENOUGH_DAYS else None


def halves(time: I64, content: Sequence[NDArray[np.generic]]) -> Mask:
    """Return True for rows to search, bool (n,); the others confirm.

    Of two consecutive days, or hours, one is searched (:func:`stretches`), so that a problem of one day is not
    confirmed by other rows of that day. Rows within four hours are drawn one by one: a row is identified by its time,
    int64 (n,), and rows of one time by their order in ``content``, columns of 8 bytes per value. So a row keeps its
    half when others get their outcomes, and if all rows have one time the halves do not depend on the order of the
    rows.

    >>> time = np.array([3, 1, 2, 3])
    >>> one, other = halves(time, [np.array([1.0, 2, 3, 4])]), halves(time[::-1], [np.array([4.0, 3, 2, 1])])
    >>> bool((one == other[::-1]).all())
    True
    """
    stretch = stretches(time)
    if stretch is None:
        return _first_bit(_bits(time, content))
    first: Mask = stretch % 2 == 1
    return first ^ _first_bit(hash_numbers(stretch // 2))


def _first_bit(bits: U64) -> Mask:
    return (bits >> np.uint64(63)).astype(np.bool_)


def sample_evenly(time: I64, content: Sequence[NDArray[np.generic]], most_rows: int) -> Mask:
    """Return at most ``most_rows`` rows, bool (n,): all of them, or a half, a quarter ... drawn as in :func:`halves`.

    >>> int(sample_evenly(np.arange(1_000), [], 300).sum())
    241
    """
    if len(time) <= most_rows:
        return np.ones(len(time), np.bool_)
    draws = _bits(time, content) << np.uint64(1)  # the top bit decides the halves
    bound = np.uint64(2**64 - 1)
    while int(np.count_nonzero(draws <= bound)) > most_rows:
        bound >>= np.uint64(1)
    return draws <= bound


def _bits(time: I64, content: Sequence[NDArray[np.generic]]) -> U64:
    """Return 64 pseudo-random bits per row: uint64 (n,)."""
    print_of_row = np.zeros(len(time), np.uint64)
    for column in content:
        print_of_row = hash_bits(print_of_row ^ np.ascontiguousarray(column).view(np.uint64))
    if (time[1:] > time[:-1]).all():  # distinct ascending times: each rank is 0
        return hash_bits(hash_numbers(time))
    if (time == time[0]).all():  # such as rows without times
        order = np.argsort(print_of_row, kind="stable")
    else:
        order = np.lexsort((print_of_row, time))
    ordered = time[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1)) if len(ordered) else np.empty(0, np.intp)
    first = np.repeat(starts, np.diff(np.append(starts, len(ordered))))
    rank = np.empty(len(time), np.uint64)
    rank[order] = (np.arange(len(time)) - first).astype(np.uint64)
    return hash_bits(hash_numbers(time) ^ rank)


Mask = NDArray[np.bool_]

LEAST_ROWS = 200
"""Minimum labelled rows of a slice, half of them in each half: with 200 an error rate of 15 % is known to five points.
"""

LEAST_RATIO = 1.2
"""Minimum ratio of the mean loss of a slice to that of the other rows (evidence/constants.json)."""

ALPHA = 0.01
"""Probability that a window without weak slices reports one: evidence/weak_slices.json."""

MOST_SLICES = 5
"""Maximum number of weak slices, the worst first."""

MOST_FEATURES = 64
"""Maximum number of features whose pairs are searched, those with the strongest evidence alone. Single features are all
searched.
"""

MOST_ROWS = 200_000
"""Maximum number of searched rows, sampled evenly: a slice of 0.1 % still has 200."""


def rows_to_search(losses: Mapping[RowLoss, F64], time: I64, most_rows: int = MOST_ROWS) -> I64:
    """Return the rows with a known loss, sampled evenly to at most ``most_rows``: int64 (m,).

    Args:
        losses: Result of :func:`~driftline.tables.row_losses.losses_of`, float64 (n,).
        time: Time of each prediction, unix nanoseconds, int64 (n,).
        most_rows: Maximum number of rows.
    """
    has_loss = np.zeros(len(time), np.bool_)
    for values in losses.values():
        has_loss |= np.isfinite(values)
    indices = np.flatnonzero(has_loss)
    return indices[sample_evenly(time[indices], [values[indices] for values in losses.values()], most_rows)].astype(
        np.int64
    )


def weak_slices(
    features: Mapping[str, tuple[Bins, Index]],
    losses: Mapping[RowLoss, F64],
    weight: F64 | None = None,
    time: I64 | None = None,
) -> WeakSearch | None:
    """Return the slices of one or two features in which the model performs worse; None with too few rows.

    ``features``: the bins of each and the bin of every row, intp (n,). ``losses``: float64 (n,), NaN if unknown, see
    :func:`~driftline.tables.row_losses.losses_of`. ``weight``: float64 (n,), None = 1 each. ``time``: of the
    predictions, unix nanoseconds, int64 (n,), None if unknown.

    The slices are selected on one half of the rows (:func:`halves`) and tested on the other: a window in which no
    feature is related to the losses has a slice with a probability of 1 %. Rows of selected slices are excluded from
    the next search; the level is divided by the number of slices and of losses.
    """
    usable: Mask = np.zeros(0 if not losses else len(next(iter(losses.values()))), np.bool_)
    for values in losses.values():
        usable = usable | np.isfinite(values)
    if weight is not None:
        weight = np.where(np.isnan(weight), 1.0, weight)
        weight = None if (weight == 1).all() else weight
    if weight is not None:
        usable &= weight > 0
    indices = np.flatnonzero(usable)
    if len(indices) < 2 * LEAST_ROWS:
        return None
    when = np.zeros(len(indices), np.int64) if time is None else time[indices]
    codes = {name: (bins, codes_of_rows[indices]) for name, (bins, codes_of_rows) in features.items()}
    content = [values[indices] for values in losses.values()] + [
        codes_of_rows.astype(np.int64) for _, codes_of_rows in codes.values()
    ]
    rows = _Rows(codes, None if weight is None else weight[indices], when, halves(when, content), len(losses))
    slices_and_rows: list[tuple[WeakSlice, Mask]] = []
    for by, values in losses.items():
        for weak_slice, inside in rows.slices(by, values[indices]):
            if not any(
                _overlap(inside, before) for _, before in slices_and_rows
            ):  # errors and log loss mostly find the same slices
                slices_and_rows.append((weak_slice, inside))
    slices_and_rows.sort(key=lambda weak_slice: -weak_slice[0].excess)
    paired = min(len(rows.fine), MOST_FEATURES)
    return WeakSearch(
        tuple(weak_slice for weak_slice, _ in slices_and_rows), len(indices), len(rows.fine), comb(paired, 2)
    )


class _Rows:
    """The labelled rows of a window, cut into cells; ``searched``: the half for the search, bool (n,)."""

    def __init__(
        self, codes: Mapping[str, tuple[Bins, Index]], weight: F64 | None, time: I64, searched: Mask, families: int
    ) -> None:
        self.weight, self.searched, self.families = weight, searched, families
        self.time, self.stretch = time, stretches(time)
        self.fine = [
            feature_cells
            for name, (bins, codes_of_rows) in codes.items()
            if (feature_cells := cut(name, bins, codes_of_rows, FINE, LEAST_ROWS))
        ]
        self.coarse = {
            name: feature_cells
            for name, (bins, codes_of_rows) in codes.items()
            if (feature_cells := cut(name, bins, codes_of_rows, COARSE, LEAST_ROWS))
        }

    def slices(self, by: RowLoss, loss: F64) -> list[tuple[WeakSlice, Mask]]:
        """Return the confirmed slices of one loss, and the rows of each."""
        has_loss = np.isfinite(loss)
        loss = np.where(has_loss, loss, 0.0)
        # 0.999: quantile at which absolute errors are capped in the search, so that one outlier is not a slice. The
        # test uses all.
        tamed = (
            np.minimum(loss, np.quantile(loss[has_loss], 0.999)) if by == "absolute_error" and has_loss.any() else loss
        )
        chosen = self._chosen(tamed, has_loss & self.searched)
        tested_rows = has_loss & ~self.searched
        left, confirmed = tested_rows, []
        for candidate in chosen:
            inside = candidate.rows()
            if min(np.count_nonzero(inside & left), np.count_nonzero(~inside & left)) < LEAST_ROWS / 2:
                continue
            tested = self._difference(inside, tamed, left)
            p = min(1.0, tested.p_value * len(chosen) * self.families)
            left = left & ~inside  # the next slice uses the other rows only
            if p > ALPHA:
                continue
            tested_difference = self._difference(inside, loss, tested_rows)
            if min(one.value / max(one.rest_mean, 1e-300) for one in (tested, tested_difference)) >= LEAST_RATIO:
                confirmed.append(
                    (
                        self._weak_slice(
                            by=by,
                            candidate=candidate,
                            inside=inside,
                            loss=loss,
                            rows=tested_rows,
                            difference=tested_difference,
                            p=p,
                        ),
                        inside,
                    )
                )
        return confirmed

    def _chosen(self, loss: F64, rows: Mask) -> list[Candidate]:
        """Return the slices with the largest gain, each without the rows of the earlier ones."""
        weight = np.ones(len(loss)) if self.weight is None else self.weight
        paired = self._paired(loss, rows, weight)
        chosen: list[Candidate] = []
        while len(chosen) < MOST_SLICES:
            candidate = best_slice(self.fine, paired, rows, weight, loss, LEAST_ROWS // 2)
            if candidate is None or (chosen and candidate.gain <= 0):
                break
            chosen.append(candidate)
            rows = rows & ~candidate.rows()
        return chosen

    def _paired(self, loss: F64, rows: Mask, weight: F64) -> Sequence[FeatureCells]:
        """Return the features whose pairs are searched."""
        if len(self.coarse) <= MOST_FEATURES:
            return list(self.coarse.values())
        gains = {}
        for name, feature_cells in self.coarse.items():
            candidate = best_slice([feature_cells], [], rows, weight, loss, LEAST_ROWS // 2)
            gains[name] = -np.inf if candidate is None else candidate.gain
        best_features = sorted(gains, key=lambda name: -gains[name])[:MOST_FEATURES]
        return [self.coarse[name] for name in best_features]

    def _difference(self, inside: Mask, loss: F64, rows: Mask) -> Difference:
        indices = np.flatnonzero(rows)
        weight = None if self.weight is None else self.weight[indices]
        stretch = None if self.stretch is None else self.stretch[indices]
        return difference(inside[indices], loss[indices], weight, stretch, few_days(self.time[indices]))

    def _weak_slice(
        self, by: RowLoss, candidate: Candidate, inside: Mask, loss: F64, rows: Mask, difference: Difference, p: float
    ) -> WeakSlice:
        indices = np.flatnonzero(inside & rows)
        weight = np.ones(len(indices)) if self.weight is None else self.weight[indices]
        weight_sum = float(weight.sum())
        worth = effective(weight_sum, float(weight @ weight)) / difference.effect
        if by == "error":
            wrong, right = (
                WeightSums(rows, rows) for rows in (difference.value * worth, (1 - difference.value) * worth)
            )
            low, high = _ends(difference.value, wilson(wrong, right, CONFIDENCE))
        else:
            variance = float(weight @ (loss[indices] - difference.value) ** 2) / weight_sum
            low, high = _ends(difference.value, student(difference.value, variance / worth, CONFIDENCE))
        every = np.flatnonzero(rows)
        total = (np.ones(len(every)) if self.weight is None else self.weight[every]) @ loss[every]
        excess = weight_sum * (difference.value - difference.rest_mean) / float(total)
        conditions = tuple(
            cut.conditions[choice]() for cut, choice in zip(candidate.cuts, candidate.choice, strict=True)
        )
        number = int(np.count_nonzero(inside & np.isfinite(loss)))
        return WeakSlice(
            by=by,
            conditions=conditions,
            rows=number,
            value=difference.value,
            low=low,
            high=high,
            rest=difference.rest_mean,
            p_value=p,
            excess=excess,
        )


def _ends(value: float, limits: Interval) -> tuple[float, float]:
    return (value, value) if limits.low is None or limits.high is None else (limits.low, limits.high)


def _overlap(one: Mask, other: Mask) -> bool:
    """Return True if two slices share most of their rows."""
    common = int(np.count_nonzero(one & other))
    return 2 * common >= min(int(np.count_nonzero(one)), int(np.count_nonzero(other)))
