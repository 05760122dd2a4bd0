"""Onset of a drift: change points of a column's coarse histogram over time.

The series is the baseline, then one histogram per time step. It is cut where the likelihood ratio is largest, and both
parts are searched again (binary segmentation). A cut is significant if the parts differ by more than the steps within
each part do, since steps without drift differ, too (weekdays, weather, groups of customers). Then a part belongs to the
drift, going back from now, while it is at least a quarter of the way from the baseline to now.

Sources: Vostrikova (1981), binary segmentation; McCullagh and Nelder, "Generalized Linear Models" (1989), chapter 4.5,
for overdispersed proportions; Box (1954) for the degrees of freedom of a sum of squares with unequal variances.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.special_functions import chdtrc, fdtrc

ALPHA = 0.01
"""Maximum fraction of series without a change that are cut; evidence/explanations.json has the accuracy of the day."""

FEW = 4
"""Minimum degrees of freedom of the steps to estimate their variance; below it, the design effect of drift is used."""


class Onset(NamedTuple):
    """The onset of a change.

    Attributes:
        at: First step after the change.
        p_value: P-value of the cut before ``at``.
        before: True if ``at`` is the first known step: the change may be older.
    """

    at: int
    p_value: float
    before: bool


class _Cut(NamedTuple):
    at: int
    p: float
    step_effect: float = 1.0
    """Design effect of autocorrelated steps."""


def onset(baseline: F64, steps: F64, current: int = 1, design_effect: float = 1.0) -> Onset | None:
    """Return the step since which the column is as it is now; None without a significant change.

    Args:
        baseline: float64 (cells,), its rows.
        steps: float64 (steps, cells), the rows of each time step, oldest first.
        current: Number of last steps that form the window.
        design_effect: Minimum design effect of the rows; steps may show a larger one.

    >>> quiet, drifted = [50.0, 50.0], [80.0, 20.0]
    >>> onset(np.array([500.0, 500.0]), np.array([quiet, [48.0, 52.0], quiet, drifted, [78.0, 22.0]])).at
    3
    >>> onset(np.array([500.0, 500.0]), np.array([quiet, [48.0, 52.0], quiet, [51.0, 49.0]])) is None
    True
    """
    filled_steps = np.flatnonzero(steps.sum(axis=1) > 0)
    of_window = filled_steps >= len(steps) - current
    filled = baseline + steps.sum(axis=0) > 0
    if len(filled_steps) < 2 or not of_window.any() or np.count_nonzero(filled) < 2 or not baseline.any():
        return None
    series = np.vstack([baseline, steps[filled_steps]])[:, filled]
    cuts = {cut.at: cut.p for cut in _segmented(series, 0, len(series), design_effect)}
    if not cuts:
        return None
    now, was = _shares(series[1:][of_window].sum(axis=0)), _shares(series[0])
    bounds = sorted({0, *cuts, len(series)})
    # 0.25: minimum way from the baseline to now for a part of the drift: a growing drift is dated near its beginning,
    # and ordinary differences between days are excluded.
    drifted = [
        first > 0 and _way(was, _shares(series[first:last].sum(axis=0)), now) >= 0.25
        for first, last in itertools.pairwise(bounds)
    ]
    index = len(drifted) - 1
    if not drifted[index]:
        return None
    while drifted[index - 1]:  # the first part, that of the baseline, never is
        index -= 1
    first = bounds[index]
    return Onset(int(filled_steps[first - 1]), cuts[first], first == 1)


def _segmented(series: F64, first: int, last: int, effect: float, step_effect: float = 1.0) -> list[_Cut]:
    """Return all significant cuts of ``series[first:last]``; row 0 of the series is the baseline."""
    tried: list[_Cut] = []
    for start, end, share in _stretches(first, last):
        cut = _best(series[start:end], effect, step_effect, anchored=start == 0)
        if cut is not None:
            # the whole series is first, since a short part gives a poor estimate
            step_effect = max(step_effect, cut.step_effect)
            tried.append(_Cut(start + cut.at, min(1.0, cut.p / share), step_effect))
    best = min(tried, key=lambda cut: cut.p, default=None)
    if best is None or best.p > ALPHA:
        return []
    before, after = (_segmented(series, *ends, effect, step_effect) for ends in ((first, best.at), (best.at, last)))
    return [*before, best, *after]


def _stretches(first: int, last: int) -> list[tuple[int, int, float]]:
    """Return a part, and its overlapping halves and quarters, each with its fraction of the error probability.

    A temporary change hides a later one in the whole part, but not in a sub-part after it.
    """
    length = last - first
    parts = [(first + index * length // (2 * scale), scale) for scale in (2, 4) for index in range(2 * scale - 1)]
    parts = [(start, scale) for start, scale in parts if length >= FEW * 2 * scale]
    share = 0.5 if parts else 1.0
    return [(first, last, share), *((start, start + length // scale, 0.5 / len(parts)) for start, scale in parts)]


def _best(part: F64, effect: float, step_effect: float, *, anchored: bool) -> _Cut | None:
    """Return the most likely cut of a part with its p-value; None if it cannot be tested.

    ``step_effect``: minimum design effect of the steps. ``anchored``: the first row is the baseline, whose fractions
    are known well, and which is not a step.
    """
    count = len(part)
    freedom = count - 2  # of the variance within: two means are estimated
    filled = part.sum(axis=0) > 0
    width = int(np.count_nonzero(filled))
    if freedom < 1 or width < 2:
        return None
    part = part[:, filled]
    share = part.sum(axis=0) / part.sum()
    before = np.cumsum(part, axis=0)[:-1]  # for the cut before row 1, 2, ...
    between = _pearson_distance(before, share, float(part.sum()))
    variance = np.full(count - 1, effect * (width - 1))
    if freedom >= FEW:
        variance = np.maximum(_sum_of_squares(part, before, share, anchored=anchored) / freedom, variance)
    best = int((between / variance).argmax())
    within = _within(part, best + 1, share)[anchored:]
    step_effect = max(step_effect, _step_design_effect(within, best + 1 - anchored))
    p = _p_value(float(between[best]), within, freedom, width, effect, step_effect)
    return _Cut(best + 1, min(1.0, (count - 1) * p), step_effect)


def _p_value(between: float, within: F64, freedom: int, width: int, effect: float, step_effect: float) -> float:
    """Return the probability of such a distance, from the variance of steps and from that of independent rows.

    ``within``: float64 (steps, cells), deviation of each step. ``step_effect``: design effect of the steps.
    """
    covariance = within.T @ within / freedom
    variance = float(np.trace(covariance))
    plain_p = float(chdtrc(width - 1, between / effect))
    if variance <= 0 or freedom < FEW:
        return plain_p
    directions = min(max(variance**2 / float((covariance**2).sum()), 1.0), width - 1)
    degrees = max(1.0, freedom / step_effect) * directions
    return max(plain_p, float(fdtrc(directions, degrees, between / variance / step_effect)))


def _step_design_effect(within: F64, cut: int) -> float:
    """Return the design effect of autocorrelated steps: (1 + r) / (1 - r)."""
    count, sum_of_squares = len(within), float((within**2).sum())
    if count < 4 or sum_of_squares <= 0:
        return 1.0
    products = (within[1:] * within[:-1]).sum(axis=1)
    if 0 < cut < count:
        products[cut - 1] = 0.0  # across the cut
    r = float(products.sum()) / sum_of_squares
    r += (1 + 3 * max(r, 0.0)) / count  # corrects the bias of the autocorrelation around the sample mean
    # 0.9: maximum autocorrelation that is corrected
    r = min(max(r, 0.0), 0.9)
    return (1 + r) / (1 - r)


def _pearson_distance(before: F64, share: F64, rows: float) -> F64:
    """Return Pearson's distance between the rows before and after each cut: float64 (cuts,).

    Its mean is the number of cells less one for independent rows.
    """
    n = before.sum(axis=1, keepdims=True)
    expected = share * (n * (rows - n) / rows)
    # + 1: a single row in a cell without expected rows has little weight
    distance: F64 = ((before - n * share) ** 2 / (expected + 1)).sum(axis=1)
    return distance


def _sum_of_squares(part: F64, before: F64, share: F64, *, anchored: bool) -> F64:
    """Return the sum of squares of :func:`_within` for all cuts at once, from cumulative sums: float64 (cuts,)."""
    rows = part.sum(axis=1, keepdims=True)
    weight = 1 / (rows * share + 1)
    if anchored:
        weight[0] = 0.0
    sums = [np.cumsum(power, axis=0) for power in (weight * part**2, weight * rows * part, weight * rows**2)]
    total = np.zeros(len(before))
    after = part.sum(axis=0) - before
    for side, side_sums in (
        (before, [power[:-1] for power in sums]),
        (after, [power[-1] - power[:-1] for power in sums]),
    ):
        shares = side / side.sum(axis=1, keepdims=True)
        total += (side_sums[0] - 2 * shares * side_sums[1] + shares**2 * side_sums[2]).sum(axis=1)
    return np.maximum(total, 0.0)


def _within(part: F64, cut: int, share: F64) -> F64:
    """Return the deviation of rows from their side of a cut, float64 (rows, cells), in units of independent rows."""
    shares = np.vstack(
        [np.broadcast_to(side.sum(axis=0) / side.sum(), side.shape) for side in (part[:cut], part[cut:])]
    )
    rows = part.sum(axis=1, keepdims=True)
    deviations: F64 = (part - rows * shares) / np.sqrt(rows * share + 1)
    return deviations


def _way(was: F64, then: F64, now: F64) -> float:
    """Return the position of a distribution between two others; 0 is the first, 1 the second."""
    weight = (now - was) / (now + was)
    whole_way = float(weight @ (now - was))
    return float(weight @ (then - was)) / whole_way if whole_way > 0 else 0.0


def _shares(counts: F64) -> F64:
    share: F64 = (counts + 0.5) / (counts.sum() + 0.5 * len(counts))
    return share
