"""Histograms of metrics: the difference of two cumulative ones, and their counts over a baseline's bins.

A sum is a histogram with one bucket. Counts are float64, exact up to 2^53.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from driftline.panes.bins import TOLERANCE, NumberBins
from driftline.tables.table import F64
from msgspec import Struct
from msgspec.structs import replace


class Explicit(Struct, frozen=True, eq=False):
    """A histogram with explicit bounds.

    ``counts``, float64 (k + 1,), are those of ``(bounds[i - 1], bounds[i]]``; ``bounds`` are float64 (k,), ascending.

    Attributes:
        total: The sum of the values, NaN if unknown.
        low: The minimum, -inf if unknown.
        high: The maximum, inf if unknown.
    """

    bounds: F64
    counts: F64
    total: float = math.nan
    low: float = -math.inf
    high: float = math.inf


class Buckets(NamedTuple):
    """Exponential buckets of one sign: ``counts[i]`` values in ``(base^(offset + i), base^(offset + i + 1)]``."""

    offset: int
    counts: F64


class Exponential(Struct, frozen=True, eq=False):
    """A base-2 exponential histogram: ``base = 2^(2^-scale)``; ``zero`` values lie within ``±threshold``.

    OpenTelemetry specification, "Metrics Data Model", section "ExponentialHistogram".
    """

    scale: int
    zero: float
    threshold: float
    positive: Buckets
    negative: Buckets
    total: float = math.nan
    low: float = -math.inf
    high: float = math.inf


Histogram = Explicit | Exponential

WIDEST = 4_096
"""Maximum buckets of one point, more than any SDK sends (160 by default)."""

MOST_IN_TWO = 0.9
"""Maximum fraction of the values in two buckets that span several bins. A single outlier, or values that differ in the
eighth digit, leave an exponential histogram of 160 buckets with one or two filled ones, and a shift by a standard
deviation is not detected if the bound between them lies in a tail.
"""

EMPTY = Buckets(0, np.empty(0))


def single_value(value: float) -> Explicit:
    """Return a sum as a histogram."""
    return Explicit(np.empty(0), np.array([value], dtype=np.float64))


def count(histogram: Histogram) -> float:
    """Return the number of values."""
    if isinstance(histogram, Explicit):
        return float(histogram.counts.sum())
    return float(histogram.zero + histogram.positive.counts.sum() + histogram.negative.counts.sum())


def increase(now: Histogram, before: Histogram) -> Histogram | None:
    """Return the counts between two cumulative histograms of one stream; None if a count fell, after a reset.

    >>> increase(single_value(5.0), single_value(3.0)).counts, increase(single_value(1.0), single_value(3.0))
    (array([2.]), None)
    """
    if isinstance(now, Explicit):
        if not isinstance(before, Explicit) or not np.array_equal(now.bounds, before.bounds):
            return None
        counts = now.counts - before.counts
        return None if (counts < 0).any() else replace(now, counts=counts, total=now.total - before.total)
    if not isinstance(before, Exponential) or now.scale > before.scale or now.zero < before.zero:
        return None
    by = before.scale - now.scale
    positive = _less(now.positive, _coarser(before.positive, by))
    negative = _less(now.negative, _coarser(before.negative, by))
    if positive is None or negative is None:
        return None
    total = now.total - before.total
    return replace(now, zero=now.zero - before.zero, positive=positive, negative=negative, total=total)


def _coarser(buckets: Buckets, by: int) -> Buckets:
    """Return the buckets at a lower scale, merging 2^by neighbours."""
    if by == 0 or not len(buckets.counts):
        return buckets
    index = (buckets.offset + np.arange(len(buckets.counts))) >> min(by, 62)
    first = int(index[0])
    return Buckets(first, np.bincount(index - first, buckets.counts).astype(np.float64, copy=False))


def _less(now: Buckets, before: Buckets) -> Buckets | None:
    """Return the counts of ``now`` less those of ``before``; None if one would be negative."""
    filled = np.flatnonzero(before.counts)
    if not len(filled):
        return now
    indices = before.offset - now.offset + filled
    if indices[0] < 0 or indices[-1] >= len(now.counts):
        return None
    counts = now.counts.copy()
    counts[indices] -= before.counts[filled]
    return None if (counts < 0).any() else Buckets(now.offset, counts)


def counts_over_bins(histogram: Histogram, bins: NumberBins, reference: F64) -> tuple[F64, float]:
    """Return the counts over a baseline's bins, float64 (size,), and how many of them are guesses.

    A bucket within one bin is counted there, so buckets on the bins' own edges are exact. A bucket that spans several
    is divided like the ``reference`` rows (float64 (size,)) in it, in proportion to the covered part of each bin: this
    shows no false drift, and the error of a Kolmogorov-Smirnov distance is at most the fraction of the rows in one
    bucket. If one such bucket has more than half of the values, or two have more than :data:`MOST_IN_TWO`, these are
    the guesses, since they would look like the baseline in any case.

    >>> histogram = Explicit(np.array([1.0, 3.0]), np.array([2.0, 4.0, 0.0]))
    >>> counts_over_bins(histogram, NumberBins(np.array([1.0, 2.0])), np.ones(3))
    (array([2., 2., 2.]), 4.0)
    """
    low, high, counts = cells(histogram)
    edges = bins.edges
    first = np.searchsorted(edges, np.nextafter(low, np.inf), side="right")
    last = np.maximum(np.searchsorted(edges, high, side="right"), first)
    within = first == last
    into = np.bincount(first[within], counts[within], minlength=bins.size).astype(np.float64, copy=False)
    wide: list[float] = []
    for cell in np.flatnonzero(~within).tolist():
        begin, end = int(first[cell]), int(last[cell]) + 1
        share = _covered(low[cell], high[cell], edges, begin, end)
        weight = share * reference[begin:end]
        weight = weight if weight.sum() > 0 else share
        parts = counts[cell] * (weight / weight.sum())
        into[begin:end] += parts
        if np.count_nonzero(parts) > 1:
            wide.append(float(counts[cell]))
    total, two = float(counts.sum()), sorted(wide)[-2:]
    if sum(two) > MOST_IN_TWO * total:
        return into, sum(two)
    return into, two[-1] if two and two[-1] > total / 2 else 0.0


def _covered(low: float, high: float, edges: F64, begin: int, end: int) -> F64:
    """Return the fraction of each bin ``begin`` to ``end`` that a bucket covers: 1 for inner and open ones."""
    left = np.concatenate([[-np.inf], edges])[begin:end]
    right = np.append(edges, np.inf)[begin:end]
    share = np.ones(end - begin)
    for index in {0, end - begin - 1}:
        width = right[index] - left[index]
        if not np.isfinite(width) or width <= 0:
            continue
        if width <= 4 * TOLERANCE * max(abs(left[index]), abs(right[index])) or right[index] <= np.nextafter(
            left[index], np.inf
        ):
            # a value with a bin of its own, whose bounds may be a bucket's: 5 is in (0, 5] and not in (5, 10]
            value = left[index] + width / 2 if right[index] > np.nextafter(left[index], np.inf) else left[index]
            slack = abs(value) * TOLERANCE / 8
            share[index] = float(value - low > slack and value - high <= slack)
        else:
            share[index] = max((min(high, right[index]) - max(low, left[index])) / width, 0.0)
    return share if share.any() else np.ones(end - begin)


def cells(histogram: Histogram) -> tuple[F64, F64, F64]:
    """Return the filled buckets as ``(low, high]`` with their counts, clipped to minimum and maximum."""
    if isinstance(histogram, Explicit):
        low = np.concatenate([[-np.inf], histogram.bounds])
        high = np.append(histogram.bounds, np.inf)
        counts = histogram.counts
    else:
        base = 2.0 ** -float(histogram.scale)  # exponent of the base
        below, above = (_edges(buckets, base) for buckets in (histogram.negative, histogram.positive))
        zero = histogram.threshold
        lowest = np.nextafter(-zero, -np.inf)
        low = np.concatenate([-below[:0:-1], [lowest], above[:-1]])
        high = np.concatenate([np.nextafter(-below[-2::-1], -np.inf), [zero], above[1:]])
        counts = np.concatenate([histogram.negative.counts[::-1], [histogram.zero], histogram.positive.counts])
    filled = counts > 0
    low, high, counts = low[filled], high[filled], counts[filled]
    low = np.maximum(low, np.nextafter(histogram.low, -np.inf))
    return np.minimum(low, high), np.maximum(np.minimum(high, histogram.high), low), counts


def _edges(buckets: Buckets, base: float) -> F64:
    with np.errstate(over="ignore", under="ignore"):
        edges: F64 = np.exp2((buckets.offset + np.arange(len(buckets.counts) + 1.0)) * base)
    return edges


def pack(histogram: Histogram) -> bytes:
    """Return the counts and the sum as bytes, the state needed from the last point of a stream."""
    if isinstance(histogram, Explicit):
        return np.concatenate([[histogram.total], histogram.counts]).tobytes()
    positive, negative = histogram.positive, histogram.negative
    head = [histogram.total, histogram.scale, histogram.zero, positive.offset, negative.offset, len(positive.counts)]
    return np.concatenate([head, positive.counts, negative.counts]).astype(np.float64).tobytes()


def unpack(packed: bytes, like: Histogram) -> Histogram:
    """Return the histogram from the result of :func:`pack`; ``like``: a later point of the same stream.

    >>> unpack(pack(single_value(3.0)), single_value(5.0)).counts
    array([3.])
    """
    values = np.frombuffer(packed, np.float64)
    if isinstance(like, Explicit):
        return replace(like, counts=values[1:], total=float(values[0]))
    total, scale, zero, above, below, size = values[:6].tolist()
    middle = 6 + int(size)
    return replace(
        like,
        scale=int(scale),
        zero=zero,
        positive=Buckets(int(above), values[6:middle]),
        negative=Buckets(int(below), values[middle:]),
        total=total,
    )


def dump(histogram: Histogram) -> bytes:
    """Return the whole histogram as bytes, for :func:`parse`."""
    if isinstance(histogram, Explicit):
        head = [0.0, histogram.low, histogram.high, len(histogram.bounds)]
        return np.concatenate([head, histogram.bounds]).tobytes() + pack(histogram)
    return np.array([1.0, histogram.low, histogram.high, histogram.threshold]).tobytes() + pack(histogram)


def parse(dumped: bytes) -> Histogram:
    """Return the histogram from the result of :func:`dump`.

    >>> parse(dump(single_value(3.0))).counts
    array([3.])
    """
    kind, low, high, last = np.frombuffer(dumped, np.float64, 4).tolist()
    if kind == 0:
        position = 4 + int(last)
        bounds = np.frombuffer(dumped, np.float64)[4:position]
        return unpack(dumped[8 * position :], Explicit(bounds, np.empty(0), math.nan, low, high))
    return unpack(
        dumped[32:],
        Exponential(
            scale=0, zero=0.0, threshold=last, positive=EMPTY, negative=EMPTY, total=math.nan, low=low, high=high
        ),
    )
