"""Sums over several features at once, for what drifts in none by itself: the parts ``pca``, ``pairs``, ``unpaired``.

Of points in a :class:`~driftline.space.Space`, d features wide, in thousandths of a standard deviation where not said
otherwise. A fold pays one look-up a value and two small matrix products a row; only rows that lack something pay more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .bins import Index
from .products import AT_ONCE
from .space import MOST_PAIRED, UNIT, Space
from .tables import F64, I64

PARTS = ("pca", "pairs", "unpaired")

STEP = 4_096
"""Reconstruction errors are rounded to so many parts of a standard deviation, a thousandth of their spread: then their
sums are exact too, whatever was added first."""


def widths(features: int) -> dict[str, int]:
    """Return how long the vectors of the parts are, of a space with so many features.

    >>> widths(3)
    {'pca': 4, 'pairs': 11, 'unpaired': 27}
    """
    d = features
    return {"pca": 4} | ({"pairs": 2 + d + d * (d + 1) // 2, "unpaired": 3 * d * d} if d <= MOST_PAIRED else {})


class Joint:
    """Gathers the points of n rows, a feature at a time, and sums over them."""

    def __init__(self, space: Space, n: int) -> None:
        self._space = space
        self._at = {name: position for position, name in enumerate(space.names)}
        self._points = np.zeros((len(space.names), n), dtype=np.int16)
        self._lacking: dict[int, NDArray[np.bool_]] = {}
        self._told: set[int] = set()
        self._upper = np.flatnonzero(np.triu(np.ones((len(space.names),) * 2, dtype=np.bool_)))

    def add(self, name: str, index: Index, lacks: bool) -> None:
        """Take in a feature of all rows; ``index``: the bin of each; ``lacks``: whether some is missing or invalid."""
        if name not in self._at:
            return
        at, places = self._at[name], self._space.places[name]
        np.take(np.append(places, np.zeros(2, np.int16)), index, out=self._points[at], mode="clip")
        self._told.add(at)
        if lacks:
            self._lacking[at] = index >= len(places)

    def sums(self, weight: F64 | None, group: I64 | None, groups: int) -> dict[str, F64]:
        """Return the parts: float64 (groups, width) each, ``unpaired`` only where something is missing.

        Nothing where the rows have no feature of the space.
        """
        d, n = self._points.shape
        if not self._told:
            return {}
        for at in set(range(d)) - self._told:
            self._lacking[at] = np.ones(n, dtype=np.bool_)
        order, ends = _ordered(group, groups, n)
        sums = {name: np.zeros((groups, width)) for name, width in widths(d).items()}
        if not self._lacking:
            sums.pop("unpaired", None)
        step = max(64, AT_ONCE // (d * d))
        for at, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
            for first in range(start, end, step):
                last = min(first + step, end)
                some: slice | Index = slice(first, last) if order is None else order[first:last]
                self._add(some, None if weight is None else weight[some], {name: one[at] for name, one in sums.items()})
        return sums

    def _add(self, some: slice | Index, weight: F64 | None, into: dict[str, F64]) -> None:
        points = self._points[:, some].astype(np.float64)
        w = np.ones(points.shape[1]) if weight is None else weight
        total = np.array([w.sum(), w @ w])
        errors = np.rint(self._space.errors(points) * (STEP / UNIT)) / STEP
        into["pca"] += [*total, w @ errors, w @ errors**2]
        if "pairs" not in into:
            return
        weighed = points if weight is None else points * weight
        moments = weighed @ points.T
        into["pairs"] += np.concatenate([total, weighed.sum(axis=1), moments.ravel()[self._upper]])
        if self._lacking:
            lacking = np.zeros_like(points)
            for at, which in self._lacking.items():
                lacking[at] = which[some]
            gone = lacking if weight is None else lacking * weight
            each = gone.sum(axis=1)
            rows = each[:, np.newaxis] + each - gone @ lacking.T
            into["unpaired"] += np.concatenate([rows, points @ gone.T, points**2 @ gone.T]).ravel()


def _ordered(group: I64 | None, groups: int, n: int) -> tuple[Index | None, list[int]]:
    """The rows by group (None: as they are), and where each group ends."""
    if group is None:
        return None, [n]
    ends = np.cumsum(np.bincount(group, minlength=groups)).tolist()
    return (None if (group[1:] >= group[:-1]).all() else np.argsort(group, kind="stable")), ends
