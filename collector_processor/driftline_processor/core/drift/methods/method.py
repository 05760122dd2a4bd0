"""A drift method: its definition over counts, the counts, and what is promised of it.

A method works on many targets at once, one a row: 10,000 comparisons a second are a few numpy calls over stacked
counts, not 10,000 calls. Narrower targets are padded with empty bins, which change no method.

How far out a value may lie before only its being far out counts: what keeps a sentinel from being a distance.

Mean and variance of counts over bins, values beyond the fences counted as lying on them.

Counts with a bin around each distinct value: the same methods, and no binning left in them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from driftline.panes.bins import NumberBins
from driftline.tables.table import F64, I64

from driftline_processor.core.drift.coarse_bins import Coarse, coarse

REACH = 10.0
"""Widths of the middle half beyond it. A normal distribution ends long before (its 0.1 % quantiles are 1.8 out), a
log-normal one of sigma 0.8 just inside; a sentinel of 1e9, frequent enough for an edge of its own, lies beyond."""

ATOM = 0.05
"""A bin with so many of the rows is one value that comes again and again, by the baseline's hundred bins: zeros of an
inflated feature, a sentinel, a default. The middle half is that of the other rows, or it would be such a value."""

OTHERS = 0.1
"""If there are so many; of a feature with few distinct values it is the middle half of all."""


def fences(reference: F64, edges: F64) -> F64:
    """Return least and greatest value, float64 (k, 2): the outer edges, or 10 widths of the middle half from it.

    ``reference``: counts float64 (k, bins), ``edges``: float64 (k, bins - 1), at least one. The middle half is that of
    the rows in no :data:`ATOM`, where they are a tenth of all. Of a reference whose middle half is one value, the outer
    edges.

    >>> edges = np.array([[0.0, 1.0, 2.0, 3.0, 4.0, 1e9]])
    >>> fences(np.array([[1.0, 25.0, 25.0, 25.0, 25.0, 2.0, 3.0]]), edges).tolist()
    [[0.0, 34.0]]
    """
    total = reference.sum(axis=1, keepdims=True)
    others = np.where(reference > ATOM * total, 0.0, reference)
    of_all = others.sum(axis=1, keepdims=True) < OTHERS * total
    middle = np.where(of_all, reference, others)
    shares = np.cumsum(middle, axis=1)[:, :-1] / middle.sum(axis=1, keepdims=True)
    last = edges.shape[1] - 1
    lower = np.clip(np.count_nonzero(shares <= 0.25, axis=1, keepdims=True) - 1, 0, last)
    upper = np.clip(np.count_nonzero(shares < 0.75, axis=1, keepdims=True), 0, last)
    low, high = np.take_along_axis(edges, lower, axis=1), np.take_along_axis(edges, upper, axis=1)
    width = high - low
    # around one value the bin is 2^-22 of it wide, and around zero 5e-324, of which a millionth would be 0
    spread = (width > 1e-6 * np.maximum(np.abs(low), np.abs(high))) & (width > np.finfo(np.float64).tiny)
    least = np.where(spread, np.maximum(low - REACH * width, edges[:, :1]), edges[:, :1])
    greatest = np.where(spread, np.minimum(high + REACH * width, edges[:, -1:]), edges[:, -1:])
    return np.hstack([least, greatest])


Kind = Literal["number", "category", "boolean", "embedding"]
"""Kind of a target. A boolean has at most two values in the baseline, numbers or labels. The bins of an embedding are
those of its L2 norm, a number.
"""


class Vectors(NamedTuple):
    """The reference of an embedding, see :class:`driftline.panes.embedding_projection.Projection`.

    Attributes:
        means: Of the features, float64 (width,).
        spectrum: float64 (width,), ``axes``: float64 (axes, width), each padded with zeros.
    """

    means: F64
    spectrum: F64
    axes: F64


class Sums(NamedTuple):
    """The sums that panes keep of k pairs of samples of vectors, see :mod:`driftline.panes.embedding_projection`.

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


@dataclass(frozen=True, eq=False)
class Counts:
    """k pairs of samples, counted over bins that the two of a pair share.

    Attributes:
        reference: float64 (k, bins), (effective) rows per bin; missing and invalid are left out, and no sample is
            empty.
        current: As ``reference``.
        edges: Of numbers, float64 (k, bins - 1), where the bins meet, padded with the last; None of categories, whose
            bins have no order.
        fences: float64 (k, 2), what lies beyond counts as lying there where the size of a value matters; None =
            :func:`fences` of the reference.
        sums: Of embeddings.
        others: Of categories whose labels were chosen from the reference, int64 (k,), the bin of all other labels, -1 =
            not one.
    """

    reference: F64
    current: F64
    edges: F64 | None = None
    fences: F64 | None = None
    sums: Sums | None = None
    others: I64 | None = None

    @cached_property
    def _made(self) -> dict[str, F64]:
        return {}

    def once(self, name: str, make: Callable[[], F64]) -> F64:
        """Return what was made under this name before, else make it."""
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = make()
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
        """The edges, float64 (k, bins - 1), none beyond what values count as; one at 0 where a number has no edges."""
        if self.edges is None or self.edges.shape[1] == 0:
            return np.zeros((len(self.reference), 1))
        outer = fences(self.reference, self.edges) if self.fences is None else self.fences
        return np.clip(self.edges, outer[:, :1], outer[:, 1:])

    @cached_property
    def distances(self) -> F64:
        """Distribution function of the reference less the current one at every edge, float64 (k, bins - 1)."""
        was = np.cumsum(self.reference, axis=-1)[:, :-1] / self.n[:, np.newaxis]
        now = np.cumsum(self.current, axis=-1)[:, :-1] / self.m[:, np.newaxis]
        return was - now

    @cached_property
    def coarse(self) -> Coarse:
        """The same rows over few bins: deciles of numbers, labels as they are, rare ones of either pooled."""
        return coarse(self.reference, self.current, ordered=self.edges is not None, others=self.others)


class Measured(NamedTuple):
    """The result of one drift method for k targets, each float64 (k,).

    Attributes:
        p_value: Of no drift, not corrected for looking at many.
        effect: How large the drift is beyond what sampling alone makes of it, in ``Method.unit``. None where the method
            has none.
    """

    value: F64
    p_value: F64 | None = None
    effect: F64 | None = None


@dataclass(frozen=True, slots=True)
class Method:
    """One drift method.

    Attributes:
        name: As it is written in YAML, JSON and metrics.
        title: As people write it, ``symbol``: in a table.
        kinds: What it compares.
        least: The range of the value; ``least`` is what two equal samples have.
        greatest: The range of the value; ``least`` is what two equal samples have.
        unit: Of the value.
        source: The paper.
        counts: The method.
        p_value: k p-values, of a method that is shown beside others and whose p-value costs more than its value, so
            that it is asked for only where the method decides.
        min_effect: The least effect that counts as drift, of a method that may decide: it has a p-value and an effect;
            None of one that is only shown.
        symmetric: True where exchanging the samples, over the same cells, changes no value.
        scaling: What multiplying all counts does to the value: "none", nothing; "fades", ever less, since something is
            added to every bin; "grows", a test statistic does.
        rows: True where rows say more than counts (exact, not from bins); of the others the definition is over the
            bins.
        bound: How far the value of counts can be from the one of the rows, where that is known.
    """

    name: str
    title: str
    symbol: str
    kinds: frozenset[Kind]
    least: float
    greatest: float
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
        variance: Over n, not n - 1.
        mean_bound: How far mean and standard deviation of the clipped rows can be from those of the counts.
        deviation_bound: As ``mean_bound``.
    """

    mean: F64
    variance: F64
    mean_bound: F64
    deviation_bound: F64


def middles(edges: F64) -> F64:
    """Return the middle of each bin, float64 (k, bins); of an outer one its edge.

    Args:
        edges: float64 (k, bins - 1).

    >>> middles(np.array([[0.0, 1.0, 3.0]])).tolist()
    [[0.0, 0.5, 2.0, 3.0]]
    """
    return np.concatenate([edges[:, :1], edges[:, :-1] + np.diff(edges) / 2, edges[:, -1:]], axis=1)


def moments(counts: F64, edges: F64) -> Moments:
    """Take every row of a bin as its middle: counts float64 (k, bins), edges float64 (k, bins - 1).

    A row is at most half a bin from the middle; so mean and, by the triangle inequality, deviation are off by at most
    the mean and the root mean square of these halves.

    >>> found = moments(np.array([[0.0, 1.0, 1.0, 0.0]]), np.array([[0.0, 1.0, 2.0]]))
    >>> found.mean.tolist(), found.variance.tolist(), found.mean_bound.tolist()
    ([1.0], [0.25], [0.5])
    """
    # centred first: of 1e9 and 1e9 + 1 the squares would leave no digit
    centre = edges[:, edges.shape[1] // 2, np.newaxis]
    middle = middles(edges - centre)
    half = np.pad(np.diff(edges) / 2, ((0, 0), (1, 1)))
    # narrower targets are padded on the right with empty bins; their edges repeat the last one
    total = counts.sum(axis=1)
    mean = (counts * middle).sum(axis=1) / total
    variance = (counts * (middle - mean[:, np.newaxis]) ** 2).sum(axis=1) / total
    mean_bound = (counts * half).sum(axis=1) / total
    return Moments(mean + centre[:, 0], variance, mean_bound, np.sqrt((counts * half**2).sum(axis=1) / total))


def counts_of_rows(reference: F64, current: F64, bins: NumberBins) -> Counts:
    """Return the counts of rows of one number, float64 (n,) and (m,), none of them empty; NaN and infinities left out.

    ``bins``: of the baseline, whose fences hold here as they do for counts over these bins.

    >>> from .ks import METHOD
    >>> counts = counts_of_rows(np.array([1.0, 2.0, 3.0]), np.array([2.0, 5.0]), NumberBins(np.array([0.0, 9.0])))
    >>> METHOD.counts(counts).value.tolist()
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
