"""The domain classifier: a model that separates the rows of a window from the reference's, and the features it uses."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
from driftline.panes.matrix_products import product
from driftline.tables.table import F64, I64
from msgspec import Struct

from driftline_processor.core.evaluation import DriftContributor

from .method import ALPHA, JointMethod, JointResult

FOLDS = 5
"""Folds of the cross-validation, as usual (Hastie, Tibshirani and Friedman 2009, section 7.10)."""

MOST_ROWS = 5_000
"""Limit of rows of either sample: an AUC of 0.55 is then twelve standard errors from 0.5, and a window takes about a
second.
"""

MOST_PRODUCTS = 276
"""Limit of products of pairs as features of the classifier: all pairs of up to 24 features, a random choice of more."""

RIDGE = 0.05
"""Ridge penalty per row: 276 products of 500 rows stay solvable, and coefficients of columns with variance 1 shrink by
a twentieth.
"""

PERMUTATIONS, AT_ONCE, ENOUGH = 499, 50, 20
"""Maximum number of permutations, permutations per batch, and number of permutations with an AUC as great after which
the p-value is precise enough (Besag and Clifford).
"""


class Points(Struct, frozen=True, eq=False):
    """n rows in the space of a baseline.

    Attributes:
        names: The d features.
        z: float64 (n, d), coordinates.
        missing: bool (n, d), missing values.
    """

    names: tuple[str, ...]
    z: F64
    missing: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def auc(scores: F64, side: F64) -> F64:
    """Return the area under the ROC curve of each row of scores: float64 (b,).

    Args:
        scores: float64 (b, n).
        side: float64 (b, n) or (1, n), 1 for rows of the window.

    >>> auc(np.array([[0.1, 0.4, 0.35, 0.8]]), np.array([[0.0, 0.0, 1.0, 1.0]])).tolist()
    [0.75]
    """
    order = np.argsort(scores, axis=1)
    labels = np.take_along_axis(np.broadcast_to(side, scores.shape), order, axis=1)
    ones = labels.sum(axis=1)
    ranks = labels @ np.arange(1.0, scores.shape[1] + 1)
    area: F64 = (ranks - ones * (ones + 1) / 2) / (ones * (scores.shape[1] - ones))
    return area


def classify(reference: Points, current: Points, rng: np.random.Generator) -> JointResult | None:
    """Train a classifier to separate two sets of rows, and measure it on held-out rows.

    A ridge regression of the side of a row (Fisher's linear discriminant) on coordinates, their squares, missing values
    and products of pairs, with five folds; the value is the mean of their AUCs. Rows of one distribution give 0.5. The
    p-value is the fraction of random permutations of the sides, within folds, with an AUC as great: exact for
    independent rows, and at least 0.002. ``rng`` draws folds, permutations and products.

    NannyML's ``DomainClassifierCalculator`` uses gradient-boosted trees and Evidently's drift of texts a logistic
    regression; the former has fixed thresholds of the AUC for any number of rows. Trees detect more, such as values
    that are absent from the middle of a range.

    Source: Lopez-Paz and Oquab, "Revisiting classifier two-sample tests" (2017); Besag and Clifford, "Sequential Monte
    Carlo p-values" (1991).

    >>> x = np.random.default_rng(1).normal(size=(2, 800))
    >>> sums = np.array([x[0], x[0] + x[1]]), np.array([x[0], x[1] - x[0]])  # the correlation changes its sign
    >>> before, after = (Points(("a", "b"), z.T, z.T > 9) for z in sums)
    >>> found = classify(before, after, np.random.default_rng(2))
    >>> found.value > 0.7, found.p_value, sorted(one.features[0] for one in found.contributors)
    (True, 0.002, ['a', 'b'])
    """
    n, m = len(reference.z), len(current.z)
    if min(n, m) < 2 * FOLDS:
        return None
    design = Design.of(reference, current, rng)
    side = np.concatenate([np.zeros(n), np.ones(m)])
    fold = np.concatenate([rng.permutation(n) % FOLDS, rng.permutation(m) % FOLDS])
    trials = [_Trial.of(design.columns, fold == index) for index in range(FOLDS)]
    area = float(np.mean([trial.auc(side[np.newaxis])[0] for trial in trials]))
    p = _permuted(trials, side, area, rng)
    # variance of the folds' mean AUC if both samples have one distribution
    variance = (n + m + FOLDS) / (12 * n * m)
    effect = math.sqrt(max(0.0, (area - 0.5) ** 2 - variance)) if area > 0.5 else 0.0
    contributors = _contributors(design, trials, side, area, rng) if p <= ALPHA else ()
    return JointResult(
        value=area, was=0.5, now=area, p_value=p, effect=effect, rows=float(min(n, m)), contributors=contributors
    )


class Design(Struct, frozen=True, eq=False):
    """The design matrix of a classifier.

    Attributes:
        names: Names of the features.
        columns: float64 (n, p), standardised.
        made_of: Indices of the features of each column, (p,).
    """

    names: tuple[str, ...]
    columns: F64
    made_of: list[tuple[int, ...]]

    @classmethod
    def of(cls, reference: Points, current: Points, rng: np.random.Generator) -> Design:
        """Return the standardised columns of reference and window, including those of pairs of features."""
        z = np.concatenate([reference.z, current.z])
        missing = np.concatenate([reference.missing, current.missing])
        d = z.shape[1]
        pairs = list(combinations(range(d), 2))
        if len(pairs) > MOST_PRODUCTS:
            pairs = [pairs[index] for index in np.sort(rng.choice(len(pairs), MOST_PRODUCTS, replace=False)).tolist()]
        lacking = np.flatnonzero(missing.any(axis=0)).tolist()
        made_of = [
            *((index,) for index in range(d)),
            *((index,) for index in range(d)),
            *((index,) for index in lacking),
            *pairs,
        ]
        first, second = (np.array([pair[side] for pair in pairs], dtype=np.intp) for side in (0, 1))
        columns = np.hstack([z, z**2, missing[:, lacking], z[:, first] * z[:, second]])
        columns -= columns.mean(axis=0)
        deviations = columns.std(axis=0)
        return cls(reference.names, columns / np.where(deviations > 1e-9, deviations, 1.0), made_of)


class _Trial(Struct, frozen=True, eq=False):
    """One fold: a classifier trained on the rows of the other folds, tested on its own rows."""

    trained: F64
    held_out: F64
    inverse: F64
    where: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

    @classmethod
    def of(cls, columns: F64, where: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> _Trial:
        trained = columns[~where]
        ridge = RIDGE * len(trained) * np.eye(columns.shape[1])
        inverse = np.linalg.inv(product(trained.T, trained) + ridge).astype(np.float64, copy=False)
        return cls(trained, columns[where], inverse, where)

    def weights(self, sides: F64) -> F64:
        """Train on sides float64 (b, n) of all rows: float64 (b, p)."""
        training_sides = sides[:, ~self.where]
        return product(product(training_sides - training_sides.mean(axis=1, keepdims=True), self.trained), self.inverse)

    def auc(self, sides: F64) -> F64:
        """Return the AUC of the held-out rows for each row of sides."""
        return auc(product(self.weights(sides), self.held_out.T), sides[:, self.where])


def _permuted(trials: list[_Trial], side: F64, area: float, rng: np.random.Generator) -> float:
    """Return the fraction of permutations with an AUC as great; the observed rows count as one permutation."""
    as_great, tried = 0, 0
    while tried < PERMUTATIONS and as_great < ENOUGH:
        count = min(AT_ONCE, PERMUTATIONS - tried)
        sides = np.empty((count, len(side)))
        for trial in trials:
            rows: I64 = np.flatnonzero(trial.where)
            sides[:, rows] = rng.permuted(np.tile(side[rows], (count, 1)), axis=1)
        areas = np.mean([trial.auc(sides) for trial in trials], axis=0)
        as_great, tried = as_great + int(np.count_nonzero(areas >= area)), tried + count
    return (as_great + 1) / (tried + 1)


def _contributors(
    design: Design, trials: list[_Trial], side: F64, area: float, rng: np.random.Generator
) -> tuple[DriftContributor, ...]:
    """Return the features whose permutation among the held-out rows lowers the AUC most."""
    falls = np.zeros(len(design.names))
    for trial in trials:
        weights = trial.weights(side[np.newaxis])[0]
        log_odds, own_side = trial.held_out @ weights, side[np.newaxis, trial.where]
        order = rng.permutation(len(trial.held_out))
        for index in range(len(design.names)):
            columns_of_feature = [column for column, features in enumerate(design.made_of) if index in features]
            # a product is permuted as a whole, so its contribution counts for both of its features
            part = trial.held_out[:, columns_of_feature] @ weights[columns_of_feature]
            falls[index] += area - float(auc((log_odds - part + part[order])[np.newaxis], own_side)[0])
    falls /= FOLDS
    # 5: limit of named features, for the space of a sentence and a card
    first = np.argsort(-falls, kind="stable")[:5]
    return tuple(
        DriftContributor((design.names[feature],), float(falls[feature]), area, area - float(falls[feature]))
        for feature in first.tolist()
        if falls[feature] > 0
    )


METHOD = JointMethod(
    name="domain_classifier",
    title="domain classifier",
    unit="area under the ROC curve, above 0.5",
    min_effect=0.05,
    neutral=0.5,
    minimum=0.0,
    maximum=1.0,
    source="Lopez-Paz and Oquab (2017)",
)
