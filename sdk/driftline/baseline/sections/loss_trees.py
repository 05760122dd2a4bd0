"""Direct loss estimation: gradient boosted trees that predict the loss of each row of a regression.

The trees use the bins of the features and of the predicted value. They are symmetric: all nodes of one level have the
same split, so the index of a row's leaf is a bit mask of its answers, and a tree costs a few byte comparisons and one
look-up. Training takes seconds in numpy.

Source: Friedman, "Greedy function approximation: a gradient boosting machine" (2001); Prokhorenkova et al., "CatBoost:
unbiased boosting with categorical features" (2018), section 3; Fisher, "On grouping for maximum homogeneity" (1958),
for the order of categories.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from driftline.panes.bins import Bins, CategoryBins, assign
from driftline.panes.model_bins import ModelBins
from driftline.privacy.rules import FeatureFilter
from driftline.tables.table import F64, Column

from .section import Section, block_columns, rounded

Codes = NDArray[np.uint8]

DEPTH = 5
TREES = 100
RATE = 0.3
RIDGE = 5.0
"""Rows with the mean value that are added to each leaf, as regularisation of leaves with few rows."""

HELD_OUT = 5
"""Every fifth row is held out to measure the error of the trees, and whether there is anything to learn. Afterwards,
the trees are trained again on all rows, because a shift often leads to a region with few reference rows.
"""

MOST_TRIED = 24
"""Features that are tried per tree; a random selection if there are more."""

_AT_ONCE = 8_192
"""Rows predicted at a time, so that their codes fit in the cache."""


@dataclass(frozen=True, slots=True, eq=False)
class Trees:
    """t trees of depth d for k outputs.

    A row sets the bit of level l if its code of that level's feature is at least ``place``.

    Attributes:
        base: float64 (k,).
        feature: uint8 (t, d).
        place: uint8 (t, d).
        leaves: float64 (t, 2^d, k), indexed by the bit mask; the first level is the lowest bit.
    """

    base: F64
    feature: NDArray[np.int64]
    place: Codes
    leaves: F64

    def predict(self, places: Codes) -> F64:
        """Return the outputs of n rows, float64 (n, k).

        Args:
            places: uint8 (features, n).
        """
        n = places.shape[1]
        predictions = np.empty((n, len(self.base)))
        for first in range(0, n, _AT_ONCE):
            block = places[:, first : first + _AT_ONCE]
            sums = np.tile(self.base, (block.shape[1], 1))
            for feature, place, leaves in zip(self.feature, self.place, self.leaves, strict=True):
                sums += leaves[_leaf(block, feature, place)]
            predictions[first : first + _AT_ONCE] = sums
        return predictions

    def check(self) -> None:
        """Raise ``ValueError`` for trees of different shapes."""
        shape = self.feature.shape
        if len(shape) != 2 or not 1 <= shape[1] <= 8 or self.place.shape != shape or (self.feature < 0).any():
            raise ValueError("in each tree, 'feature' and 'place' must be lists of the same length, from 1 to 8")
        if not len(self.base) or self.leaves.shape != (shape[0], 2 ** shape[1], len(self.base)):
            raise ValueError(f"leaves must be {2 ** shape[1]} lists of {len(self.base)} numbers for each tree")


def _leaf(places: Codes, feature: Sequence[int] | NDArray[np.int64], place: Codes) -> NDArray[np.uint8]:
    leaf = np.zeros(places.shape[1], np.uint8)
    for level, (feature_index, threshold) in enumerate(zip(feature, place, strict=True)):
        leaf |= (places[feature_index] >= threshold).view(np.uint8) << np.uint8(level)
    return leaf


def train(places: Codes, targets: F64, rng: np.random.Generator) -> tuple[Trees, F64]:
    """Train trees; return them and their predictions for the held-out rows, NaN for all other rows.

    ``places``: uint8 (features, n), n >= 100; ``targets``: float64 (n, k), NaN if unknown. The loss is the squared
    error, each output in units of its standard deviation. The held-out rows depend on ``rng`` alone; their predictions
    come from trees that were not trained on them, and the returned trees were trained on all rows.

    >>> rng = np.random.default_rng(7)
    >>> places = rng.integers(0, 50, (2, 5_000)).astype(np.uint8)
    >>> targets = np.where(places[0] >= 20, 3.0, 1.0)[:, np.newaxis]
    >>> trees, held = train(places, targets, rng)
    >>> trees.predict(np.array([[5, 40], [0, 0]], np.uint8)).round(1).tolist()
    [[1.0], [3.0]]
    """
    n, k = targets.shape
    is_known = ~np.isnan(targets)
    base = np.array(
        [targets[is_known[:, index], index].mean() if is_known[:, index].any() else 0.0 for index in range(k)]
    )
    deviations = np.array(
        [targets[is_known[:, index], index].std() if is_known[:, index].any() else 0.0 for index in range(k)]
    )
    deviations = np.where(deviations > 0, deviations, 1.0)
    residual = np.where(is_known, (targets - base) / deviations, 0.0)
    is_held_out = np.zeros(n, np.bool_)
    is_held_out[rng.permutation(n)[: n // HELD_OUT]] = True
    grown = _boosted(places, residual, is_known, is_held_out, rng)
    predictions = np.full((n, k), np.nan)
    predictions[is_held_out] = _trees(grown, base, deviations).predict(np.ascontiguousarray(places[:, is_held_out]))
    if grown:  # train again, with the held-out rows
        grown = _boosted(places, residual, is_known, np.zeros(n, np.bool_), rng)
    return _trees(grown, base, deviations), predictions


def _boosted(
    places: Codes, residual: F64, is_known: NDArray[np.bool_], held_out: NDArray[np.bool_], rng: np.random.Generator
) -> list[tuple[NDArray[np.int64], Codes, F64]]:
    """Train trees on the rows that are not held out; [] if the first trees do not improve the held-out rows."""
    fitted, tried = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    fitted_places, tried_places = np.ascontiguousarray(places[:, fitted]), np.ascontiguousarray(places[:, tried])
    r, left = residual[fitted].copy(), residual[tried].copy()
    known_fitted, known_tried = is_known[fitted], is_known[tried]
    widths = places.max(axis=1).astype(np.int64) + 1
    grown: list[tuple[NDArray[np.int64], Codes, F64]] = []
    least_error, learned = float((left[known_tried] ** 2).sum()), not len(tried)
    for _ in range(TREES):
        sampled = np.arange(len(places)) if len(places) <= MOST_TRIED else rng.permutation(len(places))[:MOST_TRIED]
        tree = _grow(fitted_places, r, known_fitted, sampled, widths)
        if tree is None:
            break
        grown.append(tree)
        r -= np.where(known_fitted, tree[2][_leaf(fitted_places, tree[0], tree[1])], 0.0)
        left -= np.where(known_tried, tree[2][_leaf(tried_places, tree[0], tree[1])], 0.0)
        learned = learned or float((left[known_tried] ** 2).sum()) < least_error
        # 8: trees that may bring nothing on held-out rows from the first one on; then there is nothing to be learned.
        # Any that bring something are followed by all others: those that stop when rows of the reference gain no more
        # are too coarse where it has few rows, and there a shift leads.
        if not learned and len(grown) >= 8:
            break
    return grown if learned else []


def _trees(grown: list[tuple[NDArray[np.int64], Codes, F64]], base: F64, deviation: F64) -> Trees:
    if not grown:
        empty = np.zeros((0, 1), np.int64)
        return Trees(base, empty, empty.astype(np.uint8), np.zeros((0, 2, len(base))))
    feature, place, leaves = (np.stack(part) for part in zip(*grown, strict=True))
    return Trees(base, feature, place, rounded(leaves * deviation, 6))


def _grow(
    places: Codes, residual: F64, is_known: NDArray[np.bool_], features: NDArray[np.int64], widths: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Codes, F64] | None:
    """Choose, level by level, the split that lowers the squared error of all leaves most; None if no split does."""
    n, k = residual.shape
    leaf = np.zeros(n, np.int64)
    questions, from_on = np.zeros(DEPTH, np.int64), np.zeros(DEPTH, np.uint8)
    for level in range(DEPTH):
        leaves, best = 2**level, 0.0
        for feature in features.tolist():
            width = int(widths[feature])
            if width < 2:
                continue
            cell = leaf * width + places[feature]
            gain = np.zeros(width - 1)
            for index in range(k):
                sums_of_cells = (
                    np.bincount(cell, values[:, index], minlength=leaves * width) for values in (residual, is_known)
                )
                sums, rows = (
                    sums_of_leaf.astype(np.float64, copy=False).reshape(leaves, width) for sums_of_leaf in sums_of_cells
                )
                gain += _gain(sums, rows)
            split = int(gain.argmax())
            if gain[split] > best:
                best, questions[level], from_on[level] = float(gain[split]), feature, split + 1
        if best <= 0:
            if level == 0:
                return None
            from_on[level] = 255  # no row: a level without effect
        leaf |= (places[questions[level]] >= from_on[level]).astype(np.int64) << level
    values = np.empty((2**DEPTH, k))
    for index in range(k):
        residuals = np.bincount(leaf, residual[:, index], minlength=len(values))
        values[:, index] = RATE * residuals / (np.bincount(leaf, is_known[:, index], minlength=len(values)) + RIDGE)
    return questions, from_on, values


def _gain(sums: F64, rows: F64) -> F64:
    """Return the reduction of the squared error by each split of a feature, over all leaves: float64 (width - 1,)."""
    below, rows_below = np.cumsum(sums, axis=1)[:, :-1], np.cumsum(rows, axis=1)[:, :-1]
    total, rows_total = sums.sum(axis=1, keepdims=True), rows.sum(axis=1, keepdims=True)
    above, rows_above = total - below, rows_total - rows_below
    split = below**2 / (rows_below + RIDGE) + above**2 / (rows_above + RIDGE) - total**2 / (rows_total + RIDGE)
    gained: F64 = split.sum(axis=0)
    return gained


OUTPUTS = ("absolute_error", "squared_error", "absolute_percentage_error")

SCORE = "score"
MOST_PLACES = 250
"""Maximum number of bins of a feature, so that codes fit into a byte. Features have fewer bins than this."""

FEWEST_ROWS = 500
MOST_TRAINED = 100_000
MOST_INPUTS = 100

_SEED = 20_261_120


@dataclass(frozen=True, slots=True, eq=False)
class LossTrees(Section):
    """Trees that predict the loss of a row from its features and score.

    Attributes:
        inputs: Parts that the trees use, ``feature:NAME`` and ``score``.
        orders: uint8 (cells,) by input: rank of each cell of a category by mean loss, with missing and invalid.
        trees: Trees of :data:`OUTPUTS`.
        spread: float64 (3,), variance of a loss divided by the square of its prediction, on held-out rows.
    """

    inputs: tuple[str, ...]
    orders: Mapping[str, Codes]
    trees: Trees
    spread: F64

    @classmethod
    def learned(cls, cells: Mapping[str, NDArray[np.intp]], bins: ModelBins, losses: F64) -> Self | None:
        """Train on n rows: the cell of each row in each input, and its losses, float64 (n, 3).

        Returns None with fewer than 500 rows.
        """
        n = len(losses)
        over = block_columns(bins)
        inputs = tuple(name for name in cells if over[name].size + 2 <= MOST_PLACES)[-MOST_INPUTS:]
        if n < FEWEST_ROWS or not inputs:
            return None
        rng = np.random.default_rng(_SEED)
        orders = {
            name: _order(cells[name], over[name], losses) for name in inputs if isinstance(over[name], CategoryBins)
        }
        places = np.stack([_placed(cells[name], orders.get(name)) for name in inputs])
        sampled = np.sort(rng.permutation(n)[:MOST_TRAINED])
        trees, held_predictions = train(np.ascontiguousarray(places[:, sampled]), losses[sampled], rng)
        tried = ~np.isnan(held_predictions[:, 0])
        expected, real = np.maximum(held_predictions[tried], 0.0), losses[sampled][tried]
        wrong = np.nansum((real - expected) ** 2, axis=0)
        squares = (expected**2 * ~np.isnan(real)).sum(axis=0)
        relative_variance = np.divide(wrong, squares, out=np.ones(len(wrong)), where=squares > 0)
        return cls(inputs, orders, trees, rounded(relative_variance, 6))

    def predict(self, features: Mapping[str, Column], values: F64, bins: ModelBins) -> F64:
        """Return the expected losses of n rows, float64 (n, 3); ``values``: predicted values, float64 (n,)."""
        places = np.empty((len(self.inputs), len(values)), np.uint8)
        for row, name in enumerate(self.inputs):
            places[row] = _placed(cell_of(name, features, values, bins), self.orders.get(name))
        return np.maximum(self.trees.predict(places), 0.0)

    def needs(self, features: Mapping[str, Column]) -> bool:
        """Return True if the trees use no features, or at least one of these."""
        feature_names = [name.removeprefix("feature:") for name in self.inputs if name != SCORE]
        return not feature_names or any(name in features for name in feature_names)

    def check_bins(self, bins: ModelBins) -> None:
        """Raise ``ValueError`` for inputs without bins, and orders of another length."""
        over = block_columns(bins)
        if not self.inputs or not all(name in over for name in self.inputs):
            raise ValueError("inputs must be names of features that have bins, or 'score'")
        for name, order in self.orders.items():
            if name not in self.inputs or order.shape != (over[name].size + 2,):
                raise ValueError(f"the order of {name!r} must have an entry for each of its bins")
        if (self.trees.feature >= len(self.inputs)).any():
            raise ValueError("trees must use only known inputs")
        if not len(self.spread) == len(self.trees.base) == len(OUTPUTS) or (self.spread < 0).any():
            raise ValueError(f"there must be {len(OUTPUTS)} outputs, each with a spread")

    def leaving(self, features: FeatureFilter) -> Self | None:
        """Return the trees if no rule changes the bins of their features, else None."""
        feature_names = [name.removeprefix("feature:") for name in self.inputs if name != SCORE]
        return self if all(name in features.plain for name in feature_names) else None


def cell_of(name: str, features: Mapping[str, Column], values: F64, bins: ModelBins) -> NDArray[np.intp]:
    """Return the bin of each row in an input; a feature that the rows lack is missing in every row."""
    over = block_columns(bins)[name]
    column = Column(numbers=values) if name == SCORE else features.get(name.removeprefix("feature:"))
    if column is None or (column.numbers is None and column.codes is None):
        return np.full(len(values), over.size, np.intp)
    return assign(over, column)


def _placed(cells: NDArray[np.intp], order: Codes | None) -> Codes:
    return cells.astype(np.uint8) if order is None else order[cells]


def _order(cells: NDArray[np.intp], over: Bins, losses: F64) -> Codes:
    """Return the rank of each cell by mean loss; cells without rows have a middle rank."""
    width = over.size + 2
    rows = np.bincount(cells, minlength=width)
    mean = (np.bincount(cells, losses[:, 0], minlength=width) + 10 * losses[:, 0].mean()) / (rows + 10)
    order = np.empty(width, np.uint8)
    order[np.argsort(mean, kind="stable")] = np.arange(width)
    return order
