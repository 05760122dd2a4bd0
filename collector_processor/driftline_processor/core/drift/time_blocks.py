"""Resemblance of rows: the design effect of a target, from clusters of the window and blocks of time of the baseline.

How far quiet windows stray from a reference whose days differ, by what its own blocks of time say.

The blocks of a reference are a series: so far from all of it, in this or in that direction. It is taken as one of first
order, in which a block keeps a share of the deviation of the one before, and the rest is new. How much it keeps is not
known; fourteen days that persist look like fourteen days that hardly vary, at another level. So nothing is estimated:
all shares, and all variances, count by how likely the blocks are with them, and the p-value of a window is the mean of
its p-values. Where few blocks tell little, quiet windows may be far away.

Source: Zellner, "An Introduction to Bayesian Inference in Econometrics" (1971), 7.1; Berger and Yang, "Noninformative
priors and Bayesian testing for the AR(1) model" (1994) for the prior; Harville, "Bayesian inference for variance
components using only error contrasts" (1974) for the likelihood without the mean.

How far apart two samples are, in one unit for all: the shift of a normal feature, in its standard deviations.

A distance of distribution functions cannot exceed 1, so days that differ much look alike in it. As the shift of a
normal feature that shows the same distance, days that differ normally do so there, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.time_blocks import TimeBlocks
from driftline.panes.bins import CategoryBins, Index, NumberBins
from driftline.panes.fold import PREFIX, by_group
from driftline.panes.pane import Pane
from driftline.tables.table import F64
from scipy.special import chdtri, ndtr, ndtri

from driftline_processor.core.windows.window import DAY

from .dependence import FEWEST_GROUPS, Design, effective_groups, of_clusters
from .methods import METHODS, Counts
from .reference import Reference, Series, effective_blocks

KEEPS = 0.97
"""The most a day may keep of the deviation of the one before. Days that keep 0.9 are then drift in 1.2 % of quiet weeks
after 7 days of reference and in 0.7 % after 14; were it 0.95, in 3.9 and 2.3 %, and 0.9, in 8 and 7 %."""

SHARES = 12
VARIANCES = 20
QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Quantiles of the variation of stretches within a block, estimated from as many stretches as there are blocks."""

NOT_EXCLUDED = 0.1
"""Shares with which the blocks are at least so likely, beside the likeliest, are not excluded by them."""


@dataclass(frozen=True, slots=True, eq=False)
class SeriesMemory:
    """The memory of a series of blocks: how far one block resembles the next.

    Attributes:
        keeps: float64 (shares,), of a block's deviation in the next.
        variances: float64 (variances,), of a block about the mean of all time.
        weights: float64 (shares, variances), how likely, sum 1.
        mean: float64 (shares,), the variance of the mean of the reference, as a share of a block's.
        within: float64 (quantiles,), how much more a stretch varies that is hardly longer than none.
        squares: The mean square of the series.
    """

    keeps: F64
    variances: F64
    weights: F64
    mean: F64
    within: F64
    squares: float

    def own(self, length: float) -> F64:
        """Return the variances of a window of so many blocks against the reference, without that of independent rows.

        float64 (shares, variances, quantiles). Of a part of a block: how much stretches vary falls from moment to
        block about as a straight line, or below it.
        """
        by_share = mean_variance(self.keeps, max(1.0, length)) + self.mean
        within = self.within * (1 - min(1.0, length))
        return (by_share[:, np.newaxis] * self.variances)[:, :, np.newaxis] + within

    def p_values(self, far: float, rows: float, length: float) -> tuple[float, float]:
        """Return the p-value of a window so far away, and the least of it with any share that is not excluded.

        ``rows``: the variance that independent rows have. ``length``: in blocks.
        """
        p = 2 * ndtr(-abs(far) / np.sqrt(self.own(length) + rows)).mean(axis=2)
        likely = self.weights.sum(axis=1)
        by_share = (self.weights * p).sum(axis=1) / likely
        return float((self.weights * p).sum()), float(by_share[likely >= NOT_EXCLUDED * likely.max()].min())

    def typical(self, length: float) -> float:
        """Return the median of the variances of a window, see :meth:`own`."""
        own = self.own(length)
        order = np.argsort(own, axis=None)
        weights = np.repeat(self.weights[:, :, np.newaxis], own.shape[2], axis=2).ravel()[order].cumsum()
        return float(own.ravel()[order][np.searchsorted(weights, weights[-1] / 2)])


def learn_series_memory(
    series: F64, at: F64, rows: F64, noise: float, day: float, within: F64 | None = None
) -> SeriesMemory:
    """Learn how a series goes on.

    Args:
        series: float64 (b,), how far each block is from all, with a sign.
        at: float64 (b,), when, in blocks.
        rows: float64 (b,), of each.
        noise: The variance of a block that independent rows have.
        day: Blocks of a day.
        within: See :func:`within`.

    >>> rng = np.random.default_rng(1)
    >>> found = learn_series_memory(rng.normal(size=60), np.arange(60.0), np.ones(60), 0.0, 1.0)
    >>> [round(p, 3) for far in (2, 3) for p in found.p_values(far, 0.0, 1)]
    [0.029, 0.026, 0.001, 0.001]
    """
    variances = max(float(series.var(ddof=1)), 1e-12) * np.geomspace(0.05, 60, VARIANCES)
    keeps, values, vectors = _spectra(tuple(at.tolist()), KEEPS ** (1 / max(1.0, day)))
    z, one, part = series @ vectors, vectors.sum(axis=1), (rows / rows.sum()) @ vectors  # float64 (shares, b) each
    spread = variances[:, np.newaxis] * values[:, np.newaxis] + noise
    ones, both, squares = ((product[:, np.newaxis] / spread).sum(axis=2) for product in (one * one, one * z, z * z))
    likelihood = -0.5 * (np.log(spread).sum(axis=2) + np.log(ones) + squares - both**2 / ones)
    weights = np.exp(likelihood - likelihood.max())
    more = np.zeros(1) if within is None else within
    mean = (part**2 * values).sum(axis=1)
    return SeriesMemory(keeps, variances, weights / weights.sum(), mean, more, float((series**2).mean()))


def within(blocks: F64, short: F64, noise: float, length: float) -> F64:
    """Return the excess variation of a very short stretch over that of a block: float64 (quantiles,).

    Args:
        blocks: float64 (k,), how far blocks, and a short stretch of each, are from all.
        short: As ``blocks``.
        noise: The variance that independent rows add.
        length: Of a short stretch, in blocks.
    """
    most = max(float(((short - blocks) ** 2).mean()), float((short**2).mean() - (blocks**2).mean()))
    drawn = most * len(blocks) / chdtri(len(blocks), np.array(QUANTILES))
    found: F64 = np.maximum(drawn - noise, 0.0) / (1 - length)
    return found


def mean_variance(keeps: F64, length: float) -> F64:
    """Return the variance of the mean of so many blocks (1 or more, also between whole numbers), as a share of one's.

    >>> mean_variance(np.array([0.0, 0.5]), 2.0).tolist()
    [0.5, 0.75]
    """
    found: F64 = (1 + keeps) / (1 - keeps) / length - 2 * keeps * (1 - keeps**length) / (length * (1 - keeps)) ** 2
    return found


@lru_cache(maxsize=64)
def _spectra(at: tuple[float, ...], most: float) -> tuple[F64, F64, F64]:
    """Return possible shares of a block, with eigenvalues and eigenvectors of the correlation of blocks there.

    The shares are equally likely before the blocks are seen (Jeffreys' prior, 1 / sqrt(1 - share²)). Eigenvalues are
    float64 (shares, b).
    """
    keeps = np.sin(np.linspace(0, np.arcsin(most), SHARES))
    steps = np.abs(np.subtract.outer(np.array(at), np.array(at)))
    values, vectors = np.linalg.eigh(keeps[:, np.newaxis, np.newaxis] ** steps)
    return keeps, np.maximum(values, 0.0), vectors


MOST = 0.9999
"""A greater distance is taken for this one: a shift of 7.8, or of 8.6."""

DISTANCE = np.pi**2 / 12
"""Rows times the mean squared distance of independent rows."""

RARELY = 0.3997
"""The same of a normal deviate that is as far as the distance once in a hundred: (1.6276 / 2.5758)²."""


def apart(counts: F64, whole: F64, *, ordered: bool) -> F64:
    """Return the deviations of samples from a whole, float64 (..., k): their distribution functions', else shares'.

    ``counts``: float64 (..., cells); ``whole``: float64 (cells,). Of shares those of their roots.
    """
    now, was = counts / counts.sum(axis=-1, keepdims=True), whole / whole.sum()
    deviation: F64 = (np.cumsum(was) - np.cumsum(now, axis=-1))[..., :-1] if ordered else np.sqrt(now) - np.sqrt(was)
    return deviation


def normal_shift(apart: F64, *, ordered: bool) -> F64:
    """Return the shift of a normal feature that has these deviations: float64 (...).

    By their Kolmogorov-Smirnov distance, of shares by that of Bhattacharyya.

    >>> normal_shift(np.array([[0.1, 0.3829]]), ordered=True).round(3).tolist()
    [1.0]
    """
    if ordered:
        found: F64 = 2 * ndtri((1 + np.minimum(np.abs(apart).max(axis=-1), MOST)) / 2)
    else:
        found = np.sqrt(-8 * np.log1p(-np.minimum((apart**2).sum(axis=-1) / 2, MOST)))
    return found


class ShiftNoise(NamedTuple):
    """Rows times the variance that a shift has by chance, of independent rows.

    Attributes:
        alone: Where there is none, its mean square.
        beside: Of one that is greater.
        rarely: Of a normal deviate that is as far as a shift by chance is once in a hundred.
    """

    alone: float
    beside: float
    rarely: float


def shift_noise(cells: int, *, ordered: bool) -> ShiftNoise:
    """Return the variance of a shift over a number of cells by chance."""
    if ordered:
        return ShiftNoise(2 * np.pi * DISTANCE, np.pi / 2, 2 * np.pi * RARELY)
    freedom = max(1, cells - 1)
    return ShiftNoise(freedom, 1.0, float(chdtri(freedom, 0.01) / chdtri(1, 0.01)))


MOST_LENGTHS = 64

SQUARED = ("chi2", "psi")
"""Methods whose effect grows with the square of a shift."""


@dataclass(frozen=True, slots=True)
class BlockVerdict:
    """The verdict of blocks of time on a window.

    Attributes:
        p_values: When asked, of a quiet window so far away, and that with what favours drift most and is not excluded.
        shared: The part of the deciding effect, or of its square, that quiet windows have.
        excess: Of PSI.
        alike: How many rows count as one.
    """

    p_values: Callable[[], tuple[float, float]]
    shared: float
    excess: float
    alike: float


@dataclass(frozen=True, slots=True, eq=False)
class BlockSeries:
    """One target in the blocks of a reference, where these differ more than independent rows would.

    Attributes:
        counts: float64 (b, cells), effective rows.
        first: The first bin of each cell.
        lasts: How they go on.
        each: Nanoseconds of a block.
        typical: Variances of windows by their length, some that were asked for.
    """

    counts: F64
    first: Index
    lasts: SeriesMemory
    ordered: bool
    each: int
    typical: dict[float, float] = field(default_factory=dict)

    def length(self, m: float, span: int) -> float:
        """Return the length of a window of a number of rows in blocks; a block has no more rows than are typical.

        ``span``: nanoseconds, 0 = not known: then as long as its rows took in the reference.
        """
        held = len(self.counts) * m / float(self.counts.sum())
        if not span:
            return held
        length = span / self.each
        return max(1.0, min(held, length)) if length > 1 else length

    def verdict(self, reference: Reference, current: F64, worth: float, span: int, squares: F64 | None) -> BlockVerdict:
        """Judge a window.

        ``current``: float64 (bins,), effective rows. ``worth``: how many of a cluster count as one. ``squares``: of
        the deciding effects of the blocks, or these themselves, see :data:`SQUARED`.
        """
        n, m = reference.rows, float(current.sum())
        was, now = (np.add.reduceat(one, self.first) for one in (reference.counts, current))
        if isinstance(reference.bins, CategoryBins):  # what no block has is in none of their cells
            new = float(current[reference.counts <= 0].sum())
            never = np.add.reduceat(np.where(reference.counts > 0, 0.0, current), self.first)
            was, now = np.append(was, 0.0), np.append(now - never, new)
        far = float(normal_shift(apart(now, was, ordered=self.ordered), ordered=self.ordered))
        base = worth * (1 / n + 1 / m)
        length = self.length(m, span)
        rarely = shift_noise(len(self.first), ordered=self.ordered).rarely
        key = round(length, 3)
        if (own := self.typical.get(key)) is None:
            if len(self.typical) >= MOST_LENGTHS:
                self.typical.clear()
            own = self.typical[key] = self.lasts.typical(length)
        alike = 1 + own / (np.pi / 2 * base) if self.ordered else 1 + own / (max(1, len(self.first) - 1) * base)
        shared = 0.0 if squares is None else float(squares.mean()) * own / max(self.lasts.squares, 1e-12)
        return BlockVerdict(partial(self.lasts.p_values, far, rarely * base, length), shared, own, float(alike))


_CACHE: WeakKeyDictionary[TimeBlocks, dict[tuple[str, bool], BlockSeries]] = WeakKeyDictionary()
_EFFECTS: WeakKeyDictionary[TimeBlocks, dict[tuple[str, str], F64 | None]] = WeakKeyDictionary()
"""Worked out once for all windows: by part, and method. References that are derived for a window share the blocks."""


def clustered_design(reference: Reference, pane: Pane, m: float, *, ordered: bool) -> Design:
    """Return the design effect that the clusters of a window have; ``m``: its (effective) rows."""
    counts = pane.parts.get(PREFIX + reference.part)
    if counts is None or not counts.any():
        return Design()
    groups = by_group(counts)
    if effective_groups(groups) < FEWEST_GROUPS:  # one customer's rows count as one, those without a key as they are
        keyed = float(groups.sum() / pane.parts[reference.part][: reference.bins.size].sum())
        return Design(max(1.0, keyed**2 * m / effective_groups(groups)))
    return of_clusters(groups * (m / groups.sum()), None, reference.rows, ordered=ordered)


def days_of(reference: Reference, baseline: Baseline) -> BlockSeries | None:
    """Return the effects of a baseline's blocks on a target; None where blocks do not differ. Cached."""
    blocks = baseline.extras.blocks
    if reference.blocks is None or blocks is None:
        return None
    ordered = reference.kind in ("number", "embedding")
    cached, key = _CACHE.setdefault(blocks, {}), (reference.part, ordered)
    if key not in cached:
        cached[key] = _days(reference, blocks, ordered=ordered)
    return cached[key]


def effects(reference: Reference, baseline: Baseline, decided_by: str) -> F64 | None:
    """Return the effect of each block of the baseline against all of it: float64 (b,), see :func:`days_of`.

    In the unit of the method that decides, over the coarse cells of the blocks. None where no blocks differ, and of
    embeddings, whose blocks hold no vectors.
    """
    counts, blocks = reference.blocks, baseline.extras.blocks
    if counts is None or blocks is None or "embedding" in METHODS[decided_by].kinds:
        return None
    cached, key = _EFFECTS.setdefault(blocks, {}), (reference.part, decided_by)
    if key not in cached:
        first = blocks.of[reference.part].first
        whole = np.broadcast_to(counts.sum(axis=0), counts.shape)
        edges = None
        if isinstance(reference.bins, NumberBins) and "number" in METHODS[decided_by].kinds:
            edges = np.broadcast_to(reference.bins.edges[first[1:] - 1], (len(counts), len(first) - 1))
        cached[key] = METHODS[decided_by].counts(Counts(whole, counts, edges)).effect
    return cached[key]


def _days(reference: Reference, blocks: TimeBlocks, *, ordered: bool) -> BlockSeries:
    cells = blocks.of[reference.part]
    counts, start, each, place = Series.of(blocks, reference.part)
    whole = counts.sum(axis=0)
    deviation = apart(counts, whole, ordered=ordered)
    direction = np.linalg.svd(deviation, full_matrices=False)[2][0]
    series = normal_shift(deviation, ordered=ordered) * np.where(deviation @ direction < 0, -1.0, 1.0)
    rows = counts.sum(axis=1)
    noisy = shift_noise(len(cells.first), ordered=ordered)
    part = min(1.0, noisy.alone * float((1 / rows).mean() / (series**2).mean())) ** 2
    typical = part * noisy.alone + (1 - part) * noisy.beside
    more = None
    if blocks.within is not None and reference.part in blocks.within.of:
        short, there = effective_blocks(blocks.within, reference.part)
        block = np.searchsorted(place, (blocks.within.starts[there] - start) // each, side="right").clip(1) - 1
        away = apart(short, whole, ordered=ordered)
        inner = normal_shift(away, ordered=ordered) * np.where(away @ direction < 0, -1.0, 1.0)
        few = typical * float((1 / short.sum(axis=1) - 1 / np.maximum(rows[block], 1.0)).mean())
        more = within(series[block], inner, max(0.0, few), blocks.within.length / each)
    lasts = learn_series_memory(
        series, place.astype(np.float64), rows, typical * float((1 / rows).mean()), DAY / each, more
    )
    return BlockSeries(counts, cells.first, lasts, ordered, each)
