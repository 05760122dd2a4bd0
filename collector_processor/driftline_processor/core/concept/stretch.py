"""Where in a stream a change began: sums at a few hundred places, closer together the newer they are.

A detector says that something changed, some time after it did. The place is the one at which the means before and after
differ most for their number of values (the least squares estimate of a single change point).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from driftline.tables import F64, I64

CLOSEST = 8
"""Values between the newest places."""

PER_OCTAVE = 32
"""Places kept from one age to twice that age: a change is placed to within a fifteenth of how long ago it was."""


def _none() -> I64:
    return np.empty(0, dtype=np.int64)


@dataclass(slots=True)
class Stretch:
    """The values since the last change: ``n`` of them with a ``total``.

    ``at``: places by how many values came before, int64 (p,); ``times``: of the prediction that came then; ``sums``: of
    the values before. What is kept depends on n alone, so feeding in pieces and at once are the same.
    """

    n: int = 0
    total: float = 0.0
    at: I64 = field(default_factory=_none)
    times: I64 = field(default_factory=_none)
    sums: F64 = field(default_factory=lambda: np.empty(0))

    @property
    def mean(self) -> float | None:
        """The mean of the values, None of none."""
        return self.total / self.n if self.n else None

    def add(self, values: F64, times: I64) -> None:
        """Add values, and the times of their predictions (unix nanoseconds)."""
        if not len(values):
            return
        before = np.cumsum(np.concatenate([[self.total], values]))
        places = np.arange(-self.n % CLOSEST, len(values), CLOSEST)
        self.at = np.concatenate([self.at, self.n + places])
        self.times = np.concatenate([self.times, times[places]])
        self.sums = np.concatenate([self.sums, before[places]])
        self.n, self.total = self.n + len(values), float(before[-1])
        self._thin()

    def split(self) -> tuple[float, float] | None:
        """Cut at the likeliest change and keep what came after; return the means before and after.

        None where there is no place to cut at: the stretch begins anew.
        """
        inner = (self.at > 0) & (self.at < self.n)
        if not inner.any():
            self.__init__()  # type: ignore[misc]
            return None
        at, sums = self.at[inner], self.sums[inner]
        before, after = sums / at, (self.total - sums) / (self.n - at)
        best = int(np.argmax((before - after) ** 2 * at * (self.n - at)))
        first = int(np.flatnonzero(inner)[best])
        cut, total = int(self.at[first]), float(self.sums[first])
        self.at, self.times, self.sums = self.at[first:] - cut, self.times[first:], self.sums[first:] - total
        self.n, self.total = self.n - cut, self.total - total
        self._thin()
        return float(before[best]), float(after[best])

    @property
    def began(self) -> int | None:
        """The time of the first prediction in it."""
        return int(self.times[0]) if len(self.times) else None

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        places = [self.at.tolist(), self.times.tolist(), self.sums.tolist()]
        return {"n": self.n, "total": self.total, "places": places}

    @classmethod
    def from_json(cls, said: Any) -> Stretch:
        """Read what :meth:`to_json` wrote."""
        at, times, sums = said["places"]
        return cls(said["n"], said["total"], np.array(at, np.int64), np.array(times, np.int64), np.array(sums, float))

    def _thin(self) -> None:
        age = self.n - self.at
        octave = np.maximum(0, np.frexp(age / (CLOSEST * PER_OCTAVE))[1])
        kept = self.at % (CLOSEST << octave.astype(np.int64)) == 0
        if not kept.all():
            self.at, self.times, self.sums = self.at[kept], self.times[kept], self.sums[kept]
