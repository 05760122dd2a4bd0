"""Chances that rise with the score: isotonic regression over the fixed score grid.

Source: Barlow et al., *Statistical Inference under Order Restrictions* (1972): pool adjacent violators.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from .bins import SCORE_BINS
from .checked import floats, is_whole, short
from .tables import F64, I64

FEWEST = 30
"""Rows of either kind: with fewer, what a score means is not known."""


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """A step function over the bins of the score grid. ``first``: int64 (s,), the first bin of each step, from 0 on.

    ``rate``: float64 (s,), the share of positives, ascending; ``weight``: float64 (s,), of the rows it stands on.
    """

    first: I64
    rate: F64
    weight: F64

    @classmethod
    def of(cls, negative: F64, positive: F64) -> Self | None:
        """Learn it from the weight of negatives and positives per bin; None with fewer than 30 of either.

        >>> negative, positive = np.zeros((2, SCORE_BINS))
        >>> negative[[2000, 2050, 2100]], positive[[2000, 2050, 2100]] = [60, 10, 20], [20, 0, 60]
        >>> steps = Steps.of(negative, positive)
        >>> steps.first.tolist(), steps.rate.round(3).tolist()
        ([0, 2100], [0.222, 0.75])
        """
        if min(negative.sum(), positive.sum()) < FEWEST:
            return None
        weights = negative + positive
        held = np.flatnonzero(weights > 0)
        return cls.pooled(held, weights[held], positive[held])

    @classmethod
    def pooled(cls, at: I64, weight: F64, positive: F64) -> Self:
        """Pool adjacent violators of b places. ``at``: int64, in order; ``weight`` above 0, ``positive``: float64."""
        first: list[int] = []
        total: list[float] = []
        hits: list[float] = []
        for place, own, hit in zip(at.tolist(), weight.tolist(), positive.tolist(), strict=True):
            first.append(place)
            total.append(own)
            hits.append(hit)
            while len(first) > 1 and hits[-2] * total[-1] >= hits[-1] * total[-2]:
                first.pop()
                more, weigh = hits.pop(), total.pop()
                hits[-1] += more
                total[-1] += weigh
        first[0] = 0
        weight_of = np.array(total)
        return cls(np.array(first, np.int64), np.array(hits) / weight_of, weight_of)

    @property
    def of_bin(self) -> I64:
        """Which step each bin of the grid is on: int64 (SCORE_BINS,)."""
        return np.repeat(np.arange(len(self.first)), np.diff(self.first, append=SCORE_BINS))

    def rates(self) -> F64:
        """Return the rate of each bin of the grid: float64 (SCORE_BINS,)."""
        return self.rate[self.of_bin]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        lists = {"rate": self.rate.tolist(), "weight": self.weight.tolist()}
        return {"first": self.first.tolist(), **{name: [short(one) for one in of] for name, of in lists.items()}}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read it back. Raises ``ValueError`` that names the rule."""
        first, rate, weight = value.get("first"), floats(value.get("rate")), floats(value.get("weight"))
        if not isinstance(first, list) or not all(is_whole(at) and 0 <= at < SCORE_BINS for at in first):
            raise ValueError("first must be bins of the score grid")
        if first[:1] != [0] or sorted(set(first)) != first or len({len(first), len(rate), len(weight)}) > 1:
            raise ValueError("first must ascend from 0, with a rate and a weight for each")
        if (rate < 0).any() or (rate > 1).any() or (np.diff(rate) < 0).any() or (weight <= 0).any():
            raise ValueError("rates must rise between 0 and 1, and weights be above 0")
        return cls(np.array(first, np.int64), rate, weight)
