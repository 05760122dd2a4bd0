"""The fit of the principal components to the reference rows: reconstruction error and pairwise correlations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from driftline.panes.matrix_products import product
from driftline.panes.model_bins import ModelBins
from driftline.panes.pca import (
    MOST_PAIRED,
    UNIT,
    Space,
    at_places,
    bin_of_each,
    distances,
    normal_scores,
    principal,
    rest_of,
)
from driftline.privacy.rules import FeatureFilter
from driftline.tables.table import F64, Column, PredictionTable

from .section import Section

if TYPE_CHECKING:
    from driftline.baseline.reference_rows import ReferenceSetup

FOLDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class PcaFit(Section):
    """The fit of the coordinates and components to the reference rows.

    Attributes:
        rows: Rows to which they were fitted, 0 if the pane contains none of them.
        optimism: Mean reconstruction error of other rows minus that of these rows, in standard deviations of a
            coordinate.
        factors: float64 (d (d - 1) / 2,), variance of Fisher's z of each pair's correlation, times the rows (1 for
            normal variables), upper triangle by rows. None if there are too many features for pairs.
    """

    rows: int
    optimism: float
    factors: F64 | None = None

    def check_bins(self, bins: ModelBins) -> None:
        """Raise ``ValueError`` if the number of factors is not the number of pairs."""
        d = 0 if bins.space is None else len(bins.space.names)
        factors = self.factors
        if self.rows < 0 or (factors is not None and (factors.shape != (d * (d - 1) // 2,) or (factors <= 0).any())):
            raise ValueError(f"factors must be {d * (d - 1) // 2} numbers above 0, one for each pair of features")

    def leaving(self, _features: FeatureFilter) -> Self | None:
        """Return None: if any rule applies, the components are not exported either."""
        return None


class PcaFitGatherer:
    """Five-fold cross-validation of the components on the sample."""

    def __init__(self, reference: ReferenceSetup) -> None:
        space = reference.bins.space
        self._fit = None if space is None else measure_pca_fit(space, reference.sample, reference.bins)

    def add(self, _table: PredictionTable, _actual: Column | None) -> None:
        """Do nothing: the components were fitted to the sample."""

    def piece(self) -> PcaFit | None:
        """Return the fit; None without components."""
        return self._fit


def measure_pca_fit(space: Space, sample: PredictionTable, bins: ModelBins) -> PcaFit:
    """Compare components with those of four fifths of their rows, and compute the variances of correlations."""
    n = len(sample)
    index = {name: bin_of_each([sample], name, bins.features[name]) for name in space.names}
    points = np.stack([at_places(space.places[name], bin_index) for name, bin_index in index.items()]) / UNIT
    errors = distances(space.rest, points)
    counts = {
        name: np.stack(
            [np.bincount(bin_index[fold::FOLDS], minlength=bins.features[name].size + 2) for fold in range(FOLDS)]
        )
        for name, bin_index in index.items()
    }
    moments, gained = product(points, points.T), 0.0
    for fold in range(FOLDS):
        is_other_fold = np.arange(FOLDS) != fold
        held_out = points[:, fold::FOLDS]
        rest = rest_of(principal(moments - product(held_out, held_out.T), len(space.components)))
        moved = np.empty(held_out.shape)
        for row, (name, bin_index) in enumerate(index.items()):
            fold_counts = counts[name][is_other_fold, : bins.features[name].size].sum(axis=0).astype(np.float64)
            places = normal_scores(fold_counts) if np.count_nonzero(fold_counts) > 1 else space.places[name]
            moved[row] = at_places(places, bin_index[fold::FOLDS]) / UNIT
        gained += float((distances(rest, moved) - errors[fold::FOLDS]).sum())
    # 20_000: rows, for a standard error of 3 % of a factor
    sampled = points[:, :: -(-n // 20_000)]
    return PcaFit(n, round(gained / n, 6), factors(sampled) if len(points) <= MOST_PAIRED else None)


def factors(points: F64) -> F64:
    """Return the variance of Fisher's z of each pair's correlation, times the rows, for any distribution.

    Computed from the influence of each row on the correlation, (u v - r (u² + v²) / 2) / (1 - r²): 1 for normal
    variables, more for variables with joint extreme values.

    Args:
        points: float64 (d, n).

    Source: Steiger and Hakstian, "The asymptotic distribution of elements of a correlation matrix" (1982).

    >>> normal = np.random.default_rng(1).normal(size=(2, 100_000))
    >>> factors(normal).round(1).tolist()
    [1.0]
    """
    n = points.shape[1]
    deviation = np.sqrt(np.maximum((points**2).mean(axis=1), 1e-12))
    u = points / deviation[:, np.newaxis]
    r = np.clip(product(u, u.T) / n, -0.999, 0.999)
    square = u**2
    square_products, uneven = product(square, square.T) / n, product(u**3, u.T) / n
    fourth = np.diagonal(square_products)
    fourth_moments = fourth[:, np.newaxis] + fourth + 2 * square_products
    variances = (square_products - r * (uneven + uneven.T) + r**2 * fourth_moments / 4) / (1 - r**2) ** 2
    # 0.1: a pair that is all but one feature twice has none; so little is taken for it
    rounded: F64 = np.round(np.maximum(variances, 0.1), 3)[np.triu_indices(len(points), 1)]
    return rounded
