"""Normal variation: how much the reference's own windows differ from the rest of the reference, column by column.

Days differ from each other without drift. So a window is compared with the reference in several score functions: level,
spread, skew and the fraction of each cell for numbers, the fraction of each cell for categories. Each is a function of
the coarse cells of the reference's time blocks, with its own variance between blocks:

- Variances are moderated over columns, and the autocorrelation of blocks is estimated from the column's own blocks and
  from those of the other columns.
- For each possible autocorrelation, the likelihood of a first-order autoregressive series gives the variance of a
  block, of the mean of several blocks, and of the mean of the reference. The autocorrelations are weighted by their
  posterior probability; their uncertainty adds to that of the variance.
- The sampling variance of the rows of a block is known from their number.

The distance in each score function, divided by its standard deviation, follows Student's t.

Source: Smyth, "Linear models and empirical Bayes methods for assessing differential expression" (2004) for the
moderation, with unequal degrees of freedom as in limma; Harville, "Maximum likelihood approaches to variance component
estimation" (1977) for the likelihood with an unknown mean; Kalman, "A new approach to linear filtering and prediction
problems" (1960) for its computation; Satterthwaite (1946) for variances that are partly known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Self
from weakref import WeakKeyDictionary

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.section import block_columns
from driftline.baseline.sections.time_blocks import TimeBlocks
from driftline.panes.bins import Index, NumberBins
from driftline.tables.table import F64, I64
from msgspec import Struct, field
from numpy.typing import NDArray

from driftline_processor.core.special_functions import digamma, ndtr, ndtri, stdtr, zeta
from driftline_processor.core.windows.window import DAY

from .methods.psi import psi, psi_null_mean

Mask = NDArray[np.bool_]

LEAST_WINDOWS = 4
"""Minimum number of reference windows of the same length for estimating normal variation. Four weeks are the length of
most references; the autocorrelation of their 28 days shows how weeks differ.
"""

COUNTED = 5
"""Minimum number of the reference's own windows for reporting how many differ as much: with fewer, one window is more
than a quarter of them.
"""

BY_CHANCE = 1.6448536269514722
"""The 0.95 quantile of the normal distribution: standard errors that are subtracted from the excess kurtosis."""

KEPT: F64 = np.append(np.arange(0.0, 0.95, 0.1), 0.95)
"""Possible autocorrelations of neighbouring blocks. With a higher one, sixty days have no two independent ones."""

INDEPENDENT = 0.8
"""Prior probability of an autocorrelation of 0. With 0.7, fourteen independent days have 0.03 less power than Student's
t; with 0.9, fourteen days with an autocorrelation of 0.5 do.
"""

LONG = 2 / 3
"""Exponent of the prior of an autocorrelation, (1 - autocorrelation) to that power. With 1/2, fourteen days of ten
features with an autocorrelation of 0.5 have 0.04 less power at 1 sd; with 1, more than 3 % of the windows without drift
raise a false alarm after thirty days with 0.9.
"""

BELIEVED: F64 = (1 - INDEPENDENT) * (1 - KEPT) ** LONG / ((1 - KEPT) ** LONG).sum()
BELIEVED[0] += INDEPENDENT
"""Prior probability of each autocorrelation of :data:`KEPT`."""

ALONE = (0.0, 0.1, 1.0)
"""Possible fractions of features with an autocorrelation of their own; all others share one. The likelihood of the
features' days decides between few, some and all.
"""

LEVEL, SPREAD, SKEW, CELLS = 0, 1, 2, 3
"""Columns of the score functions: three of numbers, then those of cells, last that of categories that no block has."""

WEIGHTS = (0.88, 0.04, 0.02)
"""Parts of a test's level for level, spread and skew; the cells share the rest. Most changes move the level: with 0.88
of the test's level, its power is at most 0.02 below that of Student's t of the daily means.
"""

_LEAST_DAYS = 6
"""Days from the first block to the last from which blocks are merged into days: a week, the fewest days that show their
autocorrelation.
"""

NEW = 0.1
"""Part of the test's level for categories that the reference never had, out of the part of all cells. The data quality
check ``unseen`` reports them as well.
"""

GRID: F64 = np.linspace(-8.0, 8.0, 641)
"""Shifts of a normal feature at which the mean score of its level is computed, in steps of 1/40; between them, linear
interpolation has an error of 1e-4.
"""


class OwnDistance(NamedTuple):
    """Distance of k columns of w windows from the reference, compared with its own windows: float64 (w, k) each.

    Attributes:
        p: Probability of at least this distance among the reference's own windows; 1 if it is unknown.
        freedom: Degrees of freedom of the level's standard deviation, or of that of the least certain cell.
        deviation: That standard deviation over windows of this length, in standard deviations of the reference's rows.
        limit_deviation: ``deviation`` with an infinite number of reference blocks.
        part: Part of the test's level for that score function.
        design_effect: Number of rows that carry the information of one independent row, by the variance of the level.
        nearer_windows: int64 (w, k), number of own windows with at least this distance, by PSI.
        windows: int64 (w,), number of own windows.
        nearest_psi: PSI of the nearest own window, less its mean without drift.
        greatest: PSI of the farthest own window, less its mean without drift.
    """

    p: F64
    freedom: F64
    deviation: F64
    limit_deviation: F64
    part: F64
    design_effect: F64
    nearer_windows: I64
    windows: I64
    nearest_psi: F64
    greatest: F64


class ScoreFunctions(Struct, frozen=True, eq=False):
    """The score functions of k columns over up to c cells each, derived from the reference's rows in these cells.

    Attributes:
        fractions: float64 (k, c), fractions of the reference; 0 beyond the cells of a column.
        ordered: bool (k,), True for numbers, False for categories.
        borders: float64 (k, c + 1), normal scores of the borders of cells.
        polynomials: float64 (3, k, c), level, spread and skew per cell; orthogonal, and normalised except for the
            level, whose scale is that of the normal scores.
        levels: float64 (k, grid), mean score of the level of a normal feature shifted by :data:`GRID`.
        noise: float64 (k, f), variance of each function for one independent row.
        weight: float64 (k, f), part of a test's level for each function; 0 = the function does not exist.
    """

    fractions: F64
    ordered: Mask
    borders: F64
    polynomials: F64
    levels: F64
    noise: F64
    weight: F64

    @classmethod
    def of(cls, counts: F64, ordered: Mask) -> Self:
        """Derive the score functions from counts over cells, float64 (k, c); empty cells do not exist."""
        k, c = counts.shape
        distribution = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-300)
        below = np.concatenate([np.zeros((k, 1)), np.cumsum(distribution, axis=1)], axis=1)
        below[below > 1 - 1e-12] = 1.0
        borders = ndtri(below)
        density = np.exp(-0.5 * borders**2) / np.sqrt(2 * np.pi)
        bounded = np.where(np.isfinite(borders), borders, 0.0)
        divisor = np.maximum(distribution, 1e-300)[:, np.newaxis]
        # the mean of the first three Hermite polynomials within each cell
        means = [-np.diff(bounded**power * density, axis=1) for power in range(2)]
        means.append(-np.diff((bounded**2 - 1) * density, axis=1))
        polynomials = np.stack(means) / divisor[:, 0]
        polynomials = np.where(distribution > 0, polynomials, 0.0)
        for index in range(3):  # Gram-Schmidt, orthogonal to the constant function
            polynomials[index] -= (polynomials[index] * distribution).sum(axis=1, keepdims=True)
            for polynomial in polynomials[1:index] if index > 1 else ():
                polynomials[index] -= (polynomials[index] * polynomial * distribution).sum(
                    axis=1, keepdims=True
                ) * polynomial
            if index:
                first = polynomials[0]
                variance = np.maximum((first**2 * distribution).sum(axis=1, keepdims=True), 1e-12)
                polynomials[index] -= (
                    (polynomials[index] * first * distribution).sum(axis=1, keepdims=True) / variance * first
                )
                length = np.sqrt((polynomials[index] ** 2 * distribution).sum(axis=1, keepdims=True))
                polynomials[index] = np.where(length > 1e-6, polynomials[index] / np.maximum(length, 1e-6), 0.0)
        variance = (polynomials[0] ** 2 * distribution).sum(axis=1)
        filled = np.count_nonzero(distribution, axis=1)
        exists = np.zeros((k, CELLS + c + 1), np.bool_)
        exists[:, :CELLS] = ordered[:, np.newaxis] & (filled[:, np.newaxis] > 1 + np.arange(3))
        exists[:, CELLS:-1] = (distribution > 0) & (filled > 1)[:, np.newaxis]
        two = filled == 2  # the other cell is redundant
        exists[two, CELLS + distribution[two].argmax(axis=1)] = False
        exists[ordered & two, CELLS:] = False
        exists[:, -1] = ~ordered
        weight = np.zeros(exists.shape)
        weight[:, :CELLS] = np.where(exists[:, :CELLS], WEIGHTS, 0.0)
        weight[:, -1] = np.where(ordered, 0.0, NEW)
        cells = exists[:, CELLS:-1]
        left = (1 - weight.sum(axis=1)) / np.maximum(1, cells.sum(axis=1))
        weight[:, CELLS:-1] = np.where(cells, left[:, np.newaxis], 0.0)
        noise = np.ones(exists.shape)
        noise[:, LEVEL] = 1 / np.maximum(variance, 1e-12)
        explained = polynomials[0] ** 2 * distribution / np.maximum((1 - distribution) * variance[:, np.newaxis], 1e-12)
        # 0.05: minimum part of a cell's variance that a shift of the level does not explain; otherwise its sampling
        # variance could be 0
        noise[:, CELLS:-1] = np.where(ordered[:, np.newaxis], np.maximum(1 - explained, 0.05), 1.0)
        levels = np.zeros((k, len(GRID)))  # not used for categories
        shifted = np.diff(ndtr(borders[ordered][:, :, np.newaxis] - GRID), axis=1)  # float64 (numbers, c, grid)
        levels[ordered] = (polynomials[0][ordered][:, :, np.newaxis] * shifted).sum(axis=1)
        return cls(
            fractions=distribution,
            ordered=ordered,
            borders=borders,
            polynomials=polynomials,
            levels=levels,
            noise=noise,
            weight=weight,
        )

    def scores(self, counts: F64, new: F64) -> F64:
        """Return the score functions of samples: float64 (..., k, f).

        For numbers, the level is the shift of a normal feature with the same mean score; all other functions measure
        the deviation beyond that shift. Cells are measured by twice the arcsine of the square root of a fraction, whose
        sampling variance is 1 / rows for any fraction (Bartlett, 1947).

        Args:
            counts: float64 (..., k, c).
            new: float64 (..., k), rows with categories that the reference never had.
        """
        rows = counts.sum(axis=-1, keepdims=True)
        # half a row distributed as the reference, so that the shift is finite if all rows are in the last cell
        share = (counts + 0.5 * self.fractions) / (rows + 0.5)
        mean = (self.polynomials[0] * share).sum(axis=-1)
        flat = mean.reshape(-1, len(self.fractions))
        level = np.zeros(flat.shape)
        for column in np.flatnonzero(self.weight[:, LEVEL] > 0).tolist():
            level[:, column] = np.interp(flat[:, column], self.levels[column], GRID)
        level = level.reshape(mean.shape)
        expected = np.diff(ndtr(self.borders - level[..., np.newaxis]), axis=-1)
        all_scores = np.zeros((*mean.shape, self.weight.shape[1]))
        all_scores[..., LEVEL] = level
        beyond = share - expected
        all_scores[..., SPREAD] = (self.polynomials[1] * beyond).sum(axis=-1)
        all_scores[..., SKEW] = (self.polynomials[2] * beyond).sum(axis=-1)
        of_cells = np.arcsin(np.sqrt(np.minimum(share, 1.0)))
        of_cells -= np.where(self.ordered[:, np.newaxis], np.arcsin(np.sqrt(np.clip(expected, 0.0, 1.0))), 0.0)
        all_scores[..., CELLS:-1] = 2 * of_cells
        all_scores[..., -1] = 2 * np.arcsin(np.sqrt(np.clip(new / np.maximum(rows[..., 0], 1e-300), 0.0, 1.0)))
        return all_scores


class SeriesFactors(NamedTuple):
    """Factors of a sample of consecutive blocks of a first-order autoregressive series: float64 (...).

    Attributes:
        variance: Mean of the sample variance, relative to the variance of a block.
        mean: Variance of the sample mean, relative to the variance of a block.
    """

    variance: F64
    mean: F64


def series_factors(keeps: F64, blocks: F64 | float) -> SeriesFactors:
    """Return the factors of a number of blocks with the autocorrelation ``keeps``.

    >>> [round(float(one), 3) for one in series_factors(np.array(0.0), 14.0)]
    [1.0, 0.071]
    """
    fades = (1 - keeps**blocks) / (1 - keeps)
    correlated = keeps * (blocks - fades) / (1 - keeps)
    variance = 1 - 2 * correlated / (blocks * (blocks - 1))
    mean = (1 + 2 * correlated / blocks) / blocks
    return SeriesFactors(variance, mean)


def mean_variance(keeps: F64, length: float) -> F64:
    """Return the variance of the mean of ``length`` blocks (at least 1, may be fractional) relative to one block's.

    >>> mean_variance(np.array([0.0, 0.5]), 2.0).tolist()
    [0.5, 0.75]
    """
    variance: F64 = (1 + keeps) / (1 - keeps) / length - 2 * keeps * (1 - keeps**length) / (length * (1 - keeps)) ** 2
    return variance


def moderate_variances(variances: F64, freedom: F64) -> tuple[F64, F64]:
    """Shrink variances towards their common value; return them and their degrees of freedom: float64 (k,) each.

    The variation of the variances beyond chance is itself estimated; one standard error is added to it, which matters
    if there are few. Variances of zero are excluded and stay zero.

    Args:
        variances: float64 (..., k), sample variances; each row has a common prior.
        freedom: float64 (k,), degrees of freedom of each.

    >>> alike, freedom = moderate_variances(np.array([1.0, 1.2, 0.9, 1.1] * 5), np.full(20, 6.0))
    >>> alike.round(1).tolist()[:4], freedom[:1].round().tolist()
    ([1.1, 1.2, 1.1, 1.2], [23.0])
    """
    positive = (variances > 0).reshape(-1, variances.shape[-1]).all(axis=0)
    k = int(np.count_nonzero(positive))
    moderated, moderated_freedom = variances.copy(), np.broadcast_to(freedom, variances.shape).copy()
    if k < 2:
        return moderated, moderated_freedom
    positive_freedom, half = freedom[positive], freedom[positive] / 2
    z = np.log(variances[..., positive]) - digamma(half) + np.log(half)
    expected = float(zeta(2.0, half).mean())  # of the trigamma function
    log_variance = np.maximum(z.var(axis=-1, ddof=1, keepdims=True), expected) * (1 + np.sqrt(2 / (k - 1))) - expected
    y = inverse_trigamma(log_variance)
    prior = np.exp(z.mean(axis=-1, keepdims=True) + digamma(y) - np.log(y))
    moderated[..., positive] = (2 * y * prior + positive_freedom * variances[..., positive]) / (
        2 * y + positive_freedom
    )
    moderated_freedom[..., positive] = 2 * y + positive_freedom
    return moderated, moderated_freedom


def inverse_trigamma(value: F64) -> F64:
    """Return the inverse of the trigamma function at a positive value.

    It is half the degrees of freedom of a variance estimate whose logarithm has this variance.

    >>> inverse_trigamma(np.array([np.pi**2 / 6])).round(6).tolist()
    [1.0]
    """
    y: F64 = 0.5 + 1 / value
    for _ in range(8):  # Newton's method on 1 / trigamma, which is nearly straight
        three = zeta(2.0, y)
        y = y - three * (1 - three / value) / (2 * zeta(3.0, y))  # the polygamma functions of order 1 and 2
    return y


_TOGETHER = 16
"""Blocks whose variances are multiplied before a logarithm is taken: the minimum to the power of 16 is 1e-144, and a
double ends at 1e-308.
"""


class KeptShares(NamedTuple):
    """The fit of each autocorrelation of :data:`KEPT` to blocks of k columns with f functions: float64 (g, k, f).

    Attributes:
        fit: Log-likelihood of the blocks, up to a constant.
        variance: Variance of a block relative to the estimate for independent blocks.
    """

    fit: F64
    variance: F64


def fit_kept_shares(series: F64, place: I64, signal: F64) -> KeptShares:
    """Return the likelihood of series at each autocorrelation, and the variance of their blocks at it.

    A Kalman filter processes all series and autocorrelations in one pass over the blocks. The unknown mean is estimated
    by generalised least squares.

    Args:
        series: float64 (b, k, f), deviations of blocks.
        place: int64 (b,), position of each block, ascending.
        signal: float64 (g, k, f), autocorrelated part of the variance for each autocorrelation; the rest is sampling
            error.
    """
    blocks, series_count = len(series), signal[0].size
    flat, chance_free = series.reshape(blocks, series_count), signal.reshape(len(KEPT), series_count)
    chance = 1 - chance_free
    ahead, ones, varies = (
        np.zeros_like(chance_free),
        np.zeros_like(chance_free),
        chance_free.copy(),
    )  # the prediction of the next block
    information, mean, squares, log = (np.zeros_like(chance_free) for _ in range(4))
    scales = np.ones_like(chance_free)
    for index, step in enumerate(np.diff(place, append=place[-1] + 1).tolist()):
        # 1e-9: minimum conditional variance of a block relative to its variance; less is rounding error
        scale = np.maximum(varies + chance, 1e-9)
        gain, innovation, ones_beyond = varies / scale, flat[index] - ahead, 1 - ones
        weighed = ones_beyond / scale
        information += ones_beyond * weighed
        mean += innovation * weighed
        squares += innovation * innovation / scale
        scales *= scale
        if index % _TOGETHER == _TOGETHER - 1:
            log += np.log(scales)
            scales.fill(1.0)
        keeps = (KEPT**step)[:, np.newaxis]
        ahead, ones = keeps * (ahead + gain * innovation), keeps * (ones + gain * ones_beyond)
        varies = keeps**2 * gain * chance + chance_free * (1 - keeps**2)
    squares -= mean * mean / information
    fit = -0.5 * (log + np.log(scales) + np.log(information))
    varied = squares[0] > 0
    squares[:, ~varied] = 1.0
    fit = np.where(varied, fit - 0.5 * (blocks - 1) * np.log(squares), 0.0)
    return KeptShares(fit.reshape(signal.shape), (squares / squares[0]).reshape(signal.shape))


def share_weights(fit: F64, others: float) -> F64:
    """Return the posterior probability of each autocorrelation per column: float64 (k, g).

    Most columns share an unknown autocorrelation and some have one of their own; the fraction of those is unknown as
    well (:data:`ALONE`). The prior is :data:`BELIEVED`.

    Args:
        fit: float64 (k, g), log-likelihood of the blocks of a column.
        others: Number of independent columns that the other columns are equivalent to.

    >>> fit = np.zeros((3, len(KEPT)))
    >>> fit[:2, 5] = 4.0  # two of three seem to keep a half
    >>> share_weights(fit, 0.0)[:, 5].round(2).tolist(), share_weights(fit, 2.0)[:, 5].round(2).tolist()
    ([0.51, 0.51, 0.02], [0.96, 0.96, 0.9])
    """
    k = len(fit)
    likely = np.exp(fit - fit.max(axis=1, keepdims=True))
    alone_share = np.array(ALONE)[:, np.newaxis, np.newaxis]
    same = (alone_share * BELIEVED + (1 - alone_share) * np.eye(len(KEPT))).reshape(
        -1, len(KEPT)
    )  # float64 (hypotheses, g)
    log_likely = np.log(same @ likely.T)
    log_posterior = (log_likely.sum(axis=1, keepdims=True) - log_likely) * (others / max(1, k - 1)) + np.log(
        np.tile(BELIEVED, len(ALONE))
    )[:, np.newaxis]
    prior = np.exp(log_posterior - log_posterior.max(axis=0)).T @ same
    weights: F64 = likely * prior
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


class Lengths(NamedTuple):
    """Normal variation of windows of one length: float64 (k, f) each, and the reference's own windows.

    Attributes:
        window: Variance of such a window, with the number of rows that it has in the reference.
        mean: Variance of the mean of the reference.
        signal: ``window`` without the sampling variance of its rows.
        chance: Sampling variance of its rows.
        freedom: Degrees of freedom of ``window`` and ``mean``.
        heavy: Inverse of the degrees of freedom of a Student's t with equally heavy tails.
        mean_offset: Mean score of own windows less the score of the whole reference: one day varies less than all
            days do.
        own_psi: float64 (w, k), PSI of the reference's own windows against the rest, sorted.
    """

    window: F64
    mean: F64
    signal: F64
    chance: F64
    freedom: F64
    heavy: F64
    mean_offset: F64
    own_psi: F64


class ColumnSubset(Struct, frozen=True, eq=False):
    """Some of the columns of a reference.

    Attributes:
        at: int64 (k,), their positions among all columns.
        first: First bin of each cell, per column.
        functions: Score functions.
    """

    at: I64
    first: Sequence[Index]
    functions: ScoreFunctions

    def cells(self, reference: F64, current: F64, size: I64, categories: Mask) -> tuple[F64, F64, F64]:
        """Return counts over the cells, float64 (..., k, c) twice, and rows with new categories, float64 (..., k).

        Args:
            reference: float64 (..., k, bins), effective rows.
            current: float64 (..., k, bins), effective rows of the window.
            size: int64 (k,), bins of each column; bins beyond are empty.
            categories: bool (k,), True if bins are categories, of which some may be new.
        """
        first = np.concatenate(
            [
                cell_starts + offset
                for cell_starts, offset in zip(self.first, (np.cumsum(size) - size).tolist(), strict=True)
            ]
        )
        inside = np.arange(reference.shape[-1]) < size[:, np.newaxis]
        never = categories[:, np.newaxis] & (reference <= 0)
        new = np.where(never, current, 0.0).sum(axis=-1)
        samples = np.stack([reference, np.where(never, 0.0, current)])[..., inside]
        filled = np.arange(self.functions.fractions.shape[1]) < np.array(
            [[len(cell_starts)] for cell_starts in self.first]
        )
        cells = np.zeros((*samples.shape[:-1], *filled.shape))
        cells[..., filled] = np.add.reduceat(samples, first, axis=-1)
        return cells[0], cells[1], new


class OwnWindows(Struct, frozen=True, eq=False):
    """The time blocks of a reference as windows of its own.

    Attributes:
        parts: Name of a pane's part → index among the k columns.
        first: First bin of each cell, per column.
        functions: Score functions.
        counts: float64 (b, k, c), effective rows.
        place: int64 (b,), position of each block, in block lengths after the first.
        block_length: Length of a block in nanoseconds.
        weights: float64 (g, k), posterior probability of each autocorrelation of :data:`KEPT`.
        signal: float64 (g, k, f), moderated variance between blocks without sampling variance, per autocorrelation.
        freedom: float64 (k, f), its degrees of freedom.
        chance: float64 (k, f), sampling variance of a block's rows.
        tails: float64 (k, f), excess kurtosis of blocks.
        short: float64 (k, f), additional variance of a short period within a block; None without short periods.
        short_chance: As ``chance``, for a short period.
        short_counts: float64 (s, k, c), as ``counts``, for short periods.
        short_length: Length of a short period in blocks.
    """

    parts: dict[str, int]
    first: Sequence[Index]
    functions: ScoreFunctions
    counts: F64
    place: I64
    block_length: int
    weights: F64
    signal: F64
    freedom: F64
    chance: F64
    tails: F64
    short: F64 | None
    short_chance: F64 | None
    short_counts: F64 | None
    short_length: float
    _lengths: dict[float, Lengths] = field(default_factory=dict)
    _subsets: dict[tuple[str, ...], ColumnSubset] = field(default_factory=dict)

    @classmethod
    def of(cls, blocks: TimeBlocks, baseline: Baseline) -> Self:
        """Estimate the normal variation from the blocks of a reference."""
        bins = block_columns(baseline.bins)
        # in the order of the JSON, since sums in another order differ in their last digits
        parts = {part: index for index, part in enumerate(sorted(part for part in blocks.by_part if part in bins))}
        first = [blocks.by_part[part].first for part in parts]
        width = max((len(borders) for borders in first), default=1)
        raw = _stacked(blocks, parts, width)
        starts, length_of_block = blocks.starts, blocks.length
        if length_of_block < DAY and len(starts) and starts[-1] - starts[0] >= _LEAST_DAYS * DAY:
            length_of_block = DAY  # parts of days have more sampling error, which lowers the autocorrelation
        place, starts_at = np.unique((starts - starts[0]) // length_of_block, return_index=True)
        counts = np.add.reduceat(raw, starts_at, axis=0)
        filled = np.count_nonzero(counts.sum(axis=0), axis=1)
        number = [isinstance(bins[part], NumberBins) for part in parts]
        functions = ScoreFunctions.of(counts.sum(axis=0), np.array(number, np.bool_) & (filled > 2))
        rows = counts.sum(axis=2)
        trust = _trust(rows)
        scores = functions.scores(counts, np.zeros(rows.shape))
        deviation, variance, chance, freedom = _variances(scores, trust, rows, functions.noise)
        alike, _ = _moderated(functions, variance, freedom)
        # a short series with a high autocorrelation has a smaller sample variance
        less = series_factors(KEPT, float(len(place))).variance[:, np.newaxis, np.newaxis]
        signal = np.maximum(alike - chance, 0.0) / less
        signal = np.divide(signal, signal + chance, out=np.zeros_like(signal), where=signal > 0)
        shares = fit_kept_shares(trust[..., np.newaxis] * deviation, place, signal)
        weights = _share_weights(functions, shares, deviation, trust)
        # exact given an autocorrelation, for any number of blocks
        moderated, freedoms = _moderated(functions, variance * shares.variance, freedom)
        freedom = (weights[..., np.newaxis] * freedoms).sum(axis=0)
        signal = np.maximum(moderated - chance, 0.0)
        short = short_chance = short_counts = None
        length = 1.0
        if blocks.shorts is not None and blocks.shorts.length < length_of_block:
            index_by_part = {part: starts_at for part, starts_at in parts.items() if part in blocks.shorts.by_part}
            short_counts = np.zeros((len(blocks.shorts.starts), len(parts), width))
            short_counts[:, list(index_by_part.values())] = _stacked(blocks.shorts, index_by_part, width)
            few = short_counts.sum(axis=2)
            believed = _trust(few)
            inner = functions.scores(short_counts, np.zeros(few.shape))
            _, varied, short_chance, _ = _variances(inner, believed, few, functions.noise)
            of_block = (weights[..., np.newaxis] * signal).sum(axis=0) + short_chance
            short = np.maximum(_moderated(functions, varied, np.array(freedom))[0] - of_block, 0.0)
            length = blocks.shorts.length / length_of_block
        return cls(
            parts=parts,
            first=first,
            functions=functions,
            counts=counts,
            place=place,
            block_length=length_of_block,
            weights=weights,
            signal=signal,
            freedom=freedom,
            chance=chance,
            tails=_tails(functions, deviation, trust),
            short=short,
            short_chance=short_chance,
            short_counts=short_counts,
            short_length=length,
        )

    def length(self, rows: float, reference: float, span: int) -> float:
        """Return the length of a window in blocks, limited by its number of rows relative to the reference.

        Args:
            rows: Rows of the window.
            reference: Rows of the reference.
            span: Length of the window in nanoseconds, 0 = unknown: then the time that its rows took in the reference.
        """
        windows = len(self.counts) * rows / max(reference, 1e-300)
        if not span:
            return windows
        length = span / self.block_length
        return max(1.0, min(windows, length)) if length > 1 else length

    def windows(self, length: float) -> int:
        """Return the number of windows of this length in the reference."""
        return int(len(self.counts) / max(1.0, length) + 1e-9)

    def of_length(self, length: float) -> Lengths:
        """Return the normal variation of windows of this length; cached."""
        key = round(max(length, _SHORTEST), 2)
        if (lengths := self._lengths.get(key)) is None:
            if len(self._lengths) >= MOST_LENGTHS:
                self._lengths.clear()
            lengths = self._lengths[key] = self._of_length(key)
        return lengths

    def _of_length(self, length: float) -> Lengths:
        many, chance = float(len(self.counts)), self.chance / max(1.0, length)
        short = np.zeros_like(chance)
        if length < 1 and self.short is not None and self.short_chance is not None:
            part = min(1.0, (1 - length) / (1 - self.short_length))
            chance = self.chance + (self.short_chance - self.chance) * part
            short = self.short * part
        window, mean, freedom = self._series(max(1.0, length), many, chance + short)
        heavy = _heavy(self.tails / max(1.0, length))
        windows, total = self._own_counts(length), self.counts.sum(axis=0)
        if not len(windows):
            nothing = np.zeros_like(window)
            return Lengths(
                window=window,
                mean=mean,
                signal=window,
                chance=chance,
                freedom=freedom,
                heavy=heavy,
                mean_offset=nothing,
                own_psi=nothing[:0, :0],
            )
        rows = windows.sum(axis=2)
        trust, scores = _trust(rows), self.functions.scores(windows, np.zeros(rows.shape))
        part = trust / np.maximum(trust.sum(axis=0), 1e-300)
        bias = (scores * part[..., np.newaxis]).sum(axis=0) - self.functions.scores(total, np.zeros(len(total)))
        if length > 1:
            # the spread within a week includes that between its days, which no single day shows
            beyond = self.functions.ordered[:, np.newaxis] & (np.arange(mean.shape[1]) != LEVEL)
            apart, varied, by_rows, of_own = _variances(scores, trust, rows, self.functions.noise)
            varied, of_own = _moderated(self.functions, varied, of_own)
            mixed = np.maximum(varied - window, 0.0) / np.maximum(varied, 1e-300)
            window = np.where(beyond, np.maximum(window, varied), window)
            chance = np.where(beyond, by_rows, chance)
            mean = np.where(beyond, varied / len(windows), mean)
            freedom = np.where(beyond, of_own, freedom)
            kurtosis = np.maximum(np.maximum(self.tails, _tails(self.functions, apart, trust)), _mixture(length, mixed))
            heavy = np.where(beyond, _heavy(kurtosis), heavy)
        signal = np.maximum(window - chance, 0.0)
        sizes = np.sort(_size(np.maximum(total - windows, 0.0), windows), axis=0)
        return Lengths(
            window=window,
            mean=mean,
            signal=signal,
            chance=chance,
            freedom=freedom,
            heavy=heavy,
            mean_offset=bias,
            own_psi=sizes,
        )

    def _series(self, length: float, many: float, beside: F64) -> tuple[F64, F64, F64]:
        """Return the variances of a window of ``length`` blocks and of the reference's mean, and degrees of freedom.

        Each autocorrelation has its own variances and uncertainty. Their logarithms are averaged by posterior
        probability into the logarithm of one variance, with degrees of freedom that match its uncertainty. ``beside``:
        variance to add to the window's.
        """
        of_window, of_mean = mean_variance(KEPT, length), series_factors(KEPT, many).mean
        weights, by_rows = self.weights[..., np.newaxis], self.chance / many
        variances = self.signal * (of_window + of_mean)[:, np.newaxis, np.newaxis] + beside + by_rows
        log = np.log(np.maximum(variances, 1e-300))
        middle = (weights * log).sum(axis=0)
        half = self.freedom / 2
        unsure = zeta(2.0, half) + (weights * (log - middle) ** 2).sum(axis=0)
        sure = inverse_trigamma(unsure)
        total = np.exp(middle + np.log(half) - digamma(half) - np.log(sure) + digamma(sure))
        window = (weights * self.signal * of_window[:, np.newaxis, np.newaxis]).sum(axis=0) + beside
        mean = (weights * self.signal * of_mean[:, np.newaxis, np.newaxis]).sum(axis=0) + by_rows
        part = total / np.maximum(window + mean, 1e-300)
        return window * part, mean * part, 2 * sure

    def _own_counts(self, length: float) -> F64:
        """Return the reference's own windows of this length: float64 (w, k, c), effective rows."""
        if length < 1 and self.short_counts is not None:
            return self.short_counts
        group = (self.place - self.place[0]) // max(1, round(length))
        _, group_starts, size = np.unique(group, return_index=True, return_counts=True)
        windows: F64 = np.add.reduceat(self.counts, group_starts, axis=0)[2 * size > max(1, round(length))]
        return windows

    def subset(self, parts: tuple[str, ...]) -> ColumnSubset:
        """Return a subset of the columns; cached.

        Args:
            parts: Names of k columns, all in :attr:`parts`.
        """
        if parts not in self._subsets:
            if len(self._subsets) >= MOST_LENGTHS:
                self._subsets.clear()
            columns = np.array([self.parts[part] for part in parts], np.int64)
            self._subsets[parts] = ColumnSubset(
                columns, [self.first[column] for column in columns.tolist()], _picked(self.functions, columns)
            )
        return self._subsets[parts]

    def compare(
        self, column_subset: ColumnSubset, reference: F64, current: F64, new: F64, worth: F64, lengths: Sequence[float]
    ) -> OwnDistance:
        """Return the distance of columns of w windows from the reference, compared with own windows of the same length.

        Args:
            column_subset: The k columns.
            reference: float64 (w, k, c), effective rows in the cells.
            current: float64 (w, k, c), effective rows of the windows, without categories that the reference never had.
            new: float64 (w, k), rows with such categories.
            worth: float64 (w, k), design effect of clusters.
            lengths: Length of each window in blocks.
        """
        at, picked, own_lengths = (
            column_subset.at,
            column_subset.functions,
            [self.of_length(length) for length in lengths],
        )
        n, m = reference.sum(axis=-1), current.sum(axis=-1) + new
        scores = picked.scores(np.stack([reference, current]), np.stack([np.zeros(new.shape), new]))
        # the window's cells exclude rows with new categories, which have a score function of their own
        rows = picked.noise * (worth * (1 / np.maximum(n, 1e-300) + 1 / np.maximum(m, 1e-300)))[..., np.newaxis]
        window, mean, chance, freedom, heavy, bias, signal = (
            _of_windows([getattr(own_length, name) for own_length in own_lengths], at)
            for name in ("window", "mean", "chance", "freedom", "heavy", "mean_offset", "signal")
        )
        estimated = window + mean
        beyond = picked.noise * (worth / np.maximum(m, 1e-300))[..., np.newaxis] - chance
        variance = np.maximum(estimated + beyond, rows)
        variance[..., -1] = rows[..., -1]  # no block has new categories
        freedom = freedom * (variance / np.maximum(estimated, 1e-300)) ** 2
        freedom = np.maximum(1.0, 1 / (1 / np.maximum(freedom, 1.0) + heavy))
        freedom[..., -1] = np.inf
        t = np.abs(scores[1] - scores[0] - bias) / np.sqrt(variance)
        with np.errstate(divide="ignore"):
            p = np.where(picked.weight > 0, 2 * stdtr(np.minimum(freedom, 1e6), -t) / picked.weight, 1.0)
        p = np.minimum(1.0, p.min(axis=-1))
        column = np.where(picked.weight[:, LEVEL] > 0, LEVEL, _least_sure(picked.weight, variance))[..., np.newaxis]
        own_variance, own_rows, own_freedom, own_signal, part = (
            np.take_along_axis(np.broadcast_to(field_value, variance.shape), column, axis=-1)[..., 0]
            for field_value in (variance, rows, freedom, signal, picked.weight)
        )
        excess = _size(reference, current, new)
        sizes = [
            own_length.own_psi[:, at] if len(own_length.own_psi) else np.zeros((1, len(at)))
            for own_length in own_lengths
        ]
        return OwnDistance(
            p=p,
            freedom=own_freedom,
            deviation=np.sqrt(own_variance),
            limit_deviation=np.sqrt(np.maximum(own_signal, 0.0)),
            part=part,
            design_effect=worth * np.maximum(1.0, own_variance / own_rows),
            nearer_windows=np.stack(
                [np.count_nonzero(siz >= far, axis=0) for siz, far in zip(sizes, excess, strict=True)]
            ),
            windows=np.array([len(own_length.own_psi) for own_length in own_lengths], np.int64),
            nearest_psi=np.stack([siz[0] for siz in sizes]),
            greatest=np.stack([siz[-1] for siz in sizes]),
        )


def _mixture(length: float, mixed: F64) -> F64:
    """Return the excess kurtosis of the spread of a window of days that differ in level.

    The squared differences of ``length`` days follow a chi-square with one degree of freedom less than days, whose
    excess kurtosis is 12 / freedom. ``mixed``: the part of the variance that they cause.
    """
    return 12 / (max(length, 2.0) - 1) * mixed**2


def _heavy(kurtosis: F64) -> F64:
    """Return 1 / f for a Student's t with f degrees of freedom and this excess kurtosis, 6 / (f - 4)."""
    heavy: F64 = 1 / (4 + 6 / np.maximum(kurtosis, 1e-9))
    return heavy


def _of_windows(known: Sequence[F64], at: I64) -> F64:
    """Return one field of the lengths of w windows for some columns: float64 (w or 1, k, f)."""
    if all(values is known[0] for values in known):
        return known[0][at][np.newaxis]
    return np.stack(known)[:, at]


_SHORTEST = 0.001
"""Minimum length of a window in blocks, 1.5 minutes of a day; shorter windows count as this long."""

MOST_LENGTHS = 64
"""Limit of cached window lengths per reference; a length that follows from a number of rows is a new one each time."""

_CACHE: WeakKeyDictionary[TimeBlocks, OwnWindows] = WeakKeyDictionary()
"""Shared by all windows; references derived for a window share the blocks."""


def own_windows(baseline: Baseline) -> OwnWindows | None:
    """Return the own windows of a baseline, from its time blocks; None without blocks. Cached."""
    blocks = baseline.extras.blocks
    if blocks is None or not blocks.by_part:
        return None
    windows = _CACHE.get(blocks)
    if windows is None:
        windows = _CACHE[blocks] = OwnWindows.of(blocks, baseline)
    return windows


class ShareDesigns(NamedTuple):
    """Design effects of fractions of rows, which may differ from those of values: part → at least 1.

    Attributes:
        missing: For the fraction of missing values.
        outside: For the fraction of numbers out of range.
        level: The fraction of numbers that normal shifts of the daily level put out of range.
    """

    missing: Mapping[str, float]
    outside: Mapping[str, float]
    level: Mapping[str, float] = MappingProxyType({})


def share_designs(baseline: Baseline, rows: float, span: int) -> ShareDesigns:
    """Return the design effects of fractions of rows, from their differences between the reference's own blocks.

    If no block has a missing value, every row counts. Parts without counted fractions are not in the result.

    Args:
        baseline: The reference.
        rows: Effective rows of the window.
        span: Length of the window in nanoseconds, 0 = unknown.
    """
    windows, blocks = own_windows(baseline), baseline.extras.blocks
    if windows is None or blocks is None:
        return ShareDesigns({}, {})
    shares = _SHARES.get(blocks)
    if shares is None:
        shares = _SHARES[blocks] = _shares_of(windows, blocks)
    of_baseline = float(windows.counts.sum(axis=(0, 2)).max(initial=0.0))
    own_length = windows.of_length(windows.length(rows, of_baseline, span))
    # 3.0: standard deviations within which the level of a day without drift is; one day in 400 is farther away. Without
    # this term, 2 % of the windows without drift had a finding if the variance of days was a tenth of that of rows,
    # since fractions out of range grow exponentially with the level.
    days = 3.0 * np.sqrt(own_length.signal[shares.at, LEVEL] + own_length.mean[shares.at, LEVEL])
    level = ndtr(days - shares.edge) + ndtr(-days - shares.edge)
    missing, outside = (
        shares_of_blocks.designs(windows, rows, span) for shares_of_blocks in (shares.missing, shares.outside)
    )
    return ShareDesigns(missing, outside, dict(zip(shares.outside.parts, level.tolist(), strict=True)))


class _SharesOfBlocks(NamedTuple):
    """Variation of a fraction of rows between the blocks of a reference, without sampling variance.

    Attributes:
        parts: The k parts with a counted fraction.
        signal: float64 (k,), variance between blocks, assuming the autocorrelation of the values.
        weights: float64 (g, k), as in :class:`OwnWindows`.
        reference_rows: Rows of the reference.
        block_count: Number of blocks.
    """

    parts: tuple[str, ...]
    signal: F64
    weights: F64
    reference_rows: float
    block_count: float

    def designs(self, own_windows: OwnWindows, rows: float, span: int) -> dict[str, float]:
        """Return the design effects of the fractions of a window, by part."""
        if not self.parts:
            return {}
        log_ratio = np.log(
            _difference_variance(own_windows, rows, self.reference_rows, span, self.block_count)
            / series_factors(KEPT, self.block_count).variance
        )
        between = self.signal * np.exp(log_ratio @ self.weights)
        design = 1 + between / (1 / max(rows, 1.0) + 1 / max(self.reference_rows, 1.0))
        return dict(zip(self.parts, design.tolist(), strict=True))


class _KnownShares(NamedTuple):
    """The fractions of rows of a reference.

    Attributes:
        missing: Fractions of missing values.
        outside: Fractions of numbers out of range.
        at: int64 (k,), positions of the parts of ``outside``.
        edge: float64 (k,), normal score beyond which a normal number has this fraction of rows, half of it per side.
    """

    missing: _SharesOfBlocks
    outside: _SharesOfBlocks
    at: I64
    edge: F64


_SHARES: WeakKeyDictionary[TimeBlocks, _KnownShares] = WeakKeyDictionary()


def _shares_of(own_windows: OwnWindows, blocks: TimeBlocks) -> _KnownShares:
    """Return the fractions of missing values and of numbers out of range in the blocks of a reference."""
    missing, outside = dict[str, tuple[F64, F64]](), dict[str, tuple[F64, F64]]()
    for part, cells in blocks.by_part.items():
        usable = cells.counts.sum(axis=1)
        if part in own_windows.parts and cells.missing is not None:
            missing[part] = cells.missing, usable + cells.missing
        if part in own_windows.parts and cells.outside is not None:
            outside[part] = cells.outside, usable
    share = np.array([float(cases.sum() / max(rows.sum(), 1.0)) for cases, rows in outside.values()])
    columns = np.array([own_windows.parts[part] for part in outside], np.int64)
    edge = -ndtri(np.minimum(0.5, share / 2))
    return _KnownShares(_share_of_blocks(own_windows, missing), _share_of_blocks(own_windows, outside), columns, edge)


def _share_of_blocks(own_windows: OwnWindows, known: Mapping[str, tuple[F64, F64]]) -> _SharesOfBlocks:
    """Return the variation of fractions; ``known``: cases and all rows of each block, float64 (b,) each."""
    if not known:
        return _SharesOfBlocks((), np.empty(0), np.empty((0, 0)), 0.0, 0.0)
    cases, rows = (np.stack(arrays, axis=1) for arrays in zip(*known.values(), strict=True))
    share = np.divide(cases, rows, out=np.zeros_like(rows), where=rows > 0)
    scores = 2 * np.arcsin(np.sqrt(share))[..., np.newaxis]
    _, variance, chance, freedom = _variances(scores, _trust(rows), rows, np.ones((len(known), 1)))
    moderated, _ = moderate_variances(variance[:, 0], freedom[:, 0])
    signal = np.where(variance[:, 0] > 0, np.maximum(moderated - chance[:, 0], 0.0), 0.0)
    weights = own_windows.weights[:, [own_windows.parts[part] for part in known]]
    return _SharesOfBlocks(tuple(known), signal, weights, float(rows.sum(axis=0).max()), float(len(rows)))


def _difference_variance(own_windows: OwnWindows, rows: float, of_baseline: float, span: int, many: float) -> F64:
    """Return the variance of a window less the reference, relative to a block's, per autocorrelation: float64 (g,)."""
    length = own_windows.length(rows, of_baseline, span)
    window = mean_variance(KEPT, length) if length > 1 else np.ones_like(KEPT)
    variance: F64 = window + series_factors(KEPT, many).mean
    return variance


def rows_of_a_block(baseline: Baseline, rows: float, of_baseline: float, span: int) -> float:
    """Return the factor from a variance between blocks, in that of rows, to its design effect; 0 without blocks.

    Args:
        baseline: The reference.
        rows: Effective rows of the window.
        of_baseline: Effective rows of the reference.
        span: Length of the window in nanoseconds, 0 = unknown.
    """
    windows = own_windows(baseline)
    if windows is None or rows <= 0 or of_baseline <= 0:
        return 0.0
    log_ratio = np.log(
        _difference_variance(windows, rows, of_baseline, span, float(len(windows.counts)))
    ) @ windows.weights.mean(axis=1)
    return float(np.exp(log_ratio)) / (1 / rows + 1 / of_baseline)


def _stacked(blocks: TimeBlocks, parts: dict[str, int], width: int) -> F64:
    """Return the columns in the blocks, float64 (b, k, width), as effective rows."""
    weighed, squared = blocks.rows[:, 1], blocks.rows[:, 2]
    kish = np.divide(weighed, squared, out=np.ones(len(weighed)), where=squared > 0)
    counts = np.zeros((len(blocks.starts), len(parts), width))
    for index, part in enumerate(parts):
        counts_of_part = blocks.by_part[part].counts
        counts[:, index, : counts_of_part.shape[1]] = counts_of_part
    counts *= kish[:, np.newaxis, np.newaxis]
    return counts


def _trust(rows: F64) -> F64:
    """Return the weight of each block, float64 (b, k), at most 1; blocks with fewer rows than the median have less."""
    ordered = np.sort(np.where(rows > 0, rows, np.inf), axis=0)
    filled_blocks = np.maximum(1, np.count_nonzero(rows > 0, axis=0))
    columns = np.arange(rows.shape[1])
    typical = (
        ordered[(filled_blocks - 1) // 2, columns] + ordered[filled_blocks // 2, columns]
    ) / 2  # the median of blocks with rows
    trust: F64 = np.minimum(1.0, rows / np.where(np.isfinite(typical), typical, 1.0))
    return trust


def _variances(scores: F64, trust: F64, rows: F64, noise: F64) -> tuple[F64, F64, F64, F64]:
    """Return deviations float64 (b, k, f); variance, its sampling part and degrees of freedom float64 (k, f)."""
    total = np.maximum(trust.sum(axis=0), 1e-300)
    part = (trust / total)[..., np.newaxis]
    deviation = scores - (scores * part).sum(axis=0)
    left = np.maximum(total - (trust**2).sum(axis=0) / total, 1e-300)
    variance = (trust[..., np.newaxis] * deviation**2).sum(axis=0) / left[:, np.newaxis]
    few = np.divide(1.0, rows, out=np.zeros_like(rows), where=rows > 0)
    chance = noise * ((trust * (1 - trust / total) * few).sum(axis=0) / left)[:, np.newaxis]
    blocks = total**2 / np.maximum((trust**2).sum(axis=0), 1e-300)
    freedom = np.broadcast_to(np.maximum(1.0, blocks - 1)[:, np.newaxis], variance.shape)
    return deviation, variance, chance, freedom


def _moderated(functions: ScoreFunctions, variance: F64, freedom: F64) -> tuple[F64, F64]:
    """Return variances and degrees of freedom, moderated over all columns for each kind of score function."""
    moderated, moderated_freedom = variance.copy(), np.broadcast_to(freedom, variance.shape).copy()
    for kind in _kinds(functions):
        moderated[..., kind], moderated_freedom[..., kind] = moderate_variances(variance[..., kind], freedom[kind])
    return moderated, moderated_freedom


def _kinds(functions: ScoreFunctions) -> list[Mask]:
    """Return the score functions of each kind: bool (k, f) each, none empty."""
    exists = functions.weight > 0
    kinds = [np.zeros(exists.shape, np.bool_) for _ in range(5)]
    for function in (LEVEL, SPREAD, SKEW):
        kinds[function][:, function] = exists[:, function]
    for function, columns in ((3, functions.ordered), (4, ~functions.ordered)):
        kinds[function][columns, CELLS:-1] = exists[columns, CELLS:-1]
    return [kind for kind in kinds if kind.any()]


def _tails(functions: ScoreFunctions, apart: F64, trust: F64) -> F64:
    """Return the excess kurtosis of the score functions: float64 (k, f).

    It is the unbiased excess kurtosis over blocks and columns, less its 95 % quantile by chance: of all functions of a
    kind, or of this function if that is greater. The square of a normal deviate has 12.

    Source: Fisher (1930), the unbiased fourth cumulant.
    """
    tails = np.zeros(functions.weight.shape)
    trusted = trust > 0
    block_count = trusted.sum(axis=0).astype(np.float64)[:, np.newaxis]
    second, fourth = (
        (trusted[..., np.newaxis] * apart**power).sum(axis=0) / np.maximum(block_count, 1.0) for power in (2, 4)
    )
    excess = np.divide(fourth, second**2, out=np.full_like(second, 3.0), where=second > 0) - 3
    few = block_count < 4
    unbiased = (
        (block_count - 1) / np.maximum((block_count - 2) * (block_count - 3), 1.0) * ((block_count + 1) * excess + 6)
    )
    unbiased = np.where(few, 0.0, unbiased)
    for kind in _kinds(functions):
        single = [kind & (np.arange(kind.shape[1]) == function) for function in np.flatnonzero(kind.any(axis=0))]
        for part in (kind, *single):  # some cells have heavier tails than others
            chance = BY_CHANCE * float(np.sqrt(24 / max(float((part * block_count).sum()), 1.0)))
            tails[part] = np.maximum(tails[part], float(unbiased[part].mean()) - chance)
    return tails


def _share_weights(functions: ScoreFunctions, shares: KeptShares, apart: F64, trust: F64) -> F64:
    """Return the posterior probability of each autocorrelation per column: float64 (g, k).

    It is estimated from the level of numbers, and from the cells of categories, which together count as one series.
    """
    used = functions.weight > 0
    used[:, SPREAD:CELLS] = False
    used[functions.ordered, SPREAD:] = False
    used[:, -1] = False
    fit = (shares.fit * used).sum(axis=2) / np.maximum(1, used.sum(axis=1))
    row = np.arange(len(used))
    series = (trust[..., np.newaxis] * apart)[:, row, used.argmax(axis=1)]
    return share_weights(fit.T, _independent(series[:, used.any(axis=1)]) - 1).T


def _independent(series: F64) -> float:
    """Return the number of independent series that correlated series, float64 (b, k), are equivalent to."""
    blocks, k = series.shape
    if k < 2 or blocks < 3:
        return 1.0
    length = np.sqrt((series**2).sum(axis=0))
    unit = series / np.where(length > 0, length, 1.0)
    squares = float(((unit.T @ unit) ** 2).sum()) - float(np.count_nonzero(length))
    shared = max(0.0, squares / (k * (k - 1)) - 1 / (blocks - 1))
    return float(k / (1 + (k - 1) * shared))


def _picked(functions: ScoreFunctions, at: I64) -> ScoreFunctions:
    return ScoreFunctions(
        fractions=functions.fractions[at],
        ordered=functions.ordered[at],
        borders=functions.borders[at],
        polynomials=functions.polynomials[:, at],
        levels=functions.levels[at],
        noise=functions.noise[at],
        weight=functions.weight[at],
    )


def _least_sure(weight: F64, variance: F64) -> I64:
    """Return the cell that requires the greatest distance to exceed normal variation: int64 (..., k)."""
    cells = np.where(weight[:, CELLS:-1] > 0, variance[..., CELLS:-1], -1.0)
    least_certain: I64 = CELLS + cells.argmax(axis=-1)
    return np.where(cells.max(axis=-1) > 0, least_certain, weight.shape[1] - 1)


def _size(reference: F64, current: F64, new: F64 | None = None) -> F64:
    """Return PSI over the cells less its mean without drift: float64 (..., k)."""
    if new is not None:
        reference = np.concatenate([reference, np.zeros((*new.shape, 1))], axis=-1)
        current = np.concatenate([current, new[..., np.newaxis]], axis=-1)
    filled = (reference.sum(axis=-1) > 0) & (current.sum(axis=-1) > 0)
    was = np.where(filled[..., np.newaxis], reference, 1.0)
    now = np.where(filled[..., np.newaxis], current, 1.0)
    return np.where(filled, psi(was, now) - psi_null_mean(was, now), 0.0)
