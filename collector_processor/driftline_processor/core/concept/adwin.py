"""ADWIN: a window over values with the same mean; a change is detected if its two ends differ.

The window is an exponential histogram (section 3.2 of the paper): buckets of 1, 2, 4 ... values, at most :data:`MOST`
of each size. The values of a bucket depend only on the number of values, so a batch makes all buckets of a size from
those of half the size, and every cut of every check is a column of one matrix.

Outcomes of one day are correlated, and ADWIN takes values as independent: where days differ, it finds a change every
few days. If the variance between days is known from a baseline, each end of a cut has it once per day of that end, with
the mean number of values per day; without it, the bound is that of the paper.

Source: Bifet, Gavaldà: Learning from Time-Changing Data with Adaptive Windowing. SDM 2007.
"""

from __future__ import annotations

from typing import Any, NamedTuple, overload

import numpy as np
from driftline.tables.table import F64, I64
from msgspec import Struct, field
from numpy.typing import NDArray

from driftline_processor.core.windows.window import DAY

Flags = NDArray[np.bool_]

CLOCK = 32
"""Values between two checks, as in MOA (by the paper's authors) and River; the maximum delay of a detection."""

MOST = 5
"""Buckets of one size: M of section 3.2 of the paper. Every position has a cut within a tenth of its age."""

SHORTEST = 5
"""Minimum values at either end of a cut, as in MOA and River."""


DELTA = 0.002
"""Confidence δ of theorem 3.1 of the paper, as in MOA and River; simulated in evidence/concept.json."""


class Days(NamedTuple):
    """How the days of values differ.

    Attributes:
        between: Variance between days, relative to that of a value.
        times: Of the values, int64 (n,), unix nanoseconds.
    """

    between: float
    times: I64


class Adwin(Struct, eq=False):
    """ADWIN on one stream. After a detected change, it is replaced by a new one.

    Attributes:
        n: Number of values in the buckets: all since the start, except the newest.
        total: Their sum.
        squares: Sum of their squared deviations from the mean, by Welford's recurrence.
        buckets: Sums of the buckets of 1, 2, 4 ... values, the oldest first.
        newest: Values since the last check, which are not in a bucket yet.
        first: Earliest time of a value, unix nanoseconds.
        last: Latest time of a value.
    """

    n: int = 0
    total: float = 0.0
    squares: float = 0.0
    buckets: list[F64] = field(default_factory=list)
    newest: F64 = field(default_factory=lambda: np.empty(0))
    first: int = 2**62
    last: int = -(2**62)

    def first_alarm(self, values: F64, days: Days | None = None) -> int:
        """Add values up to the one at which a change is detected; return its index, -1 without a change.

        The result does not depend on how a stream is cut into calls.

        Args:
            values: float64 (n,).
            days: How their days differ; None = values are independent.
        """
        if not len(values):
            return -1
        waiting = len(self.newest)
        spans = np.ones(0) if days is None else self._spans(days.times)
        values = np.concatenate([self.newest, values])
        last = len(values) - (self.n + len(values)) % CLOCK  # values up to the last check
        if last <= 0:
            self.newest = values
            return -1
        place = self._take(values[:last], 0.0 if days is None else days.between, spans, waiting)
        self.newest = values[last:]
        return place if place < 0 else place - waiting

    def _spans(self, times: I64) -> F64:
        """Return the days from the earliest to the latest value at each value, at least one: float64 (n,)."""
        first = np.minimum(self.first, np.minimum.accumulate(times))
        last = np.maximum(self.last, np.maximum.accumulate(times))
        self.first, self.last = int(first[-1]), int(last[-1])
        return np.maximum(1.0, (last - first) / DAY)

    def _take(self, values: F64, between: float, spans: F64, waiting: int) -> int:
        """Add values up to a check to the buckets; return the index of the first alarm, -1 without one.

        ``spans``: days of all values, at each value after the first ``waiting``.
        """
        sizes = np.arange(self.n + 1, self.n + len(values) + 1, dtype=np.float64)
        totals = np.cumsum(np.concatenate([[self.total], values]))
        deviations = values - totals[:-1] / np.maximum(sizes - 1, 1)
        spreads = running_sums(self.squares, (sizes - 1) * deviations * deviations / sizes)
        checks = np.arange(-self.n % CLOCK or CLOCK, len(values) + 1, CLOCK)  # values taken at each check
        largest = (self.n + len(values)).bit_length()
        began, entered = _entered(self.n, largest), _entered(self.n + checks, largest)
        levels = self._levels(values, began, entered)
        per_day = (self.n + checks) / spans[checks - waiting - 1] if between > 0 else np.ones(0)
        first = first_true(self._cuts(levels, began, entered, totals[checks], spreads[checks - 1], between, per_day))
        if first >= 0:
            return int(checks[first]) - 1
        passed = [2 * int(entered[size + 1][-1] - began[size + 1]) for size in range(len(levels))]
        self.buckets = [level[count:] for level, count in zip(levels, passed, strict=True)]
        self.n, self.total, self.squares = self.n + len(values), float(totals[-1]), float(spreads[-1])
        return -1

    def _levels(self, values: F64, began: list[int], entered: list[I64]) -> list[F64]:
        """Return the sums of all buckets of each size that existed at any time while the values were added."""
        levels, entering = list[F64](), values
        for size in range(len(began) - 1):
            level = np.concatenate([self.buckets[size], entering]) if size < len(self.buckets) else entering
            if not len(level):
                break
            levels.append(level)
            pairs = level[: 2 * int(entered[size + 1][-1] - began[size + 1])]
            entering = pairs[0::2] + pairs[1::2]
        return levels

    def _cuts(
        self,
        levels: list[F64],
        began: list[int],
        entered: list[I64],
        total: F64,
        spread: F64,
        between: float,
        per_day: F64,
    ) -> Flags:
        """Return for each check whether a cut separates means that differ by more than chance: bool (checks,).

        ``began``, ``entered``: number of buckets of each size before the values, and at each check; ``total``,
        ``squares``: of the window at each check, (checks,); ``between``: variance between days, ``per_day``: values per
        day at each check, (checks,).
        """
        checks, n = len(total), entered[0].astype(np.float64)
        older = np.zeros((len(levels) * MOST, checks))
        older_sum, newer_sum = np.empty_like(older), np.empty_like(older)
        left: F64 = np.zeros(checks)
        right: F64 = total
        row = 0
        for size in range(len(levels) - 1, -1, -1):  # the oldest, of the largest size, first
            first = entered[size + 1] * 2
            for place in (first + slot for slot in range(MOST)):
                exists = place < entered[size]
                if exists.any():
                    bucket_index = np.minimum(place - 2 * began[size + 1], len(levels[size]) - 1)
                    bucket = np.where(exists, levels[size][bucket_index], 0.0)
                    older[row] = np.where(exists, (place + 1) << size, 0)
                    left = np.add(left, bucket, out=older_sum[row])
                    right = np.subtract(right, bucket, out=newer_sum[row])
                    row += 1
        older, older_sum, newer_sum = older[:row], older_sum[:row], newer_sum[:row]
        newer: F64 = n - older
        usable = (older >= SHORTEST) & (newer >= SHORTEST)
        np.maximum(older, SHORTEST, out=older)
        np.maximum(newer, SHORTEST, out=newer)
        differences = np.abs(older_sum / older - newer_sum / newer)
        harmonic = 1 / (older - (SHORTEST - 1)) + 1 / (newer - (SHORTEST - 1))
        confidence = np.log(2 * np.log(n) / DELTA)
        variance = harmonic
        if between > 0:
            days = 1 / np.maximum(1.0, older / per_day) + 1 / np.maximum(1.0, newer / per_day)
            variance = harmonic + between * days
        bound = np.sqrt(variance * (2 * spread / n * confidence)) + 2 / 3 * confidence * harmonic
        differs: Flags = np.any(usable & (differences > bound), axis=0)
        return differs


@overload
def _entered(n: int, sizes: int) -> list[int]: ...
@overload
def _entered(n: I64, sizes: int) -> list[I64]: ...
def _entered(n: Any, sizes: int) -> list[Any]:
    """Return the number of buckets of each size, and of the next size, that were ever created after n values.

    When there are six buckets of a size, the two oldest become one of the next size: of k buckets, (k - 4) // 2 pairs
    have been merged.
    """
    entered = [n]
    for _ in range(sizes):
        passed = (entered[-1] - (MOST - 1)) // 2
        entered.append(passed * (passed > 0))
    return entered


def first_true(which: NDArray[np.bool_]) -> int:
    """Return the index of the first true element, -1 without one.

    >>> first_true(np.array([False, True, True])), first_true(np.zeros(2, bool))
    (1, -1)
    """
    return int(np.argmax(which)) if which.any() else -1


def running_sums(start: float, values: F64) -> F64:
    """Return the sum after each value, starting at ``start``: float64 (n,); rounding does not depend on batches.

    >>> running_sums(2.0, np.array([1.0, 0.5]))
    array([3. , 3.5])
    """
    sums: F64 = np.cumsum(np.concatenate([[start], values]))[1:]
    return sums
