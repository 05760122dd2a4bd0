"""Joint sums of several features: coordinates of rows, principal components, and sums over pairs of features.

A change of the dependence between features is visible in sums over these coordinates (the parts ``pca``, ``pairs``
and ``unpaired``), but not in one feature at a time. The coordinate of a value is the normal score of its bin: one
outlier of 1e9 is no farther away than the outermost thousandth of the rows. A fold costs one look-up per value and two
small matrix products per row; only rows with missing values cost more.

A :class:`Space` has d features. Units are thousandths of a standard deviation unless stated otherwise.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from driftline.tables.table import F64, I64, PredictionTable

from .bins import Bins, CategoryBins, Index, assign
from .matrix_products import AT_ONCE, map_points, product

I16 = NDArray[np.int16]

MOST_FEATURES = 128
"""Maximum number of features of a space, because components of wider models would dominate the JSON."""

MOST_PAIRED = 64
"""Maximum number of features for second moments of all pairs: 2,080 sums, a third of the histograms of 64 features."""

LEAST_ROWS = 500
LEAST_ROWS_EACH = 10
"""Minimum number of rows per feature; with fewer rows, components are noise."""

UNIT = 1_000
"""Coordinates per standard deviation. They are integers, so sums of their products are exact in any order, and files
and the service give the same number.
"""

MOST_RARE = 0.5
"""Maximum fraction of rows with rare categories. Simulated with 20 to 3,000 codes of equal or unequal frequency: from a
fraction of 0.8 on, up to all unchanged windows drifted; up to 0.74, none.
"""

FARTHEST = 4.0
"""Maximum distance from the mean, in standard deviations: a flag that is set in one of 200 rows would be 14 away, and
five such rows would dominate a window's reconstruction error.
"""

_NORMAL = NormalDist()


@dataclass(frozen=True, eq=False)
class Space:
    """d features as coordinates.

    Attributes:
        places: Feature → coordinate of each of its bins, in thousandths of a standard deviation, int16 (size,). Missing
            and invalid values are at 0, the mean.
        components: float64 (k, d), first principal components of the reference, orthonormal except for rounding.
    """

    places: Mapping[str, I16]
    components: F64

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The features, in the order of the coordinates."""
        return tuple(self.places)

    @cached_property
    def rest(self) -> F64:
        """Orthonormal basis of the complement of the components: float64 (d - k, d)."""
        return rest_of(self.components)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Space)
            and self.names == other.names
            and all(np.array_equal(places, other.places[name]) for name, places in self.places.items())
            and np.array_equal(self.components, other.components)
        )

    __hash__ = None  # type: ignore[assignment]

    def names_in(self, features: Container[str]) -> bool:
        """Return True if all features of the space are among these."""
        return all(name in features for name in self.places)

    def errors(self, points: F64) -> F64:
        """Return the distance of each point from its projection onto the components: float64 (n,).

        Args:
            points: float64 (d, n), in standard deviations.

        >>> flat = Space({"x": np.zeros(1, np.int16), "y": np.zeros(1, np.int16)}, np.array([[1.0, 0.0]]))
        >>> flat.errors(np.array([[5.0, 1.0], [0.0, 2.0]])).tolist()
        [0.0, 2.0]
        """
        return distances(self.rest, points)

    def check(self) -> None:
        """Raise ``ValueError`` for too few features, and for components of another width."""
        d = len(self.places)
        if d < 2:
            raise ValueError("places (feature → coordinates of its bins) must contain two features or more")
        if self.components.ndim != 2 or not 0 < len(self.components) < d or self.components.shape[1] != d:
            raise ValueError(f"components must have fewer rows than there are features, and {d} numbers in each row")


def rest_of(components: F64) -> F64:
    """Return an orthonormal basis of the complement of components, float64 (k, d): float64 (d - k, d)."""
    basis: F64 = np.linalg.qr(components.T, mode="complete")[0]
    return np.ascontiguousarray(basis[:, len(components) :].T)


def distances(rest: F64, points: F64) -> F64:
    """Return the length of each point's projection onto the span of ``rest``: float64 (n,); points: float64 (d, n)."""
    left = map_points(points.T, rest.T)
    length: F64 = np.sqrt(np.einsum("ij,ij->i", left, left))
    return length


def normal_scores(counts: F64) -> I16:
    """Return the coordinate of each bin, in thousandths: int16 (size,).

    The coordinate is the mean normal score of the bin's rows (Blom's normal scores, averaged over ties), with mean 0
    and standard deviation 1 over all rows, at most 4 from the mean. Categories are in the order of their bins, the most
    frequent category lowest.

    Args:
        counts: float64 (size,), the reference's rows per bin, in order; at least two bins have some.

    Source: Blom, "Statistical estimates and transformed beta-variables" (1958).

    >>> normal_scores(np.array([1.0, 0.0, 1.0])).tolist()
    [-1000, 0, 1000]
    """
    n = float(counts.sum())
    reached = np.concatenate([[0.0], np.cumsum(counts)]) / n
    scores_at_bins = [_NORMAL.inv_cdf(min(max(share, 0.5 / n), 1 - 0.5 / n)) for share in reached.tolist()]
    density = np.where((reached > 0) & (reached < 1), np.exp(-np.square(scores_at_bins) / 2) / np.sqrt(2 * np.pi), 0.0)
    # an empty bin has the score of its edge
    scores = np.divide(
        density[:-1] - density[1:], np.diff(reached), out=np.array(scores_at_bins[:-1]), where=counts > 0
    )
    deviation = np.sqrt(np.square(scores) @ counts / n)
    places: I16 = np.rint(np.clip(scores / deviation, -FARTHEST, FARTHEST) * UNIT).astype(np.int16)
    return places


def choose_space(tables: Sequence[PredictionTable], bins: Mapping[str, Bins]) -> Space | None:
    """Fit coordinates and components to reference rows; None if there are too few rows or features.

    Constant features have no coordinate, and neither have categories if most rows have rare ones, without a bin: the
    others were kept by chance, and are less frequent in other rows. The components are the first ones that explain more
    than 65 % of the variance, with missing values at 0.
    """
    n = sum(map(len, tables))
    if n < LEAST_ROWS:
        return None
    places_by_name: dict[str, tuple[I16, I16]] = {}
    for name, over in bins.items():
        index = bin_of_each(tables, name, over)
        counts = np.bincount(index, minlength=over.size + 2)[: over.size].astype(np.float64)
        rare = counts[-1] if isinstance(over, CategoryBins) else 0.0
        if np.count_nonzero(counts) > 1 and rare <= MOST_RARE * counts.sum():
            places = normal_scores(counts)
            places_by_name[name] = places, at_places(places, index)
        if len(places_by_name) > MOST_FEATURES:
            return None
    if len(places_by_name) < 2 or n < LEAST_ROWS_EACH * len(places_by_name):
        return None
    points = np.stack([own_places for _, own_places in places_by_name.values()]) / UNIT
    return Space(
        {name: own_places for name, (own_places, _) in places_by_name.items()}, principal(product(points, points.T))
    )


def bin_of_each(tables: Sequence[PredictionTable], name: str, over: Bins) -> NDArray[np.intp]:
    """Return the bin of each row of concatenated tables: intp (n,); see :func:`driftline.panes.bins.assign`."""
    bins = []
    for table in tables:
        column = table.features.get(name)
        index = np.empty(0, np.intp) if column is None else assign(over, column)
        bins.append(index if len(index) else np.full(len(table), over.size, dtype=np.intp))
    return np.concatenate(bins)


def at_places(places: I16, index: NDArray[np.intp]) -> I16:
    """Return the coordinate of each row by its bin: int16 (n,); missing and invalid values are at 0."""
    return np.append(places, np.zeros(2, np.int16))[index]


def principal(moments: F64, count: int | None = None) -> F64:
    """Return the first principal components of second moments, float64 (d, d), as rows: float64 (k, d).

    ``count``: number of components; default: those that explain more than 65 % of the variance, at most d - 1. Rounded
    to four digits; the entry with the greatest magnitude is positive.
    """
    values, vectors = np.linalg.eigh(moments)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    if count is None:
        explained = np.cumsum(values) / values.sum()
        # 0.65: fraction of the variance that the components explain, as in NannyML
        count = min(int(np.searchsorted(explained, 0.65, side="right")) + 1, len(values) - 1)
    first = vectors[:, :count].T
    signs = np.sign(first[np.arange(count), np.argmax(np.abs(first), axis=1)])
    rounded: F64 = np.round(first * signs[:, np.newaxis], 4)
    return rounded + 0.0  # no -0.0 in the JSON


PARTS = ("pca", "pairs", "unpaired")

STEP = 4_096
"""Rounding of reconstruction errors: parts of a standard deviation, a thousandth of their spread, so that sums are
exact in any order.
"""


def widths(features: int) -> dict[str, int]:
    """Return the lengths of the parts' vectors for a number of features.

    >>> widths(3)
    {'pca': 4, 'pairs': 11, 'unpaired': 27}
    """
    d = features
    return {"pca": 4} | ({"pairs": 2 + d + d * (d + 1) // 2, "unpaired": 3 * d * d} if d <= MOST_PAIRED else {})


class Joint:
    """Gathers the points of n rows, one feature at a time, and computes sums over them."""

    def __init__(self, space: Space, n: int) -> None:
        self._space = space
        self._position_by_name = {name: position for position, name in enumerate(space.names)}
        self._points = np.zeros((len(space.names), n), dtype=np.int16)
        self._lacking: dict[int, NDArray[np.bool_]] = {}
        self._filled_rows: set[int] = set()
        self._upper = np.flatnonzero(np.triu(np.ones((len(space.names),) * 2, dtype=np.bool_)))

    def add(self, name: str, index: Index, lacks: bool) -> None:
        """Add a feature of all rows; ``index``: the bin of each row; ``lacks``: whether any is missing or invalid."""
        if name not in self._position_by_name:
            return
        row, places = self._position_by_name[name], self._space.places[name]
        np.take(np.append(places, np.zeros(2, np.int16)), index, out=self._points[row], mode="clip")
        self._filled_rows.add(row)
        if lacks:
            self._lacking[row] = index >= len(places)

    def sums(self, weight: F64 | None, group: I64 | None, groups: int) -> dict[str, F64]:
        """Return the parts: float64 (groups, width) each, ``unpaired`` only if something is missing.

        Returns {} if the rows have no feature of the space.
        """
        d, n = self._points.shape
        if not self._filled_rows:
            return {}
        for row in set(range(d)) - self._filled_rows:
            self._lacking[row] = np.ones(n, dtype=np.bool_)
        order, ends = _ordered(group, groups, n)
        sums = {name: np.zeros((groups, width)) for name, width in widths(d).items()}
        if not self._lacking:
            sums.pop("unpaired", None)
        step = max(64, AT_ONCE // (d * d))
        for row, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
            for first in range(start, end, step):
                last = min(first + step, end)
                block: slice | Index = slice(first, last) if order is None else order[first:last]
                self._add(
                    block,
                    None if weight is None else weight[block],
                    {name: part_sums[row] for name, part_sums in sums.items()},
                )
        return sums

    def _add(self, block: slice | Index, weight: F64 | None, into: dict[str, F64]) -> None:
        points = self._points[:, block].astype(np.float64)
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
            for row, is_lacking in self._lacking.items():
                lacking[row] = is_lacking[block]
            lacking_weight = lacking if weight is None else lacking * weight
            lacking_sums = lacking_weight.sum(axis=1)
            rows = lacking_sums[:, np.newaxis] + lacking_sums - lacking_weight @ lacking.T
            into["unpaired"] += np.concatenate([rows, points @ lacking_weight.T, points**2 @ lacking_weight.T]).ravel()


def _ordered(group: I64 | None, groups: int, n: int) -> tuple[Index | None, list[int]]:
    """Return the order that sorts rows by group (None: already sorted), and the end of each group."""
    if group is None:
        return None, [n]
    ends = np.cumsum(np.bincount(group, minlength=groups)).tolist()
    return (None if (group[1:] >= group[:-1]).all() else np.argsort(group, kind="stable")), ends
