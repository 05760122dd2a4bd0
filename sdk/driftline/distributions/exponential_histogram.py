"""Base-2 exponential histograms of numbers without bins, with finer buckets for concentrated values.

OpenTelemetry metrics data model, "ExponentialHistogram": bucket i of scale s is ``(2 ** (i / 2**s), 2 ** ((i + 1) /
2**s)]``, and the scale decreases by one, merging pairs of buckets, until all values of a sign are in 160 buckets. So
one distant value lowers the resolution for all others, and values that differ in the eighth digit share a bucket from
the start: a shift by a standard deviation would then be invisible. If one bucket would contain a quarter of the values,
and distinct ones, those values go to a *part*: 160 buckets of their own in their range.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from driftline.tables.table import F64, I64

MOST_BUCKETS = 160
"""Maximum number of buckets per sign, as in OpenTelemetry's SDKs."""

FINEST = 20
"""Initial scale, as in OpenTelemetry's SDKs: buckets 6.6e-7 wide."""

FINEST_PART = 26
"""Buckets 1e-8 wide. Their indices must fit into 32 bits, so those of values beyond 2**31 are wider."""

MOST_PARTS = 4
CROWDED = 0.25
"""A bucket with a larger fraction hides a shift of a standard deviation; at this fraction it is visible as 0.25 of
0.38.
"""

ENOUGH = 32
"""Minimum number of values to choose the range of a part."""

SAMPLE = 256
_ACROSS = 24
"""Buckets of a part between the 5 % and the 95 % quantile of its values: about 7 per standard deviation, which leaves
space for a drift by 11 standard deviations in both directions.
"""


@dataclass(frozen=True, slots=True)
class Buckets:
    """Dense counts of one sign: ``counts[i]`` values in bucket ``offset + i`` of ``scale``; int64, possibly empty."""

    scale: int = FINEST
    offset: int = 0
    counts: I64 = field(default_factory=lambda: np.empty(0, np.int64))

    def rescale(self, scale: int) -> Buckets:
        """Return the same counts at a scale that is not finer."""
        shift = self.scale - scale
        if shift == 0 or len(self.counts) == 0:
            return self if shift == 0 else replace(self, scale=scale)
        first = self.offset >> shift
        index = ((np.arange(len(self.counts)) + self.offset) >> shift) - first
        return Buckets(scale, first, np.bincount(index, self.counts).astype(np.int64))

    def __add__(self, buckets: Buckets) -> Buckets:
        if not len(self.counts) or not len(buckets.counts):
            return self if len(self.counts) else buckets
        scale = min(self.scale, buckets.scale)
        ends = [(part.offset, part.offset + len(part.counts) - 1, part.scale - scale) for part in (self, buckets)]
        low = min(first >> shift for first, _, shift in ends)
        high = max(last >> shift for _, last, shift in ends)
        scale -= _shift(low, high)
        own_buckets, second = self.rescale(scale), buckets.rescale(scale)
        low = min(own_buckets.offset, second.offset)
        counts = np.zeros(
            max(buckets.offset + len(buckets.counts) for buckets in (own_buckets, second)) - low, np.int64
        )
        for part in (own_buckets, second):
            counts[part.offset - low : part.offset - low + len(part.counts)] += part.counts
        return Buckets(scale, low, counts)

    def trimmed(self) -> Buckets:
        """Return the same counts without empty buckets at either end."""
        used = np.flatnonzero(self.counts)
        if len(used) == len(self.counts):
            return self
        first, last = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 0)
        return Buckets(self.scale, self.offset + first, self.counts[first:last])


@dataclass(slots=True)
class Part:
    """Values of one sign: counts by bucket, extremes and sum, with their sign."""

    buckets: Buckets = field(default_factory=Buckets)
    count: int = 0
    total: float = 0.0
    low: float = np.inf
    high: float = -np.inf

    def add(self, part: Part) -> None:
        """Add the counts of another part."""
        self.buckets += part.buckets
        self.count += part.count
        self.total += part.total
        self.low, self.high = min(self.low, part.low), max(self.high, part.high)


def part_of(values: F64, logs: F64, scale: int | None = None) -> Part:
    """Count values of one sign.

    Args:
        values: float64 (n,), n > 0.
        logs: Base-2 logarithms of the magnitudes, float64 (n,).
        scale: See :func:`bucketed`.
    """
    low, high = float(values.min()), float(values.max())
    with np.errstate(over="ignore"):
        total = float(values.sum())
    return Part(bucketed(logs, scale), len(values), total, low, high)


@dataclass(frozen=True, slots=True)
class Window:
    """The range of a finer part: ``MOST_BUCKETS`` buckets of one sign, from ``offset`` on."""

    sign: int
    scale: int
    offset: int

    def holds(self, logs: F64) -> NDArray[np.bool_]:
        """Return True for values in this range: bool (n,).

        Args:
            logs: Base-2 logarithms of the magnitudes, float64 (n,).
        """
        index = _index(logs, self.scale) - self.offset
        return (index >= 0) & (index < MOST_BUCKETS)


class ExponentialBuckets:
    """The distribution of one number. Counts are exact; a value is in one part only.

    ``zeros``: number of zeros. ``coarse``: by sign, -1 and 1, values that are in no finer part; ``fine``: finer parts.

    >>> numbers = ExponentialBuckets()
    >>> numbers.add(np.array([1.0, 2.0, 0.0, -4.0]))
    >>> part = numbers.coarse[1]
    >>> numbers.zeros, part.count, part.buckets.scale, part.buckets.offset, part.buckets.counts[[0, -1]].tolist()
    (1, 2, 7, -1, [1, 1])
    """

    def __init__(self) -> None:
        self.zeros = 0
        self.coarse = {1: Part(), -1: Part()}
        self.fine: dict[Window, Part] = {}
        self._extent: dict[int, tuple[float, float]] = {}
        self._recent: dict[int, F64] = {}
        self._count = 0
        self._next_look = ENOUGH

    def add(self, values: F64) -> None:
        """Count finite values: float64 (n,)."""
        if len(values) == 0:
            return
        self._count += len(values)
        if values.min() > 0:
            self._add(1, values, np.log2(values))
            return
        values = np.sort(values)  # vectorised: half the cost of two masks
        first, last = np.searchsorted(values, 0.0, side="left"), np.searchsorted(values, 0.0, side="right")
        negative, positive = values[:first], values[last:]
        self.zeros += int(last - first)
        if len(positive):
            self._add(1, positive, np.log2(positive))
        if len(negative):
            self._add(-1, negative, np.log2(-negative))

    def merge(self, exponential_buckets: ExponentialBuckets) -> None:
        """Add the counts of another distribution."""
        self.zeros += exponential_buckets.zeros
        for sign, part in exponential_buckets.coarse.items():
            self.coarse[sign].add(part)
        for window, part in exponential_buckets.fine.items():
            if window in self.fine:
                self.fine[window].add(part)
            elif len(self.fine) < MOST_PARTS:
                self.fine[window] = part
            else:
                self.coarse[window.sign].add(part)

    def empty_copy(self, *, cumulative: bool) -> ExponentialBuckets:
        """Return an empty distribution that continues this one, with its parts in use and its newest values.

        Args:
            cumulative: True if its counts are added to these, so that the resolution depends on the range of both.
        """
        new = ExponentialBuckets()
        new.fine = {window: Part() for window, part in self.fine.items() if part.count or cumulative}
        new._recent = dict(self._recent)
        new._extent = dict(self._extent) if cumulative else {}
        return new

    def _add(self, sign: int, values: F64, logs: F64) -> None:
        """Count values of one sign. ``logs``: base-2 logarithms of the magnitudes."""
        low, high = float(logs.min()), float(logs.max())
        before = self._extent.get(sign, (low, high))
        self._extent[sign] = low, high = min(low, before[0]), max(high, before[1])
        if len(self.fine) < MOST_PARTS:
            scale = _scale(low, high)
            self._keep_apart(sign, scale)
            if self._count >= self._next_look:
                self._look(sign, logs, scale)
        for window, part in self.fine.items():
            if window.sign == sign:
                inside = window.holds(logs)
                if inside.any():
                    part.add(part_of(values[inside], logs[inside], window.scale))
                    values, logs = values[~inside], logs[~inside]
                    if len(values) == 0:
                        return
        self.coarse[sign].add(part_of(values, logs))

    def _keep_apart(self, sign: int, scale: int) -> None:
        """Move the counted values to their own part before a distant value lowers their resolution."""
        part = self.coarse[sign]
        fine = part.buckets
        if fine.scale - scale < 2 or part.count < ENOUGH or fine.counts.max() >= CROWDED * part.count:
            return
        if fine.rescale(scale).counts.max() >= CROWDED * part.count:
            room = MOST_BUCKETS - len(fine.counts)
            self.fine[Window(sign, fine.scale, fine.offset - room // 2)] = part
            self.coarse[sign] = Part()

    def _look(self, sign: int, logs: F64, scale: int) -> None:
        """Open a part if one bucket of ``scale`` would contain a quarter of the newest values, and distinct ones."""
        newest = np.concatenate([self._recent.get(sign, np.empty(0)), logs[:: len(logs) // SAMPLE + 1]])[-SAMPLE:]
        for window in self.fine:
            if window.sign == sign:
                newest = newest[~window.holds(newest)]
        self._recent[sign] = newest
        if len(newest) < ENOUGH:
            return
        self._next_look = 2 * self._count
        index = _index(newest, scale)
        bucket_index, counts = np.unique(index, return_counts=True)
        for crowded in bucket_index[counts >= max(ENOUGH / 2, CROWDED * len(newest))].tolist():
            crowd = np.unique(newest[index == crowded])
            if len(crowd) < 2 or len(self.fine) == MOST_PARTS:
                continue  # a single repeated value hides no shift
            low, middle, high = np.quantile(crowd, (0.05, 0.5, 0.95)).tolist()
            finer = min(FINEST_PART, int(np.floor(np.log2(2.0**31 / (abs(middle) + 1)))))
            if high > low:
                finer = min(finer, int(np.floor(np.log2(_ACROSS / (high - low)))))
            if finer > scale:
                first = int(np.ceil(middle * 2.0**finer)) - 1 - MOST_BUCKETS // 2
                self.fine[Window(sign, finer, first)] = Part()


def bucketed(logs: F64, scale: int | None = None) -> Buckets:
    """Count values by their base-2 logarithms: float64 (n,), n > 0. ``scale``: default: the finest possible."""
    if scale is None:
        scale = _scale(float(logs.min()), float(logs.max()))
    index = _index(logs, scale)
    offset = int(index.min())
    index -= offset
    return Buckets(scale, offset, np.bincount(index.astype(np.intp)))


def _index(logs: F64, scale: int) -> F64:
    """Return the bucket of each value as a whole number; exact at powers of two, which are upper bounds of buckets.

    Computed in place: each pass over new memory costs as much as the logarithm.
    """
    index = logs * 2.0**scale
    np.ceil(index, out=index)
    index -= 1
    return index


def _scale(low: float, high: float) -> int:
    """Return the finest scale at which values between two, given by their logarithms, need 160 buckets."""
    first, last = (int(np.ceil(log * 2.0**FINEST)) - 1 for log in (low, high))
    return FINEST - _shift(first, last)


def _shift(first: int, last: int) -> int:
    """Return the decrease of the scale for which buckets ``first`` to ``last`` become at most 160."""
    shift = max(0, (last - first).bit_length() - MOST_BUCKETS.bit_length())
    while (last >> shift) - (first >> shift) >= MOST_BUCKETS:
        shift += 1
    return shift
