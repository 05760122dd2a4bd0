"""What chance alone does to a statistic of counts: exact p-values, without tables and without random draws.

Without drift, and given how many rows of both samples together lie in each bin, the rows of the smaller sample are a
random choice among them. So the null distribution is known exactly, ties and small samples included: one walks from
bin to bin, and keeps how likely each number of rows chosen so far is (:func:`ks_tail`: with the distance not reached;
:func:`sum_tail`: with each value of the sum so far). What reaches the observed value on the way is the p-value, as a sum
of small numbers, so a p of 1e-12 is as exact as one of 0.1.

Monte Carlo gives the same (tests compare 200,000 draws), more slowly, and not the same for a file and for the service.

Source: Fisher (1935) for the conditional null; Hodges, "The significance probability of the Smirnov two-sample test"
(1958), for the walk; Good, Gover and Mitchell, "Exact distributions for X² and for the likelihood-ratio statistic for
the equiprobable multinomial distribution" (1970), for sums.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from driftline.tables import F64, I64
from scipy.special import chdtrc, gammaln, kolmogorov, ndtr

Cell = Callable[[F64, F64], F64]
"""What a cell adds to a sum, from its rows of the reference and of the window: float64 (k,), never negative."""

CLEAR = 0.03
"""A p-value that is surely larger decides nothing, whatever the correction, and its limit is near enough: so the walk
is for one quiet feature in thirty, and for those that drift."""

EXPECTED = 5.0
"""Where every cell expects so many rows of the smaller sample, chi-square is near enough for what is clear."""

REACH = 8.0
"""Standard deviations: what lies farther from the expected number of rows is left out, less than 1e-14 of it all."""

NEAR = 6.5
"""Standard deviations of the rows chosen so far, among those whose sum has not been reached: beyond, 1e-10 of them."""

MOST_ROWS = 2_048
"""A longer Kolmogorov-Smirnov walk is shortened to so many rows of the smaller sample, the distance stretched."""

COMMON = 60.0
"""Cells of a sum that expect more rows are taken together, and the sum within them as chi-square."""

LARGEST = 10**8
"""Of more rows the logarithms of factorials lose digits: the binomial is taken as Poisson or normal."""

MOST_STEPS = 6e7
"""Products in one walk over a sum, about 0.1 s: beyond, the largest cells are taken together earlier; those that expect
fewer than 5 rows, which only sums over bins that were not pooled have, at five times as many."""


def ks_tail(distance: float, reference: F64, current: F64) -> float:
    """Return the exact probability, without drift, that two distribution functions differ so much at some bin edge.

    ``reference``, ``current``: counts over the same ordered bins; not whole numbers (weights, effective rows) are
    rounded. Equal to ``scipy.stats.ks_2samp(method="exact")`` where no two values share a bin, and to the permutation
    test where they do; there the asymptotic p-value is too large, for a feature of two values by a factor of 10 to any.
    Where p is surely above :data:`CLEAR` the limit K(sqrt(nm / (n + m)) D) is returned, which errs to the large side.

    >>> round(ks_tail(0.6, np.ones(10), np.eye(10)[0] * 5 + np.eye(10)[9] * 0), 4)
    0.0476
    """
    n, m = float(reference.sum()), float(current.sum())
    root = math.sqrt(n * m / (n + m))
    limit = float(kolmogorov(root * distance))
    if distance <= 0 or _surely_clear(distance, reference + current, root):
        return limit
    both = np.rint(reference + current).astype(np.int64)
    total, drawn = int(both.sum()), round(min(n, m))
    if drawn > MOST_ROWS:
        shorter = MOST_ROWS / drawn
        both = np.rint(both * shorter).astype(np.int64)
        # the lattice of fewer rows is coarser: half a step of it less, so that it is not skipped over
        distance = distance / math.sqrt(shorter) - 0.5 / MOST_ROWS
        total, drawn = int(both.sum()), MOST_ROWS
    return _ks_walk(distance, both[both > 0].tobytes(), total, drawn)


def sum_tail(value: float, cell: Cell, reference: F64, current: F64, unit: float) -> float:
    """Return the probability, without drift, that a sum over cells is as large as ``value``.

    ``cell``: what one cell adds, from its rows of the reference and of the window. ``unit``: what the sum is divided by
    to be chi-square in the limit: 1 for chi-square itself, 1/n + 1/m for PSI. Cells that expect up to
    :data:`COMMON` rows of the smaller sample are walked exactly; the sum within the others is chi-square.

    >>> two = np.array([[8.0, 2.0], [1.0, 5.0]])
    >>> def cell(was, now):
    ...     return (now - (was + now) * 6 / 16) ** 2 / ((was + now) * 6 / 16 * 10 / 16)
    >>> round(sum_tail(cell(*two).sum(), cell, *two, unit=1.0), 4)  # scipy.stats.fisher_exact
    0.035
    """
    filled = reference + current > 0
    freedom = int(np.count_nonzero(filled)) - 1
    if freedom < 1 or value <= 0:
        return 1.0
    limit = float(chdtrc(freedom, value / unit))
    n, m = float(reference.sum()), float(current.sum())
    totals = np.sort(np.rint((reference + current)[filled])).astype(np.int64)
    drawn = round(min(n, m))
    if limit > 2 * CLEAR and totals[0] * drawn >= EXPECTED * totals.sum():
        return limit
    walked = _walked(totals, drawn)
    if walked == 0:
        return limit
    if n < m:
        return _sum_walk(value, lambda kept, chosen: cell(chosen, kept), totals, walked, drawn, unit)
    return _sum_walk(value, cell, totals, walked, drawn, unit)


def _surely_clear(distance: float, both: F64, root: float) -> bool:
    """Whether the exact p-value is certainly above CLEAR, though ties and few rows make it less than its limit."""
    total = float(both.sum())
    largest = float(both.max()) / total
    # Stephens' correction for few rows, and how far a walk seen at steps of that size stays behind its greatest value
    nearer = distance * (root + 0.12 + 0.11 / root) + 0.6 * math.sqrt(largest)
    if float(kolmogorov(nearer)) <= CLEAR:
        return False
    if largest <= 0.02:
        return True
    share = np.cumsum(both)[:-1] / total
    spread = float(np.sqrt(share * (1 - share)).max(initial=0.0))
    return spread == 0 or bool(2 * ndtr(-distance * root / spread) > CLEAR)


@lru_cache(maxsize=4_096)
def _ks_walk(distance: float, bins: bytes, total: int, drawn: int) -> float:
    """Walk over the bins: the likelihood of each number of chosen rows among those that have stayed near so far."""
    both: I64 = np.frombuffer(bins, dtype=np.int64)
    share = drawn / total
    reach = distance * (total - drawn) * share - 1e-9 * drawn
    inside, low, passed, p = np.ones(1), 0, 0, 0.0
    for rows in both.tolist():
        first, chosen = _chosen(rows, share, drawn)
        inside, low, passed = np.convolve(inside, chosen), low + first, passed + rows
        off = np.arange(low, low + len(inside)) - passed * share
        near = np.flatnonzero(np.abs(off) < reach)
        start, stop = (int(near[0]), int(near[-1]) + 1) if len(near) else (len(inside), len(inside))
        left = _completed(np.arange(low, low + len(inside)), passed, total, drawn)
        p += float(inside[:start] @ left[:start] + inside[stop:] @ left[stop:])
        inside, low = inside[start:stop], low + start
        if not len(inside):
            break
    return min(1.0, p)


def _walked(totals: I64, drawn: int) -> int:
    """How many of the smallest cells to walk over: those that are not common, as far as the time suffices."""
    expected = totals * (drawn / totals.sum())
    rare, few = np.searchsorted(expected, (EXPECTED, COMMON)).tolist()
    width = 2 * NEAR * np.sqrt(np.cumsum(expected)) + 20
    steps = np.cumsum(width * (2 * REACH * np.sqrt(expected) + 20) * 2 * _grid(len(totals)))
    affordable, much = np.searchsorted(steps, (MOST_STEPS, 5 * MOST_STEPS)).tolist()
    return int(max(min(few, affordable), min(rare, much)))


def _grid(cells: int) -> int:
    """Steps up to the value: a sum of few cells takes few values, and it matters on which side of one it is cut."""
    return 1_024 if cells <= 4 else 512 if cells <= 16 else 256


def _sum_walk(value: float, cell: Cell, totals: I64, walked: int, drawn: int, unit: float) -> float:
    """Walk over the first cells: the likelihood of each number of chosen rows and each sum so far; then the others."""
    total, share = int(totals.sum()), drawn / int(totals.sum())
    grid = _grid(len(totals))
    top = grid - (2 if len(totals) <= 4 else 1)  # a sum that is equal but for rounding counts as reached
    so_far, low, passed, p = np.zeros((1, top)), 0, 0, 0.0
    so_far[0, 0] = 1.0
    for rows in totals[:walked].tolist():
        first, chosen = _chosen(rows, share, drawn)
        rest = np.arange(first, first + len(chosen), dtype=np.float64)
        added = cell(rows - rest, rest) * (grid / value)
        height = len(so_far)
        after, reached = np.zeros((height + len(chosen) - 1, top)), np.zeros(height + len(chosen) - 1)
        beyond = np.hstack([so_far[:, ::-1].cumsum(axis=1)[:, ::-1], np.zeros((height, 1))])
        for at, (likely, steps) in enumerate(zip(chosen.tolist(), np.minimum(added, top).tolist(), strict=True)):
            down = int(steps)
            # to both neighbours on the grid, so that the mean stays what it is
            for step, part in ((down, likely * (down + 1 - steps)), (down + 1, likely * (steps - down))):
                if part > 0:
                    after[at : at + height, step:] += part * so_far[:, : top - step]
                    reached[at : at + height] += part * beyond[:, top - step]
        low, passed = low + first, passed + rows
        counts = np.arange(low, low + len(reached))
        left = _completed(counts, passed, total, drawn)
        p += float(reached @ left)
        spread = NEAR * math.sqrt(passed * share * (1 - share)) + 10
        near = np.flatnonzero((np.abs(counts - passed * share) <= spread) & (left > 0))
        so_far, low = after[near[0] : near[-1] + 1], low + int(near[0])
    if walked < len(totals):
        common = totals[walked:]
        chosen_now = np.arange(low, low + len(so_far))
        left = _completed(chosen_now, passed, total, drawn)
        remaining = (drawn - chosen_now).astype(np.float64)
        p += float(left @ (so_far * _within(value, cell, common, remaining, share, unit, grid)[:, :top]).sum(axis=1))
    return min(1.0, p)


def _within(value: float, cell: Cell, common: I64, chosen: F64, share: float, unit: float, grid: int) -> F64:
    """Return the probability that the common cells add what is still lacking: float64 (rows chosen, sum so far)."""
    rows = float(common.sum())
    between = cell(rows - chosen, chosen) if len(common) else np.zeros(len(chosen))
    lacking = value * (1 - np.arange(grid) / grid) - between[:, np.newaxis]
    if len(common) < 2:
        return (lacking <= value / grid).astype(np.float64)
    # given how many rows they hold together, their spread is that of so many rows
    scale = unit * chosen * (rows - chosen) / (rows * share * rows * (1 - share))
    over = np.divide(lacking, scale[:, np.newaxis], out=np.full(lacking.shape, np.inf), where=scale[:, np.newaxis] > 0)
    at = np.linspace(0.0, 1.5 * value / unit, 2_048)
    likely: F64 = np.interp(over, at, chdtrc(len(common) - 1, at))
    return likely


def _chosen(rows: int, share: float, drawn: int) -> tuple[int, F64]:
    """How likely each number of chosen rows is in a bin, if each were chosen by itself: from the first number on."""
    expected = rows * share
    spread = REACH * math.sqrt(expected * (1 - share))
    first = max(0, int(expected - spread - 5))
    last = min(rows, drawn, int(expected + spread + 25))
    return first, np.exp(_log_binomial(np.arange(first, last + 1, dtype=np.float64), rows, share))


def _completed(chosen: I64, passed: int, total: int, drawn: int) -> F64:
    """How likely the rest of the bins hold the rest of the rows, as a multiple of how likely all hold all."""
    left, remaining = (drawn - chosen).astype(np.float64), total - passed
    possible = (left >= 0) & (left <= remaining)
    share = drawn / total
    log = _log_binomial(np.clip(left, 0, remaining), remaining, share)
    log -= _log_binomial(np.array([drawn], dtype=np.float64), total, share)
    return np.where(possible, np.exp(log), 0.0)


def _log_binomial(k: F64, n: int, share: float) -> F64:
    if n <= LARGEST:
        log: F64 = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
        log += k * math.log(share) + (n - k) * math.log1p(-share)
        return log
    expected = n * share
    if expected < LARGEST**0.5:
        return k * math.log(expected) - expected - gammaln(k + 1)
    variance = expected * (1 - share)
    return -((k - expected) ** 2) / (2 * variance) - math.log(2 * math.pi * variance) / 2
