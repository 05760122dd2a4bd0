"""ADWIN: a window of what has been the same for so long; a change is found where its two ends differ.

The window is an exponential histogram (section 3.2 of the paper): buckets of 1, 2, 4 ... values, at most :data:`MOST`
of each size. Which values a bucket holds depends on the number of values alone, so a batch makes all buckets of a size
from those of half the size, and every cut of every check is a column of one matrix.

Source: Bifet, Gavaldà: Learning from Time-Changing Data with Adaptive Windowing. SDM 2007.
"""

from __future__ import annotations

from typing import Any, overload

import numpy as np
from driftline.tables.table import F64, I64
from numpy.typing import NDArray

Flags = NDArray[np.bool_]

CLOCK = 32
"""Values from one check to the next: the paper's authors' own (MOA), and River's. A change is found so much later."""

MOST = 5
"""Buckets of one size: the M of section 3.2 of the paper. Cuts lie within a tenth of a window's age of any place."""

SHORTEST = 5
"""Values that either end of a cut must have, as in MOA and River; nothing is taken for a mean that has fewer."""


DELTA = 0.002
"""The confidence, δ of theorem 3.1 of its paper, as in MOA and River; simulated in docs/data/concept-drift.md."""


class Adwin:
    """ADWIN on one stream. After a change is found it is of no more use; a new one takes its place.

    Attributes:
        n: Values in the buckets: all since it began, but for the newest.
        total: Their sum.
        spread: The sum of their squared deviations from the mean, by Welford's recurrence.
        buckets: The sums of the buckets of 1, 2, 4 ... values, the oldest first.
        newest: Values since the last check, which are in no bucket yet.
    """

    def __init__(self) -> None:
        self.n, self.total, self.spread = 0, 0.0, 0.0
        self.buckets: list[F64] = []
        self.newest: F64 = np.empty(0)

    def first_alarm(self, values: F64) -> int:
        """Take values up to the one at which a change is found; return its place, -1 without one.

        However a stream is cut into calls, the same is found.
        """
        waiting = len(self.newest)
        values = np.concatenate([self.newest, values])
        last = len(values) - (self.n + len(values)) % CLOCK  # values up to the last check
        if last <= 0:
            self.newest = values
            return -1
        place = self._take(values[:last])
        self.newest = values[last:]
        return place if place < 0 else place - waiting

    def _take(self, values: F64) -> int:
        """Take values up to a check into the buckets; return the place of the first alarm, -1 without one."""
        sizes = np.arange(self.n + 1, self.n + len(values) + 1, dtype=np.float64)
        totals = np.cumsum(np.concatenate([[self.total], values]))
        deviations = values - totals[:-1] / np.maximum(sizes - 1, 1)
        spreads = running_sums(self.spread, (sizes - 1) * deviations * deviations / sizes)
        checks = np.arange(-self.n % CLOCK or CLOCK, len(values) + 1, CLOCK)  # values taken at each check
        largest = (self.n + len(values)).bit_length()
        began, entered = _entered(self.n, largest), _entered(self.n + checks, largest)
        levels = self._levels(values, began, entered)
        first = first_true(self._cuts(levels, began, entered, totals[checks], spreads[checks - 1]))
        if first >= 0:
            return int(checks[first]) - 1
        passed = [2 * int(entered[size + 1][-1] - began[size + 1]) for size in range(len(levels))]
        self.buckets = [level[count:] for level, count in zip(levels, passed, strict=True)]
        self.n, self.total, self.spread = self.n + len(values), float(totals[-1]), float(spreads[-1])
        return -1

    def _levels(self, values: F64, began: list[int], entered: list[I64]) -> list[F64]:
        """Return the sums of all buckets of each size that there are, or were, while the values came."""
        levels, entering = list[F64](), values
        for size in range(len(began) - 1):
            level = np.concatenate([self.buckets[size], entering]) if size < len(self.buckets) else entering
            if not len(level):
                break
            levels.append(level)
            pairs = level[: 2 * int(entered[size + 1][-1] - began[size + 1])]
            entering = pairs[0::2] + pairs[1::2]
        return levels

    def _cuts(self, levels: list[F64], began: list[int], entered: list[I64], total: F64, spread: F64) -> Flags:
        """Return for each check whether a cut parts means that differ by more than chance: bool (checks,).

        ``began``, ``entered``: buckets of each size there had been before the values, and at each check; ``total``,
        ``spread``: of the window at each check, (checks,).
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
        bound = np.sqrt(harmonic * (2 * spread / n * confidence)) + 2 / 3 * confidence * harmonic
        found: Flags = np.any(usable & (differences > bound), axis=0)
        return found

    def state(self) -> dict[str, Any]:
        """Return what it knows as plain JSON values."""
        return {
            "n": self.n,
            "total": self.total,
            "spread": self.spread,
            "buckets": [level.tolist() for level in self.buckets],
            "newest": self.newest.tolist(),
        }

    @classmethod
    def from_state(cls, state: Any) -> Adwin:
        """Read what :meth:`state` returned. Raises ValueError, KeyError or TypeError if it cannot be read."""
        adwin = cls()
        adwin.n, adwin.total, adwin.spread = int(state["n"]), float(state["total"]), float(state["spread"])
        adwin.buckets = [np.array(level, np.float64) for level in state["buckets"]]
        adwin.newest = np.array(state["newest"], np.float64)
        values = sum(len(level) << size for size, level in enumerate(adwin.buckets))
        if values != adwin.n:
            raise ValueError(f"buckets of ADWIN contain {values} values, but ADWIN counted {adwin.n}")
        return adwin


@overload
def _entered(n: int, sizes: int) -> list[int]: ...
@overload
def _entered(n: I64, sizes: int) -> list[I64]: ...
def _entered(n: Any, sizes: int) -> list[Any]:
    """Return how many buckets of each size there have been after n values, and of the next size.

    Of six buckets of a size the two oldest become one of the next: of k there have been, (k - 4) // 2 have.
    """
    entered = [n]
    for _ in range(sizes):
        passed = (entered[-1] - (MOST - 1)) // 2
        entered.append(passed * (passed > 0))
    return entered


def first_true(which: NDArray[np.bool_]) -> int:
    """Return the place of the first that is true, -1 of none.

    >>> first_true(np.array([False, True, True])), first_true(np.zeros(2, bool))
    (1, -1)
    """
    return int(np.argmax(which)) if which.any() else -1


def running_sums(start: float, values: F64) -> F64:
    """Return the sum after each value, from ``start`` on: float64 (n,), rounded alike however the values are cut.

    >>> running_sums(2.0, np.array([1.0, 0.5]))
    array([3. , 3.5])
    """
    sums: F64 = np.cumsum(np.concatenate([[start], values]))[1:]
    return sums
