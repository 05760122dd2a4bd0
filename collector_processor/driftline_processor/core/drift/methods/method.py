"""A drift method, and the counts that it compares.

A method works on many columns at once, one per row: 10,000 comparisons per second are a few numpy calls over stacked
counts. Narrower columns are padded with empty bins, which change no method. Values beyond the fences count as lying on
them, so that a sentinel such as 1e9 does not dominate a distance. With a bin around each distinct value, the same
methods compare exact rows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from driftline.panes.bins import NumberBins
from driftline.tables.table import F64, I64
from msgspec import Struct

from driftline_processor.core.drift.coarse_bins import Coarse, coarse
from driftline_processor.core.drift.p_values import CERTAIN

REACH = 10.0
"""Distance of a fence from the interquartile range, in widths of that range. The 0.1 % quantiles of a normal
distribution are 1.8 widths out, those of a log-normal one with sigma 0.8 just inside; a sentinel of 1e9 that is
frequent enough for an edge of its own is beyond.
"""

ATOM = 0.05
"""Fraction of the rows from which a bin counts as a single frequent value, with the baseline's hundred bins: zeros of
an inflated feature, a sentinel, a default. The interquartile range is that of the other rows; otherwise it would be
this value.
"""


def fences(reference: F64, edges: F64) -> F64:
    """Return minimum and maximum, float64 (k, 2): the outer edges, or 10 interquartile ranges from the quartiles.

    The quartiles are those of the rows outside any :data:`ATOM`, if these are a tenth of all rows. If both quartiles
    are the same value, the outer edges are the fences.

    Args:
        reference: Counts of the reference, float64 (k, bins).
        edges: float64 (k, bins - 1), at least one.

    >>> edges = np.array([[0.0, 1.0, 2.0, 3.0, 4.0, 1e9]])
    >>> fences(np.array([[1.0, 25.0, 25.0, 25.0, 25.0, 2.0, 3.0]]), edges).tolist()
    [[0.0, 34.0]]
    """
    total = reference.sum(axis=1, keepdims=True)
    others = np.where(reference > ATOM * total, 0.0, reference)
    # 0.1: minimum fraction of these rows; a feature with few distinct values uses the quartiles of all rows
    of_all = others.sum(axis=1, keepdims=True) < 0.1 * total
    middle = np.where(of_all, reference, others)
    shares = np.cumsum(middle, axis=1)[:, :-1] / middle.sum(axis=1, keepdims=True)
    last = edges.shape[1] - 1
    lower = np.clip(np.count_nonzero(shares <= 0.25, axis=1, keepdims=True) - 1, 0, last)
    upper = np.clip(np.count_nonzero(shares < 0.75, axis=1, keepdims=True), 0, last)
    low, high = np.take_along_axis(edges, lower, axis=1), np.take_along_axis(edges, upper, axis=1)
    width = high - low
    # the width of a bin around one value is 2^-22 of the value, around zero 5e-324, a millionth of which would be 0
    spread = (width > 1e-6 * np.maximum(np.abs(low), np.abs(high))) & (width > np.finfo(np.float64).tiny)
    least = np.where(spread, np.maximum(low - REACH * width, edges[:, :1]), edges[:, :1])
    greatest = np.where(spread, np.minimum(high + REACH * width, edges[:, -1:]), edges[:, -1:])
    return np.hstack([least, greatest])


Kind = Literal["number", "category", "boolean", "embedding"]
"""Kind of a column. A boolean has at most two values in the baseline, numbers or categories. The bins of an embedding
are those of its L2 norm, a number.
"""


class Vectors(NamedTuple):
    """The reference of an embedding; see :class:`driftline.panes.embedding_projection.Projection`.

    Attributes:
        means: Means of the features, float64 (width,).
        spectrum: Variances along the axes, float64 (width,), padded with zeros.
        axes: float64 (axes, width), padded with zeros.
    """

    means: F64
    spectrum: F64
    axes: F64


class Sums(NamedTuple):
    """The sums in panes for k pairs of samples of vectors, see :mod:`driftline.panes.embedding_projection`.

    Attributes:
        reference: float64 (k, width), means of the features.
        current: float64 (k, width), means of the features.
        n: float64 (k,), (effective) rows.
        m: float64 (k,), (effective) rows.
        spectrum: float64 (k, width), variances of the features along their axes in the reference, padded with zeros.
        axes: float64 (k, axes, width), the first of these axes, padded with zeros.
    """

    reference: F64
    current: F64
    n: F64
    m: F64
    spectrum: F64
    axes: F64


class Counts(Struct, frozen=True, eq=False, dict=True):
    """k pairs of samples, counted over bins that the two samples of a pair share.

    Attributes:
        reference: float64 (k, bins), effective rows of the reference per bin, without missing and invalid; never all
            zero.
        current: float64 (k, bins), effective rows of the window, in the same form.
        edges: Borders of the bins of numbers, float64 (k, bins - 1), padded with the last; None for categories.
        fences: float64 (k, 2); values beyond count as lying there if the size of a value matters. None for
            :func:`fences` of the reference.
        sums: Sums of embeddings; None for other columns.
        other_bin: int64 (k,), index of the bin of all other categories if the categories were selected from the
            reference, -1 without one; None for numbers.
        certain: float64 (k,), p-values below this may come from the limit law.
    """

    reference: F64
    current: F64
    edges: F64 | None = None
    fences: F64 | None = None
    sums: Sums | None = None
    other_bin: I64 | None = None
    certain: F64 | float = CERTAIN

    @cached_property
    def _cache(self) -> dict[str, F64]:
        return {}

    def cached(self, name: str, make: Callable[[], F64]) -> F64:
        """Return a cached value by name, computed on the first call.

        Args:
            name: Name of the value.
            make: Function that computes the value.
        """
        made = self._cache.get(name)
        if made is None:
            made = self._cache[name] = make()
        return made

    @cached_property
    def n(self) -> F64:
        """Rows of the reference: float64 (k,)."""
        total: F64 = self.reference.sum(axis=-1)
        return total

    @cached_property
    def m(self) -> F64:
        """Rows of the window: float64 (k,)."""
        total: F64 = self.current.sum(axis=-1)
        return total

    @cached_property
    def places(self) -> F64:
        """Edges between the fences, float64 (k, bins - 1); one edge at 0 for a number without edges."""
        if self.edges is None or self.edges.shape[1] == 0:
            return np.zeros((len(self.reference), 1))
        outer = fences(self.reference, self.edges) if self.fences is None else self.fences
        return np.clip(self.edges, outer[:, :1], outer[:, 1:])

    @cached_property
    def distances(self) -> F64:
        """Distribution function of the reference less that of the window at every edge, float64 (k, bins - 1)."""
        was = np.cumsum(self.reference, axis=-1)[:, :-1] / self.n[:, np.newaxis]
        now = np.cumsum(self.current, axis=-1)[:, :-1] / self.m[:, np.newaxis]
        return was - now

    @cached_property
    def coarse(self) -> Coarse:
        """The same rows over few bins: deciles of numbers, categories as they are, both with rare bins pooled."""
        return coarse(self.reference, self.current, ordered=self.edges is not None, others=self.other_bin)


class Measured(NamedTuple):
    """The result of one drift method for k columns.

    Attributes:
        value: float64 (k,), value of the method.
        p_value: float64 (k,), probability of such a value without drift, not corrected for several columns. None for a
            method without a p-value.
        effect: float64 (k,), size of the drift beyond what sampling explains, in ``Method.unit``. None for a method
            without an effect.
    """

    value: F64
    p_value: F64 | None = None
    effect: F64 | None = None


class Method(Struct, frozen=True):
    """One drift method, defined in the constant ``METHODS`` of a module of this package.

    Attributes:
        name: Name in YAML, JSON and metrics.
        title: Name on pages and in sentences.
        symbol: Name in a table.
        kinds: Kinds of columns that the method compares.
        minimum: Minimum value, that of two equal samples.
        maximum: Maximum value.
        unit: Unit of the value.
        source: Paper with the definition.
        counts: Function that measures k columns.
        p_value: Function that returns k p-values, for a method whose p-value costs more than its value: called only if
            the method decides.
        min_effect: Minimum effect that counts as drift; None for a method that cannot decide.
        symmetric: True if exchanging the samples, over the same cells, does not change the value.
        scaling: Effect of multiplying all counts: "none"; "fades", ever less, since a constant is added to every bin;
            "grows", as a test statistic does.
        rows: True if exact rows give another value than bins; else the definition is over the bins.
        bound: Function that returns the greatest difference between the value of counts and that of rows; None if
            unknown.
    """

    name: str
    title: str
    symbol: str
    kinds: frozenset[Kind]
    minimum: float
    maximum: float
    unit: str
    source: str
    counts: Callable[[Counts], Measured]
    p_value: Callable[[Counts], F64] | None = None
    min_effect: float | None = None
    symmetric: bool = True
    scaling: Literal["none", "fades", "grows"] = "none"
    rows: bool = False
    bound: Callable[[Counts], F64] | None = None


class Moments(NamedTuple):
    """Moments of k samples, float64 (k,) each, in the unit of the feature.

    Attributes:
        mean: Mean of the counts.
        variance: Variance of the counts, over n, not n - 1.
        mean_bound: Greatest difference between this mean and that of the clipped rows.
        deviation_bound: Greatest difference between this standard deviation and that of the clipped rows.
    """

    mean: F64
    variance: F64
    mean_bound: F64
    deviation_bound: F64


def middles(edges: F64) -> F64:
    """Return the middle of each bin, float64 (k, bins); for an outer bin, its edge.

    Args:
        edges: float64 (k, bins - 1).

    >>> middles(np.array([[0.0, 1.0, 3.0]])).tolist()
    [[0.0, 0.5, 2.0, 3.0]]
    """
    return np.concatenate([edges[:, :1], edges[:, :-1] + np.diff(edges) / 2, edges[:, -1:]], axis=1)


def moments(counts: F64, edges: F64) -> Moments:
    """Return the moments of counts, with every row at the middle of its bin.

    A row is at most half a bin from the middle. So the error of the mean is at most the mean of these halves, and that
    of the standard deviation, by the triangle inequality, at most their root mean square.

    Args:
        counts: float64 (k, bins).
        edges: float64 (k, bins - 1).

    >>> found = moments(np.array([[0.0, 1.0, 1.0, 0.0]]), np.array([[0.0, 1.0, 2.0]]))
    >>> found.mean.tolist(), found.variance.tolist(), found.mean_bound.tolist()
    ([1.0], [0.25], [0.5])
    """
    # centred first: the squares of 1e9 and 1e9 + 1 would lose all digits of their difference
    centre = edges[:, edges.shape[1] // 2, np.newaxis]
    middle = middles(edges - centre)
    half = np.pad(np.diff(edges) / 2, ((0, 0), (1, 1)))
    # narrower columns are padded on the right with empty bins; their edges repeat the last one
    total = counts.sum(axis=1)
    mean = (counts * middle).sum(axis=1) / total
    variance = (counts * (middle - mean[:, np.newaxis]) ** 2).sum(axis=1) / total
    mean_bound = (counts * half).sum(axis=1) / total
    return Moments(mean + centre[:, 0], variance, mean_bound, np.sqrt((counts * half**2).sum(axis=1) / total))


def counts_of_rows(reference: F64, current: F64, bins: NumberBins) -> Counts:
    """Return the counts of the rows of one number, with a bin around each distinct value.

    Args:
        reference: float64 (n,), not empty; NaN and infinities are removed.
        current: float64 (m,), not empty; NaN and infinities are removed.
        bins: Bins of the baseline, whose fences are used.

    >>> from .ks import METHODS
    >>> counts = counts_of_rows(np.array([1.0, 2.0, 3.0]), np.array([2.0, 5.0]), NumberBins(np.array([0.0, 9.0])))
    >>> METHODS[0].counts(counts).value.tolist()
    [0.5]
    """
    reference, current = reference[np.isfinite(reference)], current[np.isfinite(current)]
    values, at = np.unique(np.concatenate([reference, current]), return_inverse=True)
    edges = np.empty((1, 2 * len(values)))
    edges[0, ::2], edges[0, 1::2] = values, np.nextafter(values, np.inf)
    size = 2 * len(values) + 1
    was, now = (
        np.bincount(2 * part + 1, minlength=size).astype(np.float64)[np.newaxis]
        for part in (at[: len(reference)], at[len(reference) :])
    )
    counts = np.bincount(np.searchsorted(bins.edges, reference, side="right"), minlength=bins.size)
    outer = fences(counts[np.newaxis].astype(np.float64), bins.edges[np.newaxis]) if len(bins.edges) else None
    return Counts(was, now, edges, outer)
