"""Several features at once: coordinates of rows, principal components, and the sums over pairs of features.

Rows as points: every feature a coordinate that is read off its bins, and the principal components of the reference.

What one feature at a time cannot show, features that hang together otherwise than they did, is seen in sums over these
points. A value counts as the normal score of its bin: so one stray 1e9 moves a point no
farther than the outermost thousandth does, and a value costs one look-up beside the bin, which is known anyway.

Sums over several features at once, for what drifts in none by itself: the parts ``pca``, ``pairs``, ``unpaired``.

Of points in a :class:`Space`, d features wide, in thousandths of a standard deviation where not said
otherwise. A fold pays one look-up a value and two small matrix products a row; only rows that lack something pay more.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from driftline.tables.table import F64, I64, PredictionTable

from .bins import Bins, Index, assign
from .matrix_products import AT_ONCE, map_points, product

I16 = NDArray[np.int16]

MOST_FEATURES = 128
"""Wider models have no space: components alone would be more JSON than all else."""

MOST_PAIRED = 64
"""Up to so many features the second moments of all pairs are kept in panes: 2,080 sums, a third of what the histograms
of 64 features take."""

LEAST_ROWS = 500
LEAST_ROWS_EACH = 10
"""Fewer rows, or fewer for each feature, show no components but their own noise."""

UNIT = 1_000
"""Coordinates are whole thousandths of a standard deviation: sums of their products are exact, in whatever order and in
however many pieces they are added, so that a file and the service come to the same number."""

FARTHEST = 4.0
"""Standard deviations from the mean: a flag that is set in one row of 200 would lie 14 away, and five such rows would
be a window's reconstruction error."""

_NORMAL = NormalDist()


@dataclass(frozen=True, eq=False)
class Space:
    """d features as coordinates.

    Attributes:
        places: Feature → thousandths of a standard deviation of each of its bins, int16 (size,). Missing and invalid
            values lie at 0, the mean.
        components: float64 (k, d), the first principal components of the reference, about orthonormal (they are
            rounded).
    """

    places: Mapping[str, I16]
    components: F64

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The features, in the order of the coordinates."""
        return tuple(self.places)

    @cached_property
    def rest(self) -> F64:
        """An orthonormal basis of what the components leave out: float64 (d - k, d)."""
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
        """Return True where all of its features are among these: of some the coordinates say nothing."""
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
        """Raise ``ValueError`` for too few features, and for components of another number of them."""
        d = len(self.places)
        if d < 2:
            raise ValueError("places must contain two features or more")
        if self.components.ndim != 2 or not 0 < len(self.components) < d or self.components.shape[1] != d:
            raise ValueError(f"components must have fewer rows than there are features, and {d} numbers in each row")


def rest_of(components: F64) -> F64:
    """Return an orthonormal basis of what components, float64 (k, d), leave out: float64 (d - k, d)."""
    basis: F64 = np.linalg.qr(components.T, mode="complete")[0]
    return np.ascontiguousarray(basis[:, len(components) :].T)


def distances(rest: F64, points: F64) -> F64:
    """Return the length of each point's part in the span of ``rest``: float64 (n,), of points float64 (d, n)."""
    left = map_points(points.T, rest.T)
    length: F64 = np.sqrt(np.einsum("ij,ij->i", left, left))
    return length


def normal_scores(counts: F64) -> I16:
    """Return the coordinate of each bin, in thousandths: int16 (size,).

    The mean of what its rows would be, were the feature normal with their ranks (Blom's normal scores, averaged over
    ties), with mean 0 and standard deviation 1 over all rows, and at most 4 from the mean. Categories count in the
    order of their bins: the most frequent lowest, whatever they are called.

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
    # an empty bin lies where it begins and ends
    scores = np.divide(
        density[:-1] - density[1:], np.diff(reached), out=np.array(scores_at_bins[:-1]), where=counts > 0
    )
    deviation = np.sqrt(np.square(scores) @ counts / n)
    places: I16 = np.rint(np.clip(scores / deviation, -FARTHEST, FARTHEST) * UNIT).astype(np.int16)
    return places


def choose_space(tables: Sequence[PredictionTable], bins: Mapping[str, Bins]) -> Space | None:
    """Choose coordinates and components from reference rows; None where there are too few rows or features for it.

    Features with one value only have no coordinate. The components are those of the coordinates with missing values at
    0, as many as hold more than 65 % of the variance.
    """
    n = sum(map(len, tables))
    if n < LEAST_ROWS:
        return None
    places_by_name: dict[str, tuple[I16, I16]] = {}
    for name, over in bins.items():
        index = bin_of_each(tables, name, over)
        counts = np.bincount(index, minlength=over.size + 2)[: over.size].astype(np.float64)
        if np.count_nonzero(counts) > 1:
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
    """Return the bin of each row of tables, one after the other: intp (n,); see :func:`driftline.panes.bins.assign`."""
    bins = []
    for table in tables:
        column = table.features.get(name)
        index = np.empty(0, np.intp) if column is None else assign(over, column)
        bins.append(index if len(index) else np.full(len(table), over.size, dtype=np.intp))
    return np.concatenate(bins)


def at_places(places: I16, index: NDArray[np.intp]) -> I16:
    """Return the coordinate of each row by its bin: int16 (n,); missing and invalid values lie at 0."""
    return np.append(places, np.zeros(2, np.int16))[index]


def principal(moments: F64, count: int | None = None) -> F64:
    """Return the first principal components of second moments, float64 (d, d), as rows: float64 (k, d).

    ``count``: how many, else as many as hold more than 65 % of the variance, and one less than all at most. Rounded to
    four digits, each with its greatest entry positive.
    """
    values, vectors = np.linalg.eigh(moments)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    if count is None:
        explained = np.cumsum(values) / values.sum()
        # 0.65: the share of the variance that the components hold: what NannyML takes
        count = min(int(np.searchsorted(explained, 0.65, side="right")) + 1, len(values) - 1)
    first = vectors[:, :count].T
    signs = np.sign(first[np.arange(count), np.argmax(np.abs(first), axis=1)])
    rounded: F64 = np.round(first * signs[:, np.newaxis], 4)
    return rounded + 0.0  # no -0.0 in the JSON


PARTS = ("pca", "pairs", "unpaired")

STEP = 4_096
"""Reconstruction errors are rounded to so many parts of a standard deviation, a thousandth of their spread: then their
sums are exact too, whatever was added first."""


def widths(features: int) -> dict[str, int]:
    """Return the lengths of the parts' vectors, for a space of a number of features.

    >>> widths(3)
    {'pca': 4, 'pairs': 11, 'unpaired': 27}
    """
    d = features
    return {"pca": 4} | ({"pairs": 2 + d + d * (d + 1) // 2, "unpaired": 3 * d * d} if d <= MOST_PAIRED else {})


class Joint:
    """Gathers the points of n rows, a feature at a time, and sums over them."""

    def __init__(self, space: Space, n: int) -> None:
        self._space = space
        self._position_by_name = {name: position for position, name in enumerate(space.names)}
        self._points = np.zeros((len(space.names), n), dtype=np.int16)
        self._lacking: dict[int, NDArray[np.bool_]] = {}
        self._filled_rows: set[int] = set()
        self._upper = np.flatnonzero(np.triu(np.ones((len(space.names),) * 2, dtype=np.bool_)))

    def add(self, name: str, index: Index, lacks: bool) -> None:
        """Take in a feature of all rows; ``index``: the bin of each; ``lacks``: whether some is missing or invalid."""
        if name not in self._position_by_name:
            return
        row, places = self._position_by_name[name], self._space.places[name]
        np.take(np.append(places, np.zeros(2, np.int16)), index, out=self._points[row], mode="clip")
        self._filled_rows.add(row)
        if lacks:
            self._lacking[row] = index >= len(places)

    def sums(self, weight: F64 | None, group: I64 | None, groups: int) -> dict[str, F64]:
        """Return the parts: float64 (groups, width) each, ``unpaired`` only where something is missing.

        Nothing where the rows have no feature of the space.
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
    """Return the rows in the order of their groups (None: unchanged), and the end of each group."""
    if group is None:
        return None, [n]
    ends = np.cumsum(np.bincount(group, minlength=groups)).tolist()
    return (None if (group[1:] >= group[:-1]).all() else np.argsort(group, kind="stable")), ends
