"""P-values: null distributions of drift statistics, exact or asymptotic, and corrections for multiple tests.

**Exact walks.** Without drift, and given the rows of both samples in each bin, the rows of the smaller sample are a
random choice among them. So the null distribution is exact, also with ties and few rows: a walk from bin to bin keeps
the probability of each number of chosen rows so far (:func:`ks_p_values`: with the distance not reached;
:func:`sum_p_values`: with each value of the sum so far). The probability of reaching the observed value on the way is
the p-value; it is a sum of small numbers, so 1e-12 is as exact as 0.1. A Monte Carlo test would be slower, and would
differ between files and the service. Source: Fisher (1935) for the conditional null; Hodges, "The significance
probability of the Smirnov two-sample test" (1958), for the walk; Good, Gover and Mitchell, "Exact distributions for X²
and for the likelihood-ratio statistic for the equiprobable multinomial distribution" (1970), for sums.

**Cramér-von Mises and Anderson-Darling.** Both limits are weighted sums of squared standard normals, Σ Z_j² / u_j.
Smirnov's formula turns the tail into integrals between neighbouring u_j (1 and 2, 3 and 4, ...) whose integrands have
inverse roots at both ends: Gauss-Chebyshev quadrature. So a p-value is a sum of 160 exponentials with a relative error
of 1e-6 below 0.99. Source: Smirnov, "Sur la distribution de ω²" (1936); Martynov, "Computation of distribution
functions of quadratic forms of normally distributed random variables" (1975); Anderson and Darling (1952).

**Sums of few rows drawn from many** (:func:`drawn_sum_p_value`), also skewed. A t-test assumes that the mean of fifty
rows is normal; with log-normal rows (sigma 1.5) and with a sentinel in three of a hundred rows, it would find a shift
in 38 and 74 % of the windows without drift (20 features, 50 rows).

scipy.special is used for the laws that it has: Kolmogorov's limit, chi-square, the normal.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from driftline.tables.table import F64, I64
from numpy.typing import NDArray

from driftline_processor.core.special_functions import betaln, chdtrc, chdtri, expit, gammaln, kolmogorov, ndtr

Mask = NDArray[np.bool_]
Cell = Callable[[F64, F64], F64]


class Samples(NamedTuple):
    """Two samples of one column: their rows, and the number of cells with any rows."""

    n: float
    m: float
    cells: int


Term = Callable[[F64, F64, Samples], F64]
"""Function from the rows of the reference and of the window in a cell to a nonnegative term of a sum: float64 (k,)."""

CLEAR = 0.02
"""A p-value above this decides nothing after any correction, so the limit law is accurate enough. The walk runs for one
of thirty features without drift, and for those that drift.
"""

CERTAIN = 1e-7
"""P-values below this come from the limit law, not from a walk: the decision is the same in families of up to 100,000
columns at level 0.01, and pages show "p < 0.0001".
"""

FAR = 1e-30
"""As :data:`CERTAIN`, if the p-value is converted to few degrees of freedom (:func:`.dependence.student_p_value`):
1e-12 of a normal is 0.006 of Student's t with three.
"""

EXPECTED = 5.0
"""Minimum expected rows of every cell, in the smaller sample, for using chi-square in clear cases."""

TILTS = (1.0, 0.85, 0.7, 0.55, 0.4, 0.25, 0.1)
"""Fractions of the limit's optimal t at which Chernoff's bound is computed; with few rows per cell a smaller t is
optimal.
"""

WIDE, LEFT_OUT = 12.0, 1e-32
"""Reach of a cell in standard deviations, and a bound on the probability beyond: exp(-72) for a normal, less for a
Poisson with 25 more rows.
"""

REACH = 8.0
"""Standard deviations around the expected number of rows; less than 1e-14 of the probability is beyond."""

NEAR = 6.5
"""Standard deviations of the chosen rows so far that a walk over sums keeps; 1e-10 of the probability is beyond."""

MOST_ROWS = 2_048
"""Limit of rows of the smaller sample in a Kolmogorov-Smirnov walk; larger samples are scaled down, the distance up."""

_FEW = (0.12, 0.11)
"""Correction of Kolmogorov's limit for few rows: D (√n + 0.12 + 0.11 / √n) (Stephens 1970)."""

_TABLED = (1.5, 2_048)
"""Range, relative to the value, and number of points of the table of the common cells' tail; linear between points."""

COMMON = 60.0
"""Cells of a sum that expect more rows than this are pooled, and their part of the sum is chi-square."""

LARGEST = 10**8
"""With more rows, the logarithms of factorials lose digits; the binomial is approximated as Poisson or normal."""

MOST_STEPS = 6e7
"""Limit of products in one walk over a sum, about 0.1 s; beyond it, more of the largest cells are pooled. For cells
that expect fewer than 5 rows, which only sums over unpooled bins have, the limit is five times as high.
"""


def ks_p_values(distance: F64, reference: F64, current: F64, certain: F64 | float = CERTAIN) -> F64:
    """Return the exact probability, without drift, of this distance of two distribution functions at any bin edge.

    Equal to ``scipy.stats.ks_2samp(method="exact")`` without ties, and to the permutation test with ties, for which the
    asymptotic p-value is too large, by any factor if one of two values is rare. If p is certainly above :data:`CLEAR`,
    or below ``certain``, the limit K(sqrt(nm / (n + m)) D) is returned, which errs to the large side.

    Args:
        distance: float64 (k,).
        reference: float64 (k, bins), counts over the same ordered bins; fractional counts (weights, effective rows) are
            rounded.
        current: As ``reference``.
        certain: float64 (k,), p-value below which a bound is enough.

    >>> ks_p_values(np.array([0.6]), np.array([[10.0, 0.0]]), np.array([[2.0, 3.0]])).round(4)
    array([0.022])
    """
    n, m = reference.sum(axis=-1), current.sum(axis=-1)
    root = np.sqrt(n * m / (n + m))
    p: F64 = kolmogorov(root * distance)
    for index in np.flatnonzero((p > certain) & ~_surely_clear(distance, reference + current, root)).tolist():
        pooled, drawn_rows = (
            np.rint(reference[index] + current[index]).astype(np.int64),
            round(float(min(n[index], m[index]))),
        )
        scaled_distance = float(distance[index])
        if drawn_rows > MOST_ROWS:
            shorter = MOST_ROWS / drawn_rows
            pooled, drawn_rows = np.rint(pooled * shorter).astype(np.int64), MOST_ROWS
            # the lattice of fewer rows is coarser: subtract half a step so that the distance is not skipped
            scaled_distance = scaled_distance / math.sqrt(shorter) - 0.5 / MOST_ROWS
        if 0 < drawn_rows < pooled.sum():
            p[index] = _ks_walk(scaled_distance, pooled[pooled > 0].tobytes(), int(pooled.sum()), drawn_rows)
    return p


def sum_p_values(
    value: F64, term: Term, reference: F64, current: F64, unit: F64, certain: F64 | float = CERTAIN
) -> F64:
    """Return the probability, without drift, that a sum over cells is at least its observed value.

    The p-value is that of chi-square if each cell expects 5 rows and p is certainly above :data:`CLEAR`, or if p is
    certainly below ``certain``.

    Args:
        value: float64 (k,).
        term: Term of a cell.
        reference: float64 (k, cells), counts.
        current: float64 (k, cells), counts.
        unit: float64 (k,), divisor that makes the sum chi-square in the limit: 1 for chi-square itself, 1/n + 1/m for
            PSI. Cells that expect up to :data:`COMMON` rows of the smaller sample are walked over, exactly except for a
            grid of the sums; the contribution of the others is assumed to be chi-square.
        certain: float64 (k,), p-value below which the limit is enough.

    >>> def chi2(was, now, of):
    ...     expected = (was + now) * of.m / (of.n + of.m)
    ...     return (now - expected) ** 2 / expected * (of.n + of.m) / of.n
    >>> was, now = np.array([[8.0, 2.0]]), np.array([[1.0, 5.0]])
    >>> value = chi2(was, now, Samples(10.0, 6.0, 2)).sum(axis=-1)
    >>> sum_p_values(value, chi2, was, now, np.ones(1)).round(4)  # scipy.stats.fisher_exact
    array([0.035])
    """
    pooled, n, m = reference + current, reference.sum(axis=-1), current.sum(axis=-1)
    cells = np.count_nonzero(pooled > 0, axis=-1)
    freedom = np.maximum(cells - 1, 1)
    p: F64 = np.where(cells > 1, chdtrc(freedom, value / unit), 1.0)
    smallest_expected = np.where(pooled > 0, pooled, np.inf).min(axis=-1) * np.minimum(n, m)
    clear = (p > 2 * CLEAR) & (smallest_expected >= EXPECTED * (n + m))
    bounds = np.broadcast_to(certain, p.shape)
    for index in np.flatnonzero((cells > 1) & (value > 0) & (p > FAR) & ~clear).tolist():
        totals = np.sort(np.rint(pooled[index])).astype(np.int64)
        totals, drawn_rows = totals[totals > 0], round(float(min(n[index], m[index])))
        if len(totals) < 2 or not 0 < drawn_rows < totals.sum():
            continue
        walked, below = _walked(totals, drawn_rows), float(bounds[index])
        if walked:
            cell = _cell(term, Samples(float(n[index]), float(m[index]), int(cells[index])))
            if (
                p[index] <= below
                and _sum_bound(float(value[index]), cell, totals, drawn_rows, float(unit[index])) <= below
            ):
                continue
            p[index] = _sum_walk(float(value[index]), cell, totals, walked, drawn_rows, float(unit[index]))
    return p


def _sum_bound(value: float, cell: Cell, totals: I64, drawn_rows: int, unit: float) -> float:
    """Return Chernoff's bound on the probability, without drift, that a sum over cells reaches a value.

    Given their sum, the rows of the cells are independent binomials. So the probability is at most the mean of exp(t (S
    - value)) over independent cells with that sum, divided by the likelihood of the sum, for any t. A value far in the
    tail is replaced by a nearer one, whose bound is sufficient.
    """
    total, share, freedom = int(totals.sum()), drawn_rows / int(totals.sum()), len(totals) - 1
    # 1e-16: a value farther in the tail is replaced by the one with this limit p-value; if cells expect 5 rows, bounds
    # are up to a million times the limit
    value = min(value, float(chdtri(freedom, 1e-16)) * unit)
    first, likely = _choices(totals, share, drawn_rows, WIDE)
    rows = first[:, np.newaxis] + np.arange(likely.shape[1], dtype=np.float64)
    possible = likely > 0
    rows_of_bin = np.broadcast_to(totals[:, np.newaxis], rows.shape)
    terms = np.zeros(rows.shape)
    terms[possible] = np.minimum(cell(rows_of_bin[possible] - rows[possible], rows[possible]), value)
    tilt = np.array(TILTS) * ((1 - freedom * unit / value) / (2 * unit))
    tilted = np.exp(tilt[:, np.newaxis, np.newaxis] * terms) * likely
    raised = tilted.sum(axis=-1) + LEFT_OUT * np.exp(tilt * value)[:, np.newaxis]
    # no sum is more likely than the most likely number of rows of any single cell
    sure = np.minimum(1.0, tilted.max(axis=-1) / raised + LEFT_OUT * np.exp(tilt * value)[:, np.newaxis]).min(axis=-1)
    log = np.log(raised).sum(axis=-1) - tilt * value + np.log(sure)
    log -= _log_binomial(np.array([float(drawn_rows)]), total, share)
    return float(np.exp(min(0.0, float(log.min()))))


def _cell(term: Term, samples: Samples) -> Cell:
    """Return the term as a function of the rows in the larger sample and in the smaller one."""
    if samples.n < samples.m:
        return lambda kept, chosen: term(chosen, kept, samples)
    return lambda kept, chosen: term(kept, chosen, samples)


def _surely_clear(distance: F64, both: F64, root: F64) -> Mask:
    """Return True if the exact p-value is certainly above CLEAR, despite ties and few rows."""
    total = both.sum(axis=-1)
    largest = both.max(axis=-1) / total
    # 0.6: steps by which the maximum of a discrete walk is below that of the continuous one: -ζ(1/2) / √(2π) is 0.5826
    # (Siegmund 1979)
    clear: Mask = kolmogorov(distance * (root + _FEW[0] + _FEW[1] / root) + 0.6 * np.sqrt(largest)) > CLEAR
    # 0.02: fraction of one bin from which ties matter; a quantile bin of a baseline has 0.01
    tied = clear & (largest > 0.02)
    if tied.any():  # the probability at one edge is a lower bound
        share = np.cumsum(both[tied], axis=-1)[:, :-1] / total[tied, np.newaxis]
        deviation = np.sqrt(np.clip(share * (1 - share), 0.0, None)).max(axis=-1, initial=0.0)
        beyond = distance[tied] * root[tied] / np.maximum(deviation, 1e-9)
        clear[tied] = (deviation < 1e-9) | (2 * ndtr(-beyond) > CLEAR)
    return clear


@lru_cache(maxsize=4_096)
def _ks_walk(distance: float, bins: bytes, total: int, drawn_rows: int) -> float:
    """Walk over the bins with the likelihood of each number of chosen rows that has stayed within the distance."""
    both: I64 = np.frombuffer(bins, dtype=np.int64)
    reach = distance * (total - drawn_rows) * drawn_rows / total - 1e-9 * drawn_rows
    first, chosen = _choices(both, drawn_rows / total, drawn_rows)
    passed = np.cumsum(both)
    centre = passed * (drawn_rows / total)
    lowest = np.maximum(np.floor(centre - reach) + 1, 0).astype(np.int64).tolist()
    highest = (np.ceil(centre + reach) - 1).astype(np.int64).tolist()
    turned = np.ascontiguousarray(chosen[:, ::-1])
    inside, low = np.ones(1), 0
    for start, lowest_count, greatest, likelihood in zip(first.tolist(), lowest, highest, turned, strict=True):
        low += start
        below = max(0, lowest_count - low)
        inside = np.correlate(inside, likelihood, "full")[below : max(0, greatest + 1 - low)]
        low += below
        if not len(inside):
            break
    near = float(inside[drawn_rows - low]) if len(inside) else 0.0
    p = 1.0 - near / math.exp(_log_binomial(np.array([float(drawn_rows)]), total, drawn_rows / total)[0])
    if p < SMALL:
        p = _outside_probability(
            turned=turned,
            first=first.tolist(),
            lowest=lowest,
            highest=highest,
            passed=passed,
            total=total,
            drawn_rows=drawn_rows,
        )
    return min(1.0, p)


SMALL = 1e-6
"""P-values below this are lost in a difference from 1; the probability of leaving the range is added up instead."""


def _outside_probability(
    turned: F64, first: list[int], lowest: list[int], highest: list[int], passed: I64, total: int, drawn_rows: int
) -> float:
    """Walk again, and add up the likelihood of all walks that leave the range, each at its first step outside."""
    inside, low = np.ones(1), 0
    outside_steps = list[tuple[I64, F64, int]]()
    for index, so_far in enumerate(passed.tolist()):
        inside, low = np.correlate(inside, turned[index], "full"), low + first[index]
        below, above = max(0, lowest[index] - low), max(0, highest[index] + 1 - low)
        high = max(above, below)
        for start, outside in ((low, inside[:below]), (low + high, inside[high:])):
            if len(outside):
                outside_steps.append((np.arange(start, start + len(outside)), outside, so_far))
        inside, low = inside[below:above], low + below
        if not len(inside):
            break
    if not outside_steps:
        return 0.0
    rows = np.concatenate([rows for rows, *_ in outside_steps])
    after = np.repeat([so_far for *_, so_far in outside_steps], [len(rows) for rows, *_ in outside_steps])
    return float(
        np.concatenate([likely for _, likely, _ in outside_steps]) @ _completed(rows, after, total, drawn_rows)
    )


def _choices(rows: I64, share: float, drawn_rows: int, reach: float = REACH) -> tuple[I64, F64]:
    """Return the probability of each number of chosen rows per bin, as if bins were independent."""
    expected = rows * share
    margin = reach * np.sqrt(expected * (1 - share))
    first = np.maximum(0, (expected - margin - 5).astype(np.int64))
    last = np.minimum(np.minimum(rows, drawn_rows), (expected + margin + 25).astype(np.int64))
    k = first[:, np.newaxis] + np.arange(int((last - first).max()) + 1)
    possible = k <= last[:, np.newaxis]
    rows_of_bin = np.broadcast_to(rows[:, np.newaxis], k.shape)
    likely = np.zeros(k.shape)
    likely[possible] = np.exp(_log_binomial(k[possible].astype(np.float64), rows_of_bin[possible], share))
    return first, likely


def _walked(totals: I64, drawn_rows: int) -> int:
    """Return the number of smallest cells to walk over: those below :data:`COMMON`, limited by :data:`MOST_STEPS`."""
    expected = totals * (drawn_rows / totals.sum())
    rare, few = np.searchsorted(expected, (EXPECTED, COMMON)).tolist()
    width = 2 * NEAR * np.sqrt(np.cumsum(expected)) + 20
    steps = np.cumsum(width * (2 * REACH * np.sqrt(expected) + 20) * 2 * _grid(len(totals)))
    affordable, much = np.searchsorted(steps, (MOST_STEPS, 5 * MOST_STEPS)).tolist()
    return int(max(min(few, affordable), min(rare, much)))


def _grid(cells: int) -> int:
    """Return the number of grid steps up to the value: with few cells a sum has few values, so a fine grid matters."""
    return 1_024 if cells <= 4 else 512 if cells <= 16 else 256


def _sum_walk(value: float, cell: Cell, totals: I64, walked: int, drawn_rows: int, unit: float) -> float:
    """Walk over the smallest cells with the likelihood of each number of chosen rows and sum so far; add the others."""
    total, share = int(totals.sum()), drawn_rows / int(totals.sum())
    grid = _grid(len(totals))
    top = grid - (2 if len(totals) <= 4 else 1)  # a sum that is equal up to rounding counts as reached
    so_far, low, passed, p = np.zeros((1, top)), 0, 0, 0.0
    so_far[0, 0] = 1.0
    firsts, choices = _choices(totals[:walked], share, drawn_rows)
    for index, (rows, first, chosen) in enumerate(zip(totals[:walked].tolist(), firsts.tolist(), choices, strict=True)):
        chosen = np.trim_zeros(chosen, "b")
        row_counts = np.arange(first, first + len(chosen), dtype=np.float64)
        steps = np.minimum(cell(rows - row_counts, row_counts) * (grid / value), top)
        if index + 1 == len(totals):  # the last cell contains exactly the remaining rows
            left = _completed(np.array([drawn_rows]), total, total, drawn_rows)
            needed = drawn_rows - low - first - np.arange(len(so_far))
            row = np.flatnonzero((needed >= 0) & (needed < len(chosen)))
            return min(1.0, p + float(left[0] * _reaching(so_far, row, chosen, steps, needed[row]).sum()))
        after, reached = _add_cell(so_far, chosen, steps)
        low, passed = low + first, passed + rows
        counts = np.arange(low, low + len(reached))
        left = _completed(counts, passed, total, drawn_rows)
        p += float(reached @ left)
        margin = NEAR * math.sqrt(passed * share * (1 - share)) + 10
        near = np.flatnonzero((np.abs(counts - passed * share) <= margin) & (left > 0))
        so_far, low = after[near[0] : near[-1] + 1], low + int(near[0])
    if walked < len(totals):
        common = totals[walked:]
        chosen_now = np.arange(low, low + len(so_far))
        left = _completed(chosen_now, passed, total, drawn_rows)
        remaining = (drawn_rows - chosen_now).astype(np.float64)
        p += float(
            left
            @ (
                so_far
                * _within(value=value, cell=cell, common=common, chosen=remaining, share=share, unit=unit, grid=grid)[
                    :, :top
                ]
            ).sum(axis=1)
        )
    return min(1.0, p)


def _add_cell(so_far: F64, chosen: F64, steps: F64) -> tuple[F64, F64]:
    """Add a cell to a walk: return the likelihood of rows and sum after it, and of rows with the value reached.

    A step between two grid points is split between both, so that the mean stays the same.

    Args:
        so_far: float64 (rows chosen, sum so far).
        chosen: float64 (c,), likelihood of each number of rows of the cell.
        steps: float64 (c,), term of each number of rows.
    """
    (height, top), size = so_far.shape, len(so_far) + len(chosen) - 1
    rows = np.arange(height)[:, np.newaxis] + np.arange(len(chosen))
    every = np.broadcast_to(np.arange(len(chosen)), rows.shape)
    beyond = _reaching(so_far, np.arange(height)[:, np.newaxis], chosen, steps, every)
    reached = np.bincount(rows.ravel(), beyond.ravel(), minlength=size).astype(np.float64, copy=False)
    down = steps.astype(np.int64)
    parts = np.stack([chosen * (down + 1 - steps), chosen * (steps - down)])
    row, column = (indices[:, np.newaxis] for indices in np.nonzero(so_far))
    # 100: if fewer than one of 100 sums is possible, they are spread one by one; an indexed element takes numpy about
    # 100 times longer
    if len(row) * 100 < so_far.size:
        places = [(row + np.arange(len(chosen))) * (top + 1) + np.minimum(column + down + up, top) for up in (0, 1)]
        likely = so_far[row, column] * parts[:, np.newaxis]
        sums = np.bincount(np.concatenate(places, axis=None), likely.ravel(), minlength=size * (top + 1))
        return sums.astype(np.float64, copy=False).reshape(size, top + 1)[:, :top], reached
    neighbours, after = np.zeros((2, top, height)), np.zeros((top, size))
    neighbours[0], neighbours[1, 1:] = so_far.T, so_far.T[:-1]
    flat = neighbours.reshape(2, -1)
    for step in np.flatnonzero(down < top).tolist():
        width = top - int(down[step])
        after[top - width :, step : step + height] += (parts[:, step] @ flat[:, : width * height]).reshape(
            width, height
        )
    return after.T, reached


def _reaching(so_far: F64, row: I64, chosen: F64, steps: F64, at: I64) -> F64:
    """Return the likelihood that walks reach the value with some number of rows of the next cell.

    Args:
        so_far: float64 (rows chosen, sum so far).
        row: int64 (...), rows of ``so_far``.
        chosen: As for :func:`_add_cell`.
        steps: As for :func:`_add_cell`.
        at: int64 (...), indices into ``chosen``.
    """
    height, top = so_far.shape
    beyond = np.hstack([so_far[:, ::-1].cumsum(axis=1)[:, ::-1], np.zeros((height, 1))])
    down = steps.astype(np.int64)
    lower, upper = beyond[row, top - down[at]], beyond[row, np.maximum(top - down - 1, 0)[at]]
    likelihood: F64 = chosen[at] * ((down + 1 - steps)[at] * lower + (steps - down)[at] * upper)
    return likelihood


def _within(value: float, cell: Cell, common: I64, chosen: F64, share: float, unit: float, grid: int) -> F64:
    """Return the probability that the common cells add the missing part: float64 (rows chosen, sum so far)."""
    rows = float(common.sum())
    between = cell(rows - chosen, chosen) if len(common) else np.zeros(len(chosen))
    lacking = value * (1 - np.arange(grid) / grid) - between[:, np.newaxis]
    if len(common) < 2:
        return (lacking <= value / grid).astype(np.float64)
    # conditional on their total rows, the spread of the common cells scales with that total
    scale = unit * chosen * (rows - chosen) / (rows * share * rows * (1 - share))
    over = np.divide(lacking, scale[:, np.newaxis], out=np.full(lacking.shape, np.inf), where=scale[:, np.newaxis] > 0)
    grid_points = np.linspace(0.0, _TABLED[0] * value / unit, _TABLED[1])
    return np.asarray(np.interp(over, grid_points, chdtrc(len(common) - 1, grid_points)), dtype=np.float64)


def _completed(chosen: I64, passed: I64 | int, total: int, drawn_rows: int) -> F64:
    """Return the likelihood that the remaining bins contain the remaining rows, relative to that of all rows."""
    left, remaining = (drawn_rows - chosen).astype(np.float64), total - passed
    possible = (left >= 0) & (left <= remaining)
    share = drawn_rows / total
    log = _log_binomial(np.clip(left, 0, remaining), remaining, share)
    log -= _log_binomial(np.array([drawn_rows], dtype=np.float64), total, share)
    return np.where(possible, np.exp(log), 0.0)


FACTORIALS = 65_536
"""Number of cached logarithms of factorials, half a megabyte: a lookup takes a twentieth of the computation."""


@lru_cache(maxsize=1)
def _log_factorials() -> F64:
    logarithms: F64 = gammaln(np.arange(FACTORIALS) + 1.0)
    return logarithms


def _log_factorial(whole: F64 | I64 | int) -> F64:
    """Return the logarithm of the factorial of whole numbers >= 0."""
    numbers = np.asarray(whole)
    if numbers.max(initial=0) < FACTORIALS:
        return np.asarray(_log_factorials()[numbers.astype(np.int64)], dtype=np.float64)
    return np.asarray(gammaln(numbers + 1.0), dtype=np.float64)


def _log_binomial(k: F64, n: F64 | I64 | int, share: float) -> F64:
    """Return the logarithm of the binomial likelihood of k of n."""
    log: F64 = _log_factorial(n) - _log_factorial(k) - _log_factorial(n - k)
    log += k * math.log(share) + (n - k) * math.log1p(-share)
    if np.max(n) > LARGEST:
        expected = n * share * np.ones_like(k)
        variance = expected * (1 - share)
        poisson = k * np.log(expected) - expected - gammaln(k + 1)
        normal = -((k - expected) ** 2) / (2 * variance) - np.log(2 * math.pi * variance) / 2
        log = np.where(n > LARGEST, np.where(expected < LARGEST**0.5, poisson, normal), log)
    return log


_INTERVALS, _NODES = 8, 20
"""Intervals of Smirnov's formula, and nodes per interval: the tails have a relative error of 1e-6."""


def _rule(roots: Callable[[int], float], product: Callable[[F64], F64]) -> tuple[F64, F64]:
    """Return rate and weight of each exponential. ``roots(j)``: u_j; ``product(u)``: Π (1 - u / u_j)."""
    angle = (2 * np.arange(1, _NODES + 1) - 1) / (2 * _NODES) * np.pi
    places, weights = [], []
    for interval in range(_INTERVALS):
        low, high = roots(2 * interval + 1), roots(2 * interval + 2)
        u = (low + high) / 2 + (high - low) / 2 * np.cos(angle)
        places.append(u)
        weights.append((-1) ** interval * np.sqrt((u - low) * (high - u)) / (u * np.sqrt(np.abs(product(u)))) / _NODES)
    return np.concatenate(places), np.concatenate(weights)


_CRAMER = _rule(lambda j: (j * np.pi) ** 2, lambda u: np.sin(np.sqrt(u)) / np.sqrt(u))
_ANDERSON = _rule(lambda j: j * (j + 1.0), lambda u: np.cos(np.pi / 2 * np.sqrt(1 + 4 * u)) / (np.pi * u))


_CERTAIN = (0.015, 0.1)
"""Values of the two statistics below which the tail is 1 to six digits, and the omitted intervals would matter."""


def _limit_tail(rule: tuple[F64, F64], x: F64, certain: float) -> F64:
    """Return P(Q > x); 1 up to ``certain``, below which the omitted intervals would matter."""
    places, weights = rule
    tail = np.exp(-np.maximum(x, certain)[..., np.newaxis] * places / 2) @ weights
    return np.where(x <= certain, 1.0, np.clip(tail, 0.0, 1.0))


def cramer_von_mises_tail(x: F64) -> F64:
    """Return P(∫ B² > x), B the Brownian bridge: float64 (...).

    >>> cramer_von_mises_tail(np.array([0.46136, 1.16786])).round(6).tolist()
    [0.05, 0.001]
    """
    return _limit_tail(_CRAMER, x, _CERTAIN[0])


def anderson_darling_tail(x: F64) -> F64:
    """Return P(∫ B² / (t (1 - t)) > x): float64 (...).

    >>> anderson_darling_tail(np.array([2.492, 3.857])).round(3).tolist()
    [0.05, 0.01]
    """
    return _limit_tail(_ANDERSON, x, _CERTAIN[1])


_STEPS = 60
"""Halvings of an interval, one bit each (a double has 53), and the limit of Newton steps."""


def quadratic_tail(x: F64, weights: F64) -> F64:
    """Return P(Σ w_j Z_j² >= x): float64 (k,).

    A saddlepoint approximation, with a relative error of 2 % if many weights matter, and up to 12 % too large if one
    does, at 0.05 as well as at 1e-12; no moment fit achieves this.

    Args:
        x: float64 (k,).
        weights: float64 (k, n), none negative; zeros are ignored.

    Source: Kuonen, "Saddlepoint approximations for distributions of quadratic forms in normal variables" (1999);
    Lugannani and Rice (1980).

    >>> quadratic_tail(np.array([18.307, 40.0]), np.ones((2, 10))).round(6).tolist()  # chi-square of 10 degrees
    [0.050083, 1.7e-05]
    """
    greatest = weights.max(axis=-1)
    usable = (greatest > 0) & (x > 0)
    scaled = np.where(usable[:, np.newaxis], weights / np.where(greatest > 0, greatest, 1.0)[:, np.newaxis], 0.0)
    y = np.where(usable, x / np.where(greatest > 0, greatest, 1.0), 1.0)
    # K'(t) = Σ w / (1 - 2 t w) grows from 0 to infinity on (-inf, 1/2): halve until it is y
    low = -0.5 * np.count_nonzero(scaled, axis=-1) / y - 1.0
    high = np.full(len(y), 0.5)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        below = (scaled / (1 - 2 * middle[:, np.newaxis] * scaled)).sum(axis=-1) < y
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    t = (low + high) / 2
    left = 1 - 2 * t[:, np.newaxis] * scaled
    root = np.sign(t) * np.sqrt(np.maximum(2 * (t * y + 0.5 * np.log(left).sum(axis=-1)), 0.0))
    curved = t * np.sqrt((2 * scaled**2 / left**2).sum(axis=-1))
    # 1e-4: distance from the mean, in standard deviations, within which the saddlepoint formula is 0 / 0; the tail is
    # 0.5 there
    far = np.abs(root) > 1e-4
    with np.errstate(divide="ignore", invalid="ignore"):
        corrected_root = np.where(far, root + np.log(curved / np.where(far, root, 1.0)) / np.where(far, root, 1.0), 0.0)
    p = np.where(far, ndtr(-corrected_root), 0.5)
    return np.where(usable, np.clip(p, 0.0, 1.0), np.where(x > 0, 0.0, 1.0))


_LEVELS = 1_000
"""Limit of steps between minimum and maximum for values on a lattice; the effect of a finer lattice is negligible."""


def drawn_sum_p_value(places: F64, both: F64, drawn: float, total: float) -> float:
    """Return the two-sided probability of a sum this extreme of rows drawn without replacement.

    ``places``: float64 (bins,), value of each bin's rows. ``both``: float64 (bins,), rows to draw from. ``drawn``:
    number of drawn rows. ``total``: their sum. A double saddlepoint approximation of the permutation distribution, with
    a relative error of a few per cent also far in the tail; with a continuity correction if the values are on a
    lattice.

    Source: Robinson, "Saddlepoint approximations for permutation tests and confidence intervals" (1982); Skovgaard,
    "Saddlepoint expansions for conditional distributions" (1987).

    >>> ranks = np.arange(1.0, 21.0)
    >>> round(drawn_sum_p_value(ranks, np.ones(20), 10.0, 140.0), 5)  # Wilcoxon's rank sum test, exactly: 0.00684
    0.00683
    """
    filled = both > 0
    places, both = places[filled], both[filled]
    rows = float(both.sum())
    mean = float(both @ places) / rows
    deviation = math.sqrt(float(both @ (places - mean) ** 2) / rows)
    if not 0 < drawn < rows or deviation <= 1e-12 * float(np.abs(places).max()):
        return 1.0
    standardised, aim = (places - mean) / deviation, (total - drawn * mean) / deviation
    step = _lattice(standardised)
    tails = []
    for sign in (1.0, -1.0):
        end = int((sign * standardised).argmax())
        # the probability that all drawn rows have the outermost value is the smallest possible one
        smallest_p = (
            math.exp(float(log_choose(float(both[end]), drawn) - log_choose(rows, drawn)))
            if both[end] >= drawn
            else 0.0
        )
        outermost = sign * (aim - drawn * float(standardised[end])) > -1e-9 * drawn
        tails.append(
            smallest_p
            if outermost
            else max(smallest_p, _drawn_tail(sign * standardised, both, drawn / rows, sign * aim, step))
        )
    return min(1.0, 2 * min(tails))


def _drawn_tail(at: F64, both: F64, share: float, aim: float, step: float) -> float:
    """Return P(sum of standardised values >= aim), given the number of drawn rows; ``share``: probability of a row."""
    aim -= step / 2
    drawn_rows = share * float(both.sum())
    if aim <= 0:
        return 1.0
    tilt = np.zeros(2)
    cost = 0.0
    for _ in range(_STEPS):
        slopes, curves = _slopes(at, both, share, tilt)
        lacking = np.array([drawn_rows, aim]) - slopes
        curves[np.diag_indices(2)] += 1e-12 * np.trace(curves)
        move = np.linalg.solve(curves, lacking)
        if abs(float(move @ lacking)) < 1e-16:
            break
        for halved in range(40):
            next_tilt = tilt + move / 2**halved
            reached = float(next_tilt @ (drawn_rows, aim)) - _log_sum(at, both, share, next_tilt)
            if reached > cost:
                tilt, cost = next_tilt, reached
                break
        else:
            break
    if tilt[1] <= 1e-9 or cost <= 1e-12:
        return 1.0
    curves = _slopes(at, both, share, tilt)[1]
    root = math.sqrt(2 * cost)
    curvature = math.sqrt(max(float(np.linalg.det(curves)), 1e-300) / (drawn_rows * (1 - share)))
    slope = 2 * math.sinh(min(float(tilt[1]) * step / 2, 300.0)) / step if step else float(tilt[1])
    return float(ndtr(-(root + math.log(slope * curvature / root) / root)))


def _log_sum(at: F64, both: F64, share: float, tilt: F64) -> float:
    exponent = np.logaddexp(math.log1p(-share), math.log(share) + tilt[0] + tilt[1] * at)
    return float(both @ exponent)


def _slopes(at: F64, both: F64, share: float, tilt: F64) -> tuple[F64, F64]:
    """Return the expected number of drawn rows and their expected sum, and the covariance of both, under the tilt."""
    likely = expit(tilt[0] + tilt[1] * at + math.log(share) - math.log1p(-share))
    varied = both * likely * (1 - likely)
    chosen = both * likely
    across = float(varied @ at)
    return (
        np.array([chosen.sum(), chosen @ at]),
        np.array([[varied.sum(), across], [across, varied @ at**2]]),
    )


def _lattice(at: F64) -> float:
    """Return the step of the lattice that contains all values, 0 without a lattice."""
    values = np.unique(at)
    if len(values) < 2:
        return 0.0
    step = float(np.diff(values).min())
    steps = (values - values[0]) / step
    # 1e-3: tolerance of a lattice in steps, for features written with few digits
    return step if steps[-1] <= _LEVELS and float(np.abs(steps - np.rint(steps)).max()) < 1e-3 else 0.0


def log_choose(n: float, k: F64 | float) -> F64:
    """Return the logarithm of the binomial coefficient n over k: float64, with the shape of ``k``.

    >>> float(np.exp(log_choose(5, 2)).round(9))
    10.0
    """
    return np.asarray(-betaln(n - np.asarray(k) + 1, np.asarray(k) + 1) - math.log(n + 1), np.float64)


def benjamini_hochberg(p: F64) -> F64:
    """Return adjusted p-values: those <= a are discoveries with an expected false discovery rate of at most a.

    Evidently and NannyML do not correct.

    Args:
        p: float64 (k,), none NaN. Equal to ``scipy.stats.false_discovery_control(method="bh")``.

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


def adjust_by_family(p: F64, family: I64) -> F64:
    """Return p-values adjusted as by :func:`benjamini_hochberg`, within each family.

    Args:
        p: float64 (k,), none NaN.
        family: int64 (k,), family of each p-value; small numbers from 0 on.

    >>> adjust_by_family(np.array([0.01, 0.04, 0.03, 0.5]), np.array([0, 0, 1, 1])).round(4).tolist()
    [0.02, 0.04, 0.06, 0.5]
    """
    if not len(p):
        return p
    order = np.lexsort((p, family))
    sizes = np.bincount(family)
    sizes = sizes[sizes > 0]
    filled = np.arange(sizes.max()) < sizes[:, np.newaxis]
    scaled = np.full(filled.shape, np.inf)
    scaled[filled] = p[order]
    scaled *= sizes[:, np.newaxis] / np.arange(1, filled.shape[1] + 1)
    smallest = np.minimum.accumulate(scaled[:, ::-1], axis=1)[:, ::-1]
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1.0, smallest[filled])
    return adjusted
