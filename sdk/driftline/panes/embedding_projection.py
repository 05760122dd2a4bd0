"""Random Fourier features of embeddings: sums of fixed length that represent n vectors in a pane.

A vector becomes 128 numbers, cosine and sine of 64 random projections. The distance between their means in two samples
approximates the maximum mean discrepancy of a Gaussian kernel, so two panes show any difference between the
distributions of two sets of vectors. A pane does not contain the vectors themselves.

Source: Rahimi and Recht, "Random features for large-scale kernel machines" (2007); Sutherland and Schneider, "On the
error of random Fourier features" (2015), for cosine and sine of the same projection.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
from numpy.typing import NDArray

from driftline.tables.table import F64, I64

from .matrix_products import map_points, product

F32 = NDArray[np.float32]

PROJECTIONS = 64
"""Number of projections. A shift of each of 384 independent coordinates by 0.1 standard deviations has a p-value
below 1e-50 in 1,000 rows.
"""

WIDTH = 2 * PROJECTIONS
"""Number of features of a vector. The features of each vector have length 1."""

AXES = 16
"""Number of axes on which a classifier separates two samples: 14 kB of a baseline's JSON."""

ROWS = 5_000
"""Reference vectors from which the variance of the features is estimated."""

_SEED = 20_070_312
_BLOCK = 8_192


@dataclass(frozen=True, slots=True)
class Projection:
    """The projection of one embedding.

    Attributes:
        length: Length of its vectors.
        bandwidth: Bandwidth of the kernel: the median distance between two vectors of the reference.
        spectrum: Variances of the features along their principal axes in the reference, descending, at most 128.
        axes: First principal axes, at most 16 directions of 128 numbers with four digits.
    """

    length: int
    bandwidth: float
    spectrum: tuple[float, ...] = ()
    axes: tuple[tuple[float, ...], ...] = ()

    @classmethod
    def of(cls, vectors: F32) -> Self | None:
        """Fit the projection to reference vectors, float32 (n, k); None if fewer than two are finite.

        >>> Projection.of(np.eye(4, dtype=np.float32)).length
        4
        """
        finite = vectors[np.isfinite(vectors).all(axis=1)]
        if len(finite) < 2:
            return None
        random = np.random.default_rng(_SEED)
        # 2_000: pairs of vectors for the median distance
        first, second = random.integers(0, len(finite), (2, 2_000))
        distances = np.linalg.norm(finite[first].astype(np.float64) - finite[second], axis=1)
        median = float(np.median(distances[distances > 0])) if (distances > 0).any() else 1.0
        chosen = cls(vectors.shape[1], float(f"{median:.6g}"))
        sampled = finite if len(finite) <= ROWS else finite[random.choice(len(finite), ROWS, replace=False)]
        features = chosen.features(sampled)
        features -= features.mean(axis=0)
        variances, directions = np.linalg.eigh(product(features.T, features) / (len(features) - 1))
        spectrum = tuple(float(f"{variance:.6g}") for variance in variances[::-1] if variance > 1e-9)
        # the largest entry determines the sign of an axis, so that equal rows give equal JSON
        turned = directions * np.sign(directions[np.abs(directions).argmax(axis=0), np.arange(WIDTH)])
        axes = turned[:, ::-1].T[: min(AXES, len(spectrum))]
        return cls(
            chosen.length, chosen.bandwidth, spectrum, tuple(tuple(map(_rounded, axis)) for axis in axes.tolist())
        )

    def features(self, vectors: F32) -> F64:
        """Return the features of vectors, float32 (n, length): float64 (n, WIDTH), NaN for a vector with NaN."""
        angles = map_points(vectors.astype(np.float64), _directions(self.length) / self.bandwidth)
        features: F64 = np.hstack([np.cos(angles), np.sin(angles)]) / np.sqrt(PROJECTIONS)
        return features

    def sums(self, vectors: F32, weight: F64 | None, group: I64 | None, groups: int) -> F64:
        """Return, per group of rows, the weight and the weighted sums of the features: float64 (groups, 1 + WIDTH).

        Vectors with NaN or infinities are left out; all vectors are, if they have another length.
        ``weight``: float64 (n,), None = 1 each. ``group``: int64 (n,), None = one group.

        >>> sums = Projection(2, 1.0, ()).sums(np.zeros((3, 2), np.float32), None, None, 1)
        >>> sums[0, 0], sums[0, 1:].max()
        (np.float64(3.0), np.float64(0.375))
        """
        total = np.zeros((groups, 1 + WIDTH))
        if vectors.shape[1] != self.length:
            return total
        for start in range(0, len(vectors), _BLOCK):
            block = slice(start, start + _BLOCK)
            usable = np.flatnonzero(np.isfinite(vectors[block]).all(axis=1))
            rows = np.ones((len(usable), 1 + WIDTH))
            rows[:, 1:] = self.features(vectors[block][usable])
            if weight is not None:
                rows *= weight[block][usable, np.newaxis]
            if group is None:
                total[0] += rows.sum(axis=0)
            else:
                block_groups = group[block][usable]
                order = np.argsort(block_groups, kind="stable")
                present, starts = np.unique(block_groups[order], return_index=True)
                if len(present):
                    total[present] += np.add.reduceat(rows[order], starts, axis=0)
        return total

    def check(self) -> None:
        """Raise ``ValueError`` for an impossible length, bandwidth or axes."""
        if not 1 <= self.length <= 1_000_000:
            raise ValueError("length must be a whole number from 1 to 1,000,000")
        if self.bandwidth <= 0:
            raise ValueError("bandwidth must be a finite number above 0")
        if len(self.spectrum) > WIDTH or not all(0 < variance <= 1 for variance in self.spectrum):
            raise ValueError(f"spectrum must have at most {WIDTH} numbers, each above 0 and at most 1")
        if len(self.axes) > min(AXES, len(self.spectrum)) or any(len(axis) != WIDTH for axis in self.axes):
            raise ValueError(
                f"there must be at most {AXES} axes, and at most as many as spectrum has numbers, "
                f"and each axis must have {WIDTH} numbers"
            )


@lru_cache(maxsize=16)
def _directions(length: int) -> F64:
    """Return standard normal directions, float64 (length, PROJECTIONS), equal in every process and version of numpy.

    numpy guarantees the bits of Philox, but not its conversion to normal numbers.
    """
    bits = np.random.Philox(_SEED).random_raw(2 * length * PROJECTIONS)
    uniform = ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    first, second = uniform.reshape(2, length, PROJECTIONS)
    normal: F64 = np.sqrt(-2 * np.log(first)) * np.cos(2 * np.pi * second)  # Box and Muller
    return normal


def _rounded(number: float) -> float:
    return float(f"{number:.4f}")
