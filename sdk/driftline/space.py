"""Rows as points: every feature a coordinate that is read off its bins, and the principal components of the reference.

What one feature at a time cannot show, features that hang together otherwise than they did, is seen in sums over
these points (:mod:`driftline.joint`). A value counts as the normal score of its bin: so one stray 1e9 moves a point no
farther than the outermost thousandth does, and a value costs one look-up beside the bin, which is known anyway.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .bins import Bins, assign
from .checked import by_name, floats, is_whole, short
from .products import mapped, product
from .tables import F64, PredictionTable

I16 = NDArray[np.int16]

MOST_FEATURES = 128
"""Wider models have no space: components alone would be more JSON than all else."""

MOST_PAIRED = 64
"""Up to so many features the second moments of all pairs are kept in panes: 2,080 sums, a third of what the histograms
of 64 features take."""

LEAST_ROWS = 500
LEAST_ROWS_EACH = 10
"""Fewer rows, or fewer for each feature, show no components but their own noise."""

VARIANCE = 0.65
"""The share of the variance that the components hold: what NannyML takes."""

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

    ``places``: feature → thousandths of a standard deviation of each of its bins, int16 (size,). Missing and invalid
    values lie at 0, the mean. ``components``: float64 (k, d), the first principal components of the reference, about
    orthonormal (they are rounded).
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
        return isinstance(other, Space) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]

    def names_in(self, features: Container[str]) -> bool:
        """Say whether all of its features are among these: of some the coordinates say nothing."""
        return all(name in features for name in self.places)

    def errors(self, points: F64) -> F64:
        """Return how far each point is from its projection onto the components: float64 (n,).

        ``points``: float64 (d, n), in standard deviations.

        >>> flat = Space({"x": np.zeros(1, np.int16), "y": np.zeros(1, np.int16)}, np.array([[1.0, 0.0]]))
        >>> flat.errors(np.array([[5.0, 1.0], [0.0, 2.0]])).tolist()
        [0.0, 2.0]
        """
        return distances(self.rest, points)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "places": {name: places.tolist() for name, places in self.places.items()},
            "order": list(self.places),
            "components": [[short(one) for one in row] for row in self.components.tolist()],
        }

    @classmethod
    def from_json(cls, value: object, bins: Mapping[str, Bins]) -> Self:
        """Read it back and check it against the bins. Raises ``ValueError`` that names the rule."""
        read = by_name(value)
        places, order = by_name(read.get("places")), read.get("order")
        if not isinstance(order, list) or not all(isinstance(one, str) for one in order) or len(order) < 2:
            raise ValueError("order must be a list of two features or more")
        if sorted(order) != sorted(places):
            raise ValueError("order must name every feature of places once")
        known = {}
        for name in order:
            if name not in bins:
                raise ValueError(f"{name!r} has places but no bins")
            own = places[name]
            if not isinstance(own, list) or not all(is_whole(one) and abs(one) < 2**15 for one in own):
                raise ValueError(f"the places of {name!r} must be whole numbers below 32768")
            if len(own) != bins[name].size:
                raise ValueError(f"{name!r} has {len(own)} places for {bins[name].size} bins")
            known[name] = np.array(own, dtype=np.int16)
        components, d = read.get("components"), len(order)
        if not isinstance(components, list) or not 0 < len(components) < d:
            raise ValueError("components must be a list, not empty, of fewer rows than there are features")
        matrix = [floats(row) for row in components]
        if any(len(row) != d for row in matrix):
            raise ValueError(f"components must have {d} numbers each, one for each feature")
        return cls(known, np.array(matrix))


def rest_of(components: F64) -> F64:
    """Return an orthonormal basis of what components, float64 (k, d), leave out: float64 (d - k, d)."""
    basis: F64 = np.linalg.qr(components.T, mode="complete")[0]
    return np.ascontiguousarray(basis[:, len(components) :].T)


def distances(rest: F64, points: F64) -> F64:
    """Return the length of each point's part in the span of ``rest``: float64 (n,), of points float64 (d, n)."""
    left = mapped(points.T, rest.T)
    length: F64 = np.sqrt(np.einsum("ij,ij->i", left, left))
    return length


def normal_scores(counts: F64) -> I16:
    """Return the coordinate of each bin, in thousandths: int16 (size,).

    The mean of what its rows would be, were the feature normal with their ranks (Blom's normal scores, averaged over
    ties), with mean 0 and standard deviation 1 over all rows, and at most 4 from the mean. Categories count in the
    order of their bins: the most frequent lowest, whatever they are called.

    ``counts``: float64 (size,), the reference's rows per bin, in order; at least two bins have some.

    Source: Blom, "Statistical estimates and transformed beta-variables" (1958).

    >>> normal_scores(np.array([1.0, 0.0, 1.0])).tolist()
    [-1000, 0, 1000]
    """
    n = float(counts.sum())
    reached = np.concatenate([[0.0], np.cumsum(counts)]) / n
    at = [_NORMAL.inv_cdf(min(max(share, 0.5 / n), 1 - 0.5 / n)) for share in reached.tolist()]
    density = np.where((reached > 0) & (reached < 1), np.exp(-np.square(at) / 2) / np.sqrt(2 * np.pi), 0.0)
    # an empty bin lies where it begins and ends
    scores = np.divide(density[:-1] - density[1:], np.diff(reached), out=np.array(at[:-1]), where=counts > 0)
    spread = np.sqrt(np.square(scores) @ counts / n)
    places: I16 = np.rint(np.clip(scores / spread, -FARTHEST, FARTHEST) * UNIT).astype(np.int16)
    return places


def choose_space(tables: Sequence[PredictionTable], bins: Mapping[str, Bins]) -> Space | None:
    """Choose coordinates and components from reference rows; None where there are too few rows or features for it.

    Features with one value only have no coordinate. The components are those of the coordinates with missing values at
    0, as many as hold more than 65 % of the variance.
    """
    n = sum(map(len, tables))
    if n < LEAST_ROWS:
        return None
    known: dict[str, tuple[I16, I16]] = {}
    for name, over in bins.items():
        index = bin_of_each(tables, name, over)
        counts = np.bincount(index, minlength=over.size + 2)[: over.size].astype(np.float64)
        if np.count_nonzero(counts) > 1:
            places = normal_scores(counts)
            known[name] = places, at_places(places, index)
        if len(known) > MOST_FEATURES:
            return None
    if len(known) < 2 or n < LEAST_ROWS_EACH * len(known):
        return None
    points = np.stack([own for _, own in known.values()]) / UNIT
    return Space({name: own for name, (own, _) in known.items()}, principal(product(points, points.T)))


def bin_of_each(tables: Sequence[PredictionTable], name: str, over: Bins) -> NDArray[np.intp]:
    """Return the bin of each row of tables, one after the other: intp (n,), as :func:`driftline.bins.assign` does."""
    found = []
    for table in tables:
        column = table.features.get(name)
        index = np.empty(0, np.intp) if column is None else assign(over, column)
        found.append(index if len(index) else np.full(len(table), over.size, dtype=np.intp))
    return np.concatenate(found)


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
        held = np.cumsum(values) / values.sum()
        count = min(int(np.searchsorted(held, VARIANCE, side="right")) + 1, len(values) - 1)
    first = vectors[:, :count].T
    signs = np.sign(first[np.arange(count), np.argmax(np.abs(first), axis=1)])
    rounded: F64 = np.round(first * signs[:, np.newaxis], 4)
    return rounded + 0.0  # no -0.0 in the JSON
