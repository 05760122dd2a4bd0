"""Base-2 exponential histograms of numbers without bins, with a finer part where values crowd.

OpenTelemetry metrics data model, "ExponentialHistogram": bucket i of scale s holds ``(2 ** (i / 2**s),
2 ** ((i + 1) / 2**s)]``, and the scale falls by one, two buckets becoming one, until all values of a sign are in 160
buckets. One value octaves away therefore takes the resolution from all others, and values that differ in the eighth
digit only share a bucket from the start: a shift by a standard deviation then moves nothing. So where one bucket would
hold a quarter of the values, and different ones, those go to a *part*: 160 buckets of their own around where they lie.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from driftline.tables.table import F64, I64

MOST_BUCKETS = 160
"""A sign, as OpenTelemetry's SDKs have it."""

FINEST = 20
"""The scale to begin with, as OpenTelemetry's SDKs have it: buckets 6.6e-7 wide."""

FINEST_PART = 26
"""Buckets 1e-8 wide. Their numbers must fit into 32 bits, so those of values beyond 2**31 are wider."""

MOST_PARTS = 4
CROWDED = 0.25
"""A bucket with a larger share hides a shift of a standard deviation; with this one it still shows as 0.25 of 0.38."""

ENOUGH = 32
"""Values that say where a part belongs."""

SAMPLE = 256
_ACROSS = 24
"""Buckets of a part between the 5 % and the 95 % quantile of what crowds: about 7 to a standard deviation, 11 either
way until what drifts leaves the part and is coarse again."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """Dense counts of one sign: ``counts[i]`` values in bucket ``offset + i`` of ``scale``. int64, none when empty."""

    scale: int = FINEST
    offset: int = 0
    counts: I64 = field(default_factory=lambda: np.empty(0, np.int64))

    def rescale(self, scale: int) -> Buckets:
        """Return the same counts at this scale, which is not finer."""
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
    """Values of one sign: how many in which bucket, and their extremes and sum, signs included."""

    buckets: Buckets = field(default_factory=Buckets)
    count: int = 0
    total: float = 0.0
    low: float = np.inf
    high: float = -np.inf

    def add(self, part: Part) -> None:
        """Take what another part of the same feature holds."""
        self.buckets += part.buckets
        self.count += part.count
        self.total += part.total
        self.low, self.high = min(self.low, part.low), max(self.high, part.high)


def part_of(values: F64, logs: F64, scale: int | None = None) -> Part:
    """Count values of one sign.

    Args:
        values: float64 (n,), n > 0.
        logs: Logarithms of the magnitudes to base 2, float64 (n,).
        scale: See :func:`bucketed`.
    """
    low, high = float(values.min()), float(values.max())
    with np.errstate(over="ignore"):
        total = float(values.sum())
    return Part(bucketed(logs, scale), len(values), total, low, high)


@dataclass(frozen=True, slots=True)
class Window:
    """The place of a finer part: ``MOST_BUCKETS`` buckets of one sign, from ``offset`` on."""

    sign: int
    scale: int
    offset: int

    def holds(self, logs: F64) -> NDArray[np.bool_]:
        """Return True for values in this part: bool (n,).

        Args:
            logs: The logarithms of their magnitudes, float64 (n,).
        """
        index = _index(logs, self.scale) - self.offset
        return (index >= 0) & (index < MOST_BUCKETS)


class ExponentialBuckets:
    """The distribution of one number. Counts are exact; a value is in one part only.

    ``zeros``: how many are 0. ``coarse``: by sign, -1 and 1, what is in no finer part; ``fine``: those.

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
        values = np.sort(values)  # by vector instructions: half of what two masks cost
        first, last = np.searchsorted(values, 0.0, side="left"), np.searchsorted(values, 0.0, side="right")
        negative, positive = values[:first], values[last:]
        self.zeros += int(last - first)
        if len(positive):
            self._add(1, positive, np.log2(positive))
        if len(negative):
            self._add(-1, negative, np.log2(-negative))

    def merge(self, exponential_buckets: ExponentialBuckets) -> None:
        """Take what another one counted."""
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
        """Return an empty one that goes on where this ends: with the parts that are in use, and the last values.

        Args:
            cumulative: What it counts is added to all before, so it must judge resolution by the extent of all.
        """
        new = ExponentialBuckets()
        new.fine = {window: Part() for window, part in self.fine.items() if part.count or cumulative}
        new._recent = dict(self._recent)
        new._extent = dict(self._extent) if cumulative else {}
        return new

    def _add(self, sign: int, values: F64, logs: F64) -> None:
        """Count values of one sign. ``logs``: of their magnitudes, to base 2."""
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
        """Make what was counted a part of its own before a value from far away makes it share a bucket."""
        part = self.coarse[sign]
        fine = part.buckets
        if fine.scale - scale < 2 or part.count < ENOUGH or fine.counts.max() >= CROWDED * part.count:
            return
        if fine.rescale(scale).counts.max() >= CROWDED * part.count:
            room = MOST_BUCKETS - len(fine.counts)
            self.fine[Window(sign, fine.scale, fine.offset - room // 2)] = part
            self.coarse[sign] = Part()

    def _look(self, sign: int, logs: F64, scale: int) -> None:
        """Open a part where one bucket of ``scale`` would hold a quarter of the newest values, and different ones."""
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
                continue  # one value again and again hides nothing
            low, middle, high = np.quantile(crowd, (0.05, 0.5, 0.95)).tolist()
            finer = min(FINEST_PART, int(np.floor(np.log2(2.0**31 / (abs(middle) + 1)))))
            if high > low:
                finer = min(finer, int(np.floor(np.log2(_ACROSS / (high - low)))))
            if finer > scale:
                first = int(np.ceil(middle * 2.0**finer)) - 1 - MOST_BUCKETS // 2
                self.fine[Window(sign, finer, first)] = Part()


def bucketed(logs: F64, scale: int | None = None) -> Buckets:
    """Count values, given by their logarithms to base 2: float64 (n,), n > 0. ``scale``: else the finest for them."""
    if scale is None:
        scale = _scale(float(logs.min()), float(logs.max()))
    index = _index(logs, scale)
    offset = int(index.min())
    index -= offset
    return Buckets(scale, offset, np.bincount(index.astype(np.intp)))


def _index(logs: F64, scale: int) -> F64:
    """Return the bucket of each value, a whole number; exact at powers of two, whose logarithm is, and which end one.

    In place, and whole numbers last, because each pass over new memory costs as much as the logarithm.
    """
    index = logs * 2.0**scale
    np.ceil(index, out=index)
    index -= 1
    return index


def _scale(low: float, high: float) -> int:
    """Return the finest scale at which values between two, given by their logarithms, take 160 buckets."""
    first, last = (int(np.ceil(log * 2.0**FINEST)) - 1 for log in (low, high))
    return FINEST - _shift(first, last)


def _shift(first: int, last: int) -> int:
    """Return by how much the scale must fall for buckets ``first`` to ``last`` to be 160."""
    shift = max(0, (last - first).bit_length() - MOST_BUCKETS.bit_length())
    while (last >> shift) - (first >> shift) >= MOST_BUCKETS:
        shift += 1
    return shift
